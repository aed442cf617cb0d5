//! Services, endpoints, ingresses and their kin.

use std::collections::BTreeSet;

use serde_json::Value;

use super::cell::{age, items, labels, name, number, selector, some_more, string, string_or};
use super::column::{AGE, NAME, text};
use super::{Printer, printer};

/// How many endpoints, ports or hosts a cell names before it counts the rest.
const SHOWN: usize = 3;

pub(super) const SERVICE: Printer = printer(
    &[
        NAME,
        text("Type", "@io.k8s.api.core.v1.ServiceSpec#type"),
        text("Cluster-IP", "@io.k8s.api.core.v1.ServiceSpec#clusterIP"),
        text("External-IP", "@io.k8s.api.core.v1.ServiceSpec#externalIPs"),
        text("Port(s)", "@io.k8s.api.core.v1.ServiceSpec#ports"),
        AGE,
        text("Selector", "@io.k8s.api.core.v1.ServiceSpec#selector").wide(),
    ],
    |object, now| {
        let spec = &object["spec"];
        let ports: Vec<String> = items(&spec["ports"]).iter().map(service_port).collect();
        let ports = ports.join(",");
        vec![
            name(object),
            string(&spec["type"]).into(),
            spec["clusterIPs"][0].as_str().unwrap_or("<none>").into(),
            external_ip(object).into(),
            if ports.is_empty() {
                "<none>".into()
            } else {
                ports.into()
            },
            age(object, now),
            labels(&spec["selector"]).into(),
        ]
    },
);

pub(super) const ENDPOINTS: Printer = printer(
    &[NAME, text("Endpoints", "@io.k8s.api.core.v1.Endpoints#subsets"), AGE],
    |object, now| vec![name(object), endpoints(object).into(), age(object, now)],
);

pub(super) const ENDPOINT_SLICE: Printer = printer(
    &[
        NAME,
        text("AddressType", "@io.k8s.api.discovery.v1.EndpointSlice#addressType"),
        text("Ports", "@io.k8s.api.discovery.v1.EndpointSlice#ports"),
        text("Endpoints", "@io.k8s.api.discovery.v1.EndpointSlice#endpoints"),
        AGE,
    ],
    |object, now| {
        let port = |port: &Value| match port["port"].as_i64() {
            Some(number) => number.to_string(),
            None => port["name"].as_str().unwrap_or("*").to_owned(),
        };
        let ports: Vec<String> = items(&object["ports"]).iter().map(port).collect();
        let addresses = items(&object["endpoints"])
            .iter()
            .flat_map(|endpoint| items(&endpoint["addresses"]));
        let addresses: Vec<String> = addresses.map(|address| string(address).to_owned()).collect();
        vec![
            name(object),
            string(&object["addressType"]).into(),
            some_more(&ports, SHOWN).into(),
            some_more(&addresses, SHOWN).into(),
            age(object, now),
        ]
    },
);

pub(super) const INGRESS: Printer = printer(
    &[
        NAME,
        text(
            "Class",
            "The name of the IngressClass resource that should be used for additional configuration",
        ),
        text(
            "Hosts",
            "Hosts that incoming requests are matched against before the ingress rule",
        ),
        text(
            "Address",
            "Address is a list containing ingress points for the load-balancer",
        ),
        text("Ports", "Ports of TLS configurations that open"),
        AGE,
    ],
    |object, now| {
        let spec = &object["spec"];
        vec![
            name(object),
            spec["ingressClassName"].as_str().unwrap_or("<none>").into(),
            hosts(items(&spec["rules"])).into(),
            load_balancer(object).into(),
            if items(&spec["tls"]).is_empty() {
                "80"
            } else {
                "80, 443"
            }
            .into(),
            age(object, now),
        ]
    },
);

pub(super) const INGRESS_CLASS: Printer = printer(
    &[
        NAME,
        text("Controller", "Controller that is responsible for handling this class"),
        text("Parameters", "A reference to a resource with additional parameters"),
        AGE,
    ],
    |object, now| {
        let parameters = &object["spec"]["parameters"];
        let shown = if parameters.is_null() {
            "<none>".to_owned()
        } else {
            let group = parameters["apiGroup"]
                .as_str()
                .map(|group| format!(".{group}"))
                .unwrap_or_default();
            format!("{}{group}/{}", string(&parameters["kind"]), string(&parameters["name"]))
        };
        vec![
            super::storage::name_with_default(object, "ingressclass.kubernetes.io/is-default-class"),
            string(&object["spec"]["controller"]).into(),
            shown.into(),
            age(object, now),
        ]
    },
);

pub(super) const NETWORK_POLICY: Printer = printer(
    &[
        NAME,
        text(
            "Pod-Selector",
            "@io.k8s.api.networking.v1.NetworkPolicySpec#podSelector",
        ),
        AGE,
    ],
    |object, now| {
        vec![
            name(object),
            selector(&object["spec"]["podSelector"]).into(),
            age(object, now),
        ]
    },
);

/// The real server sends an age cell that no column names; so do we.
pub(super) const IP_ADDRESS: Printer = printer(
    &[
        NAME,
        text("ParentRef", "@io.k8s.api.networking.v1.IPAddressSpec#parentRef"),
    ],
    |object, now| {
        let parent = &object["spec"]["parentRef"];
        let shown = if parent.is_null() {
            "<none>".to_owned()
        } else {
            let mut shown = string(&parent["resource"]).to_owned();
            for (separator, field) in [(".", "group"), ("/", "namespace")] {
                if !string(&parent[field]).is_empty() {
                    shown.push_str(separator);
                    shown.push_str(string(&parent[field]));
                }
            }
            format!("{}/{}", shown.to_lowercase(), string(&parent["name"]))
        };
        vec![name(object), shown.into(), age(object, now)]
    },
);

pub(super) const SERVICE_CIDR: Printer = printer(
    &[
        NAME,
        text("CIDRs", "@io.k8s.api.networking.v1.ServiceCIDRSpec#cidrs"),
        AGE,
    ],
    |object, now| {
        let cidrs: Vec<&str> = items(&object["spec"]["cidrs"]).iter().map(string).collect();
        vec![name(object), cidrs.join(",").into(), age(object, now)]
    },
);

fn service_port(port: &Value) -> String {
    let (own, node, protocol) = (
        number(&port["port"]),
        number(&port["nodePort"]),
        string(&port["protocol"]),
    );
    if node > 0 {
        format!("{own}:{node}/{protocol}")
    } else {
        format!("{own}/{protocol}")
    }
}

fn external_ip(object: &Value) -> String {
    let spec = &object["spec"];
    let mut external: Vec<String> = items(&spec["externalIPs"])
        .iter()
        .map(|ip| string(ip).to_owned())
        .collect();
    match string(&spec["type"]) {
        "ClusterIP" | "NodePort" if external.is_empty() => "<none>".into(),
        "ClusterIP" | "NodePort" => external.join(","),
        "LoadBalancer" => {
            let balancer = load_balancer(object);
            if !balancer.is_empty() {
                external.insert(0, balancer);
            }
            if external.is_empty() {
                "<pending>".into()
            } else {
                external.join(",")
            }
        }
        "ExternalName" => string(&spec["externalName"]).into(),
        _ => "<unknown>".into(),
    }
}

fn load_balancer(object: &Value) -> String {
    let points = items(&object["status"]["loadBalancer"]["ingress"]);
    let points = points
        .iter()
        .map(|point| string_or(&point["ip"], string(&point["hostname"])));
    let points: BTreeSet<&str> = points.filter(|point| !point.is_empty()).collect();
    points.into_iter().collect::<Vec<_>>().join(",")
}

fn endpoints(object: &Value) -> String {
    let subsets = items(&object["subsets"]);
    if subsets.is_empty() {
        return "<none>".into();
    }
    let mut all = Vec::new();
    for subset in subsets {
        let addresses = || items(&subset["addresses"]).iter().map(|address| string(&address["ip"]));
        let ports = items(&subset["ports"]);
        if ports.is_empty() {
            all.extend(addresses().map(str::to_owned));
        }
        for port in ports {
            all.extend(addresses().map(|ip| host_and_port(ip, number(&port["port"]))));
        }
    }
    if all.is_empty() {
        String::new()
    } else {
        some_more(&all, SHOWN)
    }
}

fn host_and_port(ip: &str, port: i64) -> String {
    if ip.contains(':') {
        format!("[{ip}]:{port}")
    } else {
        format!("{ip}:{port}")
    }
}

fn hosts(rules: &[Value]) -> String {
    let mut shown: Vec<&str> = Vec::new();
    let mut more = false;
    for rule in rules {
        more |= shown.len() == SHOWN;
        let host = string(&rule["host"]);
        if !more && !host.is_empty() {
            shown.push(host);
        }
    }
    match (shown.is_empty(), more) {
        (true, _) => "*".into(),
        (false, true) => format!("{} + {} more...", shown.join(","), rules.len().saturating_sub(SHOWN)),
        (false, false) => shown.join(","),
    }
}
