//! A simulated AKS: Azure Resource Manager's agent pools as a tower service, and the machines that they become.
//!
//! `service` is the HTTP surface, `errors` Azure's words, `pools` the state, `machines` what happens in the cluster,
//! `sizes` the VM sizes, `faults` what goes wrong. Must not know: who asks. Everything here is simulated; bodies,
//! headers and texts are as recorded from the real service where a recording was at hand.

mod config;
mod errors;
mod faults;
mod machines;
mod pools;
mod service;
mod sizes;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub use config::{AksConfig, Policy, Timings};
pub use faults::{ArmFault, MachineFault, Rule};
pub use pools::PoolView;
pub use service::ArmService;
pub use sizes::{Size, size};

use self::faults::Faults;
use self::pools::Pools;
use super::cluster::Cluster;
use super::run::World;

/// A running AKS, joined to a cluster. Clones are the same.
#[derive(Clone, Debug)]
pub struct Aks {
    world: World,
    cluster: Cluster,
    config: Arc<AksConfig>,
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug)]
struct Shared {
    pools: Pools,
    faults: Faults,
}

impl Aks {
    /// Starts it beside a cluster, whose nodes it will make. Its timers are tasks of the running tokio runtime.
    #[must_use]
    pub fn start(config: AksConfig, cluster: &Cluster) -> Self {
        let world = cluster.server.world().clone();
        let digits = world.entropy.stream("aks").below(100_000_000);
        let shared = Shared {
            pools: Pools::new(format!("{digits:08}")),
            faults: Faults::default(),
        };
        Self {
            world,
            cluster: cluster.clone(),
            config: Arc::new(config),
            shared: Arc::new(Mutex::new(shared)),
        }
    }

    /// The HTTP surface.
    #[must_use]
    pub fn service(&self) -> ArmService {
        ArmService::new(self.clone())
    }

    /// What it was made with.
    #[must_use]
    pub fn config(&self) -> &AksConfig {
        &self.config
    }

    /// Plants a fault of requests or operations.
    pub fn plant(&self, fault: ArmFault, rule: Rule) {
        self.lock().faults.plant(fault, rule);
    }

    /// Plants a fault of the machines of pools whose name begins so.
    pub fn plant_machine(&self, fault: MachineFault, pool_prefix: &str) {
        self.lock().faults.plant_machine(fault, pool_prefix);
    }

    /// Takes every fault away. GPUs that were held back come now.
    pub fn heal(&self) {
        self.lock().faults.heal();
        self.offer_held_gpus();
    }

    /// Sets the quota of a VM family, in vCPUs.
    pub fn set_quota(&self, family: &str, vcpus: u64) {
        self.lock().pools.set_quota(family, vcpus);
    }

    /// The pools that exist, in the order of their names.
    #[must_use]
    pub fn pools(&self) -> Vec<PoolView> {
        self.lock().pools.views()
    }

    /// Time for which GPU machines were paid so far, all together.
    #[must_use]
    pub fn gpu_node_time(&self) -> Duration {
        let now = self.world.clock.elapsed();
        self.lock().pools.gpu_node_time(now)
    }

    /// PUTs that were accepted so far: what an operator must not waste.
    #[must_use]
    pub fn accepted_puts(&self) -> u64 {
        self.lock().pools.accepted_puts
    }

    fn trace(&self, verb: &str, object: &str, result: &str) {
        self.world
            .trace
            .record(self.world.clock.elapsed(), "aks", verb, object, result);
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
