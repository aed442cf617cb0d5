//! The version 2 document: all definitions in one, with the paths reduced to what kubectl reads (patch parameters).
//! Version 2 cannot say all that version 3 says; what it cannot is left out, as the real server leaves it out.

use serde_json::{Map, Value, json};

use super::super::super::resources::{Flavor, Registry};
use super::super::definitions;
use super::schemas::{REF_PREFIX, custom_schemas, published};

/// How deep a schema is followed.
const MAX_DEPTH: usize = 64;

pub(super) fn document(registry: &Registry) -> Value {
    let mut all: Map<String, Value> = definitions::all()
        .iter()
        .map(|(name, schema)| (name.clone(), lowered(&published(name, schema), 0)))
        .collect();
    let mut paths = Map::new();
    for resource in registry.iter() {
        if let Flavor::Custom(_) = resource.flavor {
            all.extend(
                custom_schemas(resource)
                    .iter()
                    .map(|(name, schema)| (name.clone(), lowered(schema, 0))),
            );
        }
        let mut own = Map::new();
        super::paths::add(&mut own, resource);
        paths.extend(
            own.into_iter()
                .filter_map(|(path, item)| Some((path, patch_only(&item)?))),
        );
    }
    json!({
        "swagger": "2.0",
        "info": {"title": "Kubernetes", "version": "1.36"},
        "paths": paths,
        "definitions": all,
        "securityDefinitions": {"BearerToken": super::bearer_token()},
        "security": [{"BearerToken": []}],
    })
}

fn patch_only(item: &Value) -> Option<Value> {
    let patch = item.get("patch")?;
    let parameters = patch["parameters"].as_array()?.iter().map(|parameter| {
        json!({
            "name": parameter["name"], "in": "query", "description": parameter["description"],
            "type": parameter["schema"]["type"], "uniqueItems": true,
        })
    });
    Some(json!({"patch": {
        "parameters": parameters.collect::<Vec<_>>(),
        "responses": {"200": {"description": "OK"}, "401": {"description": "Unauthorized"}},
        "x-kubernetes-action": patch["x-kubernetes-action"],
        "x-kubernetes-group-version-kind": patch["x-kubernetes-group-version-kind"],
    }}))
}

/// A version 3 schema in the words of version 2.
pub(super) fn lowered(schema: &Value, depth: usize) -> Value {
    let Some(map) = schema.as_object().filter(|_| depth <= MAX_DEPTH) else {
        return json!({});
    };
    let flag = |name: &str| map.get(name) == Some(&Value::Bool(true));
    let open = flag("x-kubernetes-preserve-unknown-fields");
    let untyped = open || flag("nullable") || flag("x-kubernetes-int-or-string");
    let mut out = Map::new();
    for (key, value) in map {
        let lower = match key.as_str() {
            "$ref" => value
                .as_str()
                .map(|text| Value::from(text.replace(REF_PREFIX, "#/definitions/"))),
            "allOf" => {
                // The one use of allOf in our documents: a reference with something beside it.
                let target = value[0]["$ref"].as_str();
                if let Some(target) = target {
                    out.insert("$ref".into(), target.replace(REF_PREFIX, "#/definitions/").into());
                }
                None
            }
            "type" if untyped => None,
            "properties" | "items" | "additionalProperties" if open => None,
            "properties" => value.as_object().map(|properties| {
                let lower = properties
                    .iter()
                    .map(|(name, schema)| (name.clone(), lowered(schema, depth + 1)));
                Value::Object(lower.collect())
            }),
            "items" => Some(lowered(value, depth + 1)),
            "additionalProperties" if value.is_object() => Some(lowered(value, depth + 1)),
            "anyOf" | "oneOf" | "not" | "nullable" | "default" | "example" => None,
            _ => Some(value.clone()),
        };
        out.extend(lower.map(|lower| (key.clone(), lower)));
    }
    Value::Object(out)
}
