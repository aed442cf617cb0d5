//! What is told of a Workspace: conditions, state, nodes. All of it follows from what was observed in this pass.

mod claims;
mod work;

use operator_api::conditions::{
    ConditionType, NodeClaimReady, NodesReady, Ready, Reconciling, ResourceReady, Stalled, WorkspaceReady,
    WorkspaceSucceeded,
};
use operator_api::workspace::{WorkspaceState, WorkspaceStatus};
use serde_json::Value;

pub(super) use claims::are_ready as claims_are_ready;

use super::intent::{Intent, Refusal, Supply, Work};
use super::nodes::Found;
use super::observed::Observed;
use crate::conditions::Conditions;
use crate::step::Event;

/// Conditions whose turns are told as events.
const TOLD: [ConditionType; 6] = [
    ConditionType::NodeClaimReady,
    ConditionType::ResourceReady,
    ConditionType::InferenceReady,
    ConditionType::JobStarted,
    ConditionType::WorkspaceSucceeded,
    ConditionType::Stalled,
];

/// What this pass has found out.
pub(super) struct Picture<'a> {
    pub(super) intent: &'a Intent,
    pub(super) nodes: &'a Found,
    /// References that lead nowhere, one sentence each.
    pub(super) missing: &'a [String],
    /// What is wrong with the user's pod template.
    pub(super) template_fault: Option<String>,
}

/// The status to publish (None when it is published already), and the events of what has turned.
pub(super) fn told(seen: &Observed, picture: &Picture<'_>) -> (Option<Value>, Vec<Event>) {
    let old = seen.workspace.status.clone().unwrap_or_default();
    let mut conditions = begin(seen, &old);
    let resources = resources(&mut conditions, seen, picture);
    let outcome = work::conditions(&mut conditions, seen, picture);
    let done = outcome.up && (resources || picture.intent.work == Work::Release);
    let stalled = stalled(&conditions, picture);
    summary(&mut conditions, seen, &outcome, done, stalled);
    let state = state(&conditions, &old, picture.intent, &outcome, done);
    let events = conditions.turned(&TOLD);
    let new = WorkspaceStatus {
        worker_nodes: picture.nodes.names.clone(),
        conditions: conditions.finish(),
        state: state.as_str().to_owned(),
        target_node_count: i32::try_from(picture.intent.nodes.count).ok(),
        performance: old.performance.clone(),
    };
    (changed(&old, &new), events)
}

/// The status of a Workspace that cannot be carried out as it is written. What runs already is left alone.
pub(super) fn refused(seen: &Observed, refusal: &Refusal) -> (Option<Value>, Vec<Event>) {
    let old = seen.workspace.status.clone().unwrap_or_default();
    let mut conditions = begin(seen, &old);
    let message = &refusal.message;
    conditions.set(Stalled::Settled, "");
    conditions.set(refusal.reason, message);
    conditions.set(Reconciling::Settled, "");
    conditions.set(Ready::Failed, message);
    conditions.set(WorkspaceReady::Failed, message);
    conditions.set(WorkspaceSucceeded::Failed, message);
    let events = conditions.turned(&TOLD);
    let state = match was_up(&old) {
        true => WorkspaceState::NotReady,
        false => WorkspaceState::Pending,
    };
    let new = WorkspaceStatus {
        conditions: conditions.finish(),
        state: state.as_str().to_owned(),
        ..old.clone()
    };
    (changed(&old, &new), events)
}

/// The new status as JSON, if it differs from the old.
pub(super) fn changed(old: &WorkspaceStatus, new: &WorkspaceStatus) -> Option<Value> {
    (old != new).then(|| serde_json::to_value(new).unwrap_or_default())
}

fn begin<'a>(seen: &Observed, old: &'a WorkspaceStatus) -> Conditions<'a> {
    Conditions::new(
        &old.conditions,
        seen.workspace.metadata.generation.unwrap_or(0),
        seen.now,
    )
}

/// Claims and nodes; true when all are ready.
fn resources(conditions: &mut Conditions<'_>, seen: &Observed, picture: &Picture<'_>) -> bool {
    let Picture {
        intent, nodes, missing, ..
    } = picture;
    if intent.work == Work::Release {
        let message = match seen.claims.is_empty() {
            true => "the nodes were given back after tuning".to_owned(),
            false => format!("tuning is done; {} nodes are being given back", seen.claims.len()),
        };
        conditions.set(ResourceReady::NotReady, &message);
        return false;
    }
    let claims = (intent.supply == Supply::Claims).then(|| claims::judge(seen, intent, missing));
    if let Some((info, message)) = &claims {
        conditions.set_info(ConditionType::NodeClaimReady, *info, message);
    }
    conditions.set(nodes.reason, &nodes.message);
    let claims_ready = intent.supply == Supply::Byo || conditions.is_true(ConditionType::NodeClaimReady);
    match (claims, nodes.reason) {
        (Some((info, message)), _) if !claims_ready => {
            // The node's own trouble says more than that its claim is not ready because of it.
            let reason = match info.reason {
                "NodeClaimNotReady" | "AwaitingReconciliation" => ResourceReady::NotReady,
                _ => ResourceReady::NodeClaimNotReady,
            };
            conditions.set(reason, &message);
        }
        (_, NodesReady::NodesReady) => conditions.set(ResourceReady::Success, &nodes.message),
        (_, NodesReady::NodeNotReady) => conditions.set(ResourceReady::NodeNotReady, &nodes.message),
        (_, NodesReady::NodePluginsNotReady) => conditions.set(ResourceReady::NodePluginsNotReady, &nodes.message),
    }
    conditions.is_true(ConditionType::ResourceReady)
}

/// Why nothing will move by itself, if so.
fn stalled(conditions: &Conditions<'_>, picture: &Picture<'_>) -> Option<(Stalled, String)> {
    if let Some(fault) = &picture.template_fault {
        return Some((Stalled::InvalidSpec, format!("inference.template: {fault}")));
    }
    let claim = conditions.get(ConditionType::NodeClaimReady)?;
    let reason = match claim.reason.as_str() {
        "QuotaExceeded" => Stalled::QuotaExceeded,
        "Unauthorized" | "AuthorizationFailed" => Stalled::Unauthorized,
        _ => return None,
    };
    Some((reason, claim.message.clone()))
}

fn summary(
    conditions: &mut Conditions<'_>,
    seen: &Observed,
    outcome: &work::Outcome,
    done: bool,
    stalled: Option<(Stalled, String)>,
) {
    let resource = conditions
        .get(ConditionType::ResourceReady)
        .map(|it| it.message.clone());
    let mut message = match (done, outcome.up) {
        (true, _) => String::new(),
        (false, true) => resource.unwrap_or_default(),
        (false, false) => outcome.message.clone(),
    };
    if let Some(error) = seen.error.as_deref().filter(|error| !message.contains(error)) {
        message.push_str(&format!(" (last reconcile error: {error})"));
    }
    let message = message.trim_start();
    let failed = outcome.failed || stalled.is_some();
    match (done, failed) {
        (true, _) => {
            conditions.set(WorkspaceReady::Ready, message);
            conditions.set(Ready::Ready, message);
        }
        (false, true) => {
            conditions.set(WorkspaceReady::Failed, message);
            conditions.set(Ready::Failed, message);
        }
        (false, false) => {
            conditions.set(WorkspaceReady::Pending, message);
            conditions.set(Ready::Progressing, message);
        }
    }
    match done || failed {
        true => conditions.set(Reconciling::Settled, ""),
        false => conditions.set(Reconciling::Progressing, message),
    }
    match stalled {
        Some((reason, message)) => conditions.set(reason, &message),
        None => conditions.set(Stalled::Settled, ""),
    }
}

fn state(
    conditions: &Conditions<'_>,
    old: &WorkspaceStatus,
    intent: &Intent,
    outcome: &work::Outcome,
    done: bool,
) -> WorkspaceState {
    match intent.work {
        Work::Tune(..) if outcome.failed => WorkspaceState::Failed,
        Work::Tune(..) if conditions.is_true(ConditionType::JobStarted) => WorkspaceState::Running,
        Work::Tune(..) => WorkspaceState::Pending,
        Work::ServeTuned(_) | Work::Keep | Work::Release => WorkspaceState::Succeeded,
        Work::Preset(_) | Work::Template if done => WorkspaceState::Ready,
        Work::Preset(_) | Work::Template if was_up(old) => WorkspaceState::NotReady,
        Work::Preset(_) | Work::Template => WorkspaceState::Pending,
    }
}

fn was_up(old: &WorkspaceStatus) -> bool {
    [WorkspaceState::Ready.as_str(), WorkspaceState::NotReady.as_str()].contains(&old.state.as_str())
}

/// The reason of [`NodeClaimReady`] that is written so, or the general one.
fn claim_reason(word: &str) -> operator_api::conditions::ReasonInfo {
    use operator_api::conditions::Reason;
    ConditionType::NodeClaimReady
        .reason(word)
        .unwrap_or_else(|| NodeClaimReady::NodeClaimNotReady.info())
}
