//! What the server warns about in objects that it takes; it sends each as a `Warning` header.
//!
//! Knows the warnings of 1.36 that users meet; objects must be defaulted first.

mod pod;

use serde_json::Value;

use super::kind::Kind;
use super::quantity::Quantity;
use super::{formats, json};
use crate::world::kube::resources::Gvk;

/// The warnings for a new or updated object, in the server's order.
#[must_use]
pub fn warnings(gvk: &Gvk, object: &Value) -> Vec<String> {
    let Some(kind) = Kind::of(gvk) else {
        return Vec::new();
    };
    let mut said = Vec::new();
    let spec = json::get(object, "spec");
    match kind {
        Kind::Pod => {
            dotted_name(&mut said, object, "the Pod's hostname");
            pod::pod(&mut said, "", object);
        }
        Kind::Deployment | Kind::ReplicaSet | Kind::ReplicationController => {
            dotted_name(&mut said, object, "Pod names and hostnames");
            pod::pod(&mut said, "spec.template.", json::get(spec, "template"));
        }
        Kind::DaemonSet => pod::pod(&mut said, "spec.template.", json::get(spec, "template")),
        Kind::Job => {
            dotted_name(&mut said, object, "Pod names and hostnames");
            pod::pod(&mut said, "spec.template.", json::get(spec, "template"));
        }
        Kind::CronJob => {
            dotted_name(&mut said, object, "Pod names and hostnames");
            let template = json::at(spec, &["jobTemplate", "spec", "template"]);
            pod::pod(&mut said, "spec.jobTemplate.spec.template.", template);
        }
        Kind::PodTemplate => pod::pod(&mut said, "template.", json::get(object, "template")),
        Kind::StatefulSet => stateful_set(&mut said, spec),
        Kind::Service => service(&mut said, object, spec),
        Kind::Ingress => {
            let key = "kubernetes.io/ingress.class";
            if annotated(object, key) {
                said.push(format!(
                    "annotation {key:?} is deprecated, please use 'spec.ingressClassName' instead"
                ));
            }
        }
        Kind::PersistentVolume => volume(&mut said, object, spec),
        Kind::PersistentVolumeClaim => {
            storage_class_annotation(&mut said, object);
            fractional_storage(&mut said, "spec", spec);
        }
        Kind::StorageClass => storage_class(&mut said, object),
        Kind::ServiceAccount => {
            let key = "kubernetes.io/enforce-mountable-secrets";
            if annotated(object, key) {
                said.push(format!(
                    "metadata.annotations[{key}]: deprecated in v1.32+; prefer separate namespaces to isolate access to \
                     mounted secrets"
                ));
            }
        }
        Kind::EndpointSlice if json::text(object, "addressType") == "FQDN" => {
            said.push("spec.addressType: FQDN endpoints are deprecated".to_owned());
        }
        _ => {}
    }
    said
}

fn annotated(object: &Value, key: &str) -> bool {
    !json::at(object, &["metadata", "annotations", key]).is_null()
}

/// A name that is no DNS label makes odd host names.
fn dotted_name(said: &mut Vec<String>, object: &Value, used_in: &str) {
    let name = json::at(object, &["metadata", "name"]).as_str().unwrap_or_default();
    let wrong = formats::dns1123_label(name);
    if !wrong.is_empty() {
        said.push(format!(
            "metadata.name: this is used in {used_in}, which can result in surprising behavior; a DNS label is \
             recommended: [{}]",
            wrong.join(" ")
        ));
    }
}

fn stateful_set(said: &mut Vec<String>, spec: &Value) {
    pod::pod(said, "spec.template.", json::get(spec, "template"));
    for (index, claim) in json::list(spec, "volumeClaimTemplates").iter().enumerate() {
        fractional_storage(
            said,
            &format!("spec.volumeClaimTemplates[{index}]"),
            json::get(claim, "spec"),
        );
    }
    if json::int(spec, "revisionHistoryLimit").is_some_and(|limit| limit < 0) {
        said.push(
            "spec.revisionHistoryLimit: a negative value retains all historical revisions; a value >= 0 is recommended"
                .to_owned(),
        );
    }
}

fn fractional_storage(said: &mut Vec<String>, path: &str, spec: &Value) {
    for list in ["requests", "limits"] {
        let value = json::at(spec, &["resources", list, "storage"]);
        fractional(said, || format!("{path}.resources.{list}[storage]"), value);
    }
}

/// Bytes come in whole numbers.
fn fractional(said: &mut Vec<String>, path: impl FnOnce() -> String, value: &Value) {
    if Quantity::from_value(value).is_some_and(|amount| !amount.is_whole()) {
        let shown = value.as_str().unwrap_or_default();
        said.push(format!(
            "{}: fractional byte value {shown:?} is invalid, must be an integer",
            path()
        ));
    }
}

fn service(said: &mut Vec<String>, object: &Value, spec: &Value) {
    let (old, new) = (
        "service.kubernetes.io/topology-aware-hints",
        "service.kubernetes.io/topology-mode",
    );
    if annotated(object, old) {
        said.push(format!("annotation {old} is deprecated, please use {new} instead"));
    }
    let by_name = json::text(spec, "type") == "ExternalName";
    let headless = json::text(spec, "clusterIP") == "None";
    let addresses = !json::list(spec, "externalIPs").is_empty();
    let mut add = |when: bool, text: &str| {
        if when {
            said.push(text.to_owned());
        }
    };
    let balanced = !json::text(spec, "loadBalancerIP").is_empty();
    add(
        headless && balanced,
        "spec.loadBalancerIP is ignored for headless services",
    );
    add(
        headless && addresses,
        "spec.externalIPs is ignored for headless services",
    );
    let sticky = json::text(spec, "sessionAffinity") != "None";
    add(
        headless && sticky,
        "spec.SessionAffinity is ignored for headless services",
    );
    let deprecated = "spec.externalIPs is deprecated and may no longer be implemented in some clusters";
    add(addresses && !headless && !by_name, deprecated);
    add(
        addresses && by_name,
        "spec.externalIPs is ignored when spec.type is \"ExternalName\"",
    );
    let named = !json::text(spec, "externalName").is_empty();
    add(
        named && !by_name,
        "spec.externalName is ignored when spec.type is not \"ExternalName\"",
    );
    let near = json::text(spec, "trafficDistribution") == "PreferClose";
    add(
        near,
        "spec.trafficDistribution: \"PreferClose\" is deprecated; use \"PreferSameZone\"",
    );
}

fn storage_class_annotation(said: &mut Vec<String>, object: &Value) {
    let key = "volume.beta.kubernetes.io/storage-class";
    if annotated(object, key) {
        said.push(format!(
            "metadata.annotations[{key}]: deprecated since v1.8; use \"storageClassName\" attribute instead"
        ));
    }
}

fn volume(said: &mut Vec<String>, object: &Value, spec: &Value) {
    storage_class_annotation(said, object);
    if json::text(spec, "persistentVolumeReclaimPolicy") == "Recycle" {
        said.push(
            "spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. Instead, the recommended \
             approach is to use dynamic provisioning."
                .to_owned(),
        );
    }
    let terms = json::list(json::at(spec, &["nodeAffinity", "required"]), "nodeSelectorTerms");
    pod::node_terms(said, "spec.nodeAffinity.required.nodeSelectorTerms", terms);
}

fn storage_class(said: &mut Vec<String>, object: &Value) {
    for (index, term) in json::list(object, "allowedTopologies").iter().enumerate() {
        for (at, one) in json::list(term, "matchLabelExpressions").iter().enumerate() {
            if let Some(why) = pod::deprecated_label(json::text(one, "key")) {
                said.push(format!(
                    "allowedTopologies[{index}].matchLabelExpressions[{at}].key: {why}"
                ));
            }
        }
    }
}
