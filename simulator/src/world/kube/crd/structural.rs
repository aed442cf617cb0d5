//! A structural schema as a tree of typed nodes: parsed once, walked for every request.
//!
//! Knows the OpenAPI subset of `apiextensions.k8s.io/v1`. Must not know objects, requests or versions.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::cel::rules::Rule;
use super::formats::Format;
use super::pattern::Pattern;

/// Deepest nesting of schemas that is accepted. The JSON parser allows 128 levels of JSON, which is less.
pub(super) const MAX_DEPTH: usize = 128;

/// `type` of a schema.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Kind {
    /// None given.
    #[default]
    Any,
    Object,
    Array,
    String,
    Integer,
    Number,
    Boolean,
    /// `x-kubernetes-int-or-string`
    IntOrString,
}

impl Kind {
    /// The types as the validator names them.
    pub(super) fn names(self) -> &'static str {
        match self {
            Self::Any => "",
            Self::Object => "object",
            Self::Array => "array",
            Self::String => "string",
            Self::Integer => "integer",
            Self::Number => "number",
            Self::Boolean => "boolean",
            Self::IntOrString => "integer,string",
        }
    }

    fn parse(text: &str) -> Self {
        match text {
            "object" => Self::Object,
            "array" => Self::Array,
            "string" => Self::String,
            "integer" => Self::Integer,
            "number" => Self::Number,
            "boolean" => Self::Boolean,
            _ => Self::Any,
        }
    }
}

/// `additionalProperties`.
#[derive(Debug, Default)]
pub(super) enum Additional {
    /// Not given.
    #[default]
    Absent,
    /// `true`: anything.
    Any,
    /// `false`.
    Forbidden,
    /// A schema for the values.
    Schema(Box<Node>),
}

/// `x-kubernetes-list-type` with its keys.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum ListKind {
    #[default]
    Atomic,
    Set,
    Map(Vec<String>),
}

/// What a node or something below it has, so that walks can skip whole subtrees.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Has {
    /// Sets or maps among the lists.
    pub(super) keyed_lists: bool,
    /// CEL rules.
    pub(super) rules: bool,
    /// Embedded resources.
    pub(super) embedded: bool,
}

/// The checks of one node on a value.
#[derive(Debug, Default)]
pub(super) struct Limits {
    pub(super) enumeration: Vec<Value>,
    pub(super) minimum: Option<f64>,
    pub(super) exclusive_minimum: bool,
    pub(super) maximum: Option<f64>,
    pub(super) exclusive_maximum: bool,
    pub(super) multiple_of: Option<f64>,
    pub(super) min_length: Option<i64>,
    pub(super) max_length: Option<i64>,
    pub(super) pattern: Option<Pattern>,
    pub(super) format: Format,
    pub(super) min_items: Option<i64>,
    pub(super) max_items: Option<i64>,
    pub(super) unique_items: bool,
    pub(super) min_properties: Option<i64>,
    pub(super) max_properties: Option<i64>,
    pub(super) required: Vec<String>,
    pub(super) all_of: Vec<Node>,
    pub(super) any_of: Vec<Node>,
    pub(super) one_of: Vec<Node>,
    pub(super) not: Option<Box<Node>>,
}

/// One schema.
#[derive(Debug, Default)]
pub(crate) struct Node {
    pub(super) kind: Kind,
    pub(super) nullable: bool,
    pub(super) preserve: bool,
    pub(super) embedded: bool,
    pub(super) default: Option<Value>,
    pub(super) properties: BTreeMap<String, Node>,
    /// Names of properties with a default.
    pub(super) defaulted: Vec<String>,
    pub(super) additional: Additional,
    pub(super) items: Option<Box<Node>>,
    pub(super) list: ListKind,
    /// `x-kubernetes-map-type: atomic`
    pub(super) atomic_map: bool,
    pub(super) limits: Limits,
    /// `x-kubernetes-validations`, as written.
    pub(super) rules: Vec<Value>,
    pub(super) has: Has,
    /// The rules, once compiled.
    pub(super) programs: Vec<Rule>,
}

impl Node {
    /// Parses a schema; parts that are not understood are left out (the definition's validation reports them).
    pub(crate) fn parse(schema: &Value) -> Self {
        Self::at(schema, 0)
    }

    /// The schema of the values of `key`, declared or additional.
    pub(super) fn field(&self, key: &str) -> Option<&Node> {
        match (self.properties.get(key), &self.additional) {
            (Some(node), _) => Some(node),
            (None, Additional::Schema(node)) => Some(node),
            _ => None,
        }
    }

    fn at(schema: &Value, depth: usize) -> Self {
        let Some(map) = schema.as_object().filter(|_| depth < MAX_DEPTH) else {
            return Self::default();
        };
        let sub = |value: &Value| Self::at(value, depth + 1);
        let int_or_string = flag(map, "x-kubernetes-int-or-string");
        let kind = if int_or_string {
            Kind::IntOrString
        } else {
            Kind::parse(text(map, "type"))
        };
        let properties: BTreeMap<String, Node> = map
            .get("properties")
            .and_then(Value::as_object)
            .map(|fields| fields.iter().map(|(key, value)| (key.clone(), sub(value))).collect())
            .unwrap_or_default();
        let additional = match map.get("additionalProperties") {
            Some(Value::Bool(true)) => Additional::Any,
            Some(Value::Bool(false)) => Additional::Forbidden,
            Some(value @ Value::Object(_)) => Additional::Schema(Box::new(sub(value))),
            _ => Additional::Absent,
        };
        let defaulted = properties
            .iter()
            .filter(|(_, node)| node.default.is_some())
            .map(|(key, _)| key.clone())
            .collect();
        let mut node = Self {
            kind,
            nullable: flag(map, "nullable"),
            preserve: flag(map, "x-kubernetes-preserve-unknown-fields"),
            embedded: flag(map, "x-kubernetes-embedded-resource"),
            default: map.get("default").filter(|value| !value.is_null()).cloned(),
            properties,
            defaulted,
            additional,
            items: map
                .get("items")
                .filter(|items| items.is_object())
                .map(|items| Box::new(sub(items))),
            list: list_kind(map),
            atomic_map: text(map, "x-kubernetes-map-type") == "atomic",
            limits: Limits::parse(map, kind, &sub),
            rules: map
                .get("x-kubernetes-validations")
                .and_then(Value::as_array)
                .cloned()
                .unwrap_or_default(),
            has: Has::default(),
            programs: Vec::new(),
        };
        node.has = node.summary();
        node
    }

    fn summary(&self) -> Has {
        let mut has = Has {
            keyed_lists: self.list != ListKind::Atomic,
            rules: !self.rules.is_empty(),
            embedded: self.embedded,
        };
        let additional = match &self.additional {
            Additional::Schema(node) => Some(node.as_ref()),
            _ => None,
        };
        for node in self.properties.values().chain(additional).chain(self.items.as_deref()) {
            has.keyed_lists |= node.has.keyed_lists;
            has.rules |= node.has.rules;
            has.embedded |= node.has.embedded;
        }
        has
    }
}

impl Limits {
    fn parse(map: &Map<String, Value>, kind: Kind, sub: &dyn Fn(&Value) -> Node) -> Self {
        let nodes = |key: &str| {
            let list = map.get(key).and_then(Value::as_array);
            list.map(|list| list.iter().map(sub).collect()).unwrap_or_default()
        };
        let number = |key: &str| map.get(key).and_then(Value::as_f64);
        let whole = |key: &str| map.get(key).and_then(Value::as_i64);
        Self {
            enumeration: map.get("enum").and_then(Value::as_array).cloned().unwrap_or_default(),
            minimum: number("minimum"),
            exclusive_minimum: flag(map, "exclusiveMinimum"),
            maximum: number("maximum"),
            exclusive_maximum: flag(map, "exclusiveMaximum"),
            multiple_of: number("multipleOf"),
            min_length: whole("minLength"),
            max_length: whole("maxLength"),
            pattern: Some(text(map, "pattern"))
                .filter(|text| !text.is_empty())
                .map(Pattern::new),
            format: Format::parse(text(map, "format"), kind),
            min_items: whole("minItems"),
            max_items: whole("maxItems"),
            unique_items: flag(map, "uniqueItems"),
            min_properties: whole("minProperties"),
            max_properties: whole("maxProperties"),
            required: strings(map, "required"),
            all_of: nodes("allOf"),
            any_of: nodes("anyOf"),
            one_of: nodes("oneOf"),
            not: map
                .get("not")
                .filter(|not| not.is_object())
                .map(|not| Box::new(sub(not))),
        }
    }
}

fn list_kind(map: &Map<String, Value>) -> ListKind {
    match text(map, "x-kubernetes-list-type") {
        "set" => ListKind::Set,
        "map" => ListKind::Map(strings(map, "x-kubernetes-list-map-keys")),
        _ => ListKind::Atomic,
    }
}

/// A string field; empty when absent or of another type.
pub(super) fn text<'a>(map: &'a Map<String, Value>, key: &str) -> &'a str {
    map.get(key).and_then(Value::as_str).unwrap_or_default()
}

/// A boolean field; false when absent.
pub(super) fn flag(map: &Map<String, Value>, key: &str) -> bool {
    map.get(key).and_then(Value::as_bool).unwrap_or_default()
}

/// The strings of a list field.
pub(super) fn strings(map: &Map<String, Value>, key: &str) -> Vec<String> {
    let list = map.get(key).and_then(Value::as_array);
    list.map(|list| list.iter().filter_map(Value::as_str).map(str::to_owned).collect())
        .unwrap_or_default()
}

/// Equality of JSON as the API sees it: `1` and `1.0` are the same number.
pub(super) fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(x), Value::Number(y)) => x == y || (x.is_f64() != y.is_f64() && x.as_f64() == y.as_f64()),
        (Value::Array(x), Value::Array(y)) => x.len() == y.len() && x.iter().zip(y).all(|(x, y)| same(x, y)),
        (Value::Object(x), Value::Object(y)) => {
            x.len() == y.len() && x.iter().all(|(key, x)| y.get(key).is_some_and(|y| same(x, y)))
        }
        _ => a == b,
    }
}
