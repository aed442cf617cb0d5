//! The kubelets of all simulated nodes: one controller for nodes (registration, heartbeats), one for pods.
//!
//! A pod is a stage machine: volumes, then each container in turn (pull, start, run, end), then its end. What a
//! container does is data (`behaviour`), but for `programs` that somebody else runs. `pods` decides, `container` is one container's machine, `status` writes down
//! what the API shows. Must not know how writes reach the API.

mod admission;
pub mod behaviour;
mod container;
pub mod curl;
mod heartbeat;
mod images;
mod pods;
mod pressure;
mod probes;
pub mod programs;
mod status;
#[cfg(test)]
mod tests;
mod view;
mod volumes;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use self::behaviour::Behaviours;
pub use self::heartbeat::NodeKubelet;
use self::images::Images;
pub use self::pods::PodKubelet;
use self::pods::PodRun;
use self::programs::Programs;
pub use self::view::KubeletView;
use crate::world::control::ObjectKey;

/// What is wrong with a node's kubelet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeFault {
    /// The kubelet says that it is not ready.
    NotReady,
    /// The kubelet says nothing and does nothing: the machine is gone or cut off.
    Unreachable,
    /// The node says that it is short of memory, and evicts a pod a heartbeat.
    MemoryPressure,
    /// The node says that it is short of disk, and evicts a pod a heartbeat.
    DiskPressure,
    /// The machine shuts down: its pods are terminated, and it is not ready.
    ShuttingDown,
    /// Devices (extended resources) are gone, though the node is ready: allocatable says 0.
    DevicesLost,
}

/// What the kubelets share: faults, behaviours, images on nodes, and the pods that run. Clones are the same.
#[derive(Clone, Debug, Default)]
pub struct Kubelets {
    shared: Arc<Mutex<Shared>>,
}

#[derive(Debug, Default)]
struct Shared {
    faults: BTreeMap<String, NodeFault>,
    behaviours: Behaviours,
    /// Who runs real programs, if anybody does.
    programs: Option<Arc<dyn Programs>>,
    images: Images,
    runs: BTreeMap<ObjectKey, PodRun>,
    pods_started: u32,
    /// How often each node was started anew.
    boots: BTreeMap<String, u32>,
    /// Nodes whose allocatable devices were set to 0.
    without_devices: BTreeSet<String>,
}

impl Kubelets {
    /// Kubelets whose containers behave by these rules.
    #[must_use]
    pub fn new(behaviours: Behaviours) -> Self {
        let shared = Shared {
            behaviours,
            ..Shared::default()
        };
        Self {
            shared: Arc::new(Mutex::new(shared)),
        }
    }

    /// Lets somebody run programs for containers that start from now on.
    #[must_use]
    pub fn with_programs(self, programs: Option<Arc<dyn Programs>>) -> Self {
        self.lock().programs = programs;
        self
    }

    /// Breaks a node, or heals it with None. Takes effect at the node's next heartbeat.
    pub fn set_fault(&self, node: &str, fault: Option<NodeFault>) {
        let mut shared = self.lock();
        match fault {
            Some(fault) => shared.faults.insert(node.to_owned(), fault),
            None => shared.faults.remove(node),
        };
    }

    /// Starts a node anew: its containers end and are restarted. Takes effect at the node's next heartbeat.
    pub fn reboot(&self, node: &str) {
        *self.lock().boots.entry(node.to_owned()).or_default() += 1;
    }

    fn lock(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A time so much later.
fn after(at: Timestamp, wait: Duration) -> Timestamp {
    let wait = SignedDuration::try_from(wait).unwrap_or(SignedDuration::MAX);
    at.checked_add(wait).unwrap_or(Timestamp::MAX)
}
