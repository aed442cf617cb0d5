//! What the real server's decoder says of an object: unknown fields, and values of the wrong type.
//!
//! Knows types and values; must not know what the server does with the answer.

use std::fmt::Write as _;

use serde_json::Value;

use super::TypeSchema;
use super::graph::{Atom, Format, MapType, Scalar, TypeId};
use super::json::Step;

/// The real decoder reports no more than this many unknown fields (`sigs.k8s.io/json`).
const MAX_PROBLEMS: usize = 100;
/// What the real server says of any bad quantity.
const BAD_QUANTITY: &str =
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";

/// What is wrong with an object before anything looks at its meaning.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DecodeProblems {
    /// Paths of fields that the type does not have: `spec.template.spec.containers[0].foo`.
    pub unknown: Vec<String>,
    /// What the decoder says, e.g. `json: cannot unmarshal string into Go struct field
    /// DeploymentSpec.spec.replicas of type int32`; the server reports the first.
    pub wrong_type: Vec<String>,
}

impl TypeSchema {
    /// Checks an object of this kind against its type. Custom resources are pruned and validated elsewhere: for them
    /// this finds nothing.
    #[must_use]
    pub fn decode_problems(&self, object: &Value) -> DecodeProblems {
        let mut walk = Walk {
            schema: self,
            path: Vec::new(),
            problems: DecodeProblems::default(),
        };
        if self.is_builtin() {
            walk.value(self.root(), object, Place::default());
        }
        walk.problems
    }
}

/// Where a value stands: the struct that holds it and how Go names its type.
#[derive(Clone, Copy, Default)]
struct Place<'a> {
    holder: &'a str,
    go_kind: &'a str,
}

struct Walk<'a> {
    schema: &'a TypeSchema,
    path: Vec<Step<&'a str>>,
    problems: DecodeProblems,
}

impl<'a> Walk<'a> {
    fn value(&mut self, id: TypeId, value: &'a Value, place: Place<'a>) {
        let schema: &'a TypeSchema = self.schema;
        let atom = schema.atom(id);
        if value.is_null() || atom.format == Format::Raw {
            return;
        }
        if let Some(problem) = formatted(atom.format, value) {
            match problem {
                Bad::Type(kind) => self.wrong(value, place, kind),
                Bad::Text(text) => self.problems.wrong_type.push(text),
            }
            return;
        }
        match (value, &atom.list, &atom.map, atom.scalar) {
            (Value::Array(items), Some(list), ..) => {
                let go_kind = element_kind(place.go_kind);
                for (at, item) in items.iter().enumerate() {
                    self.path.push(Step::Index(at));
                    self.value(list.element, item, Place { go_kind, ..place });
                    self.path.pop();
                }
            }
            (Value::Object(fields), _, Some(map), _) => self.fields(fields, atom, map, place),
            (Value::String(_), _, _, Some(Scalar::Text | Scalar::Untyped))
            | (Value::Number(_), _, _, Some(Scalar::Numeric | Scalar::Untyped))
            | (Value::Bool(_), _, _, Some(Scalar::Boolean | Scalar::Untyped)) => {}
            _ => self.wrong(value, place, ""),
        }
    }

    fn fields(
        &mut self,
        fields: &'a serde_json::Map<String, Value>,
        atom: &'a Atom,
        map: &'a MapType,
        place: Place<'a>,
    ) {
        for (name, value) in fields {
            self.path.push(match map.element {
                None => Step::Key(name.as_str()),
                Some(_) => Step::MapKey(name.as_str()),
            });
            match (map.field(name), map.element) {
                (Some(field), _) => {
                    let go_kind = field.go.kind.trim_start_matches('*');
                    let inner = Place {
                        holder: &atom.struct_name,
                        go_kind,
                    };
                    self.value(field.kind, value, inner);
                }
                (None, Some(element)) => {
                    let go_kind = element_kind(place.go_kind);
                    self.value(element, value, Place { go_kind, ..place });
                }
                (None, None) if self.problems.unknown.len() < MAX_PROBLEMS => {
                    self.problems.unknown.push(Step::render(&self.path));
                }
                (None, None) => {}
            }
            self.path.pop();
        }
    }

    fn wrong(&mut self, value: &Value, place: Place<'_>, kind: &str) {
        if self.problems.wrong_type.len() >= MAX_PROBLEMS {
            return;
        }
        let found = match value {
            Value::Null => "null".to_owned(),
            Value::Bool(_) => "bool".to_owned(),
            Value::Number(number) if kind.starts_with("int") && place.go_kind != "intstr.IntOrString" => {
                format!("number {number}")
            }
            Value::Number(_) => "number".to_owned(),
            Value::String(_) => "string".to_owned(),
            Value::Array(_) => "array".to_owned(),
            Value::Object(_) => "object".to_owned(),
        };
        let target = match (kind, place.go_kind) {
            ("", "") => "interface {}",
            ("", go) => go,
            (kind, _) => kind,
        };
        let mut text = format!("json: cannot unmarshal {found} into Go struct field {}.", place.holder);
        let names = self.path.iter().filter_map(|step| match step {
            Step::Key(name) => Some(*name),
            _ => None,
        });
        for (at, name) in names.enumerate() {
            let dot = if at == 0 { "" } else { "." };
            let _ = write!(text, "{dot}{name}");
        }
        let _ = write!(text, " of type {target}");
        self.problems.wrong_type.push(text);
    }
}

/// `[]v1.Container` -> `v1.Container`, `map[string]string` -> `string`.
fn element_kind(kind: &str) -> &str {
    let inner = kind
        .strip_prefix("[]")
        .or_else(|| kind.strip_prefix("map[")?.split_once(']').map(|(_, inner)| inner));
    inner.unwrap_or_default().trim_start_matches('*')
}

enum Bad {
    /// The JSON type is wrong for this Go type.
    Type(&'static str),
    /// The type reads its own text and says this.
    Text(String),
}

/// Checks values that need more than their JSON type.
fn formatted(format: Format, value: &Value) -> Option<Bad> {
    match (format, value) {
        (Format::Int32, Value::Number(n)) => {
            let fits = n.as_i64().is_some_and(|n| i32::try_from(n).is_ok());
            (!fits).then_some(Bad::Type("int32"))
        }
        (Format::Int64, Value::Number(n)) => n.as_i64().is_none().then_some(Bad::Type("int64")),
        (Format::IntOrString, Value::Number(n)) => {
            let fits = n.as_i64().is_some_and(|n| i32::try_from(n).is_ok());
            (!fits).then_some(Bad::Type("int32"))
        }
        (Format::IntOrString, Value::String(_)) => None,
        (Format::IntOrString, _) => Some(Bad::Type("int32")),
        (Format::Time, Value::String(text)) => super::time::problem(text, false).map(Bad::Text),
        (Format::MicroTime, Value::String(text)) => super::time::problem(text, true).map(Bad::Text),
        (Format::Time | Format::MicroTime, _) => Some(Bad::Type("string")),
        (Format::Quantity, Value::String(text)) => {
            let good = super::quantity::canonical(text).is_some();
            (!good).then(|| Bad::Text(BAD_QUANTITY.to_owned()))
        }
        (Format::Quantity, Value::Number(_)) => None,
        (Format::Quantity, _) => Some(Bad::Text(BAD_QUANTITY.to_owned())),
        (Format::Bytes, Value::String(text)) => base64_problem(text).map(Bad::Text),
        _ => None,
    }
}

/// Go's message for text that is not padded base64.
fn base64_problem(text: &str) -> Option<String> {
    let bytes = text.as_bytes();
    let bad = |at: usize| Some(format!("illegal base64 data at input byte {at}"));
    let letters: Vec<(usize, u8)> = bytes
        .iter()
        .copied()
        .enumerate()
        .filter(|(_, b)| *b != b'\n' && *b != b'\r')
        .collect();
    let padding = letters.iter().rev().take_while(|(_, b)| *b == b'=').count();
    for (at, byte) in letters.iter().take(letters.len() - padding) {
        if !(byte.is_ascii_alphanumeric() || *byte == b'+' || *byte == b'/') {
            return bad(*at);
        }
    }
    let data = letters.len() - padding;
    match (data % 4, padding) {
        (0, 0) | (2, 2) | (3, 1) => None,
        (0, _) => bad(letters.get(data).map_or(0, |(at, _)| *at)),
        _ if padding == 0 => bad(bytes.len() - bytes.len() % 4),
        _ => bad(bytes.len()),
    }
}
