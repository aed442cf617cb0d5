//! The older Endpoints: one object a Service, addresses packed by ports.
//!
//! Must not know: EndpointSlices.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::super::object::{annotation, is_deleting, key_of, label, name, namespace, put, same, text, uid};
use super::super::pods::{is_ready, is_terminal};
use super::super::{Change, Controller, Kind, ObjectKey, Outcome, Pass, View, Write};
use super::{addresses, hostname, labels, ports, publishes_unready, selector_of, services_of, target_ref};

const MANAGED_BY: &str = "endpoints.kubernetes.io/managed-by";
const MANAGER: &str = "endpoint-controller";
const OVER_CAPACITY: &str = "endpoints.kubernetes.io/over-capacity";
/// So many addresses at most (`maxCapacity`).
const MAX_ADDRESSES: usize = 1000;

/// Keeps Endpoints.
#[derive(Debug, Default)]
pub struct EndpointsObjects;

impl Controller for EndpointsObjects {
    fn name(&self) -> &'static str {
        MANAGER
    }

    fn watches(&self) -> &'static [Kind] {
        &[Kind::SERVICE, Kind::POD, Kind::ENDPOINTS]
    }

    fn keys_for(&self, change: &Change, view: &View) -> Vec<ObjectKey> {
        match change.kind {
            Kind::ENDPOINTS if change.new.is_none() => vec![change.key.clone()],
            _ => services_of(change, view),
        }
    }

    fn reconcile(&mut self, key: &ObjectKey, pass: &Pass<'_>) -> Outcome {
        let held = pass.view.get(Kind::ENDPOINTS, key);
        let Some(service) = pass
            .view
            .get(Kind::SERVICE, key)
            .filter(|service| !is_deleting(service))
        else {
            let ours = held.filter(|held| label(held, MANAGED_BY) == Some(MANAGER));
            return Outcome::writes(ours.map(|held| delete(held)).into_iter().collect());
        };
        let Some(selector) = selector_of(service) else {
            return Outcome::nothing();
        };
        let members = pass.view.selected(Kind::POD, &key.namespace, &selector);
        let rest = super::super::write::rest_for(members.len());
        let (subsets, truncated) = subsets(service, members.into_iter().map(|(_, pod)| &**pod));
        let mut outcome = Outcome::writes(write(service, held.map(|held| &**held), subsets, truncated));
        outcome.rest = rest;
        outcome
    }
}

fn write(service: &Value, held: Option<&Value>, subsets: Value, truncated: bool) -> Vec<Write> {
    let labels = labels(service, &[(MANAGED_BY, MANAGER)]);
    let kind = Kind::ENDPOINTS;
    let mut object = match held {
        Some(held) => {
            let at = |pointer: &str| held.pointer(pointer).unwrap_or(&Value::Null);
            let noted = annotation(held, OVER_CAPACITY).is_some();
            if same(at("/subsets"), &subsets) && same(at("/metadata/labels"), &labels) && noted == truncated {
                return Vec::new();
            }
            held.clone()
        }
        None => json!({
            "apiVersion": "v1", "kind": "Endpoints",
            "metadata": {"name": name(service), "namespace": namespace(service)},
        }),
    };
    put(&mut object, &["metadata", "labels"], labels);
    put(&mut object, &["subsets"], subsets);
    if truncated {
        put(
            &mut object,
            &["metadata", "annotations", OVER_CAPACITY],
            "truncated".into(),
        );
    } else {
        super::super::object::drop_key(&mut object, "/metadata/annotations", OVER_CAPACITY);
    }
    if held.is_some() {
        vec![Write::Update { kind, object }]
    } else {
        vec![Write::Create { kind, object }]
    }
}

fn delete(held: &Value) -> Write {
    Write::Delete {
        kind: Kind::ENDPOINTS,
        key: key_of(held),
        uid: Some(uid(held).to_owned()),
        grace_secs: None,
        propagation: None,
    }
}

/// Addresses by ip, each with whether it is ready.
type Addresses = BTreeMap<String, (bool, Value)>;

/// Ports that lead to the same addresses share a subset. The flag says that there were too many addresses.
fn subsets<'a>(service: &Value, members: impl Iterator<Item = &'a Value>) -> (Value, bool) {
    let mut by_port: BTreeMap<String, (Option<Value>, Addresses)> = BTreeMap::new();
    let mut total = 0;
    for pod in members {
        let hidden = is_terminal(pod) || (is_deleting(pod) && !publishes_unready(service));
        let Some(ip) = addresses(pod, false).first().copied().filter(|_| !hidden) else {
            continue;
        };
        total += 1;
        if total > MAX_ADDRESSES {
            continue;
        }
        let ready = publishes_unready(service) || is_ready(pod);
        let mut address = json!({"ip": ip, "targetRef": target_ref(pod)});
        let node_name = text(pod, "/spec/nodeName");
        if !node_name.is_empty() {
            put(&mut address, &["nodeName"], node_name.into());
        }
        if let Some(hostname) = hostname(service, pod) {
            put(&mut address, &["hostname"], hostname.into());
        }
        let mut ports: Vec<Option<Value>> = ports(service, pod)
            .into_iter()
            .map(|port| Some(without_empty_name(port)))
            .collect();
        if super::list(service, "/spec/ports").is_empty() {
            ports.push(None);
        }
        for port in ports {
            let text = port.as_ref().map(Value::to_string).unwrap_or_default();
            let entry = by_port.entry(text).or_insert_with(|| (port, Addresses::new()));
            entry.1.insert(ip.to_owned(), (ready, address.clone()));
        }
    }
    let mut packed: Vec<(Vec<Value>, Addresses)> = Vec::new();
    for (port, addresses) in by_port.into_values() {
        match packed.iter_mut().find(|(_, have)| *have == addresses) {
            Some((ports, _)) => ports.extend(port),
            None => packed.push((port.into_iter().collect(), addresses)),
        }
    }
    let subsets: Vec<Value> = packed.into_iter().map(subset).collect();
    let subsets = if subsets.is_empty() {
        Value::Null
    } else {
        Value::Array(subsets)
    };
    (subsets, total > MAX_ADDRESSES)
}

fn subset((ports, addresses): (Vec<Value>, Addresses)) -> Value {
    let mut subset = json!({});
    let (ready, unready): (Vec<_>, Vec<_>) = addresses.into_values().partition(|(ready, _)| *ready);
    for (field, addresses) in [("addresses", ready), ("notReadyAddresses", unready)] {
        if !addresses.is_empty() {
            let addresses: Vec<Value> = addresses.into_iter().map(|(_, address)| address).collect();
            put(&mut subset, &[field], addresses.into());
        }
    }
    if !ports.is_empty() {
        put(&mut subset, &["ports"], ports.into());
    }
    subset
}

fn without_empty_name(mut port: Value) -> Value {
    if text(&port, "/name").is_empty() {
        super::super::object::drop_key(&mut port, "", "name");
    }
    port
}
