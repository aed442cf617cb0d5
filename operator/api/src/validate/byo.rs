//! Nodes that the user brings: partitions of their GPUs, and what their labels say about them.

use super::{Context, Fault, NodeFact, Verdict, in_gib, resource::NodeGpus};
use crate::{
    sku,
    workspace::{PartitionMode, PartitionSpec, ResourceSpec},
};
use std::collections::BTreeSet;

const PRODUCT: &str = "nvidia.com/gpu.product";
const COUNT: &str = "nvidia.com/gpu.count";
/// MiB of one GPU, as NVIDIA's feature discovery writes it.
const MEMORY: &str = "nvidia.com/gpu.memory";

/// The GPUs of the nodes and how many nodes there are. None: there is nothing further to check.
pub(super) fn check(
    resource: &ResourceSpec,
    preset: Option<&str>,
    weights: Option<u64>,
    bypassed: bool,
    context: Context<'_>,
    verdict: &mut Verdict,
) -> Option<(Option<NodeGpus>, u64)> {
    if let Some(partition) = &resource.partition
        && partition_rules(partition, preset, weights, bypassed, context, verdict) == Some(PartitionMode::Mig)
    {
        return None; // a slice is judged by its profile, not by its node
    }
    preset?;
    let nodes = context.facts.nodes.as_deref()?;
    if nodes.is_empty() {
        verdict.fault(Fault::invalid(
            "resource.labelSelector",
            "No nodes found matching the specified label selector",
        ));
        return None;
    }
    let mut gpus = Vec::new();
    for node in nodes {
        match read(node) {
            Ok(found) => gpus.push(found),
            Err(reason) => verdict.fault(Fault::invalid(
                "resource.labelSelector",
                format!(
                    "Failed to get GPU config from nvidia labels on node {}: {reason}",
                    node.name
                ),
            )),
        }
    }
    uniform(&gpus, verdict);
    let first = gpus.first()?;
    let gpus = NodeGpus {
        sku: "unknown".to_owned(),
        gpus: first.count,
        memory_bytes: first.memory_bytes.saturating_mul(first.count),
    };
    Some((Some(gpus), u64::try_from(nodes.len()).unwrap_or(u64::MAX)))
}

fn partition_rules(
    partition: &PartitionSpec,
    preset: Option<&str>,
    weights: Option<u64>,
    bypassed: bool,
    context: Context<'_>,
    verdict: &mut Verdict,
) -> Option<PartitionMode> {
    let mode = partition.parsed_mode();
    match mode {
        Some(PartitionMode::Mig) => mig(partition, preset, weights, bypassed, context, verdict),
        Some(PartitionMode::Accelerator) => {
            if !context.settings.gates.accelerator {
                verdict.fault(Fault::invalid(
                    "resource.partition",
                    "accelerator partition support is not enabled, set feature gate enableAccelerator=true",
                ));
            }
            if !partition.profile.is_empty() {
                verdict.fault(Fault::invalid(
                    "resource.partition.profile",
                    crate::text::PROFILE_NEEDS_MIG,
                ));
            }
            if partition.count.is_none() {
                verdict.fault(Fault::missing(
                    "resource.partition.count",
                    crate::text::ACCELERATOR_NEEDS_COUNT,
                ));
            }
        }
        None => verdict.fault(Fault::invalid(
            "resource.partition.mode",
            format!("unsupported partition mode {:?}", partition.mode),
        )),
    }
    mode
}

fn mig(
    partition: &PartitionSpec,
    preset: Option<&str>,
    weights: Option<u64>,
    bypassed: bool,
    context: Context<'_>,
    verdict: &mut Verdict,
) {
    if !context.settings.gates.mig {
        verdict.fault(Fault::invalid(
            "resource.partition",
            "MIG support is not enabled, set feature gate enableMIG=true",
        ));
    }
    if partition.count.is_some() {
        verdict.fault(Fault::invalid(
            "resource.partition.count",
            crate::text::COUNT_NEEDS_ACCELERATOR,
        ));
    }
    let profile = partition.profile.as_str();
    let Some(slice) = sku::mig_memory(profile) else {
        verdict.fault(Fault::invalid(
            "resource.partition.profile",
            format!("invalid MIG profile {profile:?}"),
        ));
        return;
    };
    if !sku::MIG_PROFILES.contains(&profile) {
        verdict.fault(Fault::invalid(
            "resource.partition.profile",
            format!("unknown MIG profile {profile:?}"),
        ));
        return;
    }
    if let (Some(preset), Some(weights)) = (preset, weights)
        && weights > slice
    {
        verdict.fault_unless(
            bypassed,
            Fault::invalid(
                "resource.partition",
                format!(
                    "Model {preset} requires at least {} for weights, which exceeds the {profile} MIG slice capacity of {}",
                    in_gib(weights),
                    in_gib(slice)
                ),
            ),
        );
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Labelled<'a> {
    product: &'a str,
    count: u64,
    memory_bytes: u64,
}

fn read(node: &NodeFact) -> Result<Labelled<'_>, String> {
    let label = |key| {
        node.labels
            .get(key)
            .map(String::as_str)
            .ok_or_else(|| format!("label {key} is missing"))
    };
    let number = |key| {
        let text = label(key)?;
        text.parse::<u64>()
            .map_err(|_| format!("label {key} is not a number: {text:?}"))
    };
    // KAITO rounds one GPU to whole GiB.
    let gib = (number(MEMORY)?.saturating_add(512)) / 1024;
    Ok(Labelled {
        product: label(PRODUCT)?,
        count: number(COUNT)?,
        memory_bytes: gib.saturating_mul(1 << 30),
    })
}

fn uniform(gpus: &[Labelled<'_>], verdict: &mut Verdict) {
    let products: BTreeSet<String> = gpus.iter().map(|gpu| gpu.product.to_owned()).collect();
    let counts: BTreeSet<String> = gpus.iter().map(|gpu| gpu.count.to_string()).collect();
    let memories: BTreeSet<String> = gpus.iter().map(|gpu| in_gib(gpu.memory_bytes)).collect();
    for (what, found) in [("product", products), ("count", counts), ("memory", memories)] {
        if found.len() > 1 {
            let found = found.into_iter().collect::<Vec<_>>().join(", ");
            verdict.fault(Fault::invalid(
                "resource.labelSelector",
                format!("Non-uniform GPU {what} among the matching nodes: {found}"),
            ));
        }
    }
}
