//! The decision about one Workspace.

use operator_api::labels::{WORKSPACE_FINALIZER, WORKSPACE_HASH, WORKSPACE_REVISION};
use serde_json::json;

use super::intent::{Intent, Supply, Work, intent};
use super::observed::{Found, Observed};
use super::status::{self, Picture};
use super::{claims, deletion, nodes, owned, seen_value, workload};
use crate::drift::must_apply;
use crate::manifests::{self, Settings};
use crate::step::{Plan, Propagation, Step, Wake};
use crate::target::Kind;

/// How often a missing reference is looked for, in seconds: Secrets are not watched, so that the operator needs no
/// right to list them.
const MISSING_REFERENCE_SECS: i64 = 15;

/// What is to be done about a Workspace. The same input gives the same plan; with the plan carried out and nothing
/// else changed, the next plan is empty.
pub fn plan(seen: &Observed, settings: &Settings) -> Plan {
    if seen.workspace.metadata.deletion_timestamp.is_some() {
        return deletion::plan(seen);
    }
    let mut plan = Plan::default();
    finalizer(&mut plan, seen);
    match intent(seen, settings) {
        Ok(intent) => carry_out(&mut plan, seen, &intent, settings),
        Err(refusal) => {
            let (status, events) = status::refused(seen, &refusal);
            plan.status = status;
            plan.events.extend(events);
        }
    }
    plan
}

fn carry_out(plan: &mut Plan, seen: &Observed, intent: &Intent, settings: &Settings) {
    revision(plan, seen);
    let missing = seen.missing();
    let unknown = seen.references.iter().any(|(_, found)| *found == Found::Unknown);
    // No machine is asked for while something is missing that its work cannot do without.
    let held_back = !missing.is_empty() || unknown;
    claims::steps(plan, seen, intent, settings, held_back);
    let own: Vec<_> = seen.nodes.iter().map(AsRef::as_ref).collect();
    let found = nodes::look(&own, &intent.nodes);
    let claims_ready = intent.supply == Supply::Byo || status::claims_are_ready(seen, intent);
    let nodes_ready = found.reason == operator_api::conditions::NodesReady::NodesReady;
    let may_start = nodes_ready && claims_ready && !held_back;
    let template = workload::steps(plan, seen, intent, settings, may_start);
    let picture = Picture {
        intent,
        nodes: &found,
        missing: &missing,
        template_fault: template.err(),
    };
    let (status, events) = status::told(seen, &picture);
    plan.status = status;
    plan.events.extend(events);
    if held_back && intent.work != Work::Release {
        let at = jiff::Timestamp::from_second(seen.now.as_second() + MISSING_REFERENCE_SECS);
        plan.wake = plan.wake.earlier(Wake::At(at.unwrap_or(jiff::Timestamp::MAX)));
    }
}

fn finalizer(plan: &mut Plan, seen: &Observed) {
    let meta = &seen.workspace.metadata;
    if !meta
        .finalizers
        .iter()
        .flatten()
        .any(|entry| entry == WORKSPACE_FINALIZER)
    {
        let step = Step::AddFinalizer {
            target: owned(seen, Kind::Workspace, meta.name.as_deref().unwrap_or_default()),
            finalizer: WORKSPACE_FINALIZER,
        };
        plan.step(step, "before anything is made that costs money");
    }
}

/// The history of the Workspace, and its place in it.
fn revision(plan: &mut Plan, seen: &Observed) {
    let revision = manifests::controller_revision(&seen.workspace, &seen.revisions);
    let live = seen
        .revisions
        .iter()
        .find(|old| old.metadata.name.as_deref() == Some(&revision.name));
    let live = live.map(|old| seen_value(old.as_ref()));
    if must_apply(&revision.fields, live.as_ref()) {
        let target = owned(seen, Kind::ControllerRevision, &revision.name);
        let fields = revision.fields;
        plan.step(
            Step::Apply {
                target,
                fields,
                force: true,
            },
            "this version of the Workspace is not in its history yet",
        );
    }
    for old in &revision.surplus {
        let step = Step::Delete {
            target: owned(
                seen,
                Kind::ControllerRevision,
                old.metadata.name.as_deref().unwrap_or_default(),
            ),
            uid: old.metadata.uid.clone().unwrap_or_default(),
            propagation: Propagation::Background,
        };
        plan.step(step, "the history keeps ten versions");
    }
    let meta = &seen.workspace.metadata;
    let number = revision.number.to_string();
    let annotation = |key| {
        meta.annotations
            .as_ref()
            .and_then(|all| all.get(key))
            .map(String::as_str)
    };
    if annotation(WORKSPACE_HASH) != Some(&revision.hash) || annotation(WORKSPACE_REVISION) != Some(&number) {
        let fields = json!({ "metadata": {
            // The uid keeps an apply from making a Workspace anew that was deleted meanwhile.
            "uid": meta.uid,
            "annotations": { WORKSPACE_HASH: revision.hash, WORKSPACE_REVISION: number },
        } });
        let target = owned(seen, Kind::Workspace, meta.name.as_deref().unwrap_or_default());
        plan.step(
            Step::Apply {
                target,
                fields,
                force: true,
            },
            "the Workspace tells its place in its history",
        );
    }
}
