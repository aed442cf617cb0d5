//! Node health: a node whose lease and status stand still is Unknown; conditions become taints.
//!
//! Must not know: what taints do to pods.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::claims::itself;
use super::super::object::{
    after_secs, condition, created_at, flag, list, list_mut, name, put, same, stamp, text, uid, until,
};
use super::super::{Change, Controller, Kind, ObjectKey, Outcome, Pass, View, Write, pods};

const NAME: &str = "node-controller";
/// Silence that is still health (`--node-monitor-grace-period` since 1.32).
const GRACE_SECS: i64 = 50;
/// The same for a node that has not reported yet (`--node-startup-grace-period`).
const STARTUP_GRACE_SECS: i64 = 60;
/// How often the real controller looks (`--node-monitor-period`): silence is noticed at its next look.
const PERIOD_SECS: i64 = 5;
const LEASES: &str = "kube-node-lease";

/// Conditions that a silent node loses.
const REPORTED: [&str; 4] = ["Ready", "MemoryPressure", "DiskPressure", "PIDPressure"];

/// Watches over nodes.
#[derive(Debug)]
pub struct NodeHealth {
    /// Silence that is still health, in seconds.
    grace_secs: i64,
    seen: BTreeMap<String, Seen>,
    /// Nodes that are not Ready.
    down: BTreeSet<String>,
}

impl Default for NodeHealth {
    fn default() -> Self {
        Self {
            grace_secs: GRACE_SECS,
            seen: BTreeMap::new(),
            down: BTreeSet::new(),
        }
    }
}

impl NodeHealth {
    /// For kubelets that are given `grace` to say something (50 s where they do every 10 s).
    #[must_use]
    pub fn new(grace: Duration) -> Self {
        let grace_secs = i64::try_from(grace.as_secs()).unwrap_or(i64::MAX).max(GRACE_SECS);
        Self {
            grace_secs,
            ..Self::default()
        }
    }
}

/// When a node last gave a sign of life, by this controller's clock.
#[derive(Debug)]
struct Seen {
    uid: String,
    lease: String,
    heartbeat: String,
    at: Timestamp,
}

impl Controller for NodeHealth {
    fn name(&self) -> &'static str {
        NAME
    }

    fn watches(&self) -> &'static [Kind] {
        &[Kind::NODE, Kind::LEASE, Kind::POD]
    }

    fn keys_for(&self, change: &Change, view: &View) -> Vec<ObjectKey> {
        match change.kind {
            Kind::NODE => {
                let mut keys = itself(change);
                let recovers = change.new.as_ref().is_some_and(|node| ready(node) == "True");
                if recovers && self.all_down(view) {
                    // While all nodes were down none was tainted for eviction.
                    keys.extend(self.down.iter().map(|name| ObjectKey::new("", name.as_str())));
                }
                keys
            }
            Kind::LEASE if change.key.namespace == LEASES && change.new.is_some() => {
                vec![ObjectKey::new("", change.key.name.as_str())]
            }
            _ => Vec::new(),
        }
    }

    fn reconcile(&mut self, key: &ObjectKey, pass: &Pass<'_>) -> Outcome {
        let Some(node) = pass.view.get(Kind::NODE, key) else {
            self.down.remove(&key.name);
            let gone = self.seen.remove(&key.name);
            return Outcome::writes(gone.map(|seen| removed(&key.name, &seen.uid)).into_iter().collect());
        };
        let mut outcome = Outcome::nothing();
        let silent_in = self.observe(node, pass, &mut outcome);
        let status = ready(node);
        if silent_in.is_zero() {
            if let Some(object) = unknown(node, pass.now) {
                if status == "True" {
                    outcome.writes.extend(not_ready(node, pass));
                }
                let kind = Kind::NODE;
                outcome.writes.insert(0, Write::UpdateStatus { kind, object });
                return outcome;
            }
        } else {
            outcome.wake(silent_in);
        }
        if status == "True" {
            self.down.remove(name(node));
        } else {
            self.down.insert(name(node).to_owned());
        }
        let evicts = !self.all_down(pass.view);
        outcome.writes.extend(retaint(node, evicts, pass.now));
        outcome
    }
}

impl NodeHealth {
    /// Notes signs of life, and answers how long the node may still be silent.
    fn observe(&mut self, node: &Arc<Value>, pass: &Pass<'_>, outcome: &mut Outcome) -> Duration {
        let lease = pass.view.get(Kind::LEASE, &ObjectKey::new(LEASES, name(node)));
        let lease = lease.map_or("", |lease| text(lease, "/spec/renewTime")).to_owned();
        let heartbeat = condition(node, "Ready")
            .map_or("", |ready| text(ready, "/lastHeartbeatTime"))
            .to_owned();
        let reported = condition(node, "Ready").is_some();
        let known = self.seen.get_mut(name(node)).filter(|seen| seen.uid == uid(node));
        let at = match known {
            Some(seen) => {
                if seen.lease != lease || seen.heartbeat != heartbeat {
                    (seen.lease, seen.heartbeat, seen.at) = (lease, heartbeat, pass.now);
                }
                seen.at
            }
            None => {
                let message = format!(
                    "Node {} event: Registered Node {} in Controller",
                    name(node),
                    name(node)
                );
                outcome
                    .writes
                    .push(Write::normal(NAME, Kind::NODE, node, "RegisteredNode", message));
                let at = if reported { pass.now } else { created_at(node) };
                let uid = uid(node).to_owned();
                self.seen.insert(
                    name(node).to_owned(),
                    Seen {
                        uid,
                        lease,
                        heartbeat,
                        at,
                    },
                );
                at
            }
        };
        let grace_secs = if reported {
            self.grace_secs
        } else {
            self.grace_secs.max(STARTUP_GRACE_SECS)
        };
        let deadline = after_secs(at, grace_secs);
        if deadline < pass.now {
            Duration::ZERO
        } else {
            until(after_secs(deadline, PERIOD_SECS), pass.now)
        }
    }

    fn all_down(&self, view: &View) -> bool {
        self.down.len() >= view.count(Kind::NODE)
    }
}

/// What is said of a node that was deleted.
fn removed(name: &str, uid: &str) -> Write {
    let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "uid": uid}});
    let message = format!("Node {name} event: Removing Node {name} from Controller");
    Write::normal(NAME, Kind::NODE, &Arc::new(node), "RemovingNode", message)
}

fn ready(node: &Value) -> &str {
    condition(node, "Ready").map_or("Unknown", |ready| text(ready, "/status"))
}

/// The node with every reported condition Unknown, if one is not.
fn unknown(node: &Value, now: Timestamp) -> Option<Value> {
    let missing = REPORTED.iter().any(|type_| condition(node, type_).is_none());
    let known = REPORTED
        .iter()
        .any(|type_| condition(node, type_).is_some_and(|have| text(have, "/status") != "Unknown"));
    if !missing && !known {
        return None;
    }
    let mut object = node.clone();
    let created = node.pointer("/metadata/creationTimestamp").cloned().unwrap_or_default();
    let conditions = list_mut(&mut object, &["status", "conditions"])?;
    for type_ in REPORTED {
        match conditions.iter_mut().find(|have| text(have, "/type") == type_) {
            Some(have) if text(have, "/status") == "Unknown" => {}
            Some(have) => {
                put(have, &["status"], "Unknown".into());
                put(have, &["reason"], "NodeStatusUnknown".into());
                put(have, &["message"], "Kubelet stopped posting node status.".into());
                put(have, &["lastTransitionTime"], stamp(now));
            }
            None => conditions.push(json!({
                "type": type_, "status": "Unknown", "reason": "NodeStatusNeverUpdated",
                "message": "Kubelet never posted node status.",
                "lastHeartbeatTime": created, "lastTransitionTime": stamp(now),
            })),
        }
    }
    Some(object)
}

/// What is said when a node goes from Ready to Unknown; its pods are not ready any more.
fn not_ready(node: &Arc<Value>, pass: &Pass<'_>) -> Vec<Write> {
    let message = format!("Node {} status is now: NodeNotReady", name(node));
    let mut writes = vec![Write::normal(NAME, Kind::NODE, node, "NodeNotReady", message)];
    for (key, pod) in pass.view.pods_on(name(node)).filter(|(_, pod)| pods::is_ready(pod)) {
        let mut conditions = list(pod, "/status/conditions").to_vec();
        for have in conditions.iter_mut().filter(|have| text(have, "/type") == "Ready") {
            put(have, &["status"], "False".into());
            put(have, &["lastTransitionTime"], stamp(pass.now));
        }
        writes.push(Write::MergePatch {
            kind: Kind::POD,
            key: key.clone(),
            status: true,
            patch: json!({"metadata": {"uid": uid(pod)}, "status": {"conditions": conditions}}),
        });
        writes.push(Write::warning(
            NAME,
            Kind::POD,
            pod,
            "NodeNotReady",
            "Node is not ready",
        ));
    }
    writes
}

/// Condition, the status that taints, the taint's key.
const TAINTING: [(&str, &str, &str); 6] = [
    ("Ready", "False", "node.kubernetes.io/not-ready"),
    ("Ready", "Unknown", "node.kubernetes.io/unreachable"),
    ("MemoryPressure", "True", "node.kubernetes.io/memory-pressure"),
    ("DiskPressure", "True", "node.kubernetes.io/disk-pressure"),
    ("NetworkUnavailable", "True", "node.kubernetes.io/network-unavailable"),
    ("PIDPressure", "True", "node.kubernetes.io/pid-pressure"),
];
const UNSCHEDULABLE: &str = "node.kubernetes.io/unschedulable";

/// The patch that makes the node's taints say what its conditions say.
fn retaint(node: &Value, evicts: bool, now: Timestamp) -> Option<Write> {
    // A node that has never reported keeps the not-ready taint of its creation.
    condition(node, "Ready")?;
    let wanted = wanted_taints(node, evicts);
    let owned = |taint: &Value| {
        let (key, effect) = (text(taint, "/key"), text(taint, "/effect"));
        let condition = TAINTING.iter().any(|(_, _, owned)| *owned == key);
        let evicting = key == TAINTING[0].2 || key == TAINTING[1].2;
        match effect {
            "NoSchedule" => condition || key == UNSCHEDULABLE,
            "NoExecute" => evicting,
            _ => false,
        }
    };
    let before = list(node, "/spec/taints");
    let stays = |taint: &&Value| !owned(taint) || wanted.contains(&(text(taint, "/key"), text(taint, "/effect")));
    let mut taints: Vec<Value> = before.iter().filter(stays).cloned().collect();
    for (key, effect) in wanted {
        let has = taints
            .iter()
            .any(|taint| text(taint, "/key") == key && text(taint, "/effect") == effect);
        if !has {
            taints.push(json!({"key": key, "effect": effect, "timeAdded": stamp(now)}));
        }
    }
    let taints = Value::Array(taints);
    if same(&taints, &Value::Array(before.to_vec())) {
        return None;
    }
    let version = text(node, "/metadata/resourceVersion");
    Some(Write::MergePatch {
        kind: Kind::NODE,
        key: ObjectKey::new("", name(node)),
        status: false,
        patch: json!({"metadata": {"resourceVersion": version}, "spec": {"taints": taints}}),
    })
}

fn wanted_taints(node: &Value, evicts: bool) -> Vec<(&'static str, &'static str)> {
    let mut wanted = Vec::new();
    for (type_, status, key) in TAINTING {
        if condition(node, type_).is_some_and(|have| text(have, "/status") == status) {
            wanted.push((key, "NoSchedule"));
            if type_ == "Ready" && evicts {
                wanted.push((key, "NoExecute"));
            }
        }
    }
    if flag(node, "/spec/unschedulable") {
        wanted.push((UNSCHEDULABLE, "NoSchedule"));
    }
    wanted
}
