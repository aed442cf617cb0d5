//! What a write may touch of a pod, and what the server fills in by the pod's own labels and spec.

use serde_json::{Value, json};

use super::super::json::{self, Object, child, each, ensure, fill_absent};
use super::super::{admit, totals};
use super::{bump_when, copy, created, keep, reset_metadata};

pub(super) fn new_pod(root: &mut Object) {
    if let Some(spec) = child(root, "spec") {
        let grace = spec.get("terminationGracePeriodSeconds").and_then(Value::as_i64);
        if grace.is_some_and(|secs| secs < 0) {
            spec.insert("terminationGracePeriodSeconds".to_owned(), 1.into());
        }
    }
    merge_label_keys(root);
    let Some(spec) = root.get("spec") else { return };
    let class = totals::qos_class(spec);
    let now = created(root).unwrap_or(Value::Null);
    let gated = !json::list(spec, "schedulingGates").is_empty();
    let Some(status) = child(root, "status") else { return };
    status.insert("qosClass".to_owned(), class.into());
    if gated {
        let condition = json!([{
            "type": "PodScheduled", "status": "False", "lastProbeTime": null, "lastTransitionTime": now,
            "reason": "SchedulingGated",
            "message": "Scheduling is blocked due to non-empty scheduling gates",
        }]);
        status.insert("conditions".to_owned(), condition);
    }
}

pub(super) fn ephemeral_write(root: &mut Object, old: &Value) {
    let wanted = root
        .get("spec")
        .map(|spec| json::get(spec, "ephemeralContainers").clone());
    keep(root, old, "spec");
    keep(root, old, "status");
    reset_metadata(root, json::get(old, "metadata"));
    if let (Some(wanted), Some(spec)) = (wanted, ensure(root, "spec")) {
        spec.insert("ephemeralContainers".to_owned(), wanted);
    }
    bump_when(root, old, &["spec"]);
}

/// A resize changes the containers' resources and nothing else.
pub(super) fn resize_write(root: &mut Object, old: &Value) {
    let mut wanted = root.get("spec").cloned().unwrap_or_default();
    for list in ["containers", "initContainers"] {
        let before = json::list(json::get(old, "spec"), list);
        let after = wanted.get_mut(list).and_then(Value::as_array_mut);
        let after = after.map_or(&mut [][..], Vec::as_mut_slice);
        let same_names = before.len() == after.len()
            && before
                .iter()
                .zip(after.iter())
                .all(|(a, b)| json::get(a, "name") == json::get(b, "name"));
        if !same_names {
            return;
        }
        for (new, old) in after.iter_mut().zip(before) {
            let mut merged = old.clone();
            if let Some(fields) = merged.as_object_mut() {
                copy(fields, new, "resources");
                copy(fields, new, "resizePolicy");
            }
            *new = merged;
        }
    }
    keep(root, old, "spec");
    keep(root, old, "status");
    reset_metadata(root, json::get(old, "metadata"));
    if let Some(spec) = ensure(root, "spec") {
        for key in ["containers", "initContainers", "resources"] {
            copy(spec, &wanted, key);
        }
    }
    bump_when(root, old, &["spec"]);
}

pub(super) fn pod_write(root: &mut Object, old: &Value) {
    let before = json::get(old, "spec");
    if let Some(spec) = ensure(root, "spec") {
        // The priority plug-in keeps what it wrote at creation.
        for key in ["priority", "preemptionPolicy"] {
            if let Some(value) = before.get(key) {
                fill_absent(spec, key, value.clone());
            }
        }
        // Tolerations that admission added at creation come back too.
        admit::tolerate(spec);
    }
    bump_when(root, old, &["spec"]);
}

/// `matchLabelKeys` and `mismatchLabelKeys` become terms of their selectors, with the new pod's own label values.
fn merge_label_keys(root: &mut Object) {
    const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
    const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";
    let spec = root.get("spec");
    let used = spec.is_some_and(|spec| json::has(spec, "topologySpreadConstraints") || json::has(spec, "affinity"));
    if !used {
        return;
    }
    let labels = root
        .get("metadata")
        .map(|metadata| json::get(metadata, "labels").clone());
    let labels = labels.unwrap_or_default();
    let Some(spec) = child(root, "spec") else { return };
    for constraint in each(spec, "topologySpreadConstraints") {
        merge_keys(constraint, "matchLabelKeys", "In", &labels);
    }
    let Some(affinity) = child(spec, "affinity") else {
        return;
    };
    let both = |term: &mut Object| {
        merge_keys(term, "matchLabelKeys", "In", &labels);
        merge_keys(term, "mismatchLabelKeys", "NotIn", &labels);
    };
    for kind in ["podAffinity", "podAntiAffinity"] {
        let Some(terms) = child(affinity, kind) else { continue };
        each(terms, REQUIRED).for_each(both);
        each(terms, PREFERRED)
            .filter_map(|term| child(term, "podAffinityTerm"))
            .for_each(both);
    }
}

fn merge_keys(term: &mut Object, list: &str, operator: &str, labels: &Value) {
    let keys = term.get(list).and_then(Value::as_array).cloned().unwrap_or_default();
    let Some(selector) = child(term, "labelSelector") else {
        return;
    };
    for key in keys {
        let Some(value) = key.as_str().and_then(|key| labels.get(key)) else {
            continue;
        };
        fill_absent(selector, "matchExpressions", json!([]));
        if let Some(expressions) = selector.get_mut("matchExpressions").and_then(Value::as_array_mut) {
            expressions.push(json!({"key": key, "operator": operator, "values": [value]}));
        }
    }
}
