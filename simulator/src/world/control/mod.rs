//! The control plane beside the API server: the built-in controllers, each a pure function from what it sees to
//! what it writes. One driver runs them in-process; the same functions can run against a real API server.
//!
//! Must not know: the store's inside, HTTP, tokio. Time comes in as an argument.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

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
    ENDPOINT_SLICE = "discovery.k8s.io", "v1", "EndpointSlice", "endpointslices", true;
    STORAGE_CLASS = "storage.k8s.io", "v1", "StorageClass", "storageclasses", false;
    PRIORITY_CLASS = "scheduling.k8s.io", "v1", "PriorityClass", "priorityclasses", false;
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

/// What controllers see: a cache of objects by kind, with the two indices that they need. Ordered, so that lists are deterministic.
#[derive(Debug, Default)]
pub struct View {
    objects: BTreeMap<Kind, BTreeMap<ObjectKey, Arc<Value>>>,
    by_owner: BTreeMap<String, BTreeMap<(Kind, ObjectKey), ()>>,
    pods_by_node: BTreeMap<String, BTreeMap<ObjectKey, ()>>,
}

impl View {
    /// One object.
    #[must_use]
    pub fn get(&self, kind: Kind, key: &ObjectKey) -> Option<&Arc<Value>> {
        self.objects.get(&kind)?.get(key)
    }

    /// All objects of a kind, in namespace and name order.
    pub fn all(&self, kind: Kind) -> impl Iterator<Item = (&ObjectKey, &Arc<Value>)> {
        self.objects.get(&kind).into_iter().flatten()
    }

    /// Objects of a kind in one namespace, in name order.
    pub fn in_namespace<'a>(
        &'a self,
        kind: Kind,
        namespace: &'a str,
    ) -> impl Iterator<Item = (&'a ObjectKey, &'a Arc<Value>)> {
        let from = ObjectKey::new(namespace, "");
        let objects = self.objects.get(&kind).map(|map| map.range(from..));
        objects
            .into_iter()
            .flatten()
            .take_while(move |(key, _)| key.namespace == namespace)
    }

    /// Objects of a kind whose controller (ownerReference with `controller: true`) has this uid.
    pub fn controlled_by<'a>(
        &'a self,
        kind: Kind,
        owner_uid: &str,
    ) -> impl Iterator<Item = (&'a ObjectKey, &'a Arc<Value>)> {
        let from_owner = self.by_owner.get(owner_uid);
        let keys = from_owner.into_iter().flat_map(|keys| keys.keys());
        keys.filter(move |(k, _)| *k == kind)
            .filter_map(move |(_, key)| self.get(kind, key).map(|object| (key, object)))
    }

    /// Pods with `spec.nodeName` = `node`.
    pub fn pods_on<'a>(&'a self, node: &str) -> impl Iterator<Item = (&'a ObjectKey, &'a Arc<Value>)> {
        let keys = self.pods_by_node.get(node).into_iter().flat_map(|keys| keys.keys());
        keys.filter_map(move |key| self.get(Kind::POD, key).map(|pod| (key, pod)))
    }

    /// Puts an object in, and answers the one it replaces.
    pub fn insert(&mut self, kind: Kind, key: ObjectKey, object: Arc<Value>) -> Option<Arc<Value>> {
        let old = self.remove(kind, &key);
        if let Some(uid) = controller_uid(&object) {
            self.by_owner
                .entry(uid.to_owned())
                .or_default()
                .insert((kind, key.clone()), ());
        }
        if kind == Kind::POD
            && let Some(node) = object.pointer("/spec/nodeName").and_then(Value::as_str)
        {
            self.pods_by_node
                .entry(node.to_owned())
                .or_default()
                .insert(key.clone(), ());
        }
        self.objects.entry(kind).or_default().insert(key, object);
        old
    }

    /// Takes an object out, and answers it.
    pub fn remove(&mut self, kind: Kind, key: &ObjectKey) -> Option<Arc<Value>> {
        let old = self.objects.get_mut(&kind)?.remove(key)?;
        if let Some(uid) = controller_uid(&old)
            && let Some(keys) = self.by_owner.get_mut(uid)
        {
            keys.remove(&(kind, key.clone()));
            if keys.is_empty() {
                self.by_owner.remove(uid);
            }
        }
        if kind == Kind::POD
            && let Some(node) = old.pointer("/spec/nodeName").and_then(Value::as_str)
            && let Some(keys) = self.pods_by_node.get_mut(node)
        {
            keys.remove(key);
            if keys.is_empty() {
                self.pods_by_node.remove(node);
            }
        }
        Some(old)
    }
}

/// The uid of an object's controller, if it has one.
#[must_use]
pub fn controller_uid(object: &Value) -> Option<&str> {
    let owners = object.pointer("/metadata/ownerReferences")?.as_array()?;
    let controller = owners.iter().find(|owner| owner["controller"] == Value::Bool(true))?;
    controller["uid"].as_str()
}

/// One change that a watch reported. `old` is what the view held before (None: new), `new` what it holds now (None: gone).
#[derive(Clone, Debug)]
pub struct Change {
    /// Kind of the object.
    pub kind: Kind,
    /// Its key.
    pub key: ObjectKey,
    /// Before.
    pub old: Option<Arc<Value>>,
    /// After.
    pub new: Option<Arc<Value>>,
}

/// One write that a controller wants. The driver executes them in order and stops at the first that fails.
#[derive(Clone, Debug, PartialEq)]
pub enum Write {
    /// POST.
    Create { kind: Kind, object: Value },
    /// PUT of the whole object; its resourceVersion guards it.
    Update { kind: Kind, object: Value },
    /// PUT on the status subresource; its resourceVersion guards it.
    UpdateStatus { kind: Kind, object: Value },
    /// Merge patch (RFC 7386), on the status subresource if `status`.
    MergePatch {
        kind: Kind,
        key: ObjectKey,
        status: bool,
        patch: Value,
    },
    /// DELETE, only if the uid still is `uid` (when given). `propagation`: Background, Foreground or Orphan.
    Delete {
        kind: Kind,
        key: ObjectKey,
        uid: Option<String>,
        grace_secs: Option<i64>,
        propagation: Option<&'static str>,
    },
    /// POST to a pod's binding subresource.
    Bind {
        pod: ObjectKey,
        pod_uid: String,
        node: String,
    },
    /// An event about an object; the driver fills name, times and counts and folds repeats as the recorder of client-go does.
    Event {
        regarding: Kind,
        object: Arc<Value>,
        kind: EventKind,
        reason: &'static str,
        message: String,
        component: &'static str,
    },
}

/// `type` of an Event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// Normal
    Normal,
    /// Warning
    Warning,
}

/// What one pass of a controller wants.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// Writes, in order.
    pub writes: Vec<Write>,
    /// Look at this key again after this long, whatever happens.
    pub wake_after: Option<Duration>,
}

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
    /// Its user name is `system:controller:<name>`, e.g. `deployment-controller`.
    fn name(&self) -> &'static str;

    /// Kinds whose changes it hears of.
    fn watches(&self) -> &'static [Kind];

    /// The keys to look at after a change.
    fn keys_for(&self, change: &Change, view: &View) -> Vec<ObjectKey>;

    /// Looks at one key. Must converge: with the writes done and nothing else changed, the next pass wants no write.
    fn reconcile(&mut self, key: &ObjectKey, pass: &Pass<'_>) -> Outcome;

    /// A write of this controller failed; the driver looks at the key again with back-off. Controllers that keep
    /// expectations or reservations drop them here.
    fn failed(&mut self, _key: &ObjectKey, _write: &Write) {}
}
