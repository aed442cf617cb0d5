//! What becomes of nodes that fall silent, and of their pods: conditions, taints, evictions, clean-up.
//!
//! Must not know: kubelets.

mod eviction;
mod health;
mod pod_gc;
mod taints;
#[cfg(test)]
mod tests;

use serde_json::{Value, json};

use super::object::{condition, list, stamp, text};

pub use eviction::TaintEviction;
pub use health::NodeHealth;
pub use pod_gc::PodCollector;
pub use taints::tolerates;

/// A status patch that says that a pod is being disrupted, and whether it is needed.
fn disruption(pod: &Value, reason: &str, message: &str, now: jiff::Timestamp) -> Option<Value> {
    let told = condition(pod, "DisruptionTarget").is_some_and(|have| text(have, "/status") == "True");
    if told {
        return None;
    }
    let others = list(pod, "/status/conditions").iter();
    let others = others.filter(|have| text(have, "/type") != "DisruptionTarget");
    let mut conditions: Vec<Value> = others.cloned().collect();
    conditions.push(json!({
        "type": "DisruptionTarget", "status": "True", "reason": reason, "message": message,
        "lastProbeTime": null, "lastTransitionTime": stamp(now),
    }));
    Some(json!({"conditions": conditions}))
}
