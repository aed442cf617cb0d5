//! What runs on the nodes: Services, StatefulSet or Job.

use std::sync::Arc;

use k8s_openapi::api::apps::v1::StatefulSet;
use operator_api::labels::child::leader_pod;
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::intent::{Intent, Supply, Work, has_condition, is_of};
use super::observed::Observed;
use super::rollout::{self, Stage};
use super::{owned, seen_value};
use crate::drift::must_apply;
use crate::manifests::{self, Placement, Settings};
use crate::step::{Plan, Propagation, Step};
use crate::target::Kind;

/// Brings the workload to what is wanted. `may_start`: nodes are there and nothing is missing; without it, what runs
/// already is kept as it should be, and nothing new is begun.
///
/// # Errors
/// When the user's template is no pod template.
pub(super) fn steps(
    plan: &mut Plan,
    seen: &Observed,
    intent: &Intent,
    settings: &Settings,
    may_start: bool,
) -> Result<(), String> {
    let workspace = &seen.workspace;
    let placement = Placement {
        nodes: intent.nodes.count,
        gpus: intent.nodes.gpus,
        byo: intent.supply == Supply::Byo,
    };
    let config_hash = seen.config().map(hash);
    let config_hash = config_hash.as_deref();
    match &intent.work {
        Work::Preset(model) => {
            let fields = manifests::inference_stateful_set(workspace, model, &placement, config_hash, settings);
            serve(plan, seen, intent, fields, may_start);
        }
        Work::Template => {
            services(plan, seen, name(seen));
            let fields = manifests::template_stateful_set(workspace, &placement)?;
            serve(plan, seen, intent, fields, may_start);
        }
        Work::Tune(model, method) => {
            services(plan, seen, name(seen));
            remove_stateful_sets(plan, seen, "the model is tuned anew");
            job(plan, seen, may_start, || {
                manifests::tuning_job(workspace, model, *method, &placement, settings)
            });
        }
        Work::ServeTuned(model) => {
            let fields = manifests::tuned_stateful_set(workspace, model, &placement, settings);
            serve(plan, seen, intent, fields, may_start);
        }
        Work::Keep | Work::Release => {
            services(plan, seen, name(seen));
            remove_stateful_sets(plan, seen, "nothing is served after this tuning");
        }
    }
    Ok(())
}

/// Brings Services and StatefulSets to what is wanted, see [`rollout`].
fn serve(plan: &mut Plan, seen: &Observed, intent: &Intent, fields: Value, may_start: bool) {
    let next = rollout::next_name(name(seen));
    match rollout::stage(seen, intent, &fields) {
        Stage::InPlace => {
            services(plan, seen, name(seen));
            stateful_set(plan, seen, name(seen), seen.stateful_set.as_ref(), fields, may_start);
            if let Some(set) = &seen.next {
                remove(plan, seen, set, "the change has rolled out");
            }
        }
        Stage::Beside => {
            services(plan, seen, name(seen));
            let fields = rollout::beside(&fields, &next);
            stateful_set(plan, seen, &next, seen.next.as_ref(), fields, true);
        }
        Stage::Switched => {
            services(plan, seen, &next);
            stateful_set(plan, seen, name(seen), seen.stateful_set.as_ref(), fields, may_start);
        }
    }
}

/// The Services, pointing to the leader of `workload`.
fn services(plan: &mut Plan, seen: &Observed, workload: &str) {
    for (name, fields) in manifests::services(&seen.workspace) {
        let fields = rollout::pointed_to(fields, &leader_pod(workload));
        let live = seen
            .services
            .iter()
            .find(|service| service.metadata.name.as_deref() == Some(&name));
        let live = live.map(|service| seen_value(service.as_ref()));
        if must_apply(&fields, live.as_ref()) {
            let target = owned(seen, Kind::Service, &name);
            plan.step(
                Step::Apply {
                    target,
                    fields,
                    force: true,
                },
                why(live.is_some(), "Service"),
            );
        }
    }
}

fn stateful_set(
    plan: &mut Plan,
    seen: &Observed,
    name: &str,
    live: Option<&Arc<StatefulSet>>,
    fields: Value,
    may_start: bool,
) {
    let live = live.map(|set| seen_value(set.as_ref()));
    if (live.is_some() || may_start) && must_apply(&fields, live.as_ref()) {
        let target = owned(seen, Kind::StatefulSet, name);
        plan.step(
            Step::Apply {
                target,
                fields,
                force: true,
            },
            why(live.is_some(), "StatefulSet"),
        );
    }
}

fn remove_stateful_sets(plan: &mut Plan, seen: &Observed, why: &str) {
    for set in seen.stateful_set.iter().chain(&seen.next) {
        remove(plan, seen, set, why);
    }
}

fn remove(plan: &mut Plan, seen: &Observed, set: &StatefulSet, why: &str) {
    if set.metadata.deletion_timestamp.is_none() {
        let step = Step::Delete {
            target: owned(
                seen,
                Kind::StatefulSet,
                set.metadata.name.as_deref().unwrap_or_default(),
            ),
            uid: set.metadata.uid.clone().unwrap_or_default(),
            propagation: Propagation::Background,
        };
        plan.step(step, why);
    }
}

/// A job's template cannot be changed: when the Workspace has changed, the job goes, and comes anew once it is gone.
fn job(plan: &mut Plan, seen: &Observed, may_start: bool, fields: impl FnOnce() -> Value) {
    let target = owned(seen, Kind::Job, name(seen));
    match &seen.job {
        None if may_start => {
            let fields = fields();
            plan.step(
                Step::Apply {
                    target,
                    fields,
                    force: true,
                },
                why(false, "Job"),
            );
        }
        Some(job)
            if job.metadata.deletion_timestamp.is_none()
                && !is_of(job, &manifests::workspace_hash(&seen.workspace)) =>
        {
            let step = Step::Delete {
                target,
                uid: job.metadata.uid.clone().unwrap_or_default(),
                propagation: Propagation::Foreground,
            };
            let why = match has_condition(job, "Complete") {
                true => "the Workspace has changed since this job was done",
                false => "the Workspace has changed since this job was started",
            };
            plan.step(step, why);
        }
        None | Some(_) => {}
    }
}

fn why(exists: bool, kind: &str) -> String {
    match exists {
        true => format!("the {kind} is not what it should be"),
        false => format!("there is no {kind} yet"),
    }
}

fn name(seen: &Observed) -> &str {
    seen.workspace.metadata.name.as_deref().unwrap_or_default()
}

/// Hash of a ConfigMap's data: pods carry it, so that an edit rolls out.
fn hash(data: &std::collections::BTreeMap<String, String>) -> String {
    let mut sha = Sha256::new();
    for (key, text) in data {
        for part in [key, text] {
            sha.update(part.len().to_be_bytes());
            sha.update(part.as_bytes());
        }
    }
    sha.finalize()
        .iter()
        .take(8)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}
