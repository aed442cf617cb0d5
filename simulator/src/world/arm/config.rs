//! What a simulated AKS is made with.

use std::collections::BTreeMap;
use std::time::Duration;

/// A cluster in a subscription.
#[derive(Clone, Debug, PartialEq)]
pub struct AksConfig {
    /// Id of the subscription.
    pub subscription: String,
    /// Resource group of the cluster.
    pub resource_group: String,
    /// Name of the cluster.
    pub cluster: String,
    /// Region, e.g. `eastus`.
    pub location: String,
    /// Base address in answers, e.g. `https://management.azure.com`.
    pub endpoint: String,
    /// Quota in vCPUs by VM family or VM size (compared without case); what is not named has plenty.
    pub quota: BTreeMap<String, u64>,
    /// Sizes that the region does not have (compared without case).
    pub unavailable: Vec<String>,
    /// How long things take.
    pub timings: Timings,
    /// What happens to operations at the same time.
    pub policy: Policy,
    /// Pools that the cluster may have; AKS allows 100.
    pub most_pools: usize,
}

/// How long things take.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Timings {
    /// From an accepted PUT until its machine's node has joined.
    pub boot: Duration,
    /// From there until the operation says that it has succeeded.
    pub settle: Duration,
    /// From a node that is ready until its GPUs can be had: driver and device plugin.
    pub gpu: Duration,
    /// From an accepted DELETE until the pool is gone.
    pub delete: Duration,
}

impl Default for Timings {
    /// As recorded with a Standard_NC6s_v3: 3 min 52 s to create a pool, 25 s to delete it; GPUs typically follow
    /// within 20 to 90 s.
    fn default() -> Self {
        Self {
            boot: Duration::from_secs(220),
            settle: Duration::from_secs(12),
            gpu: Duration::from_secs(45),
            delete: Duration::from_secs(25),
        }
    }
}

/// What happens to operations at the same time. The real rule is not documented; threads show all three.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Policy {
    /// Pools do not disturb each other; a second operation on one pool is refused.
    #[default]
    ParallelPools,
    /// One operation in the whole cluster; another is refused.
    SerialiseAll,
    /// A delete takes the place of what its pool is busy with.
    Preempt,
}

impl Default for AksConfig {
    fn default() -> Self {
        Self {
            subscription: "00000000-0000-0000-0000-000000000000".into(),
            resource_group: "drydock".into(),
            cluster: "simulated".into(),
            location: "eastus".into(),
            endpoint: "https://management.azure.com".into(),
            quota: BTreeMap::new(),
            unavailable: Vec::new(),
            timings: Timings::default(),
            policy: Policy::default(),
            most_pools: 100,
        }
    }
}
