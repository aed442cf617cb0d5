//! How long a watch that failed waits: without end, doubling up to a bound, and never in step with other watches.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use kube::runtime::utils::Backoff;

/// Wait after the first failure.
const FIRST: Duration = Duration::from_millis(800);
/// Longest wait, before the jitter.
const LONGEST: Duration = Duration::from_secs(30);

/// Waits for a watch. The jitter comes from the standard library's hasher, whose keys are drawn from the operating
/// system once a thread: a rehearsal seeds them, which kube's own back-off does not allow.
#[derive(Debug, Default)]
pub struct WatchBackoff {
    failures: u32,
    random: RandomState,
}

impl Iterator for WatchBackoff {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        let factor = 1u32.checked_shl(self.failures).unwrap_or(u32::MAX);
        let wait = FIRST.saturating_mul(factor).min(LONGEST);
        self.failures = self.failures.saturating_add(1);
        // Half to the whole of the wait.
        let part = self.random.hash_one(self.failures) % 512 + 512;
        Some(wait.mul_f64(part as f64 / 1024.0))
    }
}

impl Backoff for WatchBackoff {
    fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_bound_and_begin_anew() {
        let mut backoff = WatchBackoff::default();
        for wanted in [800, 1_600, 3_200, 6_400, 12_800, 25_600, 30_000, 30_000] {
            let wait = backoff.next().unwrap();
            assert!(
                wait <= Duration::from_millis(wanted) && wait >= Duration::from_millis(wanted / 2),
                "{wait:?}"
            );
        }
        backoff.failures = u32::MAX;
        assert!(backoff.next().unwrap() <= LONGEST);
        backoff.reset();
        assert!(backoff.next().unwrap() <= FIRST);
    }
}
