//! Types of built-in kinds: definitions, decoding, normal form.

use serde_json::{Value, json};

use super::*;

fn schema(group: &str, version: &str, kind: &str) -> Arc<TypeSchema> {
    builtin(&Gvk::new(group, version, kind)).expect(kind)
}

fn deployment() -> Arc<TypeSchema> {
    schema("apps", "v1", "Deployment")
}

#[test]
fn every_kind_has_a_type_with_metadata() {
    let base = base();
    assert!(base.kinds.len() > 100, "{}", base.kinds.len());
    for (gvk, name) in &base.kinds {
        let schema = builtin(gvk).expect(name);
        assert!(schema.has_field("kind"), "{name}");
        assert!(base.definitions[name]["properties"]["kind"].is_object(), "{name}");
    }
    for (name, definition) in builtin_definitions() {
        let text = definition.to_string();
        for reference in text.split("\"$ref\":\"").skip(1) {
            let target = reference.split('"').next().expect("quoted");
            let target = target.strip_prefix("#/components/schemas/").expect(target);
            assert!(builtin_definitions().contains_key(target), "{name} refers to {target}");
        }
    }
}

#[test]
fn facts_reach_the_definitions() {
    let spec = &builtin_definitions()["io.k8s.api.core.v1.PodSpec"]["properties"];
    assert_eq!(spec["containers"]["x-kubernetes-list-map-keys"], json!(["name"]));
    assert_eq!(spec["volumes"]["x-kubernetes-patch-strategy"], "merge,retainKeys");
    let port = &builtin_definitions()["io.k8s.api.core.v1.ContainerPort"]["properties"];
    assert_eq!(port["protocol"]["default"], "TCP");
}

#[test]
fn wrong_types_read_as_the_decoder_says_them() {
    let deployment = deployment();
    // Observed on a 1.36 server.
    let table: &[(Value, &str)] = &[
        (
            json!({"spec": []}),
            "json: cannot unmarshal array into Go struct field Deployment.spec of type v1.DeploymentSpec",
        ),
        (
            json!({"spec": {"replicas": "x"}}),
            "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32",
        ),
        (
            json!({"spec": {"replicas": 1.5}}),
            "json: cannot unmarshal number 1.5 into Go struct field DeploymentSpec.spec.replicas of type int32",
        ),
        (
            json!({"spec": {"selector": "x"}}),
            "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.selector of type v1.LabelSelector",
        ),
        (
            json!({"spec": {"paused": "x"}}),
            "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.paused of type bool",
        ),
        (
            json!({"metadata": {"labels": "x"}}),
            "json: cannot unmarshal string into Go struct field ObjectMeta.metadata.labels of type map[string]string",
        ),
        (
            json!({"metadata": {"labels": {"a": 3}}}),
            "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.labels of type string",
        ),
        (
            json!({"metadata": {"creationTimestamp": 3}}),
            "json: cannot unmarshal number into Go struct field ObjectMeta.metadata.creationTimestamp of type string",
        ),
        (
            json!({"metadata": {"creationTimestamp": "zz"}}),
            "parsing time \"zz\" as \"2006-01-02T15:04:05Z07:00\": cannot parse \"zz\" as \"2006\"",
        ),
        (
            json!({"spec": {"strategy": {"rollingUpdate": {"maxSurge": true}}}}),
            "json: cannot unmarshal bool into Go struct field RollingUpdateDeployment.spec.strategy.rollingUpdate.maxSurge of type int32",
        ),
        (
            json!({"spec": {"template": {"spec": {"containers": "x"}}}}),
            "json: cannot unmarshal string into Go struct field PodSpec.spec.template.spec.containers of type []v1.Container",
        ),
        (
            json!({"spec": {"template": {"spec": {"containers": [3]}}}}),
            "json: cannot unmarshal number into Go struct field PodSpec.spec.template.spec.containers of type v1.Container",
        ),
        (
            json!({"spec": {"template": {"spec": {"containers": [{"imagePullPolicy": 3}]}}}}),
            "json: cannot unmarshal number into Go struct field Container.spec.template.spec.containers.imagePullPolicy of type v1.PullPolicy",
        ),
        (
            json!({"spec": {"template": {"spec": {"containers": [{"resources": {"limits": {"cpu": []}}}]}}}}),
            "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
        ),
    ];
    for (object, expected) in table {
        assert_eq!(deployment.decode_problems(object).wrong_type, [*expected], "{object}");
    }
}

#[test]
fn unknown_fields_carry_their_path() {
    let object = json!({
        "metadata": {"foo": {}, "labels": {"any": "x"}},
        "spec": {"foo": 1, "template": {"spec": {"containers": [{"name": "a", "bar": 1}]}}},
    });
    let problems = deployment().decode_problems(&object);
    assert_eq!(
        problems.unknown,
        ["metadata.foo", "spec.foo", "spec.template.spec.containers[0].bar"]
    );
    assert!(problems.wrong_type.is_empty());
    let parsed = parse_json(br#"{"spec":{"a":1,"a":2,"l":[{"x":1,"x":1}]}}"#).expect("JSON");
    assert_eq!(parsed.duplicates, ["spec.a", "spec.l[0].x"]);
    assert_eq!(parsed.value["spec"]["a"], 2);
}

#[test]
fn normal_form_is_that_of_the_encoder() {
    let mut object = json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "unknown": 1,
        "metadata": {"name": "a", "labels": {}, "annotations": null, "creationTimestamp": null},
        "spec": {"replicas": 0, "paused": false, "minReadySeconds": 0, "template": {"spec": {
            "volumes": [{"name": "v", "emptyDir": {}}], "nodeSelector": {},
            "containers": [{"name": "c", "args": [], "resources": {"limits": {"cpu": "1000m", "memory": "1.5Gi"}}}],
        }}},
    });
    deployment().normalize(&mut object);
    assert_eq!(
        object,
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a"}, "status": {},
            "spec": {"replicas": 0, "selector": null, "strategy": {}, "template": {"metadata": {}, "spec": {
                "volumes": [{"name": "v", "emptyDir": {}}],
                "containers": [{"name": "c", "resources": {"limits": {"cpu": "1", "memory": "1536Mi"}}}],
            }}},
        })
    );
}

#[test]
fn quantities_have_one_form() {
    let table = [
        ("0.5", Some("500m")),
        ("1000m", Some("1")),
        ("1.5Gi", Some("1536Mi")),
        ("1024Mi", Some("1Gi")),
        ("100Ki", Some("100Ki")),
        ("0.5Ki", Some("512")),
        ("1e3", Some("1e3")),
        ("1000k", Some("1M")),
        ("-0.1", Some("-100m")),
        ("0", Some("0")),
        ("0.1n", Some("1n")),
        ("2000Ei", Some("2000Ei")),
        ("", None),
        ("m", None),
        ("1x", None),
        ("--1", None),
        ("1.2.3", None),
    ];
    for (text, expected) in table {
        assert_eq!(quantity::canonical(text).as_deref(), expected, "{text}");
    }
}
