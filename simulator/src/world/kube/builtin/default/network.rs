//! Defaults of Services, endpoints, ingress and network policy.

use serde_json::{Value, json};

use super::super::json::{Object, child, each, ensure, fill, fill_absent};

/// Three hours (`DefaultClientIPServiceAffinitySeconds`).
const CLIENT_IP_AFFINITY_SECS: i64 = 10_800;

pub(super) fn service(root: &mut Object) {
    let Some(spec) = ensure(root, "spec") else { return };
    if spec.get("selector").is_some_and(|selector| *selector == json!({})) {
        spec.remove("selector");
    }
    fill(spec, "sessionAffinity", "None");
    if spec.get("sessionAffinity").is_some_and(|affinity| affinity == "None") {
        spec.remove("sessionAffinityConfig");
    } else if spec
        .get("sessionAffinity")
        .is_some_and(|affinity| affinity == "ClientIP")
    {
        let config = ensure(spec, "sessionAffinityConfig").and_then(|config| ensure(config, "clientIP"));
        if let Some(client) = config {
            fill_absent(client, "timeoutSeconds", CLIENT_IP_AFFINITY_SECS);
        }
    }
    fill(spec, "type", "ClusterIP");
    for port in each(spec, "ports") {
        fill(port, "protocol", "TCP");
        let unset = |target: &Value| target.is_null() || *target == 0 || *target == "";
        if port.get("targetPort").is_none_or(unset)
            && let Some(number) = port.get("port").cloned()
        {
            port.insert("targetPort".to_owned(), number);
        }
    }
    let kind = spec.get("type").and_then(Value::as_str).unwrap_or_default();
    let (external, balanced) = (matches!(kind, "NodePort" | "LoadBalancer"), kind == "LoadBalancer");
    let reached_by_ips = kind == "ClusterIP" && spec.contains_key("externalIPs");
    let inside = external || kind == "ClusterIP";
    if external || reached_by_ips {
        fill(spec, "externalTrafficPolicy", "Cluster");
    }
    if inside {
        fill_absent(spec, "internalTrafficPolicy", "Cluster");
    }
    if balanced {
        fill_absent(spec, "allocateLoadBalancerNodePorts", true);
        ip_mode(root);
    }
    if let Some(status) = ensure(root, "status") {
        fill_absent(status, "loadBalancer", json!({}));
    }
}

fn ip_mode(root: &mut Object) {
    let balancer = child(root, "status").and_then(|status| child(status, "loadBalancer"));
    let Some(balancer) = balancer else { return };
    for ingress in each(balancer, "ingress") {
        if ingress.get("ip").is_some_and(|ip| *ip != "") {
            fill_absent(ingress, "ipMode", "VIP");
        }
    }
}

pub(super) fn endpoints(root: &mut Object) {
    for subset in each(root, "subsets") {
        for port in each(subset, "ports") {
            fill(port, "protocol", "TCP");
        }
    }
}

pub(super) fn endpoint_slice(root: &mut Object) {
    for port in each(root, "ports") {
        fill_absent(port, "name", "");
        fill_absent(port, "protocol", "TCP");
    }
    for endpoint in each(root, "endpoints") {
        fill_absent(endpoint, "conditions", json!({}));
    }
    fill_absent(root, "endpoints", Value::Null);
    fill_absent(root, "ports", Value::Null);
}

pub(super) fn ingress_class(root: &mut Object) {
    let parameters = ensure(root, "spec").and_then(|spec| child(spec, "parameters"));
    if let Some(parameters) = parameters {
        fill_absent(parameters, "scope", "Cluster");
    }
}

pub(super) fn network_policy(root: &mut Object) {
    let Some(spec) = ensure(root, "spec") else { return };
    fill_absent(spec, "podSelector", json!({}));
    for direction in ["ingress", "egress"] {
        for rule in each(spec, direction) {
            for port in each(rule, "ports") {
                fill_absent(port, "protocol", "TCP");
            }
        }
    }
    if !spec.contains_key("policyTypes") {
        let types = if spec.contains_key("egress") {
            json!(["Ingress", "Egress"])
        } else {
            json!(["Ingress"])
        };
        spec.insert("policyTypes".to_owned(), types);
    }
}
