//! Services.

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::{formats, json};
use super::problems::{Path, Problems};
use super::{meta, ranges};

const SPEC: Path<'static> = Path::new("spec");
/// One second short of a day and a second: the longest client-IP affinity.
const AFFINITY_MAX_SECS: i64 = 86_400;

pub(super) fn service(problems: &mut Problems, object: &Value) {
    let spec = json::get(object, "spec");
    let kind = json::text(spec, "type");
    let headless = json::text(spec, "clusterIP") == "None";
    let ports = json::list(spec, "ports");
    let addresses = json::list(spec, "clusterIPs").iter().filter_map(Value::as_str);
    let unread = addresses
        .enumerate()
        .find(|(_, text)| *text != "None" && ranges::parse_ip(text).is_none());
    if let (Some((index, text)), true) = (unread, kind != "ExternalName") {
        // It is read before anything is checked, and then nothing else is told.
        ranges::legacy_ip(problems, &SPEC.child("clusterIPs").index(index), text);
        return;
    }
    if ports.is_empty() && !headless && kind != "ExternalName" {
        problems.required(&SPEC.child("ports"), "");
    }
    by_type(problems, spec, kind, headless);
    let (list, mut names) = (SPEC.child("ports"), BTreeSet::new());
    for (index, port) in ports.iter().enumerate() {
        one_port(problems, &list.index(index), port, ports.len() > 1, &mut names);
    }
    meta::labels(problems, &SPEC.child("selector"), json::get(spec, "selector"));
    session_affinity(problems, spec);
    if kind != "ExternalName" {
        cluster_ips(problems, spec);
    }
    let list = SPEC.child("externalIPs");
    for (index, address) in json::list(spec, "externalIPs").iter().enumerate() {
        let text = address.as_str().unwrap_or_default();
        ranges::legacy_ip(problems, &list.index(index), text);
        special_ip(problems, &list.index(index), text);
    }
    problems.one_of(
        &SPEC,
        spec,
        "type",
        &["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"],
        true,
    );
    same_ports(problems, ports, kind);
    load_balancer(problems, spec, kind);
    traffic(problems, spec, kind);
}

fn by_type(problems: &mut Problems, spec: &Value, kind: &str, headless: bool) {
    match kind {
        "LoadBalancer" | "NodePort" if headless => {
            let detail = format!("may not be set to 'None' for {kind} services");
            problems.invalid_text(&SPEC.child("clusterIPs").index(0), "None", &detail);
        }
        "ExternalName" => {
            for key in ["clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
                if json::has(spec, key) && json::get(spec, key) != &Value::Array(Vec::new()) {
                    problems.forbidden(&SPEC.child(key), "may not be set for ExternalName services");
                }
            }
            let name = json::text(spec, "externalName");
            match name.strip_suffix('.').unwrap_or(name) {
                "" => problems.required(&SPEC.child("externalName"), ""),
                name => problems.format(&SPEC.child("externalName"), name, formats::dns1123_subdomain),
            }
        }
        _ => {}
    }
}

fn one_port<'a>(problems: &mut Problems, path: &Path<'_>, port: &'a Value, named: bool, names: &mut BTreeSet<&'a str>) {
    let name = json::text(port, "name");
    if name.is_empty() {
        if named {
            problems.required(&path.child("name"), "");
        }
    } else {
        problems.format(&path.child("name"), name, formats::dns1123_label);
        if !names.insert(name) {
            problems.duplicate(&path.child("name"), &name.into());
        }
    }
    ranges::port_number(problems, &path.child("port"), json::int(port, "port").unwrap_or(0));
    problems.one_of(path, port, "protocol", &["SCTP", "TCP", "UDP"], true);
    ranges::port_or_name(problems, &path.child("targetPort"), json::get(port, "targetPort"));
    let protocol = json::text(port, "appProtocol");
    if !protocol.is_empty() {
        problems.format(&path.child("appProtocol"), protocol, formats::qualified_name);
    }
}

fn same_ports(problems: &mut Problems, ports: &[Value], kind: &str) {
    let list = SPEC.child("ports");
    if kind == "ClusterIP" {
        for (index, port) in ports.iter().enumerate() {
            if json::int(port, "nodePort").unwrap_or(0) != 0 {
                let detail = "may not be used when `type` is 'ClusterIP'";
                problems.forbidden(&list.index(index).child("nodePort"), detail);
            }
        }
    }
    let (mut taken, mut seen) = (BTreeSet::new(), BTreeSet::new());
    for (index, port) in ports.iter().enumerate() {
        let number = json::int(port, "nodePort").unwrap_or(0);
        if number != 0 && !taken.insert((json::text(port, "protocol"), number)) {
            problems.duplicate(&list.index(index).child("nodePort"), &number.into());
        }
    }
    for (index, port) in ports.iter().enumerate() {
        let (protocol, number) = (json::text(port, "protocol"), json::int(port, "port").unwrap_or(0));
        if !seen.insert((protocol, number)) {
            let shown = format!(
                "{{\"Name\":\"\",\"Protocol\":{},\"AppProtocol\":null,\"Port\":{number},\"TargetPort\":0,\"NodePort\":0}}",
                Value::from(protocol)
            );
            problems.duplicate_shown(&list.index(index), shown, "");
        }
    }
}

fn session_affinity(problems: &mut Problems, spec: &Value) {
    problems.one_of(&SPEC, spec, "sessionAffinity", &["ClientIP", "None"], true);
    if json::text(spec, "sessionAffinity") == "ClientIP" {
        let secs = json::at(spec, &["sessionAffinityConfig", "clientIP", "timeoutSeconds"]);
        let path = SPEC.child("sessionAffinityConfig.clientIP.timeoutSeconds");
        match secs.as_i64() {
            None => problems.required(&path, ""),
            Some(number) if number <= 0 || number > AFFINITY_MAX_SECS => {
                let detail = format!("must be greater than 0 and less than {AFFINITY_MAX_SECS}");
                problems.invalid(&path, secs, &detail);
            }
            Some(_) => {}
        }
    }
}

fn cluster_ips(problems: &mut Problems, spec: &Value) {
    let list = SPEC.child("clusterIPs");
    let addresses = json::list(spec, "clusterIPs");
    let first = json::text(spec, "clusterIP");
    match addresses.first() {
        Some(_) if first.is_empty() => {
            problems.invalid(
                &list,
                &addresses.to_vec().into(),
                "must be empty when `clusterIP` is not specified",
            );
        }
        Some(address) if address != first => {
            problems.invalid(&list, &addresses.to_vec().into(), "first value must match `clusterIP`");
        }
        _ => {}
    }
    let families = SPEC.child("ipFamilies");
    let mut seen = BTreeSet::new();
    for (index, family) in json::list(spec, "ipFamilies").iter().enumerate() {
        let name = family.as_str().unwrap_or_default();
        if !matches!(name, "IPv4" | "IPv6") {
            problems.unsupported(&families.index(index), family, &["IPv4", "IPv6"]);
        }
        if !seen.insert(name) {
            problems.duplicate(&families.index(index), family);
        }
    }
    let policies = ["PreferDualStack", "RequireDualStack", "SingleStack"];
    problems.one_of(&SPEC, spec, "ipFamilyPolicy", &policies, false);
    for (index, address) in addresses.iter().enumerate() {
        let text = address.as_str().unwrap_or_default();
        if index == 0 && text == "None" {
            if addresses.len() > 1 {
                let detail = "'None' must be the first and only value";
                problems.invalid(&list, &addresses.to_vec().into(), detail);
            }
            continue;
        }
        ranges::legacy_ip(problems, &list.index(index), text);
    }
    if addresses.len() > 2 {
        problems.invalid(&list, &addresses.to_vec().into(), "may only hold up to 2 values");
    }
}

fn load_balancer(problems: &mut Problems, spec: &Value, kind: &str) {
    let list = SPEC.child("LoadBalancerSourceRanges");
    let given = json::list(spec, "loadBalancerSourceRanges");
    let balanced = kind == "LoadBalancer";
    if !given.is_empty() && !balanced {
        problems.forbidden(&list, "may only be used when `type` is 'LoadBalancer'");
    }
    for (index, range) in given.iter().enumerate() {
        let text = range.as_str().unwrap_or_default().trim();
        ranges::legacy_cidr(problems, &list.index(index), text);
    }
    for key in ["allocateLoadBalancerNodePorts", "loadBalancerClass"] {
        if json::has(spec, key) && !balanced {
            problems.forbidden(&SPEC.child(key), "may only be used when `type` is 'LoadBalancer'");
        }
    }
}

fn traffic(problems: &mut Problems, spec: &Value, kind: &str) {
    let external = matches!(kind, "NodePort" | "LoadBalancer")
        || (kind == "ClusterIP" && !json::list(spec, "externalIPs").is_empty());
    let policy = json::get(spec, "externalTrafficPolicy");
    if external {
        problems.one_of(&SPEC, spec, "externalTrafficPolicy", &["Cluster", "Local"], true);
    } else if !policy.is_null() && policy != "" {
        let detail = "may only be set for externally-accessible services";
        problems.invalid(&SPEC.child("externalTrafficPolicy"), policy, detail);
    }
    let checked = kind == "LoadBalancer" && policy == "Local";
    if let Some(port) = json::int(spec, "healthCheckNodePort").filter(|port| *port != 0 && !checked) {
        let detail = "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'";
        problems.invalid(&SPEC.child("healthCheckNodePort"), &port.into(), detail);
    }
    problems.one_of(&SPEC, spec, "internalTrafficPolicy", &["Cluster", "Local"], false);
    let spread = ["PreferClose", "PreferSameNode", "PreferSameZone"];
    problems.one_of(&SPEC, spec, "trafficDistribution", &spread, false);
}

/// Addresses that no endpoint or external address may be.
pub(super) fn special_ip(problems: &mut Problems, path: &Path<'_>, text: &str) {
    use std::net::IpAddr;
    let Some(address) = ranges::parse_ip(text) else { return };
    let link_local = match address {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.segments().first().is_some_and(|first| first & 0xffc0 == 0xfe80),
    };
    let link_multicast = match address {
        IpAddr::V4(address) => matches!(address.octets(), [224, 0, 0, _]),
        IpAddr::V6(address) => address.segments().first().is_some_and(|first| first & 0xff0f == 0xff02),
    };
    if address.is_unspecified() {
        problems.invalid_text(path, text, &format!("may not be unspecified ({text})"));
    }
    if address.is_loopback() {
        problems.invalid_text(path, text, "may not be in the loopback range (127.0.0.0/8, ::1/128)");
    }
    if link_local {
        problems.invalid_text(
            path,
            text,
            "may not be in the link-local range (169.254.0.0/16, fe80::/10)",
        );
    }
    if link_multicast {
        let detail = "may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)";
        problems.invalid_text(path, text, detail);
    }
}

/// An allocated address never changes.
pub(super) fn update(problems: &mut Problems, new: &Value, old: &Value) {
    let (after, before) = (json::get(new, "spec"), json::get(old, "spec"));
    let by_name = |spec: &Value| json::text(spec, "type") == "ExternalName";
    let headless = |spec: &Value| json::text(spec, "clusterIP") == "None";
    if by_name(after) || by_name(before) || (headless(after) && headless(before)) {
        return;
    }
    let (new, old) = (json::list(after, "clusterIPs"), json::list(before, "clusterIPs"));
    let path = SPEC.child("clusterIPs");
    let all = || Value::from(new.to_vec());
    if new.is_empty() && !old.is_empty() {
        problems.invalid(&path.index(0), &all(), "primary clusterIP can not be unset");
    }
    for (index, (new, old)) in new.iter().zip(old).enumerate() {
        if new != old {
            problems.invalid(&path.index(index), &all(), "may not change once set");
        }
    }
}
