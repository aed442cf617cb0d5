//! Whether a schema is structural: every field has one type, and value checks only refer to declared fields.

use serde_json::{Map, Value, json};

use super::super::check;
use super::super::pattern;
use super::super::prune::prune_value;
use super::super::structural::{Node, flag, text};
use crate::world::kube::api_error::FieldError;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Level {
    Root,
    Item,
    Field,
}

type Schema = Map<String, Value>;

/// Finds what keeps a schema from being structural; sorted, as the server sorts it.
pub(super) fn check(schema: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let mut found = Vec::new();
    if let Some(map) = schema.as_object() {
        invariants(map, Level::Root, path, &mut found);
        junctor_fields(map, Some(map), path, path, &mut found);
    }
    found.sort_by_cached_key(ToString::to_string);
    errors.extend(found);
}

fn sub<'s>(schema: &'s Schema, key: &str) -> Option<&'s Schema> {
    schema.get(key).and_then(Value::as_object)
}

fn list<'s>(schema: &'s Schema, key: &str) -> &'s [Value] {
    schema
        .get(key)
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default()
}

fn properties(schema: &Schema) -> impl Iterator<Item = (&String, &Schema)> {
    let fields = sub(schema, "properties").into_iter().flatten();
    fields.filter_map(|(key, value)| value.as_object().map(|value| (key, value)))
}

fn invariants(schema: &Schema, level: Level, path: &str, errors: &mut Vec<FieldError>) {
    let kind = text(schema, "type");
    let embedded = flag(schema, "x-kubernetes-embedded-resource");
    let preserve = flag(schema, "x-kubernetes-preserve-unknown-fields");
    let int_or_string = flag(schema, "x-kubernetes-int-or-string");
    match sub(schema, "items") {
        // A list in place of the one schema is told of with the other forms that are not allowed.
        None if kind == "array" && schema.get("items").is_none() => {
            errors.push(FieldError::required(format!("{path}.items"), "must be specified"))
        }
        None => {}
        Some(items) => invariants(items, Level::Item, &format!("{path}.items"), errors),
    }
    for (key, field) in properties(schema) {
        invariants(field, Level::Field, &format!("{path}.properties[{key}]"), errors);
    }
    let additional = format!("{path}.additionalProperties");
    if schema.get("additionalProperties").is_some_and(|value| !value.is_null()) {
        if level == Level::Root {
            errors.push(FieldError::forbidden(
                additional.clone(),
                "must not be used at the root",
            ));
        }
        if let Some(values) = sub(schema, "additionalProperties") {
            invariants(values, Level::Field, &additional, errors);
        }
        if embedded {
            let detail = "must not be used if x-kubernetes-embedded-resource is set";
            errors.push(FieldError::forbidden(additional, detail));
        }
    }
    for (set, name) in [
        (preserve, "x-kubernetes-preserve-unknown-fields"),
        (embedded, "x-kubernetes-embedded-resource"),
    ] {
        if int_or_string && set {
            let detail = "must be false if x-kubernetes-int-or-string is true";
            errors.push(FieldError::invalid(
                format!("{path}.{name}"),
                &Value::Bool(true),
                detail,
            ));
        }
    }
    value_checks(schema, path, errors);
    check_type(schema, level, path, errors);
    check_meta(schema, level, path, errors);
    if embedded && !preserve && properties(schema).next().is_none() {
        let detail =
            "must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields";
        errors.push(FieldError::required(format!("{path}.properties"), detail));
    }
}

fn check_type(schema: &Schema, level: Level, path: &str, errors: &mut Vec<FieldError>) {
    let kind = text(schema, "type");
    let path = format!("{path}.type");
    let free = flag(schema, "x-kubernetes-int-or-string") || flag(schema, "x-kubernetes-preserve-unknown-fields");
    let embedded = flag(schema, "x-kubernetes-embedded-resource");
    let detail = "must be object if x-kubernetes-embedded-resource is true";
    if embedded && kind.is_empty() {
        errors.push(FieldError::required(path.clone(), detail));
    } else if embedded && kind != "object" {
        errors.push(FieldError::invalid(path.clone(), &Value::from(kind), detail));
    } else if kind.is_empty() && !free {
        let detail = match level {
            Level::Root => "must not be empty at the root",
            Level::Item => "must not be empty for specified array items",
            Level::Field => "must not be empty for specified object fields",
        };
        errors.push(FieldError::required(path.clone(), detail));
    }
    if level == Level::Root && !kind.is_empty() && kind != "object" {
        errors.push(FieldError::invalid(
            path,
            &Value::from(kind),
            "must be object at the root",
        ));
    }
}

/// A schema may only narrow the names of objects, not the rest of their metadata.
fn check_meta(schema: &Schema, level: Level, path: &str, errors: &mut Vec<FieldError>) {
    let resource = level == Level::Root || flag(schema, "x-kubernetes-embedded-resource");
    let fields = sub(schema, "properties");
    let field = |key: &str| fields.and_then(|fields| sub(fields, key));
    for key in ["kind", "apiVersion"] {
        if let Some(kind) = field(key)
            .map(|field| text(field, "type"))
            .filter(|kind| resource && *kind != "string")
        {
            let path = format!("{path}.properties[{key}].type");
            errors.push(FieldError::invalid(path, &Value::from(kind), "must be string"));
        }
    }
    let Some(meta) = field("metadata") else { return };
    let path = format!("{path}.properties[metadata]");
    if resource && text(meta, "type") != "object" {
        errors.push(FieldError::invalid(
            format!("{path}.type"),
            &Value::from(text(meta, "type")),
            "must be object",
        ));
    }
    let names_only = properties(meta).all(|(key, _)| key == "name" || key == "generateName");
    let plain = meta
        .iter()
        .all(|(key, value)| matches!(key.as_str(), "type" | "properties" | "default") || value.is_null());
    if level == Level::Root && !(names_only && plain) {
        let detail = "must not specify anything other than name and generateName, but metadata is implicitly specified";
        errors.push(FieldError::forbidden(path, detail));
    }
}

/// The one way to say int-or-string with types inside `anyOf`.
fn is_int_or_string(list: &[Value]) -> bool {
    matches!(list, [a, b] if *a == json!({"type": "integer"}) && *b == json!({"type": "string"}))
}

fn value_checks(schema: &Schema, path: &str, errors: &mut Vec<FieldError>) {
    let skip_any = is_int_or_string(list(schema, "anyOf"));
    let first = list(schema, "allOf").first().and_then(Value::as_object);
    let skip_first = first.is_some_and(|first| is_int_or_string(list(first, "anyOf")));
    junctors(schema, skip_any, skip_first, path, errors);
}

fn junctors(schema: &Schema, skip_any: bool, skip_first: bool, path: &str, errors: &mut Vec<FieldError>) {
    for key in ["anyOf", "allOf", "oneOf"] {
        if key == "anyOf" && skip_any {
            continue;
        }
        for (at, one) in list(schema, key).iter().enumerate() {
            let skip = key == "allOf" && at == 0 && skip_first;
            if let Some(one) = one.as_object() {
                nested(one, skip, &format!("{path}.{key}[{at}]"), errors);
            }
        }
    }
    if let Some(not) = sub(schema, "not") {
        nested(not, false, &format!("{path}.not"), errors);
    }
    let source = text(schema, "pattern");
    if let (false, Err(reason)) = (source.is_empty(), pattern::compile(source)) {
        let detail = format!("must be a valid regular expression, but isn't: {reason}");
        errors.push(FieldError::invalid(
            format!("{path}.pattern"),
            &Value::from(source),
            detail,
        ));
    }
}

/// Fields that a schema below a junctor may not set, with the words for it.
const NESTED_FORBIDDEN: [(&str, &str); 13] = [
    ("type", "must be empty to be structural"),
    ("additionalProperties", "must be undefined to be structural"),
    ("default", "must be undefined to be structural"),
    ("title", "must be empty to be structural"),
    ("description", "must be empty to be structural"),
    ("nullable", "must be false to be structural"),
    ("x-kubernetes-preserve-unknown-fields", "must be false to be structural"),
    ("x-kubernetes-embedded-resource", "must be false to be structural"),
    ("x-kubernetes-int-or-string", "must be false to be structural"),
    ("x-kubernetes-list-map-keys", "must be empty to be structural"),
    ("x-kubernetes-list-type", "must be undefined to be structural"),
    ("x-kubernetes-map-type", "must be undefined to be structural"),
    ("x-kubernetes-validations", "must be empty to be structural"),
];

fn nested(schema: &Schema, skip_any: bool, path: &str, errors: &mut Vec<FieldError>) {
    junctors(schema, skip_any, false, path, errors);
    if let Some(items) = sub(schema, "items") {
        nested(items, false, &format!("{path}.items"), errors);
    }
    for (key, field) in properties(schema) {
        nested(field, false, &format!("{path}.properties[{key}]"), errors);
    }
    for (key, detail) in NESTED_FORBIDDEN {
        let set = schema.get(key).is_some_and(|value| {
            !(value.is_null()
                || *value == json!(false) && key != "additionalProperties"
                || *value == json!("")
                || *value == json!([]))
        });
        if set {
            errors.push(FieldError::forbidden(format!("{path}.{key}"), detail));
        }
    }
    if sub(schema, "properties").is_some_and(|fields| fields.contains_key("metadata")) {
        let detail = "must not be specified in a nested context";
        errors.push(FieldError::forbidden(format!("{path}.properties[metadata]"), detail));
    }
}

/// Every field that a junctor speaks of must be declared beside it.
fn junctor_fields(check: &Schema, declared: Option<&Schema>, path: &str, from: &str, errors: &mut Vec<FieldError>) {
    if let Some(not) = sub(check, "not") {
        nested_fields(not, declared, path, &format!("{from}.not"), errors);
    }
    for key in ["allOf", "anyOf", "oneOf"] {
        for (at, one) in list(check, key).iter().enumerate() {
            if let Some(one) = one.as_object() {
                nested_fields(one, declared, path, &format!("{from}.{key}[{at}]"), errors);
            }
        }
    }
}

fn nested_fields(check: &Schema, declared: Option<&Schema>, path: &str, from: &str, errors: &mut Vec<FieldError>) {
    let Some(declared) = declared else {
        errors.push(FieldError::required(path, format!("because it is defined in {from}")));
        return;
    };
    junctor_fields(check, Some(declared), path, from, errors);
    if let Some(items) = sub(check, "items") {
        nested_fields(
            items,
            sub(declared, "items"),
            &format!("{path}.items"),
            &format!("{from}.items"),
            errors,
        );
    }
    let fields = sub(declared, "properties");
    for (key, field) in properties(check) {
        let declared = fields.and_then(|fields| sub(fields, key));
        let (path, from) = (format!("{path}.properties[{key}]"), format!("{from}.properties[{key}]"));
        nested_fields(field, declared, &path, &from, errors);
    }
}

/// Defaults must be values that the schema itself would accept and keep.
pub(super) fn check_defaults(schema: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let Some(map) = schema.as_object() else { return };
    if let Some(items) = schema.get("items") {
        check_defaults(items, &format!("{path}.items"), errors);
    }
    for (key, _) in properties(map) {
        if let Some(field) = map.get("properties").and_then(|fields| fields.get(key)) {
            check_defaults(field, &format!("{path}.properties[{key}]"), errors);
        }
    }
    let Some(default) = map.get("default").filter(|default| !default.is_null()) else {
        return;
    };
    let node = Node::parse(schema);
    let path = format!("{path}.default");
    let mut pruned = default.clone();
    prune_value(&node, &mut pruned);
    if pruned != *default {
        errors.push(FieldError::invalid(
            path.clone(),
            default,
            "must not have unknown fields",
        ));
    }
    errors.extend(check::check(&node, default, None, &path));
}
