//! Lists of type `set` and `map`: no entry twice.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::path::{Path, Segment};
use super::structural::{Additional, ListKind, Node};
use crate::world::kube::api_error::FieldError;

/// Finds double entries in all sets and maps of an object.
pub(super) fn check(node: &Node, object: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    walk(node, object, &Path::root(), &mut errors);
    errors
}

fn walk(node: &Node, value: &Value, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    if !node.has.keyed_lists {
        return;
    }
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                match (node.properties.get(key), &node.additional) {
                    (Some(child), _) => walk(child, value, &path.child(Segment::Field(key)), errors),
                    (None, Additional::Schema(child)) => walk(child, value, &path.child(Segment::Key(key)), errors),
                    _ => {}
                }
            }
        }
        Value::Array(list) => {
            match &node.list {
                ListKind::Atomic => {}
                ListKind::Set => doubles(list.iter().map(Value::to_string), list, path, errors),
                ListKind::Map(keys) => map_entries(list, keys, path, errors),
            }
            if let Some(items) = &node.items {
                for (at, item) in list.iter().enumerate() {
                    walk(items, item, &path.child(Segment::Index(at)), errors);
                }
            }
        }
        _ => {}
    }
}

fn map_entries(list: &[Value], keys: &[String], path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let wrong = list.iter().position(|item| !item.is_object() && !item.is_null());
    if let Some((at, item)) = wrong.and_then(|at| list.get(at).map(|item| (at, item))) {
        let file = path.child(Segment::Index(at)).field();
        errors.push(FieldError::invalid(
            file,
            item,
            "must be an object for an array of list-type map",
        ));
        return;
    }
    let key_of = |item: &Value| {
        let pick = |key: &String| item.get(key).map(|value| (key.clone(), value.clone()));
        Value::Object(keys.iter().filter_map(pick).collect::<Map<_, _>>())
    };
    let entries: Vec<Value> = list.iter().map(key_of).collect();
    doubles(entries.iter().map(Value::to_string), &entries, path, errors);
}

/// Reports the second appearance of each entry, once.
fn doubles(texts: impl Iterator<Item = String>, entries: &[Value], path: &Path<'_>, errors: &mut Vec<FieldError>) {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for (at, (text, entry)) in texts.zip(entries).enumerate() {
        let times = seen.entry(text).or_default();
        *times += 1;
        if *times == 2 {
            errors.push(FieldError::duplicate(path.child(Segment::Index(at)).field(), entry));
        }
    }
}
