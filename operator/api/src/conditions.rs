//! The conditions that our objects carry: a closed list of types, and for each a closed list of reasons.
//!
//! Knows: types, reasons, what each means and which status it goes with. `docs/errors.md` is printed from here.
//! Must not know: when a controller chooses one, or what time it is (the caller says).
//!
//! The reasons of KAITO are kept letter for letter, odd capitals included: scalers, the kubectl plugin and end-to-end
//! tests read them. `Ready`, `Reconciling` and `Stalled` are the conventions of kstatus, so that `kubectl wait`,
//! Flux and Argo understand our objects.

mod table;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
pub use table::*;

/// Status of a condition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// It is so.
    True,
    /// It is not so.
    False,
    /// It is not known.
    Unknown,
}

impl Status {
    /// As it is written in an object.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::True => "True",
            Self::False => "False",
            Self::Unknown => "Unknown",
        }
    }
}

/// What is known about one reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReasonInfo {
    /// The word in `reason`.
    pub reason: &'static str,
    /// The status that it goes with.
    pub status: Status,
    /// What it means, and what to do about it.
    pub meaning: &'static str,
}

/// A reason of one condition type. Each type has an enum of its own, so that a reason can't end up in the wrong
/// condition.
pub trait Reason: Copy {
    /// The condition that this is a reason of.
    const CONDITION: ConditionType;

    /// What is known about it.
    fn info(self) -> ReasonInfo;

    /// The condition entry. `previous` keeps its transition time while the status stays the same.
    fn condition(self, message: &str, generation: i64, previous: Option<&Condition>, now: &Time) -> Condition {
        condition(Self::CONDITION, self.info(), message, generation, previous, now)
    }
}

impl ConditionType {
    /// The reason of this condition that is written so.
    pub fn reason(self, word: &str) -> Option<ReasonInfo> {
        self.reasons().iter().find(|info| info.reason == word).copied()
    }
}

/// The condition entry for a reason of the type. `previous` keeps its transition time while the status stays the same.
pub fn condition(
    type_: ConditionType,
    info: ReasonInfo,
    message: &str,
    generation: i64,
    previous: Option<&Condition>,
    now: &Time,
) -> Condition {
    let status = info.status.as_str();
    let since = match previous {
        Some(old) if old.status == status => old.last_transition_time.clone(),
        Some(_) | None => now.clone(),
    };
    Condition {
        type_: type_.as_str().to_owned(),
        status: status.to_owned(),
        reason: info.reason.to_owned(),
        message: message.chars().take(MAX_MESSAGE_CHARS).collect(),
        observed_generation: Some(generation),
        last_transition_time: since,
    }
}

/// Longest message that the schema takes (Kubernetes' own bound for conditions).
const MAX_MESSAGE_CHARS: usize = 32_768;

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn types_and_reasons_are_unique_and_fit_the_schema() {
        let mut types = BTreeSet::new();
        for condition in ConditionType::ALL {
            assert!(types.insert(condition.as_str()), "{} twice", condition.as_str());
            assert!(!condition.meaning().is_empty() && !condition.kinds().is_empty());
            let mut reasons = BTreeSet::new();
            assert!(!condition.reasons().is_empty(), "{} has no reason", condition.as_str());
            for info in condition.reasons() {
                assert!(
                    reasons.insert(info.reason),
                    "{}/{} twice",
                    condition.as_str(),
                    info.reason
                );
                assert!(
                    info.reason.chars().all(|c| c.is_ascii_alphanumeric()),
                    "{}",
                    info.reason
                );
                assert!(!info.meaning.is_empty());
            }
        }
    }

    #[test]
    fn every_type_of_the_reference_is_there() {
        let types: BTreeSet<&str> = ConditionType::ALL.iter().map(|t| t.as_str()).collect();
        for name in [
            "NodeClaimReady",
            "NodesReady",
            "ResourceReady",
            "InferenceReady",
            "JobStarted",
            "WorkspaceDeleting",
            "WorkspaceSucceeded",
            "ScalingDownCompleted",
            "BenchmarkCompleted",
            "ModelMirrorReady",
            "InferenceSetDeleting",
            "InferenceSetReady",
            "RAGEngineDeleting",
            "RAGEngineSucceeded",
            "ServiceReady",
            "RAGEngineServiceReady",
            "PrefillReady",
            "DecodeReady",
            "InferencePoolReady",
            "Deleting",
            "StorageReady",
            "WorkspaceReady",
            "Ready",
            "Reconciling",
            "Stalled",
            "Launched",
            "Registered",
            "Initialized",
        ] {
            assert!(types.contains(name), "{name}");
        }
    }

    #[test]
    fn transition_time_moves_only_with_the_status() {
        let at = |seconds| Time(k8s_openapi::jiff::Timestamp::from_second(seconds).unwrap());
        let first = NodesReady::NodeNotReady.condition("0/1", 1, None, &at(10));
        let same = NodesReady::NodePluginsNotReady.condition("plugins", 2, Some(&first), &at(20));
        let ready = NodesReady::NodesReady.condition("", 2, Some(&same), &at(30));
        assert_eq!(
            (same.last_transition_time, ready.last_transition_time),
            (at(10), at(30))
        );
        assert_eq!((ready.status.as_str(), ready.reason.as_str()), ("True", "NodesReady"));
    }
}
