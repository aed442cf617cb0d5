//! `resource` of a new Workspace: sizes, partitions, and whether the model fits.

use super::{Context, Fault, Provisioner, Runtime, Verdict, Version, annotation, byo, in_gib, selector};
use crate::{
    Workspace, labels, presets,
    sku::{self, Cloud, Sku},
    workspace::{InferenceSpec, ResourceSpec},
};

const INSTANCE_TYPE: &str = "resource.instanceType";

/// The GPUs of one node, as far as they are known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NodeGpus {
    pub(super) sku: String,
    pub(super) gpus: u64,
    pub(super) memory_bytes: u64,
}

impl From<&Sku> for NodeGpus {
    fn from(sku: &Sku) -> Self {
        Self {
            sku: sku.name.to_owned(),
            gpus: u64::from(sku.gpus),
            memory_bytes: sku::gib(sku.gpu_memory_gib),
        }
    }
}

pub(super) fn with_inference(
    version: Version,
    new: &Workspace,
    inference: &InferenceSpec,
    runtime: Runtime,
    context: Context<'_>,
    verdict: &mut Verdict,
) {
    let resource = &new.resource;
    let preset = inference.preset.as_ref().map(|preset| preset.name.as_str());
    let model = preset.map(|name| super::inference::resolve(version, name, context.facts));
    if model == Some(None) {
        if let Some(name) = preset.filter(|name| presets::DEPRECATED.contains(&name.to_lowercase().as_str())) {
            verdict.fault(Fault::invalid(
                "inference.preset.name",
                format!("Model {name} is deprecated and no longer supported"),
            ));
        }
        return; // the rules of `inference` say what is wrong with the name
    }
    for fault in selector::faults(resource.label_selector.as_ref(), "resource.labelSelector") {
        verdict.fault(fault);
    }
    let bypassed = annotation(new.metadata.annotations.as_ref(), labels::BYPASS_RESOURCE_CHECKS).is_some();
    let weights = model.flatten().and_then(|model| weight_bytes(context, &model));
    let own_nodes = version == Version::V1beta1 && context.settings.provisioner == Provisioner::Byo;
    let (gpus, machines) = if own_nodes {
        let Some(found) = byo::check(resource, preset, weights, bypassed, context, verdict) else {
            return;
        };
        found
    } else {
        if version == Version::V1beta1 && resource.partition.is_some() {
            verdict.fault(Fault::invalid(
                "resource.partition",
                "GPU partitioning is only supported with BYO nodes (disableNodeAutoProvisioning=true)",
            ));
        }
        let gpus = instance_type(resource, preset, weights, bypassed, context.settings.cloud, verdict);
        (gpus, u64::try_from(resource.node_count()).unwrap_or(0))
    };
    // On nodes that are brought up for vLLM the estimator chooses how many, so nothing can be too small here.
    let estimated = version == Version::V1beta1 && !own_nodes && runtime == Runtime::Vllm;
    if let (Some(preset), Some(gpus), Some(weights), false) = (preset, gpus, weights, estimated) {
        memory(preset, &gpus, machines, weights, bypassed, verdict);
        // The models of 2024 were spread over nodes by another program.
        if version == Version::V1beta1 && runtime == Runtime::Transformers {
            one_node(&gpus, weights, bypassed, verdict);
        }
    }
}

fn weight_bytes(context: Context<'_>, model: &str) -> Option<u64> {
    context.facts.models.get(model)?.as_ref().ok()?.weight_bytes
}

/// The size must be one that we know or that at least can have a GPU.
fn instance_type(
    resource: &ResourceSpec,
    preset: Option<&str>,
    weights: Option<u64>,
    bypassed: bool,
    cloud: Cloud,
    verdict: &mut Verdict,
) -> Option<NodeGpus> {
    let name = resource.instance_type.as_str();
    if name.is_empty() {
        return None; // that it is missing has been said, or the mode does not need it
    }
    if let Some(sku) = sku::find(cloud, name) {
        if let Some(capability) = sku.compute_capability
            && capability < sku::MODERN_COMPUTE_CAPABILITY
        {
            verdict.warn(format!(
                "{INSTANCE_TYPE}: the {} of {} has compute capability {}.{}, below the 8.0 that bfloat16 and most \
                 kernels need",
                sku.gpu,
                sku.name,
                capability / 10,
                capability % 10
            ));
        }
        return Some(sku.into());
    }
    match (cloud, sku::azure_family(name)) {
        (Cloud::Azure, Some('d')) if preset.is_some() => {
            let need = weights.map_or("GPU memory".to_owned(), |bytes| {
                format!("at least {} of GPU memory", in_gib(bytes))
            });
            let fitting = sku::fitting(cloud, weights.unwrap_or_default());
            let preset = preset.unwrap_or_default();
            let offer: Vec<&str> = fitting.into_iter().take(3).collect();
            verdict.fault_unless(
                bypassed,
                Fault::invalid(
                    INSTANCE_TYPE,
                    format!(
                        "Instance type {name} has no GPU, but preset {preset} requires {need}. Smallest SKUs that fit: [{}]",
                        offer.join(" ")
                    ),
                ),
            );
        }
        (Cloud::Azure, Some(_)) => {}
        (Cloud::Azure | Cloud::Aws | Cloud::Arc, _) => verdict.fault(Fault::invalid(
            INSTANCE_TYPE,
            format!(
                "Unsupported instance type {name}. Supported SKUs: [{}]",
                sku::supported(cloud).join(" ")
            ),
        )),
    }
    None
}

/// All nodes together must hold the weights.
fn memory(preset: &str, gpus: &NodeGpus, machines: u64, weights: u64, bypassed: bool, verdict: &mut Verdict) {
    let total = gpus.memory_bytes.saturating_mul(machines);
    if total < weights {
        let (name, total, weights) = (&gpus.sku, in_gib(total), in_gib(weights));
        verdict.fault_unless(
            bypassed,
            Fault::invalid(
                INSTANCE_TYPE,
                format!(
                    "Insufficient total GPU memory: Instance type {name} has a total of {total}, but preset {preset} \
                     requires at least {weights}"
                ),
            ),
        );
    }
}

/// The transformers runtime can't spread a model over nodes.
fn one_node(gpus: &NodeGpus, weights: u64, bypassed: bool, verdict: &mut Verdict) {
    if weights > gpus.memory_bytes {
        verdict.fault_unless(
            bypassed,
            Fault::invalid(
                INSTANCE_TYPE,
                "Multi-node distributed inference is not supported with Huggingface Transformers runtime",
            ),
        );
    }
}

pub(super) fn with_tuning(resource: &ResourceSpec, verdict: &mut Verdict) {
    if resource.node_count() > 1 {
        verdict.fault(Fault::invalid("resource.count", crate::text::TUNING_MULTINODE));
    }
    if resource.partition.is_some() {
        verdict.fault(Fault::invalid("resource.partition", crate::text::TUNING_PARTITION));
    }
    for fault in selector::faults(resource.label_selector.as_ref(), "resource.labelSelector") {
        verdict.fault(fault);
    }
}
