//! The tables themselves.

use super::Sku;

/// One row: name, GPUs, GPU memory (GiB, all GPUs), make, compute capability times ten (0: none), NVMe, listed by KAITO.
type Row = (&'static str, u32, u32, &'static str, u32, bool, bool);

const fn rows<const N: usize>(rows: [Row; N]) -> [Sku; N] {
    let mut skus = [Sku {
        name: "",
        gpus: 0,
        gpu_memory_gib: 0,
        gpu: "",
        compute_capability: None,
        nvme: false,
        listed: false,
    }; N];
    let mut at = 0;
    while at < N {
        let (name, gpus, gpu_memory_gib, gpu, capability, nvme, listed) = rows[at];
        let compute_capability = if capability == 0 { None } else { Some(capability) };
        skus[at] = Sku {
            name,
            gpus,
            gpu_memory_gib,
            gpu,
            compute_capability,
            nvme,
            listed,
        };
        at += 1;
    }
    skus
}

pub(super) const AZURE: [Sku; 27] = rows([
    ("Standard_NC12s_v3", 2, 32, "V100", 70, false, false),
    ("Standard_NC16as_T4_v3", 1, 16, "T4", 75, false, false),
    ("Standard_NC24ads_A100_v4", 1, 80, "A100", 80, true, true),
    ("Standard_NC24rs_v3", 4, 64, "V100", 70, false, false),
    ("Standard_NC24s_v3", 4, 64, "V100", 70, false, false),
    ("Standard_NC40ads_H100_v5", 1, 94, "H100", 90, true, true),
    ("Standard_NC48ads_A100_v4", 2, 160, "A100", 80, true, true),
    ("Standard_NC4as_T4_v3", 1, 16, "T4", 75, false, false),
    ("Standard_NC64as_T4_v3", 4, 64, "T4", 75, false, false),
    ("Standard_NC6s_v3", 1, 16, "V100", 70, false, false),
    ("Standard_NC80adis_H100_v5", 2, 188, "H100", 90, true, true),
    ("Standard_NC8as_T4_v3", 1, 16, "T4", 75, false, false),
    ("Standard_NC96ads_A100_v4", 4, 320, "A100", 80, true, true),
    ("Standard_NCC40ads_H100_v5", 1, 94, "H100", 90, false, true),
    ("Standard_ND96amsr_A100_v4", 8, 640, "A100", 80, true, true),
    ("Standard_ND96asr_A100_v4", 8, 320, "A100", 80, false, true),
    ("Standard_ND96asr_v4", 8, 320, "A100", 80, false, false),
    ("Standard_ND96isr_H100_v5", 8, 640, "H100", 90, true, true),
    ("Standard_ND96isr_H200_v5", 8, 1128, "H200", 90, true, true),
    ("Standard_NG32adms_V620_v1", 1, 32, "V620", 0, false, true),
    ("Standard_NG32ads_V620_v1", 1, 32, "V620", 0, false, true),
    ("Standard_NV12ads_A10_v5", 1, 8, "A10", 86, false, false),
    ("Standard_NV18ads_A10_v5", 1, 12, "A10", 86, false, false),
    ("Standard_NV36adms_A10_v5", 1, 24, "A10", 86, false, false),
    ("Standard_NV36ads_A10_v5", 1, 24, "A10", 86, false, true),
    ("Standard_NV6ads_A10_v5", 1, 4, "A10", 86, false, false),
    ("Standard_NV72ads_A10_v5", 2, 48, "A10", 86, false, true),
]);

pub(super) const AWS: [Sku; 35] = rows([
    ("g4ad.16xlarge", 4, 32, "V520", 0, true, true),
    ("g4ad.2xlarge", 1, 8, "V520", 0, true, true),
    ("g4ad.4xlarge", 1, 8, "V520", 0, true, true),
    ("g4ad.8xlarge", 2, 16, "V520", 0, true, true),
    ("g4ad.xlarge", 1, 8, "V520", 0, true, true),
    ("g5.12xlarge", 4, 96, "A10G", 86, true, true),
    ("g5.16xlarge", 1, 24, "A10G", 86, true, true),
    ("g5.24xlarge", 4, 96, "A10G", 86, true, true),
    ("g5.2xlarge", 1, 24, "A10G", 86, true, true),
    ("g5.48xlarge", 8, 192, "A10G", 86, true, true),
    ("g5.4xlarge", 1, 24, "A10G", 86, true, true),
    ("g5.8xlarge", 1, 24, "A10G", 86, true, true),
    ("g5.xlarge", 1, 24, "A10G", 86, true, true),
    ("g6.12xlarge", 4, 96, "L4", 89, true, true),
    ("g6.16xlarge", 1, 24, "L4", 89, true, true),
    ("g6.24xlarge", 4, 96, "L4", 89, true, true),
    ("g6.2xlarge", 1, 24, "L4", 89, true, true),
    ("g6.48xlarge", 8, 192, "L4", 89, true, true),
    ("g6.4xlarge", 1, 24, "L4", 89, true, true),
    ("g6.8xlarge", 1, 24, "L4", 89, true, true),
    ("g6.xlarge", 1, 24, "L4", 89, true, true),
    ("gr6.4xlarge", 1, 24, "L4", 89, true, true),
    ("gr6.8xlarge", 1, 24, "L4", 89, true, true),
    ("inf2.24xlarge", 6, 192, "Inferentia2", 0, false, true),
    ("inf2.48xlarge", 12, 384, "Inferentia2", 0, false, true),
    ("inf2.8xlarge", 1, 32, "Inferentia2", 0, false, true),
    ("inf2.xlarge", 1, 32, "Inferentia2", 0, false, true),
    ("p4d.24xlarge", 8, 320, "A100", 80, true, true),
    ("p4de.24xlarge", 8, 640, "A100", 80, true, true),
    ("p5.48xlarge", 8, 640, "H100", 90, true, true),
    ("p5e.48xlarge", 8, 1128, "H200", 90, true, true),
    ("p5en.48xlarge", 8, 1128, "H200", 90, true, true),
    ("trn1.2xlarge", 1, 32, "Trainium", 0, true, true),
    ("trn1.32xlarge", 16, 512, "Trainium", 0, true, true),
    ("trn1n.32xlarge", 16, 512, "Trainium", 0, true, true),
]);

pub(super) const ARC: [Sku; 8] = rows([
    ("Standard_NC16_A16", 2, 32, "A16", 86, false, true),
    ("Standard_NC16_A2", 2, 32, "A2", 86, false, true),
    ("Standard_NC32_A16", 2, 32, "A16", 86, false, true),
    ("Standard_NC32_A2", 2, 32, "A2", 86, false, true),
    ("Standard_NC4_A16", 1, 16, "A16", 86, false, true),
    ("Standard_NC4_A2", 1, 16, "A2", 86, false, true),
    ("Standard_NC8_A16", 1, 16, "A16", 86, false, true),
    ("Standard_NC8_A2", 1, 16, "A2", 86, false, true),
]);
