//! Names of things: the kinds that controllers speak about, and the key of one object.
//!
//! Must not know: objects' contents.

use std::fmt;

/// A kind that controllers watch: group and plural are where the API serves it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Kind {
    /// API group; empty for core.
    pub group: &'static str,
    /// Version that controllers speak.
    pub version: &'static str,
    /// Kind name.
    pub kind: &'static str,
    /// Plural path segment.
    pub plural: &'static str,
    /// Whether namespaced.
    pub namespaced: bool,
}

macro_rules! kinds {
    ($($name:ident = $group:literal, $version:literal, $kind:literal, $plural:literal, $namespaced:literal;)*) => {
        impl Kind {
            $(
                #[doc = $kind]
                pub const $name: Kind = Kind { group: $group, version: $version, kind: $kind, plural: $plural, namespaced: $namespaced };
            )*
            /// Every kind that some controller watches.
            pub const ALL: &'static [Kind] = &[$(Kind::$name),*];
        }
    };
}

kinds! {
    POD = "", "v1", "Pod", "pods", true;
    NODE = "", "v1", "Node", "nodes", false;
    NAMESPACE = "", "v1", "Namespace", "namespaces", false;
    SERVICE = "", "v1", "Service", "services", true;
    SERVICE_ACCOUNT = "", "v1", "ServiceAccount", "serviceaccounts", true;
    CONFIG_MAP = "", "v1", "ConfigMap", "configmaps", true;
    SECRET = "", "v1", "Secret", "secrets", true;
    PVC = "", "v1", "PersistentVolumeClaim", "persistentvolumeclaims", true;
    PV = "", "v1", "PersistentVolume", "persistentvolumes", false;
    ENDPOINTS = "", "v1", "Endpoints", "endpoints", true;
    EVENT = "", "v1", "Event", "events", true;
    DEPLOYMENT = "apps", "v1", "Deployment", "deployments", true;
    REPLICA_SET = "apps", "v1", "ReplicaSet", "replicasets", true;
    STATEFUL_SET = "apps", "v1", "StatefulSet", "statefulsets", true;
    DAEMON_SET = "apps", "v1", "DaemonSet", "daemonsets", true;
    CONTROLLER_REVISION = "apps", "v1", "ControllerRevision", "controllerrevisions", true;
    JOB = "batch", "v1", "Job", "jobs", true;
    CRON_JOB = "batch", "v1", "CronJob", "cronjobs", true;
    ENDPOINT_SLICE = "discovery.k8s.io", "v1", "EndpointSlice", "endpointslices", true;
    STORAGE_CLASS = "storage.k8s.io", "v1", "StorageClass", "storageclasses", false;
    PRIORITY_CLASS = "scheduling.k8s.io", "v1", "PriorityClass", "priorityclasses", false;
    CLUSTER_ROLE = "rbac.authorization.k8s.io", "v1", "ClusterRole", "clusterroles", false;
    PDB = "policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets", true;
    LEASE = "coordination.k8s.io", "v1", "Lease", "leases", true;
}

/// Namespace and name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectKey {
    /// Empty for cluster-scoped kinds.
    pub namespace: String,
    /// Name.
    pub name: String,
}

impl ObjectKey {
    /// From two texts.
    #[must_use]
    pub fn new(namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
        }
    }
}

impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.namespace.is_empty() {
            f.write_str(&self.name)
        } else {
            write!(f, "{}/{}", self.namespace, self.name)
        }
    }
}

impl Kind {
    /// `group/version`, or `version` for core.
    #[must_use]
    pub fn api_version(self) -> String {
        if self.group.is_empty() {
            self.version.to_owned()
        } else {
            format!("{}/{}", self.group, self.version)
        }
    }

    /// The kind that controllers watch at this group and plural.
    #[must_use]
    pub fn find(group: &str, plural: &str) -> Option<Kind> {
        let mut all = Kind::ALL.iter().copied();
        all.find(|kind| kind.group == group && kind.plural == plural)
    }
}
