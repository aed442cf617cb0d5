//! The CustomResourceDefinitions: our structs as structural schemas, with versions, columns and subresources.
//!
//! Knows: what the CRD of each kind looks like. Must not know: YAML or files ([`crate::docs`] and the `generate` verb
//! of the operator write those).

mod columns;
mod schema;
mod version;

use std::sync::LazyLock;

use serde_json::{Value, json};

pub use version::strict;

/// A kind that we define.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Definition {
    /// `workspaces.kaito.sh`
    Workspace,
    /// `inferencesets.kaito.sh`
    InferenceSet,
    /// `nodeclaims.karpenter.sh`
    NodeClaim,
}

impl Definition {
    /// Every definition, in the order in which they are printed.
    pub const ALL: [Self; 3] = [Self::Workspace, Self::InferenceSet, Self::NodeClaim];

    /// Name of the CustomResourceDefinition.
    pub fn name(self) -> &'static str {
        match self {
            Self::Workspace => "workspaces.kaito.sh",
            Self::InferenceSet => "inferencesets.kaito.sh",
            Self::NodeClaim => "nodeclaims.karpenter.sh",
        }
    }

    /// Where the chart keeps it. Our own kinds are templates, so that an upgrade of the release upgrades them; the one
    /// of another project is installed only where it is missing.
    pub fn chart_path(self) -> &'static str {
        match self {
            Self::Workspace => "operator/chart/templates/crds/kaito.sh_workspaces.yaml",
            Self::InferenceSet => "operator/chart/templates/crds/kaito.sh_inferencesets.yaml",
            Self::NodeClaim => "operator/chart/crds/karpenter.sh_nodeclaims.yaml",
        }
    }

    /// The object to apply. It is derived from the Rust types once in a process.
    pub fn object(self) -> Value {
        static OBJECTS: LazyLock<[Value; 3]> = LazyLock::new(|| Definition::ALL.map(Definition::derived));
        OBJECTS[self as usize].clone()
    }

    fn derived(self) -> Value {
        let (group, names, scope) = match self {
            Self::Workspace => (
                crate::kind::GROUP,
                json!({
                    "kind": "Workspace", "listKind": "WorkspaceList", "plural": "workspaces", "singular": "workspace",
                    "shortNames": ["wk", "wks"], "categories": ["workspace"],
                }),
                "Namespaced",
            ),
            Self::InferenceSet => (
                crate::kind::GROUP,
                json!({
                    "kind": "InferenceSet", "listKind": "InferenceSetList", "plural": "inferencesets",
                    "singular": "inferenceset", "shortNames": ["is", "isets"], "categories": ["inferenceset"],
                }),
                "Namespaced",
            ),
            Self::NodeClaim => (
                crate::nodeclaim::KARPENTER_GROUP,
                json!({
                    "kind": "NodeClaim", "listKind": "NodeClaimList", "plural": "nodeclaims", "singular": "nodeclaim",
                    "categories": ["karpenter"],
                }),
                "Cluster",
            ),
        };
        json!({
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": { "name": self.name() },
            "spec": { "group": group, "names": names, "scope": scope, "versions": version::all(self) },
        })
    }
}

#[cfg(test)]
mod tests;
