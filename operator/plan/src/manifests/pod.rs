//! The parts of a pod that every workload shares: volumes, placement, what it may do.

use std::collections::BTreeMap;

use operator_api::Workspace;
use operator_api::labels::{
    CREATED_BY_INFERENCE_SET, CREATED_BY_MULTI_ROLE_INFERENCE, INFERENCE_ROLE, WORKSPACE, WORKSPACE_NAMESPACE,
    without_reserved,
};
use operator_api::workspace::{PartitionMode, PresetSpec};
use preset_catalog::Model;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::services::RUNTIME_PORT;
use super::{Placement, name, namespace, overrides};
use crate::workspace::nodes::GPU;

/// Where the weights are kept while the pod lives.
pub(super) const WEIGHTS: &str = "/workspace/weights";
/// Where the runtime's configuration is.
pub(super) const CONFIG: &str = "/mnt/config";
/// User and group of the runtime's processes: the number that images without a shell give to `nonroot`.
const USER: u32 = 65_532;
/// Volumes that a group of the pod's own cannot be given (`fsGroup` has no effect on them): only their owner writes.
const OWNED_ELSEWHERE: [&str; 2] = ["hostPath", "nfs"];
/// Variable and Secret key that hold Hugging Face's token.
pub(super) const TOKEN: &str = "HF_TOKEN";
/// Where registry credentials are.
pub(super) const DOCKER: &str = "/mnt/docker";

/// Containers, volumes and what else a pod needs, gathered piece by piece.
#[derive(Default)]
pub(super) struct Pod {
    pub(super) init: Vec<Value>,
    pub(super) containers: Vec<Value>,
    volumes: BTreeMap<String, Value>,
    pub(super) pull_secrets: Vec<String>,
    pub(super) annotations: BTreeMap<String, String>,
    /// Whether an image of the user's runs in it, which may need to be root.
    pub(super) has_foreign_image: bool,
}

impl Pod {
    /// Adds a volume, e.g. `{"emptyDir": {}}`. The same name twice is the same volume.
    pub(super) fn volume(&mut self, name: &str, source: Value) {
        self.volumes.insert(name.to_owned(), source);
    }

    /// The pod template.
    pub(super) fn template(self, workspace: &Workspace, placement: &Placement, restart_policy: Option<&str>) -> Value {
        let Self {
            init,
            containers,
            volumes,
            pull_secrets,
            annotations,
            has_foreign_image,
        } = self;
        let may_need_root = has_foreign_image || volumes.values().any(is_owned_elsewhere);
        let volumes: Vec<Value> = volumes
            .into_iter()
            .map(|(name, mut source)| {
                if let Some(source) = source.as_object_mut() {
                    source.insert("name".into(), json!(name));
                }
                source
            })
            .collect();
        let mut spec = json!({
            "automountServiceAccountToken": false,
            "containers": containers,
            "securityContext": pod_security(may_need_root),
            "tolerations": tolerations(workspace),
            "volumes": volumes,
        });
        let mut put = |key: &str, value: Value| {
            if let Some(spec) = spec.as_object_mut() {
                spec.insert(key.into(), value);
            }
        };
        if !init.is_empty() {
            put("initContainers", json!(init));
        }
        if let Some(affinity) = affinity(workspace, placement) {
            put("affinity", affinity);
        }
        if !pull_secrets.is_empty() {
            let secrets: Vec<Value> = pull_secrets.iter().map(|name| json!({ "name": name })).collect();
            put("imagePullSecrets", json!(secrets));
        }
        if let Some(policy) = restart_policy {
            put("restartPolicy", json!(policy));
        }
        let metadata = json!({ "labels": labels(workspace), "annotations": annotations });
        let mut template = json!({ "metadata": metadata, "spec": spec });
        overrides::apply(&mut template, workspace);
        template
    }
}

/// Labels of a Workspace's pods.
pub(super) fn labels(workspace: &Workspace) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::from([
        (WORKSPACE.to_owned(), name(workspace).to_owned()),
        (WORKSPACE_NAMESPACE.to_owned(), namespace(workspace).to_owned()),
    ]);
    for key in [
        CREATED_BY_INFERENCE_SET,
        CREATED_BY_MULTI_ROLE_INFERENCE,
        INFERENCE_ROLE,
    ] {
        let value = workspace.metadata.labels.as_ref().and_then(|all| all.get(key));
        labels.extend(value.map(|value| (key.to_owned(), value.clone())));
    }
    labels
}

/// What a node must be to belong to the Workspace, as terms of a node affinity.
pub(super) fn own_nodes(workspace: &Workspace, placement: &Placement) -> Vec<Value> {
    let selector = workspace.resource.label_selector.as_ref();
    let mut wanted = without_reserved(
        selector
            .iter()
            .flat_map(|selector| selector.match_labels.iter().flatten()),
    );
    if !placement.byo {
        wanted.insert(WORKSPACE.into(), name(workspace).into());
        wanted.insert(WORKSPACE_NAMESPACE.into(), namespace(workspace).into());
    }
    wanted
        .iter()
        .map(|(key, value)| json!({ "key": key, "operator": "In", "values": [value] }))
        .collect()
}

/// Keeps pods on the Workspace's own nodes.
fn affinity(workspace: &Workspace, placement: &Placement) -> Option<Value> {
    let terms = own_nodes(workspace, placement);
    let terms = (!terms.is_empty()).then(|| json!([{ "matchExpressions": terms }]))?;
    Some(
        json!({ "nodeAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": { "nodeSelectorTerms": terms } } }),
    )
}

/// Taints that GPU nodes carry.
pub(super) fn tolerations(workspace: &Workspace) -> Vec<Value> {
    let mut all = vec![
        json!({ "key": GPU, "operator": "Exists", "effect": "NoSchedule" }),
        json!({ "key": "sku", "operator": "Equal", "value": "gpu", "effect": "NoSchedule" }),
        json!({ "key": "kubernetes.azure.com/scalesetpriority", "operator": "Equal", "value": "spot", "effect": "NoSchedule" }),
    ];
    all.extend(mig_slice(workspace).map(|slice| json!({ "key": slice, "operator": "Exists", "effect": "NoSchedule" })));
    all
}

/// Resource that is one slice of a GPU, where the Workspace asks for one.
fn mig_slice(workspace: &Workspace) -> Option<String> {
    let partition = workspace.resource.partition.as_ref()?;
    (partition.parsed_mode() == Some(PartitionMode::Mig)).then(|| format!("nvidia.com/mig-{}", partition.profile))
}

fn is_owned_elsewhere(source: &Value) -> bool {
    OWNED_ELSEWHERE.iter().any(|kind| source.get(kind).is_some())
}

/// What the pod's processes are: nobody in particular, unless something of the user's needs otherwise.
fn pod_security(may_need_root: bool) -> Value {
    let seccomp = json!({ "type": "RuntimeDefault" });
    match may_need_root {
        true => json!({ "seccompProfile": seccomp }),
        false => json!({
            "seccompProfile": seccomp,
            "runAsNonRoot": true,
            "runAsUser": USER,
            "runAsGroup": USER,
            // New volumes are writable for the group.
            "fsGroup": USER,
            "fsGroupChangePolicy": "OnRootMismatch",
        }),
    }
}

/// A name for a container or volume, made of something of the user's: a DNS label, where the user's name may be long and
/// have dots in it. Names that differ stay different.
pub(super) fn label(text: String) -> String {
    const LONGEST: usize = 63;
    const DIGITS: usize = 8;
    if text.len() <= LONGEST && !text.contains('.') {
        return text;
    }
    let digest = Sha256::digest(text.as_bytes());
    let digits: String = digest
        .iter()
        .take(DIGITS / 2)
        .map(|byte| format!("{byte:02x}"))
        .collect();
    let kept: String = text.replace('.', "-").chars().take(LONGEST - DIGITS - 1).collect();
    format!("{kept}-{digits}")
}

/// A mount.
pub(super) fn mount(volume: &str, path: &str, read_only: bool) -> Value {
    match read_only {
        true => json!({ "name": volume, "mountPath": path, "readOnly": true }),
        false => json!({ "name": volume, "mountPath": path }),
    }
}

/// What a container of ours may do: nothing beyond its own files.
pub(super) fn security() -> Value {
    json!({ "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] } })
}

/// A slice of a GPU where one is asked for, else all GPUs that the placement gives.
pub(super) fn resources(workspace: &Workspace, placement: &Placement) -> Value {
    let amount = match (mig_slice(workspace), placement.gpus) {
        (Some(slice), _) => json!({ slice: "1" }),
        (None, 0) => return json!({}),
        (None, gpus) => json!({ GPU: gpus.to_string() }),
    };
    json!({ "requests": amount, "limits": amount })
}

/// The port that the runtime answers on.
pub(super) fn ports() -> Value {
    json!([{ "name": "http", "containerPort": RUNTIME_PORT, "protocol": "TCP" }])
}

/// Hugging Face's token, where a Secret is named.
pub(super) fn token(preset: Option<&PresetSpec>) -> Vec<Value> {
    match preset.map(|preset| preset.preset_options.model_access_secret.as_str()) {
        None | Some("") => Vec::new(),
        Some(secret) => vec![json!({
            "name": TOKEN,
            "valueFrom": { "secretKeyRef": { "name": secret, "key": TOKEN, "optional": true } },
        })],
    }
}

/// Credentials for a registry, as a file of the container engine's form.
pub(super) fn docker_config(secret: &str) -> Value {
    json!({ "secret": {
        "secretName": secret,
        "items": [{ "key": ".dockerconfigjson", "path": "config.json" }],
    } })
}

/// Shared memory for the processes of a pod.
pub(super) fn shared_memory() -> Value {
    json!({ "emptyDir": { "medium": "Memory" } })
}

/// How long a model may take to load, in seconds: a quarter of an hour and 18 s for each GiB, between half an hour and
/// three hours (KAITO's formula).
pub(super) fn load_secs(model: Option<&Model>) -> u64 {
    const BASE_SECS: f64 = 900.0;
    const SECS_PER_GIB: f64 = 18.0;
    let secs = model.map_or(0.0, |model| BASE_SECS + SECS_PER_GIB * model.weights_gib);
    (secs.ceil() as u64).clamp(1_800, 10_800)
}
