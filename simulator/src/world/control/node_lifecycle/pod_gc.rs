//! Pods that nobody will end: their node is gone, or they were never scheduled and are being deleted.
//!
//! Must not know: where nodes went.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::object::{after_secs, is_deleting, put, text, uid, until};
use super::super::pods::is_terminal;
use super::super::{Change, Controller, Kind, ObjectKey, Outcome, Pass, View, Write};
use super::disruption;

/// A node must be missing so long before its pods are taken for lost (`quarantineTime`).
const QUARANTINE_SECS: i64 = 40;

/// Removes lost pods.
#[derive(Debug, Default)]
pub struct PodCollector {
    /// Since when nodes that pods are bound to have been missing.
    missing: BTreeMap<String, Timestamp>,
}

impl Controller for PodCollector {
    fn name(&self) -> &'static str {
        "pod-garbage-collector"
    }

    fn watches(&self) -> &'static [Kind] {
        &[Kind::NODE, Kind::POD]
    }

    fn keys_for(&self, change: &Change, view: &View) -> Vec<ObjectKey> {
        match (change.kind, &change.new) {
            (Kind::NODE, None) => view.pods_on(&change.key.name).map(|(key, _)| key.clone()).collect(),
            (Kind::POD, Some(pod)) if is_lost(pod, view) => vec![change.key.clone()],
            _ => Vec::new(),
        }
    }

    fn reconcile(&mut self, key: &ObjectKey, pass: &Pass<'_>) -> Outcome {
        let Some(pod) = pass.view.get(Kind::POD, key) else {
            return Outcome::nothing();
        };
        let node = text(pod, "/spec/nodeName");
        if !is_lost(pod, pass.view) {
            self.missing.remove(node);
            return Outcome::nothing();
        }
        if node.is_empty() {
            return Outcome::writes(end(key, pod, None));
        }
        let since = *self.missing.entry(node.to_owned()).or_insert(pass.now);
        let wait = until(after_secs(since, QUARANTINE_SECS), pass.now);
        let mut outcome = Outcome::nothing();
        if wait.is_zero() {
            let status = disruption(pod, "DeletionByPodGC", "PodGC: node no longer exists", pass.now);
            outcome.writes = end(key, pod, status);
        } else {
            outcome.wake(wait);
        }
        outcome
    }
}

fn is_lost(pod: &Value, view: &View) -> bool {
    match text(pod, "/spec/nodeName") {
        "" => is_deleting(pod),
        node => view.named(Kind::NODE, node).is_none(),
    }
}

/// Marks a pod as failed, unless it has ended, and deletes it without grace.
fn end(key: &ObjectKey, pod: &Value, status: Option<Value>) -> Vec<Write> {
    let mut writes = Vec::new();
    let mut status = status.unwrap_or_else(|| json!({}));
    if !is_terminal(pod) {
        put(&mut status, &["phase"], "Failed".into());
    }
    if status != json!({}) {
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
