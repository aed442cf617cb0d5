//! Which of a Workspace's nodes can be used, and what the others lack.

use k8s_openapi::api::core::v1::Node;
use operator_api::conditions::NodesReady;

/// Resource that NVIDIA's device plugin offers.
pub const GPU: &str = "nvidia.com/gpu";

/// What each node must be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Number of nodes.
    pub count: u32,
    /// VM size; empty for nodes that the user brings.
    pub instance_type: String,
    /// GPUs that each must offer; 0 asks for none.
    pub gpus: u32,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Names of all nodes that belong to the Workspace and are not being deleted, sorted.
    pub names: Vec<String>,
    /// The condition.
    pub reason: NodesReady,
    /// Its message.
    pub message: String,
}

/// Looks at the nodes.
pub fn look(nodes: &[&Node], wanted: &Wanted) -> Found {
    let mut mine: Vec<&Node> = nodes
        .iter()
        .copied()
        .filter(|node| node.metadata.deletion_timestamp.is_none() && has_type(node, &wanted.instance_type))
        .collect();
    mine.sort_by_key(|node| name(node));
    let names = mine.iter().map(|node| name(node).to_owned()).collect();
    let (ready, unready): (Vec<&Node>, Vec<&Node>) = mine.iter().copied().partition(|node| is_ready(node));
    let count = wanted.count as usize;
    let found = |reason, message| Found { names, reason, message };
    if ready.len() < count {
        let mut message = format!("{} of {count} nodes are ready", ready.len());
        if !unready.is_empty() {
            let list: Vec<&str> = unready.iter().map(|node| name(node)).collect();
            message.push_str(&format!("; not ready: {}", list.join(", ")));
        }
        return found(NodesReady::NodeNotReady, message);
    }
    let without: Vec<String> = ready
        .iter()
        .filter(|node| gpus(node) < u64::from(wanted.gpus))
        .map(|node| format!("{} offers {} of {} {GPU}", name(node), gpus(node), wanted.gpus))
        .collect();
    if ready.len() - without.len() < count {
        return found(NodesReady::NodePluginsNotReady, without.join("; "));
    }
    let pressed: Vec<String> = ready.iter().filter_map(|node| pressure(node)).collect();
    let mut message = format!("{count} of {count} nodes are ready");
    if !pressed.is_empty() {
        message.push_str(&format!(
            "; warning: worker node(s) under resource pressure: {}",
            pressed.join(", ")
        ));
    }
    found(NodesReady::NodesReady, message)
}

/// GPUs that pods can have of the node.
pub fn gpus(node: &Node) -> u64 {
    amount(node, GPU)
}

/// What pods can have of a countable resource of the node.
pub fn amount(node: &Node, resource: &str) -> u64 {
    let allocatable = node.status.as_ref().and_then(|status| status.allocatable.as_ref());
    let amount = allocatable.and_then(|amounts| amounts.get(resource));
    amount.and_then(|quantity| quantity.0.parse().ok()).unwrap_or(0)
}

/// Whether the kubelet says that the node is ready.
pub fn is_ready(node: &Node) -> bool {
    is(node, "Ready")
}

fn is(node: &Node, type_: &str) -> bool {
    let conditions = node.status.iter().flat_map(|status| status.conditions.iter().flatten());
    conditions
        .into_iter()
        .any(|condition| condition.type_ == type_ && condition.status == "True")
}

fn pressure(node: &Node) -> Option<String> {
    let pressed: Vec<&str> = ["MemoryPressure", "DiskPressure", "PIDPressure"]
        .into_iter()
        .filter(|type_| is(node, type_))
        .collect();
    (!pressed.is_empty()).then(|| format!("{} ({})", name(node), pressed.join(", ")))
}

fn has_type(node: &Node, instance_type: &str) -> bool {
    let labels = node.metadata.labels.as_ref();
    let label = labels.and_then(|labels| labels.get("node.kubernetes.io/instance-type"));
    instance_type.is_empty() || label.is_some_and(|label| label.eq_ignore_ascii_case(instance_type))
}

fn name(node: &Node) -> &str {
    node.metadata.name.as_deref().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn node(name: &str, size: &str, ready: bool, gpus: u32) -> Node {
        serde_json::from_value(json!({
            "metadata": { "name": name, "labels": { "node.kubernetes.io/instance-type": size } },
            "status": {
                "allocatable": { GPU: gpus.to_string() },
                "conditions": [{ "type": "Ready", "status": if ready { "True" } else { "False" } }],
            },
        }))
        .unwrap()
    }

    #[test]
    fn counts_ready_nodes_with_gpus_of_the_right_size() {
        let wanted = |count| Wanted {
            count,
            instance_type: "standard_nc6s_v3".into(),
            gpus: 1,
        };
        let (good, late) = (
            node("a", "Standard_NC6s_v3", true, 1),
            node("b", "Standard_NC6s_v3", true, 0),
        );
        let (down, other) = (
            node("c", "Standard_NC6s_v3", false, 1),
            node("d", "Standard_D4s_v5", true, 1),
        );
        let cases = [
            (vec![&good], 1, NodesReady::NodesReady, "1 of 1 nodes are ready"),
            (
                vec![&good, &down, &other],
                2,
                NodesReady::NodeNotReady,
                "1 of 2 nodes are ready; not ready: c",
            ),
            (
                vec![&good, &late],
                2,
                NodesReady::NodePluginsNotReady,
                "b offers 0 of 1 nvidia.com/gpu",
            ),
            (vec![&good, &late], 1, NodesReady::NodesReady, "1 of 1 nodes are ready"),
            (vec![], 1, NodesReady::NodeNotReady, "0 of 1 nodes are ready"),
        ];
        for (nodes, count, reason, message) in cases {
            let found = look(&nodes, &wanted(count));
            assert_eq!((found.reason, found.message.as_str()), (reason, message));
        }
        assert_eq!(
            look(
                &[&other],
                &Wanted {
                    count: 1,
                    ..Wanted::default()
                }
            )
            .names,
            ["d"]
        );
    }
}
