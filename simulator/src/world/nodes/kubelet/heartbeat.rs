//! The kubelets' work on their nodes: conditions, and the lease that says that they live.
//!
//! A real kubelet renews its lease every ten seconds. For thousands of nodes under virtual time that would be most of
//! all writes, so the period is a setting; the node lifecycle must be told the same one.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Kubelets, NodeFault, pressure};
use crate::world::clock::rfc3339_micros;
use crate::world::control::object::{self, condition, stamp};
use crate::world::control::{Change, Controller, Kind, ObjectKey, Outcome, Pass, View, Write};
use crate::world::nodes::IS_SIMULATED;

/// Namespace of the leases.
const LEASES: &str = "kube-node-lease";
/// `leaseDurationSeconds` of a kubelet.
const LEASE_SECS: i64 = 40;

/// All simulated nodes.
#[derive(Debug)]
pub struct NodeKubelet {
    kubelets: Kubelets,
    period: Duration,
}

impl NodeKubelet {
    /// Heartbeats every `period` (10 s for a real kubelet).
    #[must_use]
    pub fn new(kubelets: Kubelets, period: Duration) -> Self {
        Self { kubelets, period }
    }
}

impl Controller for NodeKubelet {
    fn name(&self) -> &'static str {
        "system:nodes:kubelet-heartbeat"
    }

    fn watches(&self) -> &'static [Kind] {
        &[Kind::NODE, Kind::LEASE, Kind::POD]
    }

    fn keys_for(&self, change: &Change, _view: &View) -> Vec<ObjectKey> {
        if change.kind == Kind::NODE {
            vec![change.key.clone()]
        } else {
            Vec::new()
        }
    }

    fn reconcile(&mut self, key: &ObjectKey, pass: &Pass<'_>) -> Outcome {
        let Some(node) = pass.view.get(Kind::NODE, key) else {
            self.kubelets.lock().images.forget(&key.name);
            return Outcome::nothing();
        };
        if object::annotation(node, IS_SIMULATED).is_none() {
            return Outcome::nothing();
        }
        let fault = self.kubelets.lock().faults.get(&key.name).copied();
        let mut outcome = Outcome::nothing();
        outcome.wake(self.period);
        if fault == Some(NodeFault::Unreachable) {
            return outcome;
        }
        let conditions = conditions(node, fault, pass.now);
        if conditions.as_slice() != object::list(node, "/status/conditions") {
            let patch = json!({ "status": { "conditions": conditions } });
            outcome.writes.push(Write::MergePatch {
                kind: Kind::NODE,
                key: key.clone(),
                status: true,
                patch,
            });
        }
        outcome.writes.extend(self.lease(node, pass));
        outcome.writes.extend(self.devices_and_boot(node, fault));
        outcome.writes.extend(pressure::evictions(node, fault, pass));
        outcome
    }
}

impl NodeKubelet {
    /// Devices that went or came back, and a boot that is not told yet.
    fn devices_and_boot(&self, node: &Arc<Value>, fault: Option<NodeFault>) -> Vec<Write> {
        let mut shared = self.kubelets.lock();
        let name = object::name(node);
        let patched = |patch: Value| Write::MergePatch {
            kind: Kind::NODE,
            key: ObjectKey::new("", name),
            status: true,
            patch: json!({ "status": patch }),
        };
        let mut writes = Vec::new();
        let are_lost = fault == Some(NodeFault::DevicesLost);
        if are_lost != shared.without_devices.contains(name) {
            let capacity = node["status"]["capacity"].as_object().into_iter().flatten();
            let devices =
                capacity.filter(|(resource, _)| resource.contains('/') && !resource.starts_with("hugepages-"));
            let left = devices.map(|(resource, amount)| {
                let amount = if are_lost { json!("0") } else { amount.clone() };
                (resource.clone(), amount)
            });
            let left: serde_json::Map<String, Value> = left.collect();
            writes.push(patched(json!({ "allocatable": left })));
            if are_lost {
                shared.without_devices.insert(name.to_owned());
            } else {
                shared.without_devices.remove(name);
            }
        }
        let boots = shared.boots.get(name).copied().unwrap_or(0);
        let boot = format!("{name}-boot-{boots}");
        if boots > 0 && object::text(node, "/status/nodeInfo/bootID") != boot {
            writes.push(patched(json!({ "nodeInfo": { "bootID": boot } })));
            let message = format!("Node {name} has been rebooted, boot id: {boot}");
            writes.push(Write::warning("kubelet", Kind::NODE, node, "Rebooted", message));
        }
        writes
    }

    /// Makes or renews the node's lease when it is due.
    fn lease(&self, node: &Value, pass: &Pass<'_>) -> Option<Write> {
        let name = object::name(node);
        let key = ObjectKey::new(LEASES, name);
        let now = rfc3339_micros(pass.now);
        let Some(lease) = pass.view.get(Kind::LEASE, &key) else {
            let object = json!({
                "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
                "metadata": {
                    "name": name, "namespace": LEASES,
                    "ownerReferences": [{ "apiVersion": "v1", "kind": "Node", "name": name, "uid": object::uid(node) }],
                },
                "spec": { "holderIdentity": name, "leaseDurationSeconds": LEASE_SECS, "renewTime": now },
            });
            return Some(Write::Create {
                kind: Kind::LEASE,
                object,
            });
        };
        let renewed = object::time(lease, "/spec/renewTime");
        let is_due = renewed.is_none_or(|at| object::until(pass.now, at) >= self.period);
        is_due.then(|| Write::MergePatch {
            kind: Kind::LEASE,
            key,
            status: false,
            patch: json!({ "spec": { "renewTime": now } }),
        })
    }
}

/// The node's conditions; what others wrote stays. Times of heartbeats move only when something else does.
fn conditions(node: &Value, fault: Option<NodeFault>, now: Timestamp) -> Vec<Value> {
    let pressed = |kind: NodeFault| fault == Some(kind);
    let shuts_down = pressed(NodeFault::ShuttingDown);
    let not_ready = pressed(NodeFault::NotReady) || shuts_down;
    let why_not = if shuts_down {
        "node is shutting down"
    } else {
        "container runtime is down"
    };
    let wanted = [
        (
            "MemoryPressure",
            pressed(NodeFault::MemoryPressure),
            ["KubeletHasInsufficientMemory", "KubeletHasSufficientMemory"],
            [
                "kubelet has insufficient memory available",
                "kubelet has sufficient memory available",
            ],
        ),
        (
            "DiskPressure",
            pressed(NodeFault::DiskPressure),
            ["KubeletHasDiskPressure", "KubeletHasNoDiskPressure"],
            ["kubelet has disk pressure", "kubelet has no disk pressure"],
        ),
        (
            "PIDPressure",
            false,
            ["KubeletHasInsufficientPID", "KubeletHasSufficientPID"],
            [
                "kubelet has insufficient PID available",
                "kubelet has sufficient PID available",
            ],
        ),
        (
            "Ready",
            !not_ready,
            ["KubeletReady", "KubeletNotReady"],
            ["kubelet is posting ready status", why_not],
        ),
    ];
    let mut conditions: Vec<Value> = object::list(node, "/status/conditions")
        .iter()
        .filter(|c| !wanted.iter().any(|(kind, ..)| c["type"] == *kind))
        .cloned()
        .collect();
    for (kind, is_true, reasons, messages) in wanted {
        let status = if is_true { "True" } else { "False" };
        let index = usize::from(!is_true);
        let before = condition(node, kind).filter(|before| before["status"] == status);
        let heartbeat = before.map_or_else(|| stamp(now), |before| before["lastHeartbeatTime"].clone());
        let since = before.map_or_else(|| stamp(now), |before| before["lastTransitionTime"].clone());
        conditions.push(json!({
            "type": kind, "status": status, "reason": reasons.get(index), "message": messages.get(index),
            "lastHeartbeatTime": heartbeat, "lastTransitionTime": since,
        }));
    }
    conditions
}
