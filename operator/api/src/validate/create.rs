//! A Workspace that is new.

use super::{
    Context, Fault, Provisioner, Verdict, Version, annotations, inference, placeholder, resource, selector, text,
    tuning,
};
use crate::Workspace;

/// A longer name leaves no room for what a StatefulSet appends to it in a label (63 characters).
const COMFORTABLE_NAME_CHARS: usize = 52;

pub(super) fn workspace(version: Version, new: &Workspace, context: Context<'_>, verdict: &mut Verdict) {
    name(new, verdict);
    match (&new.inference, &new.tuning) {
        (None, None) => verdict.fault(Fault::generic(
            "inference, tuning",
            "Either Inference or Tuning must be specified, not neither",
        )),
        (Some(_), Some(_)) => verdict.fault(Fault::generic(
            "inference, tuning",
            "Either Inference or Tuning must be specified, but not both",
        )),
        (Some(_), None) | (None, Some(_)) => {}
    }
    for fault in placeholder::faults(&new.resource.instance_type, "resource.instanceType") {
        verdict.fault(fault);
    }
    if new.resource.node_count() < 0 {
        verdict.fault(Fault::invalid("resource.count", crate::text::NEGATIVE_COUNT));
    }
    if version == Version::V1beta1 {
        if let Some(fault) = instance_type(context.settings.provisioner, &new.resource.instance_type) {
            verdict.fault(fault);
        }
        annotations::faults(new, context.settings, verdict);
    }
    annotations::warnings(new.metadata.annotations.as_ref(), verdict);
    for key in selector::reserved(new.resource.label_selector.as_ref()) {
        verdict.warn(format!(
            "resource.labelSelector.matchLabels: {key} is reserved and ignored"
        ));
    }
    if !new.resource.preferred_nodes.is_empty() {
        verdict.warn("resource.preferredNodes is deprecated and has no effect");
    }
    let runtime = super::runtime(new.metadata.annotations.as_ref(), context.settings.gates);
    if let Some(inference) = &new.inference {
        resource::with_inference(version, new, inference, runtime, context, verdict);
        inference::create(version, new, inference, runtime, context, verdict);
    }
    if let Some(tuning) = &new.tuning {
        resource::with_tuning(&new.resource, verdict);
        tuning::create(version, new, tuning, context, verdict);
    }
}

fn name(new: &Workspace, verdict: &mut Verdict) {
    let name = new.metadata.name.as_deref().unwrap_or_default();
    // With generateName alone the API server has not made the name yet.
    if name.is_empty()
        && new
            .metadata
            .generate_name
            .as_deref()
            .is_some_and(|prefix| !prefix.is_empty())
    {
        return;
    }
    if let Some(reason) = text::dns_label(name) {
        verdict.fault(Fault::invalid("metadata.name", reason));
    } else if name.len() > COMFORTABLE_NAME_CHARS {
        verdict.warn(format!(
            "metadata.name is longer than {COMFORTABLE_NAME_CHARS} characters: the names of its pods and services will \
             not fit"
        ));
    }
}

/// The one rule about who may and who must name an instance type, for every kind.
pub(super) fn instance_type(provisioner: Provisioner, instance_type: &str) -> Option<Fault> {
    let path = "resource.instanceType";
    match (provisioner, instance_type.is_empty()) {
        (Provisioner::Byo, false) => Some(Fault::invalid(
            path,
            "instanceType must be empty when node auto-provisioning is disabled (BYO scenario)",
        )),
        (Provisioner::AzureGpu | Provisioner::Karpenter, true) => Some(Fault::missing(
            path,
            "instanceType is required when node auto-provisioning is enabled",
        )),
        (Provisioner::Byo, true) | (Provisioner::AzureGpu | Provisioner::Karpenter, false) => None,
    }
}
