//! How a change of the workload reaches its users: beside what serves where a GPU is free, in its place where none is.
//!
//! A StatefulSet replaces a pod by taking it down first. Where there is room, a second one (`<workspace>-next`) is
//! brought up with the new template; when its pod is ready the Service points to it, the first is changed, and when
//! that serves again the Service points back and the second goes. Every pass derives where it is from what exists.

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};

use super::intent::Intent;
use super::nodes::{GPU, gpus, is_ready};
use super::observed::Observed;
use super::pods::trouble;
use super::seen_value;
use crate::drift::{must_apply, stamped};

/// Label of the pods that serve while a change rolls out.
const ROLLOUT: &str = "drydock.sh/rollout";

/// Label that Kubernetes puts on the pods of a StatefulSet, and that the Service selects by.
const POD_NAME: &str = "statefulset.kubernetes.io/pod-name";

/// Where a change is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// The workload is changed where it is (or there is nothing to change).
    InPlace,
    /// The new one comes up beside what serves.
    Beside,
    /// The new one serves, and the workload itself is changed.
    Switched,
}

/// Name of the second StatefulSet.
pub(super) fn next_name(workspace: &str) -> String {
    format!("{workspace}-next")
}

/// Where the change to `wanted` is.
pub(super) fn stage(seen: &Observed, intent: &Intent, wanted: &Value) -> Stage {
    let Some(main) = &seen.stateful_set else {
        return Stage::InPlace;
    };
    let drifted = must_apply(wanted, Some(&seen_value(main.as_ref())));
    let serves = is_complete(main);
    let next = seen.next.as_ref();
    let next_is_new = next.is_some_and(|next| {
        let beside = beside(wanted, next.metadata.name.as_deref().unwrap_or_default());
        !must_apply(&beside, Some(&seen_value(next.as_ref())))
    });
    let next_serves = next.is_some_and(|next| is_complete(next)) && next_is_new;
    match (drifted, next) {
        (false, _) if serves => Stage::InPlace,
        (_, Some(_)) if next_serves => Stage::Switched,
        (true, Some(_)) if serves && !is_stuck(seen) => Stage::Beside,
        (true, None) if serves && intent.nodes.count == 1 && has_room(seen, intent) => Stage::Beside,
        (_, _) => Stage::InPlace,
    }
}

/// The fields of the second StatefulSet, from those of the first.
pub(super) fn beside(wanted: &Value, name: &str) -> Value {
    let mut fields = wanted.clone();
    let labelled = ["/spec/selector/matchLabels", "/spec/template/metadata/labels"];
    for place in labelled {
        if let Some(labels) = fields.pointer_mut(place).and_then(Value::as_object_mut) {
            labels.insert(ROLLOUT.into(), json!(name));
        }
    }
    stamped(fields)
}

/// The Service's fields, pointing to this pod.
pub(super) fn pointed_to(service: Value, pod: &str) -> Value {
    let mut service = service;
    let selector = service.pointer_mut("/spec/selector").and_then(Value::as_object_mut);
    match selector {
        Some(selector) if selector.contains_key(POD_NAME) => {
            selector.insert(POD_NAME.into(), json!(pod));
            stamped(service)
        }
        Some(_) | None => service,
    }
}

/// Whether every replica is of the newest revision and ready.
pub(super) fn is_complete(set: &StatefulSet) -> bool {
    let wanted = set.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
    set.status.as_ref().is_some_and(|status| {
        status.observed_generation == set.metadata.generation
            && status.updated_replicas.unwrap_or(0) >= wanted
            && status.ready_replicas.unwrap_or(0) >= wanted
            && status.replicas == wanted
    })
}

/// Whether the nodes have GPUs left for one more replica. A pod that no node takes after all is noticed as stuck.
fn has_room(seen: &Observed, intent: &Intent) -> bool {
    let offered: u64 = seen
        .nodes
        .iter()
        .filter(|node| is_ready(node))
        .map(|node| gpus(node))
        .sum();
    let held: u64 = seen
        .pods
        .iter()
        .filter(|pod| !has_ended(pod))
        .map(|pod| asked(pod))
        .sum();
    intent.nodes.gpus > 0 && offered >= held + u64::from(intent.nodes.gpus)
}

fn has_ended(pod: &Pod) -> bool {
    let phase = pod.status.as_ref().and_then(|status| status.phase.as_deref());
    matches!(phase, Some("Succeeded" | "Failed"))
}

/// GPUs that a pod asks for.
fn asked(pod: &Pod) -> u64 {
    let containers = pod.spec.iter().flat_map(|spec| &spec.containers);
    let limits = containers.filter_map(|container| container.resources.as_ref()?.limits.as_ref()?.get(GPU));
    limits.filter_map(|quantity| quantity.0.parse::<u64>().ok()).sum()
}

/// Whether no node takes the second StatefulSet's pod.
fn is_stuck(seen: &Observed) -> bool {
    let beside = seen.pods.iter().filter(|pod| {
        let labels = pod.metadata.labels.as_ref();
        labels.is_some_and(|labels| labels.contains_key(ROLLOUT))
    });
    let beside: Vec<&Pod> = beside.map(AsRef::as_ref).collect();
    trouble(&beside).is_some_and(|trouble| trouble.reason == operator_api::conditions::InferenceReady::Unschedulable)
}
