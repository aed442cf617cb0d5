//! Pods that a node in need ends: one a heartbeat under pressure, all when the machine shuts down.
//!
//! Writes the pod's end down; the pod's own machine (`pods`) sees it there and stops its containers.

use std::sync::Arc;

use serde_json::{Value, json};

use super::NodeFault;
use crate::world::control::object::{self, count, is_deleting, list, stamp, text};
use crate::world::control::{Kind, Pass, Write};

/// Priority from which pods are critical and are never evicted (`SystemCriticalPriority`).
const CRITICAL: i64 = 2_000_000_000;

/// The writes that end pods now.
pub(super) fn evictions(node: &Value, fault: Option<NodeFault>, pass: &Pass<'_>) -> Vec<Write> {
    let (reason, message, is_all) = match fault {
        Some(NodeFault::MemoryPressure) => ("Evicted", "The node was low on resource: memory. ", false),
        Some(NodeFault::DiskPressure) => ("Evicted", "The node was low on resource: ephemeral-storage. ", false),
        Some(NodeFault::ShuttingDown) => (
            "Terminated",
            "Pod was terminated in response to imminent node shutdown.",
            true,
        ),
        _ => return Vec::new(),
    };
    let running = pass.view.pods_on(object::name(node)).map(|(_, pod)| pod);
    let mut pods: Vec<&Arc<Value>> = running
        .filter(|pod| !is_deleting(pod) && !matches!(text(pod, "/status/phase"), "Succeeded" | "Failed"))
        .filter(|pod| is_all || count(pod, "/spec/priority") < CRITICAL)
        .collect();
    pods.sort_by_key(|pod| (rank(pod), count(pod, "/spec/priority")));
    let few = if is_all { pods.len() } else { 1 };
    pods.into_iter()
        .take(few)
        .flat_map(|pod| end(pod, reason, message, pass))
        .collect()
}

/// Pods that promised least go first.
fn rank(pod: &Value) -> u8 {
    match text(pod, "/status/qosClass") {
        "BestEffort" => 0,
        "Burstable" => 1,
        _ => 2,
    }
}

fn end(pod: &Arc<Value>, reason: &'static str, message: &str, pass: &Pass<'_>) -> Vec<Write> {
    let mut conditions = list(pod, "/status/conditions").to_vec();
    conditions.retain(|condition| condition["type"] != "DisruptionTarget");
    conditions.push(json!({
        "type": "DisruptionTarget", "status": "True", "reason": "TerminationByKubelet", "message": message,
        "lastProbeTime": null, "lastTransitionTime": stamp(pass.now),
        "observedGeneration": object::int(pod, "/metadata/generation").unwrap_or(1),
    }));
    let status = json!({ "phase": "Failed", "reason": reason, "message": message, "conditions": conditions });
    let mut writes = vec![Write::MergePatch {
        kind: Kind::POD,
        key: object::key_of(pod),
        status: true,
        patch: json!({ "status": status }),
    }];
    if reason == "Evicted" {
        writes.push(Write::warning("kubelet", Kind::POD, pod, reason, message));
    }
    writes
}
