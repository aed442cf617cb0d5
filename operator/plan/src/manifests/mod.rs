//! What the objects look like that a Workspace comes to, as the fields of a server-side apply.
//!
//! Knows: names, labels and annotations (KAITO's, letter for letter), pod shapes, the command line of our runtime.
//! Must not know: what exists already, or whether something is to be applied now.

mod adapters;
mod go;
mod inference;
mod node_claim;
mod overrides;
mod pod;
mod revision;
mod services;
mod tuning;

use operator_api::labels::WORKSPACE;
use operator_api::validate::Provisioner;
use operator_api::{Workspace, sku::Cloud};
use serde_json::{Value, json};

pub use inference::{inference_stateful_set, template_stateful_set, tuned_stateful_set};
pub use node_claim::{node_claim, node_claim_name};
pub use overrides::{Overrides, overrides};
pub use revision::{Revision, controller_revision, workspace_hash};
pub use services::services;
pub use tuning::tuning_job;

/// How the operator makes objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Where nodes come from.
    pub cloud: Cloud,
    /// Who brings them up.
    pub provisioner: Provisioner,
    /// Image of the GPU runtime.
    pub runtime_image: String,
    /// Node image where a Workspace names none: `ubuntu` or `azurelinux`.
    pub node_image_family: String,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            cloud: Cloud::Azure,
            provisioner: Provisioner::AzureGpu,
            runtime_image: concat!("ghcr.io/drydock-dev/drydock-runtime:", env!("CARGO_PKG_VERSION")).into(),
            node_image_family: "ubuntu".into(),
        }
    }
}

/// Where a workload runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placement {
    /// Number of nodes, one pod each.
    pub nodes: u32,
    /// GPUs of a node, all of which its pod takes; 0 for nodes without.
    pub gpus: u32,
    /// Whether the user brings the nodes.
    pub byo: bool,
}

fn name(workspace: &Workspace) -> &str {
    workspace.metadata.name.as_deref().unwrap_or_default()
}

fn namespace(workspace: &Workspace) -> &str {
    workspace.metadata.namespace.as_deref().unwrap_or_default()
}

/// The metadata of an object that a Workspace owns: it goes with it.
fn owned(workspace: &Workspace, annotations: &Value) -> Value {
    json!({
        "labels": { WORKSPACE: name(workspace) },
        "annotations": annotations,
        "ownerReferences": [{
            "apiVersion": "kaito.sh/v1beta1", "kind": "Workspace",
            "name": name(workspace), "uid": workspace.metadata.uid.as_deref().unwrap_or_default(),
            "controller": true, "blockOwnerDeletion": true,
        }],
    })
}
