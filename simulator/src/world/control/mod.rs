//! The control plane beside the API server: the built-in controllers, each a pure function from what it sees to
//! what it writes. One driver runs them in-process; the same functions can run against a real API server.
//!
//! Must not know: the store's inside, HTTP, tokio. Time comes in as an argument.

pub mod accounts;
pub mod amounts;
pub mod claims;
pub mod cluster_roles;
pub mod cron_job;
pub mod daemon_set;
pub mod deployment;
pub mod disruption;
pub mod driver;
pub mod endpoints;
pub mod event_ttl;
pub mod expect;
pub mod garbage;
#[cfg(test)]
pub(crate) mod harness;
pub mod hash;
pub mod history;
pub mod job;
mod kind;
pub mod node_lifecycle;
pub mod object;
pub mod pods;
pub mod replica_set;
pub mod selector;
pub mod stateful_set;
pub mod ttl;
mod view;
pub mod volumes;
mod write;

use std::time::Duration;

use jiff::Timestamp;

use super::kube::api_error::ApiError;

pub use kind::{Kind, ObjectKey};
pub use view::{Change, View, claims_of, controller_uid};
pub use write::{Event, EventKind, Outcome, Write};

/// What one pass may use.
#[derive(Debug)]
pub struct Pass<'a> {
    /// What is known of the cluster.
    pub view: &'a View,
    /// World time.
    pub now: Timestamp,
    /// For generated names and jitter.
    pub entropy: &'a super::entropy::Entropy,
}

/// A built-in controller. Keys are worked on one at a time, in order, without duplicates.
pub trait Controller: Send {
    /// Its user name is `system:serviceaccount:kube-system:<name>`, e.g. `deployment-controller`; names that start with
    /// `system:` (the scheduler's, kubelets') are taken as they are.
    fn name(&self) -> &'static str;

    /// Kinds whose changes it hears of. The view holds these kinds only, so a kind that is merely read belongs here too.
    fn watches(&self) -> &'static [Kind];

    /// The keys to look at after a change. The view already holds the change.
    fn keys_for(&self, change: &Change, view: &View) -> Vec<ObjectKey>;

    /// Looks at one key. Must converge: with the writes done and nothing else changed, the next pass wants no write.
    fn reconcile(&mut self, key: &ObjectKey, pass: &Pass<'_>) -> Outcome;

    /// A write of this controller failed; the driver looks at the key again with back-off. Controllers that keep
    /// expectations or reservations drop them here.
    fn failed(&mut self, _key: &ObjectKey, _write: &Write, _error: &ApiError) {}
}

/// What the controllers of a cluster are told.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How long a kubelet may be silent (`--node-monitor-grace-period`).
    pub node_grace: Duration,
    /// The certificates that clients in pods should trust, PEM.
    pub root_ca_pem: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            node_grace: Duration::from_secs(50),
            root_ca_pem: String::new(),
        }
    }
}

/// All controllers of this room, as one cluster runs them. Garbage collection and the deletion of namespaces belong to
/// the driver itself.
#[must_use]
pub fn builtin_controllers(settings: Settings) -> Vec<Box<dyn Controller>> {
    let Settings {
        node_grace,
        root_ca_pem,
    } = settings;
    vec![
        Box::new(accounts::ServiceAccounts),
        Box::new(accounts::RootCertificates { ca_pem: root_ca_pem }),
        Box::<deployment::Deployments>::default(),
        Box::<replica_set::ReplicaSets>::default(),
        Box::new(stateful_set::StatefulSets),
        Box::<daemon_set::DaemonSets>::default(),
        Box::<job::Jobs>::default(),
        Box::<cron_job::CronJobs>::default(),
        Box::new(ttl::TtlAfterFinished),
        Box::new(disruption::DisruptionBudgets),
        Box::new(disruption::StaleDisruptions),
        Box::<endpoints::EndpointSlices>::default(),
        Box::new(endpoints::EndpointsObjects),
        Box::new(event_ttl::EventTtl),
        Box::new(cluster_roles::AggregatedRoles),
        Box::new(node_lifecycle::NodeHealth::new(node_grace)),
        Box::<node_lifecycle::TaintEviction>::default(),
        Box::<node_lifecycle::PodCollector>::default(),
        Box::<volumes::VolumeBinder>::default(),
        Box::<volumes::Provisioner>::default(),
        Box::new(volumes::ClaimProtection),
        Box::new(volumes::VolumeProtection),
    ]
}
