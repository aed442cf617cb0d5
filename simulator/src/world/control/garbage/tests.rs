//! Families of owners and dependents under the API server's deletion rules.

use std::collections::VecDeque;
use std::sync::Arc;

use serde_json::{Value, json};

use super::super::object::{finalizers_without, is_deleting, list, put, uid};
use super::*;
use crate::world::clock::DEFAULT_EPOCH;

/// Objects of any kind, with the deletion rules of the API server.
#[derive(Default)]
struct World {
    graph: Graph,
    objects: Vec<(Arc<Resource>, Value)>,
    queue: VecDeque<String>,
}

fn resource(kind: &str) -> Arc<Resource> {
    let group = if kind == "Widget" { "example.com" } else { "" };
    Arc::new(Resource {
        group: group.into(),
        version: "v1".into(),
        kind: kind.into(),
        plural: format!("{}s", kind.to_lowercase()),
        namespaced: kind != "Node" && kind != "Namespace",
    })
}

fn owner(kind: &str, name: &str, blocks: bool) -> Value {
    let api_version = if kind == "Widget" { "example.com/v1" } else { "v1" };
    json!({"apiVersion": api_version, "kind": kind, "name": name, "uid": name, "blockOwnerDeletion": blocks})
}

impl World {
    /// Adds an object whose uid is its name.
    fn add(&mut self, kind: &str, namespace: &str, name: &str, owners: &[Value]) {
        let object =
            json!({"metadata": {"namespace": namespace, "name": name, "uid": name, "ownerReferences": owners}});
        self.change(&resource(kind), name, Some(object));
        self.settle();
    }

    fn change(&mut self, resource: &Arc<Resource>, name: &str, new: Option<Value>) {
        let place = self.objects.iter().position(|(_, object)| uid(object) == name);
        let old = place.map(|place| self.objects.remove(place).1);
        self.queue
            .extend(self.graph.observe(resource, old.as_ref(), new.as_ref()));
        self.objects.extend(new.map(|new| (Arc::clone(resource), new)));
    }

    fn get(&self, name: &str) -> Option<&(Arc<Resource>, Value)> {
        self.objects.iter().find(|(_, object)| uid(object) == name)
    }

    fn edit(&mut self, name: &str, edit: impl FnOnce(&mut Value)) {
        let Some((resource, mut object)) = self.get(name).cloned() else {
            return;
        };
        edit(&mut object);
        let gone = is_deleting(&object) && list(&object, "/metadata/finalizers").is_empty();
        self.change(&resource, name, (!gone).then_some(object));
    }

    fn delete(&mut self, name: &str, propagation: &str) {
        let finalizer = match propagation {
            "Foreground" => Some("foregroundDeletion"),
            "Orphan" => Some("orphan"),
            _ => None,
        };
        self.edit(name, |object| {
            let mut finalizers = list(object, "/metadata/finalizers").to_vec();
            finalizers.extend(finalizer.map(Value::from));
            put(object, &["metadata", "finalizers"], finalizers.into());
            put(
                object,
                &["metadata", "deletionTimestamp"],
                "2026-01-01T00:00:00Z".into(),
            );
        });
        self.settle();
    }

    fn settle(&mut self) {
        for _ in 0..1000 {
            let Some(uid) = self.queue.pop_front() else { return };
            for write in collect(&self.graph, &uid).writes {
                self.apply(&write);
            }
        }
        panic!("never settles");
    }

    fn apply(&mut self, write: &Write) {
        match write {
            Write::DeleteAny { object, propagation } => self.delete(&object.uid, propagation.unwrap_or_default()),
            Write::PatchAny { object, patch } => self.edit(&object.uid, |object| json_patch::merge(object, patch)),
            other => panic!("{other:?}"),
        }
    }

    fn names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.objects.iter().map(|(_, object)| uid(object)).collect();
        names.sort_unstable();
        names
    }
}

fn family() -> World {
    let mut world = World::default();
    world.add("Widget", "d", "owner", &[]);
    world.add("ConfigMap", "d", "child", &[owner("Widget", "owner", true)]);
    world.add("ConfigMap", "d", "grandchild", &[owner("ConfigMap", "child", true)]);
    world.add("ConfigMap", "d", "stranger", &[]);
    world
}

#[test]
fn background_and_foreground_take_the_family_and_orphan_leaves_it() {
    for (propagation, left) in [
        ("Background", vec!["stranger"]),
        ("Foreground", vec!["stranger"]),
        ("Orphan", vec!["child", "grandchild", "stranger"]),
    ] {
        let mut world = family();
        world.delete("owner", propagation);
        assert_eq!(world.names(), left, "{propagation}");
    }
}

#[test]
fn foreground_waits_for_blocking_dependents_only() {
    let mut world = family();
    world.edit("grandchild", |object| {
        put(object, &["metadata", "finalizers"], json!(["mine"]));
    });
    world.add("ConfigMap", "d", "loose", &[owner("Widget", "owner", false)]);
    world.delete("owner", "Foreground");
    assert_eq!(world.names(), ["child", "grandchild", "owner", "stranger"]);
    world.edit("grandchild", |object| {
        let kept = finalizers_without(object, "mine");
        put(object, &["metadata", "finalizers"], kept.into());
    });
    world.settle();
    assert_eq!(world.names(), ["stranger"]);
}

#[test]
fn references_count_only_where_they_can_point() {
    let mut world = family();
    world.add("ConfigMap", "other", "foreign", &[owner("Widget", "owner", false)]);
    world.add("ConfigMap", "d", "absent", &[owner("Widget", "nobody", false)]);
    world.add(
        "ConfigMap",
        "d",
        "misnamed",
        &[json!({"apiVersion": "v1", "kind": "Secret", "name": "owner", "uid": "owner"})],
    );
    world.add("Node", "", "cluster-wide", &[owner("Widget", "owner", false)]);
    world.add(
        "ConfigMap",
        "d",
        "two-owners",
        &[owner("Widget", "owner", false), owner("Widget", "nobody", false)],
    );
    assert_eq!(
        world.names(),
        ["child", "cluster-wide", "grandchild", "owner", "stranger", "two-owners"]
    );
    let owners = |world: &World| {
        world
            .get("two-owners")
            .map(|(_, object)| list(object, "/metadata/ownerReferences").len())
    };
    assert_eq!(owners(&world), Some(1));
}

#[test]
fn a_namespace_goes_after_its_pods_and_then_its_content() {
    let mut world = World::default();
    let namespace = json!({
        "metadata": {"name": "d", "uid": "ns", "deletionTimestamp": "2026-01-01T00:00:00Z"},
        "spec": {"finalizers": ["kubernetes"]},
        "status": {"phase": "Terminating"},
    });
    world.add("Pod", "d", "pod", &[]);
    world.add("Widget", "d", "widget", &[]);
    world.add("Widget", "e", "elsewhere", &[]);
    world.edit("widget", |object| {
        put(object, &["metadata", "finalizers"], json!(["mine"]));
    });
    let deleted = |outcome: &Outcome| -> Vec<String> {
        let deletions = outcome.writes.iter().filter_map(|write| match write {
            Write::DeleteAny { object, .. } => Some(object.name.clone()),
            _ => None,
        });
        deletions.collect()
    };
    let first = reconcile_namespace(&world.graph, &namespace, DEFAULT_EPOCH);
    assert_eq!(deleted(&first), ["pod"]);
    let Some(Write::UpdateStatus { object, .. }) = first.writes.first() else {
        panic!("{first:?}")
    };
    let message =
        "Some resources are remaining: pods. has 1 resource instances, widgets.example.com has 1 resource instances";
    assert_eq!(object["status"]["conditions"][3]["message"], message);
    assert_eq!(
        object["status"]["conditions"][4]["message"],
        "Some content in the namespace has finalizers remaining: mine in 1 resource instances"
    );
    world.delete("pod", "Background");
    let second = reconcile_namespace(&world.graph, object, DEFAULT_EPOCH);
    assert_eq!(deleted(&second), ["widget"]);
    world.delete("widget", "Background");
    assert_eq!(
        deleted(&reconcile_namespace(&world.graph, object, DEFAULT_EPOCH)),
        [""; 0]
    );
    world.edit("widget", |object| put(object, &["metadata", "finalizers"], json!([])));
    let last = reconcile_namespace(&world.graph, object, DEFAULT_EPOCH);
    let Some(Write::Finalize { namespace }) = last.writes.last() else {
        panic!("{last:?}")
    };
    assert_eq!(namespace["spec"]["finalizers"], json!([]));
}
