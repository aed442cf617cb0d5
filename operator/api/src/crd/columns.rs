//! What `kubectl get` prints.

use serde_json::{Value, json};

fn column(name: &str, kind: &str, path: &str) -> Value {
    json!({ "name": name, "type": kind, "jsonPath": path })
}

/// A column that only `-o wide` shows.
fn wide(mut column: Value) -> Value {
    column["priority"] = 1.into();
    column
}

fn condition(name: &str, condition: &str) -> Value {
    column(
        name,
        "string",
        &format!(".status.conditions[?(@.type==\"{condition}\")].status"),
    )
}

fn age() -> Value {
    column("Age", "date", ".metadata.creationTimestamp")
}

/// The columns of the first releases, with the later ones behind `-o wide`.
pub(super) fn workspace_v1alpha1() -> Value {
    json!([
        column("Instance", "string", ".resource.instanceType"),
        condition("ResourceReady", "ResourceReady"),
        condition("InferenceReady", "InferenceReady"),
        condition("WorkspaceReady", "WorkspaceReady"),
        wide(condition("JobStarted", "JobStarted")),
        wide(condition("WorkspaceSucceeded", "WorkspaceSucceeded")),
        age(),
    ])
}

pub(super) fn workspace_v1beta1() -> Value {
    json!([
        column("Instance", "string", ".resource.instanceType"),
        condition("ResourceReady", "ResourceReady"),
        condition("InferenceReady", "InferenceReady"),
        condition("WorkspaceReady", "WorkspaceReady"),
        age(),
        wide(condition("JobStarted", "JobStarted")),
        wide(condition("WorkspaceSucceeded", "WorkspaceSucceeded")),
        wide(column("TargetNodeCount", "integer", ".status.targetNodeCount")),
        wide(column("State", "string", ".status.state")),
    ])
}

pub(super) fn inference_set() -> Value {
    json!([
        column("Replicas", "integer", ".spec.replicas"),
        column("ReadyReplicas", "integer", ".status.readyReplicas"),
        age(),
    ])
}

pub(super) fn node_claim() -> Value {
    json!([
        column(
            "Type",
            "string",
            ".metadata.labels.node\\.kubernetes\\.io/instance-type"
        ),
        column("Capacity", "string", ".metadata.labels.karpenter\\.sh/capacity-type"),
        column("Zone", "string", ".metadata.labels.topology\\.kubernetes\\.io/zone"),
        column("Node", "string", ".status.nodeName"),
        condition("Ready", "Ready"),
        age(),
        wide(column("ImageID", "string", ".status.imageID")),
        wide(column("ID", "string", ".status.providerID")),
        wide(column("NodePool", "string", ".metadata.labels.karpenter\\.sh/nodepool")),
        wide(column("NodeClass", "string", ".spec.nodeClassRef.name")),
        wide(condition("Drifted", "Drifted")),
    ])
}
