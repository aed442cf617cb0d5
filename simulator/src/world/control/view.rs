//! What controllers see of the cluster: a cache of objects by kind with the indices that keep each pass cheap.
//!
//! Must not know: where objects come from.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use super::kind::{Kind, ObjectKey};
use super::selector::Selector;

/// Kinds that are indexed by label, because owners look for them by selector.
const BY_LABEL: [Kind; 3] = [Kind::POD, Kind::REPLICA_SET, Kind::ENDPOINT_SLICE];

/// A cache of objects by kind. Ordered, so that lists are deterministic.
#[derive(Debug, Default)]
pub struct View {
    objects: BTreeMap<Kind, BTreeMap<ObjectKey, Arc<Value>>>,
    by_owner: BTreeMap<String, BTreeSet<(Kind, ObjectKey)>>,
    /// Kind, then namespace, then `key=value`, then object names.
    by_label: BTreeMap<Kind, BTreeMap<String, BTreeMap<String, BTreeSet<String>>>>,
    /// Namespace, then one `key=value` that a Service selects by, then the Services' names.
    services_by_selector: BTreeMap<String, BTreeMap<String, BTreeSet<String>>>,
    pods_by_node: BTreeMap<String, BTreeSet<ObjectKey>>,
    pods_by_claim: BTreeMap<ObjectKey, BTreeSet<ObjectKey>>,
}

impl View {
    /// One object.
    #[must_use]
    pub fn get(&self, kind: Kind, key: &ObjectKey) -> Option<&Arc<Value>> {
        self.objects.get(&kind)?.get(key)
    }

    /// One cluster-scoped object.
    #[must_use]
    pub fn named(&self, kind: Kind, name: &str) -> Option<&Arc<Value>> {
        self.get(kind, &ObjectKey::new("", name))
    }

    /// How many objects of a kind there are.
    #[must_use]
    pub fn count(&self, kind: Kind) -> usize {
        self.objects.get(&kind).map_or(0, BTreeMap::len)
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
        let first = (kind, ObjectKey::new("", ""));
        let keys = from_owner.into_iter().flat_map(move |keys| keys.range(first.clone()..));
        keys.take_while(move |(k, _)| *k == kind)
            .filter_map(move |(_, key)| self.get(kind, key).map(|object| (key, object)))
    }

    /// Objects in a namespace that a selector matches, in name order. Pods, ReplicaSets and EndpointSlices are found
    /// through the rarest label that the selector asks for; other kinds by going through the namespace.
    #[must_use]
    pub fn selected<'a>(
        &'a self,
        kind: Kind,
        namespace: &'a str,
        selector: &Selector,
    ) -> Vec<(ObjectKey, &'a Arc<Value>)> {
        let matches = |object: &Value| selector.matches_object(object);
        match self.rarest(kind, namespace, selector) {
            Candidates::None => Vec::new(),
            Candidates::Names(names) => names
                .iter()
                .map(|name| ObjectKey::new(namespace, name.as_str()))
                .filter_map(|key| self.get(kind, &key).map(|object| (key, object)))
                .filter(|(_, object)| matches(object))
                .collect(),
            Candidates::All => self
                .in_namespace(kind, namespace)
                .filter(|(_, object)| matches(object))
                .map(|(key, object)| (key.clone(), object))
                .collect(),
        }
    }

    fn rarest(&self, kind: Kind, namespace: &str, selector: &Selector) -> Candidates<'_> {
        if !BY_LABEL.contains(&kind) {
            return Candidates::All;
        }
        let mut wanted = selector.exact_labels().peekable();
        if wanted.peek().is_none() {
            return Candidates::All;
        }
        let Some(labels) = self.by_label.get(&kind).and_then(|by_ns| by_ns.get(namespace)) else {
            return Candidates::None;
        };
        let sets: Option<Vec<_>> = wanted.map(|(key, value)| labels.get(&label_key(key, value))).collect();
        let rarest = sets.and_then(|sets| sets.into_iter().min_by_key(|names| names.len()));
        rarest.map_or(Candidates::None, Candidates::Names)
    }

    /// Services of a namespace whose selector fits these labels, in name order.
    #[must_use]
    pub fn services_selecting(&self, namespace: &str, labels: &Value) -> BTreeSet<ObjectKey> {
        let index = self.services_by_selector.get(namespace);
        let names = index
            .into_iter()
            .flat_map(|index| label_keys(labels).filter_map(|label| index.get(&label)));
        names
            .flatten()
            .map(|name| ObjectKey::new(namespace, name.as_str()))
            .filter(|key| {
                let selector = self.get(Kind::SERVICE, key).and_then(|service| selector_of(service));
                let wanted = selector.and_then(Value::as_object).into_iter().flatten();
                wanted
                    .into_iter()
                    .all(|(label, value)| labels.get(label) == Some(value))
            })
            .collect()
    }

    /// Pods with `spec.nodeName` = `node`.
    pub fn pods_on<'a>(&'a self, node: &str) -> impl Iterator<Item = (&'a ObjectKey, &'a Arc<Value>)> {
        let keys = self.pods_by_node.get(node).into_iter().flatten();
        keys.filter_map(move |key| self.get(Kind::POD, key).map(|pod| (key, pod)))
    }

    /// Pods that mount this PersistentVolumeClaim.
    pub fn pods_using<'a>(&'a self, claim: &ObjectKey) -> impl Iterator<Item = (&'a ObjectKey, &'a Arc<Value>)> {
        let keys = self.pods_by_claim.get(claim).into_iter().flatten();
        keys.filter_map(move |key| self.get(Kind::POD, key).map(|pod| (key, pod)))
    }

    /// Puts an object in, and answers the one it replaces.
    pub fn insert(&mut self, kind: Kind, key: ObjectKey, object: Arc<Value>) -> Option<Arc<Value>> {
        let old = self.objects.get(&kind).and_then(|map| map.get(&key)).cloned();
        self.reindex(kind, &key, old.as_deref(), Some(&object));
        self.objects.entry(kind).or_default().insert(key, object);
        old
    }

    /// Takes an object out, and answers it.
    pub fn remove(&mut self, kind: Kind, key: &ObjectKey) -> Option<Arc<Value>> {
        let old = self.objects.get_mut(&kind)?.remove(key)?;
        self.reindex(kind, key, Some(&old), None);
        Some(old)
    }

    fn reindex(&mut self, kind: Kind, key: &ObjectKey, old: Option<&Value>, new: Option<&Value>) {
        let (old_owner, new_owner) = (old.and_then(controller_uid), new.and_then(controller_uid));
        if old_owner != new_owner {
            unlink(&mut self.by_owner, old_owner, &(kind, key.clone()));
            link(&mut self.by_owner, new_owner, (kind, key.clone()));
        }
        if BY_LABEL.contains(&kind) {
            self.reindex_labels(kind, key, old, new);
        }
        if kind == Kind::SERVICE {
            let label = |service: Option<&Value>| service.and_then(selector_of).and_then(telling_label);
            let (old, new) = (label(old), label(new));
            if old != new {
                let index = self.services_by_selector.entry(key.namespace.clone()).or_default();
                unlink(index, old.as_deref(), &key.name);
                link(index, new.as_deref(), key.name.clone());
            }
        }
        if kind == Kind::POD {
            let node = "/spec/nodeName";
            let text = |pod: Option<&'_ Value>| {
                pod.and_then(|pod| pod.pointer(node))
                    .and_then(Value::as_str)
                    .map(str::to_owned)
            };
            if old.and_then(|pod| pod.pointer(node)) != new.and_then(|pod| pod.pointer(node)) {
                unlink(&mut self.pods_by_node, text(old).as_deref(), key);
                link(&mut self.pods_by_node, text(new).as_deref(), key.clone());
            }
            self.reindex_claims(key, old, new);
        }
    }

    fn reindex_labels(&mut self, kind: Kind, key: &ObjectKey, old: Option<&Value>, new: Option<&Value>) {
        let (old, new) = (old.and_then(labels_of), new.and_then(labels_of));
        if old == new {
            return;
        }
        let namespaces = self.by_label.entry(kind).or_default();
        let index = namespaces.entry(key.namespace.clone()).or_default();
        for label in old.into_iter().flat_map(label_keys) {
            unlink(index, Some(label.as_str()), &key.name);
        }
        for label in new.into_iter().flat_map(label_keys) {
            link(index, Some(label.as_str()), key.name.clone());
        }
        if index.is_empty() {
            namespaces.remove(&key.namespace);
        }
    }

    fn reindex_claims(&mut self, key: &ObjectKey, old: Option<&Value>, new: Option<&Value>) {
        if old.and_then(|pod| pod.pointer("/spec/volumes")) == new.and_then(|pod| pod.pointer("/spec/volumes")) {
            return;
        }
        let (old, new) = (old.map(claims_of), new.map(claims_of));
        for claim in old.iter().flatten() {
            let claim = ObjectKey::new(key.namespace.as_str(), claim.as_str());
            if let Some(pods) = self.pods_by_claim.get_mut(&claim) {
                pods.remove(key);
                if pods.is_empty() {
                    self.pods_by_claim.remove(&claim);
                }
            }
        }
        for claim in new.into_iter().flatten() {
            let claim = ObjectKey::new(key.namespace.as_str(), claim);
            self.pods_by_claim.entry(claim).or_default().insert(key.clone());
        }
    }
}

enum Candidates<'a> {
    None,
    Names(&'a BTreeSet<String>),
    All,
}

fn labels_of(object: &Value) -> Option<&Value> {
    object.pointer("/metadata/labels")
}

fn selector_of(service: &Value) -> Option<&Value> {
    service.pointer("/spec/selector")
}

/// The longest label of a selector: names are longer than what is shared by many.
fn telling_label(selector: &Value) -> Option<String> {
    label_keys(selector).max_by_key(String::len)
}

fn label_key(key: &str, value: &str) -> String {
    format!("{key}={value}")
}

fn label_keys(labels: &Value) -> impl Iterator<Item = String> {
    let entries = labels.as_object().into_iter().flatten();
    entries.filter_map(|(key, value)| value.as_str().map(|value| label_key(key, value)))
}

fn link<T: Ord>(index: &mut BTreeMap<String, BTreeSet<T>>, at: Option<&str>, item: T) {
    if let Some(at) = at {
        index.entry(at.to_owned()).or_default().insert(item);
    }
}

fn unlink<T: Ord>(index: &mut BTreeMap<String, BTreeSet<T>>, at: Option<&str>, item: &T) {
    if let Some(at) = at
        && let Some(items) = index.get_mut(at)
    {
        items.remove(item);
        if items.is_empty() {
            index.remove(at);
        }
    }
}

/// The names of the PersistentVolumeClaims that a pod mounts, generic ephemeral volumes included.
#[must_use]
pub fn claims_of(pod: &Value) -> Vec<String> {
    let volumes = pod.pointer("/spec/volumes").and_then(Value::as_array);
    let pod_name = pod
        .pointer("/metadata/name")
        .and_then(Value::as_str)
        .unwrap_or_default();
    let claim = |volume: &Value| {
        if let Some(claim) = volume
            .pointer("/persistentVolumeClaim/claimName")
            .and_then(Value::as_str)
        {
            return Some(claim.to_owned());
        }
        let name = volume.get("name").and_then(Value::as_str)?;
        volume.get("ephemeral").map(|_| format!("{pod_name}-{name}"))
    };
    volumes.into_iter().flatten().filter_map(claim).collect()
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

impl Change {
    /// What there was before and what there is now, those that exist.
    pub fn objects(&self) -> impl Iterator<Item = &Arc<Value>> {
        self.old.iter().chain(self.new.iter())
    }

    /// The object as it is, or as it last was.
    #[must_use]
    pub fn latest(&self) -> Option<&Arc<Value>> {
        self.new.as_ref().or(self.old.as_ref())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(name: &str, app: &str, node: &str, claim: &str) -> Value {
        json!({
            "metadata": {"namespace": "default", "name": name, "labels": {"app": app, "all": "yes"}},
            "spec": {"nodeName": node, "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": claim}}]},
        })
    }

    #[test]
    fn indices_follow_changes() {
        let mut view = View::default();
        let key = ObjectKey::new("default", "a");
        let names = |view: &View, app: &str| {
            let selector = Selector::from_labels(&json!({"app": app, "all": "yes"}));
            view.selected(Kind::POD, "default", &selector).len()
        };
        view.insert(Kind::POD, key.clone(), Arc::new(pod("a", "x", "n1", "c1")));
        assert_eq!((names(&view, "x"), names(&view, "y")), (1, 0));
        view.insert(Kind::POD, key.clone(), Arc::new(pod("a", "y", "n2", "c2")));
        assert_eq!((names(&view, "x"), names(&view, "y")), (0, 1));
        assert_eq!((view.pods_on("n1").count(), view.pods_on("n2").count()), (0, 1));
        let using = |view: &View, claim: &str| view.pods_using(&ObjectKey::new("default", claim)).count();
        assert_eq!((using(&view, "c1"), using(&view, "c2")), (0, 1));
        view.remove(Kind::POD, &key);
        assert_eq!(
            (names(&view, "y"), view.pods_on("n2").count(), using(&view, "c2")),
            (0, 0, 0)
        );
        assert!(view.by_label[&Kind::POD].is_empty() && view.pods_by_node.is_empty() && view.pods_by_claim.is_empty());
    }
}
