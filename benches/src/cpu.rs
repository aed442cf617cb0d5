//! Time that this thread was on a processor: on a machine that others use too, the wall's time says little.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// A point in this thread's time on the processor, to the nanosecond.
#[derive(Clone, Copy, Debug)]
pub struct OnCpu(Duration);

impl OnCpu {
    /// Now.
    #[must_use]
    pub fn now() -> Self {
        let now = clock_gettime(ClockId::ThreadCPUTime);
        let secs = Duration::from_secs(now.tv_sec.unsigned_abs());
        Self(secs + Duration::from_nanos(now.tv_nsec.unsigned_abs()))
    }

    /// Since then.
    #[must_use]
    pub fn elapsed(self) -> Duration {
        Self::now().0.saturating_sub(self.0)
    }
}
