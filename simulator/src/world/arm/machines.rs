//! What an accepted request sets going: machines that boot and become nodes, GPUs that appear, and their end.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::faults::{ArmFault, MachineFault};
use super::pools::Operation;
use super::{Aks, sizes::Size};
use crate::world::control::object::{list, text};
use crate::world::kube::api_error::ApiError;
use crate::world::kube::auth::UserInfo;
use crate::world::kube::server::Door;
use crate::world::nodes::{NodeShape, plain_node};

/// Resource of NVIDIA's device plugin.
const GPU: &str = "nvidia.com/gpu";

impl Aks {
    /// Brings a pool up.
    pub(super) fn create(&self, pool: &str, guid: &str, fault: Option<ArmFault>) {
        let (aks, pool, guid) = (self.clone(), pool.to_owned(), guid.to_owned());
        tokio::spawn(async move {
            aks.world.clock.sleep(aks.config.timings.boot).await;
            match fault {
                Some(ArmFault::Stuck) => return,
                Some(ArmFault::Failed { code, message }) => {
                    return aks.finish(&pool, &guid, "Failed", Some((code, message)));
                }
                _ => {}
            }
            if !aks.is_current(&pool, &guid) {
                return;
            }
            aks.boot(&pool).await;
            aks.world.clock.sleep(aks.config.timings.settle).await;
            aks.finish(&pool, &guid, "Succeeded", None);
        });
    }

    /// Takes a pool down: the machine first, then the pool itself.
    pub(super) fn remove(&self, pool: &str, guid: &str) {
        let (aks, pool, guid) = (self.clone(), pool.to_owned(), guid.to_owned());
        tokio::spawn(async move {
            aks.world.clock.sleep(aks.config.timings.delete).await;
            let node = aks.lock().pools.by_name.get(&pool).and_then(|pool| pool.node.clone());
            if let Some(node) = node {
                aks.drop_node(&node).await;
            }
            let now = aks.world.clock.elapsed();
            {
                let mut shared = aks.lock();
                let gone = shared.pools.by_name.remove(&pool);
                shared.pools.pay(gone.and_then(|gone| gone.paid_since), now);
            }
            aks.end(&guid, "Succeeded", None);
            aks.trace("delete", &format!("agentPool/{pool}"), "gone");
        });
    }

    /// A spot machine is taken away: its node goes, its pool stays and says that all is well.
    pub async fn evict(&self, pool: &str) {
        let node = {
            let now = self.world.clock.elapsed();
            let mut shared = self.lock();
            let found = shared.pools.by_name.get_mut(pool);
            let taken = found.map(|pool| (pool.node.take(), pool.paid_since.take()));
            let (node, since) = taken.unwrap_or_default();
            shared.pools.pay(since, now);
            node
        };
        if let Some(node) = node {
            self.drop_node(&node).await;
        }
    }

    /// Gives GPUs that a fault has held back.
    pub(super) fn offer_held_gpus(&self) {
        let held: Vec<(String, String)> = {
            let mut shared = self.lock();
            let held = shared.pools.by_name.iter_mut().filter(|(_, pool)| pool.gpus_held);
            held.filter_map(|(name, pool)| {
                pool.gpus_held = false;
                Some((name.clone(), pool.node.clone()?))
            })
            .collect()
        };
        for (pool, node) in held {
            let aks = self.clone();
            tokio::spawn(async move { aks.offer_gpus(&pool, &node).await });
        }
    }

    fn is_current(&self, pool: &str, guid: &str) -> bool {
        let shared = self.lock();
        shared
            .pools
            .by_name
            .get(pool)
            .is_some_and(|pool| pool.operation == guid)
    }

    fn finish(&self, pool: &str, guid: &str, state: &'static str, error: Option<(String, String)>) {
        if !self.is_current(pool, guid) {
            return;
        }
        if let Some(pool) = self.lock().pools.by_name.get_mut(pool) {
            pool.state = state;
        }
        let result = error
            .as_ref()
            .map_or_else(|| state.to_owned(), |(code, _)| format!("{state} ({code})"));
        self.end(guid, state, error);
        self.trace("create", &format!("agentPool/{pool}"), &result);
    }

    fn end(&self, guid: &str, status: &'static str, error: Option<(String, String)>) {
        let now = self.world.clock.now_rfc3339();
        if let Some(operation) = self.lock().pools.operations.get_mut(guid) {
            *operation = Operation {
                status,
                error,
                ended: Some(now),
                ..operation.clone()
            };
        }
    }

    /// The machine is there: it is paid for, and its kubelet registers a node.
    async fn boot(&self, pool: &str) {
        let name = {
            let now = self.world.clock.elapsed();
            let mut shared = self.lock();
            let joins = !shared.faults.machine(MachineFault::NeverJoins, pool);
            let name = format!("aks-{pool}-{}-vmss000000", shared.pools.digits);
            let Some(entry) = shared.pools.by_name.get_mut(pool) else {
                return;
            };
            if entry.size().is_some_and(|size| size.gpus() > 0) {
                entry.paid_since = Some(now);
            }
            if !joins {
                return;
            }
            entry.node = Some(name.clone());
            name
        };
        let Some((size, properties)) = self.properties(pool) else {
            return;
        };
        let node = self.node(pool, &name, size, &properties);
        let created = match self.nodes() {
            Ok(nodes) => nodes.create(node).await.map(|_| ()),
            Err(error) => Err(error),
        };
        let result = created.map_or_else(|error| error.to_string(), |()| "joined".into());
        self.trace("boot", &format!("node/{name}"), &result);
        if size.gpus() > 0 {
            self.plug_in(pool, &name);
        }
    }

    /// The device plugin: waits for its node, then for driver and plugin.
    fn plug_in(&self, pool: &str, node: &str) {
        let (aks, pool, node) = (self.clone(), pool.to_owned(), node.to_owned());
        tokio::spawn(async move {
            if !aks.until_ready(&node).await {
                return;
            }
            aks.world.clock.sleep(aks.config.timings.gpu).await;
            let held = {
                let mut shared = aks.lock();
                let held = shared.faults.machine(MachineFault::NoGpus, &pool);
                if let Some(pool) = shared.pools.by_name.get_mut(&pool) {
                    pool.gpus_held = held;
                }
                held
            };
            if !held {
                aks.offer_gpus(&pool, &node).await;
            }
        });
    }

    /// Looks every second until the node is ready; false when it is gone.
    async fn until_ready(&self, node: &str) -> bool {
        /// The plugin's DaemonSet is started by a kubelet that is ready; a second more or less is nothing to it.
        const LOOK_EVERY: Duration = Duration::from_secs(1);
        loop {
            match self.nodes().and_then(|nodes| nodes.get("", node)) {
                Ok(object) if is_ready_node(&object) => return true,
                Ok(_) => self.world.clock.sleep(LOOK_EVERY).await,
                Err(_) => return false,
            }
        }
    }

    async fn offer_gpus(&self, pool: &str, node: &str) {
        let Some((size, _)) = self.properties(pool) else {
            return;
        };
        let amount = json!({ GPU: size.gpus().to_string() });
        let patch = json!({ "status": { "capacity": amount, "allocatable": amount } });
        let labels = json!({ "metadata": { "labels": {
            "nvidia.com/gpu.product": size.product,
            "nvidia.com/gpu.count": size.gpus().to_string(),
            "nvidia.com/gpu.memory": size.gpu_memory_mib().to_string(),
        } } });
        if let Ok(nodes) = self.nodes() {
            // A node that is gone meanwhile has no GPUs to offer.
            let _ = nodes.merge("", node, false, labels).await;
            let done = nodes.merge("", node, true, patch).await;
            if done.is_ok() {
                self.trace("plug", &format!("node/{node}"), &format!("{} {GPU}", size.gpus()));
            }
        }
    }

    async fn drop_node(&self, node: &str) {
        if let Ok(nodes) = self.nodes() {
            let _ = nodes.delete("", node, &json!({})).await;
        }
        self.trace("stop", &format!("node/{node}"), "gone");
    }

    fn nodes(&self) -> Result<Door, ApiError> {
        let server = &self.cluster.server;
        Ok(server.door(
            UserInfo::system("system:nodes:kubelet"),
            server.resource("", "v1", "nodes")?,
        ))
    }

    fn properties(&self, pool: &str) -> Option<(&'static Size, Value)> {
        let shared = self.lock();
        let pool = shared.pools.by_name.get(pool)?;
        Some((pool.size()?, pool.properties.clone()))
    }

    fn node(&self, pool: &str, name: &str, size: &Size, properties: &Value) -> Value {
        let shape = NodeShape {
            cpu: size.vcpus.to_string(),
            memory: format!("{}Gi", size.memory_gib),
            instance_type: size.name.into(),
            max_pods: 110,
        };
        let index = u32::try_from(self.world.entropy.stream(name).below(60_000)).unwrap_or(0);
        let mut node = plain_node(name, index, &shape);
        let group = self.node_resource_group();
        let config = &self.config;
        let vmss = name.trim_end_matches("000000");
        node["spec"] = json!({
            "providerID": format!(
                "azure:///subscriptions/{}/resourceGroups/{}/providers/Microsoft.Compute/virtualMachineScaleSets/{vmss}/virtualMachines/0",
                config.subscription, group.to_lowercase()
            ),
            "taints": taints(properties),
        });
        let mut labels: Map<String, Value> = json!({
            "agentpool": pool, "kubernetes.azure.com/agentpool": pool, "kubernetes.azure.com/cluster": group,
            "kubernetes.azure.com/mode": "user", "kubernetes.azure.com/role": "agent",
            "kubernetes.azure.com/managedby": "aks", "kubernetes.azure.com/os-sku": "Ubuntu",
            "kubernetes.azure.com/scalesetpriority": "regular",
            "topology.kubernetes.io/region": config.location, "topology.kubernetes.io/zone": "0",
        })
        .as_object()
        .cloned()
        .unwrap_or_default();
        if size.gpus() > 0 {
            labels.insert("accelerator".into(), json!("nvidia"));
            labels.insert("kubernetes.azure.com/accelerator".into(), json!("nvidia"));
        }
        let own = properties.get("nodeLabels").and_then(Value::as_object).cloned();
        labels.extend(own.unwrap_or_default());
        if let Some(all) = node.pointer_mut("/metadata/labels").and_then(Value::as_object_mut) {
            all.extend(labels);
        }
        node
    }
}

fn is_ready_node(node: &Value) -> bool {
    let mut conditions = list(node, "/status/conditions").iter();
    conditions.any(|condition| text(condition, "/type") == "Ready" && text(condition, "/status") == "True")
}

/// `key=value:Effect` as taints.
fn taints(properties: &Value) -> Vec<Value> {
    let texts = properties
        .get("nodeTaints")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    let taint = |text: &str| {
        let (pair, effect) = text.rsplit_once(':')?;
        let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
        Some(json!({ "key": key, "value": value, "effect": effect }))
    };
    texts.filter_map(Value::as_str).filter_map(taint).collect()
}
