//! The pools and operations that exist.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::sizes::{Size, size};

/// A pool as tests and reports see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolView {
    /// Its name.
    pub name: String,
    /// `Creating`, `Succeeded`, `Failed`, `Deleting`.
    pub state: String,
    /// Its VM size, as it was asked for.
    pub vm_size: String,
    /// The Workspace that it says it is for.
    pub workspace: String,
    /// Its node's name, once there is a machine.
    pub node: Option<String>,
}

#[derive(Clone, Debug)]
pub(super) struct Pool {
    pub(super) properties: Value,
    pub(super) state: &'static str,
    pub(super) operation: String,
    pub(super) node: Option<String>,
    /// Since when its machine is paid for.
    pub(super) paid_since: Option<Duration>,
    /// Whether its GPUs are held back by a fault.
    pub(super) gpus_held: bool,
}

impl Pool {
    pub(super) fn size(&self) -> Option<&'static Size> {
        size(
            self.properties
                .pointer("/vmSize")
                .and_then(Value::as_str)
                .unwrap_or_default(),
        )
    }
}

/// A long-running operation.
#[derive(Clone, Debug)]
pub(super) struct Operation {
    pub(super) status: &'static str,
    pub(super) error: Option<(String, String)>,
    pub(super) started: String,
    pub(super) ended: Option<String>,
}

#[derive(Debug)]
pub(super) struct Pools {
    /// Eight digits that the cluster's machines have in common.
    pub(super) digits: String,
    pub(super) by_name: BTreeMap<String, Pool>,
    pub(super) operations: BTreeMap<String, Operation>,
    pub(super) quota: BTreeMap<String, u64>,
    pub(super) accepted_puts: u64,
    paid: Duration,
}

impl Pools {
    pub(super) fn new(digits: String) -> Self {
        Self {
            digits,
            by_name: BTreeMap::new(),
            operations: BTreeMap::new(),
            quota: BTreeMap::new(),
            accepted_puts: 0,
            paid: Duration::ZERO,
        }
    }

    pub(super) fn set_quota(&mut self, family: &str, vcpus: u64) {
        self.quota.insert(family.to_lowercase(), vcpus);
    }

    /// vCPUs of a family that are in use.
    pub(super) fn usage(&self, family: &str) -> u64 {
        let sizes = self.by_name.values().filter_map(Pool::size);
        sizes.filter(|size| size.family == family).map(|size| size.vcpus).sum()
    }

    pub(super) fn views(&self) -> Vec<PoolView> {
        let text = |pool: &Pool, pointer: &str| {
            let value = pool.properties.pointer(pointer).and_then(Value::as_str);
            value.unwrap_or_default().to_owned()
        };
        self.by_name
            .iter()
            .map(|(name, pool)| PoolView {
                name: name.clone(),
                state: pool.state.to_owned(),
                vm_size: text(pool, "/vmSize"),
                workspace: text(pool, "/nodeLabels/kaito.sh~1workspace"),
                node: pool.node.clone(),
            })
            .collect()
    }

    pub(super) fn pay(&mut self, since: Option<Duration>, now: Duration) {
        self.paid += since.map_or(Duration::ZERO, |since| now.saturating_sub(since));
    }

    pub(super) fn gpu_node_time(&self, now: Duration) -> Duration {
        let running = self.by_name.values().filter_map(|pool| pool.paid_since);
        self.paid + running.map(|since| now.saturating_sub(since)).sum::<Duration>()
    }

    /// A pool as Azure tells of it.
    pub(super) fn body(&self, name: &str, pool: &Pool, scope: &str) -> Value {
        let mut properties = json!({
            "count": 1, "osDiskSizeGB": 128, "osDiskType": "Managed", "kubeletDiskType": "OS", "maxPods": 110,
            "type": "VirtualMachineScaleSets", "powerState": { "code": "Running" }, "orchestratorVersion": "1.36",
            "currentOrchestratorVersion": "1.36.3", "mode": "User", "osType": "Linux", "osSKU": "Ubuntu",
            "nodeImageVersion": "AKSUbuntu-2204gen2containerd-202511.07.0", "scaleDownMode": "Delete",
            "upgradeSettings": { "maxSurge": "10%" }, "enableFIPS": false, "workloadRuntime": "OCIContainer",
            "securityProfile": { "enableVTPM": false, "enableSecureBoot": false },
        });
        if let (Some(all), Some(own)) = (properties.as_object_mut(), pool.properties.as_object()) {
            all.extend(own.clone());
            all.insert("provisioningState".into(), json!(pool.state));
        }
        json!({
            "id": format!("{scope}/agentPools/{name}"),
            "name": name,
            "type": "Microsoft.ContainerService/managedClusters/agentPools",
            "properties": properties,
        })
    }
}
