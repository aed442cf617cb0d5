//! What reading JSON into Go types and writing it again does to any object: nulls, empty lists and zero values of
//! `omitempty` fields vanish, resource quantities take their canonical form.
//!
//! The JSON carries no types, so fields are told apart by name; a name is listed only if it means the same in every
//! built-in kind where its value has that JSON type.

use serde_json::Value;

use crate::world::kube::builtin::quantity::{self, Quantity};

/// Deeper than any built-in type; what lies below is left alone.
const MAX_DEPTH: usize = 64;

pub(super) fn normalise(object: &mut Value) {
    walk(object, MAX_DEPTH);
}

fn walk(value: &mut Value, depth: usize) {
    if depth == 0 {
        return;
    }
    match value {
        Value::Array(items) => items.iter_mut().for_each(|item| walk(item, depth - 1)),
        Value::Object(fields) => fields.retain(|key, value| {
            if vanishes(key, value) {
                return false;
            }
            match value {
                Value::Object(map) if is_resource_list(key) => map.values_mut().for_each(canonical_resource),
                Value::Object(_) if is_text_map(key) => {}
                Value::String(_) | Value::Number(_) if is_quantity(key) => canonical_quantity(value),
                Value::Object(_) | Value::Array(_) if key != "managedFields" => walk(value, depth - 1),
                _ => {}
            }
            // An affinity term list or a map that lost its last entry stays as it is.
            true
        }),
        _ => {}
    }
}

/// Whether Go would not write the field back.
fn vanishes(key: &str, value: &Value) -> bool {
    match value {
        Value::Null => !is_time(key),
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.is_empty() && (is_text_map(key) || is_resource_list(key)),
        Value::Bool(false) => is_plain_flag(key),
        Value::String(text) => text.is_empty() && is_plain_text(key),
        Value::Number(number) => number.as_i64() == Some(0) && is_plain_number(key),
        Value::Bool(true) => false,
    }
}

/// Times that Go writes as null when they are unset.
fn is_time(key: &str) -> bool {
    matches!(
        key,
        "lastProbeTime"
            | "lastTransitionTime"
            | "lastUpdateTime"
            | "lastHeartbeatTime"
            | "startedAt"
            | "finishedAt"
            | "firstTimestamp"
            | "lastTimestamp"
            | "eventTime"
    )
}

/// Maps of texts, whose keys are the user's. (A Service's `selector` is one too, a Deployment's is not.)
fn is_text_map(key: &str) -> bool {
    matches!(
        key,
        "labels"
            | "annotations"
            | "matchLabels"
            | "nodeSelector"
            | "data"
            | "binaryData"
            | "stringData"
            | "parameters"
            | "volumeAttributes"
            | "drivers"
    )
}

fn is_resource_list(key: &str) -> bool {
    matches!(
        key,
        "limits"
            | "requests"
            | "capacity"
            | "allocatable"
            | "allocatedResources"
            | "overhead"
            | "podFixed"
            | "hard"
            | "used"
            | "max"
            | "min"
            | "default"
            | "defaultRequest"
            | "maxLimitRequestRatio"
    )
}

fn is_quantity(key: &str) -> bool {
    matches!(key, "sizeLimit" | "divisor" | "averageValue" | "maximumVolumeSize")
}

fn is_plain_flag(key: &str) -> bool {
    matches!(
        key,
        "hostNetwork"
            | "hostPID"
            | "hostIPC"
            | "paused"
            | "stdin"
            | "stdinOnce"
            | "tty"
            | "readOnly"
            | "unschedulable"
            | "publishNotReadyAddresses"
            | "globalDefault"
            | "nonResourceAttributes"
    )
}

fn is_plain_number(key: &str) -> bool {
    matches!(
        key,
        "minReadySeconds" | "initialDelaySeconds" | "nodePort" | "hostPort" | "observedGeneration"
    )
}

fn is_plain_text(key: &str) -> bool {
    matches!(
        key,
        "value"
            | "medium"
            | "subPath"
            | "subPathExpr"
            | "workingDir"
            | "hostname"
            | "subdomain"
            | "serviceAccountName"
            | "serviceAccount"
            | "priorityClassName"
            | "generateName"
            | "hostIP"
            | "protocol"
            | "externalName"
            | "loadBalancerIP"
            | "clusterIP"
            | "externalTrafficPolicy"
            | "volumeName"
    )
}

/// Values in resource lists are rounded up to thousandths.
fn canonical_resource(value: &mut Value) {
    canonical_quantity(value);
    let Some(text) = value.as_str() else { return };
    if let Ok(amount) = Quantity::parse(text)
        && !amount.is_whole_milli()
    {
        *value = amount.rounded_to_milli().to_string().into();
    }
}

fn canonical_quantity(value: &mut Value) {
    let (text, number) = match value {
        Value::String(text) => (std::mem::take(text), false),
        Value::Number(given) => (given.to_string(), true),
        _ => return,
    };
    let written = match quantity::canonical(&text) {
        Ok(std::borrow::Cow::Owned(canonical)) => Some(canonical),
        Ok(std::borrow::Cow::Borrowed(_)) => None,
        // Not a quantity: decoding refuses it with a text of its own.
        Err(_) if number => return,
        Err(_) => None,
    };
    *value = Value::String(written.unwrap_or(text));
}
