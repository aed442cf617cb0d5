//! What a node has left, as the scheduler counts it.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::Value;

use crate::world::control::object::{count, list, text};
use crate::world::kube::builtin::quantity::Quantity;
use crate::world::kube::builtin::totals::{self, Amounts};

/// One node with the sum of its pods.
#[derive(Debug)]
pub(super) struct NodeInfo {
    pub(super) node: Arc<Value>,
    pub(super) allocatable: Amounts,
    pub(super) used: Amounts,
    pub(super) pods: i64,
    pub(super) ports: BTreeSet<HostPort>,
}

/// A port of the host: address, protocol, number.
pub(super) type HostPort = (String, String, i64);

impl NodeInfo {
    pub(super) fn new<'a>(node: &Arc<Value>, pods: impl Iterator<Item = &'a Arc<Value>>) -> Self {
        let mut info = Self {
            node: Arc::clone(node),
            allocatable: totals::amounts(&node["status"]["allocatable"]),
            used: Amounts::new(),
            pods: 0,
            ports: BTreeSet::new(),
        };
        pods.for_each(|pod| info.add(pod));
        info
    }

    /// Counts one more pod in.
    pub(super) fn add(&mut self, pod: &Value) {
        for (name, amount) in totals::pod_requests(&pod["spec"]) {
            let sum = self.used.get(&name).map_or(amount, |have| have.plus(amount));
            self.used.insert(name, sum);
        }
        self.pods += 1;
        self.ports.extend(host_ports(pod));
    }

    /// How good the node is for a pod: the mean share of CPU and memory that stays free (LeastAllocated), in
    /// thousandths, less how uneven the two are (BalancedAllocation).
    pub(super) fn score(&self, requests: &Amounts) -> i64 {
        let free = |name: &str| {
            let total = self.allocatable.get(name).map_or(0, |amount| amount.milli());
            let sum = |amounts: &Amounts| amounts.get(name).map_or(0, |amount| amount.milli());
            if total <= 0 {
                0
            } else {
                (total - sum(&self.used) - sum(requests)).max(0).saturating_mul(1000) / total
            }
        };
        let (cpu, memory) = (free("cpu"), free("memory"));
        (cpu + memory) / 2 - (cpu - memory).abs() / 4 - self.pods
    }

    pub(super) fn max_pods(&self) -> i64 {
        self.allocatable
            .get("pods")
            .map_or(0, |amount| Quantity::units(*amount))
    }
}

/// Ports that a pod takes of its node.
pub(super) fn host_ports(pod: &Value) -> impl Iterator<Item = HostPort> + '_ {
    let ports = list(pod, "/spec/containers")
        .iter()
        .flat_map(|container| list(container, "/ports"));
    ports.filter_map(|port| {
        let number = count(port, "/hostPort");
        (number > 0).then(|| {
            let protocol = Some(text(port, "/protocol")).filter(|p| !p.is_empty()).unwrap_or("TCP");
            (text(port, "/hostIP").to_owned(), protocol.to_owned(), number)
        })
    })
}
