//! The filters: which nodes a pod may not go to, and why. In the order of the real scheduler's plugins; the first
//! plugin that refuses a node gives its reasons.

use std::collections::BTreeMap;

use serde_json::Value;

use super::node_info::{HostPort, NodeInfo, host_ports};
use super::reasons::Reason;
use crate::world::control::object::{flag, is_deleting, label, list, namespace, text};
use crate::world::control::selector::Selector;
use crate::world::control::{Kind, View};
use crate::world::kube::builtin::quantity::Quantity;
use crate::world::kube::builtin::selectors::{Operator, Requirement};
use crate::world::kube::builtin::totals::{self, Amounts};

/// What a pod wants, read once.
#[derive(Debug)]
pub(super) struct Wanted<'a> {
    pod: &'a Value,
    pub(super) requests: Amounts,
    ports: Vec<HostPort>,
}

impl<'a> Wanted<'a> {
    pub(super) fn of(pod: &'a Value) -> Self {
        Self {
            pod,
            requests: totals::pod_requests(&pod["spec"]),
            ports: host_ports(pod).collect(),
        }
    }
}

/// Why a node is refused; empty when it is not.
pub(super) fn reasons(wanted: &Wanted<'_>, info: &NodeInfo, topology: &Topology) -> Vec<Reason> {
    let (pod, node) = (wanted.pod, &*info.node);
    if flag(node, "/spec/unschedulable") && !tolerates(pod, "node.kubernetes.io/unschedulable", "", "NoSchedule") {
        return vec![Reason::fixed("node(s) were unschedulable")];
    }
    let is_untolerated = |taint: &Value| {
        let effect = text(taint, "/effect");
        effect != "PreferNoSchedule" && !tolerates(pod, text(taint, "/key"), text(taint, "/value"), effect)
    };
    if list(node, "/spec/taints").iter().any(is_untolerated) {
        return vec![Reason::fixed("node(s) had untolerated taint(s)")];
    }
    if !matches_affinity(pod, node) {
        return vec![Reason::fixed("node(s) didn't match Pod's node affinity/selector")];
    }
    if wanted.ports.iter().any(|port| clashes(port, info)) {
        return vec![Reason::passing(
            "node(s) didn't have free ports for the requested pod ports",
        )];
    }
    let short = shortages(wanted, info);
    if !short.is_empty() {
        return short;
    }
    topology.reason(node).into_iter().collect()
}

fn shortages(wanted: &Wanted<'_>, info: &NodeInfo) -> Vec<Reason> {
    let mut short = Vec::new();
    if info.pods + 1 > info.max_pods() {
        short.push(Reason::passing("Too many pods"));
    }
    for (name, amount) in &wanted.requests {
        if amount.is_zero() {
            continue;
        }
        let total = info.allocatable.get(name).copied().unwrap_or(Quantity::ZERO);
        let left = info.used.get(name).map_or(total, |used| total.minus(*used));
        if *amount > left {
            let text = format!("Insufficient {name}");
            short.push(Reason {
                may_pass: *amount <= total,
                ..Reason::passing(text)
            });
        }
    }
    short
}

fn clashes(port: &HostPort, info: &NodeInfo) -> bool {
    let any = |ip: &str| ip.is_empty() || ip == "0.0.0.0";
    info.ports.iter().any(|(ip, protocol, number)| {
        *number == port.2 && *protocol == port.1 && (any(ip) || any(&port.0) || *ip == port.0)
    })
}

/// Whether a pod tolerates a taint.
pub(crate) fn tolerates(pod: &Value, key: &str, value: &str, effect: &str) -> bool {
    list(pod, "/spec/tolerations").iter().any(|toleration| {
        let (wanted_effect, wanted_key) = (text(toleration, "/effect"), text(toleration, "/key"));
        let exists = text(toleration, "/operator") == "Exists";
        (wanted_effect.is_empty() || wanted_effect == effect)
            && (wanted_key == key || (wanted_key.is_empty() && exists))
            && (exists || text(toleration, "/value") == value)
    })
}

/// `nodeSelector` and the required node affinity.
pub(crate) fn matches_affinity(pod: &Value, node: &Value) -> bool {
    let selector = pod.pointer("/spec/nodeSelector").and_then(Value::as_object);
    let selected = selector
        .into_iter()
        .flatten()
        .all(|(key, value)| label(node, key) == value.as_str());
    let required = "/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms";
    let terms = pod.pointer(required).and_then(Value::as_array);
    selected && terms.is_none_or(|terms| terms.iter().any(|term| matches_term(term, node)))
}

/// One node selector term; an empty one matches nothing.
pub(crate) fn matches_term(term: &Value, node: &Value) -> bool {
    let (expressions, fields) = (list(term, "/matchExpressions"), list(term, "/matchFields"));
    let by_label = |e: &Value| accepts(e, label(node, text(e, "/key")));
    let by_field = |e: &Value| text(e, "/key") == "metadata.name" && accepts(e, node["metadata"]["name"].as_str());
    !(expressions.is_empty() && fields.is_empty()) && expressions.iter().all(by_label) && fields.iter().all(by_field)
}

fn accepts(expression: &Value, value: Option<&str>) -> bool {
    let Some(operator) = Operator::from_name(text(expression, "/operator")) else {
        return false;
    };
    let values = list(expression, "/values")
        .iter()
        .filter_map(|v| v.as_str().map(str::to_owned))
        .collect();
    Requirement {
        key: text(expression, "/key").to_owned(),
        operator,
        values,
    }
    .accepts(value)
}

/// Pods' wishes about other pods, worked out once per pod: domains that are out, and why.
#[derive(Debug, Default)]
pub(super) struct Topology {
    rules: Vec<DomainRule>,
}

#[derive(Debug)]
struct DomainRule {
    key: String,
    /// Domains with at least one matching pod (or too many, for spreading).
    domains: BTreeMap<String, i64>,
    /// Most matching pods that a domain may have; None: it must have at least one.
    at_most: Option<i64>,
    text: &'static str,
    missing_text: &'static str,
}

impl Topology {
    pub(super) fn of(pod: &Value, view: &View, nodes: &BTreeMap<String, NodeInfo>) -> Self {
        let mut rules = Vec::new();
        let anti = "/spec/affinity/podAntiAffinity/requiredDuringSchedulingIgnoredDuringExecution";
        let near = "/spec/affinity/podAffinity/requiredDuringSchedulingIgnoredDuringExecution";
        for term in list(pod, anti) {
            let text = "node(s) didn't match pod anti-affinity rules";
            rules.push(DomainRule {
                at_most: Some(0),
                ..domain_rule(pod, term, view, nodes, text)
            });
        }
        for term in list(pod, near) {
            let rule = domain_rule(pod, term, view, nodes, "node(s) didn't match pod affinity rules");
            // The first of a group that wants to be together may go anywhere.
            let is_first = rule.domains.is_empty() && Selector::new(term.get("labelSelector")).matches_object(pod);
            if !is_first {
                rules.push(rule);
            }
        }
        for constraint in list(pod, "/spec/topologySpreadConstraints") {
            if text(constraint, "/whenUnsatisfiable") != "ScheduleAnyway" {
                rules.push(spread_rule(pod, constraint, view, nodes));
            }
        }
        Self { rules }
    }

    fn reason(&self, node: &Value) -> Option<Reason> {
        self.rules.iter().find_map(|rule| {
            let Some(domain) = label(node, &rule.key) else {
                return (rule.at_most != Some(0)).then(|| Reason::fixed(rule.missing_text));
            };
            let found = rule.domains.get(domain).copied().unwrap_or(0);
            let fits = rule.at_most.map_or(found > 0, |most| found <= most);
            (!fits).then(|| Reason::passing(rule.text))
        })
    }
}

fn domain_rule(
    pod: &Value,
    term: &Value,
    view: &View,
    nodes: &BTreeMap<String, NodeInfo>,
    reason: &'static str,
) -> DomainRule {
    let key = text(term, "/topologyKey").to_owned();
    let mut namespaces: Vec<&str> = list(term, "/namespaces").iter().filter_map(Value::as_str).collect();
    if namespaces.is_empty() {
        namespaces.push(namespace(pod));
    }
    let selector = Selector::new(term.get("labelSelector"));
    let domains = count_domains(&key, &selector, &namespaces, view, nodes);
    DomainRule {
        key,
        domains,
        at_most: None,
        text: reason,
        missing_text: reason,
    }
}

fn spread_rule(pod: &Value, constraint: &Value, view: &View, nodes: &BTreeMap<String, NodeInfo>) -> DomainRule {
    let key = text(constraint, "/topologyKey").to_owned();
    let selector = Selector::new(constraint.get("labelSelector"));
    let mut domains = count_domains(&key, &selector, &[namespace(pod)], view, nodes);
    for info in nodes.values().filter(|info| matches_affinity(pod, &info.node)) {
        if let Some(domain) = label(&info.node, &key) {
            domains.entry(domain.to_owned()).or_insert(0);
        }
    }
    let least = domains.values().min().copied().unwrap_or(0);
    let skew = constraint["maxSkew"].as_i64().unwrap_or(1);
    DomainRule {
        key,
        domains,
        // One more pod there must not lead the emptiest domain by more than the skew.
        at_most: Some(least + skew - 1),
        text: "node(s) didn't match pod topology spread constraints",
        missing_text: "node(s) didn't match pod topology spread constraints (missing required label)",
    }
}

/// Matching, running pods by the domain of their node.
fn count_domains(
    key: &str,
    selector: &Selector,
    namespaces: &[&str],
    view: &View,
    nodes: &BTreeMap<String, NodeInfo>,
) -> BTreeMap<String, i64> {
    let mut domains = BTreeMap::new();
    for namespace in namespaces {
        for (_, other) in view.in_namespace(Kind::POD, namespace) {
            let Some(info) = nodes.get(text(other, "/spec/nodeName")) else {
                continue;
            };
            if is_deleting(other) || !selector.matches_object(other) {
                continue;
            }
            if let Some(domain) = label(&info.node, key) {
                *domains.entry(domain.to_owned()).or_insert(0) += 1;
            }
        }
    }
    domains
}
