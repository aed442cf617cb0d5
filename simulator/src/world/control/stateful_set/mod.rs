//! StatefulSets: pods with names, order and volumes of their own.
//!
//! Must not know: how volumes are bound.

mod claims;
mod replicas;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use super::claims::{claim, itself, owners_of};
use super::history::{History, REVISION_HASH};
use super::object::{StatusBuilder, count, int, is_deleting, label, name, text};
use super::selector::Selector;
use super::{Change, Controller, Kind, ObjectKey, Outcome, Pass, View, Write, pods};
use replicas::{Work, ordinal_of};

const NAME: &str = "statefulset-controller";
/// The label of revisions that holds their hash.
const HASH_LABEL: &str = "controller.kubernetes.io/hash";

/// Runs StatefulSets.
#[derive(Debug, Default)]
pub struct StatefulSets;

impl Controller for StatefulSets {
    fn name(&self) -> &'static str {
        NAME
    }

    fn watches(&self) -> &'static [Kind] {
        &[Kind::STATEFUL_SET, Kind::POD, Kind::CONTROLLER_REVISION, Kind::PVC]
    }

    fn keys_for(&self, change: &Change, view: &View) -> Vec<ObjectKey> {
        match change.kind {
            Kind::STATEFUL_SET => itself(change),
            Kind::PVC => Vec::new(),
            _ => owners_of(change, Kind::STATEFUL_SET, view),
        }
    }

    fn reconcile(&mut self, key: &ObjectKey, pass: &Pass<'_>) -> Outcome {
        let Some(set) = pass.view.get(Kind::STATEFUL_SET, key) else {
            return Outcome::nothing();
        };
        let selector = Selector::new(set.pointer("/spec/selector"));
        let member = |pod: &Value| ordinal_of(set, pod).is_some();
        let claimed = claim(pass.view, Kind::POD, (Kind::STATEFUL_SET, set), &selector, member);
        if !claimed.writes.is_empty() {
            return Outcome::writes(claimed.writes);
        }
        let history = History::of(pass.view, Kind::STATEFUL_SET, set, HASH_LABEL);
        let members: Vec<Arc<Value>> = claimed.owned.into_iter().map(|(_, pod)| Arc::clone(pod)).collect();
        let mut tally = Tally::of(set, &history, &members, pass.now);
        let mut outcome = Outcome::writes(history.writes.clone());
        let min_ready_secs = count(set, "/spec/minReadySeconds");
        let waits = members
            .iter()
            .filter_map(|pod| pods::available_in(pod, min_ready_secs, pass.now));
        outcome.wake_after = waits.filter(|wait| !wait.is_zero()).min();
        outcome.rest = super::write::rest_for(members.len());
        let mut work = Vec::new();
        if !is_deleting(set) && !history.collided {
            let mut planned = Work::new(set, &history, &members, pass);
            planned.run();
            tally.current -= planned.updated;
            if planned.stale {
                outcome.wake(std::time::Duration::from_secs(1));
            }
            work = planned.writes;
        }
        if let Some(object) = tally.status(set, &history) {
            let kind = Kind::STATEFUL_SET;
            outcome.writes.push(Write::UpdateStatus { kind, object });
        }
        outcome.writes.extend(work);
        outcome.writes.extend(surplus(set, &history, &members));
        outcome
    }
}

fn surplus(set: &Value, history: &History, members: &[Arc<Value>]) -> Vec<Write> {
    let mut live: BTreeSet<String> = members.iter().map(|pod| revision_of(pod).to_owned()).collect();
    live.insert(history.update.name.clone());
    live.insert(current_name(set, history).to_owned());
    let limit = int(set, "/spec/revisionHistoryLimit").unwrap_or(10);
    history.surplus(set, limit, &live)
}

/// The name of the revision that a pod was made from.
fn revision_of(pod: &Value) -> &str {
    label(pod, REVISION_HASH).unwrap_or_default()
}

/// `status.currentRevision`, or the newest if that is unknown.
fn current_name<'a>(set: &'a Value, history: &'a History) -> &'a str {
    let named = history.named(text(set, "/status/currentRevision"));
    &named.unwrap_or(&history.update).name
}

struct Tally {
    replicas: i64,
    ready: i64,
    available: i64,
    current: i64,
    updated: i64,
}

impl Tally {
    fn of(set: &Value, history: &History, members: &[Arc<Value>], now: Timestamp) -> Self {
        let tally = |test: &dyn Fn(&Value) -> bool| {
            let matching = members.iter().filter(|pod| test(pod)).count();
            i64::try_from(matching).unwrap_or(i64::MAX)
        };
        let current = current_name(set, history);
        let min_ready_secs = count(set, "/spec/minReadySeconds");
        let is_of = |pod: &Value, revision: &str| !is_deleting(pod) && revision_of(pod) == revision;
        Self {
            replicas: tally(&|_| true),
            ready: tally(&replicas::is_running_and_ready),
            available: tally(&|pod| {
                replicas::is_running_and_ready(pod) && pods::is_available(pod, min_ready_secs, now)
            }),
            current: tally(&|pod| is_of(pod, current)),
            updated: tally(&|pod| is_of(pod, &history.update.name)),
        }
    }

    fn status(&self, set: &Value, history: &History) -> Option<Value> {
        let wanted = int(set, "/spec/replicas").unwrap_or(1);
        let rolls = text(set, "/spec/updateStrategy/type") != "OnDelete";
        let complete = rolls
            && [self.updated, self.ready, self.replicas]
                .iter()
                .all(|have| *have == wanted);
        let (current, revision) = if complete {
            (self.updated, history.update.name.as_str())
        } else {
            (self.current, current_name(set, history))
        };
        let mut status = StatusBuilder::default();
        status
            .count("observedGeneration", count(set, "/metadata/generation"))
            .always("replicas", self.replicas)
            .count("readyReplicas", self.ready)
            .always("availableReplicas", self.available)
            .count("currentReplicas", current)
            .count("updatedReplicas", self.updated)
            .text("currentRevision", revision)
            .text("updateRevision", &history.update.name)
            .always("collisionCount", history.collisions);
        status.onto(set)
    }
}

/// The name of the pod with this ordinal.
fn pod_name(set: &Value, ordinal: i64) -> String {
    format!("{}-{ordinal}", name(set))
}
