//! Validation of built-in kinds, with the real server's texts in the real server's order.
//!
//! Knows the rules of 1.36 for what users get wrong; checks of features that the simulator does not have are left
//! out. Objects must be defaulted and prepared first.

mod access;
mod config;
mod containers;
mod cron;
mod environment;
mod go;
mod handlers;
mod job;
mod meta;
mod network;
mod pod;
mod pod_update;
mod policy;
mod problems;
mod ranges;
mod resources;
mod scheduling;
mod security;
mod service;
mod storage;
mod volumes;
mod workloads;

use serde_json::Value;

use self::problems::{Path, Problems};
use super::json;
use super::kind::Kind;
use crate::world::kube::api_error::FieldError;
use crate::world::kube::resources::{Gvk, Subresource};

pub use meta::{validate_object_meta, validate_object_meta_update};

/// Checks a new object.
#[must_use]
pub fn validate_create(gvk: &Gvk, object: &Value) -> Vec<FieldError> {
    let Some(kind) = Kind::of(gvk) else { return Vec::new() };
    let mut problems = Problems::default();
    let metadata = json::get(object, "metadata");
    meta::object_meta(&mut problems, kind.is_namespaced(), metadata, kind.name_rule());
    if !kind.is_loose_about_finalizers() {
        meta::builtin_finalizers(&mut problems, metadata);
    }
    whole(&mut problems, gvk, kind, object, None);
    if kind == Kind::Pod {
        pod::new_pod(&mut problems, object);
    }
    problems.into_errors()
}

/// Checks an updated object against the stored one.
#[must_use]
pub fn validate_update(gvk: &Gvk, sub: Option<Subresource>, new: &Value, old: &Value) -> Vec<FieldError> {
    let Some(kind) = Kind::of(gvk) else { return Vec::new() };
    let mut problems = Problems::default();
    meta::object_meta_update(&mut problems, json::get(new, "metadata"), json::get(old, "metadata"));
    match sub {
        Some(Subresource::Status) => status(&mut problems, kind, new, old),
        Some(Subresource::EphemeralContainers) => {
            pod::pod(&mut problems, new);
            pod_update::ephemeral(&mut problems, new, old);
        }
        Some(Subresource::Resize) => pod::pod(&mut problems, new),
        Some(Subresource::Finalize) => config::namespace(&mut problems, new),
        Some(Subresource::Approval) => {}
        _ => {
            changes_first(&mut problems, kind, new, old);
            if kind.is_wholly_validated_on_update() {
                meta::object_meta(
                    &mut problems,
                    kind.is_namespaced(),
                    json::get(new, "metadata"),
                    kind.name_rule(),
                );
            }
            whole(&mut problems, gvk, kind, new, Some(old));
            changes(&mut problems, kind, new, old);
        }
    }
    problems.into_errors()
}

/// What is checked of an object by itself, new or updated.
fn whole(problems: &mut Problems, gvk: &Gvk, kind: Kind, object: &Value, old: Option<&Value>) {
    match kind {
        Kind::Pod => pod::pod(problems, object),
        Kind::PodTemplate => pod::template(problems, &Path::new("template"), json::get(object, "template")),
        Kind::Deployment => workloads::deployment(problems, object),
        Kind::ReplicaSet => workloads::replica_set(problems, object),
        Kind::StatefulSet => workloads::stateful_set(problems, object, old.is_some()),
        Kind::DaemonSet => workloads::daemon_set(problems, object),
        Kind::ReplicationController => workloads::replication_controller(problems, object),
        Kind::ControllerRevision => workloads::controller_revision(problems, object),
        Kind::Job if old.is_none() => job::job(problems, object),
        Kind::CronJob => job::cron_job(problems, object, old),
        Kind::Service => service::service(problems, object),
        Kind::Endpoints => network::endpoints(problems, object),
        Kind::EndpointSlice => network::endpoint_slice(problems, object),
        Kind::Ingress => network::ingress(problems, object),
        Kind::IngressClass => network::ingress_class(problems, object),
        Kind::NetworkPolicy => network::network_policy(problems, object),
        Kind::ConfigMap => config::config_map(problems, object),
        Kind::Secret => config::secret(problems, object),
        Kind::Namespace if old.is_none() => config::namespace(problems, object),
        Kind::Node => config::node(problems, object),
        Kind::Event => config::event(problems, object, gvk.group == "events.k8s.io"),
        Kind::ResourceQuota => config::quota(problems, object),
        Kind::LimitRange => config::limit_range(problems, object),
        Kind::PersistentVolumeClaim => storage::claim_spec(problems, &Path::new("spec"), json::get(object, "spec")),
        Kind::PersistentVolume => storage::volume(problems, object),
        Kind::StorageClass => storage::class(problems, object),
        Kind::VolumeAttachment => storage::attachment(problems, object),
        Kind::CsiNode => storage::csi_node(problems, object),
        Kind::CsiDriver => storage::csi_driver(problems, object),
        Kind::PodDisruptionBudget => policy::disruption_budget(problems, object),
        Kind::HorizontalPodAutoscaler => policy::autoscaler(problems, object),
        Kind::PriorityClass => policy::priority_class(problems, object),
        Kind::Lease => policy::lease(problems, object),
        Kind::RuntimeClass => policy::runtime_class(problems, object),
        Kind::Role => access::role(problems, object, true),
        Kind::ClusterRole => access::role(problems, object, false),
        Kind::RoleBinding => access::binding(problems, object, true),
        Kind::ClusterRoleBinding => access::binding(problems, object, false),
        Kind::ValidatingWebhookConfiguration => access::webhooks(problems, object, false),
        Kind::MutatingWebhookConfiguration => access::webhooks(problems, object, true),
        Kind::ApiService => access::api_service(problems, object),
        Kind::Job
        | Kind::Namespace
        | Kind::CertificateSigningRequest
        | Kind::ServiceAccount
        | Kind::ValidatingAdmissionPolicy
        | Kind::ValidatingAdmissionPolicyBinding => {}
    }
}

/// Changes that the server looks at before the object as a whole.
fn changes_first(problems: &mut Problems, kind: Kind, new: &Value, old: &Value) {
    match kind {
        Kind::DaemonSet => workloads::same_selector(problems, new, old),
        Kind::ConfigMap => config::frozen(problems, new, old),
        Kind::Secret => config::secret_update(problems, new, old),
        Kind::Service => service::update(problems, new, old),
        Kind::RoleBinding | Kind::ClusterRoleBinding => access::binding_update(problems, new, old),
        _ => {}
    }
}

/// Changes that the server looks at last.
fn changes(problems: &mut Problems, kind: Kind, new: &Value, old: &Value) {
    match kind {
        Kind::Pod => pod_update::pod(problems, new, old),
        Kind::Deployment | Kind::ReplicaSet => workloads::same_selector(problems, new, old),
        Kind::StatefulSet => workloads::stateful_set_update(problems, new, old),
        Kind::Job => job::job_update(problems, new, old),
        Kind::PersistentVolumeClaim => storage::claim_update(problems, new, old),
        Kind::PersistentVolume => storage::volume_update(problems, new, old),
        Kind::StorageClass => storage::class_update(problems, new, old),
        Kind::Node => config::node_update(problems, new, old),
        Kind::ResourceQuota => config::quota_update(problems, new, old),
        Kind::PriorityClass => policy::priority_class_update(problems, new, old),
        Kind::EndpointSlice => network::endpoint_slice_update(problems, new, old),
        Kind::ControllerRevision => {
            problems.immutable(&Path::new("data"), json::get(new, "data"), json::get(old, "data"));
        }
        Kind::IngressClass => {
            let controller = |class| json::at(class, &["spec", "controller"]);
            problems.immutable(&Path::new("spec.controller"), controller(new), controller(old));
        }
        Kind::RuntimeClass => {
            problems.immutable(
                &Path::new("handler"),
                json::get(new, "handler"),
                json::get(old, "handler"),
            );
        }
        _ => {}
    }
}

/// Counts of a status.
fn not_negative(problems: &mut Problems, object: &Value, counts: &[&str]) {
    for count in counts {
        problems.non_negative(&Path::new("status"), json::get(object, "status"), count);
    }
}

/// Writes of `status`.
fn status(problems: &mut Problems, kind: Kind, new: &Value, old: &Value) {
    match kind {
        Kind::Pod => pod_update::status(problems, new, old),
        Kind::Job => job::job_status(problems, new, old),
        Kind::Namespace => config::namespace_status(problems, new, old),
        Kind::DaemonSet => not_negative(
            problems,
            new,
            &[
                "currentNumberScheduled",
                "numberMisscheduled",
                "desiredNumberScheduled",
                "numberReady",
                "observedGeneration",
                "updatedNumberScheduled",
                "numberAvailable",
                "numberUnavailable",
            ],
        ),
        Kind::PodDisruptionBudget => {
            let counts = ["disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods"];
            not_negative(problems, new, &counts);
        }
        Kind::Deployment => {
            not_negative(problems, new, &["observedGeneration"]);
            let counts = ["updatedReplicas", "readyReplicas", "availableReplicas"];
            workloads::status(problems, new, &counts, "readyReplicas");
        }
        Kind::ReplicaSet | Kind::ReplicationController => {
            let counts = ["fullyLabeledReplicas", "readyReplicas", "availableReplicas"];
            workloads::status(problems, new, &counts, "readyReplicas");
        }
        Kind::StatefulSet => {
            let counts = [
                "readyReplicas",
                "currentReplicas",
                "updatedReplicas",
                "availableReplicas",
            ];
            workloads::status(problems, new, &counts, "status.readyReplicas");
        }
        Kind::Node => config::node(problems, new),
        _ => {}
    }
}
