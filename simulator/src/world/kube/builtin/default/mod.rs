//! What the server writes into objects of built-in kinds that the client left out.
//!
//! Knows the defaults of 1.36. Objects come in the form that decoding gives them (`schema::TypeSchema::normalize`):
//! nulls and empty lists gone, quantities canonical. Knows no admission plug-in (see `admit`) and no store.

mod access;
mod network;
mod pod;
mod storage;
mod volumes;
mod workloads;

use serde_json::{Value, json};

use super::json::{Object, child, each, ensure, fill, fill_absent, fill_all};
use super::kind::Kind;
use super::quantity::Quantity;
use crate::world::kube::resources::Gvk;

/// Writes the defaults of its kind into a decoded `object`. Doing it twice changes nothing.
pub fn default(gvk: &Gvk, object: &mut Value) {
    let Some(kind) = Kind::of(gvk) else { return };
    let Some(root) = object.as_object_mut() else { return };
    apply(kind, root);
    if let Some(zero) = kind.zero_status()
        && let Some(status) = ensure(root, "status")
    {
        fill_all(status, &zero);
    }
}

fn apply(kind: Kind, root: &mut Object) {
    match kind {
        Kind::Pod => pod::pod(root),
        Kind::PodTemplate => pod::template(root, "template"),
        Kind::Deployment => workloads::deployment(root),
        Kind::ReplicaSet => workloads::replica_set(root),
        Kind::ReplicationController => workloads::replication_controller(root),
        Kind::StatefulSet => workloads::stateful_set(root),
        Kind::DaemonSet => workloads::daemon_set(root),
        Kind::Job => workloads::job(root),
        Kind::CronJob => workloads::cron_job(root),
        Kind::Service => network::service(root),
        Kind::Endpoints => network::endpoints(root),
        Kind::EndpointSlice => network::endpoint_slice(root),
        Kind::IngressClass => network::ingress_class(root),
        Kind::NetworkPolicy => network::network_policy(root),
        Kind::PersistentVolumeClaim => storage::claim(root),
        Kind::PersistentVolume => storage::volume(root),
        Kind::StorageClass => storage::class(root),
        Kind::CsiDriver => storage::csi_driver(root),
        Kind::CsiNode => storage::csi_node(root),
        Kind::Secret => secret(root),
        Kind::Namespace => namespace(root),
        Kind::Node => node(root),
        Kind::LimitRange => limit_range(root),
        Kind::Event => event(root),
        Kind::Lease => {
            ensure(root, "spec");
        }
        Kind::HorizontalPodAutoscaler => workloads::autoscaler(root),
        Kind::PriorityClass => fill_absent(root, "preemptionPolicy", "PreemptLowerPriority"),
        Kind::Role | Kind::ClusterRole => fill_absent(root, "rules", Value::Null),
        Kind::RoleBinding | Kind::ClusterRoleBinding => access::role_binding(root),
        Kind::ValidatingWebhookConfiguration => access::webhooks(root, false),
        Kind::MutatingWebhookConfiguration => access::webhooks(root, true),
        Kind::ValidatingAdmissionPolicy => access::admission_policy(root),
        Kind::ValidatingAdmissionPolicyBinding => access::admission_binding(root),
        Kind::ApiService => access::api_service(root),
        Kind::ConfigMap
        | Kind::ControllerRevision
        | Kind::CertificateSigningRequest
        | Kind::Ingress
        | Kind::PodDisruptionBudget
        | Kind::ResourceQuota
        | Kind::RuntimeClass
        | Kind::ServiceAccount
        | Kind::VolumeAttachment => {}
    }
}

/// `stringData` is written into `data` (base64) and vanishes; the type defaults to Opaque.
fn secret(root: &mut Object) {
    fill(root, "type", "Opaque");
    let Some(Value::Object(texts)) = root.remove("stringData") else {
        return;
    };
    if texts.is_empty() {
        return;
    }
    let Some(data) = ensure(root, "data") else { return };
    for (key, text) in &texts {
        let encoded = super::base64::encode(text.as_str().unwrap_or_default().as_bytes());
        data.insert(key.clone(), encoded.into());
    }
}

/// The label with the namespace's own name, which selectors use.
fn namespace(root: &mut Object) {
    ensure(root, "spec");
    let Some(metadata) = ensure(root, "metadata") else {
        return;
    };
    let Some(name) = metadata.get("name").filter(|name| **name != "").cloned() else {
        return;
    };
    if let Some(labels) = ensure(metadata, "labels") {
        labels.insert("kubernetes.io/metadata.name".to_owned(), name);
    }
}

fn node(root: &mut Object) {
    if let Some(spec) = ensure(root, "spec") {
        // The first of podCIDRs and podCIDR are one field; the older name wins.
        if let Some(cidr) = spec.get("podCIDR").filter(|cidr| cidr.is_string()).cloned()
            && spec.get("podCIDRs").and_then(|list| list.get(0)) != Some(&cidr)
        {
            spec.insert("podCIDRs".to_owned(), vec![cidr].into());
        }
    }
    let Some(status) = ensure(root, "status") else { return };
    round_amounts(status, &["capacity", "allocatable"]);
    if let Some(capacity) = status.get("capacity").cloned() {
        fill_absent(status, "allocatable", capacity);
    }
    // Both are structs that Go always writes; what the client gave of them stays.
    let zero = Kind::Node.zero_status().unwrap_or_default();
    for name in ["daemonEndpoints", "nodeInfo"] {
        if let (Some(part), Some(zero)) = (ensure(status, name), zero.get(name)) {
            fill_all(part, zero);
        }
    }
}

fn limit_range(root: &mut Object) {
    let Some(spec) = child(root, "spec") else { return };
    for item in each(spec, "limits") {
        round_amounts(
            item,
            &["max", "min", "default", "defaultRequest", "maxLimitRequestRatio"],
        );
        if item.get("type").is_none_or(|kind| kind != "Container") {
            continue;
        }
        for (from, to) in [
            ("max", "default"),
            ("default", "defaultRequest"),
            ("min", "defaultRequest"),
        ] {
            let Some(given) = item.get(from).filter(|given| given.is_object()).cloned() else {
                continue;
            };
            if let Some(target) = ensure(item, to) {
                fill_all(target, &given);
            }
        }
    }
}

/// Amounts in resource lists are stored in whole thousandths, rounded up.
fn round_amounts(holder: &mut Object, lists: &[&str]) {
    for list in lists {
        let Some(amounts) = child(holder, list) else { continue };
        for value in amounts.values_mut() {
            // Canonical texts below a thousandth end in n (nano) or u (micro); all others pass without parsing.
            let Some(text) = value.as_str().filter(|text| text.ends_with(['n', 'u'])) else {
                continue;
            };
            if let Ok(amount) = Quantity::parse(text) {
                *value = amount.rounded_to_milli().to_string().into();
            }
        }
    }
}

/// Go writes these fields of an Event even when they are unset.
fn event(root: &mut Object) {
    // Both groups serve the same object; events.k8s.io has names of its own for some fields.
    let unset = if root.contains_key("regarding") || root.contains_key("reportingController") {
        json!({"eventTime": null, "deprecatedSource": {}})
    } else {
        json!({
            "source": {}, "firstTimestamp": null, "lastTimestamp": null, "eventTime": null,
            "reportingComponent": "", "reportingInstance": "",
        })
    };
    fill_all(root, &unset);
}
