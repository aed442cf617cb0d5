//! The FieldsV1 of a new object, written straight from it: creating is the most frequent write, and its one entry
//! needs no sets.
//!
//! Knows types, values and the notation; must give what comparing with the empty object and writing the set would
//! (a property test holds it to that).

use serde_json::{Map, Value};

use super::fields::added_or_modified;
use super::reset;
use super::set::Elem;
use super::shape::{Shape, element, is_hollow, shape, type_at};
use crate::world::kube::schema::TypeSchema;
use crate::world::kube::schema::graph::{ListType, TypeId};

/// What the creator of the object owns; empty for nothing.
pub(super) fn fields_of_new(schema: &TypeSchema, new: &Value) -> Map<String, Value> {
    let mut out = Map::new();
    let (Shape::Map(root), Value::Object(fields)) = (shape(schema, schema.root(), new), new) else {
        return out;
    };
    let zero = schema.zero().as_object();
    for (name, value) in fields {
        let unowned = name == "apiVersion" || name == "kind" || (name == "status" && schema.resets_status());
        if unowned {
            continue;
        }
        let id = type_at(root, name);
        let written = match value {
            Value::Object(metadata) if name == "metadata" => metadata_fields(schema, id, metadata),
            _ if name == "metadata" => None,
            // Roles own their rules even where there are none.
            Value::Null | Value::Array(_)
                if name == "rules"
                    && !fields.contains_key("aggregationRule")
                    && value.as_array().is_none_or(Vec::is_empty) =>
            {
                Some(Map::new())
            }
            _ => changed(schema, id, zero.and_then(|zero| zero.get(name)), value),
        };
        if let Some(written) = written {
            out.insert(format!("f:{name}"), Value::Object(written));
        }
    }
    out
}

fn metadata_fields(schema: &TypeSchema, id: TypeId, metadata: &Map<String, Value>) -> Option<Map<String, Value>> {
    let Shape::Map(map) = shape(schema, id, &Value::Null) else {
        return None;
    };
    let mut out = Map::new();
    for (name, value) in metadata {
        if !reset::NEVER_OWNED_METADATA.contains(&name.as_str()) {
            let fields = everything(schema, type_at(map, name), value);
            out.insert(format!("f:{name}"), Value::Object(fields));
        }
    }
    (!out.is_empty()).then_some(out)
}

/// What is new in a value compared with the empty object's; None for nothing.
fn changed(schema: &TypeSchema, id: TypeId, zero: Option<&Value>, new: &Value) -> Option<Map<String, Value>> {
    let Some(zero) = zero else {
        return Some(everything(schema, id, new));
    };
    match (shape(schema, id, zero), shape(schema, id, new), zero, new) {
        (Shape::Map(map), Shape::Map(_), Value::Object(old), Value::Object(fields)) if !fields.is_empty() => {
            let mut out = Map::new();
            for (name, value) in fields {
                if let Some(below) = changed(schema, type_at(map, name), old.get(name), value) {
                    out.insert(format!("f:{name}"), Value::Object(below));
                }
            }
            (!out.is_empty()).then_some(out)
        }
        (Shape::List(list), Shape::List(_), Value::Null, Value::Array(items)) if !items.is_empty() => {
            let out = items_of(schema, list, items, Map::new());
            (!out.is_empty()).then_some(out)
        }
        _ => {
            let (member, set) = added_or_modified(schema, id, zero, new);
            (member || !set.is_empty()).then(|| set.to_map(member))
        }
    }
}

/// A value that is there as a whole, and every field below it.
fn everything(schema: &TypeSchema, id: TypeId, value: &Value) -> Map<String, Value> {
    let shape = shape(schema, id, value);
    if is_hollow(shape, Some(value)) {
        return Map::new();
    }
    let mut out = Map::new();
    out.insert(".".to_owned(), Value::Object(Map::new()));
    match (shape, value) {
        (Shape::Map(map), Value::Object(fields)) => {
            for (name, value) in fields {
                let below = everything(schema, type_at(map, name), value);
                out.insert(format!("f:{name}"), Value::Object(below));
            }
            out
        }
        (Shape::List(list), Value::Array(items)) => {
            let out = items_of(schema, list, items, out);
            // Items that cannot be named are no fields: the mark for the list itself then stands alone.
            if out.len() > 1 { out } else { Map::new() }
        }
        _ => Map::new(),
    }
}

/// Items of one name are one field, with nothing below it.
fn items_of(schema: &TypeSchema, list: &ListType, items: &[Value], mut out: Map<String, Value>) -> Map<String, Value> {
    for item in items {
        let Ok(name) = element(list, item).map(|elem: Elem<'_>| elem.text()) else {
            continue;
        };
        let below = if out.contains_key(&name) {
            Map::new()
        } else {
            everything(schema, list.element, item)
        };
        out.insert(name, Value::Object(below));
    }
    out
}
