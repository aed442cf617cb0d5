//! What a write does to a custom object besides its schema: status split, generation, scale paths, embedded resources.

use serde_json::{Map, Value, json};

use super::path::{Path, Segment};
use super::structural::{Additional, Node, same};
use crate::world::kube::api_error::FieldError;

/// `subresources.scale` of a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScalePaths {
    /// e.g. `.spec.replicas`
    pub spec_replicas: String,
    /// e.g. `.status.replicas`
    pub status_replicas: String,
    /// e.g. `.status.selector`
    pub label_selector: Option<String>,
}

impl ScalePaths {
    pub(super) fn parse(version: &Value) -> Option<Self> {
        let scale = version.pointer("/subresources/scale")?;
        let text = |key: &str| scale.get(key).and_then(Value::as_str).map(str::to_owned);
        Some(Self {
            spec_replicas: text("specReplicasPath").unwrap_or_default(),
            status_replicas: text("statusReplicasPath").unwrap_or_default(),
            label_selector: text("labelSelectorPath").filter(|path| !path.is_empty()),
        })
    }

    /// `spec.replicas` of the object, if it has one.
    #[must_use]
    pub fn replicas(&self, object: &Value) -> Option<i64> {
        nested(object, &self.spec_replicas)
            .ok()
            .flatten()
            .and_then(Value::as_i64)
    }

    /// Sets `spec.replicas`, creating the objects on the way.
    pub fn set_replicas(&self, object: &mut Value, replicas: i64) {
        let mut at = object;
        for part in self.spec_replicas.trim_start_matches('.').split('.') {
            if !at.is_object() {
                *at = json!({});
            }
            at = &mut at[part];
        }
        *at = replicas.into();
    }

    /// The `autoscaling/v1` Scale of a custom object.
    #[must_use]
    pub fn scale_of(&self, object: &Value) -> Value {
        let meta = |key: &str| object.pointer(&format!("/metadata/{key}")).cloned();
        let mut metadata = Map::new();
        for key in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
            metadata.extend(meta(key).map(|value| (key.to_owned(), value)));
        }
        let status_replicas = nested(object, &self.status_replicas)
            .ok()
            .flatten()
            .and_then(Value::as_i64);
        let mut scale = json!({
            "kind": "Scale", "apiVersion": "autoscaling/v1", "metadata": metadata,
            "spec": {}, "status": {"replicas": status_replicas.unwrap_or(0)},
        });
        if let Some(replicas) = self.replicas(object).filter(|replicas| *replicas != 0) {
            scale["spec"]["replicas"] = replicas.into();
        }
        let selector = self
            .label_selector
            .as_deref()
            .and_then(|path| nested(object, path).ok().flatten());
        if let Some(selector) = selector.and_then(Value::as_str).filter(|text| !text.is_empty()) {
            scale["status"]["selector"] = selector.into();
        }
        scale
    }

    /// Replica counts that the scale subresource could not show.
    pub(super) fn check(&self, object: &Value, with_spec: bool) -> Vec<FieldError> {
        let mut errors = Vec::new();
        if with_spec {
            check_count(object, &self.spec_replicas, &mut errors);
        }
        check_count(object, &self.status_replicas, &mut errors);
        if let Some(path) = &self.label_selector {
            match nested(object, path) {
                Ok(Some(value)) if !value.is_string() => {
                    let detail = accessor_error(path, value, "string");
                    errors.push(FieldError::invalid(path.as_str(), &Value::from(""), detail));
                }
                Ok(_) => {}
                Err(detail) => errors.push(FieldError::invalid(path.as_str(), &Value::from(""), detail)),
            }
        }
        errors
    }
}

fn check_count(object: &Value, path: &str, errors: &mut Vec<FieldError>) {
    let (count, detail) = match nested(object, path) {
        Err(detail) => (0, detail),
        Ok(None) => return,
        Ok(Some(value)) => match value.as_i64() {
            None => (0, accessor_error(path, value, "int64")),
            Some(count) if count < 0 => (count, "should be a non-negative integer".into()),
            Some(count) if count > i64::from(i32::MAX) => {
                (count, format!("should be less than or equal to {}", i32::MAX))
            }
            Some(_) => return,
        },
    };
    errors.push(FieldError::invalid(path, &Value::from(count), detail));
}

/// The value at a simple dotted path; an error where something on the way is not an object.
fn nested<'v>(object: &'v Value, path: &str) -> Result<Option<&'v Value>, String> {
    let mut at = object;
    for part in path.trim_start_matches('.').split('.') {
        match at {
            Value::Object(map) => match map.get(part) {
                Some(next) => at = next,
                None => return Ok(None),
            },
            Value::Null => return Ok(None),
            other => return Err(accessor_error(path, other, "map[string]interface{}")),
        }
    }
    Ok(Some(at))
}

fn accessor_error(path: &str, value: &Value, wanted: &str) -> String {
    let (shown, kind) = match value {
        Value::Null => ("<nil>".into(), "<nil>"),
        Value::Bool(_) => (value.to_string(), "bool"),
        Value::Number(number) if number.is_i64() => (value.to_string(), "int64"),
        Value::Number(_) => (value.to_string(), "float64"),
        Value::String(text) => (text.clone(), "string"),
        Value::Array(_) => (value.to_string(), "[]interface {}"),
        Value::Object(_) => (value.to_string(), "map[string]interface {}"),
    };
    let path = path.trim_start_matches('.');
    format!(".{path} accessor error: {shown} is of the type {kind}, expected {wanted}")
}

/// A create cannot set status where it is a subresource; generation starts at 1.
pub(super) fn prepare_create(object: &mut Value, has_status: bool) {
    let Some(map) = object.as_object_mut() else { return };
    if has_status {
        map.remove("status");
    }
    set_generation(map, 1);
}

/// A write of the main resource keeps the stored status, and counts the generation up when anything but metadata changed.
pub(super) fn prepare_update(new: &mut Value, old: &Value, has_status: bool) {
    let (Some(map), Some(before)) = (new.as_object_mut(), old.as_object()) else {
        return;
    };
    if has_status {
        match before.get("status") {
            Some(status) => map.insert("status".into(), status.clone()),
            None => map.remove("status"),
        };
    }
    let generation = old.pointer("/metadata/generation").and_then(Value::as_i64).unwrap_or(0);
    let body = |map: &Map<String, Value>| map.len() - usize::from(map.contains_key("metadata"));
    let unchanged = body(map) == body(before)
        && map
            .iter()
            .filter(|(key, _)| *key != "metadata")
            .all(|(key, value)| before.get(key).is_some_and(|old| same(old, value)));
    set_generation(map, if unchanged { generation } else { generation + 1 });
}

/// A write of `status` keeps everything else but managedFields.
pub(super) fn prepare_status_update(new: &mut Value, old: &Value) {
    let status = new.get_mut("status").map(Value::take);
    let managed = new.pointer_mut("/metadata/managedFields").map(Value::take);
    let version = new.pointer_mut("/metadata/resourceVersion").map(Value::take);
    *new = old.clone();
    let Some(map) = new.as_object_mut() else { return };
    match status {
        Some(status) => map.insert("status".into(), status),
        None => map.remove("status"),
    };
    if let Some(meta) = map.get_mut("metadata").and_then(Value::as_object_mut) {
        match managed {
            Some(managed) => meta.insert("managedFields".into(), managed),
            None => meta.remove("managedFields"),
        };
        // What the client sent is still needed for the check of conflicts.
        if let Some(version) = version {
            meta.insert("resourceVersion".into(), version);
        }
    }
}

fn set_generation(map: &mut Map<String, Value>, generation: i64) {
    let meta = map.entry("metadata").or_insert_with(|| json!({}));
    if let Some(meta) = meta.as_object_mut().filter(|_| generation > 0) {
        meta.insert("generation".into(), generation.into());
    }
}

/// Embedded resources must say what they are.
pub(super) fn check_embedded(node: &Node, object: &Value) -> Vec<FieldError> {
    let mut errors = Vec::new();
    embedded(node, object, false, &Path::root(), &mut errors);
    errors
}

fn embedded(node: &Node, value: &Value, here: bool, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    if !node.has.embedded {
        return;
    }
    match value {
        Value::Object(map) => {
            if here {
                check_type_meta(map, path, errors);
            }
            for (key, value) in map {
                match (node.properties.get(key), &node.additional) {
                    (Some(child), _) => {
                        embedded(child, value, child.embedded, &path.child(Segment::Field(key)), errors);
                    }
                    (None, Additional::Schema(child)) => {
                        embedded(child, value, child.embedded, &path.child(Segment::Key(key)), errors);
                    }
                    _ => {}
                }
            }
        }
        Value::Array(list) => {
            if let Some(items) = &node.items {
                for (at, item) in list.iter().enumerate() {
                    embedded(items, item, items.embedded, &path.child(Segment::Index(at)), errors);
                }
            }
        }
        _ => {}
    }
}

fn check_type_meta(map: &Map<String, Value>, path: &Path<'_>, errors: &mut Vec<FieldError>) {
    for key in ["apiVersion", "kind"] {
        let file = path.child(Segment::Field(key)).field();
        match map.get(key) {
            None => errors.push(FieldError::required(file, "")),
            Some(value @ Value::String(text)) if text.is_empty() => {
                errors.push(FieldError::invalid(file, value, "must not be empty"));
            }
            Some(value @ Value::String(text)) if key == "apiVersion" && text.matches('/').count() > 1 => {
                errors.push(FieldError::invalid(
                    file,
                    value,
                    format!("unexpected GroupVersion string: {text}"),
                ));
            }
            Some(Value::String(_)) => {}
            Some(value) => errors.push(FieldError::invalid(file, value, "must be a string")),
        }
    }
}
