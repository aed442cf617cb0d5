//! Eviction by taint: pods that do not tolerate a NoExecute taint of their node go, at once or when their time is up.
//!
//! Must not know: why nodes are tainted.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::object::{after_secs, is_deleting, list, text, uid, until};
use super::super::pods::is_terminal;
use super::super::{Change, Controller, Kind, ObjectKey, Outcome, Pass, View, Write};
use super::disruption;
use super::taints::{Stay, stay};

const NAME: &str = "taint-eviction-controller";

/// Evicts pods.
#[derive(Debug, Default)]
pub struct TaintEviction {
    /// Pods whose time is running, and since when.
    marked: BTreeMap<ObjectKey, (String, Timestamp)>,
}

fn evicting(node: &Value) -> Vec<&Value> {
    let taints = list(node, "/spec/taints").iter();
    taints.filter(|taint| text(taint, "/effect") == "NoExecute").collect()
}

impl Controller for TaintEviction {
    fn name(&self) -> &'static str {
        NAME
    }

    fn watches(&self) -> &'static [Kind] {
        &[Kind::NODE, Kind::POD]
    }

    fn keys_for(&self, change: &Change, view: &View) -> Vec<ObjectKey> {
        if change.kind == Kind::POD {
            let node = change.latest().map_or("", |pod| text(pod, "/spec/nodeName"));
            let tainted = view
                .named(Kind::NODE, node)
                .is_some_and(|node| !evicting(node).is_empty());
            let concerned = tainted || self.marked.contains_key(&change.key);
            return concerned.then(|| change.key.clone()).into_iter().collect();
        }
        let before = change.old.as_ref().map(|node| evicting(node)).unwrap_or_default();
        let after = change.new.as_ref().map(|node| evicting(node)).unwrap_or_default();
        if before == after {
            return Vec::new();
        }
        view.pods_on(&change.key.name).map(|(key, _)| key.clone()).collect()
    }

    fn reconcile(&mut self, key: &ObjectKey, pass: &Pass<'_>) -> Outcome {
        let pod = pass.view.get(Kind::POD, key);
        let Some(pod) = pod.filter(|pod| !is_deleting(pod) && !is_terminal(pod)) else {
            self.marked.remove(key);
            return Outcome::nothing();
        };
        let node = pass.view.named(Kind::NODE, text(pod, "/spec/nodeName"));
        let taints = node.map(|node| evicting(node)).unwrap_or_default();
        let secs = match stay(list(pod, "/spec/tolerations"), &taints) {
            Stay::Secs(secs) if !taints.is_empty() => secs,
            _ => {
                let message = format!("Cancelling deletion of Pod {key}");
                let was_marked = self.marked.remove(key).is_some();
                let event = was_marked.then(|| Write::normal(NAME, Kind::POD, pod, "TaintManagerEviction", message));
                return Outcome::writes(event.into_iter().collect());
            }
        };
        let marked = self
            .marked
            .get(key)
            .filter(|(marked, _)| marked == uid(pod))
            .map(|(_, since)| *since);
        let since = marked.unwrap_or(pass.now);
        self.marked.insert(key.clone(), (uid(pod).to_owned(), since));
        let wait = until(after_secs(since, secs), pass.now);
        let mut outcome = Outcome::nothing();
        if !wait.is_zero() {
            outcome.wake(wait);
            return outcome;
        }
        let message = format!("Marking for deletion Pod {key}");
        outcome
            .writes
            .push(Write::normal(NAME, Kind::POD, pod, "TaintManagerEviction", message));
        let reason = "Taint manager: deleting due to NoExecute taint";
        if let Some(status) = disruption(pod, "DeletionByTaintManager", reason, pass.now) {
            let patch = json!({"metadata": {"uid": uid(pod)}, "status": status});
            let (kind, key) = (Kind::POD, key.clone());
            outcome.writes.push(Write::MergePatch {
                kind,
                key,
                status: true,
                patch,
            });
        }
        outcome.writes.push(Write::Delete {
            kind: Kind::POD,
            key: key.clone(),
            uid: Some(uid(pod).to_owned()),
            grace_secs: None,
            propagation: None,
        });
        self.marked.remove(key);
        outcome
    }
}
