//! The deletion of a namespace: its pods, then everything else in it, then the namespace itself.
//!
//! Must not know: why it is deleted.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::object::{is_deleting, list, name, put, stamp, text};
use super::super::{Kind, Outcome, Write};
use super::graph::{Graph, Node};

/// The finalizer in `spec.finalizers` that holds a namespace until it is empty.
const KUBERNETES: &str = "kubernetes";

/// Looks at one namespace. To be called again whenever one of its objects goes.
#[must_use]
pub fn reconcile_namespace(graph: &Graph, namespace: &Value, now: Timestamp) -> Outcome {
    let held = list(namespace, "/spec/finalizers")
        .iter()
        .any(|have| have.as_str() == Some(KUBERNETES));
    if !is_deleting(namespace) || !held {
        return Outcome::nothing();
    }
    let content: Vec<&Node> = graph.in_namespace(name(namespace)).collect();
    let mut writes = Vec::new();
    if let Some(object) = with_conditions(namespace, &content, now) {
        let kind = Kind::NAMESPACE;
        writes.push(Write::UpdateStatus { kind, object });
    }
    if content.is_empty() {
        let mut namespace = namespace.clone();
        let kept = list(&namespace, "/spec/finalizers")
            .iter()
            .filter(|have| have.as_str() != Some(KUBERNETES));
        let kept: Vec<Value> = kept.cloned().collect();
        put(&mut namespace, &["spec", "finalizers"], Value::Array(kept));
        // The status was just written, and the finalize call does not look at the version.
        super::super::object::drop_key(&mut namespace, "/metadata", "resourceVersion");
        writes.push(Write::Finalize { namespace });
        return Outcome::writes(writes);
    }
    let is_pod = |node: &&Node| node.object.resource.kind == "Pod" && node.object.resource.group.is_empty();
    let pods_first = content.iter().any(is_pod);
    let doomed = content
        .into_iter()
        .filter(|node| !node.deleting && (!pods_first || is_pod(node)));
    writes.extend(doomed.map(|node| super::delete(node, "Background")));
    Outcome::writes(writes)
}

fn with_conditions(namespace: &Value, content: &[&Node], now: Timestamp) -> Option<Value> {
    let wanted = [
        (
            "NamespaceDeletionDiscoveryFailure",
            None,
            "ResourcesDiscovered",
            "All resources successfully discovered",
        ),
        (
            "NamespaceDeletionGroupVersionParsingFailure",
            None,
            "ParsedGroupVersions",
            "All legacy kube types successfully parsed",
        ),
        (
            "NamespaceDeletionContentFailure",
            None,
            "ContentDeleted",
            "All content successfully deleted, may be waiting on finalization",
        ),
        (
            "NamespaceContentRemaining",
            remaining(content),
            "ContentRemoved",
            "All content successfully removed",
        ),
        (
            "NamespaceFinalizersRemaining",
            finalizers_remaining(content),
            "ContentHasNoFinalizers",
            "All content-preserving finalizers finished",
        ),
    ];
    let before = list(namespace, "/status/conditions");
    let mut conditions: Vec<Value> = before.to_vec();
    for (type_, problem, ok_reason, ok_message) in wanted {
        let (status, reason, message) = match problem {
            Some((reason, message)) => ("True", reason, message),
            None => ("False", ok_reason, ok_message.to_owned()),
        };
        let old = conditions.iter_mut().find(|have| text(have, "/type") == type_);
        let since = old
            .as_ref()
            .filter(|old| text(old, "/status") == status)
            .map(|old| old["lastTransitionTime"].clone());
        let condition = json!({
            "type": type_, "status": status, "reason": reason, "message": message,
            "lastTransitionTime": since.unwrap_or_else(|| stamp(now)),
        });
        match old {
            Some(old) => *old = condition,
            None => conditions.push(condition),
        }
    }
    if conditions == before {
        return None;
    }
    let mut object = namespace.clone();
    put(&mut object, &["status", "conditions"], Value::Array(conditions));
    Some(object)
}

fn remaining(content: &[&Node]) -> Option<(&'static str, String)> {
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    for node in content {
        let resource = &node.object.resource;
        *counts
            .entry(format!("{}.{}", resource.plural, resource.group))
            .or_default() += 1;
    }
    let told: Vec<String> = counts
        .iter()
        .map(|(resource, count)| format!("{resource} has {count} resource instances"))
        .collect();
    let message = format!("Some resources are remaining: {}", told.join(", "));
    (!told.is_empty()).then_some(("SomeResourcesRemain", message))
}

fn finalizers_remaining(content: &[&Node]) -> Option<(&'static str, String)> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for finalizer in content.iter().flat_map(|node| &node.finalizers) {
        *counts.entry(finalizer).or_default() += 1;
    }
    let told: Vec<String> = counts
        .iter()
        .map(|(finalizer, count)| format!("{finalizer} in {count} resource instances"))
        .collect();
    let message = format!(
        "Some content in the namespace has finalizers remaining: {}",
        told.join(", ")
    );
    (!told.is_empty()).then_some(("SomeFinalizersRemain", message))
}
