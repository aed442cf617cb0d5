//! Pods that nobody will end: their node is gone or out of service, they were never scheduled and are being deleted, or
//! there are too many that have ended.
//!
//! Must not know: where nodes went.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::object::{after_secs, created_at, is_deleting, is_true, list, put, text, uid, until};
use super::super::pods::is_terminal;
use super::super::{Change, Controller, Kind, ObjectKey, Outcome, Pass, View, Write};
use super::disruption;

/// A node must be missing so long before its pods are taken for lost (`quarantineTime`).
const QUARANTINE_SECS: i64 = 40;
/// Ended pods that a cluster keeps (`--terminated-pod-gc-threshold`).
const ENDED_PODS: usize = 12_500;
/// Set by hand on nodes that are switched off.
const OUT_OF_SERVICE: &str = "node.kubernetes.io/out-of-service";

/// Removes lost pods, and the oldest of too many ended ones. (The real one looks every 20 seconds; this one when
/// something changes.)
#[derive(Debug)]
pub struct PodCollector {
    /// Since when nodes that pods are bound to have been missing.
    missing: BTreeMap<String, Timestamp>,
    ended: Ended,
}

impl Default for PodCollector {
    fn default() -> Self {
        Self::keeping(ENDED_PODS)
    }
}

impl PodCollector {
    /// Keeps so many ended pods; 0: all.
    #[must_use]
    pub fn keeping(ended_pods: usize) -> Self {
        Self {
            missing: BTreeMap::new(),
            ended: Ended {
                keep: ended_pods,
                ..Ended::default()
            },
        }
    }
}

/// Pods that have ended, evicted ones first, then by age.
#[derive(Debug, Default)]
struct Ended {
    keep: usize,
    order: BTreeSet<(Rank, ObjectKey)>,
    ranks: BTreeMap<ObjectKey, Rank>,
}

/// Whether a pod was not evicted, and when it was made.
type Rank = (bool, Timestamp);

impl Ended {
    fn note(&mut self, key: &ObjectKey, pod: Option<&Value>) {
        if let Some(rank) = self.ranks.remove(key) {
            self.order.remove(&(rank, key.clone()));
        }
        if let Some(pod) = pod.filter(|pod| is_terminal(pod)) {
            let evicted = text(pod, "/status/phase") == "Failed" && text(pod, "/status/reason") == "Evicted";
            let rank = (!evicted, created_at(pod));
            self.ranks.insert(key.clone(), rank);
            self.order.insert((rank, key.clone()));
        }
    }

    /// Takes out those that are too many.
    fn surplus(&mut self) -> Vec<ObjectKey> {
        let mut surplus = Vec::new();
        while self.keep > 0 && self.order.len() > self.keep {
            let Some((_, key)) = self.order.pop_first() else { break };
            self.ranks.remove(&key);
            surplus.push(key);
        }
        surplus
    }
}

impl Controller for PodCollector {
    fn name(&self) -> &'static str {
        "pod-garbage-collector"
    }

    fn watches(&self) -> &'static [Kind] {
        &[Kind::NODE, Kind::POD]
    }

    fn keys_for(&self, change: &Change, view: &View) -> Vec<ObjectKey> {
        let pods = || view.pods_on(&change.key.name);
        match (change.kind, &change.new) {
            (Kind::NODE, None) => pods().map(|(key, _)| key.clone()).collect(),
            (Kind::NODE, Some(node)) if is_out_of_service(node) => {
                let deleting = pods().filter(|(_, pod)| is_deleting(pod));
                deleting.map(|(key, _)| key.clone()).collect()
            }
            (Kind::POD, new) => {
                let had_ended = change.old.as_ref().is_some_and(|pod| is_terminal(pod));
                let ended = new.as_ref().is_some_and(|pod| is_terminal(pod));
                let lost = new.as_ref().is_some_and(|pod| is_lost(pod, view));
                let concerned = lost || ended != had_ended;
                concerned.then(|| change.key.clone()).into_iter().collect()
            }
            _ => Vec::new(),
        }
    }

    fn reconcile(&mut self, key: &ObjectKey, pass: &Pass<'_>) -> Outcome {
        let pod = pass.view.get(Kind::POD, key);
        self.ended.note(key, pod.map(|pod| &**pod));
        let mut outcome = Outcome::nothing();
        for surplus in self.ended.surplus() {
            if let Some(pod) = pass.view.get(Kind::POD, &surplus) {
                outcome.writes.extend(end(&surplus, pod, None));
            }
        }
        let Some(pod) = pod.filter(|_| !outcome.writes.iter().any(|write| deletes(write, key))) else {
            return outcome;
        };
        let node = text(pod, "/spec/nodeName");
        if !is_lost(pod, pass.view) {
            self.missing.remove(node);
            return outcome;
        }
        if node.is_empty() || pass.view.named(Kind::NODE, node).is_some() {
            outcome.writes.extend(end(key, pod, None));
            return outcome;
        }
        let since = *self.missing.entry(node.to_owned()).or_insert(pass.now);
        let wait = until(after_secs(since, QUARANTINE_SECS), pass.now);
        if wait.is_zero() {
            let status = disruption(pod, "DeletionByPodGC", "PodGC: node no longer exists", pass.now);
            outcome.writes.extend(end(key, pod, status));
        } else {
            outcome.wake(wait);
        }
        outcome
    }
}

fn deletes(write: &Write, pod: &ObjectKey) -> bool {
    matches!(write, Write::Delete { key, .. } if key == pod)
}

fn is_out_of_service(node: &Value) -> bool {
    let marked = list(node, "/spec/taints")
        .iter()
        .any(|taint| text(taint, "/key") == OUT_OF_SERVICE);
    marked && !is_true(node, "Ready")
}

fn is_lost(pod: &Value, view: &View) -> bool {
    let node = text(pod, "/spec/nodeName");
    if node.is_empty() {
        return is_deleting(pod);
    }
    view.named(Kind::NODE, node)
        .is_none_or(|node| is_deleting(pod) && is_out_of_service(node))
}

/// Marks a pod as failed, unless it has ended, and deletes it without grace.
fn end(key: &ObjectKey, pod: &Value, status: Option<Value>) -> Vec<Write> {
    let mut writes = Vec::new();
    if !is_terminal(pod) {
        let mut status = status.unwrap_or_else(|| json!({}));
        put(&mut status, &["phase"], "Failed".into());
        let patch = json!({"metadata": {"uid": uid(pod)}, "status": status});
        let (kind, key) = (Kind::POD, key.clone());
        writes.push(Write::MergePatch {
            kind,
            key,
            status: true,
            patch,
        });
    }
    writes.push(Write::Delete {
        kind: Kind::POD,
        key: key.clone(),
        uid: Some(uid(pod).to_owned()),
        grace_secs: Some(0),
        propagation: None,
    });
    writes
}
