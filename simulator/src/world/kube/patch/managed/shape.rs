//! What a value is to its type, and which element names an item of a list.
//!
//! Knows types and values; must not know managers.

use std::borrow::Cow;
use std::fmt::Write as _;

use serde_json::Value;

use super::super::go_text::plain;
use super::set::Elem;
use crate::world::kube::schema::TypeSchema;
use crate::world::kube::schema::graph::{Atom, DEDUCED, ListRelation, ListType, MapType, Scalar, TypeId};

/// How a value merges.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shape<'s> {
    /// As one value: scalars, atomic lists and atomic maps.
    Leaf,
    /// Item by item.
    List(&'s ListType),
    /// Key by key.
    Map(&'s MapType),
}

impl<'s> Shape<'s> {
    pub(super) fn same_kind(self, other: Self) -> bool {
        matches!(
            (self, other),
            (Self::Leaf, Self::Leaf) | (Self::List(_), Self::List(_)) | (Self::Map(_), Self::Map(_))
        )
    }
}

/// How `value` merges by the type `id`. Where the type allows several kinds the value decides; where it decides
/// nothing (null, or a kind that the type does not allow) maps come before scalars and scalars before lists.
pub(super) fn shape<'s>(schema: &'s TypeSchema, id: TypeId, value: &Value) -> Shape<'s> {
    let atom = schema.atom(id);
    match value {
        Value::Object(_) if atom.map.is_some() => of_map(atom),
        Value::Array(_) if atom.list.is_some() => of_list(atom),
        Value::Bool(_) | Value::Number(_) | Value::String(_) if atom.scalar.is_some() => Shape::Leaf,
        _ if atom.map.is_some() => of_map(atom),
        _ if atom.scalar.is_some() => Shape::Leaf,
        _ => of_list(atom),
    }
}

fn of_map(atom: &Atom) -> Shape<'_> {
    match &atom.map {
        Some(map) if !map.atomic => Shape::Map(map),
        _ => Shape::Leaf,
    }
}

fn of_list(atom: &Atom) -> Shape<'_> {
    match &atom.list {
        Some(list) if list.relation != ListRelation::Atomic => Shape::List(list),
        _ => Shape::Leaf,
    }
}

/// The type of what a map holds at `name`; open when the type does not say.
pub(super) fn type_at(map: &MapType, name: &str) -> TypeId {
    map.type_of(name).unwrap_or(DEDUCED)
}

/// Whether there is nothing in a list or a map: empty, null, absent or of another kind.
pub(super) fn is_hollow(shape: Shape<'_>, value: Option<&Value>) -> bool {
    match (shape, value) {
        (Shape::List(_), Some(Value::Array(items))) => items.is_empty(),
        (Shape::Map(_), Some(Value::Object(fields))) => fields.is_empty(),
        _ => true,
    }
}

/// Names an item of a list that merges item by item.
///
/// # Errors
/// The real server's text for items that cannot be named.
pub(super) fn element<'v>(list: &ListType, item: &'v Value) -> Result<Elem<'v>, String> {
    if list.relation == ListRelation::Set || list.keys.is_empty() {
        let what = match item {
            Value::Object(_) => "associative list without keys has an element that's a map type",
            Value::Array(_) => "not supported: associative list with lists as elements",
            Value::Null => "associative list without keys has an element that's an explicit null",
            scalar => return Ok(Elem::Item(Cow::Owned(scalar.to_string()))),
        };
        return Err(what.to_owned());
    }
    let fields = match item {
        Value::Object(fields) => fields,
        Value::Null => return Err("associative list with keys may not have a null element".to_owned()),
        _ => return Err("associative list with keys may not have non-map elements".to_owned()),
    };
    let mut text = String::with_capacity(48);
    for key in &list.keys {
        let Some(value) = fields.get(&*key.name).or(key.default.as_ref()) else {
            continue;
        };
        text.push(if text.is_empty() { '{' } else { ',' });
        push_text(&mut text, &key.name);
        text.push(':');
        match value {
            Value::String(value) => push_text(&mut text, value),
            other => {
                let _ = write!(text, "{other}");
            }
        }
    }
    if text.is_empty() {
        let names: Vec<String> = list.keys.iter().map(|key| format!("{:?}", key.name)).collect();
        let names = names.join(" ");
        return Err(format!(
            "associative list with keys has an element that omits all key fields [{names}] (and doesn't have default values for any key fields)"
        ));
    }
    text.push('}');
    Ok(Elem::Key(Cow::Owned(text)))
}

/// Whether two items of a list have the same name.
pub(super) fn is_same_element(list: &ListType, one: &Value, other: &Value) -> bool {
    if list.relation == ListRelation::Set || list.keys.is_empty() {
        return one == other;
    }
    let (Value::Object(one), Value::Object(other)) = (one, other) else {
        return false;
    };
    list.keys.iter().all(|key| {
        let default = || key.default.as_ref();
        one.get(&*key.name).or_else(default) == other.get(&*key.name).or_else(default)
    })
}

/// A JSON string; plain ones without the detour through the serializer.
fn push_text(out: &mut String, text: &str) {
    let plain = text.bytes().all(|byte| byte >= 0x20 && byte != b'"' && byte != b'\\');
    if plain {
        out.push('"');
        out.push_str(text);
        out.push('"');
    } else {
        let _ = write!(out, "{}", Value::String(text.to_owned()));
    }
}

/// Whether a scalar is one that the type takes.
pub(super) fn scalar_problem(scalar: Scalar, value: &Value) -> Option<String> {
    match (scalar, value) {
        (_, Value::Null)
        | (Scalar::Numeric, Value::Number(_))
        | (Scalar::Text, Value::String(_))
        | (Scalar::Boolean, Value::Bool(_))
        | (Scalar::Untyped, Value::Number(_) | Value::String(_) | Value::Bool(_)) => None,
        (Scalar::Numeric, other) => Some(format!("expected numeric (int or float), got {}", go_type(other))),
        (Scalar::Text, other) => Some(format!("expected string, got {}", go_literal(other))),
        (Scalar::Boolean, other) => Some(format!("expected boolean, got {}", shown(other))),
        (Scalar::Untyped, other) => Some(format!("expected any scalar, got {}", shown(other))),
    }
}

fn go_type(value: &Value) -> &'static str {
    match value {
        Value::Null => "<nil>",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    }
}

fn go_literal(value: &Value) -> String {
    format!("&value.valueUnstructured{{Value:{}}}", literal(value))
}

fn literal(value: &Value) -> String {
    match value {
        Value::Null => "interface {}(nil)".to_owned(),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(literal).collect();
            format!("[]interface {{}}{{{}}}", items.join(", "))
        }
        Value::Object(fields) => {
            let fields: Vec<String> = fields
                .iter()
                .map(|(name, value)| format!("{name:?}:{}", literal(value)))
                .collect();
            format!("map[string]interface {{}}{{{}}}", fields.join(", "))
        }
        scalar => scalar.to_string(),
    }
}

/// As Go's `%v` prints a value of the merge library.
pub(super) fn shown(value: &Value) -> String {
    format!("&{{{}}}", plain(value))
}
