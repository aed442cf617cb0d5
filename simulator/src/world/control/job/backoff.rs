//! How long a Job waits before it replaces failed pods.
//!
//! Must not know: how pods are made.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::super::object::{condition, count, created_at, list, text, time};

/// First delay (`DefaultJobPodFailureBackOff`).
const FIRST: Duration = Duration::from_secs(10);
/// Longest delay (`MaxJobPodFailureBackOff`).
const LONGEST: Duration = Duration::from_secs(600);

/// Failures since the last success of one Job.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
    last_failure: Option<Timestamp>,
    /// Uids of pods that are in these numbers.
    counted: BTreeSet<String>,
}

impl Backoff {
    /// Takes in pods that have ended; those that were counted before do not count again.
    pub(super) fn note(&mut self, succeeded: &[&Value], failed: &[&Value]) {
        let mut fresh = |pods: &[&Value]| -> Vec<Timestamp> {
            let fresh = pods
                .iter()
                .filter(|pod| self.counted.insert(text(pod, "/metadata/uid").to_owned()));
            fresh.map(|pod| finished_at(pod)).collect()
        };
        let (succeeded, mut failed) = (fresh(succeeded), fresh(failed));
        if let Some(success) = succeeded.into_iter().max() {
            failed.retain(|failure| *failure > success);
            self.failures = 0;
            self.last_failure = None;
        }
        self.failures = self
            .failures
            .saturating_add(u32::try_from(failed.len()).unwrap_or(u32::MAX));
        self.last_failure = failed.into_iter().max().or(self.last_failure);
    }

    /// How long still until pods may be made.
    pub(super) fn remaining(&self, now: Timestamp) -> Duration {
        self.last_failure
            .map_or(Duration::ZERO, |last| remaining(self.failures, last, now))
    }
}

/// How long still after `failures` in a row, the last of them at `last`.
pub(super) fn remaining(failures: u32, last: Timestamp, now: Timestamp) -> Duration {
    if failures == 0 {
        return Duration::ZERO;
    }
    let doublings = (failures - 1).min(16);
    let delay = FIRST.saturating_mul(1 << doublings).min(LONGEST);
    let passed = Duration::try_from(now.duration_since(last)).unwrap_or_default();
    delay.saturating_sub(passed)
}

/// When a pod ended: its last container, or its Ready condition, or its deletion, or (unknown) its creation.
pub(super) fn finished_at(pod: &Value) -> Timestamp {
    let ends = list(pod, "/status/containerStatuses").iter();
    let ends: Option<Vec<Timestamp>> = ends
        .map(|status| time(status, "/state/terminated/finishedAt"))
        .collect();
    let unready = condition(pod, "Ready").filter(|ready| text(ready, "/status") == "False");
    let deleted = time(pod, "/metadata/deletionTimestamp").map(|at| {
        let grace = SignedDuration::from_secs(count(pod, "/metadata/deletionGracePeriodSeconds"));
        at.checked_sub(grace).unwrap_or(at)
    });
    ends.and_then(|ends| ends.into_iter().max())
        .or(unready.and_then(|ready| time(ready, "/lastTransitionTime")))
        .or(deleted)
        .unwrap_or_else(|| created_at(pod))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn doubles_up_to_ten_minutes_and_a_success_resets() {
        let at = |secs: i64| Timestamp::from_second(secs).unwrap_or_default();
        let cases = [(0, 0), (1, 10), (2, 20), (3, 40), (6, 320), (7, 600), (99, 600)];
        for (failures, secs) in cases {
            assert_eq!(
                remaining(failures, at(0), at(0)),
                Duration::from_secs(secs),
                "{failures}"
            );
        }
        assert_eq!(remaining(1, at(0), at(4)), Duration::from_secs(6));
        let pod = |uid: &str, secs: i64| {
            let terminated = json!({"finishedAt": at(secs).to_string()});
            json!({"metadata": {"uid": uid}, "status": {"containerStatuses": [{"state": {"terminated": terminated}}]}})
        };
        let mut backoff = Backoff::default();
        backoff.note(&[], &[&pod("a", 0)]);
        backoff.note(&[], &[&pod("a", 0), &pod("b", 5)]);
        assert_eq!(
            (backoff.failures, backoff.remaining(at(5))),
            (2, Duration::from_secs(20))
        );
        backoff.note(&[&pod("c", 10)], &[&pod("d", 9), &pod("e", 11)]);
        assert_eq!((backoff.failures, backoff.last_failure), (1, Some(at(11))));
    }
}
