//! VM sizes: family, processors, memory, GPUs. Sources: Azure's size pages and KAITO's table.

use operator_api::sku::{self, Cloud};

/// A VM size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// Its name, spelled as Azure does.
    pub name: &'static str,
    /// The family that quota is counted by.
    pub family: &'static str,
    /// Virtual processors.
    pub vcpus: u64,
    /// Memory, in GiB.
    pub memory_gib: u64,
    /// What GPU feature discovery calls its GPU; empty without one.
    pub product: &'static str,
}

impl Size {
    /// Its GPUs.
    #[must_use]
    pub fn gpus(&self) -> u32 {
        sku::find(Cloud::Azure, self.name).map_or(0, |sku| sku.gpus)
    }

    /// Memory of one GPU, in MiB.
    #[must_use]
    pub fn gpu_memory_mib(&self) -> u32 {
        let sku = sku::find(Cloud::Azure, self.name);
        sku.map_or(0, |sku| sku.gpu_memory_gib / sku.gpus.max(1) * 1024)
    }
}

const fn of(name: &'static str, family: &'static str, vcpus: u64, memory_gib: u64, product: &'static str) -> Size {
    Size {
        name,
        family,
        vcpus,
        memory_gib,
        product,
    }
}

const V100: &str = "Tesla-V100-PCIE-16GB";
const T4: &str = "Tesla-T4";
const A10: &str = "NVIDIA-A10";
const A100: &str = "NVIDIA-A100-80GB-PCIe";
const H100: &str = "NVIDIA-H100-NVL";

const SIZES: [Size; 21] = [
    of("Standard_D2s_v5", "standardDSv5Family", 2, 8, ""),
    of("Standard_D4s_v5", "standardDSv5Family", 4, 16, ""),
    of("Standard_D8s_v5", "standardDSv5Family", 8, 32, ""),
    of("Standard_NC6s_v3", "standardNCSv3Family", 6, 112, V100),
    of("Standard_NC12s_v3", "standardNCSv3Family", 12, 224, V100),
    of("Standard_NC24s_v3", "standardNCSv3Family", 24, 448, V100),
    of("Standard_NC4as_T4_v3", "Standard NCASv3_T4 Family", 4, 28, T4),
    of("Standard_NC8as_T4_v3", "Standard NCASv3_T4 Family", 8, 56, T4),
    of("Standard_NC16as_T4_v3", "Standard NCASv3_T4 Family", 16, 110, T4),
    of("Standard_NC64as_T4_v3", "Standard NCASv3_T4 Family", 64, 440, T4),
    of("Standard_NV36ads_A10_v5", "StandardNVADSA10v5Family", 36, 440, A10),
    of("Standard_NV72ads_A10_v5", "StandardNVADSA10v5Family", 72, 880, A10),
    of("Standard_NC24ads_A100_v4", "StandardNCADSA100v4Family", 24, 220, A100),
    of("Standard_NC48ads_A100_v4", "StandardNCADSA100v4Family", 48, 440, A100),
    of("Standard_NC96ads_A100_v4", "StandardNCADSA100v4Family", 96, 880, A100),
    of(
        "Standard_ND96asr_A100_v4",
        "standardNDASv4_A100Family",
        96,
        900,
        "NVIDIA-A100-SXM4-40GB",
    ),
    of(
        "Standard_ND96amsr_A100_v4",
        "standardNDAMSv4_A100Family",
        96,
        1900,
        "NVIDIA-A100-SXM4-80GB",
    ),
    of("Standard_NC40ads_H100_v5", "StandardNCadsH100v5Family", 40, 320, H100),
    of("Standard_NC80adis_H100_v5", "StandardNCadsH100v5Family", 80, 640, H100),
    of(
        "Standard_ND96isr_H100_v5",
        "standardNDSH100v5Family",
        96,
        1900,
        "NVIDIA-H100-80GB-HBM3",
    ),
    of(
        "Standard_ND96isr_H200_v5",
        "standardNDISRH200V5Family",
        96,
        1850,
        "NVIDIA-H200",
    ),
];

/// The size of that name, written in whichever case.
#[must_use]
pub fn size(name: &str) -> Option<&'static Size> {
    SIZES.iter().find(|size| size.name.eq_ignore_ascii_case(name))
}

/// Names of all sizes.
pub(super) fn names() -> Vec<&'static str> {
    SIZES.iter().map(|size| size.name).collect()
}

/// All sizes.
pub(super) fn all() -> &'static [Size] {
    &SIZES
}
