//! What a create or an update may touch: who owns status, when `metadata.generation` moves, what is generated.
//!
//! Knows the server's strategies by kind; validation comes after it, defaulting before.

mod claim;
mod pod;

use serde_json::{Value, json};

use super::json::{self, NULL, Object, child, ensure, fill, fill_absent};
use super::kind::Kind;
use crate::world::kube::resources::{Gvk, Subresource};

/// The annotation that holds a DaemonSet's old `templateGeneration`.
const TEMPLATE_GENERATION: &str = "deprecated.daemonset.template.generation";

/// Makes a new object what the server stores: status reset, generation 1, generated fields. `metadata.uid` and
/// `metadata.name` must be set already (a Job's selector is made from them).
pub fn prepare_create(gvk: &Gvk, object: &mut Value) {
    let Some(kind) = Kind::of(gvk) else { return };
    let Some(root) = object.as_object_mut() else { return };
    if kind.has_generation()
        && let Some(metadata) = ensure(root, "metadata")
    {
        metadata.insert("generation".to_owned(), 1.into());
    }
    // A kubelet registers its node with a status.
    if kind != Kind::Node
        && let Some(zero) = kind.zero_status()
    {
        root.insert("status".to_owned(), zero);
    }
    match kind {
        Kind::Pod => pod::new_pod(root),
        Kind::Job => new_job(root),
        Kind::Namespace => new_namespace(root),
        Kind::Service => follow_first_address(root, &NULL),
        Kind::PersistentVolume => {
            if let Some(created) = created(root)
                && let Some(status) = child(root, "status")
            {
                status.insert("lastPhaseTransitionTime".to_owned(), created);
            }
        }
        Kind::PersistentVolumeClaim => claim::follow_source(root),
        Kind::ApiService => local_api(root),
        Kind::DaemonSet => {
            if let Some(annotations) = ensure(root, "metadata").and_then(|metadata| ensure(metadata, "annotations")) {
                annotations.insert(TEMPLATE_GENERATION.to_owned(), "1".into());
            }
        }
        _ => {}
    }
}

/// When the object was created, as far as the server has said.
fn created(root: &Object) -> Option<Value> {
    let metadata = root.get("metadata")?;
    metadata
        .get("creationTimestamp")
        .filter(|time| time.is_string())
        .cloned()
}

/// An API without a service behind it is the server's own, and up.
fn local_api(root: &mut Object) {
    let local = root.get("spec").is_none_or(|spec| !json::has(spec, "service"));
    let now = created(root).unwrap_or(Value::Null);
    if let Some(status) = child(root, "status").filter(|_| local) {
        let condition = json!([{
            "type": "Available", "status": "True", "lastTransitionTime": now, "reason": "Local",
            "message": "Local APIServices are always available",
        }]);
        status.insert("conditions".to_owned(), condition);
    }
}

fn new_namespace(root: &mut Object) {
    let Some(spec) = ensure(root, "spec") else { return };
    fill_absent(spec, "finalizers", json!([]));
    if let Some(finalizers) = spec.get_mut("finalizers").and_then(Value::as_array_mut)
        && !finalizers.iter().any(|finalizer| finalizer == "kubernetes")
    {
        finalizers.push("kubernetes".into());
    }
}

/// Labels and selector that tie a Job's pods to it, unless the user manages the selector.
fn new_job(root: &mut Object) {
    let metadata = root.get("metadata").cloned().unwrap_or_default();
    let (name, uid) = (
        json::get(&metadata, "name").clone(),
        json::get(&metadata, "uid").clone(),
    );
    let Some(spec) = child(root, "spec") else { return };
    if spec.get("manualSelector") == Some(&Value::Bool(true)) {
        return;
    }
    let template = ensure(spec, "template").and_then(|template| ensure(template, "metadata"));
    let Some(labels) = template.and_then(|metadata| ensure(metadata, "labels")) else {
        return;
    };
    for key in ["job-name", "batch.kubernetes.io/job-name"] {
        fill_absent(labels, key, name.clone());
    }
    for key in ["controller-uid", "batch.kubernetes.io/controller-uid"] {
        fill_absent(labels, key, uid.clone());
    }
    let labels = labels.clone();
    if let Some(wanted) = ensure(spec, "selector").and_then(|selector| ensure(selector, "matchLabels")) {
        fill_absent(wanted, "batch.kubernetes.io/controller-uid", uid);
    }
    // In the real server a Job without labels of its own shares the template's map, generated ones included.
    let given = json::get(&metadata, "labels").as_object();
    let copied = given.is_none_or(|own| own.iter().all(|(key, value)| labels.get(key) == Some(value)));
    if copied && let Some(metadata) = child(root, "metadata") {
        metadata.insert("labels".to_owned(), labels.into());
    }
}

/// Makes an updated object what the server stores: what this write may not touch comes from `old`, and the generation
/// moves when the desired state did.
pub fn prepare_update(gvk: &Gvk, sub: Option<Subresource>, new: &mut Value, old: &Value) {
    let kind = Kind::of(gvk);
    let Some(root) = new.as_object_mut() else { return };
    keep_identity(root, old);
    let Some(kind) = kind else { return };
    match sub {
        Some(Subresource::Status) => status_write(kind, root, old),
        Some(Subresource::Finalize) => keep(root, old, "status"),
        Some(Subresource::Approval) => {
            keep(root, old, "spec");
            let conditions = root.get("status").map(|status| json::get(status, "conditions").clone());
            keep(root, old, "status");
            if let (Some(conditions), Some(status)) = (conditions, ensure(root, "status")) {
                status.insert("conditions".to_owned(), conditions);
            }
        }
        Some(Subresource::EphemeralContainers) => pod::ephemeral_write(root, old),
        Some(Subresource::Resize) => pod::resize_write(root, old),
        _ => spec_write(kind, root, old),
    }
}

/// What no update changes: uid, creation time and, once set, the deletion; the generation is the server's.
fn keep_identity(root: &mut Object, old: &Value) {
    let before = json::get(old, "metadata");
    let Some(metadata) = ensure(root, "metadata") else {
        return;
    };
    // A wrong uid is a conflict that the store answers; a wrong creation time is ignored.
    if let Some(uid) = before.get("uid") {
        fill(metadata, "uid", uid.clone());
    }
    copy(metadata, before, "creationTimestamp");
    for key in ["deletionTimestamp", "deletionGracePeriodSeconds"] {
        if let Some(value) = before.get(key) {
            fill_absent(metadata, key, value.clone());
        }
    }
    copy(metadata, before, "generation");
}

fn copy(target: &mut Object, source: &Value, key: &str) {
    match source.get(key) {
        Some(value) => {
            target.insert(key.to_owned(), value.clone());
        }
        None => {
            target.remove(key);
        }
    }
}

fn keep(root: &mut Object, old: &Value, key: &str) {
    copy(root, old, key);
}

fn status_write(kind: Kind, root: &mut Object, old: &Value) {
    keep(root, old, "spec");
    let before = json::get(old, "metadata");
    match kind {
        Kind::Deployment => {
            if let Some(metadata) = ensure(root, "metadata") {
                copy(metadata, before, "labels");
            }
        }
        Kind::Pod => {
            if let Some(metadata) = ensure(root, "metadata") {
                copy(metadata, before, "ownerReferences");
            }
            if let Some(status) = ensure(root, "status")
                && let Some(class) = json::at(old, &["status", "qosClass"]).as_str()
            {
                fill(status, "qosClass", class);
            }
        }
        Kind::VolumeAttachment | Kind::ApiService | Kind::ValidatingAdmissionPolicy => reset_metadata(root, before),
        Kind::PersistentVolume => {
            if let Some(status) = ensure(root, "status") {
                let time = json::at(old, &["status", "lastPhaseTransitionTime"]);
                if !time.is_null() {
                    fill_absent(status, "lastPhaseTransitionTime", time.clone());
                }
            }
        }
        _ => {}
    }
}

/// Labels, annotations, finalizers and owners stay as they were.
fn reset_metadata(root: &mut Object, before: &Value) {
    let Some(metadata) = ensure(root, "metadata") else {
        return;
    };
    for key in ["labels", "annotations", "finalizers", "ownerReferences"] {
        copy(metadata, before, key);
    }
}

fn spec_write(kind: Kind, root: &mut Object, old: &Value) {
    if kind.has_status_subresource() {
        keep(root, old, "status");
    }
    match kind {
        Kind::PersistentVolumeClaim => claim::follow_source(root),
        Kind::Deployment => {
            let annotations = |value: Option<&Value>| value.map(|metadata| json::get(metadata, "annotations").clone());
            let (new, before) = (annotations(root.get("metadata")), annotations(old.get("metadata")));
            let changed = !json::same(&new.unwrap_or_default(), &before.unwrap_or_default());
            bump(root, old, changed || differs(root, old, "spec"));
        }
        Kind::DaemonSet => daemon_set_write(root, old),
        Kind::EndpointSlice => {
            let labels = |value: Option<&Value>| value.map(|metadata| json::get(metadata, "labels").clone());
            let (new, before) = (labels(root.get("metadata")), labels(old.get("metadata")));
            let moved = ["endpoints", "ports", "addressType"]
                .iter()
                .any(|key| differs(root, old, key));
            bump(
                root,
                old,
                moved || !json::same(&new.unwrap_or_default(), &before.unwrap_or_default()),
            );
        }
        Kind::MutatingWebhookConfiguration | Kind::ValidatingWebhookConfiguration => {
            bump_when(root, old, &["webhooks"]);
        }
        Kind::PodTemplate => bump_when(root, old, &["template"]),
        Kind::PriorityClass => {}
        Kind::Namespace => {
            let finalizers = json::at(old, &["spec", "finalizers"]).clone();
            if let Some(spec) = ensure(root, "spec") {
                if finalizers.is_null() {
                    spec.remove("finalizers");
                } else {
                    spec.insert("finalizers".to_owned(), finalizers);
                }
            }
        }
        Kind::CertificateSigningRequest => keep(root, old, "spec"),
        Kind::Pod => pod::pod_write(root, old),
        Kind::Service => service_write(root, old),
        Kind::Secret => {
            if let Some(kind) = old.get("type") {
                fill(root, "type", kind.clone());
            }
        }
        _ if kind.has_generation() => bump_when(root, old, &["spec"]),
        _ => {}
    }
}

/// `clusterIP` and the first of `clusterIPs` are one field: a client that writes one of them means both.
fn follow_first_address(root: &mut Object, old: &Value) {
    let before = json::get(old, "spec");
    let Some(spec) = child(root, "spec") else { return };
    let one = |spec: &Object| {
        spec.get("clusterIP")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let (address, listed) = (one(spec), spec.get("clusterIPs").unwrap_or(&NULL));
    let changed = address != json::text(before, "clusterIP");
    let list_changed = !json::same(listed, json::get(before, "clusterIPs"));
    if changed && !list_changed {
        if address.is_empty() {
            spec.remove("clusterIPs");
        } else {
            spec.insert("clusterIPs".to_owned(), json!([address]));
        }
    } else if !changed && list_changed {
        match listed.get(0).filter(|first| first.is_string()).cloned() {
            Some(first) => drop(spec.insert("clusterIP".to_owned(), first)),
            None => drop(spec.remove("clusterIP")),
        }
    }
}

/// An update that leaves the allocated fields out keeps them (`patchAllocatedValues`).
/// What only a Service that is reached from outside has, if the writer just left it as it was.
fn drop_outside_access(spec: &mut Object, before: &Value) {
    let used = json::list(before, "ports");
    for (index, port) in json::each(spec, "ports").enumerate() {
        if port.get("nodePort") == used.get(index).and_then(|port| port.get("nodePort")) {
            port.remove("nodePort");
        }
    }
    for key in [
        "externalTrafficPolicy",
        "healthCheckNodePort",
        "allocateLoadBalancerNodePorts",
        "loadBalancerClass",
    ] {
        if spec.get(key) == before.get(key) {
            spec.remove(key);
        }
    }
}

fn service_write(root: &mut Object, old: &Value) {
    follow_first_address(root, old);
    let before = json::get(old, "spec");
    let needs_ip = |kind: &str| kind != "ExternalName";
    let needs_port = |kind: &str| matches!(kind, "NodePort" | "LoadBalancer");
    let Some(spec) = ensure(root, "spec") else { return };
    let kind = spec
        .get("type")
        .and_then(Value::as_str)
        .unwrap_or("ClusterIP")
        .to_owned();
    if needs_ip(&kind) && needs_ip(json::text(before, "type")) {
        for key in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
            if let Some(value) = before.get(key) {
                fill(spec, key, value.clone());
            }
        }
    } else if !needs_ip(&kind) {
        for key in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
            if spec.get(key) == before.get(key) {
                spec.remove(key);
            }
        }
    }
    if !needs_port(&kind) && needs_port(json::text(before, "type")) {
        drop_outside_access(spec, before);
    }
    if needs_port(&kind) && needs_port(json::text(before, "type")) {
        let used = json::list(before, "ports");
        for port in json::each(spec, "ports") {
            let same = |old: &&Value| {
                json::get(old, "port") == port.get("port").unwrap_or(&NULL)
                    && json::get(old, "protocol") == port.get("protocol").unwrap_or(&NULL)
            };
            if let Some(number) = used.iter().find(same).and_then(|old| old.get("nodePort")) {
                fill_absent(port, "nodePort", number.clone());
            }
        }
    }
}

fn daemon_set_write(root: &mut Object, old: &Value) {
    let count = json::at(old, &["metadata", "annotations", TEMPLATE_GENERATION]).as_str();
    let count = count.and_then(|count| count.parse::<i64>().ok()).unwrap_or(1);
    let template = |spec: Option<&Value>| spec.map(|spec| json::get(spec, "template").clone()).unwrap_or_default();
    let changed = !json::same(&template(root.get("spec")), &template(old.get("spec")));
    let count = if changed { count.saturating_add(1) } else { count };
    if let Some(annotations) = ensure(root, "metadata").and_then(|metadata| ensure(metadata, "annotations")) {
        annotations.insert(TEMPLATE_GENERATION.to_owned(), count.to_string().into());
    }
    bump_when(root, old, &["spec"]);
}

fn differs(root: &Object, old: &Value, key: &str) -> bool {
    !json::same(root.get(key).unwrap_or(&NULL), json::get(old, key))
}

fn bump_when(root: &mut Object, old: &Value, keys: &[&str]) {
    let changed = keys.iter().any(|key| differs(root, old, key));
    bump(root, old, changed);
}

fn bump(root: &mut Object, old: &Value, changed: bool) {
    if !changed {
        return;
    }
    let generation = json::at(old, &["metadata", "generation"]).as_i64().unwrap_or(0);
    if let Some(metadata) = ensure(root, "metadata") {
        metadata.insert("generation".to_owned(), generation.saturating_add(1).into());
    }
}

/// Whether an update without `metadata.resourceVersion` is taken for this built-in kind (a server's
/// `AllowUnconditionalUpdate`). Custom resources never take it.
#[must_use]
pub fn allows_unconditional_update(gvk: &Gvk) -> bool {
    !matches!(
        Kind::of(gvk),
        Some(
            Kind::RuntimeClass
                | Kind::PodDisruptionBudget
                | Kind::CsiDriver
                | Kind::CsiNode
                | Kind::VolumeAttachment
                | Kind::Lease
                | Kind::ValidatingAdmissionPolicy
                | Kind::ValidatingAdmissionPolicyBinding
                | Kind::MutatingWebhookConfiguration
                | Kind::ValidatingWebhookConfiguration
                | Kind::ApiService
        )
    )
}

/// Whether an update of an object that does not exist creates it (a server's `AllowCreateOnUpdate`).
#[must_use]
pub fn allows_create_on_update(gvk: &Gvk) -> bool {
    matches!(
        Kind::of(gvk),
        Some(
            Kind::Role
                | Kind::RoleBinding
                | Kind::ClusterRole
                | Kind::ClusterRoleBinding
                | Kind::Lease
                | Kind::LimitRange
                | Kind::Event
                | Kind::Service
                | Kind::Endpoints
                | Kind::RuntimeClass
        )
    )
}
