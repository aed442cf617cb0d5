//! Schemas by definition name: built-in ones as they are, custom ones made from their CRD.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use serde_json::{Map, Value, json};

use super::super::super::resources::{Flavor, Gvk, ResourceType};
use super::super::builtin_resources::GROUPS;
use super::super::definitions;

/// Where version 3 documents keep their schemas.
pub(super) const REF_PREFIX: &str = "#/components/schemas/";
const OBJECT_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";
/// Belongs to every group, so its definition names no kind.
const DELETE_OPTIONS: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions";
const LIST_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta";
/// How deep a CRD's schema is followed; what lies deeper is left as it is.
const MAX_DEPTH: usize = 64;

/// The definition name of a kind: `io.k8s.api.apps.v1.Deployment`, `com.example.v1.Widget`.
pub(super) fn definition_name(gvk: &Gvk) -> String {
    if let Some(name) = builtin_names().get(gvk) {
        return (*name).to_owned();
    }
    if *gvk == Gvk::new("", "v1", "DeleteOptions") {
        return DELETE_OPTIONS.to_owned();
    }
    let mut parts: Vec<&str> = gvk.group.split('.').rev().filter(|part| !part.is_empty()).collect();
    parts.extend([gvk.version.as_str(), gvk.kind.as_str()]);
    parts.join(".")
}

fn builtin_names() -> &'static BTreeMap<Gvk, &'static str> {
    static NAMES: OnceLock<BTreeMap<Gvk, &'static str>> = OnceLock::new();
    NAMES.get_or_init(|| {
        let mut names = BTreeMap::new();
        for (name, schema) in definitions::all() {
            let gvks = schema["x-kubernetes-group-version-kind"]
                .as_array()
                .into_iter()
                .flatten();
            for gvk in gvks {
                let text = |field: &str| gvk[field].as_str().unwrap_or_default();
                names.insert(Gvk::new(text("group"), text("version"), text("kind")), name.as_str());
            }
        }
        names
    })
}

/// A reference to a kind's schema. Built-in bodies without one (the options of `exec` and the like) are plain text.
pub(super) fn reference(gvk: &Gvk) -> Value {
    let name = definition_name(gvk);
    let builtin = GROUPS.iter().any(|rows| rows.group == gvk.group);
    if builtin && !definitions::all().contains_key(&name) {
        return json!({"type": "string"});
    }
    json!({"$ref": format!("{REF_PREFIX}{name}")})
}

/// Every schema that the paths or the resources' own schemas refer to, directly or not.
pub(super) fn closure(resources: &[&Arc<ResourceType>], paths: &Value) -> Map<String, Value> {
    let custom: BTreeMap<String, Value> = resources.iter().flat_map(|resource| custom_schemas(resource)).collect();
    let mut found: BTreeMap<String, Value> = BTreeMap::new();
    let mut open = Vec::new();
    collect(paths, &mut open);
    for resource in resources {
        open.push(definition_name(&resource.gvk));
        open.push(definition_name(&list_gvk(resource)));
    }
    while let Some(name) = open.pop() {
        if found.contains_key(&name) {
            continue;
        }
        let known = definitions::all()
            .get(&name)
            .map(|schema| with_alternatives(&name, published(&name, schema)));
        if let Some(schema) = custom.get(&name).cloned().or(known) {
            collect(&schema, &mut open);
            found.insert(name, schema);
        }
    }
    found.into_iter().collect()
}

/// References whose name may be left out, though the generated types always have one.
const NAME_OPTIONAL: [&str; 8] = [
    "io.k8s.api.core.v1.ConfigMapEnvSource",
    "io.k8s.api.core.v1.ConfigMapKeySelector",
    "io.k8s.api.core.v1.ConfigMapProjection",
    "io.k8s.api.core.v1.ConfigMapVolumeSource",
    "io.k8s.api.core.v1.LocalObjectReference",
    "io.k8s.api.core.v1.SecretEnvSource",
    "io.k8s.api.core.v1.SecretKeySelector",
    "io.k8s.api.core.v1.SecretProjection",
];

/// A built-in schema as the real server publishes it: what the generated types require and Kubernetes does not is
/// optional again.
pub(super) fn published(name: &str, schema: &Value) -> Value {
    let mut schema = schema.clone();
    let spared = if NAME_OPTIONAL.contains(&name) {
        Some("name")
    } else if schema["x-kubernetes-group-version-kind"].is_array() && name != "io.k8s.api.core.v1.Event" {
        Some("metadata")
    } else {
        None
    };
    let Some(map) = schema.as_object_mut() else {
        return schema;
    };
    if let Some(required) = map.get_mut("required").and_then(Value::as_array_mut) {
        required.retain(|field| field.as_str() != spared);
        if required.is_empty() {
            map.remove("required");
        }
    }
    schema
}

/// The two types that take text or a number say so; version 2 has no words for that.
fn with_alternatives(name: &str, mut schema: Value) -> Value {
    let kinds = match name {
        "io.k8s.apimachinery.pkg.util.intstr.IntOrString" => ["integer", "string"],
        "io.k8s.apimachinery.pkg.api.resource.Quantity" => ["string", "number"],
        _ => return schema,
    };
    if let Some(map) = schema.as_object_mut() {
        map.remove("type");
        map.insert("oneOf".into(), kinds.iter().map(|kind| json!({"type": kind})).collect());
    }
    schema
}

fn list_gvk(resource: &ResourceType) -> Gvk {
    Gvk::new(&resource.gvk.group, &resource.gvk.version, &resource.list_kind)
}

/// Names that a value refers to. Walks without recursion: a CRD's schema may nest deeply.
fn collect(value: &Value, into: &mut Vec<String>) {
    let mut open = vec![value];
    while let Some(value) = open.pop() {
        match value {
            Value::Object(map) => {
                if let Some(name) = map
                    .get("$ref")
                    .and_then(Value::as_str)
                    .and_then(|r| r.strip_prefix(REF_PREFIX))
                {
                    into.push(name.to_owned());
                }
                open.extend(map.values());
            }
            Value::Array(list) => open.extend(list),
            _ => {}
        }
    }
}

/// The schemas of a custom resource and of its list; none for a built-in one.
pub(super) fn custom_schemas(resource: &ResourceType) -> Vec<(String, Value)> {
    let Flavor::Custom(version) = &resource.flavor else {
        return Vec::new();
    };
    let mut own = version.openapi.clone();
    if !own.is_object() {
        own = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    }
    complete_embedded(&mut own, 0);
    complete(&mut own);
    let gvk = |gvk: &Gvk| json!([{"group": gvk.group, "version": gvk.version, "kind": gvk.kind}]);
    own["x-kubernetes-group-version-kind"] = gvk(&resource.gvk);
    let list = list_gvk(resource);
    let list_schema = json!({
        "description": format!("{} is a list of {}", list.kind, resource.gvk.kind),
        "type": "object",
        "required": ["items"],
        "properties": {
            "apiVersion": pod_field("apiVersion"), "kind": pod_field("kind"),
            "metadata": {"allOf": [{"$ref": format!("{REF_PREFIX}{LIST_META}")}]},
            "items": {
                "description": format!("List of {}.", resource.plural),
                "type": "array", "items": reference(&resource.gvk),
            },
        },
        "x-kubernetes-group-version-kind": gvk(&list),
    });
    vec![
        (definition_name(&resource.gvk), own),
        (definition_name(&list), list_schema),
    ]
}

/// apiVersion, kind and metadata look the same in every kind; a CRD need not spell them out.
fn complete(schema: &mut Value) {
    if !schema["properties"].is_object() {
        schema["properties"] = json!({});
    }
    for field in ["apiVersion", "kind", "metadata"] {
        schema["properties"][field] = pod_field(field);
    }
}

fn pod_field(field: &str) -> Value {
    let pod = definitions::all().get("io.k8s.api.core.v1.Pod");
    let known = pod
        .map(|schema| schema["properties"][field].clone())
        .filter(|schema| !schema.is_null());
    known.unwrap_or_else(|| match field {
        "metadata" => json!({"allOf": [{"$ref": format!("{REF_PREFIX}{OBJECT_META}")}]}),
        _ => json!({"type": "string"}),
    })
}

/// Spells out what a CRD may leave unsaid: that an int-or-string is either, and what every whole resource inside a
/// custom one has.
fn complete_embedded(schema: &mut Value, depth: usize) {
    if depth > MAX_DEPTH {
        return;
    }
    if let Some(properties) = schema.get_mut("properties").and_then(Value::as_object_mut) {
        for property in properties.values_mut() {
            complete_embedded(property, depth + 1);
        }
    }
    for field in ["items", "additionalProperties"] {
        if let Some(inner) = schema.get_mut(field).filter(|inner| inner.is_object()) {
            complete_embedded(inner, depth + 1);
        }
    }
    if schema["x-kubernetes-int-or-string"] == true && schema["anyOf"].is_null() {
        schema["anyOf"] = json!([{"type": "integer"}, {"type": "string"}]);
    }
    if depth > 0 && schema["x-kubernetes-embedded-resource"] == true {
        complete(schema);
        schema["required"] = json!(["kind", "apiVersion"]);
    }
}
