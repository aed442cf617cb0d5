//! VM sizes with GPUs, by cloud. Names compare without case, as Azure does.
//!
//! Knows: number, memory and make of the GPUs of each size. Must not know: prices, regions or quota.
//! Sources: KAITO v0.12's tables; for the sizes that KAITO no longer lists (`listed: false`) and for compute
//! capabilities, the AKS and NVIDIA size pages.

mod table;

use std::{fmt, str::FromStr};

/// Where the nodes come from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cloud {
    /// Azure Kubernetes Service.
    #[default]
    Azure,
    /// Amazon EKS.
    Aws,
    /// Kubernetes on Azure Local through Arc.
    Arc,
}

impl FromStr for Cloud {
    type Err = UnknownCloud;

    fn from_str(text: &str) -> Result<Self, UnknownCloud> {
        match text {
            "azure" => Ok(Self::Azure),
            "aws" => Ok(Self::Aws),
            "arc" => Ok(Self::Arc),
            other => Err(UnknownCloud(other.to_owned())),
        }
    }
}

/// A cloud that we do not know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UnknownCloud(String);

impl fmt::Display for UnknownCloud {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown cloud {:?}, use azure, aws or arc", self.0)
    }
}

impl std::error::Error for UnknownCloud {}

/// One VM size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sku {
    /// Name, spelled as the cloud does.
    pub name: &'static str,
    /// Number of GPUs.
    pub gpus: u32,
    /// Memory of all its GPUs together, in GiB.
    pub gpu_memory_gib: u32,
    /// Make of the GPU.
    pub gpu: &'static str,
    /// CUDA compute capability times ten (80 for 8.0). None: not an NVIDIA GPU, or not known.
    pub compute_capability: Option<u32>,
    /// Local NVMe disks.
    pub nvme: bool,
    /// Listed by KAITO v0.12.
    pub listed: bool,
}

/// vLLM's kernels and bfloat16 need at least this compute capability (times ten).
pub const MODERN_COMPUTE_CAPABILITY: u32 = 80;

/// The sizes of a cloud, in the order of their names.
pub fn all(cloud: Cloud) -> &'static [Sku] {
    match cloud {
        Cloud::Azure => &table::AZURE,
        Cloud::Aws => &table::AWS,
        Cloud::Arc => &table::ARC,
    }
}

/// The size of that name.
pub fn find(cloud: Cloud, name: &str) -> Option<&'static Sku> {
    all(cloud).iter().find(|sku| sku.name.eq_ignore_ascii_case(name))
}

/// Names of the sizes that a message offers.
pub fn supported(cloud: Cloud) -> Vec<&'static str> {
    all(cloud).iter().filter(|sku| sku.listed).map(|sku| sku.name).collect()
}

/// Sizes of one node whose GPU memory holds `bytes`, smallest first.
pub fn fitting(cloud: Cloud, bytes: u64) -> Vec<&'static str> {
    let mut fitting: Vec<&Sku> = all(cloud)
        .iter()
        .filter(|sku| sku.listed && sku.compute_capability.is_some() && gib(sku.gpu_memory_gib) >= bytes)
        .collect();
    fitting.sort_by_key(|sku| (sku.gpu_memory_gib, sku.gpus, sku.name));
    fitting.into_iter().map(|sku| sku.name).collect()
}

/// GiB in bytes.
pub fn gib(gib: u32) -> u64 {
    u64::from(gib) << 30
}

/// Azure families that are let through although the table lacks the size: N (GPU) and D (no GPU).
pub fn azure_family(name: &str) -> Option<char> {
    let lower = name.to_ascii_lowercase();
    let family = lower.strip_prefix("standard_")?.chars().next()?;
    matches!(family, 'n' | 'd').then_some(family)
}

/// MIG profiles that NVIDIA's data centre GPUs offer.
pub const MIG_PROFILES: [&str; 35] = [
    "1g.5gb", "1g.6gb", "1g.10gb", "1g.12gb", "1g.18gb", "1g.20gb", "1g.23gb", "1g.24gb", "1g.35gb", "1g.45gb",
    "2g.10gb", "2g.12gb", "2g.20gb", "2g.24gb", "2g.35gb", "2g.45gb", "3g.20gb", "3g.40gb", "3g.47gb", "3g.48gb",
    "3g.71gb", "3g.90gb", "4g.20gb", "4g.24gb", "4g.40gb", "4g.47gb", "4g.48gb", "4g.71gb", "4g.90gb", "7g.40gb",
    "7g.80gb", "7g.94gb", "7g.96gb", "7g.141gb", "7g.180gb",
];

/// Memory of a slice in bytes, from a profile such as `1g.10gb`. None when the text is no profile.
pub fn mig_memory(profile: &str) -> Option<u64> {
    let (slices, memory) = profile.strip_suffix("gb")?.split_once("g.")?;
    let digits = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_digit());
    if !digits(slices) {
        return None;
    }
    let (whole, fraction) = memory.split_once('.').unwrap_or((memory, "0"));
    if !digits(whole) || !digits(fraction) {
        return None;
    }
    let gib: f64 = memory.parse().ok()?;
    // Far below 2^53, so the cast loses nothing that matters.
    (gib < 1e6).then_some((gib * f64::from(1u32 << 30)) as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_complete_sorted_and_free_of_doubles() {
        for (cloud, listed) in [(Cloud::Azure, 14), (Cloud::Aws, 35), (Cloud::Arc, 8)] {
            let names: Vec<String> = all(cloud).iter().map(|sku| sku.name.to_lowercase()).collect();
            let mut sorted = names.clone();
            sorted.sort();
            sorted.dedup();
            assert_eq!(names, sorted, "{cloud:?}");
            assert_eq!(supported(cloud).len(), listed, "{cloud:?}");
        }
    }

    #[test]
    fn names_compare_without_case() {
        let sku = find(Cloud::Azure, "standard_nc24ads_a100_V4").unwrap();
        assert_eq!((sku.gpus, sku.gpu_memory_gib), (1, 80));
        assert_eq!(azure_family("STANDARD_D2s_v6"), Some('d'));
        assert_eq!(azure_family("Standard_E4"), None);
        assert_eq!(azure_family("Standard_"), None);
        assert_eq!(azure_family("é"), None);
    }

    #[test]
    fn fitting_sizes_come_smallest_first() {
        assert_eq!(
            fitting(Cloud::Azure, 90 << 30).first().copied(),
            Some("Standard_NC40ads_H100_v5")
        );
        assert!(fitting(Cloud::Azure, u64::MAX).is_empty());
    }

    #[test]
    fn profiles_parse_to_bytes_or_to_nothing() {
        assert!(MIG_PROFILES.iter().all(|profile| mig_memory(profile).is_some()));
        assert_eq!(mig_memory("1g.10gb"), Some(10 << 30));
        for text in [
            "",
            "gb",
            "1g.gb",
            "g.10gb",
            "1g10gb",
            "1g.1.2.3gb",
            "1g.-5gb",
            "1g.999999999gb",
            "ég.1gb",
        ] {
            assert_eq!(mig_memory(text), None, "{text}");
        }
    }
}
