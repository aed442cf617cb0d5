//! What controllers of pods share: reading a pod's state, making pods from templates, who dies first.
//!
//! Must not know: which controller asks.

use std::cmp::{Ordering, Reverse};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::kind::{Kind, ObjectKey};
use super::object::{annotation, condition, count, created_at, is_deleting, list, put, text, time, uid, until};
use crate::world::entropy::Entropy;

/// `controller.kubernetes.io/pod-deletion-cost`
const DELETION_COST: &str = "controller.kubernetes.io/pod-deletion-cost";

/// Whether a pod has ended for good.
#[must_use]
pub fn is_terminal(pod: &Value) -> bool {
    matches!(text(pod, "/status/phase"), "Succeeded" | "Failed")
}

/// Whether a pod counts as a replica: it has not ended and is not being deleted.
#[must_use]
pub fn is_active(pod: &Value) -> bool {
    !is_terminal(pod) && !is_deleting(pod)
}

/// Whether a pod is being deleted and has not ended yet.
#[must_use]
pub fn is_terminating(pod: &Value) -> bool {
    !is_terminal(pod) && is_deleting(pod)
}

/// Whether the Ready condition is True.
#[must_use]
pub fn is_ready(pod: &Value) -> bool {
    super::object::is_true(pod, "Ready")
}

fn ready_since(pod: &Value) -> Option<Timestamp> {
    let ready = condition(pod, "Ready").filter(|ready| text(ready, "/status") == "True")?;
    time(ready, "/lastTransitionTime")
}

/// Whether a pod has been ready for `min_ready_secs`.
#[must_use]
pub fn is_available(pod: &Value, min_ready_secs: i64, now: Timestamp) -> bool {
    is_ready(pod) && (min_ready_secs == 0 || available_in(pod, min_ready_secs, now) == Some(Duration::ZERO))
}

/// How long until a ready pod is available; None while it is not ready.
#[must_use]
pub fn available_in(pod: &Value, min_ready_secs: i64, now: Timestamp) -> Option<Duration> {
    let at = super::object::after_secs(ready_since(pod)?, min_ready_secs);
    Some(until(at, now))
}

/// Sum of restarts of all containers.
#[must_use]
pub fn restarts(pod: &Value) -> i64 {
    let statuses = list(pod, "/status/containerStatuses").iter();
    statuses.map(|status| count(status, "/restartCount")).max().unwrap_or(0)
}

/// A pod from a template, owned by `owner`. Its name is drawn here (`generateName` is set too, as on real pods), so that
/// a retried creation is recognised.
#[must_use]
pub fn from_template(template: &Value, kind: Kind, owner: &Value, base: &str, entropy: &Entropy) -> Value {
    let generate_name = format!("{}-", clip(base, 63 - 6));
    let pod_name = format!("{}{}", clip(&generate_name, 58), entropy.suffix(5));
    let mut pod = skeleton(template, kind, owner);
    put(&mut pod, &["metadata", "generateName"], generate_name.into());
    put(&mut pod, &["metadata", "name"], pod_name.into());
    pod
}

/// A pod from a template, owned by `owner`, without a name yet.
#[must_use]
pub fn skeleton(template: &Value, kind: Kind, owner: &Value) -> Value {
    let mut metadata = json!({
        "namespace": super::object::namespace(owner),
        "ownerReferences": [super::object::owned_by(kind, owner)],
    });
    for field in ["labels", "annotations", "finalizers"] {
        if let Some(value) = template.pointer("/metadata").and_then(|metadata| metadata.get(field))
            && !value.is_null()
        {
            put(&mut metadata, &[field], value.clone());
        }
    }
    json!({
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": template.get("spec").cloned().unwrap_or_default(),
    })
}

/// The first `len` characters.
#[must_use]
pub fn clip(text: &str, len: usize) -> String {
    text.chars().take(len).collect()
}

/// How dear a pod is to its ReplicaSet or Job: the least comes first when replicas must go. Order of
/// `ActivePodsWithRanks` in kube-controller-manager; `crowd` is how many related pods share the pod's node.
#[must_use]
pub fn dearness(pod: &Value, crowd: usize, now: Timestamp) -> impl Ord + use<> {
    let phase = match text(pod, "/status/phase") {
        "Running" => 2,
        "Unknown" => 1,
        _ => 0,
    };
    let cost = annotation(pod, DELETION_COST).and_then(|cost| cost.parse::<i32>().ok());
    // Ages are compared by their order of magnitude, so that the youngest generation is picked from at random.
    let magnitude = |since: Timestamp| {
        let secs = now.duration_since(since).as_secs().max(0);
        if secs <= 1 { 0 } else { secs.ilog2() + 1 }
    };
    (
        !text(pod, "/spec/nodeName").is_empty(),
        phase,
        is_ready(pod),
        cost.unwrap_or(0),
        Reverse(crowd),
        if is_ready(pod) {
            ready_since(pod).map(magnitude)
        } else {
            None
        },
        Reverse(restarts(pod)),
        magnitude(created_at(pod)),
        uid(pod).to_owned(),
    )
}

/// Oldest first, names where ages are equal.
#[must_use]
pub fn by_age(a: &Value, b: &Value) -> Ordering {
    let rank = |object: &Value| (created_at(object), super::object::name(object).to_owned());
    rank(a).cmp(&rank(b))
}

/// What the API server said about a pod that could not be made, as if it had drawn the name itself: errors then stay the
/// same from try to try, and repeats fold into one event.
#[must_use]
pub fn refusal(pod: &Value, message: &str) -> String {
    let generate_name = text(pod, "/metadata/generateName");
    let quoted = |name: &str| format!("{name:?}");
    message.replace(&quoted(super::object::name(pod)), &quoted(generate_name))
}

/// The key of a new pod made by [`from_template`].
#[must_use]
pub fn new_key(pod: &Value) -> ObjectKey {
    super::object::key_of(pod)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::clock::DEFAULT_EPOCH;

    #[test]
    fn unscheduled_unready_and_cheap_pods_go_first() {
        let pod = |name: &str, node: &str, phase: &str, ready: &str, cost: &str| {
            json!({
                "metadata": {"name": name, "uid": name, "annotations": {DELETION_COST: cost}},
                "spec": {"nodeName": node},
                "status": {"phase": phase, "conditions": [{"type": "Ready", "status": ready, "lastTransitionTime": "2025-12-31T23:00:00Z"}]},
            })
        };
        let mut pods = [
            pod("dear", "n", "Running", "True", "10"),
            pod("plain", "n", "Running", "True", "0"),
            pod("unready", "n", "Running", "False", "0"),
            pod("pending", "n", "Pending", "False", "0"),
            pod("unscheduled", "", "Pending", "False", "0"),
        ];
        pods.sort_by_key(|pod| dearness(pod, 0, DEFAULT_EPOCH));
        let names: Vec<&str> = pods.iter().map(super::super::object::name).collect();
        assert_eq!(names, ["unscheduled", "pending", "unready", "plain", "dear"]);
        assert!(is_available(&pods[3], 3600, DEFAULT_EPOCH));
        assert!(!is_available(&pods[3], 3601, DEFAULT_EPOCH));
    }

    #[test]
    fn long_bases_still_give_valid_names() {
        let owner = json!({"metadata": {"name": "o", "namespace": "d", "uid": "u"}});
        let base = "x".repeat(250);
        let pod = from_template(&json!({"spec": {}}), Kind::JOB, &owner, &base, &Entropy::new(1));
        assert!(super::super::object::name(&pod).len() <= 63);
    }
}
