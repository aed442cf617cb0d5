//! What a schema of a definition may contain at all, beyond being structural; and the acceptance of its CEL rules.

use serde_json::{Map, Value};

use super::super::structural::{flag, strings, text};
use crate::world::kube::api_error::FieldError;

type Schema = Map<String, Value>;

/// Types of OpenAPI v3.
const TYPES: [&str; 6] = ["array", "boolean", "integer", "number", "object", "string"];
/// Parts of JSON schema that definitions may not use.
const UNSUPPORTED: [(&str, &str); 6] = [
    ("id", "id is not supported"),
    ("additionalItems", "additionalItems is not supported"),
    ("patternProperties", "patternProperties is not supported"),
    ("definitions", "definitions is not supported"),
    ("dependencies", "dependencies is not supported"),
    ("$ref", "$ref is not supported"),
];

/// What surrounds a schema.
#[derive(Clone, Copy)]
struct Place<'a> {
    root: bool,
    /// Why defaults are not allowed here.
    no_defaults: Option<&'a str>,
    in_meta: bool,
}

/// Checks a whole schema. `sound` says that it is structural, without which its CEL rules cannot be compiled.
pub(super) fn check(schema: &Value, old: Option<&Value>, path: &str, sound: bool, errors: &mut Vec<FieldError>) {
    let before = errors.len();
    let place = Place {
        root: true,
        no_defaults: None,
        in_meta: false,
    };
    if let Some(map) = schema.as_object() {
        walk(map, place, path, errors);
    }
    if sound && errors.len() == before {
        let unchanged = old.is_some_and(|old| {
            let before = super::versions(old)
                .iter()
                .filter_map(|version| version.pointer("/schema/openAPIV3Schema"));
            before.into_iter().any(|before| before == schema)
        });
        super::rules::check(schema, unchanged, path, errors);
    }
}

fn walk(schema: &Schema, place: Place<'_>, path: &str, errors: &mut Vec<FieldError>) {
    basics(schema, place, path, errors);
    let inner = Place { root: false, ..place };
    let additional = schema.get("additionalProperties").filter(|value| !value.is_null());
    let fields = schema.get("properties").and_then(Value::as_object);
    if let Some(additional) = additional {
        if fields.is_some_and(|fields| !fields.is_empty()) && *additional != Value::Bool(true) {
            let detail = "additionalProperties and properties are mutual exclusive";
            errors.push(FieldError::forbidden(format!("{path}.additionalProperties"), detail));
        }
        let reason = place
            .in_meta
            .then_some("inside additionalProperties applying to object metadata");
        let place = Place {
            no_defaults: reason.or(inner.no_defaults),
            ..inner
        };
        if let Some(values) = additional.as_object() {
            walk(values, place, &format!("{path}.additionalProperties"), errors);
        }
    }
    for (key, field) in fields.into_iter().flatten() {
        let Some(field) = field.as_object() else { continue };
        let resource = place.root || flag(schema, "x-kubernetes-embedded-resource");
        let meta = resource && matches!(key.as_str(), "metadata" | "kind" | "apiVersion");
        let reason = format!("in top-level {key}");
        let place = Place {
            root: false,
            no_defaults: Some(reason.as_str())
                .filter(|_| meta && place.root)
                .or(inner.no_defaults),
            in_meta: inner.in_meta || meta,
        };
        walk(field, place, &format!("{path}.properties[{key}]"), errors);
    }
    if let Some(not) = schema.get("not").and_then(Value::as_object) {
        walk(not, inner, &format!("{path}.not"), errors);
    }
    for key in ["allOf", "oneOf", "anyOf"] {
        let list = schema.get(key).and_then(Value::as_array).into_iter().flatten();
        for (at, one) in list.enumerate() {
            if let Some(one) = one.as_object() {
                walk(one, inner, &format!("{path}.{key}[{at}]"), errors);
            }
        }
    }
    if let Some(items) = schema.get("items").and_then(Value::as_object) {
        walk(items, inner, &format!("{path}.items"), errors);
    }
    extensions(schema, path, errors);
    list_map(schema, path, errors);
    rule_forms(schema, path, errors);
}

fn basics(schema: &Schema, place: Place<'_>, path: &str, errors: &mut Vec<FieldError>) {
    let set = |key: &str| schema.get(key).is_some_and(|value| !value.is_null() && value != "");
    let kind = text(schema, "type");
    if !kind.is_empty() && !TYPES.contains(&kind) {
        errors.push(FieldError::not_supported(
            format!("{path}.type"),
            &Value::from(kind),
            &TYPES,
        ));
    }
    if let (true, Some(reason)) = (set("default"), place.no_defaults) {
        errors.push(FieldError::forbidden(
            format!("{path}.default"),
            format!("must not be set {reason}"),
        ));
    }
    for (key, detail) in UNSUPPORTED {
        if set(key) {
            errors.push(FieldError::forbidden(format!("{path}.{key}"), detail));
        }
    }
    if kind == "null" {
        let detail = "type cannot be set to null, use nullable as an alternative";
        errors.push(FieldError::forbidden(format!("{path}.type"), detail));
    }
    if schema.get("items").is_some_and(Value::is_array) {
        errors.push(FieldError::forbidden(
            format!("{path}.items"),
            "items must be a schema object and not an array",
        ));
    }
    if place.in_meta && flag(schema, "x-kubernetes-embedded-resource") {
        let detail = "must not be used inside of resource meta";
        errors.push(FieldError::forbidden(
            format!("{path}.x-kubernetes-embedded-resource"),
            detail,
        ));
    }
    if flag(schema, "uniqueItems") {
        let detail = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic";
        errors.push(FieldError::forbidden(format!("{path}.uniqueItems"), detail));
    }
}

fn extensions(schema: &Schema, path: &str, errors: &mut Vec<FieldError>) {
    if schema.get("x-kubernetes-preserve-unknown-fields") == Some(&Value::Bool(false)) {
        let path = format!("{path}.x-kubernetes-preserve-unknown-fields");
        errors.push(FieldError::invalid(
            path,
            &Value::Bool(false),
            "must be true or undefined",
        ));
    }
    for (key, wanted, allowed) in [
        ("x-kubernetes-map-type", "object", &["atomic", "granular"][..]),
        ("x-kubernetes-list-type", "array", &["atomic", "set", "map"][..]),
    ] {
        let Some(value) = schema.get(key).filter(|value| !value.is_null()) else {
            continue;
        };
        let kind = text(schema, "type");
        let detail = format!("must be {wanted} if {key} is specified");
        if kind.is_empty() {
            errors.push(FieldError::required(format!("{path}.type"), detail));
        } else if kind != wanted {
            errors.push(FieldError::invalid(format!("{path}.type"), &Value::from(kind), detail));
        } else if key == "x-kubernetes-list-type" && value == "set" {
            set_items(schema, path, errors);
        }
        if !allowed.iter().any(|one| value == one) {
            errors.push(FieldError::not_supported(format!("{path}.{key}"), value, allowed));
        }
    }
}

/// Entries of a set are compared as a whole.
fn set_items(schema: &Schema, path: &str, errors: &mut Vec<FieldError>) {
    let Some(items) = schema.get("items").and_then(Value::as_object) else {
        return;
    };
    let detail = "must be atomic as item of a list with x-kubernetes-list-type=set";
    let list_type = items.get("x-kubernetes-list-type").cloned().unwrap_or(Value::Null);
    let wrong = match text(items, "type") {
        "array" if !list_type.is_null() && list_type != "atomic" => "x-kubernetes-list-type",
        "object" if text(items, "x-kubernetes-map-type") != "atomic" => "x-kubernetes-map-type",
        _ => return,
    };
    errors.push(FieldError::invalid(format!("{path}.items.{wrong}"), &list_type, detail));
}

fn list_map(schema: &Schema, path: &str, errors: &mut Vec<FieldError>) {
    let keys = strings(schema, "x-kubernetes-list-map-keys");
    let list_type = text(schema, "x-kubernetes-list-type");
    if !keys.is_empty() && list_type != "map" {
        let path = format!("{path}.x-kubernetes-list-type");
        let detail = "must be map if x-kubernetes-list-map-keys is non-empty";
        errors.push(if list_type.is_empty() {
            FieldError::required(path, detail)
        } else {
            FieldError::invalid(path, &Value::from(list_type), detail)
        });
    }
    let items = schema.get("items").and_then(Value::as_object);
    if list_type == "map" {
        map_keys(schema, &keys, path, errors);
    }
    let nullable = items.is_some_and(|items| flag(items, "nullable"));
    if nullable && matches!(list_type, "set" | "map") {
        let detail = format!("cannot be nullable when x-kubernetes-list-type is {list_type}");
        errors.push(FieldError::forbidden(format!("{path}.items.nullable"), detail));
    }
    let Some(items) = items.filter(|_| list_type == "map") else {
        return;
    };
    let required = strings(items, "required");
    let fields = items.get("properties").and_then(Value::as_object);
    for key in &keys {
        let Some(field) = fields.and_then(|fields| fields.get(key)).and_then(Value::as_object) else {
            continue;
        };
        let path = format!("{path}.items.properties[{key}]");
        if !required.contains(key) && field.get("default").is_none_or(Value::is_null) {
            let detail =
                "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property";
            errors.push(FieldError::required(format!("{path}.default"), detail));
        }
        if flag(field, "nullable") {
            let detail = "this property is in x-kubernetes-list-map-keys, so it cannot be nullable";
            errors.push(FieldError::forbidden(format!("{path}.nullable"), detail));
        }
    }
}

fn map_keys(schema: &Schema, keys: &[String], path: &str, errors: &mut Vec<FieldError>) {
    let at = format!("{path}.x-kubernetes-list-map-keys");
    if keys.is_empty() {
        errors.push(FieldError::required(
            at.clone(),
            "must not be empty if x-kubernetes-list-type is map",
        ));
    }
    let Some(items) = schema.get("items").and_then(Value::as_object) else {
        let detail = "must have a schema if x-kubernetes-list-type is map";
        errors.push(FieldError::required(format!("{path}.items"), detail));
        return;
    };
    let kind = text(items, "type");
    if kind != "object" {
        let detail = "must be object if parent array's x-kubernetes-list-type is map";
        errors.push(FieldError::invalid(
            format!("{path}.items.type"),
            &Value::from(kind),
            detail,
        ));
        return;
    }
    let fields = items.get("properties").and_then(Value::as_object);
    let shown = Value::from(keys.to_vec());
    for (position, key) in keys.iter().enumerate() {
        match fields.and_then(|fields| fields.get(key)).and_then(Value::as_object) {
            None => errors.push(FieldError::invalid(
                at.clone(),
                &shown,
                "entries must all be names of item properties",
            )),
            Some(field) if matches!(text(field, "type"), "array" | "object") => {
                let path = format!("{path}.items.properties[{key}].type");
                let detail = "must be a scalar type if parent array's x-kubernetes-list-type is map";
                errors.push(FieldError::invalid(path, &Value::from(kind), detail));
            }
            Some(_) => {}
        }
        if keys.iter().take(position).any(|other| other == key) {
            errors.push(FieldError::invalid(
                at.clone(),
                &shown,
                "must not contain duplicate entries",
            ));
        }
    }
}

/// Reasons that a rule may give.
const REASONS: [&str; 4] = [
    "FieldValueDuplicate",
    "FieldValueForbidden",
    "FieldValueInvalid",
    "FieldValueRequired",
];

/// The form of `x-kubernetes-validations`, before anything is compiled.
fn rule_forms(schema: &Schema, path: &str, errors: &mut Vec<FieldError>) {
    let list = schema
        .get("x-kubernetes-validations")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    for (at, rule) in list.enumerate() {
        let Some(rule) = rule.as_object() else { continue };
        let path = format!("{path}.x-kubernetes-validations[{at}]");
        let broken = |text: &str| text.contains(['\n', '\r']);
        let (source, message) = (text(rule, "rule").trim(), text(rule, "message"));
        let shown = Value::from(message);
        if source.is_empty() {
            errors.push(FieldError::required(format!("{path}.rule"), "rule is not specified"));
        } else if !message.is_empty() && message.trim().is_empty() {
            errors.push(FieldError::invalid(
                format!("{path}.message"),
                &shown,
                "must be non-empty if specified",
            ));
        } else if broken(message.trim()) {
            errors.push(FieldError::invalid(
                format!("{path}.message"),
                &shown,
                "must not contain line breaks",
            ));
        } else if broken(source) && message.trim().is_empty() {
            let detail = "message must be specified if rule contains line breaks";
            errors.push(FieldError::required(format!("{path}.message"), detail));
        }
        let expression = text(rule, "messageExpression");
        if !expression.is_empty() && expression.trim().is_empty() {
            let detail = "messageExpression must be non-empty if specified";
            errors.push(FieldError::required(format!("{path}.messageExpression"), detail));
        }
        if let Some(reason) = rule.get("reason").filter(|reason| !reason.is_null())
            && !REASONS.iter().any(|known| reason == known)
        {
            errors.push(FieldError::not_supported(format!("{path}.reason"), reason, &REASONS));
        }
        let field = text(rule, "fieldPath");
        let mut wrong = |detail: &str| {
            errors.push(FieldError::invalid(
                format!("{path}.fieldPath"),
                &Value::from(field),
                detail,
            ));
        };
        if !field.is_empty() && field.trim().is_empty() {
            wrong("must be non-empty if specified");
        }
        if broken(field) {
            wrong("must not contain line breaks");
        }
        if !field.is_empty() && !super::super::cel::field_path::is_valid(schema, field) {
            wrong("must be a valid path");
        }
    }
}
