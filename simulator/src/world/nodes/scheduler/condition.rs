//! What the scheduler writes on pods that it cannot place.

use std::sync::Arc;

use serde_json::{Value, json};

use super::NAME;
use crate::world::control::object;
use crate::world::control::{Kind, Pass, Write};

/// A pod that its gates hold back.
pub(super) fn gated(pod: &Value, pass: &Pass<'_>) -> Vec<Write> {
    let message = "Scheduling is blocked due to non-empty scheduling gates";
    condition(pod, "SchedulingGated", message, pass).into_iter().collect()
}

/// A pod that fits nowhere; nothing when that was said already.
pub(super) fn unschedulable(pod: &Arc<Value>, message: &str, pass: &Pass<'_>) -> Vec<Write> {
    condition(pod, "Unschedulable", message, pass).map_or_else(Vec::new, |write| {
        vec![write, Write::warning(NAME, Kind::POD, pod, "FailedScheduling", message)]
    })
}

/// The PodScheduled=False condition, if it says something new.
fn condition(pod: &Value, reason: &str, message: &str, pass: &Pass<'_>) -> Option<Write> {
    let before = object::condition(pod, "PodScheduled");
    if before.is_some_and(|c| c["reason"] == reason && c["message"] == message) {
        return None;
    }
    let since = before
        .filter(|c| c["status"] == "False")
        .map_or_else(|| object::stamp(pass.now), |c| c["lastTransitionTime"].clone());
    let mut conditions = object::list(pod, "/status/conditions").to_vec();
    conditions.retain(|c| c["type"] != "PodScheduled");
    conditions.push(json!({
        "type": "PodScheduled", "status": "False", "reason": reason, "message": message,
        "lastProbeTime": null, "lastTransitionTime": since,
        "observedGeneration": object::int(pod, "/metadata/generation").unwrap_or(1),
    }));
    let patch = json!({ "status": { "conditions": conditions } });
    Some(Write::MergePatch {
        kind: Kind::POD,
        key: object::key_of(pod),
        status: true,
        patch,
    })
}
