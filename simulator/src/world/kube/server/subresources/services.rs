//! Addresses and node ports of Services, given out in order; what a manifest names is checked against what is taken.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use serde_json::{Value, json};

use super::super::call::meta;
use super::super::state::State;
use crate::world::kube::api_error::{ApiError, FieldError};
use crate::world::kube::store::Key;

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
    choose_families(service);
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
    check_ports(service)?;
    let key = Key::new(meta(service, "namespace"), meta(service, "name"));
    if let Some(ip) = named_ip {
        if ip
            .parse::<Ipv4Addr>()
            .is_ok_and(|ip| u32::from(ip) / CLUSTER_NET_SIZE != CLUSTER_NET / CLUSTER_NET_SIZE)
        {
            let text = format!("failed to allocate IP {ip}: the provided network does not match the current range");
            let error = FieldError::invalid("spec.clusterIPs", &json!([ip]), text);
            return Err(ApiError::invalid("", "Service", meta(service, "name"), &[error]));
        }
        if state.services.has(&ip, &key) {
            let text = format!("failed to allocate IP {ip}: provided IP is already allocated");
            let error = FieldError::invalid("spec.clusterIPs", &json!([ip]), text);
            return Err(ApiError::invalid("", "Service", meta(service, "name"), &[error]));
        }
        service["spec"]["clusterIPs"] = json!([ip]);
    } else if needs_ip {
        let ip =
            next_ip(state, &key).ok_or_else(|| ApiError::internal("failed to allocate a serviceIP: range is full"))?;
        service["spec"]["clusterIP"] = ip.as_str().into();
        service["spec"]["clusterIPs"] = json!([ip]);
    }
    if needs_ports {
        give_node_ports(state, &key, service)?;
    }
    Ok(())
}

/// Node ports that a manifest names lie in the range.
fn check_ports(service: &Value) -> Result<(), ApiError> {
    for (index, port) in service["spec"]["ports"].as_array().into_iter().flatten().enumerate() {
        let Some(wanted) = port["nodePort"].as_u64().filter(|port| *port != 0) else {
            continue;
        };
        if !u32::try_from(wanted).is_ok_and(|port| NODE_PORTS.contains(&port)) {
            let detail = "provided port is not in the valid range. The range of valid ports is 30000-32767";
            let error = FieldError::invalid(format!("spec.ports[{index}].nodePort"), &wanted.into(), detail);
            return Err(ApiError::invalid("", "Service", meta(service, "name"), &[error]));
        }
    }
    Ok(())
}

/// The IP families of a cluster that has IPv4 alone; a headless Service without selector may have what it likes.
fn choose_families(service: &mut Value) {
    let spec = &mut service["spec"];
    let is_free = spec["clusterIP"] == "None" && spec["selector"].as_object().is_none_or(serde_json::Map::is_empty);
    let (policy, mut families) = if is_free {
        ("RequireDualStack", json!(["IPv4", "IPv6"]))
    } else {
        ("SingleStack", json!(["IPv4"]))
    };
    if is_free && spec["ipFamilyPolicy"] == "SingleStack" {
        families = json!(["IPv4"]);
    }
    for (field, usual) in [("ipFamilyPolicy", policy.into()), ("ipFamilies", families)] {
        if spec[field].is_null() {
            spec[field] = usual;
        }
    }
}

fn ports_without_node_port(service: &Value) -> bool {
    let ports = service["spec"]["ports"].as_array().into_iter().flatten();
    ports
        .into_iter()
        .any(|port| port["nodePort"].as_u64().unwrap_or(0) == 0)
}

/// What Services have, kept as they are written.
#[derive(Default)]
pub(in crate::world::kube::server) struct Taken {
    ips: BTreeMap<String, Key>,
    ports: BTreeMap<u64, Key>,
    /// What each Service has in the two others.
    given: BTreeMap<Key, (String, Vec<u64>)>,
}

impl Taken {
    /// A Service was written, or is gone.
    pub(in crate::world::kube::server) fn note(&mut self, key: &Key, service: Option<&Value>) {
        if let Some((ip, ports)) = self.given.remove(key) {
            self.ips.remove(&ip);
            for port in ports {
                self.ports.remove(&port);
            }
        }
        let Some(spec) = service.map(|service| &service["spec"]) else {
            return;
        };
        let ip = spec["clusterIP"].as_str().filter(|ip| !ip.is_empty() && *ip != "None");
        let ports = spec["ports"].as_array().into_iter().flatten();
        let ports: Vec<u64> = ports.filter_map(|port| port["nodePort"].as_u64()).collect();
        self.ips.extend(ip.map(|ip| (ip.to_owned(), key.clone())));
        self.ports.extend(ports.iter().map(|port| (*port, key.clone())));
        self.given
            .insert(key.clone(), (ip.unwrap_or_default().to_owned(), ports));
    }

    /// Whether another Service has this address.
    fn has(&self, ip: &str, but: &Key) -> bool {
        self.ips.get(ip).is_some_and(|owner| owner != but)
    }

    fn has_port(&self, port: u32, but: &Key) -> bool {
        self.ports.get(&u64::from(port)).is_some_and(|owner| owner != but)
    }
}

fn next_ip(state: &mut State, key: &Key) -> Option<String> {
    for _ in 0..CLUSTER_NET_SIZE {
        state.next_cluster_ip = (state.next_cluster_ip + 1) % (CLUSTER_NET_SIZE - 1);
        let ip = Ipv4Addr::from(CLUSTER_NET + state.next_cluster_ip.max(2)).to_string();
        if !state.services.has(&ip, key) {
            return Some(ip);
        }
    }
    None
}

fn give_node_ports(state: &mut State, key: &Key, service: &mut Value) -> Result<(), ApiError> {
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
            if !state.services.has_port(state.next_node_port, key) {
                break;
            }
        }
        port["nodePort"] = state.next_node_port.into();
    }
    Ok(())
}
