//! What a fresh cluster holds: namespaces, roles, the API server's own Service, the system PriorityClasses.

use serde_json::{Value, json};

use super::ApiServer;
use super::rules;
use crate::world::kube::auth::bootstrap_policy;
use crate::world::kube::patch::managed::{self, Stamp};
use crate::world::kube::store::Key;

/// Puts all of it in, without admission: that is what bootstrap means.
pub(super) fn populate(server: &ApiServer) {
    for namespace in ["default", "kube-node-lease", "kube-public", "kube-system"] {
        insert(
            server,
            json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": namespace } }),
        );
    }
    for object in bootstrap_policy() {
        insert(server, object);
    }
    insert(
        server,
        json!({
            "apiVersion": "v1", "kind": "Service",
            "metadata": {
                "name": "kubernetes", "namespace": "default",
                "labels": { "component": "apiserver", "provider": "kubernetes" },
            },
            "spec": {
                "type": "ClusterIP", "clusterIP": "10.0.0.1", "clusterIPs": ["10.0.0.1"],
                "ports": [{ "name": "https", "port": 443, "protocol": "TCP", "targetPort": 6443 }],
            },
        }),
    );
    for (name, value, what) in [
        (
            "system-cluster-critical",
            2_000_000_000,
            "run in the cluster, but can be moved to another node if necessary",
        ),
        (
            "system-node-critical",
            2_000_001_000,
            "not be moved from their current node",
        ),
    ] {
        let description = format!("Used for system critical pods that must {what}.");
        insert(
            server,
            json!({
                "apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": { "name": name },
                "value": value, "preemptionPolicy": "PreemptLowerPriority",
                "description": description,
            }),
        );
    }
}

fn insert(server: &ApiServer, mut object: Value) {
    let api_version = object["apiVersion"].as_str().unwrap_or_default().to_owned();
    let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version.as_str()));
    let kind = object["kind"].as_str().unwrap_or_default();
    let gvk = crate::world::kube::resources::Gvk::new(group, version, kind);
    let mut state = server.state();
    let Some(resource) = state.registry.by_kind(&gvk).cloned() else {
        return;
    };
    object["metadata"]["uid"] = server.world().entropy.uid().into();
    object["metadata"]["creationTimestamp"] = server.now().into();
    rules::default(&resource, &mut object);
    let schema = rules::merge_schema(&resource);
    let time = server.now();
    let stamp = Stamp {
        manager: "kube-apiserver",
        subresource: "",
        api_version: &api_version,
        kind: &resource.gvk.kind,
        time: &time,
    };
    managed::update(&schema, None, &mut object, &stamp);
    drop(schema);
    rules::prepare_create(&resource, &mut object);
    let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
    let key = Key::new(&text("namespace"), &text("name"));
    state.write(&resource, &key, &mut object);
}
