//! ConfigMaps, Secrets, namespaces, nodes, events, quotas and limits.

use serde_json::Value;

use super::super::quantity::Quantity;
use super::super::{base64, formats, json};
use super::problems::{Path, Problems};
use super::{meta, ranges, resources, scheduling};
use crate::world::kube::patch::json_kind;
use crate::world::kube::schema;

/// The most that a ConfigMap's or Secret's values may weigh together (1 MiB).
const DATA_MAX_BYTES: usize = 1024 * 1024;
const FROZEN: &str = "field is immutable when `immutable` is set";

pub(super) fn config_map(problems: &mut Problems, object: &Value) {
    let mut size = 0_usize;
    for field in ["data", "binaryData"] {
        let path = Path::new(field);
        for (key, value) in json::entries(object, field) {
            problems.format(&path.key(key), key, formats::config_key);
            let text = value.as_str().unwrap_or_default();
            size += if field == "data" {
                if json::has(json::get(object, "binaryData"), key) {
                    problems.invalid_text(&path.key(key), key, "duplicate of key present in binaryData");
                }
                text.len()
            } else {
                base64::decoded_len(text).unwrap_or(text.len())
            };
        }
    }
    if size > DATA_MAX_BYTES {
        // The server reports the object as a whole, whose path it writes like this.
        problems.too_long("[]", DATA_MAX_BYTES);
    }
}

/// What an immutable ConfigMap or Secret may not change.
pub(super) fn frozen(problems: &mut Problems, new: &Value, old: &Value) {
    if !json::flag(old, "immutable") {
        return;
    }
    if !json::flag(new, "immutable") {
        problems.forbidden(&Path::new("immutable"), FROZEN);
    }
    for key in ["data", "binaryData"] {
        if !json::same(json::get(new, key), json::get(old, key)) {
            problems.forbidden(&Path::new(key), FROZEN);
        }
    }
}

pub(super) fn secret(problems: &mut Problems, object: &Value) {
    const REDACTED: &str = "<secret contents redacted>";
    let path = Path::new("data");
    let data = json::get(object, "data");
    let mut size = 0_usize;
    for (key, value) in json::entries(object, "data") {
        problems.format(&path.key(key), key, formats::config_key);
        size += base64::decoded_len(value.as_str().unwrap_or_default()).unwrap_or(0);
    }
    if size > DATA_MAX_BYTES {
        problems.too_long("data", DATA_MAX_BYTES);
    }
    let missing = |key: &str| !json::has(data, key);
    let empty = |key: &str| json::text(data, key).is_empty();
    match json::text(object, "type") {
        "kubernetes.io/service-account-token" => {
            let key = "kubernetes.io/service-account.name";
            let name = json::at(object, &["metadata", "annotations", key]);
            if name.as_str().is_none_or(str::is_empty) {
                problems.required(&Path::new("metadata.annotations").key(key), "");
            }
        }
        kind @ ("kubernetes.io/dockercfg" | "kubernetes.io/dockerconfigjson") => {
            let key = if kind.ends_with("json") {
                ".dockerconfigjson"
            } else {
                ".dockercfg"
            };
            if missing(key) {
                problems.required(&path.key(key), "");
            } else if let Some(detail) = json_problem(json::text(data, key)) {
                problems.invalid_text(&path.key(key), REDACTED, &detail);
            }
        }
        "kubernetes.io/basic-auth" if missing("username") && missing("password") => {
            problems.required(&path.key("username"), "");
            problems.required(&path.key("password"), "");
        }
        "kubernetes.io/ssh-auth" if empty("ssh-privatekey") => problems.required(&path.key("ssh-privatekey"), ""),
        "kubernetes.io/tls" => {
            for key in ["tls.crt", "tls.key"] {
                if missing(key) {
                    problems.required(&path.key(key), "");
                }
            }
        }
        _ => {}
    }
}

/// What Go's JSON reader says of a base64 text that holds no JSON object.
fn json_problem(encoded: &str) -> Option<String> {
    let bytes = base64::decode(encoded)?;
    if serde_json::from_slice::<serde_json::Map<String, Value>>(&bytes).is_ok() {
        return None;
    }
    match serde_json::from_slice::<Value>(&bytes) {
        Ok(other) => Some(format!(
            "json: cannot unmarshal {} into Go value of type map[string]interface {{}}",
            json_kind(&other)
        )),
        Err(_) => Some(schema::json_problem(&bytes)),
    }
}

pub(super) fn secret_update(problems: &mut Problems, new: &Value, old: &Value) {
    problems.immutable(&Path::new("type"), json::get(new, "type"), json::get(old, "type"));
    frozen(problems, new, old);
}

pub(super) fn namespace(problems: &mut Problems, object: &Value) {
    let path = Path::new("spec.finalizers");
    for finalizer in json::list(json::get(object, "spec"), "finalizers") {
        let name = finalizer.as_str().unwrap_or_default();
        problems.format(&path, name, formats::qualified_name);
        if !meta::is_known_finalizer(name) {
            let detail = "name is neither a standard finalizer name nor is it fully qualified";
            problems.invalid_text(&path, name, detail);
        }
    }
}

pub(super) fn namespace_status(problems: &mut Problems, new: &Value, old: &Value) {
    let path = Path::new("status.phase");
    let phase = json::at(new, &["status", "phase"]);
    let deleting = json::has(json::get(old, "metadata"), "deletionTimestamp");
    let fits = |phase: &str| {
        if deleting {
            phase == "Terminating"
        } else {
            phase == "Active"
        }
    };
    if !phase.as_str().is_some_and(fits) {
        let detail = if deleting {
            "may only be 'Terminating' if `deletionTimestamp` is not empty"
        } else {
            "may only be 'Active' if `deletionTimestamp` is empty"
        };
        problems.invalid(&path, phase, detail);
    }
}

pub(super) fn node(problems: &mut Problems, object: &Value) {
    let (spec, status) = (json::get(object, "spec"), json::get(object, "status"));
    scheduling::taints(problems, &Path::new("metadata.taints"), json::list(spec, "taints"));
    for list in ["capacity", "allocatable"] {
        let at = Path::new("status");
        let at = at.child(list);
        for (name, value) in json::entries(status, list) {
            resources::amount(problems, &at.child(name), name, value);
        }
    }
    let list = Path::new("spec.podCIDRs");
    for (index, range) in json::list(spec, "podCIDRs").iter().enumerate() {
        ranges::legacy_cidr(problems, &list.index(index), range.as_str().unwrap_or_default());
    }
}

pub(super) fn node_update(problems: &mut Problems, new: &Value, old: &Value) {
    let (after, before) = (json::get(new, "spec"), json::get(old, "spec"));
    // Told twice: the new node has been validated before.
    scheduling::taints(problems, &Path::new("metadata.taints"), json::list(after, "taints"));
    let ranges = json::get(before, "podCIDRs");
    if !json::list(before, "podCIDRs").is_empty() && !json::same(ranges, json::get(after, "podCIDRs")) {
        let detail = "node updates may not change podCIDR except from \"\" to valid";
        problems.forbidden(&Path::new("spec.podCIDRs"), detail);
    }
    let id = json::text(before, "providerID");
    if !id.is_empty() && id != json::text(after, "providerID") {
        let detail = "node updates may not change providerID except from \"\" to valid";
        problems.forbidden(&Path::new("spec.providerID"), detail);
    }
}

/// An Event of either group; the newer one is stricter.
pub(super) fn event(problems: &mut Problems, object: &Value, strict: bool) {
    let space = json::at(object, &["metadata", "namespace"])
        .as_str()
        .unwrap_or_default();
    let about = if strict { "regarding" } else { "involvedObject" };
    let named = json::text(json::get(object, about), "namespace");
    let path = Path::new("involvedObject.namespace");
    let timed = json::has(object, "eventTime");
    let fits = match (timed, named.is_empty()) {
        (_, false) => timed || named == space,
        (false, true) => matches!(space, "" | "default"),
        (true, true) => matches!(space, "default" | "kube-system"),
    };
    if !fits {
        problems.invalid_text(&path, named, "does not match event.namespace");
    }
    if timed {
        event_fields(problems, object, strict);
    }
    if !strict {
        return;
    }
    if !timed {
        problems.required(&Path::new("eventTime"), "");
    }
    let kind = json::text(object, "type");
    if !matches!(kind, "Normal" | "Warning") {
        problems.invalid_text(&Path::new("type"), "", &format!("has invalid value: {kind}"));
    }
}

fn event_fields(problems: &mut Problems, object: &Value, strict: bool) {
    let reporter = if strict {
        "reportingController"
    } else {
        "reportingComponent"
    };
    let limits = [
        (reporter, usize::MAX),
        ("reportingInstance", 128),
        ("action", 128),
        ("reason", 128),
    ];
    for (key, most) in limits {
        let text = json::text(object, key);
        let path = Path::new(key);
        if text.is_empty() {
            problems.required(&path, "");
        }
        if key == reporter {
            problems.format(&path, text, formats::qualified_name);
        }
        if text.len() > most {
            problems.invalid_text(&path, "", &format!("can have at most {most} characters"));
        }
    }
    let note = json::text(object, if strict { "note" } else { "message" });
    if note.len() > 1024 {
        problems.invalid_text(&Path::new("message"), "", "can have at most 1024 characters");
    }
}

pub(super) fn quota(problems: &mut Problems, object: &Value) {
    let spec = json::get(object, "spec");
    let list = Path::new("spec.hard");
    for (name, value) in json::entries(spec, "hard") {
        let path = list.key(name);
        let before = problems.len();
        problems.format(&path, name, formats::qualified_name);
        if !name.contains('/') && !resources::is_standard(name) {
            problems.invalid_text(&path, name, "must be a standard resource for quota");
        }
        if problems.len() == before {
            resources::amount(problems, &path, name, value);
        }
    }
    let scopes = json::list(spec, "scopes");
    let path = Path::new("spec.scopes");
    let known = [
        "Terminating",
        "NotTerminating",
        "BestEffort",
        "NotBestEffort",
        "PriorityClass",
        "CrossNamespacePodAffinity",
        "VolumeAttributesClass",
    ];
    for scope in scopes.iter().filter_map(Value::as_str) {
        if !known.contains(&scope) {
            problems.invalid(&path, &scopes.to_vec().into(), "unsupported scope");
        } else if json::entries(spec, "hard").any(|(name, _)| !in_scope(scope, name)) {
            problems.invalid(&path, &scopes.to_vec().into(), "unsupported scope applied to resource");
        }
    }
    let both = |a: &str, b: &str| scopes.iter().any(|scope| scope == a) && scopes.iter().any(|scope| scope == b);
    if both("BestEffort", "NotBestEffort") || both("Terminating", "NotTerminating") {
        problems.invalid(&path, &scopes.to_vec().into(), "conflicting scopes");
    }
}

/// Whether a scope says anything about a resource.
fn in_scope(scope: &str, resource: &str) -> bool {
    match scope {
        "BestEffort" => resource == "pods",
        "VolumeAttributesClass" => matches!(resource, "persistentvolumeclaims" | "requests.storage" | "storage"),
        _ => {
            let compute = resource.trim_start_matches("requests.").trim_start_matches("limits.");
            matches!(compute, "pods" | "cpu" | "memory" | "ephemeral-storage")
        }
    }
}

/// The scopes of a quota never change.
pub(super) fn quota_update(problems: &mut Problems, new: &Value, old: &Value) {
    let scopes = |object| json::at(object, &["spec", "scopes"]);
    problems.immutable(&Path::new("spec.scopes"), scopes(new), scopes(old));
}

pub(super) fn limit_range(problems: &mut Problems, object: &Value) {
    let list = Path::new("spec.limits");
    let mut kinds: Vec<&str> = Vec::new();
    for (index, item) in json::list(json::get(object, "spec"), "limits").iter().enumerate() {
        let path = list.index(index);
        let kind = json::text(item, "type");
        if kinds.contains(&kind) {
            problems.duplicate(&path.child("type"), &kind.into());
        }
        kinds.push(kind);
        if kind == "Pod" {
            for key in ["default", "defaultRequest"] {
                if json::entries(item, key).next().is_some() {
                    problems.forbidden(&path.child(key), "may not be specified when `type` is 'Pod'");
                }
            }
        }
        let names = ["min", "max", "default", "defaultRequest"];
        let mut all: Vec<&String> = names
            .iter()
            .flat_map(|list| json::entries(item, list))
            .map(|(name, _)| name)
            .collect();
        all.sort_unstable();
        all.dedup();
        for name in all {
            let amount = |list: &str| Quantity::from_value(json::get(json::get(item, list), name));
            let mut order = |low: &str, high: &str, at: &str, shown: &str, words: [&str; 2]| {
                let (Some(a), Some(b)) = (amount(low), amount(high)) else {
                    return;
                };
                if a > b {
                    let shown = amount(shown).map_or_else(String::new, |amount| amount.to_string());
                    let detail = format!("{} value {a} is greater than {} value {b}", words[0], words[1]);
                    let list = path.child(at);
                    problems.invalid_text(&list.key(name), &shown, &detail);
                }
            };
            order("min", "max", "min", "min", ["min", "max"]);
            let request = "defaultRequest";
            order("min", request, request, request, ["min", "default request"]);
            order(request, "max", request, request, ["default request", "max"]);
            order(
                request,
                "default",
                request,
                request,
                ["default request", "default limit"],
            );
            order("min", "default", "default", "min", ["min", "default"]);
            order("default", "max", "default", "max", ["default", "max"]);
        }
    }
}
