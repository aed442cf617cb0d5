//! The claim for one node.

use operator_api::labels::{NODE_IMAGE_FAMILY, WORKSPACE, WORKSPACE_NAMESPACE, without_reserved};
use operator_api::nodeclaim::{DO_NOT_DISRUPT, NODE_POOL_LABEL};
use operator_api::{Workspace, sku::Cloud};
use preset_catalog::{Model, disk_gib};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::{Settings, name, namespace};
use crate::workspace::nodes::GPU;

/// Value of the pool label on claims that no NodePool made.
const POOL: &str = "kaito";
/// Disk of a node when nobody knows what will run there, in GiB.
const UNKNOWN_DISK_GIB: u64 = 1024;
/// Hexadecimal digits in a claim's name: with `ws` 11 characters, and a pool's name may have 12.
const NAME_DIGITS: usize = 9;

/// Name of a Workspace's claim: the same on every pass, so that asking twice is asking once.
pub fn node_claim_name(uid: &str, ordinal: u32) -> String {
    let digest = Sha256::digest(format!("{uid}/{ordinal}").as_bytes());
    let digits: String = digest.iter().take(5).map(|byte| format!("{byte:02x}")).collect();
    format!("ws{}", digits.chars().take(NAME_DIGITS).collect::<String>())
}

/// The claim. Its spec cannot be changed later.
pub fn node_claim(workspace: &Workspace, gpus: u32, model: Option<&Model>, settings: &Settings) -> Value {
    let size = &workspace.resource.instance_type;
    let selector = workspace.resource.label_selector.as_ref();
    let user = without_reserved(
        selector
            .iter()
            .flat_map(|selector| selector.match_labels.iter().flatten()),
    );
    let mut labels = json!(user);
    if let Some(labels) = labels.as_object_mut() {
        labels.insert(NODE_POOL_LABEL.into(), json!(POOL));
        labels.insert(WORKSPACE.into(), json!(name(workspace)));
        labels.insert(WORKSPACE_NAMESPACE.into(), json!(namespace(workspace)));
    }
    let mut requests = json!({ "storage": format!("{}Gi", disk(workspace, model)) });
    if let Some(requests) = requests.as_object_mut().filter(|_| gpus > 0) {
        requests.insert(GPU.into(), json!(gpus.to_string()));
    }
    let only = |key: &str, value: &str| json!({ "key": key, "operator": "In", "values": [value] });
    let mut requirements = vec![
        only(NODE_POOL_LABEL, POOL),
        only("node.kubernetes.io/instance-type", size),
        only("kubernetes.io/os", "linux"),
    ];
    requirements.extend(match settings.cloud {
        Cloud::Azure => Some(only("karpenter.azure.com/sku-name", size)),
        Cloud::Aws => Some(json!({ "key": "karpenter.k8s.aws/instance-gpu-count", "operator": "Gt", "values": ["0"] })),
        Cloud::Arc => None,
    });
    // On Arc nothing reads the class.
    let (group, kind) = match settings.cloud {
        Cloud::Azure => ("kaito.sh", "KaitoNodeClass"),
        Cloud::Aws => ("karpenter.k8s.aws", "EC2NodeClass"),
        Cloud::Arc => ("", ""),
    };
    json!({
        "metadata": {
            "labels": labels,
            "annotations": { DO_NOT_DISRUPT: "true", NODE_IMAGE_FAMILY: image_family(workspace, settings) },
        },
        "spec": {
            "nodeClassRef": { "group": group, "kind": kind, "name": "default" },
            "requirements": requirements,
            "resources": { "requests": requests },
            "taints": [{ "key": "sku", "value": "gpu", "effect": "NoSchedule" }],
            // The node lives as long as its Workspace wants it.
            "expireAfter": "Never",
        },
    })
}

fn disk(workspace: &Workspace, model: Option<&Model>) -> u64 {
    match (model, &workspace.tuning) {
        (
            Some(Model {
                tuning: Some(tuning), ..
            }),
            Some(_),
        ) => tuning.disk_gib,
        (Some(model), _) => disk_gib(model),
        (None, _) => UNKNOWN_DISK_GIB,
    }
}

fn image_family(workspace: &Workspace, settings: &Settings) -> String {
    let annotations = workspace.metadata.annotations.as_ref();
    let own = annotations.and_then(|all| all.get(NODE_IMAGE_FAMILY));
    own.map_or_else(
        || settings.node_image_family.clone(),
        |family| family.trim().to_lowercase(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_stable_distinct_and_fit_a_pool() {
        let name = node_claim_name("5f1e", 0);
        assert_eq!(name, node_claim_name("5f1e", 0));
        assert!(name != node_claim_name("5f1e", 1) && name != node_claim_name("5f1f", 0));
        assert!(name.len() == 11 && name.starts_with("ws"));
        assert!(name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit()));
    }
}
