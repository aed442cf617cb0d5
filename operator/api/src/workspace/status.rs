//! `status` of a Workspace, and the schema of conditions that every kind shares.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// WorkspaceStatus is what the controller saw and did last.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct WorkspaceStatus {
    /// Names of the nodes in use, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub worker_nodes: Vec<String>,
    /// What is true of this object at the moment, one entry a type.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions_schema")]
    pub conditions: Vec<Condition>,
    /// One word for the whole: Pending, Ready, NotReady, Running, Succeeded or Failed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub state: String,
    /// Number of nodes that the controller decided on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub target_node_count: Option<i32>,
    /// What the start-up benchmark measured.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub performance: Option<Performance>,
}

/// The words that `status.state` holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum WorkspaceState {
    /// Not there yet.
    Pending,
    /// Serving.
    Ready,
    /// Was serving, is not now.
    NotReady,
    /// Tuning is under way.
    Running,
    /// Tuning is done.
    Succeeded,
    /// Tuning failed.
    Failed,
}

impl WorkspaceState {
    /// The word itself.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "Pending",
            Self::Ready => "Ready",
            Self::NotReady => "NotReady",
            Self::Running => "Running",
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
        }
    }
}

/// Performance holds what the start-up benchmark measured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Performance {
    /// Measured values by name, for example peakTokensPerMinute.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub metrics: BTreeMap<String, Metric>,
}

/// Metric is one measured value.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Metric {
    /// What was measured.
    pub description: String,
    /// The value, as text.
    pub value: String,
    /// Unit of the value, for example tokens/min.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub unit: String,
    /// Under which settings it was measured.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub config: BTreeMap<String, String>,
}

/// `metav1.Condition` with the bounds that Kubernetes documents, as a list keyed by type so that several field
/// managers can own one condition each.
pub(crate) fn conditions_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
        "items": {
            "type": "object",
            "description": "Condition is one thing that is true, false or unknown of the object.",
            "required": ["lastTransitionTime", "message", "reason", "status", "type"],
            "properties": {
                "type": { "type": "string", "description": "What the condition is about.", "maxLength": 316 },
                "status": {
                    "type": "string", "description": "True, False or Unknown.", "enum": ["True", "False", "Unknown"]
                },
                "reason": {
                    "type": "string", "description": "Why, in one word for programs.", "minLength": 1, "maxLength": 1024,
                    "pattern": "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$"
                },
                "message": { "type": "string", "description": "Why, for people.", "maxLength": 32768 },
                "lastTransitionTime": {
                    "type": "string", "format": "date-time", "description": "When the status last changed."
                },
                "observedGeneration": {
                    "type": "integer", "format": "int64", "minimum": 0,
                    "description": "Generation of the object that this was seen on."
                }
            }
        }
    })
}
