//! Taking a Workspace down: workload and nodes first, then its finalizer, so that nothing is left that costs money.

use operator_api::conditions::{Ready, Reconciling, WorkspaceDeleting};
use operator_api::labels::WORKSPACE_FINALIZER;
use operator_api::workspace::WorkspaceStatus;

use super::observed::Observed;
use super::{claims, owned};
use crate::conditions::Conditions;
use crate::step::{Plan, Propagation, Step};
use crate::target::Kind;

pub(super) fn plan(seen: &Observed) -> Plan {
    let mut plan = Plan::default();
    let meta = &seen.workspace.metadata;
    if !meta
        .finalizers
        .iter()
        .flatten()
        .any(|entry| entry == WORKSPACE_FINALIZER)
    {
        return plan;
    }
    let mut left = Vec::new();
    let workloads = [
        seen.stateful_set.as_ref().map(|set| (Kind::StatefulSet, &set.metadata)),
        seen.next.as_ref().map(|set| (Kind::StatefulSet, &set.metadata)),
        seen.job.as_ref().map(|job| (Kind::Job, &job.metadata)),
    ];
    let services = seen.services.iter().map(|service| (Kind::Service, &service.metadata));
    for (kind, meta) in workloads.into_iter().flatten().chain(services) {
        left.push(kind.name().to_owned());
        if meta.deletion_timestamp.is_none() {
            let step = Step::Delete {
                target: owned(seen, kind, meta.name.as_deref().unwrap_or_default()),
                uid: meta.uid.clone().unwrap_or_default(),
                propagation: Propagation::Background,
            };
            plan.step(step, "the Workspace is being deleted");
        }
    }
    for claim in &seen.claims {
        left.push(format!("NodeClaim {}", claims::name(claim)));
        claims::delete(&mut plan, claim, "the Workspace is being deleted");
    }
    left.extend(
        seen.pods
            .iter()
            .map(|pod| format!("Pod {}", pod.metadata.name.as_deref().unwrap_or_default())),
    );
    if left.is_empty() {
        let step = Step::DropFinalizer {
            target: owned(seen, Kind::Workspace, meta.name.as_deref().unwrap_or_default()),
            uid: meta.uid.clone().unwrap_or_default(),
            finalizer: WORKSPACE_FINALIZER,
        };
        plan.step(step, "nothing is left of the Workspace");
    } else {
        plan.status = status(seen, &left);
    }
    plan
}

fn status(seen: &Observed, left: &[String]) -> Option<serde_json::Value> {
    let old = seen.workspace.status.clone().unwrap_or_default();
    let mut conditions = Conditions::new(
        &old.conditions,
        seen.workspace.metadata.generation.unwrap_or(0),
        seen.now,
    );
    let message = format!("waiting until these are gone: {}", left.join(", "));
    conditions.set(WorkspaceDeleting::Deleted, &message);
    conditions.set(Ready::Deleting, &message);
    conditions.set(Reconciling::Progressing, &message);
    let new = WorkspaceStatus {
        conditions: conditions.finish(),
        ..old.clone()
    };
    super::status::changed(&old, &new)
}
