//! Objects of the size that the targets speak of.

use serde_json::{Value, json};

/// Size of a benchmark object as its client sends it, in bytes of JSON.
pub const OBJECT_BYTES: usize = 2_048;

/// What is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sample {
    /// Twenty keys of text: hardly any rules.
    ConfigMap,
    /// Two containers with ports, probes, variables and volumes: about as many rules as a kind can have.
    Deployment,
}

impl Sample {
    /// Both.
    pub const ALL: [Self; 2] = [Self::ConfigMap, Self::Deployment];

    /// Its name in the benches' names.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::ConfigMap => "configmap",
            Self::Deployment => "deployment",
        }
    }

    /// Path of its collection in a namespace.
    #[must_use]
    pub fn path(self) -> &'static str {
        match self {
            Self::ConfigMap => "/api/v1/namespaces/default/configmaps",
            Self::Deployment => "/apis/apps/v1/namespaces/default/deployments",
        }
    }

    /// An object of 2 KiB; `mark` makes two that differ in one field.
    #[must_use]
    pub fn object(self, name: &str, mark: u64) -> Value {
        let object = match self {
            Self::ConfigMap => config_map(name, mark),
            Self::Deployment => deployment(name, mark),
        };
        padded(object)
    }
}

fn config_map(name: &str, mark: u64) -> Value {
    let mut data: serde_json::Map<String, Value> = (0..20)
        .map(|index| {
            (
                format!("setting-{index:02}"),
                "a value of some length ".repeat(3).into(),
            )
        })
        .collect();
    data.insert("mark".into(), mark.to_string().into());
    json!({
        "apiVersion": "v1", "kind": "ConfigMap",
        "metadata": { "name": name, "namespace": "default", "labels": { "app": name } },
        "data": data,
    })
}

fn deployment(name: &str, mark: u64) -> Value {
    let container = |container: &str, port: u16| {
        json!({
            "name": container, "image": format!("registry.example.com/team/{container}:1.2.3"),
            "args": ["--listen", format!(":{port}"), "--log-level=info"],
            "ports": [{ "name": "http", "containerPort": port }],
            "env": [
                { "name": "MARK", "value": mark.to_string() },
                { "name": "POD", "valueFrom": { "fieldRef": { "fieldPath": "metadata.name" } } },
            ],
            "resources": {
                "requests": { "cpu": "100m", "memory": "128Mi" }, "limits": { "cpu": "1", "memory": "512Mi" },
            },
            "readinessProbe": { "httpGet": { "path": "/healthz", "port": "http" }, "periodSeconds": 5 },
            "volumeMounts": [{ "name": "config", "mountPath": "/etc/config" }],
        })
    };
    let labels = json!({ "app": name });
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": { "name": name, "namespace": "default", "labels": labels },
        "spec": {
            "replicas": 3,
            "selector": { "matchLabels": labels },
            "template": {
                "metadata": { "labels": labels },
                "spec": {
                    "containers": [container("web", 8_080), container("metrics", 9_090)],
                    "volumes": [{ "name": "config", "configMap": { "name": "settings" } }],
                    "tolerations": [{ "key": "sku", "operator": "Equal", "value": "gpu", "effect": "NoSchedule" }],
                },
            },
        },
    })
}

/// Fills an annotation until the object has the size.
fn padded(mut object: Value) -> Value {
    object["metadata"]["annotations"] = json!({ "padding": "" });
    let missing = OBJECT_BYTES.saturating_sub(object.to_string().len());
    object["metadata"]["annotations"]["padding"] = "x".repeat(missing).into();
    object
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_have_their_size_and_are_taken() {
        let room = crate::Room::new();
        for sample in Sample::ALL {
            let text = sample.object("a-12345", 7).to_string();
            assert_eq!(text.len(), OBJECT_BYTES, "{sample:?}");
            room.create(sample, text.into());
            assert!(room.list(sample).len() > OBJECT_BYTES);
        }
    }
}
