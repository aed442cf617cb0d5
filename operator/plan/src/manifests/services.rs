//! The Services of a Workspace.

use operator_api::Workspace;
use operator_api::labels::{ENABLE_LB, WORKSPACE, child, load_balancer};
use serde_json::{Value, json};

use super::{name, owned};
use crate::drift::stamped;

/// Port of the runtime in its pod.
pub(super) const RUNTIME_PORT: u16 = 5000;
/// Port for the workers of one model on several nodes, as the 2024 releases have it.
const TORCH_PORT: u16 = 29500;

/// Names and fields.
pub fn services(workspace: &Workspace) -> Vec<(String, Value)> {
    let name = name(workspace);
    let annotations = workspace.metadata.annotations.as_ref();
    let wants_lb = annotations.and_then(|all| all.get(ENABLE_LB)).map(String::as_str);
    let type_ = match load_balancer(wants_lb) {
        Some(true) => "LoadBalancer",
        Some(false) | None => "ClusterIP",
    };
    let mut selector = json!({ WORKSPACE: name });
    let is_template = workspace
        .inference
        .as_ref()
        .is_some_and(|inference| inference.template.is_some());
    if let Some(selector) = selector.as_object_mut().filter(|_| !is_template) {
        // One model on several nodes is served by its leader; pods of a template are all alike.
        selector.insert(
            "statefulset.kubernetes.io/pod-name".into(),
            json!(child::leader_pod(name)),
        );
    }
    let port = |name: &str, port: u16, target: u16| json!({ "name": name, "port": port, "targetPort": target, "protocol": "TCP" });
    let main = json!({
        "metadata": owned(workspace, &json!({})),
        "spec": {
            "type": type_,
            "selector": selector,
            "publishNotReadyAddresses": true,
            "ports": [port("http", 80, RUNTIME_PORT), port("torch", TORCH_PORT, TORCH_PORT)],
        },
    });
    let headless = json!({
        "metadata": owned(workspace, &json!({})),
        "spec": {
            "type": "ClusterIP",
            "clusterIP": "None",
            "selector": { WORKSPACE: name },
            "publishNotReadyAddresses": true,
            "ports": [port("torchrun", TORCH_PORT, TORCH_PORT)],
        },
    });
    vec![
        (name.to_owned(), stamped(main)),
        (child::headless_service(name), stamped(headless)),
    ]
}
