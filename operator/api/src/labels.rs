//! Keys and names that Drydock shares with KAITO, its plugins and its users. They are an interface: the families are
//! uneven (`kaito.sh/`, `workspace.kaito.io/`, `karpenter.kaito.sh/`, …) and are kept as they are.

/// Exposes the service through a load balancer when true, see [`load_balancer`].
pub const ENABLE_LB: &str = "kaito.sh/enablelb";
/// Inference runtime: `vllm` (default) or `transformers`.
pub const RUNTIME: &str = "kaito.sh/runtime";
/// Present (any value): memory-fit rejections become warnings.
pub const BYPASS_RESOURCE_CHECKS: &str = "kaito.sh/bypass-resource-checks";
/// Node image: `ubuntu` or `azurelinux`.
pub const NODE_IMAGE_FAMILY: &str = "kaito.sh/node-image-family";
/// NodeClass to use (karpenter provisioner only).
pub const NODE_CLASS_NAME: &str = "kaito.sh/node-class-name";
/// `true`: no benchmark probe.
pub const DISABLE_BENCHMARK: &str = "kaito.sh/disable-benchmark";
/// vLLM performance mode: balanced, interactivity or throughput.
pub const PERFORMANCE_MODE: &str = "kaito.sh/performance-mode";
/// `true`: weights come from a directory of the node.
pub const USE_LOCAL_WEIGHTS: &str = "kaito.sh/use-local-weights";
/// `disabled`: opts out of model streaming.
pub const MODEL_STREAMING: &str = "kaito.sh/model-streaming";
/// Storage class of the model mirror, instead of the operator's default.
pub const MODEL_MIRROR_STORAGE_CLASS: &str = "kaito.sh/model-mirror-storage-class";
/// Service account of streaming pods, instead of the operator's default.
pub const STREAMING_SERVICE_ACCOUNT: &str = "kaito.sh/streaming-service-account";
/// When a base image upgrade began (RFC 3339).
pub const UPGRADE_START_TIME: &str = "kaito.sh/upgrade-start-time";

/// Workspace that a pod, node claim or volume belongs to.
pub const WORKSPACE: &str = "kaito.sh/workspace";
/// Namespace of that Workspace, on cluster-scoped objects.
pub const WORKSPACE_NAMESPACE: &str = "kaito.sh/workspacenamespace";
/// RAGEngine that an object belongs to.
pub const RAG_ENGINE: &str = "kaito.sh/ragengine";
/// Namespace of that RAGEngine.
pub const RAG_ENGINE_NAMESPACE: &str = "kaito.sh/ragenginenamespace";
/// Role of an inference workload: `prefill` or `decode`.
pub const INFERENCE_ROLE: &str = "kaito.sh/inference-role";
/// MultiRoleInference that created an object.
pub const CREATED_BY_MULTI_ROLE_INFERENCE: &str = "multiroleinference.kaito.sh/created-by";
/// InferenceSet that created a Workspace.
pub const CREATED_BY_INFERENCE_SET: &str = "inferenceset.kaito.sh/created-by";
/// Base image tag that a Workspace is to be upgraded to.
pub const UPGRADE_TO_VERSION: &str = "kaito.sh/upgrade-to-version";
/// ModelMirror that a download Job serves.
pub const MODEL_MIRROR_NAME: &str = "kaito.sh/model-mirror-name";
/// Hash of resource, inference and tuning (annotation on the Workspace and its ControllerRevisions).
pub const WORKSPACE_HASH: &str = "workspace.kaito.io/hash";
/// Number of the ControllerRevision in use (annotation).
pub const WORKSPACE_REVISION: &str = "workspace.kaito.io/revision";
/// Workspace that a ControllerRevision belongs to (label).
pub const WORKSPACE_NAME: &str = "workspace.kaito.io/name";
/// As [`WORKSPACE_HASH`], for InferenceSet.
pub const INFERENCE_SET_HASH: &str = "inferenceset.kaito.io/hash";
/// As [`WORKSPACE_REVISION`], for InferenceSet.
pub const INFERENCE_SET_REVISION: &str = "inferenceset.kaito.io/revision";
/// As [`WORKSPACE_NAME`], for InferenceSet.
pub const INFERENCE_SET_NAME: &str = "inferenceset.kaito.io/name";
/// Marks NodePools and NodeClasses that we manage (value `kaito`).
pub const KARPENTER_MANAGED_BY: &str = "karpenter.kaito.sh/managed-by";
/// Marks the default NodeClass (value `true`).
pub const KARPENTER_DEFAULT: &str = "karpenter.kaito.sh/default";
/// Workspace of a NodePool.
pub const KARPENTER_WORKSPACE_NAME: &str = "karpenter.kaito.sh/workspace-name";
/// Namespace of the Workspace of a NodePool.
pub const KARPENTER_WORKSPACE_NAMESPACE: &str = "karpenter.kaito.sh/workspace-namespace";
/// InferenceSet of a NodePool.
pub const KARPENTER_INFERENCE_SET: &str = "karpenter.kaito.sh/inferenceset";
/// Namespace of the InferenceSet of a NodePool.
pub const KARPENTER_INFERENCE_SET_NAMESPACE: &str = "karpenter.kaito.sh/inferenceset-namespace";
/// Node label that device plugins select on (value `nvidia`).
pub const ACCELERATOR: &str = "accelerator";
/// Legacy node label of the provisioner: `gpu` or `cpu`.
pub const MACHINE_TYPE: &str = "kaito.sh/machine-type";
/// When a claim was created, as a label value (`2006-01-02T15-04-05Z`, dashes because label values forbid colons).
pub const CREATION_TIMESTAMP: &str = "kaito.sh/creation-timestamp";

/// What becomes of the nodes of a tuning that succeeded: `serve` (default), `keep` or `release`.
pub const AFTER_TUNING: &str = "drydock.sh/after-tuning";
/// What the user adjusts of the pods of a preset, in JSON: tolerations, env, nodeSelector, resources.
pub const POD_OVERRIDES: &str = "drydock.sh/pod-overrides";
/// Address of the long-running operation on a claim's agent pool (annotation on the NodeClaim).
pub const POOL_OPERATION: &str = "drydock.sh/pool-operation";

/// Finalizer of Workspace.
pub const WORKSPACE_FINALIZER: &str = "workspace.finalizer.kaito.sh";
/// Finalizer of InferenceSet.
pub const INFERENCE_SET_FINALIZER: &str = "inferenceset.finalizer.kaito.sh";
/// Finalizer of RAGEngine.
pub const RAG_ENGINE_FINALIZER: &str = "ragengine.finalizer.kaito.sh";
/// Finalizer of MultiRoleInference.
pub const MULTI_ROLE_INFERENCE_FINALIZER: &str = "multiroleinference.kaito.sh/finalizer";
/// Finalizer of ModelMirror.
pub const MODEL_MIRROR_FINALIZER: &str = "kaito.sh/model-mirror-cleanup";
/// Finalizer that a ModelMirror puts on its PersistentVolumeClaim.
pub const MODEL_MIRROR_PVC_FINALIZER: &str = "kaito.sh/model-mirror-protection";

/// Keys that are ignored in a user's `matchLabels`: they are ours to set.
pub const RESERVED_SELECTOR_KEYS: [&str; 8] = [
    WORKSPACE,
    WORKSPACE_NAMESPACE,
    RAG_ENGINE,
    RAG_ENGINE_NAMESPACE,
    KARPENTER_WORKSPACE_NAME,
    KARPENTER_WORKSPACE_NAMESPACE,
    KARPENTER_INFERENCE_SET,
    KARPENTER_INFERENCE_SET_NAMESPACE,
];

/// The user's labels without the reserved ones: what nodes are matched and claims are labelled with.
pub fn without_reserved<'a>(
    labels: impl IntoIterator<Item = (&'a String, &'a String)>,
) -> std::collections::BTreeMap<String, String> {
    labels
        .into_iter()
        .filter(|(key, _)| !RESERVED_SELECTOR_KEYS.contains(&key.as_str()))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

/// What [`ENABLE_LB`] asks for: `true` and `True` mean yes, absence or `false` no, anything else is not understood.
pub fn load_balancer(value: Option<&str>) -> Option<bool> {
    match value {
        None | Some("false" | "False") => Some(false),
        Some("true" | "True") => Some(true),
        Some(_) => None,
    }
}

/// Names of the objects that a Workspace owns.
pub mod child {
    /// StatefulSet, Job and Service carry the name of the Workspace.
    pub fn workload(workspace: &str) -> &str {
        workspace
    }

    /// Headless service of an inference workload.
    pub fn headless_service(workspace: &str) -> String {
        format!("{workspace}-headless")
    }

    /// Leader (ordinal 0) pod, which serves.
    pub fn leader_pod(workspace: &str) -> String {
        format!("{workspace}-0")
    }

    /// Stable DNS name of the leader pod.
    pub fn leader_host(workspace: &str, namespace: &str) -> String {
        format!("{workspace}-0.{workspace}-headless.{namespace}.svc.cluster.local")
    }

    /// PersistentVolumeClaim of one replica's weights.
    pub fn weights_claim(workspace: &str, ordinal: u32) -> String {
        format!("model-weights-volume-{workspace}-{ordinal}")
    }

    /// ControllerRevision: the owner's name and the first five characters of the hash.
    pub fn revision(owner: &str, hash: &str) -> String {
        let short: String = hash.chars().take(5).collect();
        format!("{owner}-{short}")
    }

    /// Default tuning ConfigMap of a method, in the release namespace and copied beside the Workspace.
    pub fn tuning_template(method: crate::workspace::TuningMethod) -> &'static str {
        match method {
            crate::workspace::TuningMethod::Lora => "lora-params-template",
            crate::workspace::TuningMethod::Qlora => "qlora-params-template",
        }
    }

    /// Prefix of the Workspaces that an InferenceSet creates.
    pub fn replica_prefix(inference_set: &str) -> String {
        format!("{inference_set}-")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reserved_keys_are_dropped_from_selectors() {
        let labels = [("app", "phi"), (WORKSPACE, "other")].map(|(k, v)| (k.to_owned(), v.to_owned()));
        let kept = without_reserved(labels.iter().map(|(k, v)| (k, v)));
        assert_eq!(
            kept.into_iter().collect::<Vec<_>>(),
            [("app".to_owned(), "phi".to_owned())]
        );
    }

    #[test]
    fn load_balancer_understands_both_spellings() {
        let verdicts = [None, Some("true"), Some("True"), Some("false"), Some("1"), Some("yes")].map(load_balancer);
        assert_eq!(verdicts, [Some(false), Some(true), Some(true), Some(false), None, None]);
    }

    #[test]
    fn names_of_children() {
        assert_eq!(child::revision("ws", "abcdef01"), "ws-abcde");
        assert_eq!(child::revision("ws", "é"), "ws-é");
        assert_eq!(child::leader_host("ws", "ns"), "ws-0.ws-headless.ns.svc.cluster.local");
        assert_eq!(child::weights_claim("ws", 2), "model-weights-volume-ws-2");
    }
}
