//! Where Services lead: EndpointSlices, and the older Endpoints, from the pods that a Service selects.
//!
//! Must not know: how traffic flows.

mod slices;
mod subsets;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::object::{flag, is_deleting, list, name, namespace, text, uid};
use super::selector::Selector;
use super::{Change, Kind, ObjectKey, View, pods};

pub use slices::EndpointSlices;
pub use subsets::EndpointsObjects;

const HEADLESS: &str = "service.kubernetes.io/headless";

/// The selector of a Service that has endpoints of its pods.
fn selector_of(service: &Value) -> Option<Selector> {
    let selector = service
        .pointer("/spec/selector")
        .filter(|selector| selector.is_object())?;
    let selected = !selector.as_object().is_some_and(Map::is_empty) && text(service, "/spec/type") != "ExternalName";
    selected.then(|| Selector::from_labels(selector))
}

/// The Services that a change concerns.
fn services_of(change: &Change, view: &View) -> Vec<ObjectKey> {
    match change.kind {
        Kind::SERVICE => vec![change.key.clone()],
        Kind::POD => services_of_pod(change, view),
        Kind::NODE => services_of_node(change, view),
        _ => Vec::new(),
    }
}

fn services_of_pod(change: &Change, view: &View) -> Vec<ObjectKey> {
    if let (Some(old), Some(new)) = (&change.old, &change.new)
        && shown(old) == shown(new)
    {
        return Vec::new();
    }
    let selecting = change
        .objects()
        .filter_map(|pod| pod.pointer("/metadata/labels"))
        .map(|labels| view.services_selecting(&change.key.namespace, labels));
    selecting.flatten().collect::<BTreeSet<_>>().into_iter().collect()
}

/// What endpoints show of a pod.
fn shown(pod: &Value) -> ([Option<&Value>; 4], [bool; 3]) {
    let ips = pod.pointer("/status/podIPs").or_else(|| pod.pointer("/status/podIP"));
    let texts = ["/metadata/labels", "/spec/nodeName", "/spec/hostname"].map(|pointer| pod.pointer(pointer));
    let [labels, node, hostname] = texts;
    let flags = [pods::is_ready(pod), pods::is_terminal(pod), is_deleting(pod)];
    ([labels, ips, node, hostname], flags)
}

/// A node that comes or moves to another zone changes what is told of its pods.
fn services_of_node(change: &Change, view: &View) -> Vec<ObjectKey> {
    let zone = |node: &Arc<Value>| super::object::label(node, ZONE).map(str::to_owned);
    if change.new.is_none() || change.old.is_some() && change.old.as_ref().map(zone) == change.new.as_ref().map(zone) {
        return Vec::new();
    }
    let pods = view.pods_on(&change.key.name);
    let selecting = pods.filter_map(|(key, pod)| {
        let labels = pod.pointer("/metadata/labels")?;
        Some(view.services_selecting(&key.namespace, labels))
    });
    selecting.flatten().collect::<BTreeSet<_>>().into_iter().collect()
}

const ZONE: &str = "topology.kubernetes.io/zone";

/// A pod's addresses of one family.
fn addresses(pod: &Value, v6: bool) -> Vec<&str> {
    let listed = list(pod, "/status/podIPs").iter().map(|ip| text(ip, "/ip"));
    let mut found: Vec<&str> = listed.collect();
    if found.is_empty() {
        found.push(text(pod, "/status/podIP"));
    }
    found.retain(|ip| !ip.is_empty() && ip.contains(':') == v6);
    found
}

/// The ports of a pod that a Service leads to; named ports that the pod does not have are left out.
fn ports(service: &Value, pod: &Value) -> Vec<Value> {
    let mut ports = Vec::new();
    for wanted in list(service, "/spec/ports") {
        let protocol = Some(text(wanted, "/protocol"))
            .filter(|protocol| !protocol.is_empty())
            .unwrap_or("TCP");
        let number = match wanted.get("targetPort") {
            Some(Value::String(target)) => named_port(pod, target, protocol),
            Some(target) if target.as_i64().is_some_and(|target| target > 0) => target.as_i64(),
            _ => wanted.get("port").and_then(Value::as_i64),
        };
        let Some(number) = number else { continue };
        let mut port = json!({"name": text(wanted, "/name"), "port": number, "protocol": protocol});
        let app_protocol = text(wanted, "/appProtocol");
        if !app_protocol.is_empty() {
            super::object::put(&mut port, &["appProtocol"], app_protocol.into());
        }
        ports.push(port);
    }
    ports
}

fn named_port(pod: &Value, target: &str, protocol: &str) -> Option<i64> {
    let sidecars = list(pod, "/spec/initContainers").iter();
    let sidecars = sidecars.filter(|container| text(container, "/restartPolicy") == "Always");
    let containers = list(pod, "/spec/containers").iter().chain(sidecars);
    let mut declared = containers.flat_map(|container| list(container, "/ports"));
    let port = declared.find(|port| {
        let spoken = Some(text(port, "/protocol"))
            .filter(|spoken| !spoken.is_empty())
            .unwrap_or("TCP");
        text(port, "/name") == target && spoken == protocol
    })?;
    port.get("containerPort")?.as_i64()
}

/// A pod's hostname, if this Service is its subdomain.
fn hostname<'a>(service: &Value, pod: &'a Value) -> Option<&'a str> {
    let hostname = text(pod, "/spec/hostname");
    let published = !hostname.is_empty() && text(pod, "/spec/subdomain") == name(service);
    published.then_some(hostname)
}

fn target_ref(pod: &Value) -> Value {
    json!({"kind": "Pod", "namespace": namespace(pod), "name": name(pod), "uid": uid(pod)})
}

/// The labels of a Service for its endpoints, with the given ones added.
fn labels(service: &Value, own: &[(&str, &str)]) -> Value {
    let labels = service.pointer("/metadata/labels").and_then(Value::as_object);
    let mut labels = labels.cloned().unwrap_or_default();
    labels.remove(HEADLESS);
    if text(service, "/spec/clusterIP") == "None" {
        labels.insert(HEADLESS.to_owned(), "".into());
    }
    for (key, value) in own {
        labels.insert((*key).to_owned(), (*value).into());
    }
    Value::Object(labels)
}

fn publishes_unready(service: &Value) -> bool {
    flag(service, "/spec/publishNotReadyAddresses")
}
