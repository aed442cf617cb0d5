//! `Workspace`: one model to serve or to tune, and the GPU nodes that it needs.
//!
//! There is no `spec`: `resource`, `inference` and `tuning` sit at the top. Both versions share one set of structs (the
//! larger, v1beta1's); the schema of v1alpha1 is made from it by [`crate::crd`] (no partition, no model access secret,
//! a default instance type).

mod inference;
mod resource;
mod status;
mod tuning;

pub use inference::{AccessMode, AdapterSpec, DataSource, InferenceSpec, PresetOptions, PresetSpec};
pub use resource::{PartitionMode, PartitionSpec, ResourceSpec};
pub use status::{Metric, Performance, WorkspaceState, WorkspaceStatus};
pub use tuning::{DataDestination, TuningMethod, TuningSpec};

pub(crate) use status::conditions_schema;

/// `kaito.sh/v1beta1`, the stored version.
pub mod v1beta1 {
    use super::{InferenceSpec, ResourceSpec, TuningSpec, WorkspaceStatus};
    use crate::kind::{GROUP, is_default};

    crate::api_kind! {
        /// Workspace serves one model, or tunes it, on GPU nodes that it brings up for that purpose.
        #[schemars(extend("x-kubernetes-validations" = crate::cel::workspace()))]
        Workspace { group: GROUP, version: "v1beta1", plural: "workspaces", scope: kube_core::NamespaceResourceScope } {
            /// The nodes that the workload runs on.
            #[serde(default, skip_serializing_if = "is_default")]
            resource: ResourceSpec,
            /// What to serve. Exactly one of inference and tuning is set.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            inference: Option<InferenceSpec>,
            /// What to tune. Exactly one of inference and tuning is set.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            tuning: Option<TuningSpec>,
            /// What the controller saw and did last.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            status: Option<WorkspaceStatus>,
        }
    }
}

/// `kaito.sh/v1alpha1`, still served: older manifests keep working.
pub mod v1alpha1 {
    use super::{InferenceSpec, ResourceSpec, TuningSpec, WorkspaceStatus};
    use crate::kind::{GROUP, is_default};

    /// What the schema fills in when a v1alpha1 object names no instance type.
    pub const DEFAULT_INSTANCE_TYPE: &str = "Standard_NC24ads_A100_v4";

    crate::api_kind! {
        /// Workspace serves one model, or tunes it, on GPU nodes that it brings up for that purpose.
        #[schemars(extend("x-kubernetes-validations" = crate::cel::workspace()))]
        Workspace { group: GROUP, version: "v1alpha1", plural: "workspaces", scope: kube_core::NamespaceResourceScope } {
            /// The nodes that the workload runs on.
            #[serde(default, skip_serializing_if = "is_default")]
            resource: ResourceSpec,
            /// What to serve. Exactly one of inference and tuning is set.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            inference: Option<InferenceSpec>,
            /// What to tune. Exactly one of inference and tuning is set.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            tuning: Option<TuningSpec>,
            /// What the controller saw and did last.
            #[serde(default, skip_serializing_if = "Option::is_none")]
            status: Option<WorkspaceStatus>,
        }
    }

    impl From<Workspace> for super::v1beta1::Workspace {
        /// The same object in the stored version: the API server converts by relabelling (strategy None), so do we.
        fn from(old: Workspace) -> Self {
            let Workspace {
                api_version: _,
                kind: _,
                metadata,
                resource,
                inference,
                tuning,
                status,
            } = old;
            Self {
                metadata,
                resource,
                inference,
                tuning,
                status,
                ..Self::default()
            }
        }
    }
}
