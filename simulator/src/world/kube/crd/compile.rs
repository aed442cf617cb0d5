//! From an accepted definition to the resources it serves.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::CompiledVersion;
use super::columns::Column;
use super::objects::ScalePaths;
use super::structural::{Node, flag, strings, text};
use crate::world::kube::api_error::ApiError;
use crate::world::kube::resources::{Flavor, Gvk, ResourceType, Subresource};
use crate::world::kube::schema::TypeSchema;

/// Verbs of custom resources, in discovery's order.
const VERBS: [&str; 8] = [
    "delete",
    "deletecollection",
    "get",
    "list",
    "patch",
    "create",
    "update",
    "watch",
];

/// One resource for each served version of a definition.
///
/// # Errors
/// A definition that validation would not have let through, or that converts by webhook.
pub fn compile(crd: &Value) -> Result<Vec<ResourceType>, ApiError> {
    let spec = crd.get("spec").and_then(Value::as_object);
    let spec = spec.ok_or_else(|| ApiError::internal("the definition has no spec"))?;
    let empty = Map::new();
    // What was accepted is served, which may differ from what is asked for while names clash.
    let accepted = crd.pointer("/status/acceptedNames").and_then(Value::as_object);
    let names = accepted
        .filter(|names| !text(names, "plural").is_empty())
        .or_else(|| spec.get("names").and_then(Value::as_object))
        .unwrap_or(&empty);
    let versions = spec
        .get("versions")
        .and_then(Value::as_array)
        .map(Vec::as_slice)
        .unwrap_or_default();
    if crd.pointer("/spec/conversion/strategy").and_then(Value::as_str) == Some("Webhook") {
        return Err(ApiError::bad_request(
            "spec.conversion.strategy Webhook is not supported by this server; use None",
        ));
    }
    let storage = versions
        .iter()
        .find(|version| version.get("storage") == Some(&Value::Bool(true)));
    let storage = storage
        .and_then(|version| version.get("name"))
        .and_then(Value::as_str)
        .unwrap_or_default();
    let served = versions
        .iter()
        .filter_map(Value::as_object)
        .filter(|version| flag(version, "served"));
    let stored = versions
        .iter()
        .filter_map(Value::as_object)
        .find(|version| text(version, "name") == storage)
        .map(|version| Arc::new(CompiledVersion::new(spec, names, version)));
    Ok(served
        .map(|version| resource(spec, names, version, (storage, stored.as_ref())))
        .collect())
}

fn resource(
    spec: &Map<String, Value>,
    names: &Map<String, Value>,
    version: &Map<String, Value>,
    (storage, stored): (&str, Option<&Arc<CompiledVersion>>),
) -> ResourceType {
    let compiled = Arc::new(CompiledVersion {
        stored: stored.filter(|_| text(version, "name") != storage).cloned(),
        ..CompiledVersion::new(spec, names, version)
    });
    let mut subresources = Vec::new();
    if compiled.has_status {
        subresources.push(Subresource::Status);
    }
    if compiled.scale.is_some() {
        subresources.push(Subresource::Scale);
    }
    ResourceType {
        gvk: compiled.gvk.clone(),
        plural: text(names, "plural").into(),
        singular: text(names, "singular").into(),
        list_kind: text(names, "listKind").into(),
        short_names: strings(names, "shortNames"),
        categories: strings(names, "categories"),
        namespaced: text(spec, "scope") == "Namespaced",
        verbs: VERBS.to_vec(),
        subresources,
        storage_version: storage.into(),
        flavor: Flavor::Custom(compiled),
    }
}

impl CompiledVersion {
    fn new(spec: &Map<String, Value>, names: &Map<String, Value>, version: &Map<String, Value>) -> Self {
        let gvk = Gvk::new(text(spec, "group"), text(version, "name"), text(names, "kind"));
        let as_value = Value::Object(version.clone());
        let openapi = as_value
            .pointer("/schema/openAPIV3Schema")
            .cloned()
            .unwrap_or_else(|| json!({}));
        let mut root = Node::parse(&openapi);
        root.compile_rules(true);
        let warning = flag(version, "deprecated").then(|| {
            let own = Some(text(version, "deprecationWarning")).filter(|text| !text.is_empty());
            own.map_or_else(
                || format!("{} {} is deprecated{}", gvk.api_version(), gvk.kind, better(spec, &gvk)),
                str::to_owned,
            )
        });
        Self {
            merge: TypeSchema::from_openapi(&openapi)
                .with_status_subresource(as_value.pointer("/subresources/status").is_some_and(Value::is_object)),
            openapi,
            root,
            columns: Column::parse_all(&as_value),
            scale: ScalePaths::parse(&as_value),
            selectable: selectable(&as_value),
            stored: None,
            has_status: as_value.pointer("/subresources/status").is_some_and(Value::is_object),
            warning,
            gvk,
        }
    }
}

/// The version to use instead of a deprecated one: the newest of the others that is not deprecated itself.
fn better(spec: &Map<String, Value>, gvk: &Gvk) -> String {
    let versions = spec.get("versions").and_then(Value::as_array).into_iter().flatten();
    let others = versions
        .filter_map(Value::as_object)
        .filter(|version| flag(version, "served") && !flag(version, "deprecated"))
        .map(|version| text(version, "name"));
    let newest = others.max_by_key(|name| rank(name));
    match newest {
        Some(name) if rank(name) > rank(&gvk.version) => format!("; use {}/{name} {}", gvk.group, gvk.kind),
        _ => String::new(),
    }
}

/// Kubernetes' order of versions: `v1alpha1` before `v1beta1` before `v1` before `v2`.
fn rank(version: &str) -> (u8, u32, u32) {
    let rest = version.trim_start_matches('v');
    let number = |text: &str| text.parse().unwrap_or(0);
    match (rest.split_once("alpha"), rest.split_once("beta")) {
        (Some((major, minor)), _) => (0, number(major), number(minor)),
        (_, Some((major, minor))) => (1, number(major), number(minor)),
        _ => (2, number(rest), 0),
    }
}

/// `selectableFields` as dotted paths without the leading dot.
fn selectable(version: &Value) -> Vec<String> {
    let fields = version
        .get("selectableFields")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    let paths = fields.filter_map(|field| field.get("jsonPath").and_then(Value::as_str));
    paths.map(|path| path.trim_start_matches('.').to_owned()).collect()
}

/// Conversion with strategy None: only `apiVersion` changes.
pub fn convert(object: &mut Value, to_api_version: &str) {
    if let Some(map) = object.as_object_mut() {
        map.insert("apiVersion".into(), to_api_version.into());
    }
}
