//! DaemonSets: one pod on every node that will have it.
//!
//! Must not know: how pods get to the node that they name; that is the scheduler's.

mod place;
mod rollout;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::claims::{claim, itself, owners_of};
use super::expect::Expectations;
use super::history::{History, REVISION_HASH};
use super::object::{StatusBuilder, count, int, is_deleting, label, name, text, uid};
use super::selector::Selector;
use super::{Change, Controller, Kind, ObjectKey, Outcome, Pass, View, Write, pods};
use crate::world::kube::api_error::ApiError;
use place::{Fit, Placement, node_of};
use rollout::Plan;

const NAME: &str = "daemonset-controller";
/// At most this many creations or deletions a pass (`BurstReplicas`).
const BURST: usize = 250;

/// Runs DaemonSets.
#[derive(Debug, Default)]
pub struct DaemonSets {
    expected: Expectations,
    /// Delays before failed pods are replaced, by set and node: how long, and until when.
    backoffs: BTreeMap<(ObjectKey, String), Backoff>,
    failures: BTreeMap<ObjectKey, String>,
}

#[derive(Clone, Copy, Debug)]
struct Backoff {
    delay: Duration,
    until: jiff::Timestamp,
}

/// A set's pods by the node that they are for.
type ByNode<'a> = BTreeMap<String, Vec<&'a Arc<Value>>>;

impl Controller for DaemonSets {
    fn name(&self) -> &'static str {
        NAME
    }

    fn watches(&self) -> &'static [Kind] {
        &[Kind::DAEMON_SET, Kind::POD, Kind::NODE, Kind::CONTROLLER_REVISION]
    }

    fn keys_for(&self, change: &Change, view: &View) -> Vec<ObjectKey> {
        match change.kind {
            Kind::DAEMON_SET => itself(change),
            Kind::NODE => {
                // Heartbeats change nothing for anybody here.
                if change.old.as_deref().map(shown) == change.new.as_deref().map(shown) {
                    return Vec::new();
                }
                view.all(Kind::DAEMON_SET).map(|(key, _)| key.clone()).collect()
            }
            _ => owners_of(change, Kind::DAEMON_SET, view),
        }
    }

    fn reconcile(&mut self, key: &ObjectKey, pass: &Pass<'_>) -> Outcome {
        let Some(set) = pass.view.get(Kind::DAEMON_SET, key) else {
            self.expected.forget(key);
            self.backoffs.retain(|(of, _), _| of != key);
            return Outcome::nothing();
        };
        let selector = Selector::new(set.pointer("/spec/selector"));
        if selector.is_empty() {
            return Outcome::nothing();
        }
        let claimed = claim(pass.view, Kind::POD, (Kind::DAEMON_SET, set), &selector, |_| true);
        if !claimed.writes.is_empty() {
            return Outcome::writes(claimed.writes);
        }
        let mut by_node = ByNode::new();
        for (_, pod) in &claimed.owned {
            by_node.entry(node_of(pod).to_owned()).or_default().push(pod);
        }
        let history = History::of(pass.view, Kind::DAEMON_SET, set, REVISION_HASH);
        let mut outcome = Outcome::writes(history.writes.clone());
        outcome.rest = super::write::rest_for(pass.view.count(Kind::NODE));
        let template = place::template(set, &history.update.hash);
        let placement = Placement::new(&template);
        self.tell(key, set, &mut outcome);
        let mut work = Vec::new();
        if !is_deleting(set) && !history.collided && self.expected.met(key, Kind::POD, pass.view, pass.now) {
            work = self.manage(key, set, &by_node, &placement, &history, pass, &mut outcome);
        }
        let min_ready_secs = count(set, "/spec/minReadySeconds");
        let waits = claimed
            .owned
            .iter()
            .filter_map(|(_, pod)| pods::available_in(pod, min_ready_secs, pass.now));
        if let Some(wait) = waits.filter(|wait| !wait.is_zero()).min() {
            outcome.wake(wait);
        }
        if let Some(object) = status(set, &by_node, &placement, &history, pass) {
            let kind = Kind::DAEMON_SET;
            outcome.writes.push(Write::UpdateStatus { kind, object });
        }
        outcome.writes.extend(work);
        let live: BTreeSet<String> = claimed
            .owned
            .iter()
            .filter_map(|(_, pod)| label(pod, REVISION_HASH))
            .map(str::to_owned)
            .collect();
        let live: BTreeSet<String> = live.into_iter().chain([history.update.hash.clone()]).collect();
        let limit = int(set, "/spec/revisionHistoryLimit").unwrap_or(10);
        outcome.writes.extend(history.surplus(set, limit, &live));
        outcome
    }

    fn failed(&mut self, key: &ObjectKey, write: &Write, error: &ApiError) {
        self.expected.forget(key);
        if let Write::Create {
            kind: Kind::POD,
            object,
        } = write
        {
            self.failures.insert(key.clone(), pods::refusal(object, &error.message));
        }
    }
}

impl DaemonSets {
    fn tell(&mut self, key: &ObjectKey, set: &Arc<Value>, outcome: &mut Outcome) {
        if let Some(message) = self.failures.remove(key) {
            let message = format!("Error creating: {message}");
            outcome
                .writes
                .push(Write::warning(NAME, Kind::DAEMON_SET, set, "FailedCreate", message));
        }
    }

    #[allow(clippy::too_many_arguments)] // all of them are parts of one pass that are borrowed apart
    fn manage(
        &mut self,
        key: &ObjectKey,
        set: &Arc<Value>,
        by_node: &ByNode<'_>,
        placement: &Placement<'_>,
        history: &History,
        pass: &Pass<'_>,
        outcome: &mut Outcome,
    ) -> Vec<Write> {
        let mut plan = Plan::new(set, history, pass.now);
        for (node_key, node) in pass.view.all(Kind::NODE) {
            let pods = by_node.get(&node_key.name).map(Vec::as_slice);
            let failed = plan.node(node, placement.fit(node), pods);
            for pod in failed {
                self.failed_pod(key, set, pod, node, &mut plan, outcome);
            }
        }
        // Pods of nodes that are gone are not the set's to remove; see the pod collector.
        let missing = plan.is_settled();
        if missing && text(set, "/spec/updateStrategy/type") == "RollingUpdate" {
            plan.roll(by_node, placement, pass.view);
        }
        self.writes(key, set, plan, placement, pass)
    }

    /// Failed pods are replaced, each time later, from one second up to a quarter of an hour.
    fn failed_pod(
        &mut self,
        key: &ObjectKey,
        set: &Arc<Value>,
        pod: &Arc<Value>,
        node: &Value,
        plan: &mut Plan<'_>,
        outcome: &mut Outcome,
    ) {
        let backoff = self.backoffs.entry((key.clone(), name(node).to_owned()));
        let backoff = backoff.or_insert(Backoff {
            delay: Duration::from_millis(500),
            until: plan.now,
        });
        let wait = super::object::until(backoff.until, plan.now);
        if !wait.is_zero() {
            outcome.wake(wait);
            return;
        }
        backoff.delay = backoff.delay.saturating_mul(2).min(Duration::from_secs(900));
        backoff.until = plan.now.checked_add(backoff.delay).unwrap_or(plan.now);
        let message = format!(
            "Found failed daemon pod {} on node {}, will try to kill it",
            super::object::key_of(pod),
            name(node)
        );
        outcome
            .writes
            .push(Write::warning(NAME, Kind::DAEMON_SET, set, "FailedDaemonPod", message));
        plan.delete.push(super::object::key_of(pod));
    }

    fn writes(
        &mut self,
        key: &ObjectKey,
        set: &Arc<Value>,
        plan: Plan<'_>,
        placement: &Placement<'_>,
        pass: &Pass<'_>,
    ) -> Vec<Write> {
        let mut writes = plan.events;
        for node in plan.create.into_iter().take(BURST) {
            let mut object = pods::from_template(placement.template, Kind::DAEMON_SET, set, name(set), pass.entropy);
            place::pin(&mut object, &node);
            self.expected.creation(key, pods::new_key(&object), pass.now);
            let message = format!("Created pod: {}", name(&object));
            let kind = Kind::POD;
            writes.push(Write::Create { kind, object });
            writes.push(Write::normal(NAME, Kind::DAEMON_SET, set, "SuccessfulCreate", message));
        }
        for pod_key in plan.delete.into_iter().take(BURST) {
            let Some(pod) = pass.view.get(Kind::POD, &pod_key) else {
                continue;
            };
            self.expected.deletion(key, pod_key.clone(), uid(pod), pass.now);
            let message = format!("Deleted pod: {}", pod_key.name);
            writes.push(Write::Delete {
                kind: Kind::POD,
                key: pod_key,
                uid: Some(uid(pod).to_owned()),
                grace_secs: None,
                propagation: None,
            });
            writes.push(Write::normal(NAME, Kind::DAEMON_SET, set, "SuccessfulDelete", message));
        }
        writes
    }
}

/// What daemons see of a node.
fn shown(node: &Value) -> [Option<&Value>; 2] {
    [node.pointer("/metadata/labels"), node.pointer("/spec")]
}

/// The set with the status that it should have, if it has another.
fn status(
    set: &Value,
    by_node: &ByNode<'_>,
    placement: &Placement<'_>,
    history: &History,
    pass: &Pass<'_>,
) -> Option<Value> {
    let (mut desired, mut current, mut misscheduled, mut ready, mut updated, mut available) = (0, 0, 0, 0, 0, 0);
    let min_ready_secs = count(set, "/spec/minReadySeconds");
    for (key, node) in pass.view.all(Kind::NODE) {
        let first = by_node.get(&key.name).and_then(|pods| rollout::oldest(pods));
        if placement.fit(node) != Fit::Runs {
            misscheduled += i64::from(first.is_some());
            continue;
        }
        desired += 1;
        let Some(pod) = first else { continue };
        current += 1;
        ready += i64::from(pods::is_ready(pod));
        available += i64::from(pods::is_available(pod, min_ready_secs, pass.now));
        updated += i64::from(label(pod, REVISION_HASH) == Some(&history.update.hash));
    }
    let mut status = StatusBuilder::default();
    status
        .always("currentNumberScheduled", current)
        .always("numberMisscheduled", misscheduled)
        .always("desiredNumberScheduled", desired)
        .always("numberReady", ready)
        .count("observedGeneration", count(set, "/metadata/generation"))
        .count("updatedNumberScheduled", updated)
        .count("numberAvailable", available)
        .count("numberUnavailable", desired - available);
    if history.collisions > 0 {
        status.always("collisionCount", history.collisions);
    }
    status.onto(set)
}
