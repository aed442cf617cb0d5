//! The objects of whole Workspaces, written out, and what must be true of all of them.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests: a panic is a failed test"
)]

use std::collections::BTreeSet;

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Service;
use operator_api::sku::Cloud;
use operator_api::workspace::TuningMethod;
use operator_api::{NodeClaim, Workspace, presets};
use operator_plan::drift::{APPLIED_HASH, must_apply};
use operator_plan::manifests::{
    Placement, Settings, controller_revision, inference_stateful_set, node_claim, node_claim_name, services,
    template_stateful_set, tuned_stateful_set, tuning_job, workspace_hash,
};
use preset_catalog::Model;
use proptest::prelude::*;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

const UID: &str = "7f2c7b3e-0c6c-4b0e-9b53-5d3a3a1f0e11";
const ONE: Placement = Placement {
    nodes: 1,
    gpus: 1,
    byo: false,
};

/// A Workspace as the API server stores it.
fn workspace(yaml: &str) -> Workspace {
    let text = yaml
        .replace("ACR_REPO_HERE", "myregistry")
        .replace("IMAGE_NAME_HERE", "phi-3-adapter")
        .replace("ACR_REGISTRY_SECRET_HERE", "push-secret");
    let mut value: Value = serde_saphyr::from_str(&text).unwrap();
    value["apiVersion"] = json!("kaito.sh/v1beta1");
    value["metadata"]["namespace"] = json!("default");
    value["metadata"]["uid"] = json!(UID);
    serde_json::from_value(value).unwrap()
}

macro_rules! example {
    ($name:literal) => {
        workspace(include_str!(concat!("../../../examples/manifests/", $name, ".yaml")))
    };
}

fn model(workspace: &Workspace) -> &'static Model {
    let inference = workspace.inference.as_ref().and_then(|it| it.preset.as_ref());
    let preset = inference.or(workspace.tuning.as_ref().and_then(|it| it.preset.as_ref()));
    preset_catalog::find(&presets::resolve_seed(&preset.unwrap().name).unwrap()).unwrap()
}

fn serving(workspace: &Workspace, placement: &Placement, config: Option<&str>) -> Value {
    inference_stateful_set(workspace, model(workspace), placement, config, &Settings::default())
}

fn tuning(workspace: &Workspace) -> Value {
    let method = workspace.tuning.as_ref().unwrap().parsed_method().unwrap();
    tuning_job(workspace, model(workspace), method, &ONE, &Settings::default())
}

fn text(values: &[(&str, Value)]) -> String {
    let documents = values.iter().map(|(name, value)| {
        let body = serde_saphyr::to_string(value).unwrap();
        format!("# {name}\n{body}")
    });
    documents.collect::<Vec<_>>().join("---\n")
}

#[test]
fn the_tuning_quick_start() {
    let workspace = example!("workspace_tuning_phi_3");
    let model = model(&workspace);
    let mut all = vec![
        (
            "NodeClaim",
            node_claim(&workspace, 1, Some(model), &Settings::default()),
        ),
        ("Job", tuning(&workspace)),
        (
            "StatefulSet once tuned",
            tuned_stateful_set(&workspace, model, &ONE, &Settings::default()),
        ),
        ("ControllerRevision", controller_revision(&workspace, &[]).fields),
    ];
    all.extend(services(&workspace).into_iter().map(|(_, fields)| ("Service", fields)));
    insta::assert_snapshot!(text(&all));
}

#[test]
fn a_preset_that_serves() {
    let mut workspace = example!("workspace_phi_4_mini");
    workspace.inference.as_mut().unwrap().config = "limits".into();
    insta::assert_snapshot!(text(&[(
        "StatefulSet",
        serving(&workspace, &ONE, Some("0123456789abcdef"))
    )]));
}

#[test]
fn a_template_of_the_users() {
    let workspace = example!("workspace_custom_template");
    let mut all = vec![("StatefulSet", template_stateful_set(&workspace, &ONE).unwrap())];
    all.extend(services(&workspace).into_iter().map(|(_, fields)| ("Service", fields)));
    insta::assert_snapshot!(text(&all));
}

#[test]
fn adapters_from_an_image_and_from_a_volume() {
    let mut workspace = example!("workspace_phi_3_with_adapters");
    let adapters = &mut workspace.inference.as_mut().unwrap().adapters;
    let volume = json!({ "source": {
        "name": "shelf", "volumeSource": { "persistentVolumeClaim": { "claimName": "shelf" } },
    } });
    adapters.push(serde_json::from_value(volume).unwrap());
    adapters[0].source.as_mut().unwrap().image_pull_secrets = vec!["pull-secret".into()];
    insta::assert_snapshot!(text(&[("StatefulSet", serving(&workspace, &ONE, None))]));
}

#[test]
fn tuning_from_volume_to_volume() {
    let workspace = example!("workspace_tuning_volume");
    let tuned = tuned_stateful_set(&workspace, model(&workspace), &ONE, &Settings::default());
    insta::assert_snapshot!(text(&[("Job", tuning(&workspace)), ("StatefulSet once tuned", tuned)]));
}

/// One model on two nodes with two GPUs each, which the user brings: only what differs from the usual.
#[test]
fn two_nodes_that_the_user_brings() {
    let mut workspace = example!("workspace_phi_4_mini");
    workspace.resource.instance_type.clear();
    let placement = Placement {
        nodes: 2,
        gpus: 2,
        byo: true,
    };
    let set = serving(&workspace, &placement, None);
    let spec = &set["spec"]["template"]["spec"];
    insta::assert_snapshot!(text(&[
        ("replicas", set["spec"]["replicas"].clone()),
        ("affinity", spec["affinity"].clone()),
        ("args", spec["containers"][0]["args"].clone()),
        ("resources", spec["containers"][0]["resources"].clone()),
    ]));
}

#[test]
fn a_templates_own_affinity_is_kept_and_narrowed() {
    let mut workspace = example!("workspace_custom_template");
    let alternative =
        |zone: &str| json!({ "matchExpressions": [{ "key": "zone", "operator": "In", "values": [zone] }] });
    let template = json!({ "spec": {
        "containers": [{ "name": "c", "image": "i" }],
        "affinity": {
            "podAntiAffinity": { "kept": true },
            "nodeAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": {
                "nodeSelectorTerms": [alternative("1"), alternative("2")],
            } },
        },
    } });
    workspace.inference.as_mut().unwrap().template = Some(serde_json::from_value(template).unwrap());
    let set = template_stateful_set(&workspace, &ONE).unwrap();
    let affinity = &set["spec"]["template"]["spec"]["affinity"];
    assert_eq!(affinity["podAntiAffinity"]["kept"], json!(true));
    let required = &affinity["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"];
    let keys: Vec<Vec<&str>> = (0..2)
        .map(|at| {
            required["nodeSelectorTerms"][at]["matchExpressions"]
                .as_array()
                .unwrap()
        })
        .map(|terms| terms.iter().map(|term| term["key"].as_str().unwrap()).collect())
        .collect();
    let wanted = vec!["zone", "app", "kaito.sh/workspace", "kaito.sh/workspacenamespace"];
    assert_eq!(keys, [wanted.clone(), wanted]);
}

#[test]
fn a_slice_of_a_gpu() {
    let mut workspace = example!("workspace_phi_4_mini");
    workspace.resource.instance_type.clear();
    let partition = json!({ "mode": "mig", "profile": "1g.10gb" });
    workspace.resource.partition = Some(serde_json::from_value(partition).unwrap());
    let placement = Placement {
        nodes: 1,
        gpus: 0,
        byo: true,
    };
    let set = serving(&workspace, &placement, None);
    let spec = &set["spec"]["template"]["spec"];
    let resources = &spec["containers"][0]["resources"];
    assert_eq!(resources["limits"], json!({ "nvidia.com/mig-1g.10gb": "1" }));
    assert_eq!(resources["limits"], resources["requests"]);
    assert_eq!(spec["tolerations"][3]["key"], json!("nvidia.com/mig-1g.10gb"));
}

#[test]
fn only_pods_without_anything_of_the_users_run_as_nobody() {
    let user = |workspace: &Workspace| {
        serving(workspace, &ONE, None)["spec"]["template"]["spec"]["securityContext"]["runAsUser"].clone()
    };
    let mut workspace = example!("workspace_phi_3_with_adapters");
    assert_eq!(user(&workspace), json!(65_532));
    let shelf = json!({ "source": { "name": "shelf", "volumeSource": { "hostPath": { "path": "/shelf" } } } });
    let inference = workspace.inference.as_mut().unwrap();
    inference.adapters.push(serde_json::from_value(shelf).unwrap());
    assert_eq!(user(&workspace), Value::Null);
    let inference = workspace.inference.as_mut().unwrap();
    inference.adapters.clear();
    inference.preset.as_mut().unwrap().preset_options.image = "mine:1".into();
    assert_eq!(user(&workspace), Value::Null);
}

#[test]
fn parts_of_one_model_answer_to_its_name() {
    let label = |key: &str| (key.to_owned(), "parent".to_owned());
    let (set, roles) = (
        label("inferenceset.kaito.sh/created-by"),
        label("multiroleinference.kaito.sh/created-by"),
    );
    let cases = [
        (vec![], "phi-4-mini-instruct"),
        (vec![set.clone()], "parent"),
        (vec![set, roles], "phi-4-mini-instruct"),
    ];
    for (labels, wanted) in cases {
        let mut workspace = example!("workspace_phi_4_mini");
        workspace.metadata.labels = Some(labels.into_iter().collect());
        let set = serving(&workspace, &ONE, None);
        assert_eq!(
            set["spec"]["template"]["spec"]["containers"][0]["args"][4],
            json!(wanted)
        );
    }
}

#[test]
fn claims_name_what_each_cloud_reads() {
    let workspace = example!("workspace_phi_4_mini");
    let cases = [
        (Cloud::Azure, "KaitoNodeClass", Some("karpenter.azure.com/sku-name")),
        (Cloud::Aws, "EC2NodeClass", Some("karpenter.k8s.aws/instance-gpu-count")),
        (Cloud::Arc, "", None),
    ];
    for (cloud, class, key) in cases {
        let settings = Settings {
            cloud,
            ..Settings::default()
        };
        let claim = node_claim(&workspace, 1, None, &settings);
        assert_eq!(claim["spec"]["nodeClassRef"]["kind"], json!(class));
        assert_eq!(claim["spec"]["requirements"][3]["key"].as_str(), key);
        assert_eq!(claim["spec"]["resources"]["requests"]["storage"], json!("1024Gi"));
    }
}

#[test]
fn a_load_balancer_where_it_is_asked_for() {
    let mut workspace = example!("workspace_phi_4_mini");
    let annotations = workspace.metadata.annotations.get_or_insert_default();
    annotations.insert("kaito.sh/enablelb".into(), "True".into());
    let types: Vec<Value> = services(&workspace)
        .into_iter()
        .map(|(_, it)| it["spec"]["type"].clone())
        .collect();
    assert_eq!(types, [json!("LoadBalancer"), json!("ClusterIP")]);
}

#[test]
fn what_is_no_template_is_refused() {
    let cases = [
        (json!({}), "at least one container"),
        (json!({ "spec": { "containers": [] } }), "at least one container"),
        (json!({ "spec": { "containers": 1 } }), "invalid type"),
        (json!([]), "invalid type"),
    ];
    for (template, wanted) in cases {
        let mut workspace = example!("workspace_custom_template");
        let template = serde_json::from_value(template).unwrap();
        workspace.inference.as_mut().unwrap().template = Some(template);
        let error = template_stateful_set(&workspace, &ONE).unwrap_err();
        assert!(error.contains(wanted), "{error}");
    }
}

/// Everything that a Workspace can come to, under the kind of each.
fn children(workspace: &Workspace, placement: &Placement) -> Vec<(&'static str, Value)> {
    let settings = Settings::default();
    let mut all: Vec<(&str, Value)> = services(workspace).into_iter().map(|(_, it)| ("Service", it)).collect();
    all.push(("NodeClaim", node_claim(workspace, placement.gpus, None, &settings)));
    if workspace.tuning.is_some() {
        let model = model(workspace);
        for method in [TuningMethod::Lora, TuningMethod::Qlora] {
            all.push(("Job", tuning_job(workspace, model, method, placement, &settings)));
        }
        all.push((
            "StatefulSet",
            tuned_stateful_set(workspace, model, placement, &settings),
        ));
    } else {
        all.push(("StatefulSet", serving(workspace, placement, Some("h"))));
    }
    all
}

/// Words as names are made of, and some that are not.
fn word() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z]([a-z0-9-]{0,8}[a-z0-9])?",
        "HF_TOKEN|POD_NAME|tuned|data",
        "\\PC{0,6}"
    ]
}

fn source() -> impl Strategy<Value = Value> {
    (word(), any::<bool>(), proptest::collection::vec(word(), 0..3)).prop_map(
        |(name, is_image, secrets)| match is_image {
            true => json!({ "name": name, "image": "r.example/a:1", "imagePullSecrets": secrets }),
            false => json!({ "name": name, "volumeSource": { "persistentVolumeClaim": { "claimName": "c" } } }),
        },
    )
}

prop_compose! {
    fn any_workspace()(
        is_tuning in any::<bool>(),
        input in source(),
        mut adapters in proptest::collection::vec((source(), proptest::option::of(word())), 0..4),
        labels in proptest::collection::btree_map(word(), word(), 0..3),
        config in word(),
        secret in word(),
        to_image in any::<bool>(),
    ) -> Workspace {
        // Admission sees to it that adapters have names, and different ones.
        let mut seen = BTreeSet::new();
        adapters.retain(|(source, _)| source["name"] != json!("") && seen.insert(source["name"].to_string()));
        let preset = json!({ "name": "phi-4-mini-instruct", "presetOptions": { "modelAccessSecret": secret } });
        let output = match to_image {
            true => json!({ "image": "r.example/out:1", "imagePushSecret": secret }),
            false => json!({ "volumeSource": { "emptyDir": {} } }),
        };
        let adapters: Vec<Value> = adapters
            .into_iter()
            .map(|(source, strength)| json!({ "source": source, "strength": strength }))
            .collect();
        let mut value = json!({
            "apiVersion": "kaito.sh/v1beta1", "kind": "Workspace",
            "metadata": { "name": "w", "namespace": "default", "uid": UID },
            "resource": { "instanceType": "Standard_NC6s_v3", "labelSelector": { "matchLabels": labels } },
        });
        match is_tuning {
            true => value["tuning"] = json!({
                "preset": preset, "method": "lora", "config": config, "input": input, "output": output,
            }),
            false => value["inference"] = json!({ "preset": preset, "config": config, "adapters": adapters }),
        }
        serde_json::from_value(value).unwrap()
    }
}

/// The key by which server-side apply tells the elements of each list apart.
fn merge_keys(list: &str) -> &'static [&'static str] {
    match list {
        "containers" | "initContainers" | "volumes" | "env" | "imagePullSecrets" => &["name"],
        "volumeMounts" => &["mountPath"],
        "ports" => &["port", "containerPort", "protocol"],
        "ownerReferences" => &["uid"],
        _ => &[],
    }
}

/// No list has two elements with the same key.
fn check_merge_keys(value: &Value) -> Result<(), String> {
    let Value::Object(fields) = value else { return Ok(()) };
    for (name, field) in fields {
        let Value::Array(items) = field else {
            check_merge_keys(field)?;
            continue;
        };
        let keys = merge_keys(name);
        let mut seen = BTreeSet::new();
        for item in items {
            let key: Vec<String> = keys.iter().map(|key| item[key].to_string()).collect();
            if !keys.is_empty() && !seen.insert(key.clone()) {
                return Err(format!("{name} has {} twice", key.join("/")));
            }
            check_merge_keys(item)?;
        }
    }
    Ok(())
}

/// Keys of ours in labels, annotations and selectors.
fn keys(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, field) in fields {
                if let ("labels" | "annotations" | "selector" | "matchLabels", Some(map)) =
                    (name.as_str(), field.as_object())
                {
                    found.extend(map.keys().filter(|key| *key != "matchLabels").cloned());
                }
                keys(field, found);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| keys(item, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn typed<K: DeserializeOwned>(fields: &Value) -> Result<(), String> {
    serde_json::from_value::<K>(fields.clone())
        .map(drop)
        .map_err(|error| error.to_string())
}

fn check_type(kind: &str, fields: &Value) -> Result<(), String> {
    match kind {
        "Service" => typed::<Service>(fields),
        "Job" => typed::<Job>(fields),
        "StatefulSet" => typed::<StatefulSet>(fields),
        "NodeClaim" => typed::<NodeClaim>(fields),
        other => Err(format!("no type for {other}")),
    }
}

/// Names of containers and volumes of a StatefulSet.
fn pod_names(set: &Value) -> Vec<&str> {
    let spec = &set["spec"]["template"]["spec"];
    let lists = ["containers", "initContainers", "volumes"].map(|list| spec[list].as_array());
    let items = lists.into_iter().flatten().flatten();
    items.map(|item| item["name"].as_str().unwrap()).collect()
}

proptest! {
    /// Admission takes any DNS subdomain as an adapter's name.
    #[test]
    fn adapters_names_become_labels(name in "[a-z0-9]{1,3}([.-][a-z0-9]{1,9}){0,20}", is_image in any::<bool>()) {
        let mut workspace = example!("workspace_phi_3_with_adapters");
        let source = match is_image {
            true => json!({ "name": name, "image": "r.example/a:1", "imagePullSecrets": ["s"] }),
            false => json!({ "name": name, "volumeSource": { "emptyDir": {} } }),
        };
        let adapter = serde_json::from_value(json!({ "source": source })).unwrap();
        workspace.inference.as_mut().unwrap().adapters = vec![adapter];
        let set = serving(&workspace, &ONE, None);
        for name in pod_names(&set) {
            prop_assert!(name.len() <= 63 && !name.contains('.') && !name.ends_with('-'), "{}", name);
        }
    }

    #[test]
    fn every_child_can_be_applied_and_is_the_same_twice(workspace in any_workspace(), nodes in 1_u32..3, gpus in 0_u32..9) {
        let placement = Placement { nodes, gpus, byo: false };
        let all = children(&workspace, &placement);
        prop_assert_eq!(&all, &children(&workspace.clone(), &placement));
        for (kind, fields) in all {
            prop_assert_eq!(check_merge_keys(&fields), Ok(()), "{}", fields);
            prop_assert_eq!(check_type(kind, &fields), Ok(()));
            prop_assert!(!must_apply(&fields, Some(&fields)));
            if kind != "NodeClaim" {
                let owner = &fields["metadata"]["ownerReferences"][0];
                prop_assert_eq!(
                    (&owner["uid"], &owner["controller"], &owner["blockOwnerDeletion"]),
                    (&json!(UID), &json!(true), &json!(true))
                );
                prop_assert!(fields["metadata"]["annotations"][APPLIED_HASH].is_string());
            }
        }
    }

    #[test]
    fn revisions_differ_where_workspaces_do(one in any_workspace(), other in any_workspace()) {
        let same = (&one.resource, &one.inference, &one.tuning) == (&other.resource, &other.inference, &other.tuning);
        prop_assert_eq!(workspace_hash(&one) == workspace_hash(&other), same);
    }
}

/// Names of keys are an interface: they come from the table of names, and no one makes up another.
#[test]
fn every_key_is_in_the_table_of_names() {
    use operator_api::labels::*;
    let known = [
        WORKSPACE,
        WORKSPACE_NAMESPACE,
        WORKSPACE_HASH,
        WORKSPACE_NAME,
        NODE_IMAGE_FAMILY,
        APPLIED_HASH,
        operator_api::nodeclaim::DO_NOT_DISRUPT,
        operator_api::nodeclaim::NODE_POOL_LABEL,
        "drydock.sh/config-hash",
        "statefulset.kubernetes.io/pod-name",
        "app",
    ];
    let mut workspaces = [example!("workspace_tuning_phi_3"), example!("workspace_phi_4_mini")];
    for workspace in &mut workspaces {
        let mut found = BTreeSet::new();
        let match_labels = json!({ "matchLabels": { "app": "x" } });
        workspace.resource.label_selector = Some(serde_json::from_value(match_labels).unwrap());
        for (_, fields) in children(workspace, &ONE) {
            keys(&fields, &mut found);
        }
        keys(&controller_revision(workspace, &[]).fields["metadata"], &mut found);
        found.retain(|key| !known.contains(&key.as_str()));
        assert_eq!(found, BTreeSet::new());
    }
}

#[test]
fn claims_of_a_workspace_have_names_of_their_own() {
    let names: BTreeSet<String> = (0..1_000).map(|ordinal| node_claim_name(UID, ordinal)).collect();
    assert_eq!(names.len(), 1_000);
}
