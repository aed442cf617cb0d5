//! What an update of a pod may change: images, deadline, tolerations, gates; and its status and subresources.

use serde_json::Value;

use super::super::json;
use super::containers;
use super::problems::{Path, Problems};
use super::ranges::I32_MAX;
use super::scheduling;

const SPEC: Path<'static> = Path::new("spec");
/// What the server tells a client that changes anything else.
const MUTABLE: &str = "pod updates may not change fields other than `spec.containers[*].image`,\
`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),\
`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";

/// An update of the pod itself.
pub(super) fn pod(problems: &mut Problems, new: &Value, old: &Value) {
    let (new, old) = (json::get(new, "spec"), json::get(old, "spec"));
    for list in ["containers", "initContainers"] {
        let path = SPEC.child(list);
        let containers = json::list(new, list);
        if containers.len() != json::list(old, list).len() {
            return problems.forbidden(&path, "pod updates may not add or remove containers");
        }
        for (index, container) in containers.iter().enumerate() {
            if json::text(container, "image").is_empty() {
                problems.required(&path.index(index).child("image"), "");
            }
            containers::trimmed_image(problems, &path.index(index), container);
        }
    }
    if !deadline(problems, new, old) {
        return;
    }
    added_tolerations(problems, new, old);
    deleted_gates(problems, new, old);
    if json::same(new, old) {
        return;
    }
    let munged = munged(new, old);
    if !json::same(&munged, old) {
        problems.forbidden(&SPEC, &format!("{MUTABLE}\n{}", difference(old, &munged)));
    }
}

/// Checks the deadline; false when the server stops there.
fn deadline(problems: &mut Problems, new: &Value, old: &Value) -> bool {
    let path = SPEC.child("activeDeadlineSeconds");
    let before = json::int(old, "activeDeadlineSeconds");
    match json::int(new, "activeDeadlineSeconds") {
        Some(secs) if !(0..=I32_MAX).contains(&secs) => {
            problems.invalid(&path, &secs.into(), "must be between 0 and 2147483647, inclusive");
            false
        }
        Some(secs) if before.is_some_and(|before| before < secs) => {
            problems.invalid(&path, &secs.into(), "must be less than or equal to previous value");
            false
        }
        None if before.is_some() => {
            problems.invalid(
                &path,
                &Value::Null,
                "must not update from a positive integer to nil value",
            );
            true
        }
        _ => true,
    }
}

fn added_tolerations(problems: &mut Problems, new: &Value, old: &Value) {
    let path = SPEC.child("tolerations");
    let after = json::list(new, "tolerations");
    let same = |a: &Value, b: &Value| {
        ["key", "operator", "value", "effect"]
            .iter()
            .all(|key| json::text(a, key) == json::text(b, key))
    };
    for before in json::list(old, "tolerations") {
        if !after.iter().any(|toleration| same(toleration, before)) {
            let detail = "existing toleration can not be modified except its tolerationSeconds";
            return problems.forbidden(&path, detail);
        }
    }
    scheduling::tolerations(problems, &path, after);
}

fn deleted_gates(problems: &mut Problems, new: &Value, old: &Value) {
    let list = SPEC.child("schedulingGates");
    let before = json::list(old, "schedulingGates");
    for (index, gate) in json::list(new, "schedulingGates").iter().enumerate() {
        let name = json::text(gate, "name");
        if !before.iter().any(|gate| json::text(gate, "name") == name) {
            let detail = format!("only deletion is allowed, but found new scheduling gate '{name}'");
            problems.forbidden(&list.index(index).child("name"), &detail);
        }
    }
}

/// The new spec with everything that may change set back to the old one.
fn munged(new: &Value, old: &Value) -> Value {
    let mut spec = new.clone();
    let Some(fields) = spec.as_object_mut() else {
        return spec;
    };
    let mut keys = vec!["activeDeadlineSeconds", "schedulingGates", "tolerations"];
    if json::int(old, "terminationGracePeriodSeconds").is_some_and(|secs| secs < 0)
        && json::int(new, "terminationGracePeriodSeconds") == Some(1)
    {
        keys.push("terminationGracePeriodSeconds");
    }
    // A gated pod may still be narrowed to fewer nodes.
    if !json::list(old, "schedulingGates").is_empty() {
        keys.extend(["nodeSelector", "affinity"]);
    }
    for key in keys {
        match old.get(key) {
            Some(value) => fields.insert(key.to_owned(), value.clone()),
            None => fields.remove(key),
        };
    }
    for list in ["containers", "initContainers"] {
        let containers = fields.get_mut(list).and_then(Value::as_array_mut);
        for (new, old) in containers.into_iter().flatten().zip(json::list(old, list)) {
            if let (Some(fields), Some(image)) = (new.as_object_mut(), old.get("image")) {
                fields.insert("image".to_owned(), image.clone());
            }
        }
    }
    spec
}

/// The top-level fields that differ, as `-` and `+` lines. The real server prints Go's internal types here, which
/// no client reads by machine.
fn difference(old: &Value, new: &Value) -> String {
    let mut lines = String::from("  core.PodSpec{\n");
    let mut keys: Vec<&String> = [old, new]
        .iter()
        .filter_map(|spec| spec.as_object())
        .flat_map(|spec| spec.keys())
        .collect();
    keys.sort_unstable();
    keys.dedup();
    for key in keys {
        let (before, after) = (json::get(old, key), json::get(new, key));
        if !json::same(before, after) {
            let name = capitalised(key);
            lines.push_str(&format!("- \t{name}: {before},\n+ \t{name}: {after},\n"));
        }
    }
    lines.push_str("  }\n");
    lines
}

fn capitalised(key: &str) -> String {
    let mut letters = key.chars();
    let first = letters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(letters).collect()
}

/// An update of `status`.
pub(super) fn status(problems: &mut Problems, new: &Value, old: &Value) {
    let path = Path::new("status");
    let (after, before) = (json::get(new, "status"), json::get(old, "status"));
    problems.immutable(
        &path.child("qosClass"),
        json::get(after, "qosClass"),
        json::get(before, "qosClass"),
    );
    let spec = json::get(old, "spec");
    let nominated = json::text(after, "nominatedNodeName");
    if !nominated.is_empty()
        && nominated != json::text(before, "nominatedNodeName")
        && !json::text(spec, "nodeName").is_empty()
    {
        let detail = "may not be set on pods that are already bound to a node";
        problems.forbidden(&path.child("nominatedNodeName"), detail);
    }
    if json::text(spec, "restartPolicy") == "Always" {
        return;
    }
    let retried = json::text(spec, "restartPolicy") == "OnFailure";
    let list = path.child("containerStatuses");
    let statuses = json::list(after, "containerStatuses");
    for (index, was) in json::list(before, "containerStatuses").iter().enumerate() {
        let ended = json::at(was, &["state", "terminated"]);
        if ended.is_null() || (retried && json::int(ended, "exitCode") != Some(0)) {
            continue;
        }
        let name = json::get(was, "name");
        let now = statuses.iter().find(|status| json::get(status, "name") == name);
        if now.is_some_and(|now| json::at(now, &["state", "terminated"]).is_null()) {
            let detail = "may not be transitioned to non-terminated state";
            problems.forbidden(&list.index(index).child("state"), detail);
        }
    }
}

/// An update of `ephemeralcontainers`: they can only be added.
pub(super) fn ephemeral(problems: &mut Problems, new: &Value, old: &Value) {
    let path = SPEC.child("ephemeralContainers");
    let after = json::list(json::get(new, "spec"), "ephemeralContainers");
    for before in json::list(json::get(old, "spec"), "ephemeralContainers") {
        let name = json::text(before, "name");
        match after.iter().find(|container| json::text(container, "name") == name) {
            None => {
                let detail = format!("existing ephemeral containers {name:?} may not be removed\n");
                problems.forbidden(&path, &detail);
            }
            Some(now) if !json::same(now, before) => {
                let detail = format!("existing ephemeral containers {name:?} may not be changed\n");
                problems.forbidden(&path, &detail);
            }
            Some(_) => {}
        }
    }
}
