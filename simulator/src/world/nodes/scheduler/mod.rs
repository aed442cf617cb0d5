//! The default scheduler: filters, scores, binds; and says why where nothing fits.
//!
//! One pod a pass, the most important first, as the real scheduler's cycle. What nodes have left is kept between passes
//! and brought up to date only for nodes whose pods changed. No pre-emption.

mod condition;
mod filters;
mod node_info;
mod place;
mod queue;
mod reasons;
mod score;
#[cfg(test)]
mod tests;
mod topology;
mod volumes;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use self::node_info::NodeInfo;
use self::place::Choice;
use self::queue::Line;
use crate::world::control::object::{self, is_deleting, list, text};
use crate::world::control::{Change, Controller, Kind, ObjectKey, Outcome, Pass, View, Write};
use crate::world::kube::api_error::ApiError;

const NAME: &str = "default-scheduler";
/// Wait before a pod whose write failed is tried again, and before the rest of a group hears news (`podInitialBackoff`).
const BACK_OFF: SignedDuration = SignedDuration::from_secs(1);
/// Pods of a group that hear news in one pass.
const NEWS_A_PASS: usize = 64;

/// The scheduler's memory between passes.
#[derive(Debug, Default)]
pub struct Scheduler {
    nodes: BTreeMap<String, NodeInfo>,
    /// Nodes with pods that want to be apart from others.
    repelling: BTreeSet<String>,
    /// Where the next search starts, so that nodes are used in turn.
    next_start: String,
    /// Pods that were bound by a write that the view may not show yet.
    assumed: BTreeMap<ObjectKey, String>,
    line: Line,
    /// Pods whose group heard something new, and from when on they are told.
    untold: BTreeSet<ObjectKey>,
    tell_at: Timestamp,
    /// Pods whose write failed, by when they are tried again.
    delayed: BTreeSet<(Timestamp, ObjectKey)>,
    inbox: Mutex<Inbox>,
}

/// What changed since the last pass.
#[derive(Debug, Default)]
struct Inbox {
    /// Nodes to look at afresh.
    nodes: BTreeSet<String>,
    /// Pods that came, changed or went.
    pods: BTreeSet<ObjectKey>,
    /// Pods whose write failed.
    failed: BTreeSet<ObjectKey>,
    /// Something may have opened a node to a waiting pod.
    reopens: bool,
}

impl Controller for Scheduler {
    fn name(&self) -> &'static str {
        "system:kube-scheduler"
    }

    fn watches(&self) -> &'static [Kind] {
        &[
            Kind::POD,
            Kind::NODE,
            Kind::PVC,
            Kind::PV,
            Kind::STORAGE_CLASS,
            Kind::NAMESPACE,
        ]
    }

    fn keys_for(&self, change: &Change, _view: &View) -> Vec<ObjectKey> {
        let mut inbox = self.inbox();
        let concerns = match change.kind {
            Kind::NAMESPACE => false,
            Kind::NODE => {
                inbox.nodes.insert(change.key.name.clone());
                inbox.reopens |= helps(change);
                helps(change)
            }
            Kind::POD => inbox.hear_of_pod(change),
            _ => {
                inbox.reopens = true;
                true
            }
        };
        if concerns {
            vec![ObjectKey::new("", "line")]
        } else {
            Vec::new()
        }
    }

    /// Tries the pod that is first in line, whatever the key.
    fn reconcile(&mut self, _key: &ObjectKey, pass: &Pass<'_>) -> Outcome {
        self.take_in(pass);
        let mut writes = Vec::new();
        while writes.is_empty()
            && let Some(key) = self.line.pop()
        {
            writes = self.attempt(&key, pass);
        }
        if writes.is_empty() {
            writes = self.tell(pass);
        }
        let mut outcome = Outcome::writes(writes);
        if self.line.has_more() {
            outcome.wake(Duration::ZERO);
        }
        let telling = (!self.untold.is_empty()).then_some(self.tell_at);
        let retrying = self.delayed.first().map(|(at, _)| *at);
        for at in [telling, retrying].into_iter().flatten() {
            outcome.wake(object::until(at, pass.now));
        }
        outcome
    }

    fn failed(&mut self, _key: &ObjectKey, write: &Write, _error: &ApiError) {
        let (Write::Bind { pod: key, .. } | Write::MergePatch { key, .. }) = write else {
            return;
        };
        // A claim's selected node may have been refused: its pod waits and is tried again with the next change.
        if let Some(node) = self.assumed.remove(key) {
            self.inbox().nodes.insert(node);
        }
        self.inbox().failed.insert(key.clone());
    }
}

impl Inbox {
    /// Whether the scheduler has something to do.
    fn hear_of_pod(&mut self, change: &Change) -> bool {
        let (old, new) = (change.old.as_deref(), change.new.as_deref());
        for pod in [old, new].into_iter().flatten() {
            let node = text(pod, "/spec/nodeName");
            if !node.is_empty() {
                self.nodes.insert(node.to_owned());
            }
        }
        let same = |pointer: &str| old.and_then(|pod| pod.pointer(pointer)) == new.and_then(|pod| pod.pointer(pointer));
        let is_same = same("/spec") && same("/metadata/labels");
        match (old, new) {
            (Some(old), Some(new)) if is_ours(old) == is_ours(new) && is_over(old) == is_over(new) && is_same => false,
            (_, Some(new)) if is_ours(new) => self.pods.insert(change.key.clone()),
            _ => {
                // A pod has a place, is over or is gone: it may be company for others, or its place is free.
                self.pods.insert(change.key.clone());
                self.reopens = true;
                true
            }
        }
    }
}

impl Scheduler {
    fn inbox(&self) -> MutexGuard<'_, Inbox> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Brings everything up to date with what changed.
    fn take_in(&mut self, pass: &Pass<'_>) {
        let Inbox {
            nodes,
            pods,
            failed,
            reopens,
        } = std::mem::take(&mut *self.inbox());
        nodes.iter().for_each(|name| self.refresh(name, pass.view));
        for key in pods {
            self.line.forget(&key);
            self.requeue(&key, pass.view);
        }
        let retry_at = pass.now.checked_add(BACK_OFF).unwrap_or(Timestamp::MAX);
        self.delayed.extend(failed.into_iter().map(|key| (retry_at, key)));
        while let Some((at, key)) = self.delayed.first().cloned()
            && at <= pass.now
        {
            self.delayed.pop_first();
            self.requeue(&key, pass.view);
        }
        if reopens {
            self.line.reopen();
        }
    }

    fn requeue(&mut self, key: &ObjectKey, view: &View) {
        let pod = view.get(Kind::POD, key).filter(|pod| is_ours(pod));
        if let Some(pod) = pod.filter(|_| !self.assumed.contains_key(key)) {
            self.line.push(pod);
        }
    }

    /// Counts one node's pods anew.
    fn refresh(&mut self, name: &str, view: &View) {
        let Some(node) = view.named(Kind::NODE, name) else {
            self.nodes.remove(name);
            self.repelling.remove(name);
            self.assumed.retain(|_, at| *at != name);
            return;
        };
        let pods = view.pods_on(name).map(|(_, pod)| pod).filter(|pod| !is_over(pod));
        let mut info = NodeInfo::new(node, pods);
        self.assumed.retain(|key, at| {
            if *at != name {
                return true;
            }
            let pod = view.get(Kind::POD, key);
            let unseen = pod.filter(|pod| text(pod, "/spec/nodeName").is_empty());
            if let Some(pod) = unseen {
                info.add(pod);
            }
            unseen.is_some()
        });
        if info.repelling.is_empty() {
            self.repelling.remove(name);
        } else {
            self.repelling.insert(name.to_owned());
        }
        self.nodes.insert(name.to_owned(), info);
    }

    /// Tries one pod; no writes when there is nothing new to say.
    fn attempt(&mut self, key: &ObjectKey, pass: &Pass<'_>) -> Vec<Write> {
        let pod = pass.view.get(Kind::POD, key).filter(|pod| is_ours(pod));
        let Some(pod) = pod.filter(|_| !self.assumed.contains_key(key)) else {
            self.line.forget(key);
            return Vec::new();
        };
        if !list(pod, "/spec/schedulingGates").is_empty() {
            return condition::gated(pod, pass);
        }
        let labels_count = topology::depends_on_pods(pod) || !self.repelling.is_empty();
        let read_wishes = || queue::wishes(pod, labels_count);
        // Where nobody waits, nobody has been judged yet.
        let wishes = self.line.has_groups().then(read_wishes);
        let placed = match wishes.as_deref().and_then(|wishes| self.line.verdict(wishes)) {
            Some(verdict) => Err(verdict),
            None => self.place(pod, pass.view),
        };
        match placed {
            Ok(choice) => self.bind(key, pod, choice),
            Err(message) => {
                let wishes = wishes.unwrap_or_else(read_wishes);
                let others = self.line.wait(pod, wishes, &message);
                if !others.is_empty() && self.untold.is_empty() {
                    self.tell_at = pass.now.checked_add(BACK_OFF).unwrap_or(Timestamp::MAX);
                }
                self.untold.extend(others);
                self.untold.remove(key);
                condition::unschedulable(pod, &message, pass)
            }
        }
    }

    /// Tells waiting pods what the first of their group heard.
    fn tell(&mut self, pass: &Pass<'_>) -> Vec<Write> {
        let mut writes = Vec::new();
        for _ in 0..NEWS_A_PASS {
            if self.tell_at > pass.now {
                break;
            }
            let Some(key) = self.untold.pop_first() else { break };
            let pod = pass.view.get(Kind::POD, &key).filter(|pod| is_ours(pod));
            if let (Some(pod), Some(message)) = (pod, self.line.told(&key)) {
                writes.extend(condition::unschedulable(pod, message, pass));
            }
        }
        writes
    }

    fn bind(&mut self, key: &ObjectKey, pod: &Arc<Value>, choice: Choice) -> Vec<Write> {
        let Choice {
            node,
            mut writes,
            waits,
        } = choice;
        if waits {
            // The pod is looked at again when its volumes are bound; nobody shares its lot.
            self.line.wait(pod, key.to_string(), "");
            return writes;
        }
        self.line.forget(key);
        if let Some(info) = self.nodes.get_mut(&node) {
            info.add(pod);
            if !info.repelling.is_empty() {
                self.repelling.insert(node.clone());
            }
        }
        self.assumed.insert(key.clone(), node.clone());
        let message = format!("Successfully assigned {key} to {node}");
        writes.push(Write::Bind {
            pod: key.clone(),
            pod_uid: object::uid(pod).to_owned(),
            node,
        });
        writes.push(Write::normal(NAME, Kind::POD, pod, "Scheduled", message));
        writes
    }
}

/// A pod that waits for this scheduler.
fn is_ours(pod: &Value) -> bool {
    let scheduler = text(pod, "/spec/schedulerName");
    text(pod, "/spec/nodeName").is_empty()
        && (scheduler == NAME || scheduler.is_empty())
        && !is_deleting(pod)
        && !is_over(pod)
}

fn is_over(pod: &Value) -> bool {
    matches!(text(pod, "/status/phase"), "Succeeded" | "Failed")
}

/// Whether a node's change may help a waiting pod: heartbeats do not.
fn helps(change: &Change) -> bool {
    let (Some(old), Some(new)) = (&change.old, &change.new) else {
        return true;
    };
    let differs = |pointer: &str| old.pointer(pointer) != new.pointer(pointer);
    differs("/spec") || differs("/metadata/labels") || differs("/status/allocatable")
}
