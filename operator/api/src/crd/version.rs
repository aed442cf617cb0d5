//! The versions of each kind: which structs they come from and how v1alpha1 differs from v1beta1.

use super::{Definition, columns, schema};
use crate::{inferenceset, nodeclaim::NodeClaim, workspace};
use serde_json::{Map, Value, json};

/// The `spec.versions` of a definition, newest last; the last is the one that is stored.
pub(super) fn all(definition: Definition) -> Value {
    let versions = match definition {
        Definition::Workspace => vec![
            version(
                "v1alpha1",
                false,
                &workspace_alpha(schema::of::<workspace::v1alpha1::Workspace>()),
                None,
                &columns::workspace_v1alpha1(),
            ),
            version(
                "v1beta1",
                true,
                &workspace_beta(schema::of::<workspace::v1beta1::Workspace>()),
                None,
                &columns::workspace_v1beta1(),
            ),
        ],
        Definition::InferenceSet => {
            let (columns, scale) = (columns::inference_set(), scale());
            let alpha = set_beta(set_alpha(schema::of::<inferenceset::v1alpha1::InferenceSet>()));
            let beta = set_beta(schema::of::<inferenceset::v1beta1::InferenceSet>());
            vec![
                version("v1alpha1", false, &alpha, Some(&scale), &columns),
                version("v1beta1", true, &beta, Some(&scale), &columns),
            ]
        }
        Definition::NodeClaim => {
            vec![version(
                "v1",
                true,
                &schema::of::<NodeClaim>(),
                None,
                &columns::node_claim(),
            )]
        }
    };
    Value::Array(versions)
}

fn version(name: &str, storage: bool, schema: &Value, scale: Option<&Value>, columns: &Value) -> Value {
    let mut subresources = Map::from_iter([("status".to_owned(), json!({}))]);
    if let Some(scale) = scale {
        subresources.insert("scale".to_owned(), scale.clone());
    }
    json!({
        "name": name, "served": true, "storage": storage, "additionalPrinterColumns": columns,
        "subresources": subresources, "schema": { "openAPIV3Schema": schema },
    })
}

/// The same version with every field spelled out, pod templates included: what the strict decoder of admission compares
/// an object with. `v1alpha1` is the older version of our own kinds, anything else the newest.
pub fn strict(definition: Definition, v1alpha1: bool) -> Value {
    match (definition, v1alpha1) {
        (Definition::Workspace, true) => workspace_alpha(schema::strict::<workspace::v1alpha1::Workspace>()),
        (Definition::Workspace, false) => schema::strict::<workspace::v1beta1::Workspace>(),
        (Definition::InferenceSet, true) => set_alpha(schema::strict::<inferenceset::v1alpha1::InferenceSet>()),
        (Definition::InferenceSet, false) => schema::strict::<inferenceset::v1beta1::InferenceSet>(),
        (Definition::NodeClaim, _) => schema::strict::<NodeClaim>(),
    }
}

fn scale() -> Value {
    json!({
        "specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas",
        "labelSelectorPath": ".status.selector",
    })
}

fn workspace_beta(mut schema: Value) -> Value {
    if let Some(rules) = schema.get_mut("x-kubernetes-validations").and_then(Value::as_array_mut) {
        rules.push(crate::cel::workspace_partition());
    }
    schema
}

/// v1alpha1 lacks the partition, the access secret and the newer status fields, and fills in an instance type.
pub(super) fn workspace_alpha(mut schema: Value) -> Value {
    remove(&mut schema, &["resource", "partition"]);
    if let Some(resource) = property(&mut schema, &["resource"]) {
        resource["x-kubernetes-validations"] = crate::cel::resource(false);
    }
    if let Some(instance_type) = property(&mut schema, &["resource", "instanceType"]) {
        instance_type["default"] = workspace::v1alpha1::DEFAULT_INSTANCE_TYPE.into();
    }
    for (field, message) in [
        ("inference", crate::cel::IMMUTABLE),
        ("tuning", "Preset cannot be changed"),
    ] {
        remove(&mut schema, &[field, "preset", "presetOptions", "modelAccessSecret"]);
        if let Some(preset) = property(&mut schema, &[field, "preset"]) {
            preset["x-kubernetes-validations"] = crate::cel::fixed_preset(message, false);
        }
    }
    for field in ["state", "targetNodeCount", "performance"] {
        remove(&mut schema, &["status", field]);
    }
    schema
}

/// What a set's Workspaces serve may change: new replicas take it up. So only the rules about one state stay.
fn set_beta(mut schema: Value) -> Value {
    if let Some(inference) = property(&mut schema, &["spec", "template", "inference"]) {
        drop_transitions(inference);
    }
    schema
}

/// Takes out the rules that compare an object with its predecessor.
fn drop_transitions(schema: &mut Value) {
    if let Value::Object(schema) = schema
        && let Some(Value::Array(rules)) = schema.get_mut("x-kubernetes-validations")
    {
        let compares = |rule: &Value| rule["rule"].as_str().is_some_and(|text| text.contains("oldSelf"));
        rules.retain(|rule| !compares(rule) || rule["optionalOldSelf"] == true);
        if rules.is_empty() {
            schema.remove("x-kubernetes-validations");
        }
    }
    if let Some(Value::Object(fields)) = schema.get_mut("properties") {
        fields.values_mut().for_each(drop_transitions);
    }
    if let Some(items) = schema.get_mut("items") {
        drop_transitions(items);
    }
}

/// v1alpha1 lacks the partition and the settings under which a metric was measured.
pub(super) fn set_alpha(mut schema: Value) -> Value {
    remove(&mut schema, &["spec", "template", "resource", "partition"]);
    if let Some(Value::Object(resource)) = property(&mut schema, &["spec", "template", "resource"]) {
        resource.remove("x-kubernetes-validations");
    }
    if let Some(metrics) = property(&mut schema, &["status", "performance", "metrics"])
        && let Some(metric) = metrics.get_mut("additionalProperties")
    {
        remove(metric, &["config"]);
    }
    schema
}

fn property<'a>(schema: &'a mut Value, path: &[&str]) -> Option<&'a mut Value> {
    path.iter()
        .try_fold(schema, |schema, field| schema.get_mut("properties")?.get_mut(*field))
}

fn remove(schema: &mut Value, path: &[&str]) {
    if let Some((field, parents)) = path.split_last()
        && let Some(parent) = property(schema, parents)
        && let Some(Value::Object(properties)) = parent.get_mut("properties")
    {
        properties.remove(*field);
    }
}
