//! One run of a world: a fresh thread, a paused single-threaded runtime, and everything drawn from one seed.

use std::future::Future;

use jiff::Timestamp;

use super::clock::{Clock, DEFAULT_EPOCH};
use super::entropy::Entropy;
use super::trace::Trace;

/// What every part of a simulated world shares. Cheap to clone.
#[derive(Clone, Debug)]
pub struct World {
    /// The world's time.
    pub clock: Clock,
    /// The world's randomness.
    pub entropy: Entropy,
    /// What happened.
    pub trace: Trace,
}

impl World {
    /// A world on the running tokio clock; `speed` 1.0 is wall time (or virtual time, when the clock is paused).
    #[must_use]
    pub fn new(seed: u64, speed: f64) -> Self {
        Self::starting_at(DEFAULT_EPOCH, seed, speed)
    }

    /// The same, beginning at a time of day: people who look on compare it with their own clocks.
    #[must_use]
    pub fn starting_at(epoch: Timestamp, seed: u64, speed: f64) -> Self {
        Self {
            clock: Clock::new(epoch, speed),
            entropy: Entropy::new(seed),
            trace: Trace::default(),
        }
    }

    /// The same world, with its trace kept.
    #[must_use]
    pub fn recording(mut self) -> Self {
        self.trace = Trace::recording();
        self
    }
}

/// Why a run gave no result.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The thread or its runtime could not be made.
    #[error("cannot start the run's thread or runtime")]
    Start(#[from] std::io::Error),
    /// The run panicked; the message is on stderr.
    #[error("the run panicked: a bug of the simulator or of the code under test")]
    Panicked,
}

/// Runs `body` under virtual time on a fresh thread with `seed`, so that nothing of an earlier run is left in
/// thread-local hash seeds.
///
/// # Errors
/// When the thread cannot be made, or when `body` panics.
pub fn run<T, F, Fut>(seed: u64, body: F) -> Result<T, RunError>
where
    T: Send + 'static,
    F: FnOnce(World) -> Fut + Send + 'static,
    Fut: Future<Output = T>,
{
    let thread = std::thread::Builder::new()
        .name(format!("world-{seed}"))
        .spawn(move || {
            crate::shim::seed_this_thread(seed);
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .start_paused(true)
                .build()?;
            Ok::<T, std::io::Error>(runtime.block_on(async move { body(World::new(seed, 1.0).recording()).await }))
        })?;
    match thread.join() {
        Ok(result) => Ok(result?),
        Err(_) => Err(RunError::Panicked),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_day_passes_at_once_and_hash_seeds_follow_the_seed() {
        let observe = |seed| {
            run(seed, |world| async move {
                world.clock.sleep(Duration::from_secs(86_400)).await;
                let hash = std::hash::BuildHasher::hash_one(&std::hash::RandomState::new(), 1);
                (world.clock.now_rfc3339(), hash)
            })
            .unwrap()
        };
        let (day, hash) = observe(7);
        assert_eq!(day, "2026-01-02T00:00:00Z");
        assert_eq!(observe(7).1, hash);
        assert_ne!(observe(8).1, hash);
    }

    #[test]
    fn a_panic_is_an_error() {
        assert!(matches!(
            run(1, |_| async { panic!("on purpose") }),
            Err(RunError::Panicked)
        ));
    }
}
