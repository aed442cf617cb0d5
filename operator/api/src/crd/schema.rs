//! From `schemars`' JSON Schema to the structural schema that the API server takes.

use crate::schemaless::STRICT;
use schemars::{JsonSchema, SchemaGenerator, generate::SchemaSettings};
use serde_json::{Map, Value, json};

/// The structural schema of a kind, with `metadata` left to the API server.
pub(super) fn of<T: JsonSchema>() -> Value {
    let mut schema = structural(generate::<T>(), Form::Crd);
    if let Some(metadata) = schema.pointer_mut("/properties/metadata") {
        *metadata = json!({ "type": "object" });
    }
    if let Some(Value::Array(required)) = schema.get_mut("required") {
        required.retain(|field| field != "apiVersion" && field != "kind" && field != "metadata");
    }
    schema
}

/// The same kind with every field spelled out, metadata and pod templates included.
pub(super) fn strict<T: JsonSchema>() -> Value {
    structural(generate::<T>(), Form::Strict)
}

fn generate<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| {
        settings.inline_subschemas = true;
        settings.meta_schema = None;
    });
    SchemaGenerator::new(settings).into_root_schema_for::<T>().to_value()
}

#[derive(Clone, Copy, PartialEq)]
enum Form {
    Crd,
    Strict,
}

/// Keywords of JSON Schema that mean nothing here, or that `schemars` adds where we did not ask for it. Our own
/// defaults travel as `x-default`.
const DROPPED: [&str; 4] = ["title", "$schema", "default", "writeOnly"];

fn structural(schema: Value, form: Form) -> Value {
    let Value::Object(mut schema) = schema else {
        return json!({});
    };
    if form == Form::Strict
        && let Some(strict) = schema.remove(STRICT)
    {
        return structural(strict, form);
    }
    schema.remove(STRICT);
    for keyword in DROPPED {
        schema.remove(keyword);
    }
    if let Some(default) = schema.remove("x-default") {
        schema.insert("default".to_owned(), default);
    }
    required_fields(&mut schema);
    let schema = closed_enum(without_null(schema));
    let mut out = Map::new();
    for (keyword, value) in schema {
        let value = match keyword.as_str() {
            "properties" => match value {
                Value::Object(fields) => fields
                    .into_iter()
                    .map(|(name, field)| (name, structural(field, form)))
                    .collect(),
                other => other,
            },
            "items" | "additionalProperties" if value.is_object() => structural(value, form),
            "format" if !matches!(value.as_str(), Some("int32" | "int64" | "date-time")) => continue,
            "description" => one_line(&value),
            _ => value,
        };
        out.insert(keyword, value);
    }
    Value::Object(out)
}

/// `x-required` marks a field that must be written although its Rust type tolerates its absence (an object that is
/// already stored without it stays readable).
fn required_fields(schema: &mut Map<String, Value>) {
    let Some(Value::Object(fields)) = schema.get_mut("properties") else {
        return;
    };
    let mut required: Vec<Value> = Vec::new();
    for (name, field) in fields {
        if let Value::Object(field) = field
            && field.remove("x-required").is_some()
        {
            required.push(name.as_str().into());
        }
    }
    if required.is_empty() {
        return;
    }
    if let Value::Array(all) = schema.entry("required").or_insert_with(|| json!([])) {
        all.extend(required);
    }
}

/// `Option<T>` is written as a type list, an enum or an alternative with null. The API server leaves out what is not
/// set, so null is not a value of its own.
fn without_null(mut schema: Map<String, Value>) -> Map<String, Value> {
    if let Some(Value::Array(types)) = schema.get("type")
        && let Some(only) = types.iter().find(|kind| *kind != "null").cloned()
    {
        schema.insert("type".to_owned(), only);
    }
    if let Some(Value::Array(values)) = schema.get_mut("enum") {
        values.retain(|value| !value.is_null());
    }
    if schema.contains_key("x-kubernetes-int-or-string") {
        return schema;
    }
    if let Some(Value::Array(options)) = schema.get("anyOf")
        && let [Value::Object(only)] = options.iter().filter(|o| o["type"] != "null").collect::<Vec<_>>()[..]
    {
        let only = without_null(only.clone());
        schema.remove("anyOf");
        for (keyword, value) in only {
            schema.entry(keyword).or_insert(value);
        }
    }
    schema
}

/// An enum whose variants carry docs is written as alternatives of one constant each.
fn closed_enum(mut schema: Map<String, Value>) -> Map<String, Value> {
    let values: Option<Vec<Value>> = schema.get("oneOf").and_then(Value::as_array).map(|options| {
        options
            .iter()
            .filter_map(|option| option.get("const").cloned())
            .collect()
    });
    if let Some(values) = values {
        schema.remove("oneOf");
        schema.insert("type".to_owned(), "string".into());
        schema.insert("enum".to_owned(), Value::Array(values));
    }
    schema
}

/// Doc comments are wrapped in the source; a description is one paragraph a line.
fn one_line(description: &Value) -> Value {
    let text = description.as_str().unwrap_or_default();
    let paragraphs: Vec<String> = text
        .split("\n\n")
        .map(|paragraph| paragraph.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    paragraphs.join("\n\n").into()
}
