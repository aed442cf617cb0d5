//! Annotations that have a meaning.

use super::{Fault, Provisioner, Settings, Verdict, annotation};
use crate::{Workspace, labels};
use std::collections::BTreeMap;

/// Annotations whose values are fixed. v1beta1 only, and only when the object is new.
pub(super) fn faults(new: &Workspace, settings: &Settings, verdict: &mut Verdict) {
    let get = |key| annotation(new.metadata.annotations.as_ref(), key);
    if let Some(value) = get(labels::NODE_IMAGE_FAMILY)
        && !matches!(value.trim().to_lowercase().as_str(), "ubuntu" | "azurelinux")
    {
        verdict.fault(Fault::invalid(
            path(labels::NODE_IMAGE_FAMILY),
            format!("unsupported node image family {value:?}, supported values are azurelinux, ubuntu"),
        ));
    }
    if let Some(value) = get(labels::PERFORMANCE_MODE)
        && !matches!(value, "balanced" | "interactivity" | "throughput")
    {
        verdict.fault(Fault::invalid(
            path(labels::PERFORMANCE_MODE),
            format!("{value:?} is not a valid performance mode; choose one of: balanced, interactivity, throughput"),
        ));
    }
    if let Some(value) = get(labels::USE_LOCAL_WEIGHTS)
        && !matches!(value, "true" | "false")
    {
        verdict.fault(Fault::invalid(
            path(labels::USE_LOCAL_WEIGHTS),
            format!("{value:?} must be \"true\" or \"false\""),
        ));
    }
    if let Some(fault) = node_class(get(labels::NODE_CLASS_NAME), settings) {
        verdict.fault(fault);
    }
}

/// The NodeClass must be one that the operator was told of (karpenter only).
pub(super) fn node_class(value: Option<&str>, settings: &Settings) -> Option<Fault> {
    let value = value.filter(|value| !value.is_empty())?;
    let known = settings.node_classes.iter().any(|class| class == value);
    (settings.provisioner == Provisioner::Karpenter && !known).then(|| {
        let classes = settings.node_classes.join(" ");
        Fault::invalid(
            path(labels::NODE_CLASS_NAME),
            format!("{value:?} is not a KAITO-managed NodeClass, supported values are [{classes}]"),
        )
    })
}

/// Spellings that are accepted but do not do what was probably meant.
pub(super) fn warnings(annotations: Option<&BTreeMap<String, String>>, verdict: &mut Verdict) {
    if let Some(value) = annotation(annotations, labels::ENABLE_LB)
        && labels::load_balancer(Some(value)).is_none()
    {
        verdict.warn(format!(
            "annotation {}: {value:?} is not understood and counts as false; use \"true\" or \"false\"",
            labels::ENABLE_LB
        ));
    }
    if let Some(value) = annotation(annotations, labels::RUNTIME)
        && !matches!(value, "vllm" | "transformers")
    {
        verdict.warn(format!(
            "annotation {}: {value:?} is not understood and counts as vllm; use \"vllm\" or \"transformers\"",
            labels::RUNTIME
        ));
    }
    if let Some(value) = annotation(annotations, labels::DISABLE_BENCHMARK)
        && !matches!(value, "true" | "false")
    {
        verdict.warn(format!(
            "annotation {}: {value:?} is not understood and counts as false; use \"true\" or \"false\"",
            labels::DISABLE_BENCHMARK
        ));
    }
}

pub(super) fn path(key: &str) -> String {
    format!("metadata.annotations[{key}]")
}
