//! What went wrong when a step was taken: sorted once, here.

use std::time::Duration;

use operator_plan::Target;

use crate::azure::ArmError;

/// How to go on after a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Somebody else wrote first: look again at once.
    Conflict,
    /// Wait so long.
    Throttled(Duration),
    /// It may work later.
    Transient,
    /// There is no machine to be had now.
    Capacity,
    /// The subscription allows no more.
    Quota,
    /// It will not work until somebody changes something.
    Permanent,
    /// It should never happen.
    Bug,
}

/// Why a step failed.
#[derive(Debug, thiserror::Error)]
pub enum ExecuteError {
    /// The API server refused or did not answer.
    #[error("cannot {verb} {target}")]
    Kube {
        /// What was tried.
        verb: &'static str,
        /// On which object.
        target: Box<Target>,
        /// The answer.
        source: Box<kube::Error>,
    },
    /// Azure refused or did not answer.
    #[error("Azure refused")]
    Arm(#[source] ArmError),
    /// A plan for agent pools reached an operator that knows no Azure.
    #[error("this operator has no Azure cluster configured, and cannot create agent pools")]
    NoAzure,
}

impl ExecuteError {
    pub(super) fn kube(verb: &'static str, target: &Target, source: kube::Error) -> Self {
        Self::Kube {
            verb,
            target: Box::new(target.clone()),
            source: Box::new(source),
        }
    }

    /// A read failed that a decision rests on.
    pub fn observe(about: &Target, source: kube::Error) -> Self {
        Self::kube("read what belongs to", about, source)
    }

    /// How to go on.
    pub fn class(&self) -> Class {
        match self {
            Self::Kube { source, .. } => kube_class(source),
            Self::Arm(error) => error.class(),
            Self::NoAzure => Class::Permanent,
        }
    }

    /// The word for conditions, events and metrics.
    pub fn reason(&self) -> String {
        match self {
            Self::Kube { source, .. } => match &**source {
                kube::Error::Api(status) if !status.reason.is_empty() => status.reason.clone(),
                _ => "KubernetesUnreachable".into(),
            },
            Self::Arm(error) => error.reason(),
            Self::NoAzure => "NoAzure".into(),
        }
    }
}

fn kube_class(error: &kube::Error) -> Class {
    let kube::Error::Api(status) = error else {
        return Class::Transient;
    };
    match status.code {
        409 => Class::Conflict,
        429 => {
            let secs = status.details.as_ref().map_or(0, |details| details.retry_after_seconds);
            Class::Throttled(Duration::from_secs(u64::from(secs.max(1))))
        }
        400 | 403 | 404 | 405 | 413 | 415 | 422 => Class::Permanent,
        _ => Class::Transient,
    }
}
