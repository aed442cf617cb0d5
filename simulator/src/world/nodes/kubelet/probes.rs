//! When probes of a container succeed and fail, worked out from its behaviour instead of probing.
//!
//! All times count from the container's start. A program answers from some time on, and perhaps hangs later.

use std::time::Duration;

use serde_json::Value;

use crate::world::control::object::int;

/// One probe's timing, with the API's defaults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Probe {
    delay: Duration,
    period: Duration,
    failures: u32,
    successes: u32,
}

/// A container's probes against what its program does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Probed {
    /// From when on it counts as started.
    pub(super) started: Duration,
    /// From when on it counts as ready.
    pub(super) ready: Duration,
    /// From when on it counts as not ready any more.
    pub(super) unready: Option<Duration>,
    /// When it is killed, and for which probe.
    pub(super) killed: Option<(Duration, &'static str)>,
}

impl Probe {
    fn of(container: &Value, name: &str) -> Option<Self> {
        let spec = container.get(name).filter(|spec| spec.is_object())?;
        let number = |field: &str, usual: u32| {
            int(spec, &format!("/{field}")).map_or(usual, |value| u32::try_from(value).unwrap_or(usual))
        };
        let secs = |field: &str, usual: u32| Duration::from_secs(number(field, usual).into());
        Some(Self {
            delay: secs("initialDelaySeconds", 0),
            period: secs("periodSeconds", 10).max(Duration::from_secs(1)),
            failures: number("failureThreshold", 3).max(1),
            successes: number("successThreshold", 1).max(1),
        })
    }

    /// The first time at or after `from` that it probes.
    fn tick(&self, from: Duration) -> Duration {
        let past = from.saturating_sub(self.delay);
        let periods = past.as_nanos().div_ceil(self.period.as_nanos().max(1));
        self.delay + self.period.saturating_mul(u32::try_from(periods).unwrap_or(u32::MAX))
    }

    fn passes(&self, answers_from: Duration) -> Duration {
        self.tick(answers_from) + self.period.saturating_mul(self.successes - 1)
    }

    /// When it gives up on a program that does not answer from `from` on, unless it answers again in time.
    fn gives_up(&self, from: Duration, answers_again: Option<Duration>) -> Option<Duration> {
        let at = self.tick(from) + self.period.saturating_mul(self.failures - 1);
        answers_again.is_none_or(|again| again > at).then_some(at)
    }
}

impl Probed {
    /// `answers`: from when on the program answers; `hangs`: from when on it does not any more.
    pub(super) fn of(container: &Value, answers: Duration, hangs: Option<Duration>) -> Self {
        let [startup, readiness, liveness] =
            ["startupProbe", "readinessProbe", "livenessProbe"].map(|name| Probe::of(container, name));
        let started = startup.map_or(Duration::ZERO, |probe| probe.passes(answers));
        let never_started = startup
            .and_then(|probe| probe.gives_up(Duration::ZERO, Some(answers)))
            .map(|at| (at, "startup"));
        let never_alive = liveness
            .and_then(|probe| probe.gives_up(started, Some(answers)))
            .map(|at| (at, "liveness"));
        let hung = liveness
            .zip(hangs)
            .and_then(|(probe, from)| probe.gives_up(from.max(started), None))
            .map(|at| (at, "liveness"));
        let ready = readiness.map_or(started, |probe| probe.passes(answers.max(started)));
        let unready = readiness
            .zip(hangs)
            .and_then(|(probe, from)| probe.gives_up(from.max(ready), None));
        Self {
            started,
            ready,
            unready,
            killed: never_started.or(never_alive).into_iter().chain(hung).min(),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn probes_decide_by_their_ticks() {
        let secs = Duration::from_secs;
        let probe = json!({ "initialDelaySeconds": 5, "periodSeconds": 10, "failureThreshold": 2 });
        let plain = Probed::of(&json!({}), secs(7), Some(secs(100)));
        assert_eq!(plain, Probed::default());
        let ready = Probed::of(&json!({ "readinessProbe": probe }), secs(7), Some(secs(100)));
        assert_eq!((ready.ready, ready.unready), (secs(15), Some(secs(115))));
        let live = |answers: u64, hangs: Option<u64>| {
            Probed::of(&json!({ "livenessProbe": probe }), secs(answers), hangs.map(secs)).killed
        };
        assert_eq!(live(15, None), None);
        assert_eq!(live(16, None), Some((secs(15), "liveness")));
        assert_eq!(live(0, Some(20)), Some((secs(35), "liveness")));
        let both = json!({ "livenessProbe": probe, "startupProbe": { "failureThreshold": 30 } });
        let slow = Probed::of(&both, secs(200), None);
        assert_eq!((slow.started, slow.killed), (secs(200), None));
        assert_eq!(Probed::of(&both, secs(300), None).killed, Some((secs(290), "startup")));
    }
}
