//! Addresses and node ports of Services, given out in order; what a manifest names is checked against what is taken.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use serde_json::{Value, json};

use super::super::call::meta;
use super::super::state::State;
use crate::world::kube::api_error::{ApiError, FieldError};
use crate::world::kube::resources::GroupResource;

/// `10.0.0.0/16`, AKS' default `--service-cidr`; 10.0.0.1 is the API server's own.
const CLUSTER_NET: u32 = 0x0a00_0000;
const CLUSTER_NET_SIZE: u32 = 1 << 16;
/// `--service-node-port-range`.
const NODE_PORTS: std::ops::Range<u32> = 30_000..32_768;

/// Fills `clusterIP`, `clusterIPs` and `nodePort`s in.
pub(in crate::world::kube::server) fn allocate(state: &mut State, service: &mut Value) -> Result<(), ApiError> {
    let kind = service["spec"]["type"].as_str().unwrap_or("ClusterIP").to_owned();
    if kind == "ExternalName" {
        return Ok(());
    }
    let needs_ip = service["spec"]["clusterIP"].as_str().is_none_or(str::is_empty);
    let needs_ports = matches!(kind.as_str(), "NodePort" | "LoadBalancer") && ports_without_node_port(service);
    let named_ip = service["spec"]["clusterIP"]
        .as_str()
        .filter(|ip| !ip.is_empty() && *ip != "None")
        .map(str::to_owned);
    if !needs_ip && !needs_ports && named_ip.is_none() {
        service["spec"]["clusterIPs"] = json!(["None"]);
        return Ok(());
    }
    let taken = Taken::others(state, meta(service, "uid"));
    if let Some(ip) = named_ip {
        if taken.ips.contains(&ip) {
            let text = format!("failed to allocate IP {ip}: provided IP is already allocated");
            let error = FieldError::invalid("spec.clusterIPs", &json!([ip]), text);
            return Err(ApiError::invalid("", "Service", meta(service, "name"), &[error]));
        }
        service["spec"]["clusterIPs"] = json!([ip]);
    } else if needs_ip {
        let ip = next_ip(state, &taken)
            .ok_or_else(|| ApiError::internal("failed to allocate a serviceIP: range is full"))?;
        service["spec"]["clusterIP"] = ip.as_str().into();
        service["spec"]["clusterIPs"] = json!([ip]);
    }
    if needs_ports {
        give_node_ports(state, &taken, service)?;
    }
    Ok(())
}

fn ports_without_node_port(service: &Value) -> bool {
    let ports = service["spec"]["ports"].as_array().into_iter().flatten();
    ports
        .into_iter()
        .any(|port| port["nodePort"].as_u64().unwrap_or(0) == 0)
}

struct Taken {
    ips: BTreeSet<String>,
    ports: BTreeSet<u64>,
}

impl Taken {
    /// What all Services but one have.
    fn others(state: &State, uid: &str) -> Self {
        let services = GroupResource {
            group: String::new(),
            plural: "services".into(),
        };
        let mut taken = Self {
            ips: BTreeSet::new(),
            ports: BTreeSet::new(),
        };
        for (_, stored) in state.store.list(&services, None, None) {
            let Ok(service) = serde_json::from_slice::<Value>(&stored.json) else {
                continue;
            };
            if meta(&service, "uid") == uid {
                continue;
            }
            taken
                .ips
                .extend(service["spec"]["clusterIP"].as_str().map(str::to_owned));
            let ports = service["spec"]["ports"].as_array().into_iter().flatten();
            taken.ports.extend(ports.filter_map(|port| port["nodePort"].as_u64()));
        }
        taken
    }
}

fn next_ip(state: &mut State, taken: &Taken) -> Option<String> {
    for _ in 0..CLUSTER_NET_SIZE {
        state.next_cluster_ip = (state.next_cluster_ip + 1) % (CLUSTER_NET_SIZE - 1);
        let ip = Ipv4Addr::from(CLUSTER_NET + state.next_cluster_ip.max(2)).to_string();
        if !taken.ips.contains(&ip) {
            return Some(ip);
        }
    }
    None
}

fn give_node_ports(state: &mut State, taken: &Taken, service: &mut Value) -> Result<(), ApiError> {
    let Some(ports) = service["spec"]["ports"].as_array_mut() else {
        return Ok(());
    };
    for port in ports
        .iter_mut()
        .filter(|port| port["nodePort"].as_u64().unwrap_or(0) == 0)
    {
        let mut tries = NODE_PORTS.len();
        loop {
            if tries == 0 {
                return Err(ApiError::internal("failed to allocate a nodePort: range is full"));
            }
            tries -= 1;
            state.next_node_port = if state.next_node_port + 1 < NODE_PORTS.end {
                state.next_node_port + 1
            } else {
                NODE_PORTS.start
            };
            if !taken.ports.contains(&u64::from(state.next_node_port)) {
                break;
            }
        }
        port["nodePort"] = state.next_node_port.into();
    }
    Ok(())
}
