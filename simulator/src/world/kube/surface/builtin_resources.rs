//! The built-in resources of Kubernetes 1.36 as data, in the order in which the real server lists their groups.
//! Knows names, verbs and subresources; must not know what the kinds mean.

use super::super::resources::Subresource::{
    self, Approval, Attach, Binding, EphemeralContainers, Eviction, Exec, Finalize, Log, PortForward, Proxy, Resize,
    Scale, Status, Token,
};
use super::super::resources::{Flavor, Gvk, Registry, ResourceType};

/// One built-in group version.
pub(super) struct GroupRows {
    /// API group; empty for core.
    pub(super) group: &'static str,
    /// Version; a group's versions follow each other, the preferred one first.
    pub(super) version: &'static str,
    rows: &'static [Row],
}

struct Row {
    plural: &'static str,
    kind: &'static str,
    namespaced: bool,
    verbs: &'static [&'static str],
    short_names: &'static str,
    categories: &'static str,
    subresources: &'static [Subresource],
}

const NAMESPACED: bool = true;
const CLUSTER: bool = false;
const CRUD: &[&str] = &[
    "create",
    "delete",
    "deletecollection",
    "get",
    "list",
    "patch",
    "update",
    "watch",
];
const NO_COLLECTION: &[&str] = &["create", "delete", "get", "list", "patch", "update", "watch"];
const READ: &[&str] = &["get", "list"];
const CREATE: &[&str] = &["create"];

const fn group(group: &'static str, version: &'static str, rows: &'static [Row]) -> GroupRows {
    GroupRows { group, version, rows }
}

const fn row(
    plural: &'static str,
    kind: &'static str,
    namespaced: bool,
    verbs: &'static [&'static str],
    short_names: &'static str,
    categories: &'static str,
    subresources: &'static [Subresource],
) -> Row {
    Row {
        plural,
        kind,
        namespaced,
        verbs,
        short_names,
        categories,
        subresources,
    }
}

/// Every built-in resource. Short names and categories are separated by spaces.
// One resource a line, so that the table reads as one.
#[rustfmt::skip]
pub(super) const GROUPS: &[GroupRows] = &[
    group("", "v1", &[
        row("bindings", "Binding", NAMESPACED, CREATE, "", "", &[]),
        row("componentstatuses", "ComponentStatus", CLUSTER, READ, "cs", "", &[]),
        row("configmaps", "ConfigMap", NAMESPACED, CRUD, "cm", "", &[]),
        row("endpoints", "Endpoints", NAMESPACED, CRUD, "ep", "", &[]),
        row("events", "Event", NAMESPACED, CRUD, "ev", "", &[]),
        row("limitranges", "LimitRange", NAMESPACED, CRUD, "limits", "", &[]),
        row("namespaces", "Namespace", CLUSTER, NO_COLLECTION, "ns", "", &[Finalize, Status]),
        row("nodes", "Node", CLUSTER, CRUD, "no", "", &[Proxy, Status]),
        row("persistentvolumeclaims", "PersistentVolumeClaim", NAMESPACED, CRUD, "pvc", "", &[Status]),
        row("persistentvolumes", "PersistentVolume", CLUSTER, CRUD, "pv", "", &[Status]),
        row("pods", "Pod", NAMESPACED, CRUD, "po", "all",
            &[Attach, Binding, EphemeralContainers, Eviction, Exec, Log, PortForward, Proxy, Resize, Status]),
        row("podtemplates", "PodTemplate", NAMESPACED, CRUD, "", "", &[]),
        row("replicationcontrollers", "ReplicationController", NAMESPACED, CRUD, "rc", "all", &[Scale, Status]),
        row("resourcequotas", "ResourceQuota", NAMESPACED, CRUD, "quota", "", &[Status]),
        row("secrets", "Secret", NAMESPACED, CRUD, "", "", &[]),
        row("serviceaccounts", "ServiceAccount", NAMESPACED, CRUD, "sa", "", &[Token]),
        row("services", "Service", NAMESPACED, CRUD, "svc", "all", &[Proxy, Status]),
    ]),
    group("apiregistration.k8s.io", "v1", &[
        row("apiservices", "APIService", CLUSTER, CRUD, "", "api-extensions", &[Status]),
    ]),
    group("apps", "v1", &[
        row("controllerrevisions", "ControllerRevision", NAMESPACED, CRUD, "", "", &[]),
        row("daemonsets", "DaemonSet", NAMESPACED, CRUD, "ds", "all", &[Status]),
        row("deployments", "Deployment", NAMESPACED, CRUD, "deploy", "all", &[Scale, Status]),
        row("replicasets", "ReplicaSet", NAMESPACED, CRUD, "rs", "all", &[Scale, Status]),
        row("statefulsets", "StatefulSet", NAMESPACED, CRUD, "sts", "all", &[Scale, Status]),
    ]),
    group("events.k8s.io", "v1", &[
        row("events", "Event", NAMESPACED, CRUD, "ev", "", &[]),
    ]),
    group("authentication.k8s.io", "v1", &[
        row("selfsubjectreviews", "SelfSubjectReview", CLUSTER, CREATE, "", "", &[]),
        row("tokenreviews", "TokenReview", CLUSTER, CREATE, "", "", &[]),
    ]),
    group("authorization.k8s.io", "v1", &[
        row("localsubjectaccessreviews", "LocalSubjectAccessReview", NAMESPACED, CREATE, "", "", &[]),
        row("selfsubjectaccessreviews", "SelfSubjectAccessReview", CLUSTER, CREATE, "", "", &[]),
        row("selfsubjectrulesreviews", "SelfSubjectRulesReview", CLUSTER, CREATE, "", "", &[]),
        row("subjectaccessreviews", "SubjectAccessReview", CLUSTER, CREATE, "", "", &[]),
    ]),
    group("autoscaling", "v2", &[
        row("horizontalpodautoscalers", "HorizontalPodAutoscaler", NAMESPACED, CRUD, "hpa", "all", &[Status]),
    ]),
    group("autoscaling", "v1", &[
        row("horizontalpodautoscalers", "HorizontalPodAutoscaler", NAMESPACED, CRUD, "hpa", "all", &[Status]),
    ]),
    group("batch", "v1", &[
        row("cronjobs", "CronJob", NAMESPACED, CRUD, "cj", "all", &[Status]),
        row("jobs", "Job", NAMESPACED, CRUD, "", "all", &[Status]),
    ]),
    group("certificates.k8s.io", "v1", &[
        row("certificatesigningrequests", "CertificateSigningRequest", CLUSTER, CRUD, "csr", "", &[Approval, Status]),
    ]),
    group("networking.k8s.io", "v1", &[
        row("ingressclasses", "IngressClass", CLUSTER, CRUD, "", "", &[]),
        row("ingresses", "Ingress", NAMESPACED, CRUD, "ing", "", &[Status]),
        row("ipaddresses", "IPAddress", CLUSTER, CRUD, "ip", "", &[]),
        row("networkpolicies", "NetworkPolicy", NAMESPACED, CRUD, "netpol", "", &[]),
        row("servicecidrs", "ServiceCIDR", CLUSTER, CRUD, "", "", &[Status]),
    ]),
    group("policy", "v1", &[
        row("poddisruptionbudgets", "PodDisruptionBudget", NAMESPACED, CRUD, "pdb", "", &[Status]),
    ]),
    group("rbac.authorization.k8s.io", "v1", &[
        row("clusterrolebindings", "ClusterRoleBinding", CLUSTER, CRUD, "", "", &[]),
        row("clusterroles", "ClusterRole", CLUSTER, CRUD, "", "", &[]),
        row("rolebindings", "RoleBinding", NAMESPACED, CRUD, "", "", &[]),
        row("roles", "Role", NAMESPACED, CRUD, "", "", &[]),
    ]),
    group("storage.k8s.io", "v1", &[
        row("csidrivers", "CSIDriver", CLUSTER, CRUD, "", "", &[]),
        row("csinodes", "CSINode", CLUSTER, CRUD, "", "", &[]),
        row("csistoragecapacities", "CSIStorageCapacity", NAMESPACED, CRUD, "", "", &[]),
        row("storageclasses", "StorageClass", CLUSTER, CRUD, "sc", "", &[]),
        row("volumeattachments", "VolumeAttachment", CLUSTER, CRUD, "", "", &[Status]),
        row("volumeattributesclasses", "VolumeAttributesClass", CLUSTER, CRUD, "vac", "", &[]),
    ]),
    group("admissionregistration.k8s.io", "v1", &[
        row("mutatingadmissionpolicies", "MutatingAdmissionPolicy", CLUSTER, CRUD, "", "api-extensions", &[]),
        row("mutatingadmissionpolicybindings", "MutatingAdmissionPolicyBinding", CLUSTER, CRUD, "", "api-extensions",
            &[]),
        row("mutatingwebhookconfigurations", "MutatingWebhookConfiguration", CLUSTER, CRUD, "", "api-extensions", &[]),
        row("validatingadmissionpolicies", "ValidatingAdmissionPolicy", CLUSTER, CRUD, "", "api-extensions", &[Status]),
        row("validatingadmissionpolicybindings", "ValidatingAdmissionPolicyBinding", CLUSTER, CRUD, "", "api-extensions",
            &[]),
        row("validatingwebhookconfigurations", "ValidatingWebhookConfiguration", CLUSTER, CRUD, "", "api-extensions",
            &[]),
    ]),
    group("apiextensions.k8s.io", "v1", &[
        row("customresourcedefinitions", "CustomResourceDefinition", CLUSTER, CRUD, "crd crds", "api-extensions",
            &[Status]),
    ]),
    group("scheduling.k8s.io", "v1", &[
        row("priorityclasses", "PriorityClass", CLUSTER, CRUD, "pc", "", &[]),
    ]),
    group("coordination.k8s.io", "v1", &[
        row("leases", "Lease", NAMESPACED, CRUD, "", "", &[]),
    ]),
    group("node.k8s.io", "v1", &[
        row("runtimeclasses", "RuntimeClass", CLUSTER, CRUD, "", "", &[]),
    ]),
    group("discovery.k8s.io", "v1", &[
        row("endpointslices", "EndpointSlice", NAMESPACED, CRUD, "", "", &[]),
    ]),
    group("resource.k8s.io", "v1", &[
        row("deviceclasses", "DeviceClass", CLUSTER, CRUD, "", "", &[]),
        row("resourceclaims", "ResourceClaim", NAMESPACED, CRUD, "", "", &[Status]),
        row("resourceclaimtemplates", "ResourceClaimTemplate", NAMESPACED, CRUD, "", "", &[]),
        row("resourceslices", "ResourceSlice", CLUSTER, CRUD, "", "", &[]),
    ]),
    group("flowcontrol.apiserver.k8s.io", "v1", &[
        row("flowschemas", "FlowSchema", CLUSTER, CRUD, "", "", &[Status]),
        row("prioritylevelconfigurations", "PriorityLevelConfiguration", CLUSTER, CRUD, "", "", &[Status]),
    ]),
];

/// All built-in resources. A new registry every time: the server adds custom resources to its own.
#[must_use]
pub fn builtin_registry() -> Registry {
    let mut registry = Registry::default();
    for rows in GROUPS {
        for row in rows.rows {
            registry.insert(row.resource(rows.group, rows.version));
        }
    }
    registry
}

impl Row {
    fn resource(&self, group: &str, version: &str) -> ResourceType {
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect();
        ResourceType {
            gvk: Gvk::new(group, version, self.kind),
            plural: self.plural.into(),
            singular: self.kind.to_ascii_lowercase(),
            list_kind: format!("{}List", self.kind),
            short_names: words(self.short_names),
            categories: words(self.categories),
            namespaced: self.namespaced,
            verbs: self.verbs.to_vec(),
            subresources: self.subresources.to_vec(),
            storage_version: if group == "autoscaling" { "v2" } else { "v1" }.into(),
            flavor: if self.verbs == CREATE {
                Flavor::Review
            } else {
                Flavor::Builtin
            },
        }
    }
}
