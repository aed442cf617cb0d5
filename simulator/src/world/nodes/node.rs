//! The Node objects that simulated kubelets register.

use serde_json::{Value, json};

/// Annotation of nodes whose kubelet is simulated; no other node's pods are touched.
pub const IS_SIMULATED: &str = "simulator.drydock.sh/node";

/// Size of a node.
#[derive(Clone, Debug)]
pub struct NodeShape {
    /// CPUs, as a quantity.
    pub cpu: String,
    /// Memory, as a quantity.
    pub memory: String,
    /// `node.kubernetes.io/instance-type`.
    pub instance_type: String,
    /// Pods that fit, whatever their size (`--max-pods`; 110 is the kubelet's default).
    pub max_pods: u32,
}

impl Default for NodeShape {
    /// Standard_D4s_v5: 4 CPUs, 16 GiB.
    fn default() -> Self {
        Self {
            cpu: "4".into(),
            memory: "16Gi".into(),
            instance_type: "Standard_D4s_v5".into(),
            max_pods: 110,
        }
    }
}

/// A plain node as its kubelet registers it: not ready yet. `index` makes its address.
#[must_use]
pub fn plain_node(name: &str, index: u32, shape: &NodeShape) -> Value {
    let NodeShape {
        cpu,
        memory,
        instance_type,
        max_pods,
    } = shape;
    let capacity = json!({ "cpu": cpu, "memory": memory, "pods": max_pods.to_string(), "ephemeral-storage": "128Gi" });
    let (high, low) = (index / 250 % 250, index % 250 + 4);
    json!({
        "apiVersion": "v1", "kind": "Node",
        "metadata": {
            "name": name,
            "annotations": { IS_SIMULATED: "true" },
            "labels": {
                "kubernetes.io/hostname": name, "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64",
                "node.kubernetes.io/instance-type": instance_type,
            },
        },
        "spec": {},
        "status": {
            "capacity": capacity, "allocatable": capacity,
            "addresses": [
                { "type": "InternalIP", "address": format!("10.224.{high}.{low}") },
                { "type": "Hostname", "address": name },
            ],
            "nodeInfo": {
                "machineID": "", "systemUUID": "", "bootID": "", "kernelVersion": "5.15.0-1092-azure",
                "osImage": "Ubuntu 22.04.5 LTS", "containerRuntimeVersion": "containerd://1.7.28",
                "kubeletVersion": "v1.36.3", "kubeProxyVersion": "v1.36.3", "operatingSystem": "linux",
                "architecture": "amd64",
            },
        },
    })
}
