//! A small cluster for tests of controllers: applies writes to a view as the API server would, and runs controllers until
//! they want nothing more. Not the API server: no validation, no defaulting.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::object::{is_deleting, key_of, list, name, put, same, stamp, text, uid};
use super::{Change, Controller, Kind, ObjectKey, Outcome, Pass, View, Write};
use crate::world::clock::DEFAULT_EPOCH;
use crate::world::entropy::Entropy;
use crate::world::kube::api_error::ApiError;

/// A view, a clock that tests turn, and what has been said in events.
pub(crate) struct Cluster {
    pub(crate) view: View,
    pub(crate) now: Timestamp,
    pub(crate) entropy: Entropy,
    /// `Normal Reason message` in order.
    pub(crate) events: Vec<String>,
    /// Number of writes so far, events apart.
    pub(crate) writes: usize,
    /// Creations of these kinds fail with this error.
    pub(crate) refuse: BTreeMap<Kind, ApiError>,
    revision: u64,
    changes: VecDeque<Change>,
    timers: BTreeSet<(Timestamp, usize, ObjectKey)>,
}

impl Cluster {
    pub(crate) fn new() -> Self {
        Self {
            view: View::default(),
            now: DEFAULT_EPOCH,
            entropy: Entropy::new(1),
            events: Vec::new(),
            writes: 0,
            refuse: BTreeMap::new(),
            revision: 0,
            changes: VecDeque::new(),
            timers: BTreeSet::new(),
        }
    }

    /// Creates an object as a user would.
    pub(crate) fn create(&mut self, kind: Kind, mut object: Value) -> ObjectKey {
        if name(&object).is_empty() {
            let generated = format!("{}{}", text(&object, "/metadata/generateName"), self.entropy.suffix(5));
            put(&mut object, &["metadata", "name"], generated.into());
        }
        if uid(&object).is_empty() {
            let uid = self.entropy.uid();
            put(&mut object, &["metadata", "uid"], uid.into());
        }
        if object.pointer("/metadata/creationTimestamp").is_none() {
            put(&mut object, &["metadata", "creationTimestamp"], stamp(self.now));
        }
        put(&mut object, &["metadata", "generation"], json!(1));
        if kind == Kind::POD && text(&object, "/status/phase").is_empty() {
            put(&mut object, &["status"], json!({"phase": "Pending"}));
        }
        let key = key_of(&object);
        self.store(kind, key.clone(), object);
        key
    }

    /// What has changed since the last call; for those who run controllers otherwise than by `settle`.
    pub(crate) fn take_changes(&mut self) -> Vec<Change> {
        self.changes.drain(..).collect()
    }

    pub(crate) fn get(&self, kind: Kind, key: &ObjectKey) -> &Arc<Value> {
        self.view
            .get(kind, key)
            .unwrap_or_else(|| panic!("no {} {key}", kind.kind))
    }

    pub(crate) fn names(&self, kind: Kind) -> Vec<String> {
        self.view.all(kind).map(|(key, _)| key.name.clone()).collect()
    }

    /// Changes an object as its owner or a kubelet would; a changed spec bumps the generation.
    pub(crate) fn edit(&mut self, kind: Kind, key: &ObjectKey, edit: impl FnOnce(&mut Value)) {
        let old = Arc::clone(self.get(kind, key));
        let mut object = (*old).clone();
        edit(&mut object);
        if object.get("spec") != old.get("spec") {
            let generation = super::object::count(&old, "/metadata/generation") + 1;
            put(&mut object, &["metadata", "generation"], generation.into());
        }
        self.store(kind, key.clone(), object);
    }

    /// Deletes as the API server does: with finalizers, and for pods that run somewhere, deletion only begins.
    pub(crate) fn delete(&mut self, kind: Kind, key: &ObjectKey) {
        let Some(object) = self.view.get(kind, key).cloned() else {
            return;
        };
        let graceful =
            kind == Kind::POD && !text(&object, "/spec/nodeName").is_empty() && !super::pods::is_terminal(&object);
        if list(&object, "/metadata/finalizers").is_empty() && !graceful {
            let old = self.view.remove(kind, key);
            self.changes.push_back(Change {
                kind,
                key: key.clone(),
                old,
                new: None,
            });
        } else if !is_deleting(&object) {
            let now = stamp(self.now);
            self.edit(kind, key, |object| put(object, &["metadata", "deletionTimestamp"], now));
        }
    }

    /// Takes an object away whatever holds it.
    pub(crate) fn vanish(&mut self, kind: Kind, key: &ObjectKey) {
        let old = self.view.remove(kind, key);
        self.changes.push_back(Change {
            kind,
            key: key.clone(),
            old,
            new: None,
        });
    }

    /// Gives every pod that has none a node, and makes active pods Running and Ready.
    pub(crate) fn run_pods(&mut self) {
        let pods: Vec<ObjectKey> = self.view.all(Kind::POD).map(|(key, _)| key.clone()).collect();
        for key in pods {
            let pod = self.get(Kind::POD, &key);
            if is_deleting(pod) {
                self.vanish(Kind::POD, &key);
            } else if text(pod, "/status/phase") == "Pending" {
                self.ready(&key, true);
            }
        }
    }

    /// Makes a pod Running, Ready or not.
    pub(crate) fn ready(&mut self, key: &ObjectKey, ready: bool) {
        let now = stamp(self.now);
        self.edit(Kind::POD, key, |pod| {
            put(pod, &["spec", "nodeName"], json!("node-1"));
            let status = if ready { "True" } else { "False" };
            let condition = json!({"type": "Ready", "status": status, "lastTransitionTime": now});
            put(
                pod,
                &["status"],
                json!({"phase": "Running", "podIP": "10.0.0.1", "conditions": [condition]}),
            );
        });
    }

    /// Ends a pod.
    pub(crate) fn finish(&mut self, key: &ObjectKey, phase: &str, exit_code: i64) {
        let now = stamp(self.now);
        self.edit(Kind::POD, key, |pod| {
            put(pod, &["spec", "nodeName"], json!("node-1"));
            let terminated = json!({"exitCode": exit_code, "finishedAt": now});
            let container = json!({"name": "main", "state": {"terminated": terminated}});
            put(
                pod,
                &["status"],
                json!({"phase": phase, "containerStatuses": [container]}),
            );
        });
    }

    /// Turns the clock, then lets the controllers work on what is due.
    pub(crate) fn advance(&mut self, secs: i64, controllers: &mut [&mut dyn Controller]) {
        self.now += SignedDuration::from_secs(secs);
        self.settle(controllers);
    }

    /// Runs the controllers until they want nothing more.
    pub(crate) fn settle(&mut self, controllers: &mut [&mut dyn Controller]) {
        let mut queue: VecDeque<(usize, ObjectKey)> = VecDeque::new();
        for _ in 0..100_000 {
            while let Some(change) = self.changes.pop_front() {
                for (index, controller) in controllers.iter().enumerate() {
                    if !controller.watches().contains(&change.kind) {
                        continue;
                    }
                    for key in controller.keys_for(&change, &self.view) {
                        if !queue.contains(&(index, key.clone())) {
                            queue.push_back((index, key));
                        }
                    }
                }
            }
            while let Some((at, index, key)) = self.timers.first().cloned()
                && at <= self.now
            {
                self.timers.pop_first();
                queue.push_back((index, key));
            }
            let Some((index, key)) = queue.pop_front() else { return };
            let Some(controller) = controllers.get_mut(index) else {
                continue;
            };
            self.pass(index, *controller, &key);
        }
        panic!("the controllers never settle");
    }

    /// Shows every object to the controllers again, and checks that they want nothing.
    pub(crate) fn assert_still(&self, controllers: &mut [&mut dyn Controller]) {
        let pass = Pass {
            view: &self.view,
            now: self.now,
            entropy: &self.entropy,
        };
        for controller in controllers {
            for kind in controller.watches() {
                for (key, object) in self.view.all(*kind) {
                    let change = Change {
                        kind: *kind,
                        key: key.clone(),
                        old: None,
                        new: Some(Arc::clone(object)),
                    };
                    for key in controller.keys_for(&change, &self.view) {
                        let mut writes = controller.reconcile(&key, &pass).writes;
                        writes.retain(|write| !matches!(write, Write::Event(_)));
                        assert_eq!(writes, [], "{} still writes for {key}", controller.name());
                    }
                }
            }
        }
    }

    fn pass(&mut self, index: usize, controller: &mut dyn Controller, key: &ObjectKey) {
        let pass = Pass {
            view: &self.view,
            now: self.now,
            entropy: &self.entropy,
        };
        let Outcome { writes, wake_after, .. } = controller.reconcile(key, &pass);
        if let Some(wait) = wake_after {
            self.timers.insert((self.now + wait, index, key.clone()));
        }
        for write in writes {
            if let Err(error) = self.apply(&write) {
                controller.failed(key, &write, &error);
                self.timers
                    .insert((self.now + Duration::from_secs(1), index, key.clone()));
                return;
            }
        }
    }

    /// Does one write.
    pub(crate) fn apply(&mut self, write: &Write) -> Result<(), ApiError> {
        self.writes += usize::from(!matches!(write, Write::Event(_)));
        match write {
            Write::Create { kind, object } => {
                if let Some(error) = self.refuse.get(kind) {
                    return Err(error.clone());
                }
                let home = self.view.named(Kind::NAMESPACE, &key_of(object).namespace);
                if home.is_some_and(|namespace| is_deleting(namespace)) {
                    return Err(ApiError::forbidden(
                        kind.group,
                        kind.plural,
                        name(object),
                        "it is being terminated",
                    ));
                }
                if self.view.get(*kind, &key_of(object)).is_some() {
                    return Err(ApiError::already_exists(kind.group, kind.plural, name(object)));
                }
                self.create(*kind, object.clone());
            }
            Write::Update { kind, object } => self.update(*kind, object, false)?,
            Write::UpdateStatus { kind, object } => self.update(*kind, object, true)?,
            Write::MergePatch { kind, key, patch, .. } => {
                let object = self.found(*kind, key)?;
                let mut new = (*object).clone();
                json_patch::merge(&mut new, patch);
                if !same(&new, &object) {
                    self.edit(*kind, key, |object| *object = new);
                    self.sweep(*kind, key);
                }
            }
            Write::Delete {
                kind,
                key,
                uid: wanted,
                grace_secs,
                ..
            } => {
                let object = self.found(*kind, key)?;
                assert!(
                    wanted.as_deref().is_none_or(|wanted| wanted == uid(&object)),
                    "uid of {key}"
                );
                if *grace_secs == Some(0) && list(&object, "/metadata/finalizers").is_empty() {
                    self.vanish(*kind, key);
                } else {
                    self.delete(*kind, key);
                }
            }
            Write::Bind { pod, node, .. } => {
                let node = node.clone();
                self.edit(Kind::POD, pod, |pod| put(pod, &["spec", "nodeName"], node.into()));
            }
            Write::Finalize { namespace } => {
                let key = key_of(namespace);
                if list(namespace, "/spec/finalizers").is_empty() {
                    self.vanish(Kind::NAMESPACE, &key);
                }
            }
            Write::DeleteAny { .. } | Write::PatchAny { .. } => {
                panic!("controllers of kinds write to kinds")
            }
            Write::Event(event) => {
                let line = format!("{} {} {}", event.kind.as_str(), event.reason, event.message);
                self.events.push(line);
            }
        }
        Ok(())
    }

    fn found(&self, kind: Kind, key: &ObjectKey) -> Result<Arc<Value>, ApiError> {
        let found = self.view.get(kind, key).cloned();
        found.ok_or_else(|| ApiError::not_found(kind.group, kind.plural, &key.name))
    }

    fn update(&mut self, kind: Kind, object: &Value, status: bool) -> Result<(), ApiError> {
        let key = key_of(object);
        let old = self.found(kind, &key)?;
        let version = "/metadata/resourceVersion";
        if text(object, version) != text(&old, version) {
            return Err(ApiError::conflict(
                kind.group,
                kind.plural,
                &key.name,
                "the object has been modified",
            ));
        }
        let mut new = object.clone();
        let kept = if status { "spec" } else { "status" };
        let value = old.get(kept).cloned().unwrap_or_default();
        put(&mut new, &[kept], value);
        self.edit(kind, &key, |object| *object = new);
        self.sweep(kind, &key);
        Ok(())
    }

    /// An object whose deletion waited for its last finalizer goes.
    fn sweep(&mut self, kind: Kind, key: &ObjectKey) {
        let object = self.get(kind, key);
        let runs = kind == Kind::POD && !text(object, "/spec/nodeName").is_empty() && !super::pods::is_terminal(object);
        let held = runs || kind == Kind::NAMESPACE;
        if is_deleting(object) && list(object, "/metadata/finalizers").is_empty() && !held {
            self.vanish(kind, key);
        }
    }

    fn store(&mut self, kind: Kind, key: ObjectKey, mut object: Value) {
        self.revision += 1;
        put(
            &mut object,
            &["metadata", "resourceVersion"],
            self.revision.to_string().into(),
        );
        let new = Arc::new(object);
        let old = self.view.insert(kind, key.clone(), Arc::clone(&new));
        self.changes.push_back(Change {
            kind,
            key,
            old,
            new: Some(new),
        });
    }
}
