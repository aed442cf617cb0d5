//! `NodeClaim` of `karpenter.sh/v1`: the request for one node, as karpenter-core 1.x defines it.
//!
//! Cluster scoped; the whole spec is immutable. KAITO creates claims, the provisioner fulfils them.

use crate::{cel, workspace::conditions_schema};
use k8s_openapi::{
    api::core::v1::Taint,
    apimachinery::pkg::{
        api::resource::Quantity,
        apis::meta::v1::{Condition, Time},
    },
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// API group of Karpenter.
pub const KARPENTER_GROUP: &str = "karpenter.sh";
/// Finalizer on a claim and on its node.
pub const TERMINATION_FINALIZER: &str = "karpenter.sh/termination";
/// Pool that a claim belongs to (label).
pub const NODE_POOL_LABEL: &str = "karpenter.sh/nodepool";
/// Node has been registered (label, `true`).
pub const REGISTERED_LABEL: &str = "karpenter.sh/registered";
/// Node has been initialised (label, `true`).
pub const INITIALIZED_LABEL: &str = "karpenter.sh/initialized";
/// `spot`, `on-demand` or `reserved` (label).
pub const CAPACITY_TYPE_LABEL: &str = "karpenter.sh/capacity-type";
/// Taints of the claim are not copied to the node (label, `true`).
pub const DO_NOT_SYNC_TAINTS_LABEL: &str = "karpenter.sh/do-not-sync-taints";
/// Keeps disruption away from a claim (annotation, `true`).
pub const DO_NOT_DISRUPT: &str = "karpenter.sh/do-not-disrupt";
/// When a draining node is given up (annotation, RFC 3339).
pub const TERMINATION_TIMESTAMP: &str = "karpenter.sh/nodeclaim-termination-timestamp";
/// Taint of a node that is not registered yet (NoExecute).
pub const UNREGISTERED_TAINT: &str = "karpenter.sh/unregistered";
/// Taint of a node that is being disrupted (NoSchedule).
pub const DISRUPTED_TAINT: &str = "karpenter.sh/disrupted";

mod kind {
    use super::{KARPENTER_GROUP, NodeClaimSpec, NodeClaimStatus};

    crate::api_kind! {
        /// NodeClaim asks for one node.
        NodeClaim {
            group: KARPENTER_GROUP, version: "v1", plural: "nodeclaims", scope: kube_core::ClusterResourceScope
        } {
            /// What the node must be like. It can't be changed.
            #[schemars(extend("x-kubernetes-validations" = crate::cel::fixed("spec is immutable")))]
            spec: NodeClaimSpec,
            /// What has become of the request.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            status: Option<NodeClaimStatus>,
        }
    }
}

pub use kind::NodeClaim;

/// NodeClaimSpec says what the node must be like.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeClaimSpec {
    /// The object that holds the cloud's own settings.
    pub node_class_ref: NodeClassReference,
    /// What the node's labels must satisfy.
    #[schemars(extend("maxItems" = 100, "x-kubernetes-validations" = cel::requirements()))]
    pub requirements: Vec<NodeRequirement>,
    /// What the node must offer.
    #[serde(default, skip_serializing_if = "crate::kind::is_default")]
    pub resources: NodeResources,
    /// Taints of the node.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "taints_schema")]
    pub taints: Vec<Taint>,
    /// Taints that the node carries until something else removes them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "taints_schema")]
    pub startup_taints: Vec<Taint>,
    /// How long the node may live, for example 720h, or Never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-default" = "720h", "pattern" = "^(([0-9]+(s|m|h))+|Never)$"))]
    pub expire_after: Option<String>,
    /// How long a draining node is waited for, for example 1h30m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("pattern" = "^([0-9]+(s|m|h))+$"))]
    pub termination_grace_period: Option<String>,
}

/// NodeClassReference names the object that holds the cloud's own settings.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeClassReference {
    /// API group of the node class.
    #[schemars(extend("pattern" = "^[^/]*$", "x-kubernetes-validations" = cel::non_empty("group")))]
    pub group: String,
    /// Kind of the node class.
    #[schemars(extend("x-kubernetes-validations" = cel::non_empty("kind")))]
    pub kind: String,
    /// Name of the node class.
    #[schemars(extend("x-kubernetes-validations" = cel::non_empty("name")))]
    pub name: String,
}

/// NodeRequirement is one thing that the node's labels must satisfy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeRequirement {
    /// Label key.
    #[schemars(extend(
        "maxLength" = 316,
        "pattern" = "^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*(\\/))?([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$",
        "x-kubernetes-validations" = cel::requirement_key()
    ))]
    pub key: String,
    /// How the label's value relates to values: In, NotIn, Exists, DoesNotExist, Gt or Lt.
    #[schemars(extend("enum" = ["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"]))]
    pub operator: String,
    /// Values to compare with.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "values_schema")]
    pub values: Vec<String>,
    /// Number of different values that must be left to choose from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("minimum" = 1, "maximum" = 50))]
    pub min_values: Option<i64>,
}

/// NodeResources says what the node must offer.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeResources {
    /// Least amount of each resource.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "quantities_schema")]
    pub requests: BTreeMap<String, Quantity>,
}

/// NodeClaimStatus is what has become of the request.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeClaimStatus {
    /// What the node offers to pods.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "quantities_schema")]
    pub allocatable: BTreeMap<String, Quantity>,
    /// What the node has.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "quantities_schema")]
    pub capacity: BTreeMap<String, Quantity>,
    /// What is true of this claim at the moment, one entry a type.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions_schema")]
    pub conditions: Vec<Condition>,
    /// Image that the node runs.
    #[serde(default, rename = "imageID", skip_serializing_if = "String::is_empty")]
    pub image_id: String,
    /// When a pod last came or went.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_pod_event_time: Option<Time>,
    /// Name of the node.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub node_name: String,
    /// The cloud's id of the machine.
    #[serde(default, rename = "providerID", skip_serializing_if = "String::is_empty")]
    pub provider_id: String,
}

fn quantities_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "additionalProperties": {
            "anyOf": [{ "type": "integer" }, { "type": "string" }],
            "pattern": "^(\\+|-)?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\\+|-)?(([0-9]+(\\.[0-9]*)?)|(\\.[0-9]+))))?$",
            "x-kubernetes-int-or-string": true
        }
    })
}

fn values_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "items": { "type": "string", "maxLength": 63, "pattern": "^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$" },
        "x-kubernetes-list-type": "atomic"
    })
}

fn taints_schema(_: &mut SchemaGenerator) -> Schema {
    let key = "^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*(\\/))?([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$";
    json_schema!({
        "type": "array",
        "items": {
            "type": "object",
            "required": ["effect", "key"],
            "properties": {
                "effect": {
                    "type": "string", "description": "What happens to pods that do not tolerate the taint.",
                    "enum": ["NoSchedule", "PreferNoSchedule", "NoExecute"]
                },
                "key": { "type": "string", "description": "Key of the taint.", "minLength": 1, "pattern": key },
                "timeAdded": {
                    "type": "string", "format": "date-time", "description": "When the taint was added (NoExecute)."
                },
                "value": {
                    "type": "string", "description": "Value of the taint.",
                    "pattern": "^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$"
                }
            }
        }
    })
}
