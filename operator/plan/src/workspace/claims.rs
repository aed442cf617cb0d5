//! Which NodeClaims a Workspace must have, and which it must give up.

use std::collections::BTreeSet;

use operator_api::NodeClaim;

use super::intent::{Intent, Supply, Work};
use super::observed::Observed;
use crate::manifests::{self, Settings};
use crate::step::{Event, Plan, Propagation, Severity, Step};
use crate::target::{Kind, Target};

/// Adds the claims that are missing and removes those that are too many.
pub(super) fn steps(plan: &mut Plan, seen: &Observed, intent: &Intent, settings: &Settings, held_back: bool) {
    if intent.supply == Supply::Byo {
        return;
    }
    if intent.work == Work::Release {
        for claim in &seen.claims {
            delete(plan, claim, "tuning is done, and its nodes are to be given back");
        }
        return;
    }
    let wanted: Vec<String> = (0..intent.nodes.count)
        .map(|ordinal| manifests::node_claim_name(uid(seen), ordinal))
        .collect();
    let present: BTreeSet<&str> = seen.claims.iter().map(|claim| name(claim)).collect();
    // Claims with other names were made by KAITO: they are taken over as they are.
    let adopted = present.iter().filter(|name| !is_ours(seen, name)).count();
    let needed = wanted.len().saturating_sub(adopted);
    for (ordinal, claim) in (0..).zip(wanted.iter().take(needed)) {
        if !present.contains(claim.as_str()) && !held_back {
            let fields = manifests::node_claim(&seen.workspace, intent.nodes.gpus, model(intent), settings);
            let target = Target::cluster(Kind::NodeClaim, claim);
            let why = format!("node {} of {} has no claim yet", ordinal + 1, intent.nodes.count);
            plan.step(
                Step::Apply {
                    target,
                    fields,
                    force: true,
                },
                why,
            );
            plan.events.push(Event {
                severity: Severity::Normal,
                reason: "NodeClaimCreated".into(),
                message: format!("NodeClaim {claim} asks for a {}", intent.nodes.instance_type),
            });
        }
    }
    if replicas(seen) <= i64::from(intent.nodes.count) {
        let surplus = seen.claims.iter().filter(|claim| is_ours(seen, name(claim)));
        for claim in surplus.filter(|claim| !wanted.iter().any(|wanted| wanted == name(claim))) {
            delete(plan, claim, "the Workspace wants fewer nodes");
        }
    }
}

/// Deletes a claim, unless that is under way.
pub(super) fn delete(plan: &mut Plan, claim: &NodeClaim, why: &str) {
    if claim.metadata.deletion_timestamp.is_none() {
        let target = Target::cluster(Kind::NodeClaim, name(claim));
        let uid = claim.metadata.uid.clone().unwrap_or_default();
        let propagation = Propagation::Background;
        plan.step(
            Step::Delete {
                target,
                uid,
                propagation,
            },
            why,
        );
    }
}

fn model(intent: &Intent) -> Option<&'static preset_catalog::Model> {
    match intent.work {
        Work::Preset(model) | Work::Tune(model, _) | Work::ServeTuned(model) => Some(model),
        Work::Template | Work::Keep | Work::Release => None,
    }
}

/// Most nodes that one Workspace of ours may have had: names up to there are recognised as ours.
const MOST_NODES: u32 = 64;

fn is_ours(seen: &Observed, name: &str) -> bool {
    (0..MOST_NODES).any(|ordinal| manifests::node_claim_name(uid(seen), ordinal) == name)
}

/// Pods that the workload has now.
fn replicas(seen: &Observed) -> i64 {
    let status = seen.stateful_set.as_ref().and_then(|set| set.status.as_ref());
    status.map_or(0, |status| i64::from(status.replicas))
}

fn uid(seen: &Observed) -> &str {
    seen.workspace.metadata.uid.as_deref().unwrap_or_default()
}

pub(super) fn name(claim: &NodeClaim) -> &str {
    claim.metadata.name.as_deref().unwrap_or_default()
}
