//! What a pass over a NodeClaim looks at.

use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Node;
use operator_api::NodeClaim;

/// Everything that a decision about one NodeClaim rests on.
#[derive(Clone, Debug)]
pub struct Observed {
    /// The claim.
    pub claim: NodeClaim,
    /// Its agent pool, as Azure tells of it now.
    pub pool: PoolSeen,
    /// The operation on the pool, where one is noted on the claim.
    pub operation: Option<OperationView>,
    /// Nodes of the pool.
    pub nodes: Vec<Arc<Node>>,
    /// What Azure refused, and until when it is left in peace.
    pub held: Option<Held>,
    /// The time of day.
    pub now: Timestamp,
}

/// What Azure says of the pool.
#[derive(Clone, Debug, PartialEq)]
pub enum PoolSeen {
    /// There is none, and the cluster is there.
    Absent,
    /// There is one.
    Present(PoolView),
    /// Azure does not say.
    Unknown(Refusal),
}

/// An agent pool.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PoolView {
    /// Its name.
    pub name: String,
    /// `Creating`, `Succeeded`, `Failed`, `Deleting`, … ; an open list.
    pub provisioning_state: String,
    /// Image of its nodes.
    pub node_image: String,
}

/// A long-running operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OperationView {
    /// Under way.
    InProgress,
    /// Done.
    Succeeded,
    /// Ended without success.
    Failed(Refusal),
}

/// What Azure refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// How to go on.
    pub class: RefusalClass,
    /// Azure's code.
    pub code: String,
    /// Azure's words.
    pub message: String,
}

/// How to go on after a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalClass {
    /// Another operation is in progress.
    Busy,
    /// Too many requests; wait so many seconds.
    Throttled(u64),
    /// It may work later.
    Transient,
    /// No machine is to be had now.
    Capacity,
    /// The subscription allows no more.
    Quota,
    /// The identity may not.
    Unauthorized,
    /// It will not work as it was asked for.
    Permanent,
}

impl RefusalClass {
    /// Seconds until the `times`-th try after a refusal: doubled each time, within bounds that fit the cause.
    pub fn wait_secs(self, times: u32) -> u64 {
        let (first, longest) = match self {
            Self::Busy => (10, 60),
            Self::Throttled(secs) => (secs, secs.max(900)),
            Self::Transient => (5, 300),
            Self::Capacity => (120, 900),
            Self::Quota => (60, 900),
            Self::Unauthorized | Self::Permanent => (300, 900),
        };
        let factor = 1u64.checked_shl(times.saturating_sub(1)).unwrap_or(u64::MAX);
        first.saturating_mul(factor).min(longest)
    }
}

/// A refusal, and until when nothing is asked again.
#[derive(Clone, Debug, PartialEq)]
pub struct Held {
    /// What was refused.
    pub refusal: Refusal,
    /// When it may be asked again.
    pub until: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_within_their_bounds() {
        let waits = |class: RefusalClass| [1, 2, 3, 9].map(|times| class.wait_secs(times));
        assert_eq!(waits(RefusalClass::Quota), [60, 120, 240, 900]);
        assert_eq!(waits(RefusalClass::Capacity), [120, 240, 480, 900]);
        assert_eq!(waits(RefusalClass::Throttled(30)), [30, 60, 120, 900]);
        assert_eq!(RefusalClass::Transient.wait_secs(u32::MAX), 300);
    }
}
