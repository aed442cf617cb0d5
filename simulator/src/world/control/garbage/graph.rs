//! Who owns whom, over all objects of all kinds, custom ones included: what garbage collection and the deletion of
//! namespaces need to know of an object, and no more.
//!
//! Must not know: what is done with it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Value, json};

use super::super::object::{is_deleting, list, name, namespace, put, text, uid};

/// Where objects of a kind are served.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Resource {
    /// API group; empty for core.
    pub group: String,
    /// A served version.
    pub version: String,
    /// Kind name.
    pub kind: String,
    /// Plural path segment.
    pub plural: String,
    /// Whether namespaced.
    pub namespaced: bool,
}

/// One object of any kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ObjectRef {
    /// Its resource.
    pub resource: Arc<Resource>,
    /// Empty for cluster-scoped kinds.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// Precondition of every write.
    pub uid: String,
}

/// One entry of `metadata.ownerReferences`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owner {
    /// The owner's uid.
    pub uid: String,
    /// `apiVersion`
    pub api_version: String,
    /// The owner's kind.
    pub kind: String,
    /// The owner's name.
    pub name: String,
    /// `controller`
    pub controller: Option<bool>,
    /// `blockOwnerDeletion`: whether it keeps the owner from going in the foreground.
    pub blocks: Option<bool>,
}

impl Owner {
    fn of(owner: &Value) -> Self {
        let flag = |key: &str| owner.get(key).and_then(Value::as_bool);
        Self {
            uid: text(owner, "/uid").to_owned(),
            api_version: text(owner, "/apiVersion").to_owned(),
            kind: text(owner, "/kind").to_owned(),
            name: text(owner, "/name").to_owned(),
            controller: flag("controller"),
            blocks: flag("blockOwnerDeletion"),
        }
    }

    fn is_current(&self, owner: &Value) -> bool {
        let flag = |key: &str| owner.get(key).and_then(Value::as_bool);
        text(owner, "/uid") == self.uid
            && text(owner, "/name") == self.name
            && text(owner, "/kind") == self.kind
            && text(owner, "/apiVersion") == self.api_version
            && flag("controller") == self.controller
            && flag("blockOwnerDeletion") == self.blocks
    }

    /// The group part of `apiVersion`.
    #[must_use]
    pub fn group(&self) -> &str {
        self.api_version.split_once('/').map_or("", |(group, _)| group)
    }

    /// As the API writes it.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut owner = json!({
            "apiVersion": self.api_version, "kind": self.kind, "name": self.name, "uid": self.uid,
        });
        for (key, flag) in [("controller", self.controller), ("blockOwnerDeletion", self.blocks)] {
            if let Some(flag) = flag {
                put(&mut owner, &[key], flag.into());
            }
        }
        owner
    }
}

/// What is known of one object.
#[derive(Clone, Debug)]
pub struct Node {
    /// The object.
    pub object: ObjectRef,
    /// Its owners.
    pub owners: Vec<Owner>,
    /// Whether deletion has begun.
    pub deleting: bool,
    /// `metadata.finalizers`
    pub finalizers: Vec<String>,
}

impl Node {
    fn of(resource: &Arc<Resource>, object: &Value) -> Self {
        let owners = list(object, "/metadata/ownerReferences").iter().map(Owner::of);
        let finalizers = list(object, "/metadata/finalizers").iter().filter_map(Value::as_str);
        Self {
            object: ObjectRef {
                resource: Arc::clone(resource),
                namespace: namespace(object).to_owned(),
                name: name(object).to_owned(),
                uid: uid(object).to_owned(),
            },
            owners: owners.collect(),
            deleting: is_deleting(object),
            finalizers: finalizers.map(str::to_owned).collect(),
        }
    }

    /// Whether this is still what an object says; most changes of objects concern nothing that is kept here.
    fn is_current(&self, object: &Value) -> bool {
        let (owners, finalizers) = (
            list(object, "/metadata/ownerReferences"),
            list(object, "/metadata/finalizers"),
        );
        self.deleting == is_deleting(object)
            && owners.len() == self.owners.len()
            && owners
                .iter()
                .zip(&self.owners)
                .all(|(owner, have)| have.is_current(owner))
            && finalizers.len() == self.finalizers.len()
            && finalizers
                .iter()
                .zip(&self.finalizers)
                .all(|(finalizer, have)| finalizer.as_str() == Some(have))
    }

    /// Whether a finalizer is set.
    #[must_use]
    pub fn has(&self, finalizer: &str) -> bool {
        self.finalizers.iter().any(|have| have == finalizer)
    }
}

/// All objects, by uid.
#[derive(Debug, Default)]
pub struct Graph {
    nodes: BTreeMap<String, Node>,
    dependents: BTreeMap<String, BTreeSet<String>>,
    by_namespace: BTreeMap<String, BTreeSet<String>>,
}

impl Graph {
    /// Takes in one change of the ordered feed, and answers the uids that garbage collection should look at.
    pub fn observe(&mut self, resource: &Arc<Resource>, old: Option<&Value>, new: Option<&Value>) -> Vec<String> {
        if let Some(new) = new
            && old.is_none_or(|old| uid(old) == uid(new))
            && let Some(node) = self.nodes.get(uid(new))
            && node.object.resource == *resource
            && node.is_current(new)
        {
            return Vec::new();
        }
        let mut touched = Vec::new();
        let new = new
            .map(|object| Node::of(resource, object))
            .filter(|node| !node.object.uid.is_empty());
        if let Some(old) = old
            && new.as_ref().is_none_or(|node| node.object.uid != uid(old))
        {
            touched.extend(self.forget(uid(old)));
        }
        if let Some(node) = new {
            touched.extend(self.record(node));
        }
        touched
    }

    fn record(&mut self, node: Node) -> Vec<String> {
        let uid = node.object.uid.clone();
        let before = self.nodes.remove(&uid);
        let (owners_changed, began) = match &before {
            Some(before) => (before.owners != node.owners, !before.deleting && node.deleting),
            None => (!node.owners.is_empty(), node.deleting),
        };
        let finalizers_changed = before
            .as_ref()
            .is_some_and(|before| before.finalizers != node.finalizers);
        let mut touched = Vec::new();
        if owners_changed {
            let old: Vec<Owner> = before.as_ref().map(|before| before.owners.clone()).unwrap_or_default();
            for owner in &old {
                self.unlink(&owner.uid, &uid);
                // A dependent less may let a foreground deletion end.
                touched.push(owner.uid.clone());
            }
            for owner in &node.owners {
                self.dependents
                    .entry(owner.uid.clone())
                    .or_default()
                    .insert(uid.clone());
            }
        }
        if before.is_none() && !node.object.namespace.is_empty() {
            let namespace = node.object.namespace.clone();
            self.by_namespace.entry(namespace).or_default().insert(uid.clone());
        }
        if owners_changed || began || (finalizers_changed && node.deleting) {
            touched.push(uid.clone());
        }
        self.nodes.insert(uid, node);
        touched
    }

    fn forget(&mut self, uid: &str) -> Vec<String> {
        let Some(node) = self.nodes.remove(uid) else {
            return Vec::new();
        };
        let mut touched = Vec::new();
        for owner in &node.owners {
            self.unlink(&owner.uid, uid);
            touched.push(owner.uid.clone());
        }
        if let Some(uids) = self.by_namespace.get_mut(&node.object.namespace) {
            uids.remove(uid);
            if uids.is_empty() {
                self.by_namespace.remove(&node.object.namespace);
            }
        }
        touched.extend(self.dependents.get(uid).into_iter().flatten().cloned());
        touched
    }

    fn unlink(&mut self, owner: &str, dependent: &str) {
        if let Some(dependents) = self.dependents.get_mut(owner) {
            dependents.remove(dependent);
            if dependents.is_empty() {
                self.dependents.remove(owner);
            }
        }
    }

    /// One object.
    #[must_use]
    pub fn node(&self, uid: &str) -> Option<&Node> {
        self.nodes.get(uid)
    }

    /// Objects that name this uid among their owners.
    pub fn dependents(&self, uid: &str) -> impl Iterator<Item = &Node> {
        let uids = self.dependents.get(uid).into_iter().flatten();
        uids.filter_map(|uid| self.nodes.get(uid))
    }

    /// Objects in a namespace.
    pub fn in_namespace(&self, namespace: &str) -> impl Iterator<Item = &Node> {
        let uids = self.by_namespace.get(namespace).into_iter().flatten();
        uids.filter_map(|uid| self.nodes.get(uid))
    }

    /// All objects, by uid.
    pub fn objects(&self) -> impl Iterator<Item = &ObjectRef> {
        self.nodes.values().map(|node| &node.object)
    }

    /// How many objects there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }
}
