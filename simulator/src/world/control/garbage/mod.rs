//! Garbage collection by ownerReferences and the deletion of namespaces. Both concern every kind there is, so they work on
//! the graph of all objects instead of on the view.
//!
//! Must not know: what any kind means.

mod graph;
mod namespace;
#[cfg(test)]
mod tests;

use serde_json::{Value, json};

use super::{Outcome, Write};
pub use graph::{Graph, Node, ObjectRef, Owner, Resource};
pub use namespace::reconcile_namespace;

/// User name part of the garbage collector.
pub const COLLECTOR: &str = "generic-garbage-collector";
/// User name part of the controller that deletes namespaces.
pub const NAMESPACES: &str = "namespace-controller";

const FOREGROUND: &str = "foregroundDeletion";
const ORPHAN: &str = "orphan";

/// How an owner stands.
#[derive(PartialEq, Eq)]
enum Standing {
    /// It is there.
    Solid,
    /// It is gone, or never was where the reference says.
    Dangling,
    /// It is being deleted in the foreground and waits for its dependents.
    Waiting,
}

/// Looks at one object: does it still have an owner, does it wait for dependents, are its dependents to be orphaned?
#[must_use]
pub fn collect(graph: &Graph, uid: &str) -> Outcome {
    let Some(node) = graph.node(uid) else {
        return Outcome::nothing();
    };
    if node.deleting {
        return Outcome::writes(finish_deletion(graph, node));
    }
    if node.owners.is_empty() {
        return Outcome::nothing();
    }
    let (mut solid, mut waiting) = (Vec::new(), false);
    for owner in &node.owners {
        match standing(graph, node, owner) {
            Standing::Solid => solid.push(owner),
            Standing::Waiting => waiting = true,
            Standing::Dangling => {}
        }
    }
    if solid.len() == node.owners.len() {
        return Outcome::nothing();
    }
    if !solid.is_empty() {
        let kept: Vec<&str> = solid.iter().map(|owner| owner.uid.as_str()).collect();
        return Outcome::writes(vec![keep_owners(node, |owner| kept.contains(&owner.uid.as_str()))]);
    }
    let has_dependents = graph.dependents(uid).next().is_some();
    let propagation = if node.has(ORPHAN) {
        "Orphan"
    } else if node.has(FOREGROUND) || (waiting && has_dependents) {
        "Foreground"
    } else {
        "Background"
    };
    Outcome::writes(vec![delete(node, propagation)])
}

fn standing(graph: &Graph, node: &Node, owner: &Owner) -> Standing {
    let Some(held) = graph.node(&owner.uid) else {
        return Standing::Dangling;
    };
    let resource = &held.object.resource;
    let as_named = held.object.name == owner.name && resource.kind == owner.kind && resource.group == owner.group();
    if node.object.namespace.is_empty() && resource.namespaced {
        // A cluster-scoped object cannot be owned from within a namespace; such a reference is never acted on.
        return Standing::Solid;
    }
    let elsewhere = resource.namespaced && held.object.namespace != node.object.namespace;
    if !as_named || elsewhere {
        Standing::Dangling
    } else if held.deleting && held.has(FOREGROUND) {
        Standing::Waiting
    } else {
        Standing::Solid
    }
}

/// An object whose deletion waits for the garbage collector: in the foreground for its blocking dependents, or for its
/// dependents to be set free.
fn finish_deletion(graph: &Graph, node: &Node) -> Vec<Write> {
    let uid = node.object.uid.as_str();
    if node.has(ORPHAN) {
        let dependents = graph.dependents(uid);
        let mut writes: Vec<Write> = dependents
            .map(|dependent| keep_owners(dependent, |owner| owner.uid != uid))
            .collect();
        writes.push(without_finalizer(node, ORPHAN));
        return writes;
    }
    if !node.has(FOREGROUND) {
        return Vec::new();
    }
    let blocks = |dependent: &&Node| {
        dependent
            .owners
            .iter()
            .any(|owner| owner.uid == uid && owner.blocks == Some(true))
    };
    let blocking: Vec<&Node> = graph.dependents(uid).filter(blocks).collect();
    if blocking.is_empty() {
        return vec![without_finalizer(node, FOREGROUND)];
    }
    let mut writes = Vec::new();
    for dependent in graph.dependents(uid).filter(|dependent| !dependent.deleting) {
        writes.extend(collect(graph, &dependent.object.uid).writes);
    }
    writes
}

fn delete(node: &Node, propagation: &'static str) -> Write {
    Write::DeleteAny {
        object: Box::new(node.object.clone()),
        propagation: Some(propagation),
    }
}

fn without_finalizer(node: &Node, finalizer: &str) -> Write {
    let kept: Vec<&String> = node.finalizers.iter().filter(|have| *have != finalizer).collect();
    patch(node, json!({"finalizers": kept}))
}

fn keep_owners(node: &Node, keep: impl Fn(&Owner) -> bool) -> Write {
    let kept: Vec<Value> = node
        .owners
        .iter()
        .filter(|owner| keep(owner))
        .map(Owner::to_json)
        .collect();
    patch(node, json!({"ownerReferences": kept}))
}

fn patch(node: &Node, mut metadata: Value) -> Write {
    super::object::put(&mut metadata, &["uid"], node.object.uid.as_str().into());
    Write::PatchAny {
        object: Box::new(node.object.clone()),
        patch: json!({"metadata": metadata}),
    }
}
