//! Ingresses, network policies and endpoint slices.

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::{formats, json};
use super::problems::{Path, Problems};
use super::{job, ranges, scheduling, service};

const SPEC: Path<'static> = Path::new("spec");

pub(super) fn ingress(problems: &mut Problems, object: &Value) {
    let spec = json::get(object, "spec");
    let (rules, backend) = (json::list(spec, "rules"), json::get(spec, "defaultBackend"));
    if rules.is_empty() && backend.is_null() {
        let detail = "either `defaultBackend` or `rules` must be specified";
        problems.invalid(&SPEC, &Value::Null, detail);
    }
    if !backend.is_null() {
        ingress_backend(problems, &SPEC.child("defaultBackend"), backend);
    }
    let list = SPEC.child("rules");
    for (index, rule) in rules.iter().enumerate() {
        ingress_rule(problems, &list.index(index), rule);
    }
    let list = SPEC.child("tls");
    for (index, tls) in json::list(spec, "tls").iter().enumerate() {
        let path = list.index(index);
        let hosts = path.child("hosts");
        for (index, host) in json::list(tls, "hosts").iter().enumerate() {
            let host = host.as_str().unwrap_or_default();
            problems.format(&hosts.index(index), host, host_format(host));
        }
        let secret = json::text(tls, "secretName");
        if !secret.is_empty() {
            problems.format(&path.child("secretName"), secret, formats::dns1123_subdomain);
        }
    }
    if let Some(class) = json::get(spec, "ingressClassName").as_str() {
        problems.format(&SPEC.child("ingressClassName"), class, formats::dns1123_subdomain);
    }
}

fn host_format(host: &str) -> super::problems::Format {
    if host.contains('*') {
        formats::wildcard_subdomain
    } else {
        formats::dns1123_subdomain
    }
}

fn ingress_rule(problems: &mut Problems, path: &Path<'_>, rule: &Value) {
    let host = json::text(rule, "host");
    if !host.is_empty() {
        if ranges::parse_ip(host).is_some() {
            problems.invalid_text(&path.child("host"), host, "must be a DNS name, not an IP address");
        } else {
            problems.format(&path.child("host"), host, host_format(host));
        }
    }
    let http = json::get(rule, "http");
    if http.is_null() {
        return;
    }
    let (list, paths) = (path.child("http.paths"), json::list(http, "paths"));
    if paths.is_empty() {
        problems.required(&list, "");
    }
    for (index, one) in paths.iter().enumerate() {
        ingress_path(problems, &list.index(index), one);
    }
}

fn ingress_path(problems: &mut Problems, path: &Path<'_>, given: &Value) {
    let (kind, text) = (json::get(given, "pathType"), json::text(given, "path"));
    let at = path.child("path");
    let absolute = |problems: &mut Problems| {
        if !text.starts_with('/') {
            problems.invalid_text(&at, text, "must be an absolute path");
        }
    };
    match kind.as_str() {
        None => return problems.required(&path.child("pathType"), "pathType must be specified"),
        Some("Exact" | "Prefix") => {
            absolute(problems);
            for part in ["//", "/./", "/../", "%2f", "%2F"] {
                if text.contains(part) {
                    problems.invalid_text(&at, text, &format!("must not contain '{part}'"));
                }
            }
            for end in ["/..", "/."] {
                if text.ends_with(end) {
                    problems.invalid_text(&at, text, &format!("cannot end with '{end}'"));
                }
            }
        }
        Some("ImplementationSpecific") => {
            if !text.is_empty() {
                absolute(problems);
            }
        }
        Some(_) => {
            let supported = ["Exact", "ImplementationSpecific", "Prefix"];
            problems.unsupported(&path.child("pathType"), kind, &supported);
        }
    }
    ingress_backend(problems, &path.child("backend"), json::get(given, "backend"));
}

fn ingress_backend(problems: &mut Problems, path: &Path<'_>, backend: &Value) {
    let (service, resource) = (json::get(backend, "service"), json::get(backend, "resource"));
    match (service.is_null(), resource.is_null()) {
        (false, false) => problems.invalid_text(path, "", "cannot set both resource and service backends"),
        (true, true) => problems.invalid_text(path, "", "resource or service backend is required"),
        (true, false) => super::volumes::require(problems, &path.child("resource"), resource, &["kind", "name"]),
        (false, true) => {
            let name = json::text(service, "name");
            if name.is_empty() {
                problems.required(&path.child("service.name"), "");
            } else {
                problems.format(&path.child("service.name"), name, formats::dns1123_label);
            }
            let port = json::get(service, "port");
            let (named, number) = (json::text(port, "name"), json::int(port, "number").unwrap_or(0));
            match (named.is_empty(), number) {
                (true, 0) => problems.required(path, "port name or number is required"),
                (true, number) => ranges::port_number(problems, &path.child("service.port.number"), number),
                (false, 0) => problems.format(&path.child("service.port.name"), named, formats::port_name),
                (false, _) => problems.invalid_text(path, "", "cannot set both port name & port number"),
            }
        }
    }
}

pub(super) fn ingress_class(problems: &mut Problems, object: &Value) {
    let controller = json::text(json::get(object, "spec"), "controller");
    job::domain_prefixed_path(problems, &SPEC.child("controller"), controller);
}

pub(super) fn network_policy(problems: &mut Problems, object: &Value) {
    let spec = json::get(object, "spec");
    scheduling::label_selector(problems, &SPEC.child("podSelector"), json::get(spec, "podSelector"));
    for (direction, peers) in [("ingress", "from"), ("egress", "to")] {
        let list = SPEC.child(direction);
        for (index, rule) in json::list(spec, direction).iter().enumerate() {
            let path = list.index(index);
            let ports = path.child("ports");
            for (index, port) in json::list(rule, "ports").iter().enumerate() {
                policy_port(problems, &ports.index(index), port);
            }
            let at = path.child(peers);
            for (index, peer) in json::list(rule, peers).iter().enumerate() {
                policy_peer(problems, &at.index(index), peer);
            }
        }
    }
    let list = SPEC.child("policyTypes");
    let types = json::list(spec, "policyTypes");
    if types.len() > 2 {
        let detail = "may not specify more than two policyTypes";
        problems.invalid(&list, &types.to_vec().into(), detail);
        return;
    }
    for (index, kind) in types.iter().enumerate() {
        if !matches!(kind.as_str(), Some("Ingress" | "Egress")) {
            problems.unsupported(&list.index(index), kind, &["Ingress", "Egress"]);
        }
    }
}

fn policy_port(problems: &mut Problems, path: &Path<'_>, port: &Value) {
    problems.one_of(path, port, "protocol", &["TCP", "UDP", "SCTP"], false);
    let (from, to) = (json::get(port, "port"), json::int(port, "endPort"));
    if from.is_null() {
        if let Some(to) = to {
            let detail = "may not be specified when `port` is not specified";
            problems.invalid(&path.child("endPort"), &to.into(), detail);
        }
        return;
    }
    ranges::port_or_name(problems, &path.child("port"), from);
    let Some(to) = to else { return };
    match from.as_i64() {
        None => {
            let detail = "may not be specified when `port` is non-numeric";
            problems.invalid(&path.child("endPort"), &to.into(), detail);
        }
        Some(from) => {
            if to < from {
                let detail = "must be greater than or equal to `port`";
                problems.invalid(&path.child("endPort"), &from.into(), detail);
            }
            ranges::port_number(problems, &path.child("endPort"), to);
        }
    }
}

fn policy_peer(problems: &mut Problems, path: &Path<'_>, peer: &Value) {
    let mut found = 0;
    for key in ["podSelector", "namespaceSelector"] {
        if json::has(peer, key) {
            found += 1;
            scheduling::label_selector(problems, &path.child(key), json::get(peer, key));
        }
    }
    let block = json::get(peer, "ipBlock");
    if !block.is_null() {
        ip_block(problems, &path.child("ipBlock"), block);
        if found > 0 {
            problems.forbidden(path, "may not specify both ipBlock and another peer");
        }
        found += 1;
    }
    if found == 0 {
        problems.required(path, "must specify a peer");
    }
}

fn ip_block(problems: &mut Problems, path: &Path<'_>, block: &Value) {
    let text = json::text(block, "cidr");
    if text.is_empty() {
        return problems.required(&path.child("cidr"), "");
    }
    ranges::legacy_cidr(problems, &path.child("cidr"), text);
    let list = path.child("except");
    for (index, except) in json::list(block, "except").iter().enumerate() {
        let inner = except.as_str().unwrap_or_default();
        ranges::legacy_cidr(problems, &list.index(index), inner);
        let pair = (ranges::parse_cidr(text), ranges::parse_cidr(inner));
        if let (Some(outer), Some(range)) = pair
            && !ranges::strictly_inside(outer, range)
        {
            problems.invalid_text(&list.index(index), inner, "must be a strict subset of `cidr`");
        }
    }
}

pub(super) fn endpoint_slice(problems: &mut Problems, object: &Value) {
    let kinds = ["FQDN", "IPv4", "IPv6"];
    problems.one_of(&Path::ROOT, object, "addressType", &kinds, true);
    let kind = json::text(object, "addressType");
    let (list, mut names) = (Path::new("ports"), BTreeSet::new());
    for (index, port) in json::list(object, "ports").iter().enumerate() {
        let path = list.index(index);
        let name = json::text(port, "name");
        if !name.is_empty() {
            problems.format(&path.child("name"), name, formats::dns1123_label);
        }
        if !names.insert(name) {
            problems.duplicate(&path.child("name"), &name.into());
        }
        problems.one_of(&path, port, "protocol", &["SCTP", "TCP", "UDP"], true);
    }
    let list = Path::new("endpoints");
    for (index, endpoint) in json::list(object, "endpoints").iter().enumerate() {
        let path = list.index(index);
        let (addresses, at) = (json::list(endpoint, "addresses"), path.child("addresses"));
        if addresses.is_empty() {
            problems.required(&at, "must contain at least 1 address");
        }
        for (index, address) in addresses.iter().enumerate() {
            let (text, at) = (address.as_str().unwrap_or_default(), at.index(index));
            match kind {
                "FQDN" => problems.format(&at, text, formats::dns1123_subdomain),
                "IPv4" | "IPv6" => {
                    ranges::legacy_ip(problems, &at, text);
                    service::special_ip(problems, &at, text);
                }
                _ => {}
            }
        }
    }
}

pub(super) fn endpoints(problems: &mut Problems, object: &Value) {
    let list = Path::new("subsets");
    for (index, subset) in json::list(object, "subsets").iter().enumerate() {
        let path = list.index(index);
        let count = json::list(subset, "addresses").len() + json::list(subset, "notReadyAddresses").len();
        if count == 0 {
            problems.required(&path, "must specify `addresses` or `notReadyAddresses`");
        }
        for key in ["addresses", "notReadyAddresses"] {
            let at = path.child(key);
            for (index, address) in json::list(subset, key).iter().enumerate() {
                let text = json::text(address, "ip");
                let at = at.index(index);
                let at = at.child("ip");
                ranges::legacy_ip(problems, &at, text);
                if ranges::parse_ip(text).is_none() {
                    // Its second check says it once more.
                    problems.invalid_text(&at, text, "must be a valid IP address");
                }
                service::special_ip(problems, &at, text);
            }
        }
        let (ports, at) = (json::list(subset, "ports"), path.child("ports"));
        for (index, port) in ports.iter().enumerate() {
            let at = at.index(index);
            match json::text(port, "name") {
                "" if ports.len() > 1 => problems.required(&at.child("name"), ""),
                "" => {}
                name => problems.format(&at.child("name"), name, formats::dns1123_label),
            }
            ranges::port_number(problems, &at.child("port"), json::int(port, "port").unwrap_or(0));
            problems.one_of(&at, port, "protocol", &["SCTP", "TCP", "UDP"], true);
        }
    }
}

/// The kind of addresses of a slice never changes.
pub(super) fn endpoint_slice_update(problems: &mut Problems, new: &Value, old: &Value) {
    let path = Path::new("addressType");
    problems.immutable(&path, json::get(new, "addressType"), json::get(old, "addressType"));
}
