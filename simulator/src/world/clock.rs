//! The world's clock: a start instant plus the time that tokio says has passed, times a speed.
//!
//! Under tokio's paused clock this is virtual time; on a running clock `speed` makes the world faster than the wall.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

/// Where virtual time starts unless a scenario says otherwise: 2026-01-01T00:00:00Z.
pub const DEFAULT_EPOCH: Timestamp = Timestamp::constant(1_767_225_600, 0);

/// Cheap to clone; all clones tell the same time. Must be made inside a tokio runtime.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    epoch: Timestamp,
    started: Instant,
    speed: f64,
}

impl Clock {
    /// A clock that starts at `epoch` now and runs `speed` times as fast as tokio's (1.0 = the same).
    #[must_use]
    pub fn new(epoch: Timestamp, speed: f64) -> Self {
        Self {
            epoch,
            started: Instant::now(),
            speed: if speed > 0.0 { speed } else { 1.0 },
        }
    }

    /// World time since the start.
    #[must_use]
    pub fn elapsed(&self) -> Duration {
        self.started.elapsed().mul_f64(self.speed)
    }

    /// The world's time of day.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        let passed = SignedDuration::try_from(self.elapsed()).unwrap_or(SignedDuration::MAX);
        self.epoch.checked_add(passed).unwrap_or(Timestamp::MAX)
    }

    /// The world's time of day with whole seconds, as Kubernetes writes `metav1.Time`: `2026-01-01T00:00:00Z`.
    #[must_use]
    pub fn now_rfc3339(&self) -> String {
        rfc3339_secs(self.now())
    }

    /// Waits for `duration` of world time.
    pub async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration.div_f64(self.speed)).await;
    }

    /// The tokio instant at which the world's time of day will be `at` (now, if it has passed).
    #[must_use]
    pub fn instant_of(&self, at: Timestamp) -> Instant {
        let wait = Duration::try_from(at.duration_since(self.now())).unwrap_or(Duration::ZERO);
        Instant::now() + wait.div_f64(self.speed)
    }
}

/// `metav1.Time` as the API server writes it: UTC, whole seconds.
#[must_use]
pub fn rfc3339_secs(at: Timestamp) -> String {
    let secs = Timestamp::from_second(at.as_second()).unwrap_or(at);
    secs.to_string()
}

/// `metav1.MicroTime` as the API server writes it: UTC, six decimals.
#[must_use]
pub fn rfc3339_micros(at: Timestamp) -> String {
    format!("{at:.6}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn moves_with_tokio_and_with_speed() {
        let plain = Clock::new(DEFAULT_EPOCH, 1.0);
        let fast = Clock::new(DEFAULT_EPOCH, 60.0);
        assert_eq!(plain.now_rfc3339(), "2026-01-01T00:00:00Z");
        fast.sleep(Duration::from_secs(60)).await;
        assert_eq!(plain.elapsed(), Duration::from_secs(1));
        assert_eq!(fast.now_rfc3339(), "2026-01-01T00:01:00Z");
        assert_eq!(rfc3339_micros(plain.now()), "2026-01-01T00:00:01.000000Z");
    }
}
