//! Workloads that serve.

use k8s_openapi::api::core::v1::PodTemplateSpec;
use operator_api::Workspace;
use operator_api::labels::child::headless_service;
use operator_api::labels::{CREATED_BY_INFERENCE_SET, CREATED_BY_MULTI_ROLE_INFERENCE, WORKSPACE};
use operator_api::workspace::{DataSource, PresetSpec};
use preset_catalog::Model;
use serde_json::{Map, Value, json};

use super::pod::{self, CONFIG, Pod, WEIGHTS, mount};
use super::{Placement, Settings, adapters, name, namespace, owned};
use crate::drift::stamped;

/// Annotation of pods with the hash of their configuration: an edit of the ConfigMap rolls out.
const CONFIG_HASH: &str = "drydock.sh/config-hash";
/// Name of the adapter that a tuning made.
const TUNED: &str = "tuned";
/// Seconds between two probes.
const PROBE_PERIOD_SECS: u64 = 10;

/// The StatefulSet that serves a preset.
pub fn inference_stateful_set(
    workspace: &Workspace,
    model: &Model,
    placement: &Placement,
    config_hash: Option<&str>,
    settings: &Settings,
) -> Value {
    let inference = workspace.inference.clone().unwrap_or_default();
    let mut pod = Pod::default();
    let (mounts, env) = adapters::add(&mut pod, &inference.adapters, settings);
    let served = Served {
        model,
        preset: inference.preset.as_ref(),
        config: &inference.config,
        has_adapters: !inference.adapters.is_empty(),
        mounts,
        env,
    };
    pod.annotations
        .extend(config_hash.map(|hash| (CONFIG_HASH.to_owned(), hash.to_owned())));
    served.add_to(&mut pod, workspace, placement, settings);
    stateful_set(workspace, placement, &pod.template(workspace, placement, None))
}

/// The StatefulSet that serves what a tuning made: its model, with the adapter beside it.
pub fn tuned_stateful_set(workspace: &Workspace, model: &Model, placement: &Placement, settings: &Settings) -> Value {
    let tuning = workspace.tuning.clone().unwrap_or_default();
    let output = tuning.output.unwrap_or_default();
    let mut pod = Pod::default();
    let mounts = match &output.volume_source {
        Some(volume) => {
            pod.volume("results-volume", volume.raw().clone());
            vec![mount(
                "results-volume",
                &format!("{}/{TUNED}", adapters::ADAPTERS),
                true,
            )]
        }
        None => {
            let secrets = Some(output.image_push_secret).filter(|secret| !secret.is_empty());
            let source = DataSource {
                name: TUNED.into(),
                image: output.image,
                image_pull_secrets: secrets.into_iter().collect(),
                ..DataSource::default()
            };
            adapters::pull(&mut pod, &source, settings);
            vec![adapters::pulled()]
        }
    };
    let served = Served {
        model,
        preset: tuning.preset.as_ref(),
        config: "",
        has_adapters: true,
        mounts,
        env: Vec::new(),
    };
    served.add_to(&mut pod, workspace, placement, settings);
    stateful_set(workspace, placement, &pod.template(workspace, placement, None))
}

/// The StatefulSet of the user's own pod template.
///
/// # Errors
/// When the template is no pod template.
pub fn template_stateful_set(workspace: &Workspace, placement: &Placement) -> Result<Value, String> {
    let template = workspace
        .inference
        .as_ref()
        .and_then(|inference| inference.template.as_ref());
    let template = template.ok_or("there is no template")?;
    let typed: PodTemplateSpec = template.decode().map_err(|error| error.to_string())?;
    if typed.spec.is_none_or(|spec| spec.containers.is_empty()) {
        return Err("spec.containers must name at least one container".into());
    }
    let mut template = template.raw().clone();
    if let Some(labels) = object(&mut template, &["metadata", "labels"]) {
        labels.extend(
            pod::labels(workspace)
                .into_iter()
                .map(|(key, value)| (key, json!(value))),
        );
    }
    if let Some(spec) = object(&mut template, &["spec"]) {
        stay_on_own_nodes(spec, &pod::own_nodes(workspace, placement));
        let own = spec.remove("tolerations").and_then(|list| list.as_array().cloned());
        let mut all = own.unwrap_or_default();
        let missing: Vec<Value> = pod::tolerations(workspace)
            .into_iter()
            .filter(|one| !all.contains(one))
            .collect();
        all.extend(missing);
        spec.insert("tolerations".into(), json!(all));
    }
    Ok(stateful_set(workspace, placement, &template))
}

/// Adds to a pod's own wishes that its node is one of the Workspace's. The alternatives that it names (each is enough)
/// stay alternatives.
fn stay_on_own_nodes(spec: &mut Map<String, Value>, terms: &[Value]) {
    let place = [
        "affinity",
        "nodeAffinity",
        "requiredDuringSchedulingIgnoredDuringExecution",
    ];
    if terms.is_empty() {
        return;
    }
    let mut all = Value::Object(std::mem::take(spec));
    if let Some(required) = object(&mut all, &place) {
        let own = required
            .remove("nodeSelectorTerms")
            .and_then(|list| list.as_array().cloned());
        let mut alternatives = own.filter(|list| !list.is_empty()).unwrap_or_else(|| vec![json!({})]);
        for alternative in &mut alternatives {
            if let Some(alternative) = object(alternative, &[]) {
                let expressions = alternative.entry("matchExpressions").or_insert_with(|| json!([]));
                match expressions.as_array_mut() {
                    Some(list) => list.extend_from_slice(terms),
                    None => *expressions = json!(terms),
                }
            }
        }
        required.insert("nodeSelectorTerms".into(), json!(alternatives));
    }
    if let Value::Object(all) = all {
        *spec = all;
    }
}

/// The map at this path, made where it is missing.
fn object<'a>(value: &'a mut Value, path: &[&str]) -> Option<&'a mut Map<String, Value>> {
    if !value.is_object() {
        *value = json!({});
    }
    let map = value.as_object_mut()?;
    match path {
        [] => Some(map),
        [first, rest @ ..] => object(map.entry(*first).or_insert_with(|| json!({})), rest),
    }
}

/// A model behind the runtime.
struct Served<'a> {
    model: &'a Model,
    preset: Option<&'a PresetSpec>,
    config: &'a str,
    has_adapters: bool,
    mounts: Vec<Value>,
    env: Vec<Value>,
}

impl Served<'_> {
    fn add_to(self, pod: &mut Pod, workspace: &Workspace, placement: &Placement, settings: &Settings) {
        let Self {
            model,
            preset,
            config,
            has_adapters,
            mut mounts,
            env,
        } = self;
        let mut args: Vec<String> = [
            "serve",
            "--model",
            &model.name,
            "--served-model-name",
            &served_name(workspace, model),
        ]
        .map(str::to_owned)
        .to_vec();
        args.extend(["--port".to_owned(), super::services::RUNTIME_PORT.to_string()]);
        args.extend(["--weights-dir".to_owned(), WEIGHTS.to_owned()]);
        if !config.is_empty() {
            args.extend(["--config".to_owned(), format!("{CONFIG}/inference_config.yaml")]);
            pod.volume("config-volume", json!({ "configMap": { "name": config } }));
            mounts.push(mount("config-volume", CONFIG, true));
        }
        if has_adapters {
            args.extend(["--adapters-dir".to_owned(), adapters::ADAPTERS.to_owned()]);
        }
        if placement.gpus > 1 {
            args.extend(["--tensor-parallel".to_owned(), placement.gpus.to_string()]);
        }
        if placement.nodes > 1 {
            args.extend(["--pipeline-parallel".to_owned(), placement.nodes.to_string()]);
            args.extend(["--peers-service".to_owned(), peers(workspace)]);
        }
        pod.volume("dshm", pod::shared_memory());
        pod.volume("model-weights-volume", json!({ "emptyDir": {} }));
        mounts.push(mount("dshm", "/dev/shm", false));
        mounts.push(mount("model-weights-volume", WEIGHTS, false));
        let env: Vec<Value> = env.into_iter().chain(pod::token(preset)).collect();
        let image = preset
            .map(|preset| preset.preset_options.image.as_str())
            .filter(|image| !image.is_empty());
        pod.has_foreign_image = image.is_some();
        pod.pull_secrets.extend(
            preset
                .iter()
                .flat_map(|preset| preset.preset_options.image_pull_secrets.clone()),
        );
        let get = json!({ "path": "/health", "port": super::services::RUNTIME_PORT, "scheme": "HTTP" });
        let failures = pod::load_secs(Some(model)).div_ceil(PROBE_PERIOD_SECS);
        pod.containers.push(json!({
            "name": name(workspace),
            "image": image.unwrap_or(&settings.runtime_image),
            "command": ["drydock-runtime"],
            "args": args,
            "env": env,
            "ports": pod::ports(),
            "resources": pod::resources(workspace, placement),
            "securityContext": pod::security(),
            "startupProbe": { "httpGet": get, "periodSeconds": PROBE_PERIOD_SECS, "failureThreshold": failures },
            "livenessProbe": { "httpGet": get, "periodSeconds": PROBE_PERIOD_SECS, "failureThreshold": 3 },
            "readinessProbe": { "httpGet": get, "periodSeconds": PROBE_PERIOD_SECS },
            "volumeMounts": mounts,
        }));
    }
}

/// DNS name under which the pods of one model find each other: the leader is the pod with ordinal 0 of the same set.
fn peers(workspace: &Workspace) -> String {
    format!(
        "{}.{}.svc.cluster.local",
        headless_service(name(workspace)),
        namespace(workspace)
    )
}

/// The name that clients call the model by: the model's own, unless an InferenceSet that stands alone made the
/// Workspace (the parts of a MultiRoleInference answer to one name, the model's).
fn served_name(workspace: &Workspace, model: &Model) -> String {
    let labels = workspace.metadata.labels.as_ref();
    let labels = labels.filter(|labels| !labels.contains_key(CREATED_BY_MULTI_ROLE_INFERENCE));
    let set = labels.and_then(|labels| labels.get(CREATED_BY_INFERENCE_SET));
    set.cloned()
        .unwrap_or_else(|| operator_api::presets::short(&model.id()).to_owned())
}

fn stateful_set(workspace: &Workspace, placement: &Placement, template: &Value) -> Value {
    stamped(json!({
        "metadata": owned(workspace, &json!({})),
        "spec": {
            "replicas": placement.nodes,
            "podManagementPolicy": "Parallel",
            "persistentVolumeClaimRetentionPolicy": { "whenScaled": "Retain", "whenDeleted": "Delete" },
            "serviceName": headless_service(name(workspace)),
            "selector": { "matchLabels": { WORKSPACE: name(workspace) } },
            "template": template,
        },
    }))
}
