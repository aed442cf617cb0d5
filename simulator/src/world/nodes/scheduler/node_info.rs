//! What a node has left, as the scheduler counts it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::Value;

use crate::world::control::ObjectKey;
use crate::world::control::object::{count, flag, key_of, list, text};
use crate::world::kube::builtin::totals::{self, Amounts};

/// What a container without a CPU request counts for in scores, in thousandths (`DefaultMilliCPURequest`).
const USUAL_CPU_MILLI: i64 = 100;
/// The same for memory, in bytes (`DefaultMemoryRequest`).
const USUAL_MEMORY_BYTES: i64 = 200 * 1024 * 1024;

/// Where required anti-affinity stands in a pod.
pub(super) const ANTI_AFFINITY: &str = "/spec/affinity/podAntiAffinity/requiredDuringSchedulingIgnoredDuringExecution";

/// Amounts of resources as plain numbers: thousandths for CPU, whole units for all else.
#[derive(Clone, Debug, Default)]
pub(super) struct Room {
    pub(super) cpu: i64,
    pub(super) memory: i64,
    pub(super) others: BTreeMap<String, i64>,
}

impl Room {
    /// `pods` is not an amount of a pod, and is left out.
    pub(super) fn of(amounts: &Amounts) -> Self {
        let mut room = Self::default();
        for (name, amount) in amounts {
            match name.as_str() {
                "cpu" => room.cpu = amount.milli(),
                "memory" => room.memory = amount.units(),
                "pods" => {}
                _ => {
                    room.others.insert(name.clone(), amount.units());
                }
            }
        }
        room
    }

    pub(super) fn other(&self, name: &str) -> i64 {
        self.others.get(name).copied().unwrap_or(0)
    }

    fn add(&mut self, more: &Self) {
        self.cpu = self.cpu.saturating_add(more.cpu);
        self.memory = self.memory.saturating_add(more.memory);
        for (name, amount) in &more.others {
            let sum = self.others.entry(name.clone()).or_default();
            *sum = sum.saturating_add(*amount);
        }
    }
}

/// A taint that keeps pods away.
#[derive(Clone, Debug)]
pub(super) struct Taint {
    pub(super) key: String,
    pub(super) value: String,
    pub(super) effect: String,
}

/// One node with the sum of its pods.
#[derive(Debug)]
pub(super) struct NodeInfo {
    pub(super) node: Arc<Value>,
    pub(super) unschedulable: bool,
    pub(super) taints: Vec<Taint>,
    pub(super) total: Room,
    pub(super) max_pods: i64,
    pub(super) used: Room,
    /// CPU and memory with a usual amount for containers that request none: for scores alone.
    pub(super) counted: (i64, i64),
    pub(super) pods: i64,
    pub(super) ports: BTreeSet<HostPort>,
    /// Pods that want to be apart from others.
    pub(super) repelling: BTreeMap<ObjectKey, Arc<Value>>,
}

/// A port of the host: address, protocol, number.
pub(super) type HostPort = (String, String, i64);

impl NodeInfo {
    pub(super) fn new<'a>(node: &Arc<Value>, pods: impl Iterator<Item = &'a Arc<Value>>) -> Self {
        let allocatable = totals::amounts(&node["status"]["allocatable"]);
        let taints = list(node, "/spec/taints").iter().map(|taint| Taint {
            key: text(taint, "/key").to_owned(),
            value: text(taint, "/value").to_owned(),
            effect: text(taint, "/effect").to_owned(),
        });
        let mut info = Self {
            node: Arc::clone(node),
            unschedulable: flag(node, "/spec/unschedulable"),
            taints: taints.collect(),
            total: Room::of(&allocatable),
            max_pods: allocatable.get("pods").map_or(0, |amount| amount.units()),
            used: Room::default(),
            counted: (0, 0),
            pods: 0,
            ports: BTreeSet::new(),
            repelling: BTreeMap::new(),
        };
        pods.for_each(|pod| info.add(pod));
        info
    }

    /// Counts one more pod in.
    pub(super) fn add(&mut self, pod: &Arc<Value>) {
        let requests = Room::of(&totals::pod_requests(&pod["spec"]));
        let (cpu, memory) = counted(&requests, list(pod, "/spec/containers").len());
        self.counted = (
            self.counted.0.saturating_add(cpu),
            self.counted.1.saturating_add(memory),
        );
        self.used.add(&requests);
        self.pods += 1;
        self.ports.extend(host_ports(pod));
        if !list(pod, ANTI_AFFINITY).is_empty() {
            self.repelling.insert(key_of(pod), Arc::clone(pod));
        }
    }
}

/// CPU and memory of a pod for scores.
pub(super) fn counted(requests: &Room, containers: usize) -> (i64, i64) {
    let containers = i64::try_from(containers).unwrap_or(1);
    let usual = |amount: i64, each: i64| {
        if amount == 0 {
            each.saturating_mul(containers)
        } else {
            amount
        }
    };
    (
        usual(requests.cpu, USUAL_CPU_MILLI),
        usual(requests.memory, USUAL_MEMORY_BYTES),
    )
}

/// Ports that a pod takes of its node.
pub(super) fn host_ports(pod: &Value) -> impl Iterator<Item = HostPort> + '_ {
    let sidecars = list(pod, "/spec/initContainers")
        .iter()
        .filter(|one| one["restartPolicy"] == "Always");
    let ports = list(pod, "/spec/containers")
        .iter()
        .chain(sidecars)
        .flat_map(|container| list(container, "/ports"));
    ports.filter_map(|port| {
        let number = count(port, "/hostPort");
        (number > 0).then(|| {
            let protocol = Some(text(port, "/protocol")).filter(|p| !p.is_empty()).unwrap_or("TCP");
            (text(port, "/hostIP").to_owned(), protocol.to_owned(), number)
        })
    })
}
