//! One pod's search for a node: filters over enough of the nodes, then scores.

use std::ops::Bound;

use serde_json::Value;

use super::filters::{self, Wanted};
use super::node_info::NodeInfo;
use super::reasons::{Reason, Reasons};
use super::score::Wishes;
use super::topology::{Placed, Topology};
use super::{Scheduler, volumes};
use crate::world::control::object::text;
use crate::world::control::{View, Write};

/// Feasible nodes after which the search stops, at least (`minFeasibleNodesToFind`).
const ENOUGH_NODES: usize = 100;

/// A node, and what must come before the binding.
pub(super) struct Choice {
    pub(super) node: String,
    /// Tells provisioners where volumes are wanted.
    pub(super) writes: Vec<Write>,
    /// Volumes are still to be made for this node.
    pub(super) waits: bool,
}

impl Scheduler {
    /// The best of the nodes that the pod may go to, or why there is none.
    pub(super) fn place(&mut self, pod: &Value, view: &View) -> Result<Choice, String> {
        let never_preempts = text(pod, "/spec/preemptionPolicy") == "Never";
        let mut reasons = Reasons::new(self.nodes.len(), never_preempts);
        let claims = match volumes::claims(pod, view) {
            Ok(claims) => claims,
            Err(text) => {
                reasons.before_filters(text);
                return Err(reasons.message());
            }
        };
        let wanted = Wanted::of(pod);
        let placed = Placed {
            view,
            nodes: &self.nodes,
            assumed: &self.assumed,
            repelling: &self.repelling,
        };
        let topology = Topology::of(&wanted, placed);
        let in_use = volumes::in_use(pod, &claims, view);
        let refusals = |info: &NodeInfo| -> Vec<Reason> {
            let why = filters::reasons(&wanted, info);
            if !why.is_empty() {
                return why;
            }
            let by_volume = || volumes::reason(&claims, info, view);
            let by_spread = || topology.spread_reason(&info.node);
            let by_affinity = || topology.affinity_reason(&info.node);
            let why = in_use
                .clone()
                .or_else(by_volume)
                .or_else(by_spread)
                .or_else(by_affinity);
            why.into_iter().collect()
        };
        let chosen = volumes::chosen_node(&claims).and_then(|name| self.nodes.get_key_value(name));
        let node = if let Some((name, _)) = chosen.filter(|(_, info)| refusals(info).is_empty()) {
            name.clone()
        } else {
            let start = self.next_start.as_str();
            let after = self.nodes.range::<str, _>((Bound::Included(start), Bound::Unbounded));
            let before = self.nodes.range::<str, _>((Bound::Unbounded, Bound::Excluded(start)));
            let mut feasible: Vec<(&String, &NodeInfo)> = Vec::new();
            let mut next_start = String::new();
            let enough = enough(self.nodes.len());
            for (name, info) in after.chain(before) {
                if feasible.len() >= enough {
                    next_start.clone_from(name);
                    break;
                }
                let why = refusals(info);
                if why.is_empty() {
                    feasible.push((name, info));
                } else {
                    reasons.add(why);
                }
            }
            let infos: Vec<&NodeInfo> = feasible.iter().map(|(_, info)| *info).collect();
            let best = Wishes::of(&wanted, placed).best(&wanted, &infos);
            let Some((name, _)) = best.and_then(|index| feasible.get(index)) else {
                return Err(reasons.message());
            };
            let name = (*name).clone();
            self.next_start = next_start;
            name
        };
        let writes = volumes::selections(&claims, &node);
        let waits = volumes::has_unbound(&claims);
        Ok(Choice { node, writes, waits })
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
