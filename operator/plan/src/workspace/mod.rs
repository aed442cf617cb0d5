//! The Workspace: what it asks for, the nodes and the workload that it comes to, and what is told about them.
//!
//! `observed` is the input; `intent` works out what is asked for; `claims`, `workload`, `rollout` and `deletion` plan
//! steps; `nodes` and `pods` judge what is there; `status` tells it.

mod claims;
mod deletion;
mod intent;
pub mod nodes;
pub mod observed;
mod plan;
pub mod pods;
mod rollout;
mod status;
mod workload;

use serde::Serialize;
use serde_json::Value;

pub use intent::{Intent, Refusal, Supply, Work, intent, supply};
pub use observed::{Found, Observed, Reference, ReferenceKind, references};
pub use plan::plan;

use crate::target::{Kind, Target};

/// Name of the StatefulSet that serves beside a Workspace's workload while a change of it rolls out.
pub fn next_workload(workspace: &str) -> String {
    rollout::next_name(workspace)
}

/// The target of an object in the Workspace's namespace.
fn owned(seen: &Observed, kind: Kind, name: &str) -> Target {
    let namespace = seen.workspace.metadata.namespace.as_deref().unwrap_or_default();
    Target::namespaced(kind, namespace, name)
}

/// An object as JSON, to compare it with what is wanted. An object that came as JSON goes back into it.
fn seen_value<K: Serialize>(object: &K) -> Value {
    serde_json::to_value(object).unwrap_or_default()
}
