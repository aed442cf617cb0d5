//! The rules about what a user may write that the API server's own schema can't say.
//!
//! Knows: the rules, KAITO's words for them, and the facts that the caller hands in. Must not know: a client. Nothing
//! here panics, whatever is written; a fact that is missing skips its check.
//!
//! Three principles keep existing objects alive: an object that is being deleted passes; an update is judged only by
//! what it changes; what does not change is tolerated, even if it would not be accepted today.

mod annotations;
mod byo;
mod config;
mod context;
mod create;
mod cron;
mod fault;
mod inference;
mod inferenceset;
mod placeholder;
mod resource;
mod selector;
mod text;
mod tuning;
mod update;
mod wanted;

pub use context::{
    ConfigMapFact, Context, Document, Facts, Gates, ModelFact, NodeFact, ObjectName, Provisioner, Settings, Wanted,
};
pub(crate) use fault::clip;
pub use fault::{Fault, FaultKind, Verdict};
pub use inferenceset::inference_set;
pub use wanted::{wanted, wanted_by_set};

use crate::{Workspace, labels};
use std::collections::BTreeMap;

/// Which version an object was written in: v1alpha1 takes what the first releases took.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Version {
    /// `kaito.sh/v1alpha1`
    V1alpha1,
    /// `kaito.sh/v1beta1`
    V1beta1,
}

/// Judges a Workspace. `old` is its predecessor when it is being updated.
pub fn workspace(version: Version, new: &Workspace, old: Option<&Workspace>, context: Context<'_>) -> Verdict {
    if new.metadata.deletion_timestamp.is_some() {
        return Verdict::default();
    }
    let mut verdict = Verdict::default();
    match old {
        None => create::workspace(version, new, context, &mut verdict),
        Some(old) => update::workspace(version, new, old, context, &mut verdict),
    }
    verdict
}

/// Which program serves the model.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Runtime {
    Vllm,
    Transformers,
}

/// The runtime of an object with these annotations. Anything but `transformers` means vLLM, unless vLLM is off.
fn runtime(annotations: Option<&BTreeMap<String, String>>, gates: Gates) -> Runtime {
    let asked = annotations
        .and_then(|annotations| annotations.get(labels::RUNTIME))
        .map(String::as_str);
    if !gates.vllm || asked == Some("transformers") {
        Runtime::Transformers
    } else {
        Runtime::Vllm
    }
}

fn annotation<'a>(annotations: Option<&'a BTreeMap<String, String>>, key: &str) -> Option<&'a str> {
    annotations
        .and_then(|annotations| annotations.get(key))
        .map(String::as_str)
}

/// Bytes as the reports print them: GiB with at most two decimals.
fn in_gib(bytes: u64) -> String {
    let hundredths = u128::from(bytes) * 100 / (1 << 30);
    match (hundredths / 100, hundredths % 100) {
        (whole, 0) => format!("{whole}Gi"),
        (whole, rest) => format!("{whole}.{rest:02}Gi"),
    }
}

#[cfg(test)]
mod tests;
