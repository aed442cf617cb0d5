//! Which of the feasible nodes is best: the real scheduler's default scores with their default weights, without image
//! locality. Ties go to the node that was found first.

use serde_json::Value;

use super::filters::Wanted;
use super::node_info::{NodeInfo, counted};
use super::topology::Placed;
use crate::world::control::object::{count, label, list, namespace, text};
use crate::world::control::selector::{Selector, node_matches};

/// Most that one plugin gives (`MaxNodeScore`).
const MOST: i64 = 100;

/// One wish about company: the key, what the domains hold, and what one match is worth.
type Company = (String, std::collections::BTreeMap<String, i64>, i64);

/// What a pod would like, read once.
pub(super) struct Wishes<'a> {
    cpu: i64,
    memory: i64,
    node_terms: &'a [Value],
    company: Vec<Company>,
    spread: Vec<Company>,
}

impl<'a> Wishes<'a> {
    pub(super) fn of(wanted: &Wanted<'a>, placed: Placed<'_>) -> Self {
        let pod = wanted.pod;
        let home = namespace(pod);
        let (cpu, memory) = counted(&wanted.requests, wanted.containers);
        let preferred = "preferredDuringSchedulingIgnoredDuringExecution";
        let mut company = Vec::new();
        for (kind, sign) in [("podAffinity", 1), ("podAntiAffinity", -1)] {
            for weighted in list(pod, &format!("/spec/affinity/{kind}/{preferred}")) {
                let term = &weighted["podAffinityTerm"];
                let key = text(term, "/topologyKey");
                let selector = Selector::new(term.get("labelSelector"));
                let domains = placed.count(key, &placed.namespaces(term, home), &selector);
                company.push((key.to_owned(), domains, sign * count(weighted, "/weight")));
            }
        }
        let soft = list(pod, "/spec/topologySpreadConstraints")
            .iter()
            .filter(|constraint| text(constraint, "/whenUnsatisfiable") == "ScheduleAnyway");
        let spread = soft.map(|constraint| {
            let key = text(constraint, "/topologyKey");
            let selector = Selector::new(constraint.get("labelSelector"));
            (key.to_owned(), placed.count(key, &[home.to_owned()], &selector), -1)
        });
        Self {
            cpu,
            memory,
            node_terms: list(pod, &format!("/spec/affinity/nodeAffinity/{preferred}")),
            spread: spread.collect(),
            company,
        }
    }

    /// The index of the best node.
    pub(super) fn best(&self, wanted: &Wanted<'_>, nodes: &[&NodeInfo]) -> Option<usize> {
        let mut scores: Vec<i64> = nodes.iter().map(|info| self.room(info)).collect();
        let mut give = |weight: i64, raw: &dyn Fn(&NodeInfo) -> i64| {
            let raws: Vec<i64> = nodes.iter().map(|info| raw(info)).collect();
            let (least, most) = (raws.iter().min().copied(), raws.iter().max().copied());
            let (least, most) = (least.unwrap_or(0), most.unwrap_or(0));
            let range = most.saturating_sub(least);
            if range > 0 {
                for (score, raw) in scores.iter_mut().zip(raws) {
                    *score += weight * (raw.saturating_sub(least).saturating_mul(MOST) / range);
                }
            }
        };
        if nodes.iter().any(|info| !info.taints.is_empty()) {
            give(3, &|info| -shunned(wanted, info));
        }
        if !self.node_terms.is_empty() {
            give(2, &|info| self.liked(info));
        }
        if !self.company.is_empty() {
            give(2, &|info| sum(&self.company, &info.node));
        }
        if !self.spread.is_empty() {
            give(2, &|info| sum(&self.spread, &info.node));
        }
        let most = scores.iter().max()?;
        scores.iter().position(|score| score == most)
    }

    /// LeastAllocated and BalancedAllocation over CPU and memory.
    fn room(&self, info: &NodeInfo) -> i64 {
        let free = |used: i64, more: i64, total: i64| {
            let left = total.saturating_sub(used).saturating_sub(more);
            if total <= 0 {
                0
            } else {
                left.max(0).saturating_mul(MOST) / total
            }
        };
        let cpu = free(info.counted.0, self.cpu, info.total.cpu);
        let memory = free(info.counted.1, self.memory, info.total.memory);
        let balance = MOST - (cpu - memory).abs() / 2;
        i64::midpoint(cpu, memory) + balance
    }

    fn liked(&self, info: &NodeInfo) -> i64 {
        let fits = |term: &&Value| {
            term.get("preference")
                .is_some_and(|one| node_matches(std::slice::from_ref(one), &info.node))
        };
        let weights = self.node_terms.iter().filter(fits).map(|term| count(term, "/weight"));
        weights.fold(0, i64::saturating_add)
    }
}

/// Taints that the pod would rather avoid.
fn shunned(wanted: &Wanted<'_>, info: &NodeInfo) -> i64 {
    let taints = info.taints.iter();
    let soft = taints.filter(|taint| taint.effect == "PreferNoSchedule" && wanted.is_kept_off_by(taint));
    i64::try_from(soft.count()).unwrap_or(i64::MAX)
}

fn sum(wishes: &[Company], node: &Value) -> i64 {
    let one = |(key, domains, worth): &Company| {
        let found = label(node, key).and_then(|domain| domains.get(domain)).copied();
        found.unwrap_or(0).saturating_mul(*worth)
    };
    wishes.iter().map(one).fold(0, i64::saturating_add)
}
