//! EndpointSlices: at most a hundred endpoints a slice, one set of ports a slice, as little change as possible.
//!
//! Must not know: the older Endpoints.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::super::expect::Expectations;
use super::super::object::{is_deleting, key_of, label, list, name, namespace, owned_by, put, same, text, uid};
use super::super::pods::{clip, is_ready, is_terminal};
use super::super::selector::Selector;
use super::super::{Change, Controller, Kind, ObjectKey, Outcome, Pass, View, Write};
use super::{addresses, hostname, labels, ports, publishes_unready, selector_of, services_of, target_ref};
use crate::world::kube::api_error::ApiError;

const SERVICE_NAME: &str = "kubernetes.io/service-name";
const MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";
const MANAGER: &str = "endpointslice-controller.k8s.io";
/// `--max-endpoints-per-slice`
const MAX_ENDPOINTS: usize = 100;

/// Keeps EndpointSlices.
#[derive(Debug, Default)]
pub struct EndpointSlices {
    expected: Expectations,
}

impl Controller for EndpointSlices {
    fn name(&self) -> &'static str {
        "endpointslice-controller"
    }

    fn watches(&self) -> &'static [Kind] {
        &[Kind::SERVICE, Kind::POD, Kind::NODE, Kind::ENDPOINT_SLICE]
    }

    fn keys_for(&self, change: &Change, view: &View) -> Vec<ObjectKey> {
        if change.kind != Kind::ENDPOINT_SLICE {
            return services_of(change, view);
        }
        let slice = change
            .latest()
            .filter(|slice| label(slice, MANAGED_BY) == Some(MANAGER));
        let service = slice.and_then(|slice| label(slice, SERVICE_NAME));
        service
            .map(|service| ObjectKey::new(change.key.namespace.as_str(), service))
            .into_iter()
            .collect()
    }

    fn reconcile(&mut self, key: &ObjectKey, pass: &Pass<'_>) -> Outcome {
        let service = pass
            .view
            .get(Kind::SERVICE, key)
            .filter(|service| !is_deleting(service));
        let Some((service, selector)) = service.and_then(|service| Some((service, selector_of(service)?))) else {
            self.expected.forget(key);
            return Outcome::nothing();
        };
        if !self.expected.met(key, Kind::ENDPOINT_SLICE, pass.view, pass.now) {
            return Outcome::nothing();
        }
        let members = pass.view.selected(Kind::POD, &key.namespace, &selector);
        let own = json!({SERVICE_NAME: key.name, MANAGED_BY: MANAGER});
        let held = pass
            .view
            .selected(Kind::ENDPOINT_SLICE, &key.namespace, &Selector::from_labels(&own));
        let held: Vec<&Arc<Value>> = held
            .into_iter()
            .map(|(_, slice)| slice)
            .filter(|slice| !is_deleting(slice))
            .collect();
        let mut outcome = Outcome::nothing();
        let families = list(service, "/spec/ipFamilies");
        let has = |family: &str| families.iter().any(|have| have.as_str() == Some(family));
        for (family, v6, wanted) in [
            ("IPv4", false, has("IPv4") || families.is_empty()),
            ("IPv6", true, has("IPv6")),
        ] {
            let slices = held
                .iter()
                .copied()
                .filter(|slice| text(slice, "/addressType") == family);
            let slices: Vec<&Arc<Value>> = slices.collect();
            if wanted {
                let groups = grouped(service, members.iter().map(|(_, pod)| &***pod), v6, pass.view);
                outcome
                    .writes
                    .extend(Fit { service, family, pass }.fit(groups, &slices));
            } else {
                outcome.writes.extend(slices.into_iter().map(|slice| delete(slice)));
            }
        }
        for write in &outcome.writes {
            if let Write::Create { object, .. } = write {
                self.expected.creation(key, key_of(object), pass.now);
            }
        }
        outcome.rest = super::super::write::rest_for(members.len());
        outcome
    }

    fn failed(&mut self, key: &ObjectKey, _write: &Write, _error: &ApiError) {
        self.expected.forget(key);
    }
}

/// Endpoints by the text of their ports.
type Groups = BTreeMap<String, (Value, Vec<Value>)>;

fn grouped<'a>(service: &Value, members: impl Iterator<Item = &'a Value>, v6: bool, view: &View) -> Groups {
    let mut groups = Groups::new();
    for pod in members {
        let ips = addresses(pod, v6);
        if ips.is_empty() || is_terminal(pod) {
            continue;
        }
        let Some(endpoint) = endpoint(service, pod, &ips, view) else {
            continue;
        };
        let ports = ports(service, pod);
        let ports = if ports.is_empty() {
            Value::Null
        } else {
            Value::Array(ports)
        };
        let group = groups.entry(ports.to_string()).or_insert_with(|| (ports, Vec::new()));
        group.1.push(endpoint);
    }
    groups
}

/// None: the pod's node is not known, and so the pod is left out, as the real controller does.
fn endpoint(service: &Value, pod: &Value, ips: &[&str], view: &View) -> Option<Value> {
    let (serving, terminating) = (is_ready(pod), is_deleting(pod));
    let ready = publishes_unready(service) || (serving && !terminating);
    let mut endpoint = json!({
        "addresses": ips,
        "conditions": {"ready": ready, "serving": serving, "terminating": terminating},
        "targetRef": target_ref(pod),
    });
    if let Some(hostname) = hostname(service, pod) {
        put(&mut endpoint, &["hostname"], hostname.into());
    }
    let node_name = text(pod, "/spec/nodeName");
    if !node_name.is_empty() {
        let node = view.named(Kind::NODE, node_name)?;
        put(&mut endpoint, &["nodeName"], node_name.into());
        if let Some(zone) = label(node, super::ZONE) {
            put(&mut endpoint, &["zone"], zone.into());
        }
    }
    Some(endpoint)
}

struct Fit<'a> {
    service: &'a Value,
    family: &'static str,
    pass: &'a Pass<'a>,
}

impl Fit<'_> {
    /// The writes that make slices hold these endpoints. Endpoints stay in the slice where they are.
    fn fit(&self, mut groups: Groups, slices: &[&Arc<Value>]) -> Vec<Write> {
        let placeholder = groups.is_empty();
        if placeholder {
            groups.insert(String::new(), (Value::Null, Vec::new()));
        }
        let mut writes = Vec::new();
        let mut left: Vec<&Arc<Value>> = slices.to_vec();
        for (ports, endpoints) in groups.into_values() {
            let (mine, others): (Vec<_>, Vec<_>) = left
                .into_iter()
                .partition(|slice| placeholder || same(slice.get("ports").unwrap_or(&Value::Null), &ports));
            left = others;
            writes.extend(self.fit_group(&ports, endpoints, &mine, placeholder));
        }
        writes.extend(left.into_iter().map(|slice| delete(slice)));
        writes
    }

    fn fit_group(&self, ports: &Value, endpoints: Vec<Value>, slices: &[&Arc<Value>], placeholder: bool) -> Vec<Write> {
        let mut fresh: BTreeMap<String, Value> = BTreeMap::new();
        for endpoint in endpoints {
            fresh.insert(text(&endpoint, "/targetRef/uid").to_owned(), endpoint);
        }
        let mut filled: Vec<(&Arc<Value>, Vec<Value>)> = Vec::new();
        for slice in slices {
            let held = list(slice, "/endpoints").iter();
            let kept = held.filter_map(|endpoint| fresh.remove(text(endpoint, "/targetRef/uid")));
            filled.push((slice, kept.collect()));
        }
        let mut fresh: Vec<Value> = fresh.into_values().collect();
        fresh.sort_by(|a, b| text(a, "/targetRef/name").cmp(text(b, "/targetRef/name")));
        let mut fresh = fresh.into_iter();
        for (_, endpoints) in &mut filled {
            if !endpoints.is_empty() || filled_alone(slices) {
                endpoints.extend(fresh.by_ref().take(MAX_ENDPOINTS.saturating_sub(endpoints.len())));
            }
        }
        let mut writes = Vec::new();
        let mut kept_one = false;
        for (slice, endpoints) in filled {
            let wanted = self.slice(ports, endpoints);
            if list(&wanted, "/endpoints").is_empty() && (!placeholder || kept_one) {
                writes.push(delete(slice));
                continue;
            }
            kept_one = true;
            writes.extend(update(slice, &wanted));
        }
        loop {
            let endpoints: Vec<Value> = fresh.by_ref().take(MAX_ENDPOINTS).collect();
            let needed = placeholder && !kept_one;
            if endpoints.is_empty() && !needed {
                return writes;
            }
            kept_one = true;
            let kind = Kind::ENDPOINT_SLICE;
            let object = self.named(self.slice(ports, endpoints));
            writes.push(Write::Create { kind, object });
        }
    }

    fn slice(&self, ports: &Value, endpoints: Vec<Value>) -> Value {
        let endpoints = if endpoints.is_empty() {
            Value::Null
        } else {
            Value::Array(endpoints)
        };
        let own = [(SERVICE_NAME, name(self.service)), (MANAGED_BY, MANAGER)];
        json!({
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "namespace": namespace(self.service),
                "labels": labels(self.service, &own),
                "ownerReferences": [owned_by(Kind::SERVICE, self.service)],
            },
            "addressType": self.family,
            "endpoints": endpoints,
            "ports": ports,
        })
    }

    fn named(&self, mut slice: Value) -> Value {
        let generate_name = format!("{}-", clip(name(self.service), 57));
        let slice_name = format!("{generate_name}{}", self.pass.entropy.suffix(5));
        put(&mut slice, &["metadata", "generateName"], generate_name.into());
        put(&mut slice, &["metadata", "name"], slice_name.into());
        slice
    }
}

/// One slice may be refilled even when all that it held is gone.
fn filled_alone(slices: &[&Arc<Value>]) -> bool {
    slices.len() == 1
}

fn update(slice: &Value, wanted: &Value) -> Option<Write> {
    let at = |object: &Value, pointer: &str| object.pointer(pointer).cloned().unwrap_or_default();
    let differs = ["/metadata/labels", "/endpoints", "/ports"]
        .iter()
        .any(|field| !same(&at(slice, field), &at(wanted, field)));
    differs.then(|| {
        let mut object = slice.clone();
        put(&mut object, &["metadata", "labels"], at(wanted, "/metadata/labels"));
        put(&mut object, &["endpoints"], at(wanted, "/endpoints"));
        put(&mut object, &["ports"], at(wanted, "/ports"));
        let kind = Kind::ENDPOINT_SLICE;
        Write::Update { kind, object }
    })
}

fn delete(slice: &Value) -> Write {
    Write::Delete {
        kind: Kind::ENDPOINT_SLICE,
        key: key_of(slice),
        uid: Some(uid(slice).to_owned()),
        grace_secs: None,
        propagation: None,
    }
}
