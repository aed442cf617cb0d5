//! What AKS is asked for: an agent pool of one node.

use operator_api::NodeClaim;
use operator_api::labels::{CREATION_TIMESTAMP, MACHINE_TYPE, NODE_IMAGE_FAMILY, WORKSPACE, WORKSPACE_NAMESPACE};
use serde_json::{Map, Value, json};

/// Key of the requirement that names the VM size.
const INSTANCE_TYPE: &str = "node.kubernetes.io/instance-type";
/// Azure's largest disk for an operating system, in GiB.
const LARGEST_OS_DISK_GIB: u64 = 2048;

/// The body of the request.
///
/// # Errors
/// When the claim does not say what Azure must know; the text names the field.
pub(super) fn body(claim: &NodeClaim) -> Result<Value, String> {
    let spec = &claim.spec;
    let size = spec
        .requirements
        .iter()
        .find(|it| it.key == INSTANCE_TYPE && it.operator == "In");
    let size = size.and_then(|it| it.values.first());
    let size = size.ok_or_else(|| format!("spec.requirements: {INSTANCE_TYPE} must name a VM size"))?;
    let storage = spec
        .resources
        .requests
        .get("storage")
        .map(|quantity| quantity.0.as_str());
    let disk = storage.and_then(gib).filter(|disk| *disk > 0).ok_or_else(|| {
        format!(
            "spec.resources.requests.storage: {} is not a size of a disk; write for example 120Gi",
            storage.unwrap_or("nothing")
        )
    })?;
    let taints: Vec<String> = spec
        .taints
        .iter()
        .map(|taint| {
            format!(
                "{}={}:{}",
                taint.key,
                taint.value.as_deref().unwrap_or_default(),
                taint.effect
            )
        })
        .collect();
    let labels = claim.metadata.labels.as_ref();
    let label = |key| labels.and_then(|labels| labels.get(key)).cloned().unwrap_or_default();
    Ok(json!({ "properties": {
        "count": 1,
        "vmSize": size,
        "type": "VirtualMachineScaleSets",
        "mode": "User",
        "osType": "Linux",
        "osSKU": os_sku(claim),
        "osDiskSizeGB": disk.min(LARGEST_OS_DISK_GIB),
        "nodeLabels": node_labels(claim, size),
        "nodeTaints": taints,
        // Whose money it is, for people who look at the bill.
        "tags": { "drydock-workspace": label(WORKSPACE), "drydock-namespace": label(WORKSPACE_NAMESPACE) },
    } }))
}

fn os_sku(claim: &NodeClaim) -> &'static str {
    let annotations = claim.metadata.annotations.as_ref();
    let family = annotations.and_then(|all| all.get(NODE_IMAGE_FAMILY));
    match family.is_some_and(|family| family.eq_ignore_ascii_case("azurelinux")) {
        true => "AzureLinux",
        false => "Ubuntu",
    }
}

fn node_labels(claim: &NodeClaim, size: &str) -> Map<String, Value> {
    let mut labels: Map<String, Value> = claim
        .metadata
        .labels
        .iter()
        .flatten()
        .map(|(key, value)| (key.clone(), json!(value)))
        .collect();
    let is_gpu = size.to_lowercase().starts_with("standard_n");
    labels.insert(MACHINE_TYPE.into(), json!(if is_gpu { "gpu" } else { "cpu" }));
    if let Some(created) = &claim.metadata.creation_timestamp {
        // Label values cannot hold colons.
        labels.insert(
            CREATION_TIMESTAMP.into(),
            json!(created.0.strftime("%Y-%m-%dT%H-%M-%SZ").to_string()),
        );
    }
    labels
}

/// A quantity in whole GiB, rounded up. None when it is no quantity.
fn gib(text: &str) -> Option<u64> {
    const UNITS: [(&str, u64); 8] = [
        ("Ki", 1 << 10),
        ("Mi", 1 << 20),
        ("Gi", 1 << 30),
        ("Ti", 1 << 40),
        ("k", 1_000),
        ("M", 1_000_000),
        ("G", 1_000_000_000),
        ("T", 1_000_000_000_000),
    ];
    let with_unit = UNITS
        .iter()
        .find_map(|(unit, bytes)| Some((text.strip_suffix(unit)?, *bytes)));
    let (number, bytes) = with_unit.unwrap_or((text, 1));
    let bytes = number.parse::<u64>().ok()?.checked_mul(bytes)?;
    Some(bytes.div_ceil(1 << 30))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_become_whole_gib() {
        for (text, expected) in [
            ("120Gi", Some(120)),
            ("1Ti", Some(1024)),
            ("1G", Some(1)),
            ("1073741825", Some(2)),
            ("0", Some(0)),
            ("x", None),
            ("", None),
            ("-1Gi", None),
            ("99999999999999999999Ti", None),
        ] {
            assert_eq!(gib(text), expected, "{text}");
        }
    }
}
