//! Values of expressions. Parts of the object under test stay where they are and are only unfolded when looked at.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::rc::Rc;

use serde_json::Value;

use super::super::formats::Format;
use super::super::prune::META_FIELDS;
use super::super::structural::{Additional, Kind, ListKind, Node, same};
use super::{duration, time, types};
use crate::world::kube::builtin::base64;

/// A value.
#[derive(Clone, Debug)]
pub(crate) enum Val<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Uint(u64),
    Double(f64),
    String(Cow<'a, str>),
    Bytes(Rc<[u8]>),
    /// Nanoseconds.
    Duration(i64),
    Timestamp(jiff::Timestamp),
    List(Rc<Vec<Val<'a>>>),
    Map(Rc<BTreeMap<Key, Val<'a>>>),
    /// An object or list of the resource, with its schema if it has one; `bool`: it is a whole resource.
    Json(&'a Value, Option<&'a Node>, bool),
    Optional(Option<Rc<Val<'a>>>),
    Type(&'static str),
    /// A value of a library: quantity, IP, URL, …
    Foreign(cel::Value),
}

/// A key of a map.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    Bool(bool),
    Int(i64),
    Uint(u64),
    String(String),
}

/// Why an evaluation ended without a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum EvalError {
    /// The cost limit: final, whatever stands around it.
    Limit,
    /// Any other; logical operators may absorb it.
    Failed(String),
}

pub(crate) type Evaluated<'a> = Result<Val<'a>, EvalError>;

pub(crate) fn failed<T>(text: impl Into<String>) -> Result<T, EvalError> {
    Err(EvalError::Failed(text.into()))
}

impl<'a> Val<'a> {
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::String(Cow::Owned(text.into()))
    }

    pub(crate) fn list(items: Vec<Val<'a>>) -> Self {
        Self::List(Rc::new(items))
    }

    /// A JSON value as its schema types it.
    pub(crate) fn json(value: &'a Value, node: Option<&'a Node>, resource: bool) -> Evaluated<'a> {
        match value {
            Value::Null => Ok(Self::Null),
            Value::Object(_) | Value::Array(_) => {
                let shape = node.map_or(Kind::Any, |node| node.kind);
                match (shape, value) {
                    (Kind::Any, _) | (Kind::Object, Value::Object(_)) | (Kind::Array, Value::Array(_)) => {
                        Ok(Self::Json(value, node, resource))
                    }
                    _ => failed(format!("invalid data, expected a {}", shape.names())),
                }
            }
            _ => scalar(value, node),
        }
    }

    /// A JSON value without schema.
    pub(crate) fn json_dynamic(value: &'a Value) -> Evaluated<'a> {
        Self::json(value, None, false)
    }

    /// The size that the cost model sees.
    pub(crate) fn size(&self) -> u64 {
        let length = match self {
            Self::String(text) => text.len(),
            Self::Bytes(bytes) => bytes.len(),
            Self::List(list) => list.len(),
            Self::Map(map) => map.len(),
            Self::Json(Value::Array(list), _, _) => list.len(),
            Self::Json(Value::Object(map), node, _) if node.is_none_or(|node| node.properties.is_empty()) => map.len(),
            _ => 1,
        };
        u64::try_from(length).unwrap_or(u64::MAX)
    }

    pub(crate) fn type_name(&self) -> &'static str {
        match self {
            Self::Null => "null_type",
            Self::Bool(_) => "bool",
            Self::Int(_) => "int",
            Self::Uint(_) => "uint",
            Self::Double(_) => "double",
            Self::String(_) => "string",
            Self::Bytes(_) => "bytes",
            Self::Duration(_) => "google.protobuf.Duration",
            Self::Timestamp(_) => "google.protobuf.Timestamp",
            Self::List(_) | Self::Json(Value::Array(_), _, _) => "list",
            Self::Map(_) | Self::Json(..) => "map",
            Self::Optional(_) => "optional_type",
            Self::Type(_) => "type",
            Self::Foreign(_) => "object",
        }
    }

    /// The items of a list.
    pub(crate) fn items(&self) -> Option<Result<Vec<Val<'a>>, EvalError>> {
        match self {
            Self::List(list) => Some(Ok(list.as_ref().clone())),
            Self::Json(Value::Array(list), node, _) => {
                let items = node.and_then(|node| node.items.as_deref());
                let embedded = items.is_some_and(|items| items.embedded);
                Some(list.iter().map(|item| Self::json(item, items, embedded)).collect())
            }
            _ => None,
        }
    }

    /// The entries of a map.
    pub(crate) fn entries(&self) -> Option<Result<Vec<(Key, Val<'a>)>, EvalError>> {
        match self {
            Self::Map(map) => Some(Ok(map
                .iter()
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect())),
            Self::Json(Value::Object(map), node, resource) => {
                let one = |(key, _): (&'a String, &'a Value)| {
                    let found = self_field(map, *node, *resource, key)?;
                    Some(found.map(|value| (Key::String(key.clone()), value)))
                };
                Some(map.iter().filter_map(one).collect())
            }
            _ => None,
        }
    }

    /// A field or entry; None where there is none.
    pub(crate) fn get(&self, key: &Key) -> Option<Evaluated<'a>> {
        match (self, key) {
            (Self::Map(map), _) => {
                let other = match key {
                    Key::Int(number) => u64::try_from(*number).ok().map(Key::Uint),
                    Key::Uint(number) => i64::try_from(*number).ok().map(Key::Int),
                    _ => None,
                };
                map.get(key)
                    .or_else(|| other.and_then(|key| map.get(&key)))
                    .cloned()
                    .map(Ok)
            }
            (Self::Json(Value::Object(map), node, resource), Key::String(name)) => {
                self_field(map, *node, *resource, name)
            }
            _ => None,
        }
    }

    /// A field by its identifier, which may be the escaped form of its name.
    pub(crate) fn field(&self, ident: &str) -> Option<Evaluated<'a>> {
        if let (Self::Json(_, Some(node), _), true) = (self, ident.contains("__")) {
            let named = node
                .properties
                .keys()
                .find(|name| types::escape(name).as_deref() == Some(ident));
            if let Some(name) = named {
                return self.get(&Key::String(name.clone()));
            }
        }
        self.get(&Key::String(ident.to_owned()))
    }

    /// As a key of a map.
    pub(crate) fn as_key(&self) -> Option<Key> {
        match self {
            Self::Bool(value) => Some(Key::Bool(*value)),
            Self::Int(value) => Some(Key::Int(*value)),
            Self::Uint(value) => Some(Key::Uint(*value)),
            Self::String(text) => Some(Key::String(text.to_string())),
            #[expect(clippy::cast_possible_truncation, reason = "only whole numbers get here")]
            Self::Double(value) if value.trunc() == *value && value.abs() < 9.0e15 => Some(Key::Int(*value as i64)),
            _ => None,
        }
    }

    /// Order of two values of comparable types.
    pub(crate) fn order(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Bool(a), Self::Bool(b)) => Some(a.cmp(b)),
            (Self::String(a), Self::String(b)) => Some(a.cmp(b)),
            (Self::Bytes(a), Self::Bytes(b)) => Some(a.cmp(b)),
            (Self::Duration(a), Self::Duration(b)) => Some(a.cmp(b)),
            (Self::Timestamp(a), Self::Timestamp(b)) => Some(a.cmp(b)),
            _ => compare_numbers(self, other),
        }
    }

    /// Equality; values of different kinds are not equal.
    pub(crate) fn equals(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Null, Self::Null) => true,
            (Self::Json(a, node, _), Self::Json(b, _, _)) => {
                let kind = node.map_or(&ListKind::Atomic, |node| &node.list);
                match (kind, a, b) {
                    (ListKind::Set | ListKind::Map(_), Value::Array(a), Value::Array(b)) => same_members(a, b),
                    _ => same(a, b),
                }
            }
            (Self::Optional(a), Self::Optional(b)) => match (a, b) {
                (Some(a), Some(b)) => a.equals(b),
                (None, None) => true,
                _ => false,
            },
            (Self::Type(a), Self::Type(b)) => a == b,
            (Self::Foreign(a), Self::Foreign(b)) => a == b,
            _ => match (self.items(), other.items(), self.entries(), other.entries()) {
                (Some(Ok(a)), Some(Ok(b)), _, _) => a.len() == b.len() && a.iter().zip(&b).all(|(a, b)| a.equals(b)),
                (_, _, Some(Ok(a)), Some(Ok(b))) => {
                    let same = |((ka, a), (kb, b)): (&(Key, Val<'_>), &(Key, Val<'_>))| ka == kb && a.equals(b);
                    a.len() == b.len() && a.iter().zip(&b).all(same)
                }
                _ => self.order(other) == Some(Ordering::Equal),
            },
        }
    }
}

fn same_members(a: &[Value], b: &[Value]) -> bool {
    let sorted = |list: &[Value]| {
        let mut texts: Vec<String> = list.iter().map(Value::to_string).collect();
        texts.sort();
        texts
    };
    a.len() == b.len() && sorted(a) == sorted(b)
}

fn self_field<'a>(
    map: &'a serde_json::Map<String, Value>,
    node: Option<&'a Node>,
    resource: bool,
    name: &str,
) -> Option<Evaluated<'a>> {
    let value = map.get(name)?;
    let Some(node) = node else {
        return Some(Val::json(value, None, false));
    };
    if resource && META_FIELDS.contains(&name) {
        return Some(Val::json(value, None, false));
    }
    let child = match (node.properties.get(name), &node.additional) {
        (Some(child), _) => child,
        (None, Additional::Schema(child)) => child,
        _ => return None,
    };
    Some(Val::json(value, Some(child), child.embedded))
}

fn scalar<'a>(value: &'a Value, node: Option<&Node>) -> Evaluated<'a> {
    let Some(node) = node else {
        return Ok(match value {
            Value::Bool(value) => Val::Bool(*value),
            Value::String(text) => Val::String(Cow::Borrowed(text)),
            Value::Number(number) => match number.as_i64() {
                Some(whole) => Val::Int(whole),
                None => Val::Double(number.as_f64().unwrap_or_default()),
            },
            _ => Val::Null,
        });
    };
    let actual = match value {
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_i64() => "int64",
        Value::Number(_) => "float64",
        _ => "string",
    };
    let wrong = |wanted: &str| failed(format!("invalid data, expected {wanted}, got {actual}"));
    match (node.kind, value) {
        (Kind::Boolean, Value::Bool(value)) => Ok(Val::Bool(*value)),
        (Kind::Boolean, _) => wrong("bool"),
        (Kind::Integer, Value::Number(number)) => number
            .as_i64()
            .map_or_else(|| wrong("int"), |whole| Ok(Val::Int(whole))),
        (Kind::Integer, _) => wrong("int"),
        (Kind::Number, Value::Number(number)) => Ok(Val::Double(number.as_f64().unwrap_or_default())),
        (Kind::Number, _) => wrong("float"),
        (Kind::String, Value::String(text)) => formatted(text, &node.limits.format),
        (Kind::String, _) => wrong("string"),
        (Kind::IntOrString | Kind::Any, _) => scalar(value, None),
        (Kind::Object | Kind::Array, _) => wrong(node.kind.names()),
    }
}

fn formatted<'a>(text: &'a str, format: &Format) -> Evaluated<'a> {
    let name = format.name();
    let value = match name {
        "byte" => base64::decode(text).map(|bytes| Val::Bytes(bytes.into())),
        "duration" => duration::parse(text).map(Val::Duration),
        "date" => time::parse_date(text).map(Val::Timestamp),
        "date-time" => time::parse(text).map(Val::Timestamp),
        _ => Some(Val::String(Cow::Borrowed(text))),
    };
    match value {
        Some(value) => Ok(value),
        None => failed(format!("Invalid {name} format for string value: {text:?}")),
    }
}

/// Numbers of different types compare by value.
fn compare_numbers(a: &Val<'_>, b: &Val<'_>) -> Option<Ordering> {
    let whole = |value: &Val<'_>| match value {
        Val::Int(value) => Some(i128::from(*value)),
        Val::Uint(value) => Some(i128::from(*value)),
        _ => None,
    };
    match (a, b) {
        (Val::Double(a), Val::Double(b)) => a.partial_cmp(b),
        #[expect(clippy::cast_precision_loss, reason = "what the comparison of CEL does")]
        (Val::Double(a), _) => whole(b).and_then(|b| a.partial_cmp(&(b as f64))),
        #[expect(clippy::cast_precision_loss, reason = "what the comparison of CEL does")]
        (_, Val::Double(b)) => whole(a).and_then(|a| (a as f64).partial_cmp(b)),
        _ => whole(a).zip(whole(b)).map(|(a, b)| a.cmp(&b)),
    }
}
