//! What every schema must be: structural, described, with the defaults and required fields of the reference.

use super::*;

/// Every schema node of a definition with its path.
fn walk<'a>(schema: &'a Value, path: &str, visit: &mut impl FnMut(&str, &'a Value)) {
    visit(path, schema);
    if let Some(fields) = schema["properties"].as_object() {
        for (name, field) in fields {
            walk(field, &format!("{path}.{name}"), visit);
        }
    }
    for keyword in ["items", "additionalProperties"] {
        if schema[keyword].is_object() {
            walk(&schema[keyword], &format!("{path}[]"), visit);
        }
    }
}

fn schemas() -> Vec<(String, Value)> {
    let mut out = Vec::new();
    for definition in Definition::ALL {
        for version in definition.object()["spec"]["versions"].as_array().unwrap() {
            let name = format!("{}/{}", definition.name(), version["name"].as_str().unwrap());
            out.push((name, version["schema"]["openAPIV3Schema"].clone()));
        }
    }
    out
}

fn at<'a>(schema: &'a Value, path: &str) -> &'a Value {
    path.split('.')
        .fold(schema, |schema, field| &schema["properties"][field])
}

fn schema(name: &str) -> Value {
    schemas().into_iter().find(|(n, _)| n == name).unwrap().1
}

#[test]
fn schemas_are_structural_and_described() {
    for (name, schema) in schemas() {
        walk(&schema, &name, &mut |path, node| {
            let int_or_string = node["x-kubernetes-int-or-string"] == true;
            assert!(
                node["type"].is_string() || int_or_string,
                "{path} has no single type: {node}"
            );
            for keyword in [
                "$ref",
                "oneOf",
                "allOf",
                "title",
                STRICT,
                "x-default",
                "x-required",
                "nullable",
            ] {
                assert!(node.get(keyword).is_none(), "{path} has {keyword}");
            }
            let field = path.rsplit('.').next().unwrap_or_default();
            let inner =
                path.ends_with("[]") || path.ends_with(".metadata") || !path.contains(".sh/v") || field.contains("/v");
            assert!(
                inner || node["description"].as_str().is_some_and(|text| !text.is_empty()),
                "{path} has no description"
            );
            // Chart templates are read by Helm.
            assert!(
                !node["description"].as_str().unwrap_or_default().contains("{{"),
                "{path}"
            );
        });
    }
}

use crate::schemaless::STRICT;

#[test]
fn defaults_are_those_of_the_reference_and_no_others() {
    let mut found = Vec::new();
    for (name, schema) in schemas() {
        walk(&schema, &name, &mut |path, node| {
            if let Some(default) = node.get("default") {
                found.push(format!("{path} = {default}"));
            }
        });
    }
    let mut expected: Vec<String> = Vec::new();
    for (version, instance_type) in [("v1alpha1", true), ("v1beta1", false)] {
        for field in ["inference", "tuning"] {
            expected.push(format!(
                "workspaces.kaito.sh/{version}.{field}.preset.accessMode = \"public\""
            ));
        }
        expected.push(format!("workspaces.kaito.sh/{version}.resource.count = 1"));
        if instance_type {
            expected.push(format!(
                "workspaces.kaito.sh/{version}.resource.instanceType = \"Standard_NC24ads_A100_v4\""
            ));
        }
        let set = format!("inferencesets.kaito.sh/{version}.spec");
        expected.push(format!("{set}.autoUpgrade.enabled = false"));
        expected.push(format!("{set}.autoUpgrade.maintenanceWindow.duration = \"4h\""));
        expected.push(format!("{set}.autoUpgrade.strategy = \"InPlace\""));
        expected.push(format!("{set}.replicas = 1"));
        expected.push(format!("{set}.template.inference.preset.accessMode = \"public\""));
        expected.push(format!(
            "{set}.updateStrategy = {{\"rollingUpdate\":{{\"maxUnavailable\":1}},\"type\":\"RollingUpdate\"}}"
        ));
    }
    expected.push("nodeclaims.karpenter.sh/v1.spec.expireAfter = \"720h\"".to_owned());
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
}

#[test]
fn required_fields_are_those_of_the_reference() {
    let beta = schema("workspaces.kaito.sh/v1beta1");
    let cases = [
        ("", vec![]),
        ("resource", vec!["labelSelector"]),
        ("resource.partition", vec!["mode"]),
        ("inference", vec![]),
        ("inference.preset", vec!["name"]),
        ("tuning", vec!["input", "output"]),
        ("tuning.input", vec![]),
        ("status", vec![]),
    ];
    for (path, required) in cases {
        let node = if path.is_empty() { &beta } else { at(&beta, path) };
        let found: Vec<&str> = node["required"]
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        assert_eq!(found, required, "{path}");
    }
}

#[test]
fn v1alpha1_lacks_what_came_later() {
    let alpha = schema("workspaces.kaito.sh/v1alpha1");
    for path in [
        "resource.partition",
        "inference.preset.presetOptions.modelAccessSecret",
        "tuning.preset.presetOptions.modelAccessSecret",
        "status.state",
        "status.targetNodeCount",
        "status.performance",
    ] {
        assert!(at(&alpha, path).is_null(), "{path}");
        assert!(at(&schema("workspaces.kaito.sh/v1beta1"), path).is_object(), "{path}");
    }
}

/// A rule that names a field which its version lacks would make the API server refuse the whole definition.
#[test]
fn rules_of_v1alpha1_name_no_later_field() {
    walk(
        &schema("workspaces.kaito.sh/v1alpha1"),
        "workspace",
        &mut |path, node| {
            for rule in node["x-kubernetes-validations"].as_array().into_iter().flatten() {
                for field in ["partition", "modelAccessSecret"] {
                    assert!(!rule.to_string().contains(field), "{path}: {rule}");
                }
            }
        },
    );
}

/// What a set's Workspaces serve may change.
#[test]
fn sets_compare_nothing_of_what_they_serve() {
    for version in ["v1alpha1", "v1beta1"] {
        let set = schema(&format!("inferencesets.kaito.sh/{version}"));
        walk(at(&set, "spec.template.inference"), "inference", &mut |path, node| {
            for rule in node["x-kubernetes-validations"].as_array().into_iter().flatten() {
                let text = rule["rule"].as_str().unwrap();
                assert!(
                    !text.contains("oldSelf") || rule["optionalOldSelf"] == true,
                    "{path}: {text}"
                );
            }
        });
    }
}

#[test]
fn pod_templates_are_schemaless_in_the_crd_and_spelled_out_for_the_strict_decoder() {
    let crd = schema("workspaces.kaito.sh/v1beta1");
    let template = at(&crd, "inference.template");
    assert_eq!(template["x-kubernetes-preserve-unknown-fields"], true);
    assert!(template["properties"].is_null());
    let strict = strict(Definition::Workspace, false);
    assert_eq!(at(&strict, "inference.template.spec.containers")["type"], "array");
    assert_eq!(at(&strict, "metadata.labels")["type"], "object");
}
