//! The API of Drydock: the objects that users write, and every rule about them that needs no cluster.
//!
//! Knows: the kinds of group `kaito.sh` and Karpenter's `NodeClaim`, their fields, defaults, names, conditions and
//! validation rules, and how to print them as CustomResourceDefinitions.
//! Must not know: a client, a clock, a file system, or what a controller does with an object. Facts about a cluster
//! that a rule needs (nodes, ConfigMaps, models) are handed in as data.

mod cel;
pub mod conditions;
pub mod crd;
pub mod decode;
pub mod docs;
pub mod inferenceset;
pub mod kind;
pub mod labels;
pub mod nodeclaim;
pub mod presets;
pub mod schemaless;
pub mod sku;
mod text;
pub mod validate;
pub mod workspace;

pub use inferenceset::{v1alpha1::InferenceSet as InferenceSetV1alpha1, v1beta1::InferenceSet};
pub use nodeclaim::NodeClaim;
pub use workspace::{v1alpha1::Workspace as WorkspaceV1alpha1, v1beta1::Workspace};
