//! The decision about one NodeClaim.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Node;
use operator_api::NodeClaim;
use operator_api::nodeclaim::{INITIALIZED_LABEL, REGISTERED_LABEL, TERMINATION_FINALIZER};
use serde_json::json;

use super::body::body;
use super::observed::{Held, Observed, OperationView, PoolSeen, PoolView, Refusal, RefusalClass};
use super::status::{self, Launch};
use crate::step::{Plan, Step, Wake};
use crate::target::{Kind, Target};

/// How often an operation that is under way is looked at, in seconds. AKS allows two looks a second for a whole
/// subscription.
const POLL_SECS: i64 = 10;
/// How long a machine that is gone may take to come back, in seconds: a cluster that is stopped and started takes its
/// nodes away for some minutes, and they are the same afterwards.
const COMES_BACK_SECS: i64 = 600;
/// Annotation: how often a pool of this claim has failed.
const FAILURES: &str = "drydock.sh/launch-failures";
/// Annotation: when a pool may be asked for again after a failure.
const NOT_BEFORE: &str = "drydock.sh/launch-not-before";

/// What is to be done about a NodeClaim.
pub fn plan(seen: &Observed) -> Plan {
    match seen.claim.metadata.deletion_timestamp {
        Some(_) => removal(seen),
        None => supply(seen),
    }
}

/// Removes the pool, and lets the claim go when Azure says that there is none.
fn removal(seen: &Observed) -> Plan {
    let mut plan = Plan::default();
    if !has_finalizer(&seen.claim) {
        return plan;
    }
    match &seen.pool {
        PoolSeen::Absent => {
            let step = Step::DropFinalizer {
                target: target(&seen.claim),
                uid: seen.claim.metadata.uid.clone().unwrap_or_default(),
                finalizer: TERMINATION_FINALIZER,
            };
            plan.step(step, "Azure says that there is no such agent pool");
            return plan;
        }
        PoolSeen::Present(pool) if is(pool, "Deleting") => {}
        PoolSeen::Present(_) if is_held(seen) => {}
        PoolSeen::Present(pool) => {
            let name = pool.name.clone();
            plan.step(Step::DeletePool { name }, "the claim is being deleted");
        }
        PoolSeen::Unknown(_) => {}
    }
    plan.status = status::deleting(seen);
    plan.wake = in_secs(seen, POLL_SECS);
    plan
}

/// Gets a pool and follows it until its node can be used.
fn supply(seen: &Observed) -> Plan {
    let mut plan = Plan::default();
    if !has_finalizer(&seen.claim) {
        let step = Step::AddFinalizer {
            target: target(&seen.claim),
            finalizer: TERMINATION_FINALIZER,
        };
        plan.step(step, "before anything is made that costs money");
    }
    let nodes: Vec<&Node> = seen.nodes.iter().map(AsRef::as_ref).collect();
    let launch = match &seen.pool {
        PoolSeen::Absent => absent(&mut plan, seen),
        PoolSeen::Present(pool) => present(&mut plan, seen, pool, &nodes),
        PoolSeen::Unknown(refusal) => {
            plan.wake = in_secs(seen, i64::try_from(refusal.class.wait_secs(1)).unwrap_or(POLL_SECS));
            Launch::Unknown(refusal.clone())
        }
    };
    let told = status::told(seen, &launch, &nodes);
    if let [node] = nodes.as_slice() {
        label(&mut plan, node, told.initialized);
    }
    plan.status = told.status;
    plan.events = told.events;
    plan
}

fn absent(plan: &mut Plan, seen: &Observed) -> Launch {
    if let Some(held) = seen.held.as_ref().filter(|held| held.until > seen.now) {
        plan.wake = plan.wake.earlier(Wake::At(held.until));
        return Launch::Refused(held.refusal.clone(), held.until);
    }
    if let Some(until) = not_before(&seen.claim).filter(|until| *until > seen.now) {
        plan.wake = plan.wake.earlier(Wake::At(until));
        return Launch::Waiting(until);
    }
    match body(&seen.claim) {
        Ok(body) => {
            let name = name(&seen.claim).to_owned();
            plan.step(
                Step::PutPool { name, body },
                "there is no agent pool for this claim yet",
            );
            plan.wake = in_secs(seen, POLL_SECS);
            Launch::Making("asked for".into())
        }
        Err(message) => {
            let class = RefusalClass::Permanent;
            let refusal = Refusal {
                class,
                code: "LaunchFailed".into(),
                message,
            };
            Launch::Refused(refusal, Timestamp::MAX)
        }
    }
}

fn present(plan: &mut Plan, seen: &Observed, pool: &PoolView, nodes: &[&Node]) -> Launch {
    let failed = match &seen.operation {
        Some(OperationView::Failed(refusal)) => Some(refusal),
        _ => None,
    };
    if is(pool, "Succeeded") {
        if nodes.is_empty() {
            lost(plan, seen, pool);
        }
        return Launch::Up;
    }
    let has_failed = is(pool, "Failed") || is(pool, "Canceled");
    if has_failed && nodes.is_empty() {
        let refusal = failed.cloned().unwrap_or_else(|| Refusal {
            class: RefusalClass::Transient,
            code: "LaunchFailed".into(),
            message: format!("agent pool {} is {}", pool.name, pool.provisioning_state),
        });
        return replace(plan, seen, pool, refusal);
    }
    plan.wake = in_secs(seen, POLL_SECS);
    let replaced = not_before(&seen.claim).filter(|until| is(pool, "Deleting") && *until > seen.now);
    if let Some(until) = replaced {
        return Launch::Waiting(until);
    }
    match nodes {
        // The machine is there, whatever its pool is busy with.
        [_, ..] => Launch::Up,
        [] => Launch::Making(pool.provisioning_state.clone()),
    }
}

/// A machine that had joined and is gone (a spot machine that was taken, a machine that was deleted by hand) is given
/// some time to come back, and then replaced.
fn lost(plan: &mut Plan, seen: &Observed, pool: &PoolView) {
    let status = seen.claim.status.clone().unwrap_or_default();
    if status.node_name.is_empty() {
        return;
    }
    let registered = status
        .conditions
        .iter()
        .find(|condition| condition.type_ == "Registered");
    let since = registered.filter(|condition| condition.status != "True");
    let since = since.map_or(seen.now, |condition| condition.last_transition_time.0);
    let until = after(since, COMES_BACK_SECS);
    if until > seen.now {
        plan.wake = plan.wake.earlier(Wake::At(until));
    } else if !is_held(seen) {
        let name = pool.name.clone();
        plan.step(
            Step::DeletePool { name },
            "its machine is gone for more than ten minutes",
        );
        plan.wake = in_secs(seen, POLL_SECS);
    }
}

/// A pool that failed is removed and asked for again later: AKS does not mend it, and it counts against quota.
fn replace(plan: &mut Plan, seen: &Observed, pool: &PoolView, refusal: Refusal) -> Launch {
    let failures = annotation(&seen.claim, FAILURES)
        .and_then(|text| text.parse::<u32>().ok())
        .unwrap_or(0);
    let until = match not_before(&seen.claim).filter(|until| *until > seen.now) {
        Some(until) => until,
        None => {
            let wait = refusal.class.wait_secs(failures.saturating_add(1));
            let until = after(seen.now, i64::try_from(wait).unwrap_or(i64::MAX));
            let fields = json!({ "metadata": {
                "uid": seen.claim.metadata.uid,
                "annotations": {
                    FAILURES: failures.saturating_add(1).to_string(),
                    NOT_BEFORE: until.to_string(),
                },
            } });
            let why = "a failed launch is remembered, so that the next one waits longer";
            plan.step(
                Step::Apply {
                    target: target(&seen.claim),
                    fields,
                    force: true,
                },
                why,
            );
            until
        }
    };
    if !is_held(seen) {
        let name = pool.name.clone();
        plan.step(Step::DeletePool { name }, "the agent pool has failed");
    }
    plan.wake = in_secs(seen, POLL_SECS);
    Launch::Refused(refusal, until)
}

/// Karpenter's labels on the node: they tell others how far it is.
fn label(plan: &mut Plan, node: &Node, initialized: bool) {
    let labels = node.metadata.labels.as_ref();
    let has = |key: &str| {
        labels
            .and_then(|labels| labels.get(key))
            .is_some_and(|value| value == "true")
    };
    if has(REGISTERED_LABEL) && (has(INITIALIZED_LABEL) || !initialized) {
        return;
    }
    let mut wanted = json!({ REGISTERED_LABEL: "true" });
    if initialized || has(INITIALIZED_LABEL) {
        wanted[INITIALIZED_LABEL] = json!("true");
    }
    let target = Target::cluster(Kind::Node, node.metadata.name.as_deref().unwrap_or_default());
    let fields = json!({ "metadata": { "uid": node.metadata.uid, "labels": wanted } });
    plan.step(
        Step::Apply {
            target,
            fields,
            force: false,
        },
        "the node has joined",
    );
}

fn is_held(seen: &Observed) -> bool {
    let until = seen.held.as_ref().map(|Held { until, .. }| *until);
    until.is_some_and(|until| until > seen.now)
}

fn is(pool: &PoolView, state: &str) -> bool {
    pool.provisioning_state.eq_ignore_ascii_case(state)
}

fn not_before(claim: &NodeClaim) -> Option<Timestamp> {
    annotation(claim, NOT_BEFORE)?.parse().ok()
}

fn annotation<'a>(claim: &'a NodeClaim, key: &str) -> Option<&'a str> {
    claim.metadata.annotations.as_ref()?.get(key).map(String::as_str)
}

fn has_finalizer(claim: &NodeClaim) -> bool {
    claim
        .metadata
        .finalizers
        .iter()
        .flatten()
        .any(|entry| entry == TERMINATION_FINALIZER)
}

fn target(claim: &NodeClaim) -> Target {
    Target::cluster(Kind::NodeClaim, name(claim))
}

fn name(claim: &NodeClaim) -> &str {
    claim.metadata.name.as_deref().unwrap_or_default()
}

fn in_secs(seen: &Observed, secs: i64) -> Wake {
    Wake::At(after(seen.now, secs))
}

fn after(now: Timestamp, secs: i64) -> Timestamp {
    now.saturating_add(SignedDuration::from_secs(secs))
        .unwrap_or(Timestamp::MAX)
}
