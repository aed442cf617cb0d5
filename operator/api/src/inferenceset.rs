//! `InferenceSet`: a number of equal Workspaces, the object that autoscalers scale.

use crate::{
    schemaless::Schemaless,
    workspace::{InferenceSpec, PartitionSpec, Performance, conditions_schema},
};
use k8s_openapi::{
    api::apps::v1::StatefulSetUpdateStrategy,
    apimachinery::pkg::apis::meta::v1::{Condition, LabelSelector, ObjectMeta, Time},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// `kaito.sh/v1beta1`, the stored version.
pub mod v1beta1 {
    use super::{InferenceSetSpec, InferenceSetStatus};
    use crate::kind::GROUP;

    crate::api_kind! {
        /// InferenceSet keeps a number of equal Workspaces.
        #[schemars(extend("x-kubernetes-validations" = crate::cel::inference_set()))]
        InferenceSet {
            group: GROUP, version: "v1beta1", plural: "inferencesets", scope: kube_core::NamespaceResourceScope
        } {
            /// What to run, and how often.
            spec: InferenceSetSpec,
            /// What the controller saw and did last.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            status: Option<InferenceSetStatus>,
        }
    }
}

/// `kaito.sh/v1alpha1`, still served: older manifests keep working.
pub mod v1alpha1 {
    use super::{InferenceSetSpec, InferenceSetStatus};
    use crate::kind::GROUP;

    crate::api_kind! {
        /// InferenceSet keeps a number of equal Workspaces.
        #[schemars(extend("x-kubernetes-validations" = crate::cel::inference_set()))]
        InferenceSet {
            group: GROUP, version: "v1alpha1", plural: "inferencesets", scope: kube_core::NamespaceResourceScope
        } {
            /// What to run, and how often.
            spec: InferenceSetSpec,
            /// What the controller saw and did last.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            status: Option<InferenceSetStatus>,
        }
    }

    impl From<InferenceSet> for super::v1beta1::InferenceSet {
        fn from(old: InferenceSet) -> Self {
            let InferenceSet {
                api_version: _,
                kind: _,
                metadata,
                spec,
                status,
            } = old;
            Self {
                metadata,
                spec,
                status,
                ..Self::default()
            }
        }
    }
}

/// InferenceSetSpec says what to run, and how often.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InferenceSetSpec {
    /// Number of Workspaces. 0 is allowed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-default" = 1, "minimum" = 0))]
    pub replicas: Option<i32>,
    /// Unused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_count_limit: Option<i64>,
    /// Labels of the nodes to use, copied to resource.labelSelector of each Workspace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend(
        "x-required" = true,
        "x-kubernetes-map-type" = "atomic",
        "x-kubernetes-validations" = crate::cel::free_label_selector()
    ))]
    pub label_selector: Option<LabelSelector>,
    /// What each Workspace looks like.
    pub template: InferenceSetTemplate,
    /// Unused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-default" = serde_json::json!({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1}})))]
    pub update_strategy: Option<Schemaless<StatefulSetUpdateStrategy>>,
    /// Whether and when the Workspaces take up a new base image by themselves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto_upgrade: Option<AutoUpgradePolicy>,
}

/// InferenceSetTemplate is what each Workspace looks like.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InferenceSetTemplate {
    /// Labels and annotations of the Workspaces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub metadata: Option<Schemaless<ObjectMeta>>,
    /// The nodes of each Workspace.
    #[serde(default, skip_serializing_if = "crate::kind::is_default")]
    pub resource: InferenceSetResource,
    /// What each Workspace serves.
    pub inference: InferenceSpec,
}

/// InferenceSetResource says which nodes a Workspace of the set runs on.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = crate::cel::set_resource()))]
pub struct InferenceSetResource {
    /// VM size of the nodes to bring up, for example Standard_NC24ads_A100_v4 (upper and lower case are the same).
    /// Leave it out when you bring your own nodes.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub instance_type: String,
    /// The part of a node's GPUs to use. Only for nodes that you bring. It can't be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-validations" = crate::cel::partition()))]
    pub partition: Option<PartitionSpec>,
}

/// AutoUpgradePolicy says whether and when the Workspaces take up a new base image.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AutoUpgradePolicy {
    /// Turns upgrades on.
    #[serde(default)]
    #[schemars(extend("x-default" = false))]
    pub enabled: bool,
    /// InPlace replaces one Workspace's pods at a time; Surge starts a new Workspace before it removes an old one.
    #[serde(default)]
    #[schemars(extend("x-default" = "InPlace"))]
    pub strategy: UpgradeStrategy,
    /// When upgrades may start. Left out: at any time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maintenance_window: Option<MaintenanceWindow>,
}

/// How a Workspace is upgraded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum UpgradeStrategy {
    /// Its pods are replaced.
    #[default]
    InPlace,
    /// A new Workspace is started first.
    Surge,
}

/// MaintenanceWindow says when upgrades may start.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MaintenanceWindow {
    /// Start of the window: five fields of cron, in UTC.
    #[serde(default)]
    #[schemars(extend("x-required" = true))]
    pub schedule: String,
    /// Length of the window, for example 4h or 90m.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-default" = "4h"))]
    pub duration: Option<String>,
}

/// InferenceSetStatus is what the controller saw and did last.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct InferenceSetStatus {
    /// Number of Workspaces wanted.
    #[serde(default)]
    pub replicas: i32,
    /// Number of Workspaces that serve.
    #[serde(default)]
    pub ready_replicas: i32,
    /// Selector of the Workspaces, for autoscalers.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub selector: String,
    /// What is true of this object at the moment, one entry a type.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions_schema")]
    pub conditions: Vec<Condition>,
    /// What the start-up benchmarks measured, summed up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub performance: Option<Performance>,
    /// How far an upgrade is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto_upgrade: Option<AutoUpgradeStatus>,
}

/// AutoUpgradeStatus says how far an upgrade is.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AutoUpgradeStatus {
    /// Number of Workspaces on another base image than the wanted one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub num_drifted_workspaces: Option<i64>,
    /// When the last upgrade of the whole set ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_successful_upgrade_time: Option<Time>,
}
