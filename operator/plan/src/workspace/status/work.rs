//! What the workload says: serving, tuning, or both in turn.

use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::Pod;
use operator_api::conditions::{ConditionType, InferenceReady, JobStarted, NodesReady, WorkspaceSucceeded};

use super::super::intent::{Work, has_condition};
use super::super::observed::Observed;
use super::super::pods::{Trouble, trouble};
use super::super::rollout::is_complete;
use super::Picture;
use crate::conditions::Conditions;

/// What became of the work.
pub(super) struct Outcome {
    /// It does what was asked for.
    pub(super) up: bool,
    /// It will not do it without somebody's help.
    pub(super) failed: bool,
    /// Why it is not up.
    pub(super) message: String,
}

/// Sets InferenceReady, JobStarted and WorkspaceSucceeded.
pub(super) fn conditions(conditions: &mut Conditions<'_>, seen: &Observed, picture: &Picture<'_>) -> Outcome {
    match picture.intent.work {
        Work::Preset(_) | Work::Template => {
            let outcome = serving(conditions, seen, picture);
            match (outcome.up, outcome.failed) {
                (true, _) => conditions.set(WorkspaceSucceeded::Succeeded, ""),
                (false, true) => conditions.set(WorkspaceSucceeded::Failed, &outcome.message),
                (false, false) => conditions.set(WorkspaceSucceeded::Pending, &outcome.message),
            }
            outcome
        }
        Work::Tune(..) => tuning(conditions, seen, picture),
        Work::ServeTuned(_) => {
            tuned(conditions);
            serving(conditions, seen, picture)
        }
        Work::Keep | Work::Release => {
            tuned(conditions);
            Outcome {
                up: true,
                failed: false,
                message: String::new(),
            }
        }
    }
}

fn tuned(conditions: &mut Conditions<'_>) {
    conditions.set(JobStarted::Started, "tuning is done");
    conditions.set(WorkspaceSucceeded::Succeeded, "tuning is done");
}

fn serving(conditions: &mut Conditions<'_>, seen: &Observed, picture: &Picture<'_>) -> Outcome {
    let (reason, message) = serve_state(seen, picture);
    conditions.set(reason, &message);
    Outcome {
        up: conditions.is_true(ConditionType::InferenceReady),
        failed: reason == InferenceReady::Failed,
        message,
    }
}

fn serve_state(seen: &Observed, picture: &Picture<'_>) -> (InferenceReady, String) {
    if let Some(fault) = &picture.template_fault {
        return (InferenceReady::Failed, format!("inference.template: {fault}"));
    }
    let Some(set) = &seen.stateful_set else {
        return (InferenceReady::Pending, waits(picture));
    };
    if is_complete(set) {
        let wanted = set.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
        let beside = match &seen.next {
            Some(_) => "; a change comes up beside it",
            None => "",
        };
        return (
            InferenceReady::Success,
            format!("{wanted} of {wanted} replicas serve{beside}"),
        );
    }
    if let Some(next) = seen.next.as_ref().filter(|next| is_complete(next)) {
        let name = next.metadata.name.as_deref().unwrap_or_default();
        return (
            InferenceReady::Success,
            format!("{name} serves while a change rolls out"),
        );
    }
    if let Some(Trouble { reason, message }) = trouble(&owned_by(seen, "StatefulSet")) {
        return (reason, message);
    }
    let pending = match picture.missing {
        [] => progress(set),
        missing => missing.join("; "),
    };
    (InferenceReady::Pending, pending)
}

/// What a workload that does not exist yet waits for.
fn waits(picture: &Picture<'_>) -> String {
    match (picture.missing, picture.nodes.reason) {
        ([], NodesReady::NodesReady) => "the nodes are ready, the workload is about to start".to_owned(),
        ([], _) => format!("waiting for nodes: {}", picture.nodes.message),
        (missing, _) => missing.join("; "),
    }
}

fn progress(set: &StatefulSet) -> String {
    let wanted = set.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
    let status = set.status.clone().unwrap_or_default();
    let (ready, updated) = (status.ready_replicas.unwrap_or(0), status.updated_replicas.unwrap_or(0));
    let rolls_out =
        status.observed_generation != set.metadata.generation || status.current_revision != status.update_revision;
    match rolls_out && status.current_revision.is_some() {
        true => format!(
            "a change is rolling out: {updated} of {wanted} replicas are updated, {ready} serve; a replica holds its \
             GPUs until it is replaced, so that it does not serve meanwhile"
        ),
        false => format!("{ready} of {wanted} replicas serve"),
    }
}

fn tuning(conditions: &mut Conditions<'_>, seen: &Observed, picture: &Picture<'_>) -> Outcome {
    let (reason, message) = job_state(seen, picture);
    conditions.set(reason, &message);
    let failed = reason == JobStarted::Failed;
    match failed {
        true => {
            conditions.set(WorkspaceSucceeded::Failed, &message);
            conditions.set(
                InferenceReady::Failed,
                "tuning failed, so that there is nothing to serve",
            );
        }
        false => {
            conditions.set(WorkspaceSucceeded::Pending, &message);
            conditions.set(InferenceReady::Pending, "the tuned model is served when tuning is done");
        }
    }
    Outcome {
        up: false,
        failed,
        message,
    }
}

fn job_state(seen: &Observed, picture: &Picture<'_>) -> (JobStarted, String) {
    let Some(job) = &seen.job else {
        return (JobStarted::Pending, waits(picture));
    };
    let pods = owned_by(seen, "Job");
    let newest = pods.iter().max_by_key(|pod| created(pod)).copied();
    let trouble = newest.and_then(|pod| trouble(&[pod]));
    if has_condition(job, "Failed") {
        let conditions = job.status.iter().flat_map(|status| status.conditions.iter().flatten());
        let why = conditions.into_iter().find(|condition| condition.type_ == "Failed");
        let why = why.and_then(|condition| condition.message.clone()).unwrap_or_default();
        let what = trouble
            .map(|trouble| format!("; {}", trouble.message))
            .unwrap_or_default();
        return (JobStarted::Failed, format!("{why}{what}"));
    }
    if job.metadata.deletion_timestamp.is_some() {
        return (
            JobStarted::Pending,
            "the job of the last version is being removed".into(),
        );
    }
    if let Some(Trouble { message, .. }) = trouble {
        return (JobStarted::Pending, message);
    }
    match newest.and_then(running) {
        Some(container) => (JobStarted::Started, format!("container {container} runs")),
        None if !picture.missing.is_empty() => (JobStarted::Pending, picture.missing.join("; ")),
        None => (JobStarted::Pending, "the job's pod has not started yet".into()),
    }
}

/// The container of a pod that runs now.
fn running(pod: &Pod) -> Option<&str> {
    let status = pod.status.as_ref()?;
    let mut containers = status
        .container_statuses
        .iter()
        .chain(&status.init_container_statuses)
        .flatten();
    let running = containers.find(|container| container.state.as_ref().is_some_and(|state| state.running.is_some()));
    running.map(|container| container.name.as_str())
}

fn created(pod: &&Pod) -> Option<jiff::Timestamp> {
    pod.metadata.creation_timestamp.as_ref().map(|time| time.0)
}

fn owned_by<'a>(seen: &'a Observed, kind: &str) -> Vec<&'a Pod> {
    let of_kind = |pod: &&Pod| {
        let owners = pod.metadata.owner_references.iter().flatten();
        owners.into_iter().any(|owner| owner.kind == kind)
    };
    seen.pods.iter().map(AsRef::as_ref).filter(of_kind).collect()
}
