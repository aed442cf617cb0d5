//! The default scheduler: filters, scores, binds; and says why where nothing fits.
//!
//! Works on one pod at a time. What nodes have left is kept between passes and brought up to date only for nodes
//! whose pods changed. No pre-emption.

mod filters;
mod node_info;
mod reasons;
#[cfg(test)]
mod tests;
mod volumes;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use serde_json::{Value, json};

use self::filters::Wanted;
use self::node_info::NodeInfo;
use self::reasons::Reasons;
use crate::world::control::object::{self, is_deleting, text};
use crate::world::control::{Change, Controller, Kind, ObjectKey, Outcome, Pass, View, Write};
use crate::world::kube::api_error::ApiError;

const NAME: &str = "default-scheduler";
/// Feasible nodes after which the search stops (`minFeasibleNodesToFind`).
const ENOUGH_NODES: usize = 100;

/// The scheduler's memory between passes.
#[derive(Debug, Default)]
pub struct Scheduler {
    nodes: BTreeMap<String, NodeInfo>,
    /// Where the next search starts, so that nodes are used in turn.
    next_start: usize,
    /// Pods that were bound by a write that the view may not show yet.
    assumed: BTreeMap<ObjectKey, String>,
    /// Pods that fitted nowhere; looked at again when something that could help changes.
    waiting: Mutex<BTreeSet<ObjectKey>>,
    /// Nodes to look at afresh.
    dirty: Mutex<BTreeSet<String>>,
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Controller for Scheduler {
    fn name(&self) -> &'static str {
        "system:kube-scheduler"
    }

    fn watches(&self) -> &'static [Kind] {
        &[Kind::POD, Kind::NODE, Kind::PVC, Kind::PV, Kind::STORAGE_CLASS]
    }

    fn keys_for(&self, change: &Change, view: &View) -> Vec<ObjectKey> {
        if change.kind == Kind::NODE {
            locked(&self.dirty).insert(change.key.name.clone());
            return if helps(change) { self.all_waiting() } else { Vec::new() };
        }
        if change.kind != Kind::POD {
            return self.all_waiting();
        }
        for pod in change.objects() {
            let node = text(pod, "/spec/nodeName");
            if !node.is_empty() {
                locked(&self.dirty).insert(node.to_owned());
            }
        }
        match change.latest().filter(|_| change.new.is_some()) {
            Some(pod) if is_ours(pod) => vec![change.key.clone()],
            Some(pod) if !is_over(pod) => Vec::new(),
            // A pod is gone or over: its place is free.
            _ => {
                locked(&self.waiting).remove(&change.key);
                let _ = view;
                self.all_waiting()
            }
        }
    }

    fn reconcile(&mut self, key: &ObjectKey, pass: &Pass<'_>) -> Outcome {
        self.refresh(pass.view);
        let pod = pass.view.get(Kind::POD, key).filter(|pod| is_ours(pod));
        let Some(pod) = pod.filter(|_| !self.assumed.contains_key(key)) else {
            locked(&self.waiting).remove(key);
            return Outcome::nothing();
        };
        if !object::list(pod, "/spec/schedulingGates").is_empty() {
            return gated(key, pod, pass);
        }
        let mut reasons = Reasons::new(pass.view.count(Kind::NODE));
        match self.place(pod, pass.view, &mut reasons) {
            Some(choice) => self.bind(key, pod, choice),
            None => {
                locked(&self.waiting).insert(key.clone());
                unschedulable(key, pod, &reasons.message(), pass)
            }
        }
    }

    fn failed(&mut self, key: &ObjectKey, _write: &Write, _error: &ApiError) {
        if let Some(node) = self.assumed.remove(key) {
            locked(&self.dirty).insert(node);
        }
    }
}

/// A node, and what must come before the binding.
struct Choice {
    node: String,
    /// Tells provisioners where volumes are wanted.
    writes: Vec<Write>,
    /// Volumes are still to be made for this node.
    waits: bool,
}

impl Scheduler {
    fn all_waiting(&self) -> Vec<ObjectKey> {
        locked(&self.waiting).iter().cloned().collect()
    }

    /// Brings the nodes that changed up to date.
    fn refresh(&mut self, view: &View) {
        let dirty = std::mem::take(&mut *locked(&self.dirty));
        for name in dirty {
            match view.named(Kind::NODE, &name) {
                Some(node) => {
                    let pods = view.pods_on(&name).map(|(_, pod)| pod).filter(|pod| !is_over(pod));
                    let mut info = NodeInfo::new(node, pods);
                    self.assumed.retain(|key, at| {
                        if *at != name {
                            return true;
                        }
                        let Some(pod) = view.get(Kind::POD, key) else {
                            return false;
                        };
                        let is_seen = !text(pod, "/spec/nodeName").is_empty();
                        if !is_seen {
                            info.add(pod);
                        }
                        !is_seen
                    });
                    self.nodes.insert(name, info);
                }
                None => {
                    self.nodes.remove(&name);
                    self.assumed.retain(|_, at| *at != name);
                }
            }
        }
    }

    /// The best of the nodes that the pod may go to.
    fn place(&mut self, pod: &Value, view: &View, reasons: &mut Reasons) -> Option<Choice> {
        let wanted = Wanted::of(pod);
        let claims = match volumes::claims(pod, view) {
            Ok(claims) => claims,
            Err(text) => {
                reasons.before_filters(text);
                return None;
            }
        };
        let count = self.nodes.len();
        let start = if count == 0 { 0 } else { self.next_start % count };
        let topology = filters::Topology::of(pod, view, &self.nodes);
        let mut best: Option<(i64, &str, usize)> = None;
        let (mut feasible, mut seen) = (0, 0);
        for (name, info) in self.nodes.iter().skip(start).chain(self.nodes.iter().take(start)) {
            seen += 1;
            let mut why = filters::reasons(&wanted, info, &topology);
            if why.is_empty() {
                why.extend(volumes::reason(&claims, info, view).map(reasons::Reason::fixed));
            }
            if why.is_empty() {
                feasible += 1;
                let score = info.score(&wanted.requests);
                if best.is_none_or(|(most, _, _)| score > most) {
                    best = Some((score, name, seen));
                }
                if feasible >= enough(count) {
                    break;
                }
            } else {
                reasons.add(why);
            }
        }
        self.next_start = start + seen;
        let node = best?.1.to_owned();
        let writes = volumes::selections(&claims, &node);
        Some(Choice {
            node,
            writes,
            waits: volumes::has_unbound(&claims),
        })
    }

    fn bind(&mut self, key: &ObjectKey, pod: &std::sync::Arc<Value>, choice: Choice) -> Outcome {
        let Choice {
            node,
            mut writes,
            waits,
        } = choice;
        if waits {
            // The pod is looked at again when its volumes are bound.
            locked(&self.waiting).insert(key.clone());
            return Outcome::writes(writes);
        }
        locked(&self.waiting).remove(key);
        if let Some(info) = self.nodes.get_mut(&node) {
            info.add(pod);
        }
        self.assumed.insert(key.clone(), node.clone());
        let uid = object::uid(pod).to_owned();
        let message = format!("Successfully assigned {key} to {node}");
        writes.push(Write::Bind {
            pod: key.clone(),
            pod_uid: uid,
            node,
        });
        writes.push(Write::normal(NAME, Kind::POD, pod, "Scheduled", message));
        Outcome::writes(writes)
    }
}

/// Feasible nodes that are enough: all of a small cluster, a shrinking share of a large one
/// (`numFeasibleNodesToFind`: 50 % less one per 125 nodes, at least 5 %).
fn enough(nodes: usize) -> usize {
    if nodes < ENOUGH_NODES {
        return nodes.max(1);
    }
    let percent = 50_usize.saturating_sub(nodes / 125).max(5);
    (nodes * percent / 100).max(ENOUGH_NODES)
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

fn gated(key: &ObjectKey, pod: &Value, pass: &Pass<'_>) -> Outcome {
    let message = "Scheduling is blocked due to non-empty scheduling gates";
    condition(key, pod, "SchedulingGated", message, pass)
        .map_or_else(Outcome::nothing, |write| Outcome::writes(vec![write]))
}

fn unschedulable(key: &ObjectKey, pod: &std::sync::Arc<Value>, message: &str, pass: &Pass<'_>) -> Outcome {
    match condition(key, pod, "Unschedulable", message, pass) {
        // Nothing new to say.
        None => Outcome::nothing(),
        Some(write) => Outcome::writes(vec![
            write,
            Write::warning(NAME, Kind::POD, pod, "FailedScheduling", message),
        ]),
    }
}

/// The PodScheduled=False condition, if it says something new.
fn condition(key: &ObjectKey, pod: &Value, reason: &str, message: &str, pass: &Pass<'_>) -> Option<Write> {
    let before = object::condition(pod, "PodScheduled");
    if before.is_some_and(|c| c["reason"] == reason && c["message"] == message) {
        return None;
    }
    let since = before
        .filter(|c| c["status"] == "False")
        .map_or_else(|| object::stamp(pass.now), |c| c["lastTransitionTime"].clone());
    let mut conditions = object::list(pod, "/status/conditions").to_vec();
    conditions.retain(|c| c["type"] != "PodScheduled");
    conditions.push(json!({
        "type": "PodScheduled", "status": "False", "reason": reason, "message": message,
        "lastProbeTime": null, "lastTransitionTime": since,
        "observedGeneration": object::int(pod, "/metadata/generation").unwrap_or(1),
    }));
    let patch = json!({ "status": { "conditions": conditions } });
    Some(Write::MergePatch {
        kind: Kind::POD,
        key: key.clone(),
        status: true,
        patch,
    })
}
