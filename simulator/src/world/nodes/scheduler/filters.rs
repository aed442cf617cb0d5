//! The filters that look at one node alone: which nodes a pod may not go to, and why. In the order of the real
//! scheduler's plugins; the first plugin that refuses a node gives its reasons.

use serde_json::Value;

use super::node_info::{HostPort, NodeInfo, Room, Taint, host_ports};
use super::reasons::Reason;
use crate::world::control::object::{label, list, text};
use crate::world::control::selector::node_matches;
use crate::world::kube::builtin::totals;

/// What a pod wants, read once.
#[derive(Debug)]
pub(super) struct Wanted<'a> {
    pub(super) pod: &'a Value,
    pub(super) requests: Room,
    pub(super) containers: usize,
    ports: Vec<HostPort>,
    tolerations: &'a [Value],
    /// Whether it is choosy about its node's labels.
    is_choosy: bool,
}

impl<'a> Wanted<'a> {
    pub(super) fn of(pod: &'a Value) -> Self {
        let mut requests = Room::of(&totals::pod_requests(&pod["spec"]));
        requests.others.retain(|_, amount| *amount > 0);
        Self {
            pod,
            requests,
            containers: list(pod, "/spec/containers").len(),
            ports: host_ports(pod).collect(),
            tolerations: list(pod, "/spec/tolerations"),
            is_choosy: pod.pointer("/spec/nodeSelector").is_some()
                || pod.pointer("/spec/affinity/nodeAffinity").is_some(),
        }
    }

    /// Whether no toleration covers the taint.
    pub(super) fn is_kept_off_by(&self, taint: &Taint) -> bool {
        !tolerated(self.tolerations, &taint.key, &taint.value, &taint.effect)
    }
}

/// Why a node by itself is refused; empty when it is not.
pub(super) fn reasons(wanted: &Wanted<'_>, info: &NodeInfo) -> Vec<Reason> {
    if info.unschedulable && !tolerated(wanted.tolerations, "node.kubernetes.io/unschedulable", "", "NoSchedule") {
        return vec![Reason::fixed("node(s) were unschedulable")];
    }
    let keeps_off = |taint: &&Taint| taint.effect != "PreferNoSchedule" && wanted.is_kept_off_by(taint);
    if info.taints.iter().any(|taint| keeps_off(&taint)) {
        return vec![Reason::fixed("node(s) had untolerated taint(s)")];
    }
    if wanted.is_choosy && !matches_affinity(wanted.pod, &info.node) {
        return vec![Reason::fixed("node(s) didn't match Pod's node affinity/selector")];
    }
    if wanted.ports.iter().any(|port| clashes(port, info)) {
        return vec![Reason::passing(
            "node(s) didn't have free ports for the requested pod ports",
        )];
    }
    shortages(wanted, info)
}

fn shortages(wanted: &Wanted<'_>, info: &NodeInfo) -> Vec<Reason> {
    let mut short = Vec::new();
    if info.pods >= info.max_pods {
        short.push(Reason::passing("Too many pods"));
    }
    let mut one = |name: &str, amount: i64, used: i64, total: i64| {
        if amount > 0 && amount > total.saturating_sub(used) {
            short.push(Reason {
                may_pass: amount <= total,
                ..Reason::passing(format!("Insufficient {name}"))
            });
        }
    };
    let (requests, used, total) = (&wanted.requests, &info.used, &info.total);
    one("cpu", requests.cpu, used.cpu, total.cpu);
    one("memory", requests.memory, used.memory, total.memory);
    for (name, amount) in &requests.others {
        one(name, *amount, used.other(name), total.other(name));
    }
    short
}

fn clashes(port: &HostPort, info: &NodeInfo) -> bool {
    let any = |ip: &str| ip.is_empty() || ip == "0.0.0.0";
    info.ports.iter().any(|(ip, protocol, number)| {
        *number == port.2 && *protocol == port.1 && (any(ip) || any(&port.0) || *ip == port.0)
    })
}

fn tolerated(tolerations: &[Value], key: &str, value: &str, effect: &str) -> bool {
    tolerations.iter().any(|toleration| {
        let (wanted_effect, wanted_key) = (text(toleration, "/effect"), text(toleration, "/key"));
        let exists = text(toleration, "/operator") == "Exists";
        (wanted_effect.is_empty() || wanted_effect == effect)
            && (wanted_key == key || (wanted_key.is_empty() && exists))
            && (exists || text(toleration, "/value") == value)
    })
}

/// `nodeSelector` and the required node affinity.
pub(super) fn matches_affinity(pod: &Value, node: &Value) -> bool {
    let selector = pod.pointer("/spec/nodeSelector").and_then(Value::as_object);
    let selected = selector
        .into_iter()
        .flatten()
        .all(|(key, value)| label(node, key) == value.as_str());
    let required = "/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms";
    let terms = pod.pointer(required).and_then(Value::as_array);
    selected && terms.is_none_or(|terms| node_matches(terms, node))
}
