//! Pruning and defaulting: what a write drops from an object, and what it fills in.

use serde_json::{Map, Value};

use super::path::{Path, Segment};
use super::structural::{Additional, Node};

/// Fields that every object has, whatever its schema says.
pub(super) const META_FIELDS: [&str; 3] = ["apiVersion", "kind", "metadata"];

/// Drops what the schema does not declare from a whole object; gives the paths dropped, sorted.
pub(super) fn prune(node: &Node, object: &mut Value) -> Vec<String> {
    let mut dropped = Vec::new();
    let root = Path::root();
    if node.preserve {
        keep(node, object, true, &root, &mut dropped);
    } else {
        drop_unknown(Some(node), object, true, &root, &mut dropped);
    }
    dropped.sort();
    dropped
}

/// The same for a value inside an object, e.g. a default.
pub(super) fn prune_value(node: &Node, value: &mut Value) -> Vec<String> {
    let mut dropped = Vec::new();
    step(Some(node), value, &Path::root(), &mut dropped);
    dropped
}

fn step(node: Option<&Node>, value: &mut Value, path: &Path<'_>, dropped: &mut Vec<String>) {
    match node {
        Some(node) if node.preserve => keep(node, value, node.embedded, path, dropped),
        _ => drop_unknown(node, value, node.is_some_and(|node| node.embedded), path, dropped),
    }
}

fn drop_unknown(node: Option<&Node>, value: &mut Value, resource: bool, path: &Path<'_>, dropped: &mut Vec<String>) {
    match value {
        Value::Object(map) => map.retain(|key, value| {
            if resource && META_FIELDS.contains(&key.as_str()) {
                return true;
            }
            match node.map(|node| (node.properties.get(key), &node.additional)) {
                Some((Some(child), _)) => step(Some(child), value, &path.child(Segment::Field(key)), dropped),
                Some((None, Additional::Schema(child))) => {
                    step(Some(child), value, &path.child(Segment::Field(key)), dropped);
                }
                // Values of free-form maps have no schema: scalars stay, objects inside are emptied.
                Some((None, Additional::Any | Additional::Forbidden)) => {
                    step(None, value, &path.child(Segment::Field(key)), dropped);
                }
                Some((None, Additional::Absent)) | None => {
                    dropped.push(path.child(Segment::Field(key)).dotted());
                    return false;
                }
            }
            true
        }),
        Value::Array(list) => {
            let items = node.and_then(|node| node.items.as_deref());
            for (at, item) in list.iter_mut().enumerate() {
                step(items, item, &path.child(Segment::Index(at)), dropped);
            }
        }
        _ => {}
    }
}

/// Below `x-kubernetes-preserve-unknown-fields` only what is declared is looked into.
fn keep(node: &Node, value: &mut Value, resource: bool, path: &Path<'_>, dropped: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            for (key, value) in map.iter_mut() {
                if resource && META_FIELDS.contains(&key.as_str()) {
                    continue;
                }
                if let Some(child) = node.field(key) {
                    step(Some(child), value, &path.child(Segment::Field(key)), dropped);
                } else if matches!(node.additional, Additional::Any | Additional::Forbidden) {
                    step(None, value, &path.child(Segment::Field(key)), dropped);
                }
            }
        }
        Value::Array(list) => {
            if let Some(items) = node.items.as_deref() {
                for (at, item) in list.iter_mut().enumerate() {
                    keep(items, item, items.embedded, &path.child(Segment::Index(at)), dropped);
                }
            }
        }
        _ => {}
    }
}

/// Fills in defaults, also inside values that a default brought in. A null where the schema allows none counts as absent:
/// it is replaced by the default, or dropped where there is none.
pub(super) fn fill(node: &Node, value: &mut Value) {
    match value {
        Value::Object(map) => fill_map(node, map),
        Value::Array(list) => {
            let Some(items) = node.items.as_deref() else { return };
            for item in list {
                if let (true, false, Some(default)) = (item.is_null(), items.nullable, &items.default) {
                    *item = default.clone();
                }
                fill(items, item);
            }
        }
        _ => {}
    }
}

fn fill_map(node: &Node, map: &mut Map<String, Value>) {
    let forbidden_null = |key: &String, value: &Value| {
        value.is_null()
            && node
                .field(key)
                .is_some_and(|child| !child.nullable && child.default.is_none())
    };
    if map.values().any(Value::is_null) {
        map.retain(|key, value| !forbidden_null(key, value));
    }
    for key in &node.defaulted {
        let Some(child) = node.properties.get(key) else {
            continue;
        };
        let absent = match map.get(key) {
            None => true,
            Some(value) => value.is_null() && !child.nullable,
        };
        if let (true, Some(default)) = (absent, &child.default) {
            map.insert(key.clone(), default.clone());
        }
    }
    for (key, value) in map.iter_mut() {
        if let (Value::Object(_) | Value::Array(_), Some(child)) = (&*value, node.field(key)) {
            fill(child, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schema() -> Node {
        Node::parse(&json!({"type": "object", "properties": {
            "spec": {"type": "object", "properties": {
                "a": {"type": "string", "default": "x"},
                "n": {"type": "string", "nullable": true, "default": "n"},
                "o": {"type": "object", "default": {}, "properties": {"p": {"type": "integer", "default": 1}}},
                "list": {"type": "array", "items": {"type": "object", "properties": {"k": {"type": "string", "default": "d"}}}},
                "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true,
                         "properties": {"known": {"type": "object", "properties": {"q": {"type": "string"}}}}},
                "labels": {"type": "object", "additionalProperties": {"type": "string"}},
                "any": {"type": "object", "additionalProperties": true},
                "pod": {"type": "object", "x-kubernetes-embedded-resource": true, "properties": {"spec": {"type": "object"}}},
            }},
        }}))
    }

    #[test]
    fn unknown_fields_go() {
        let mut object = json!({"apiVersion": "a/v1", "kind": "K", "metadata": {"name": "x", "odd": 1}, "odd": 1, "spec": {
            "b": 1, "list": [{"k": "a", "z": 1}], "free": {"x": {"y": 1}, "known": {"q": "", "r": 1}},
            "labels": {"l": "v"}, "any": {"s": 1, "m": {"x": 1}},
            "pod": {"kind": "Pod", "metadata": {"name": "p"}, "extra": 1, "spec": {"c": 1}},
        }});
        let dropped = prune(&schema(), &mut object);
        let want = [
            "odd",
            "spec.any.m.x",
            "spec.b",
            "spec.free.known.r",
            "spec.list[0].z",
            "spec.pod.extra",
            "spec.pod.spec.c",
        ];
        assert_eq!(dropped, want);
        assert_eq!(object["spec"]["free"]["x"], json!({"y": 1}));
        assert_eq!(object["metadata"], json!({"name": "x", "odd": 1}));
        assert_eq!(
            object["spec"]["pod"],
            json!({"kind": "Pod", "metadata": {"name": "p"}, "spec": {}})
        );
    }

    #[test]
    fn defaults_come() {
        let mut object =
            json!({"spec": {"n": null, "a": null, "list": [{"k": null}, {}], "labels": {"l": null, "m": "v"}}});
        fill(&schema(), &mut object);
        let want = json!({"spec": {"a": "x", "n": null, "o": {"p": 1}, "list": [{"k": "d"}, {"k": "d"}], "labels": {"m": "v"}}});
        assert_eq!(object, want);
    }
}
