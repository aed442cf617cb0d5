//! A Workspace that exists and is being changed: only what changes is judged.

use super::{
    Context, Fault, Provisioner, Verdict, Version, annotation, annotations, inference, placeholder, selector, tuning,
};
use std::collections::BTreeSet;

use crate::{
    Workspace,
    cel::IMMUTABLE,
    labels,
    workspace::{InferenceSpec, ResourceSpec, TuningSpec},
};

pub(super) fn workspace(
    version: Version,
    new: &Workspace,
    old: &Workspace,
    context: Context<'_>,
    verdict: &mut Verdict,
) {
    if new.inference.is_some() != old.inference.is_some() {
        verdict.fault(Fault::generic(
            "inference",
            "Inference field cannot be toggled once set",
        ));
    }
    if new.tuning.is_some() != old.tuning.is_some() {
        verdict.fault(Fault::generic("tuning", "Tuning field cannot be toggled once set"));
    }
    resource(
        version,
        &new.resource,
        &old.resource,
        context.settings.provisioner,
        verdict,
    );
    if let (Some(new), Some(old)) = (&new.inference, &old.inference) {
        inference_rules(new, old, verdict);
    }
    if let (Some(new), Some(old)) = (&new.tuning, &old.tuning) {
        tuning_rules(version, new, old, verdict);
    }
    annotation_rules(version, new, old, context, verdict);
}

fn resource(version: Version, new: &ResourceSpec, old: &ResourceSpec, provisioner: Provisioner, verdict: &mut Verdict) {
    if new.node_count() != old.node_count() {
        verdict.fault(Fault::generic("resource.count", IMMUTABLE));
    }
    if new.partition != old.partition {
        verdict.fault(Fault::generic("resource.partition", IMMUTABLE));
    }
    if new.label_selector != old.label_selector {
        let path = "resource.labelSelector";
        match (
            selector::as_labels(new.label_selector.as_ref()),
            selector::as_labels(old.label_selector.as_ref()),
        ) {
            (Ok(new), Ok(old)) if new == old => {}
            (Ok(_), Ok(_)) => verdict.fault(Fault::generic(path, IMMUTABLE)),
            (Err(_), _) | (_, Err(_)) => verdict.fault(Fault::generic(path, crate::text::ONLY_IN)),
        }
    }
    instance_type(version, &new.instance_type, &old.instance_type, provisioner, verdict);
}

fn instance_type(version: Version, new: &str, old: &str, provisioner: Provisioner, verdict: &mut Verdict) {
    if new.eq_ignore_ascii_case(old) {
        return;
    }
    let path = "resource.instanceType";
    let fault = match (version, provisioner) {
        (Version::V1alpha1, _) => Fault::generic(path, IMMUTABLE),
        (Version::V1beta1, Provisioner::Byo) if old.is_empty() => Fault::invalid(
            path,
            "instanceType must be empty when node auto-provisioning is disabled (BYO scenario)",
        ),
        // What an earlier release let in may be taken out.
        (Version::V1beta1, Provisioner::Byo) if new.is_empty() => return,
        (Version::V1beta1, Provisioner::AzureGpu | Provisioner::Karpenter) if new.is_empty() => {
            Fault::missing(path, "instanceType is required when node auto-provisioning is enabled")
        }
        (Version::V1beta1, Provisioner::AzureGpu | Provisioner::Karpenter) if old.is_empty() => return,
        (Version::V1beta1, _) => Fault::generic(path, IMMUTABLE),
    };
    verdict.fault(fault);
}

fn inference_rules(new: &InferenceSpec, old: &InferenceSpec, verdict: &mut Verdict) {
    if new.preset != old.preset {
        verdict.fault(Fault::generic("inference.preset", IMMUTABLE));
    }
    if new.template.is_some() != old.template.is_some() {
        verdict.fault(Fault::generic(
            "inference.template",
            "field cannot be unset/set if it was set/unset",
        ));
    }
    if new.adapters == old.adapters {
        return;
    }
    if new.adapters.len() > inference::MAX_ADAPTERS && new.adapters.len() > old.adapters.len() {
        verdict.fault(Fault::generic("inference.adapters", crate::text::TOO_MANY_ADAPTERS));
    }
    inference::duplicates(&new.adapters, verdict);
    for (index, adapter) in new
        .adapters
        .iter()
        .enumerate()
        .filter(|(_, adapter)| !old.adapters.contains(adapter))
    {
        inference::adapter(index, adapter, verdict);
    }
}

fn tuning_rules(version: Version, new: &TuningSpec, old: &TuningSpec, verdict: &mut Verdict) {
    if new.preset != old.preset {
        verdict.fault(Fault::generic("tuning.preset", "Preset cannot be changed"));
    }
    if !new.method.eq_ignore_ascii_case(&old.method) {
        verdict.fault(Fault::generic("tuning.method", "Method cannot be changed"));
    }
    if new.input != old.input {
        match &new.input {
            None => verdict.fault(Fault::missing("tuning.input", "")),
            Some(input) => {
                let name = old.input.as_ref().map(|old| old.name.as_str()).unwrap_or_default();
                if input.name != name {
                    verdict.fault(Fault::invalid(
                        "tuning.input.name",
                        "During tuning Name field cannot be changed once set",
                    ));
                }
                tuning::input(version, input, verdict);
            }
        }
    }
    if new.output != old.output {
        match &new.output {
            None => verdict.fault(Fault::missing("tuning.output", "")),
            Some(output) => tuning::output(output, verdict),
        }
    }
    let before: BTreeSet<Fault> = placeholder::in_tuning(old).into_iter().collect();
    for fault in placeholder::in_tuning(new) {
        if !before.contains(&fault) {
            verdict.fault(fault);
        }
    }
}

fn annotation_rules(version: Version, new: &Workspace, old: &Workspace, context: Context<'_>, verdict: &mut Verdict) {
    if new.metadata.annotations == old.metadata.annotations {
        return;
    }
    annotations::warnings(new.metadata.annotations.as_ref(), verdict);
    if version == Version::V1alpha1 {
        return;
    }
    let change = |key| {
        let (new, old) = (new.metadata.annotations.as_ref(), old.metadata.annotations.as_ref());
        let (new, old) = (annotation(new, key), annotation(old, key));
        (new != old).then_some(new)
    };
    if context.settings.gates.model_streaming && change(labels::MODEL_STREAMING).is_some() {
        verdict.fault(Fault::generic(annotations::path(labels::MODEL_STREAMING), IMMUTABLE));
    }
    if let Some(value) = change(labels::NODE_CLASS_NAME)
        && let Some(fault) = annotations::node_class(value, context.settings)
    {
        verdict.fault(fault);
    }
}
