//! Server-side printing: objects as rows of cells, the way the real server prints each kind.
//! Knows the kinds' columns; must not know how clients lay the cells out.

mod batch;
mod cell;
mod cluster;
mod column;
mod config;
mod custom;
mod extension;
mod network;
mod pods;
mod rbac;
mod scaling;
mod storage;
#[cfg(test)]
mod tests;
mod workloads;

use std::sync::OnceLock;

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use self::column::Column;
use super::super::api_error::ApiError;
use super::super::crd;
use super::super::resources::{Flavor, ResourceType};

/// What a row carries of its object (`includeObject`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum IncludeObject {
    /// `PartialObjectMetadata`, the default.
    #[default]
    Metadata,
    /// The whole object.
    Object,
    /// Nothing.
    None,
}

impl IncludeObject {
    /// From the query parameter; empty counts as not given.
    ///
    /// # Errors
    /// 400 for an unknown value.
    pub fn parse(text: Option<&str>) -> Result<Self, ApiError> {
        match text.unwrap_or_default() {
            "" | "Metadata" => Ok(Self::Metadata),
            "Object" => Ok(Self::Object),
            "None" => Ok(Self::None),
            other => Err(ApiError::bad_request(format!(
                "Unable to convert to Table as requested: includeObject: Invalid value: {other:?}: must be \
                 'Metadata', 'Object', 'None', or empty"
            ))),
        }
    }
}

/// How a built-in kind is printed.
#[derive(Clone, Copy)]
struct Printer {
    columns: &'static [Column],
    cells: fn(&Value, Timestamp) -> Vec<Value>,
}

const fn printer(columns: &'static [Column], cells: fn(&Value, Timestamp) -> Vec<Value>) -> Printer {
    Printer { columns, cells }
}

/// A `meta.k8s.io/v1` Table of `objects`. `list_meta` is the list's metadata, or the object's own for a single one;
/// resourceVersion, continue and remainingItemCount are taken from it.
#[must_use]
pub fn table(
    resource: &ResourceType,
    objects: &[&Value],
    list_meta: &Value,
    now: Timestamp,
    include: IncludeObject,
) -> Value {
    let shape = Shape::of(resource);
    let definitions = shape.definitions();
    json!({
        "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": table_metadata(list_meta),
        "columnDefinitions": definitions, "rows": shape.rows(objects, now, include),
    })
}

/// The Table of an object's Scale.
#[must_use]
pub fn scale_table(scale: &Value, list_meta: &Value, now: Timestamp, include: IncludeObject) -> Value {
    let shape = Shape::Builtin(builtin("autoscaling", "Scale"));
    json!({
        "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": table_metadata(list_meta),
        "columnDefinitions": shape.definitions(), "rows": shape.rows(&[scale], now, include),
    })
}

/// The Table of one watch event; the real server sends the columns with a watch's first event only.
#[must_use]
pub fn watch_table(
    resource: &ResourceType,
    object: &Value,
    now: Timestamp,
    include: IncludeObject,
    first: bool,
) -> Value {
    let shape = Shape::of(resource);
    let definitions = if first { shape.definitions() } else { Value::Null };
    json!({
        "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": table_metadata(&object["metadata"]),
        "columnDefinitions": definitions, "rows": shape.rows(&[object], now, include),
    })
}

/// An object reduced to its metadata, as `PartialObjectMetadata`.
#[must_use]
pub fn partial_object(object: &Value) -> Value {
    json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"]})
}

fn table_metadata(list_meta: &Value) -> Value {
    let keys = ["resourceVersion", "continue", "remainingItemCount"];
    let kept = keys
        .iter()
        .filter_map(|key| Some(((*key).to_owned(), list_meta.get(*key)?.clone())));
    let kept = kept.filter(|(_, value)| value.as_str() != Some(""));
    Value::Object(kept.collect::<Map<_, _>>())
}

/// What prints a resource.
enum Shape<'a> {
    Builtin(&'static Builtin),
    Custom(&'a [crd::Column]),
}

/// A printer with its column definitions, made once: descriptions are long and the same for every request.
struct Builtin {
    cells: fn(&Value, Timestamp) -> Vec<Value>,
    definitions: Value,
}

impl<'a> Shape<'a> {
    fn of(resource: &'a ResourceType) -> Self {
        match &resource.flavor {
            Flavor::Custom(version) => Self::Custom(version.columns()),
            Flavor::Builtin | Flavor::Review => Self::Builtin(builtin(&resource.gvk.group, &resource.gvk.kind)),
        }
    }

    fn definitions(&self) -> Value {
        match self {
            Self::Builtin(builtin) => builtin.definitions.clone(),
            Self::Custom(columns) => custom::definitions(columns),
        }
    }

    fn rows(&self, objects: &[&Value], now: Timestamp, include: IncludeObject) -> Vec<Value> {
        objects.iter().map(|object| self.row(object, now, include)).collect()
    }

    fn row(&self, object: &Value, now: Timestamp, include: IncludeObject) -> Value {
        let cells = match self {
            Self::Builtin(builtin) => (builtin.cells)(object, now),
            Self::Custom(columns) => custom::cells(columns, object, now),
        };
        let mut row = Map::new();
        row.insert("cells".into(), Value::Array(cells));
        if let Some(conditions) = pods::row_conditions(object) {
            row.insert("conditions".into(), conditions);
        }
        let shown = match include {
            IncludeObject::Metadata => without_generation(partial_object(object)),
            IncludeObject::Object => object.clone(),
            IncludeObject::None => Value::Null,
        };
        row.insert("object".into(), shown);
        Value::Object(row)
    }
}

/// Rows of DaemonSets are made before an annotation of theirs is.
fn without_generation(mut partial: Value) -> Value {
    let Some(Value::Object(metadata)) = partial.get_mut("metadata") else {
        return partial;
    };
    if let Some(Value::Object(annotations)) = metadata.get_mut("annotations")
        && annotations.remove("deprecated.daemonset.template.generation").is_some()
        && annotations.is_empty()
    {
        metadata.remove("annotations");
    }
    partial
}

fn builtin(group: &str, kind: &str) -> &'static Builtin {
    static ALL: OnceLock<Vec<(&str, &str, Builtin)>> = OnceLock::new();
    static OTHER: OnceLock<Builtin> = OnceLock::new();
    let all = ALL.get_or_init(|| {
        PRINTERS
            .iter()
            .map(|(g, k, printer)| (*g, *k, printer.ready()))
            .collect()
    });
    match all.iter().find(|(g, k, _)| *g == group && *k == kind) {
        Some((_, _, builtin)) => builtin,
        None => OTHER.get_or_init(|| DEFAULT.ready()),
    }
}

impl Printer {
    fn ready(&self) -> Builtin {
        Builtin {
            cells: self.cells,
            definitions: self.columns.iter().map(Column::definition).collect(),
        }
    }
}

/// Name and creation time, for kinds without columns of their own.
const DEFAULT: Printer = printer(&[column::NAME, column::CREATED_AT], |object, _| {
    vec![cell::name(object), object["metadata"]["creationTimestamp"].clone()]
});

/// Group, kind and printer of every kind with columns of its own.
const PRINTERS: &[(&str, &str, Printer)] = &[
    ("", "Pod", pods::POD),
    ("", "PodTemplate", pods::POD_TEMPLATE),
    ("", "ReplicationController", workloads::REPLICATION_CONTROLLER),
    ("apps", "Deployment", workloads::DEPLOYMENT),
    ("apps", "ReplicaSet", workloads::REPLICA_SET),
    ("apps", "StatefulSet", workloads::STATEFUL_SET),
    ("apps", "DaemonSet", workloads::DAEMON_SET),
    ("apps", "ControllerRevision", workloads::CONTROLLER_REVISION),
    ("batch", "Job", batch::JOB),
    ("batch", "CronJob", batch::CRON_JOB),
    ("", "Service", network::SERVICE),
    ("", "Endpoints", network::ENDPOINTS),
    ("discovery.k8s.io", "EndpointSlice", network::ENDPOINT_SLICE),
    ("networking.k8s.io", "Ingress", network::INGRESS),
    ("networking.k8s.io", "IngressClass", network::INGRESS_CLASS),
    ("networking.k8s.io", "NetworkPolicy", network::NETWORK_POLICY),
    ("networking.k8s.io", "IPAddress", network::IP_ADDRESS),
    ("networking.k8s.io", "ServiceCIDR", network::SERVICE_CIDR),
    ("", "Node", cluster::NODE),
    ("", "Namespace", cluster::NAMESPACE),
    ("", "Event", cluster::EVENT),
    ("events.k8s.io", "Event", cluster::EVENT),
    ("", "ComponentStatus", cluster::COMPONENT_STATUS),
    ("coordination.k8s.io", "Lease", cluster::LEASE),
    ("node.k8s.io", "RuntimeClass", cluster::RUNTIME_CLASS),
    ("scheduling.k8s.io", "PriorityClass", cluster::PRIORITY_CLASS),
    ("", "ConfigMap", config::CONFIG_MAP),
    ("", "Secret", config::SECRET),
    ("", "ServiceAccount", config::NAME_AND_AGE),
    ("", "ResourceQuota", config::RESOURCE_QUOTA),
    ("", "PersistentVolume", storage::PERSISTENT_VOLUME),
    ("", "PersistentVolumeClaim", storage::PERSISTENT_VOLUME_CLAIM),
    ("storage.k8s.io", "StorageClass", storage::STORAGE_CLASS),
    ("storage.k8s.io", "CSIDriver", storage::CSI_DRIVER),
    ("storage.k8s.io", "CSINode", storage::CSI_NODE),
    ("storage.k8s.io", "VolumeAttachment", storage::VOLUME_ATTACHMENT),
    (
        "storage.k8s.io",
        "VolumeAttributesClass",
        storage::VOLUME_ATTRIBUTES_CLASS,
    ),
    (
        "autoscaling",
        "HorizontalPodAutoscaler",
        scaling::HORIZONTAL_POD_AUTOSCALER,
    ),
    ("policy", "PodDisruptionBudget", scaling::POD_DISRUPTION_BUDGET),
    ("autoscaling", "Scale", scaling::SCALE),
    ("rbac.authorization.k8s.io", "RoleBinding", rbac::ROLE_BINDING),
    (
        "rbac.authorization.k8s.io",
        "ClusterRoleBinding",
        rbac::CLUSTER_ROLE_BINDING,
    ),
    (
        "certificates.k8s.io",
        "CertificateSigningRequest",
        rbac::CERTIFICATE_SIGNING_REQUEST,
    ),
    (
        "admissionregistration.k8s.io",
        "MutatingWebhookConfiguration",
        extension::WEBHOOKS,
    ),
    (
        "admissionregistration.k8s.io",
        "ValidatingWebhookConfiguration",
        extension::WEBHOOKS,
    ),
    (
        "admissionregistration.k8s.io",
        "ValidatingAdmissionPolicy",
        extension::VALIDATING_POLICY,
    ),
    (
        "admissionregistration.k8s.io",
        "MutatingAdmissionPolicy",
        extension::MUTATING_POLICY,
    ),
    (
        "admissionregistration.k8s.io",
        "ValidatingAdmissionPolicyBinding",
        extension::POLICY_BINDING,
    ),
    (
        "admissionregistration.k8s.io",
        "MutatingAdmissionPolicyBinding",
        extension::POLICY_BINDING,
    ),
    ("apiregistration.k8s.io", "APIService", extension::API_SERVICE),
    ("flowcontrol.apiserver.k8s.io", "FlowSchema", extension::FLOW_SCHEMA),
    (
        "flowcontrol.apiserver.k8s.io",
        "PriorityLevelConfiguration",
        extension::PRIORITY_LEVEL,
    ),
    ("resource.k8s.io", "DeviceClass", config::NAME_AND_AGE),
    ("resource.k8s.io", "ResourceClaimTemplate", config::NAME_AND_AGE),
    ("resource.k8s.io", "ResourceClaim", extension::RESOURCE_CLAIM),
    ("resource.k8s.io", "ResourceSlice", extension::RESOURCE_SLICE),
];
