//! Pods' wishes about other pods, worked out once per pod: affinity, anti-affinity both ways, and spreading.
//!
//! Counts by domain (the value of a node's topology label), never by pairs of pods.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::filters::{Wanted, matches_affinity};
use super::node_info::{ANTI_AFFINITY, NodeInfo};
use super::reasons::Reason;
use crate::world::control::object::{is_deleting, key_of, label, list, namespace, text};
use crate::world::control::selector::Selector;
use crate::world::control::{Kind, ObjectKey, View};

const AFFINITY: &str = "/spec/affinity/podAffinity/requiredDuringSchedulingIgnoredDuringExecution";
const SPREADING: &str = "/spec/topologySpreadConstraints";

/// Where pods are, bindings that the view does not show yet included.
#[derive(Clone, Copy)]
pub(super) struct Placed<'a> {
    pub(super) view: &'a View,
    pub(super) nodes: &'a BTreeMap<String, NodeInfo>,
    pub(super) assumed: &'a BTreeMap<ObjectKey, String>,
    pub(super) repelling: &'a BTreeSet<String>,
}

impl<'a> Placed<'a> {
    fn node_of(&self, pod: &Value) -> Option<&'a NodeInfo> {
        let bound = text(pod, "/spec/nodeName");
        if bound.is_empty() {
            self.nodes.get(self.assumed.get(&key_of(pod))?)
        } else {
            self.nodes.get(bound)
        }
    }

    /// Placed pods that a selector matches in these namespaces.
    fn matching(&self, namespaces: &[String], selector: &Selector) -> Vec<(&'a Value, &'a NodeInfo)> {
        let found = namespaces
            .iter()
            .flat_map(|namespace| self.view.selected(Kind::POD, namespace, selector));
        // Looked up once more, so that what is answered outlives the names of namespaces.
        found
            .filter_map(|(key, _)| self.view.get(Kind::POD, &key))
            .filter(|pod| !matches!(text(pod, "/status/phase"), "Succeeded" | "Failed"))
            .filter_map(|pod| Some((&**pod, self.node_of(pod)?)))
            .collect()
    }

    /// Placed pods by the domain that they are in.
    pub(super) fn count(&self, key: &str, namespaces: &[String], selector: &Selector) -> BTreeMap<String, i64> {
        let mut domains = BTreeMap::new();
        for (_, info) in self.matching(namespaces, selector) {
            if let Some(domain) = label(&info.node, key) {
                *domains.entry(domain.to_owned()).or_insert(0) += 1;
            }
        }
        domains
    }

    /// The namespaces that an affinity term of a pod in `home` speaks of.
    pub(super) fn namespaces(&self, term: &Value, home: &str) -> Vec<String> {
        let listed = list(term, "/namespaces").iter().filter_map(Value::as_str);
        let mut names: BTreeSet<String> = listed.map(str::to_owned).collect();
        let chosen = term.get("namespaceSelector").filter(|selector| !selector.is_null());
        if let Some(chosen) = chosen {
            let selector = Selector::new(Some(chosen));
            let all = self.view.all(Kind::NAMESPACE);
            let matching = all.filter(|(_, namespace)| selector.matches_object(namespace));
            names.extend(matching.map(|(key, _)| key.name.clone()));
        } else if names.is_empty() {
            names.insert(home.to_owned());
        }
        names.into_iter().collect()
    }
}

/// Whether a pod's place depends on other pods, so that a pod's coming may open a node to it.
pub(super) fn depends_on_pods(pod: &Value) -> bool {
    [AFFINITY, ANTI_AFFINITY, SPREADING]
        .iter()
        .any(|pointer| !list(pod, pointer).is_empty())
}

/// What other pods allow.
#[derive(Debug, Default)]
pub(super) struct Topology {
    /// Each key with the domains that hold the wanted company.
    near: Vec<(String, BTreeSet<String>)>,
    /// Nobody is there yet, and the pod itself is the wanted company: any domain will do.
    is_first: bool,
    /// Each key with the domains to keep away from.
    apart: Vec<(String, BTreeSet<String>)>,
    /// Domains whose pods want to be apart from this one.
    repelled_from: BTreeSet<(String, String)>,
    spread: Vec<Spread>,
}

#[derive(Debug)]
struct Spread {
    key: String,
    domains: BTreeMap<String, i64>,
    /// Most matching pods that a domain may have before this one comes.
    at_most: i64,
}

impl Topology {
    pub(super) fn of(wanted: &Wanted<'_>, placed: Placed<'_>) -> Self {
        let pod = wanted.pod;
        let home = namespace(pod);
        let near_terms = list(pod, AFFINITY);
        let near = company(near_terms, home, placed);
        let is_own_company = near_terms.iter().all(|term| is_meant(term, home, pod, placed));
        let apart = list(pod, ANTI_AFFINITY).iter().map(|term| {
            let key = text(term, "/topologyKey");
            let selector = Selector::new(term.get("labelSelector"));
            let domains = placed.count(key, &placed.namespaces(term, home), &selector);
            (key.to_owned(), domains.into_keys().collect())
        });
        Self {
            is_first: is_own_company && near.iter().all(|(_, domains)| domains.is_empty()),
            near,
            apart: apart.collect(),
            repelled_from: repelled_from(pod, placed),
            spread: spread(wanted, placed),
        }
    }

    /// Spreading's reason.
    pub(super) fn spread_reason(&self, node: &Value) -> Option<Reason> {
        self.spread.iter().find_map(|spread| {
            let Some(domain) = label(node, &spread.key) else {
                return Some(Reason::fixed(
                    "node(s) didn't match pod topology spread constraints (missing required label)",
                ));
            };
            let found = spread.domains.get(domain).copied().unwrap_or(0);
            (found > spread.at_most).then(|| Reason::passing("node(s) didn't match pod topology spread constraints"))
        })
    }

    /// Affinity's reason.
    pub(super) fn affinity_reason(&self, node: &Value) -> Option<Reason> {
        let is_near = |(key, domains): &(String, BTreeSet<String>)| {
            label(node, key).is_some_and(|domain| self.is_first || domains.contains(domain))
        };
        if !self.near.iter().all(is_near) {
            return Some(Reason::fixed("node(s) didn't match pod affinity rules"));
        }
        let is_close = |(key, domains): &(String, BTreeSet<String>)| {
            label(node, key).is_some_and(|domain| domains.contains(domain))
        };
        if self.apart.iter().any(is_close) {
            return Some(Reason::passing("node(s) didn't match pod anti-affinity rules"));
        }
        let is_repelled = |(key, domain): &(String, String)| label(node, key) == Some(domain.as_str());
        let repelled = self.repelled_from.iter().any(is_repelled);
        repelled.then(|| Reason::passing("node(s) didn't satisfy existing pods anti-affinity rules"))
    }
}

/// The domains where pods are that all terms of an affinity mean.
fn company(terms: &[Value], home: &str, placed: Placed<'_>) -> Vec<(String, BTreeSet<String>)> {
    let Some(first) = terms.first() else {
        return Vec::new();
    };
    let selector = Selector::new(first.get("labelSelector"));
    let candidates = placed.matching(&placed.namespaces(first, home), &selector);
    let meant = candidates
        .into_iter()
        .filter(|(other, _)| terms.iter().skip(1).all(|term| is_meant(term, home, other, placed)));
    let nodes: Vec<&Value> = meant.map(|(_, info)| &*info.node).collect();
    let domains = |term: &Value| {
        let key = text(term, "/topologyKey");
        let found = nodes.iter().filter_map(|node| label(node, key)).map(str::to_owned);
        (key.to_owned(), found.collect())
    };
    terms.iter().map(domains).collect()
}

/// Whether a term of a pod in `home` means this pod.
fn is_meant(term: &Value, home: &str, pod: &Value, placed: Placed<'_>) -> bool {
    Selector::new(term.get("labelSelector")).matches_object(pod)
        && placed.namespaces(term, home).iter().any(|name| name == namespace(pod))
}

fn repelled_from(pod: &Value, placed: Placed<'_>) -> BTreeSet<(String, String)> {
    let mut domains = BTreeSet::new();
    let repelling = placed.repelling.iter().filter_map(|name| placed.nodes.get(name));
    for info in repelling {
        for other in info.repelling.values() {
            for term in list(other, ANTI_AFFINITY) {
                let key = text(term, "/topologyKey");
                let Some(domain) = label(&info.node, key) else { continue };
                if is_meant(term, namespace(other), pod, placed) {
                    domains.insert((key.to_owned(), domain.to_owned()));
                }
            }
        }
    }
    domains
}

fn spread(wanted: &Wanted<'_>, placed: Placed<'_>) -> Vec<Spread> {
    let pod = wanted.pod;
    let binding = |constraint: &&Value| text(constraint, "/whenUnsatisfiable") != "ScheduleAnyway";
    let constraints: Vec<&Value> = list(pod, SPREADING).iter().filter(binding).collect();
    let keys: Vec<&str> = constraints.iter().map(|one| text(one, "/topologyKey")).collect();
    let has_keys = |info: &NodeInfo| keys.iter().all(|key| label(&info.node, key).is_some());
    let one = |constraint: &&Value| {
        let key = text(constraint, "/topologyKey");
        let selector = Selector::new(constraint.get("labelSelector"));
        let counts_in = |info: &NodeInfo| has_keys(info) && is_eligible(wanted, constraint, info);
        let eligible = placed.nodes.values().filter(|info| counts_in(info));
        let mut domains: BTreeMap<String, i64> = eligible
            .filter_map(|info| Some((label(&info.node, key)?.to_owned(), 0)))
            .collect();
        for (other, info) in placed.matching(&[namespace(pod).to_owned()], &selector) {
            if is_deleting(other) || !counts_in(info) {
                continue;
            }
            if let Some(count) = label(&info.node, key).and_then(|domain| domains.get_mut(domain)) {
                *count += 1;
            }
        }
        let too_few = constraint["minDomains"]
            .as_u64()
            .is_some_and(|least| (domains.len() as u64) < least);
        let least = if too_few {
            0
        } else {
            domains.values().min().copied().unwrap_or(0)
        };
        let own = i64::from(selector.matches_object(pod));
        let skew = constraint["maxSkew"].as_i64().unwrap_or(1);
        Spread {
            key: key.to_owned(),
            domains,
            at_most: least.saturating_add(skew).saturating_sub(own),
        }
    };
    constraints.iter().map(one).collect()
}

/// Whether spreading counts a node in: by default those that the pod's node affinity allows, tainted or not.
fn is_eligible(wanted: &Wanted<'_>, constraint: &Value, info: &NodeInfo) -> bool {
    let by_affinity = text(constraint, "/nodeAffinityPolicy") == "Ignore" || matches_affinity(wanted.pod, &info.node);
    let honours_taints = text(constraint, "/nodeTaintsPolicy") == "Honor";
    let keeps_off = info
        .taints
        .iter()
        .any(|taint| taint.effect != "PreferNoSchedule" && wanted.is_kept_off_by(taint));
    by_affinity && !(honours_taints && keeps_off)
}
