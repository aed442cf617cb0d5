//! Recorded sequences of writes and the ownership that a real server left.

use super::*;
use crate::world::kube::patch::merge_patch;

/// Sequences of writes and what a 1.36 server made of them: who owns what, and the object where the step tells.
const OBSERVED: &str = include_str!("observed.json");

fn thing() -> TypeSchema {
    let item = json!({"type": "object", "properties": {
        "a": {"type": "string"}, "b": {"type": "integer", "default": 7}, "v": {"type": "string"},
        "inner": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"],
            "items": {"type": "object", "properties": {"k": {"type": "string"}, "v": {"type": "string"}}}},
    }});
    let spec = json!({
        "n": {"type": "integer"}, "s": {"type": "string"},
        "set": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
        "nums": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "integer"}},
        "list": {"type": "array", "items": {"type": "string"}},
        "maps": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["b", "a"], "items": item},
        "atomic": {"type": "object", "x-kubernetes-map-type": "atomic", "additionalProperties": {"type": "string"}},
        "map": {"type": "object", "additionalProperties": {"type": "string"}},
        "deep": {"type": "object", "additionalProperties": {
            "type": "object", "properties": {"x": {"type": "string"}, "y": {"type": "string"}}}},
        "open": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
        "any": {"x-kubernetes-preserve-unknown-fields": true},
        "ios": {"x-kubernetes-int-or-string": true},
    });
    let condition = json!({"type": "object", "properties": {"type": {"type": "string"}, "status": {"type": "string"}}});
    let conditions = json!({
        "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"], "items": condition,
    });
    let status = json!({"phase": {"type": "string"}, "conditions": conditions});
    let schema = TypeSchema::from_openapi(&json!({"type": "object", "properties": {
        "spec": {"type": "object", "properties": spec}, "status": {"type": "object", "properties": status},
    }}));
    schema.with_status_subresource(true)
}

/// What the rest of the server does to the object of a step: each endpoint keeps the other's part, defaults are
/// filled in, nulls and empty maps that mean nothing are dropped.
fn finish(new: &mut Value, live: Option<&Value>, subresource: &str) {
    let absent = Value::Null;
    let part = |name: &str| live.map_or(&absent, |live| &live[name]).clone();
    let kept = if subresource == "status" { "spec" } else { "status" };
    new[kept] = part(kept);
    if subresource == "status" {
        let labels = live.and_then(|live| live.pointer("/metadata/labels")).cloned();
        let metadata = new["metadata"].as_object_mut().expect("metadata");
        metadata.remove("labels");
        metadata.extend(labels.map(|labels| ("labels".to_owned(), labels)));
    }
    let items = new.pointer_mut("/spec/maps").and_then(Value::as_array_mut);
    for item in items.into_iter().flatten() {
        if item.get("b").is_none() {
            item["b"] = 7.into();
        }
    }
    for name in ["spec", "status", "data"] {
        if new[name].is_null() {
            new.as_object_mut().expect("object").remove(name);
        }
    }
}

fn without_status(mut object: Value) -> Value {
    object.as_object_mut().expect("object").remove("status");
    object
}

/// One step: the new object, or the error.
fn perform(
    schema: &TypeSchema,
    kind: &str,
    live: Option<&Value>,
    step: &Value,
    time: &str,
) -> Result<Value, (u64, String)> {
    let text = |name: &str| step[name].as_str().unwrap_or_default();
    let api_version = if kind == "Thing" { "patch.test/v1" } else { "v1" };
    let stamp = Stamp {
        manager: text("manager"),
        subresource: text("sub"),
        api_version,
        kind,
        time,
    };
    let whole = || {
        let base = json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": "t"}});
        let mut body = step["body"].clone();
        let metadata = body.get("metadata").cloned().unwrap_or_else(|| json!({}));
        body["metadata"] = merge_patch(&base["metadata"], &metadata);
        body["apiVersion"] = api_version.into();
        body["kind"] = kind.into();
        body
    };
    let mut new = match text("op") {
        "apply" => apply(schema, live, &whole(), &stamp, step["force"] == true)
            .map_err(|error| (u64::from(error.code), error.message))?,
        "create" => {
            let mut new = without_status(whole());
            update(schema, None, &mut new, &stamp);
            new
        }
        _ => {
            let mut new = merge_patch(live.expect("live"), &step["body"]);
            update(schema, live, &mut new, &stamp);
            new
        }
    };
    finish(&mut new, live, stamp.subresource);
    Ok(new)
}

fn owners_of(object: &Value) -> Vec<Value> {
    let entries = object["metadata"]["managedFields"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    let text = |entry: &Value, name: &str| entry[name].as_str().unwrap_or_default().to_owned();
    let row = |e: &Value| {
        json!([
            text(e, "manager"),
            text(e, "operation"),
            text(e, "subresource"),
            e["fieldsV1"]
        ])
    };
    entries.iter().map(row).collect()
}

#[test]
fn writes_leave_what_the_real_server_leaves() {
    let sequences: Vec<Value> = serde_json::from_str(OBSERVED).expect("table");
    for sequence in &sequences {
        let kind = sequence["kind"].as_str().expect("kind");
        let schema = if kind == "Thing" {
            thing()
        } else {
            (*schema(kind)).clone()
        };
        let mut live: Option<Value> = None;
        for (at, step) in sequence["steps"].as_array().expect("steps").iter().enumerate() {
            let says = format!("{} step {at}: {}", sequence["says"], step["body"]);
            let time = format!("2026-01-02T03:04:{at:02}Z");
            match (
                perform(&schema, kind, live.as_ref(), step, &time),
                step["error"].as_str(),
            ) {
                (Ok(new), None) => {
                    let mut expected = step["owners"].as_array().cloned().unwrap_or_default();
                    let mut found = owners_of(&new);
                    let key = |row: &Value| row.to_string();
                    expected.sort_by_key(key);
                    found.sort_by_key(key);
                    assert_eq!(found, expected, "{says}");
                    for part in ["data", "spec", "status"] {
                        assert_eq!(new[part], step["object"][part], "{says}");
                    }
                    live = Some(new);
                }
                (Err((code, message)), Some(expected)) => {
                    assert_eq!(
                        (code, message.as_str()),
                        (step["code"].as_u64().expect("code"), expected),
                        "{says}"
                    );
                }
                (result, expected) => panic!("{says}: {result:?}, expected {expected:?}"),
            }
        }
    }
}
