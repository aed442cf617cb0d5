//! The built-in kinds and the facts about each that more than one part needs.

use serde_json::{Value, json};

use crate::world::kube::resources::Gvk;

/// A built-in kind whose rules are known here. Others are stored as they come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    ApiService,
    CertificateSigningRequest,
    ClusterRole,
    ClusterRoleBinding,
    ConfigMap,
    ControllerRevision,
    CronJob,
    CsiDriver,
    CsiNode,
    DaemonSet,
    Deployment,
    Endpoints,
    EndpointSlice,
    Event,
    HorizontalPodAutoscaler,
    Ingress,
    IngressClass,
    Job,
    Lease,
    LimitRange,
    MutatingWebhookConfiguration,
    Namespace,
    NetworkPolicy,
    Node,
    PersistentVolume,
    PersistentVolumeClaim,
    Pod,
    PodDisruptionBudget,
    PodTemplate,
    PriorityClass,
    ReplicaSet,
    ReplicationController,
    ResourceQuota,
    Role,
    RoleBinding,
    RuntimeClass,
    Secret,
    Service,
    ServiceAccount,
    StatefulSet,
    StorageClass,
    ValidatingAdmissionPolicy,
    ValidatingAdmissionPolicyBinding,
    ValidatingWebhookConfiguration,
    VolumeAttachment,
}

/// Which names a kind's objects may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameRule {
    /// DNS-1123 subdomain: most kinds and every custom resource.
    Subdomain,
    /// DNS-1123 label: namespaces.
    Label,
    /// DNS-1035 label. (Services were until 1.35; kept for custom callers.)
    Label1035,
    /// Anything that is one segment of a path: RBAC.
    PathSegment,
}

impl Kind {
    /// The kind, when it is built in and known.
    pub(crate) fn of(gvk: &Gvk) -> Option<Self> {
        Some(match (gvk.group.as_str(), gvk.kind.as_str()) {
            ("", kind) => Self::core(kind)?,
            ("apps", "ControllerRevision") => Self::ControllerRevision,
            ("apps", "DaemonSet") => Self::DaemonSet,
            ("apps", "Deployment") => Self::Deployment,
            ("apps", "ReplicaSet") => Self::ReplicaSet,
            ("apps", "StatefulSet") => Self::StatefulSet,
            ("batch", "CronJob") => Self::CronJob,
            ("batch", "Job") => Self::Job,
            ("apiregistration.k8s.io", "APIService") => Self::ApiService,
            ("certificates.k8s.io", "CertificateSigningRequest") => Self::CertificateSigningRequest,
            ("rbac.authorization.k8s.io", "ClusterRole") => Self::ClusterRole,
            ("rbac.authorization.k8s.io", "ClusterRoleBinding") => Self::ClusterRoleBinding,
            ("rbac.authorization.k8s.io", "Role") => Self::Role,
            ("rbac.authorization.k8s.io", "RoleBinding") => Self::RoleBinding,
            ("storage.k8s.io", "CSIDriver") => Self::CsiDriver,
            ("storage.k8s.io", "CSINode") => Self::CsiNode,
            ("storage.k8s.io", "StorageClass") => Self::StorageClass,
            ("storage.k8s.io", "VolumeAttachment") => Self::VolumeAttachment,
            ("discovery.k8s.io", "EndpointSlice") => Self::EndpointSlice,
            ("autoscaling", "HorizontalPodAutoscaler") => Self::HorizontalPodAutoscaler,
            ("networking.k8s.io", "Ingress") => Self::Ingress,
            ("networking.k8s.io", "IngressClass") => Self::IngressClass,
            ("networking.k8s.io", "NetworkPolicy") => Self::NetworkPolicy,
            ("coordination.k8s.io", "Lease") => Self::Lease,
            ("admissionregistration.k8s.io", kind) => Self::admission(kind)?,
            ("policy", "PodDisruptionBudget") => Self::PodDisruptionBudget,
            ("scheduling.k8s.io", "PriorityClass") => Self::PriorityClass,
            ("node.k8s.io", "RuntimeClass") => Self::RuntimeClass,
            _ => return None,
        })
    }

    fn core(kind: &str) -> Option<Self> {
        Some(match kind {
            "Pod" => Self::Pod,
            "ConfigMap" => Self::ConfigMap,
            "Secret" => Self::Secret,
            "Service" => Self::Service,
            "Event" => Self::Event,
            "Node" => Self::Node,
            "Namespace" => Self::Namespace,
            "Endpoints" => Self::Endpoints,
            "LimitRange" => Self::LimitRange,
            "PersistentVolume" => Self::PersistentVolume,
            "PersistentVolumeClaim" => Self::PersistentVolumeClaim,
            "PodTemplate" => Self::PodTemplate,
            "ReplicationController" => Self::ReplicationController,
            "ResourceQuota" => Self::ResourceQuota,
            "ServiceAccount" => Self::ServiceAccount,
            _ => return None,
        })
    }

    fn admission(kind: &str) -> Option<Self> {
        Some(match kind {
            "MutatingWebhookConfiguration" => Self::MutatingWebhookConfiguration,
            "ValidatingWebhookConfiguration" => Self::ValidatingWebhookConfiguration,
            "ValidatingAdmissionPolicy" => Self::ValidatingAdmissionPolicy,
            "ValidatingAdmissionPolicyBinding" => Self::ValidatingAdmissionPolicyBinding,
            _ => return None,
        })
    }

    /// Whether the server counts `metadata.generation` for this kind.
    pub(crate) fn has_generation(self) -> bool {
        matches!(
            self,
            Self::CronJob
                | Self::DaemonSet
                | Self::Deployment
                | Self::EndpointSlice
                | Self::Ingress
                | Self::IngressClass
                | Self::Job
                | Self::MutatingWebhookConfiguration
                | Self::NetworkPolicy
                | Self::Pod
                | Self::PodDisruptionBudget
                | Self::PodTemplate
                | Self::PriorityClass
                | Self::ReplicaSet
                | Self::ReplicationController
                | Self::StatefulSet
                | Self::ValidatingAdmissionPolicy
                | Self::ValidatingAdmissionPolicyBinding
                | Self::ValidatingWebhookConfiguration
        )
    }

    /// The status of a new object as the server answers it; None for kinds without a status.
    pub(crate) fn zero_status(self) -> Option<Value> {
        Some(match self {
            Self::Deployment
            | Self::Job
            | Self::CronJob
            | Self::ResourceQuota
            | Self::ApiService
            | Self::CertificateSigningRequest
            | Self::ValidatingAdmissionPolicy => json!({}),
            Self::ReplicaSet | Self::ReplicationController => json!({"replicas": 0}),
            Self::StatefulSet => json!({"replicas": 0, "availableReplicas": 0}),
            Self::DaemonSet => json!({
                "currentNumberScheduled": 0, "numberMisscheduled": 0, "desiredNumberScheduled": 0, "numberReady": 0,
            }),
            Self::Service | Self::Ingress => json!({"loadBalancer": {}}),
            Self::Pod | Self::PersistentVolume | Self::PersistentVolumeClaim => json!({"phase": "Pending"}),
            Self::Namespace => json!({"phase": "Active"}),
            Self::PodDisruptionBudget => json!({
                "disruptionsAllowed": 0, "currentHealthy": 0, "desiredHealthy": 0, "expectedPods": 0,
            }),
            Self::HorizontalPodAutoscaler => json!({"desiredReplicas": 0, "currentMetrics": null}),
            Self::VolumeAttachment => json!({"attached": false}),
            Self::Node => json!({
                "daemonEndpoints": {"kubeletEndpoint": {"Port": 0}},
                "nodeInfo": {
                    "machineID": "", "systemUUID": "", "bootID": "", "kernelVersion": "", "osImage": "",
                    "containerRuntimeVersion": "", "kubeletVersion": "", "kubeProxyVersion": "",
                    "operatingSystem": "", "architecture": "",
                },
            }),
            _ => return None,
        })
    }

    /// Whether `status` is written through a subresource, so that other writes leave it alone.
    pub(crate) fn has_status_subresource(self) -> bool {
        self.zero_status().is_some()
    }

    /// Whether its objects live in a namespace.
    pub(crate) fn is_namespaced(self) -> bool {
        !matches!(
            self,
            Self::ApiService
                | Self::CertificateSigningRequest
                | Self::ClusterRole
                | Self::ClusterRoleBinding
                | Self::CsiDriver
                | Self::CsiNode
                | Self::IngressClass
                | Self::MutatingWebhookConfiguration
                | Self::Namespace
                | Self::Node
                | Self::PersistentVolume
                | Self::PriorityClass
                | Self::RuntimeClass
                | Self::StorageClass
                | Self::ValidatingAdmissionPolicy
                | Self::ValidatingAdmissionPolicyBinding
                | Self::ValidatingWebhookConfiguration
                | Self::VolumeAttachment
        )
    }

    /// Which names its objects may have.
    pub(crate) fn name_rule(self) -> NameRule {
        match self {
            Self::Namespace | Self::Service | Self::StatefulSet => NameRule::Label,
            Self::Role | Self::ClusterRole | Self::RoleBinding | Self::ClusterRoleBinding | Self::ApiService => {
                NameRule::PathSegment
            }
            _ => NameRule::Subdomain,
        }
    }

    /// Kinds whose update is checked as a new object is, metadata included.
    pub(crate) fn is_wholly_validated_on_update(self) -> bool {
        matches!(self, Self::ConfigMap | Self::Secret)
    }

    /// Kinds whose validation comes from the generic library, which takes finalizers without a domain.
    pub(crate) fn is_loose_about_finalizers(self) -> bool {
        matches!(
            self,
            Self::Lease
                | Self::ApiService
                | Self::MutatingWebhookConfiguration
                | Self::ValidatingWebhookConfiguration
                | Self::ValidatingAdmissionPolicy
                | Self::ValidatingAdmissionPolicyBinding
        )
    }
}
