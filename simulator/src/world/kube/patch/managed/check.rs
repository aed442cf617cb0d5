//! Whether an applied configuration fits its type, in the real server's words.
//!
//! Knows types and values; must not know managers.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::shape::{element, scalar_problem, shown};
use crate::world::kube::schema::TypeSchema;
use crate::world::kube::schema::graph::{ListRelation, ListType, MapType, TypeId};

/// Enough to show; a hostile configuration could have one for every byte.
const MAX_PROBLEMS: usize = 50;

/// Unknown fields, wrong types, items that cannot be named or share a name: `.spec.foo: field not declared in schema`.
pub(super) fn typed_problems(schema: &TypeSchema, config: &Value) -> Vec<String> {
    let mut out = Vec::new();
    check(schema, schema.root(), config, &mut out);
    out
}

/// Whether a value that merges as one fits its type.
pub(super) fn fits(schema: &TypeSchema, id: TypeId, value: &Value) -> bool {
    let mut problems = Vec::new();
    check(schema, id, value, &mut problems);
    problems.is_empty()
}

/// Problems are noted with the path below this value; the callers put their part in front.
fn check(schema: &TypeSchema, id: TypeId, value: &Value, out: &mut Vec<String>) {
    if out.len() >= MAX_PROBLEMS || value.is_null() {
        return;
    }
    let atom = schema.atom(id);
    match (value, &atom.map, &atom.list, atom.scalar) {
        (Value::Object(fields), Some(map), ..) => check_fields(schema, map, fields, out),
        (Value::Array(items), _, Some(list), _) => check_items(schema, list, items, out),
        (Value::Bool(_) | Value::Number(_) | Value::String(_), _, _, Some(scalar)) | (_, None, _, Some(scalar)) => {
            if let Some(problem) = scalar_problem(scalar, value) {
                out.push(format!(": {problem}"));
            }
        }
        (other, Some(_), ..) => out.push(format!(": expected map, got {}", shown(other))),
        (other, None, Some(_), None) => out.push(format!(": expected list, got {}", shown(other))),
        (_, None, None, None) => {}
    }
}

fn prefix(out: &mut [String], from: usize, step: &str) {
    for problem in out.iter_mut().skip(from) {
        problem.insert_str(0, step);
    }
}

fn check_fields(schema: &TypeSchema, map: &MapType, fields: &Map<String, Value>, out: &mut Vec<String>) {
    for (name, value) in fields {
        let from = out.len();
        let known = map.type_of(name);
        match known {
            Some(below) => check(schema, below, value, out),
            None => out.push(": field not declared in schema".to_owned()),
        }
        if out.len() > from {
            prefix(out, from, &format!(".{name}"));
        }
        if known.is_none() {
            return;
        }
    }
}

fn check_items(schema: &TypeSchema, list: &ListType, items: &[Value], out: &mut Vec<String>) {
    let mut seen = BTreeSet::new();
    for (at, item) in items.iter().enumerate() {
        let from = out.len();
        if list.relation == ListRelation::Atomic {
            check(schema, list.element, item, out);
            if out.len() > from {
                prefix(out, from, &format!("[{at}]"));
            }
            continue;
        }
        let elem = match element(list, item) {
            Ok(elem) => elem,
            Err(problem) => return out.push(format!(": element {at}: {problem}")),
        };
        check(schema, list.element, item, out);
        if out.len() > from {
            prefix(out, from, &elem.shown());
        }
        if let Some(elem) = seen.replace(elem) {
            out.push(format!(": duplicate entries for key {}", elem.shown()));
        }
    }
}
