//! Time that this thread was on a processor: on a machine that others use too, the wall's time says little.

use std::time::Duration;

/// A point in this thread's time on the processor. The kernel brings it up to date every few milliseconds, so that
/// only spans of many of them are worth measuring.
#[derive(Clone, Copy, Debug)]
pub struct OnCpu(Duration);

impl OnCpu {
    /// Now; zero where the kernel does not tell.
    #[must_use]
    pub fn now() -> Self {
        let told = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
        let nanos = told.split_whitespace().next().and_then(|nanos| nanos.parse().ok());
        Self(Duration::from_nanos(nanos.unwrap_or(0)))
    }

    /// Since then.
    #[must_use]
    pub fn elapsed(self) -> Duration {
        Self::now().0.saturating_sub(self.0)
    }
}
