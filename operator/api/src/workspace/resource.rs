//! `resource`: which nodes, and which part of a GPU.

use crate::kind::is_default;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// ResourceSpec says which nodes the workload runs on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = crate::cel::resource(true)))]
pub struct ResourceSpec {
    /// Number of nodes. Deprecated: for presets on vLLM the number is worked out from the model and the instance type.
    /// It can't be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-default" = 1, "x-kubernetes-validations" = crate::cel::count()))]
    pub count: Option<i64>,
    /// VM size of the nodes to bring up, for example Standard_NC24ads_A100_v4 (upper and lower case are the same).
    /// Leave it out when you bring your own nodes.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub instance_type: String,
    /// Labels of the nodes to use. Nodes that are brought up get the matchLabels. It can't be changed.
    #[serde(default, skip_serializing_if = "is_default")]
    #[schemars(extend(
        "x-required" = true,
        "x-kubernetes-map-type" = "atomic",
        "x-kubernetes-validations" = crate::cel::label_selector()
    ))]
    pub label_selector: Option<LabelSelector>,
    /// Names of nodes to use first. Deprecated and unused.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub preferred_nodes: Vec<String>,
    /// The part of a node's GPUs to use. Only for nodes that you bring. It can't be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-validations" = crate::cel::partition()))]
    pub partition: Option<PartitionSpec>,
}

impl ResourceSpec {
    /// Number of nodes asked for, 1 when it is not said.
    pub fn node_count(&self) -> i64 {
        self.count.unwrap_or(1)
    }
}

/// PartitionSpec names a part of a node's GPUs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PartitionSpec {
    /// How the GPUs are shared out: mig (one MIG slice) or accelerator (a number of whole GPUs).
    #[schemars(extend("enum" = ["mig", "accelerator"]))]
    pub mode: String,
    /// MIG profile, for example 1g.10gb. Only for mode mig.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(extend("maxLength" = 63))]
    pub profile: String,
    /// Number of whole GPUs. Only for mode accelerator.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("minimum" = 1))]
    pub count: Option<i64>,
}

/// The modes of [`PartitionSpec`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PartitionMode {
    /// One MIG slice.
    Mig,
    /// A number of whole GPUs.
    Accelerator,
}

impl PartitionSpec {
    /// The mode, if it is one that we know.
    pub fn parsed_mode(&self) -> Option<PartitionMode> {
        match self.mode.as_str() {
            "mig" => Some(PartitionMode::Mig),
            "accelerator" => Some(PartitionMode::Accelerator),
            _ => None,
        }
    }
}
