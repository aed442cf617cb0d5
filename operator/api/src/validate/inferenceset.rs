//! The rules of InferenceSet, and of the Workspaces that it will create.

use super::{Context, Fault, Verdict, Version, create, cron, text};
use crate::{InferenceSet, Workspace, cel::IMMUTABLE, inferenceset::AutoUpgradePolicy, workspace::ResourceSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

/// Judges an InferenceSet. `old` is its predecessor when it is being updated.
pub fn inference_set(
    version: Version,
    new: &InferenceSet,
    old: Option<&InferenceSet>,
    context: Context<'_>,
) -> Verdict {
    let mut verdict = Verdict::default();
    if new.metadata.deletion_timestamp.is_some() {
        return verdict;
    }
    let (new_type, old_type) = (instance_type(new), old.map(instance_type));
    if old.is_none() {
        let name = new.metadata.name.as_deref().unwrap_or_default();
        let generated = name.is_empty()
            && new
                .metadata
                .generate_name
                .as_deref()
                .is_some_and(|name| !name.is_empty());
        if let Some(reason) = text::dns_label(name).filter(|_| !generated) {
            verdict.fault(Fault::invalid("metadata.name", reason));
        }
    }
    if let Some(replicas) = new.spec.replicas.filter(|replicas| *replicas < 0) {
        verdict.fault(Fault::invalid(
            "spec.replicas",
            format!("{replicas} must be non-negative"),
        ));
    }
    if old_type.is_none_or(|old_type| !old_type.eq_ignore_ascii_case(new_type))
        && let Some(fault) = create::instance_type(context.settings.provisioner, new_type)
    {
        verdict.fault(fault.under("spec.template"));
    }
    let window = |set: &InferenceSet| set.spec.auto_upgrade.clone();
    if old.map(window) != Some(window(new)) {
        maintenance_window(new.spec.auto_upgrade.as_ref(), &mut verdict);
    }
    if version == Version::V1alpha1 {
        return verdict;
    }
    if let Some(old) = old
        && old.spec.template.resource.partition != new.spec.template.resource.partition
    {
        verdict.fault(Fault::generic("spec.template.resource.partition", IMMUTABLE));
    }
    let unchanged = |old: &InferenceSet| {
        old.spec.template == new.spec.template && old.spec.label_selector == new.spec.label_selector
    };
    if !old.is_some_and(unchanged) {
        child_rules(new, context, &mut verdict);
    }
    verdict
}

fn instance_type(set: &InferenceSet) -> &str {
    &set.spec.template.resource.instance_type
}

/// What would be said of a Workspace of this set, seen from the set.
fn child_rules(new: &InferenceSet, context: Context<'_>, verdict: &mut Verdict) {
    let mut inner = Verdict::default();
    create::workspace(Version::V1beta1, &child(new), context, &mut inner);
    for fault in inner.faults {
        // Name and instance type have been judged at the set itself.
        let own = fault.path == "metadata.name"
            || create::instance_type(context.settings.provisioner, instance_type(new)).as_ref() == Some(&fault);
        if !own {
            verdict.fault(fault.under("spec.template"));
        }
    }
    verdict.warnings.extend(inner.warnings);
}

/// A Workspace as this set creates it.
pub(super) fn child(set: &InferenceSet) -> Workspace {
    let template = &set.spec.template;
    let own: ObjectMeta = template
        .metadata
        .as_ref()
        .and_then(|metadata| metadata.decode().ok())
        .unwrap_or_default();
    let mut child = Workspace {
        resource: ResourceSpec {
            label_selector: set.spec.label_selector.clone(),
            instance_type: template.resource.instance_type.clone(),
            partition: template.resource.partition.clone(),
            ..ResourceSpec::default()
        },
        inference: Some(template.inference.clone()),
        ..Workspace::default()
    };
    child.metadata.namespace = set.metadata.namespace.clone();
    child.metadata.generate_name = Some(crate::labels::child::replica_prefix(
        set.metadata.name.as_deref().unwrap_or("set"),
    ));
    child.metadata.labels = own.labels;
    child.metadata.annotations = own.annotations;
    child
}

fn maintenance_window(policy: Option<&AutoUpgradePolicy>, verdict: &mut Verdict) {
    let Some(window) = policy.and_then(|policy| policy.maintenance_window.as_ref()) else {
        return;
    };
    let path = "spec.autoUpgrade.maintenanceWindow";
    if window.schedule.is_empty() {
        verdict.fault(Fault::missing(format!("{path}.schedule"), ""));
        return;
    }
    if let Err(reason) = cron::schedule(&window.schedule) {
        let schedule = &window.schedule;
        verdict.fault(Fault::invalid(
            format!("{path}.schedule"),
            format!("{schedule:?}: invalid cron expression: {reason}"),
        ));
    }
    let Some(duration) = window.duration.as_deref() else {
        return;
    };
    let reason = match text::go_duration(duration) {
        Some(nanoseconds) if nanoseconds > 0.0 => return,
        Some(_) => "must be a positive duration",
        None => "is not a duration such as 4h or 90m",
    };
    verdict.fault(Fault::invalid(
        format!("{path}.duration"),
        format!("{duration:?} {reason}"),
    ));
}
