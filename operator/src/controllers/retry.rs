//! When an object is looked at again after a failed pass.

use std::collections::BTreeMap;
use std::error::Error;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::execute::{Class, ExecuteError};
use crate::kube::Key;

/// Wait after the first failure; it doubles with each further one.
const FIRST: Duration = Duration::from_millis(200);
/// Longest wait.
const LONGEST: Duration = Duration::from_secs(60);
/// Wait after somebody else wrote first: just long enough for the watch to bring what was written.
const CONFLICT: Duration = Duration::from_millis(50);

/// What failed last, by object.
#[derive(Default)]
pub(super) struct Failures {
    by_key: Mutex<BTreeMap<Key, Failure>>,
}

#[derive(Clone, Default)]
struct Failure {
    times: u32,
    message: String,
}

impl Failures {
    /// Notes a failure, and says how long to wait.
    pub(super) fn note(&self, key: &Key, error: &ExecuteError) -> Duration {
        let mut by_key = self.by_key.lock().unwrap_or_else(PoisonError::into_inner);
        let failure = by_key.entry(key.clone()).or_default();
        failure.times = failure.times.saturating_add(1);
        failure.message = chain(error);
        match error.class() {
            Class::Conflict => CONFLICT,
            Class::Throttled(wait) => wait,
            Class::Transient | Class::Capacity | Class::Quota | Class::Permanent | Class::Bug => doubled(failure.times),
        }
    }

    /// Forgets the failures of an object.
    pub(super) fn forget(&self, key: &Key) {
        self.by_key.lock().unwrap_or_else(PoisonError::into_inner).remove(key);
    }

    /// The last failure in words. Conflicts are part of daily life and are not told.
    pub(super) fn message(&self, key: &Key) -> Option<String> {
        let by_key = self.by_key.lock().unwrap_or_else(PoisonError::into_inner);
        by_key.get(key).map(|failure| failure.message.clone())
    }
}

fn doubled(times: u32) -> Duration {
    let factor = 1u32.checked_shl(times.saturating_sub(1)).unwrap_or(u32::MAX);
    FIRST.saturating_mul(factor).min(LONGEST)
}

/// An error with its causes in one line.
pub(super) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_a_minute() {
        assert_eq!(doubled(1), Duration::from_millis(200));
        assert_eq!(doubled(3), Duration::from_millis(800));
        assert_eq!(doubled(9), Duration::from_millis(51_200));
        assert_eq!((doubled(10), doubled(1000)), (LONGEST, LONGEST));
    }
}
