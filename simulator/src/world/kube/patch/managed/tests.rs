//! Ownership of fields: sequences of writes, one property at a time.

use serde_json::{Value, json};

use super::*;
use crate::world::kube::resources::Gvk;
use crate::world::kube::schema::{TypeSchema, builtin};

mod properties;
mod table;

/// Now, in all tests that do not say otherwise.
const NOW: &str = "2026-01-02T03:04:05Z";

fn schema(kind: &str) -> std::sync::Arc<TypeSchema> {
    let group = if kind == "Deployment" { "apps" } else { "" };
    builtin(&Gvk::new(group, "v1", kind)).expect(kind)
}

fn stamp<'a>(kind: &'a str, manager: &'a str) -> Stamp<'a> {
    let api_version = if kind == "Deployment" { "apps/v1" } else { "v1" };
    Stamp {
        manager,
        subresource: "",
        api_version,
        kind,
        time: NOW,
    }
}

fn config_map(data: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": data})
}

fn applied(live: Option<&Value>, config: &Value, manager: &str) -> Value {
    apply(&schema("ConfigMap"), live, config, &stamp("ConfigMap", manager), false).expect("no conflict")
}

/// `manager: fields` of every entry.
fn owners(object: &Value) -> Vec<(String, Value)> {
    let entries = object["metadata"]["managedFields"]
        .as_array()
        .cloned()
        .unwrap_or_default();
    entries
        .iter()
        .map(|e| {
            (
                e["manager"].as_str().unwrap_or_default().to_owned(),
                e["fieldsV1"].clone(),
            )
        })
        .collect()
}

#[test]
fn create_by_apply_owns_what_it_says() {
    let object = applied(None, &config_map(json!({"a": "1"})), "one");
    let expected = json!([{
        "apiVersion": "v1", "fieldsType": "FieldsV1", "manager": "one", "operation": "Apply", "time": NOW,
        "fieldsV1": {"f:data": {"f:a": {}}},
    }]);
    assert_eq!(object["metadata"]["managedFields"], expected);
    assert_eq!(applied(Some(&object), &config_map(json!({"a": "1"})), "one"), object);
}
