//! One container's machine: waits, pulls, runs, ends, and runs again as its pod's restart policy says.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::after;
use super::behaviour::{Behaviour, PullError};
use super::images::{Images, Pull};
use super::probes::Probed;
use super::programs::{Job, Program, Seen};
use crate::world::control::object::text;

/// First wait of a crash loop; doubles up to the longest (`MaxContainerBackOff`).
const FIRST_BACK_OFF: Duration = Duration::from_secs(10);
const LONGEST_BACK_OFF: Duration = Duration::from_secs(300);
/// A container that ran this long starts its back-off anew.
const CALM: Duration = Duration::from_secs(600);

/// Exit code of a program that was killed.
pub(super) const SIGKILL: i32 = 137;
/// Exit code when nobody saw the program end.
pub(super) const UNKNOWN: i32 = 255;

/// How a run ended.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Ended {
    pub(super) code: i32,
    pub(super) reason: &'static str,
    pub(super) started: Timestamp,
    pub(super) at: Timestamp,
    pub(super) id: String,
    pub(super) message: String,
}

/// Where a container is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum State {
    /// Not its turn yet.
    Waiting,
    /// Its image is on the way.
    Pulling(Pull),
    /// Its image could not be had; tried again then.
    PullFailed {
        error: PullError,
        again_at: Timestamp,
        backs_off: bool,
    },
    /// It runs.
    Running { since: Timestamp, id: String },
    /// It ended and runs again then; None: at once.
    BackOff { again_at: Timestamp, wait: Duration },
    /// It ended for good.
    Done,
}

/// One container of a pod.
#[derive(Clone, Debug)]
pub(super) struct Container {
    pub(super) spec: Value,
    pub(super) behaviour: Behaviour,
    pub(super) state: State,
    pub(super) restarts: u32,
    pub(super) last: Option<Ended>,
    /// The real program that it is, if it is one: its end and its answers are seen, not worked out.
    pub(super) program: Option<Program>,
    probed: Probed,
    back_off: Duration,
    pull_back_off: Duration,
    is_job: bool,
}

/// Something that the node's event log shows.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Note {
    pub(super) is_warning: bool,
    pub(super) reason: &'static str,
    pub(super) message: String,
}

impl Note {
    pub(super) fn normal(reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            is_warning: false,
            reason,
            message: message.into(),
        }
    }

    pub(super) fn warning(reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            is_warning: true,
            reason,
            message: message.into(),
        }
    }
}

/// What a step may use.
pub(super) struct Surroundings<'a> {
    pub(super) node: &'a str,
    pub(super) images: &'a mut Images,
    pub(super) now: Timestamp,
    /// `Always`, `OnFailure` or `Never`.
    pub(super) restart_policy: &'a str,
    pub(super) pod_label: &'a str,
    pub(super) new_id: &'a mut dyn FnMut() -> String,
    pub(super) notes: &'a mut Vec<Note>,
}

impl Container {
    pub(super) fn new(spec: Value, behaviour: Behaviour, is_job: bool) -> Self {
        let answers = Duration::from_millis(behaviour.ready_after_millis);
        let hangs = behaviour.hangs_after_millis.map(Duration::from_millis);
        Self {
            probed: Probed::of(&spec, answers, hangs),
            spec,
            behaviour,
            state: State::Waiting,
            restarts: 0,
            last: None,
            program: None,
            back_off: Duration::ZERO,
            pull_back_off: FIRST_BACK_OFF,
            is_job,
        }
    }

    /// The same, as a real program.
    pub(super) fn with_program(mut self, job: Option<Job>) -> Self {
        self.program = job.map(Program::new);
        self
    }

    /// Id of the run, while it runs.
    pub(super) fn run_id(&self) -> Option<&str> {
        match &self.state {
            State::Running { id, .. } => Some(id),
            _ => None,
        }
    }

    pub(super) fn name(&self) -> &str {
        text(&self.spec, "/name")
    }

    pub(super) fn image(&self) -> &str {
        text(&self.spec, "/image")
    }

    pub(super) fn is_running(&self) -> bool {
        matches!(self.state, State::Running { .. })
    }

    /// Whether it ended for good, and well.
    pub(super) fn has_succeeded(&self) -> bool {
        self.state == State::Done && self.last.as_ref().is_some_and(|last| last.code == 0)
    }

    /// Since when it runs.
    fn since(&self) -> Option<Timestamp> {
        match &self.state {
            State::Running { since, .. } => Some(*since),
            _ => None,
        }
    }

    /// When its probes will say something else than now.
    pub(super) fn next_probe(&self, now: Timestamp) -> Option<Timestamp> {
        let since = self.since().filter(|_| self.program.is_none())?;
        let Probed {
            started,
            ready,
            unready,
            killed: _,
        } = self.probed;
        let times = [Some(started), Some(ready), unready].into_iter().flatten();
        times.map(|wait| after(since, wait)).filter(|at| *at > now).min()
    }

    /// Whether its startup probe has succeeded; at once where it has none.
    pub(super) fn has_started(&self, now: Timestamp) -> bool {
        self.since().is_some_and(|since| match &self.program {
            Some(program) => program.was_ready,
            None => after(since, self.probed.started) <= now,
        })
    }

    pub(super) fn is_ready(&self, now: Timestamp) -> bool {
        if let Some(program) = &self.program {
            return self.is_running() && program.seen == Seen::Ready;
        }
        self.since().is_some_and(|since| {
            let fails = self.probed.unready.is_some_and(|wait| after(since, wait) <= now);
            after(since, self.probed.ready) <= now && !fails
        })
    }

    /// Goes on as far as `now` allows; answers when there is more to do.
    pub(super) fn advance(&mut self, around: &mut Surroundings<'_>) -> Option<Timestamp> {
        loop {
            let due = self.due()?;
            if due > around.now {
                return Some(due);
            }
            self.step(around);
        }
    }

    /// When the present state ends; None: never by itself.
    fn due(&self) -> Option<Timestamp> {
        match &self.state {
            State::Waiting => Some(Timestamp::MIN),
            State::Pulling(pull) => Some(pull.done_at),
            State::PullFailed { again_at, .. } | State::BackOff { again_at, .. } => Some(*again_at),
            State::Running { since, .. } => match self.program.as_ref().map(|program| program.seen) {
                Some(Seen::Ended { at, .. }) => Some(at.max(*since)),
                Some(Seen::NotReady | Seen::Ready) => None,
                None => self.ends_after().map(|wait| after(*since, wait)),
            },
            State::Done => None,
        }
    }

    /// How long it runs: until it ends, or until a probe gives up on it.
    fn ends_after(&self) -> Option<Duration> {
        let killed = self.probed.killed.map(|(wait, _)| wait);
        self.behaviour.lasts(self.is_job).into_iter().chain(killed).min()
    }

    /// The probe that ends it, if one does.
    fn killer(&self) -> Option<&'static str> {
        let (wait, probe) = self.probed.killed.filter(|_| self.program.is_none())?;
        (self.ends_after() == Some(wait)).then_some(probe)
    }

    fn step(&mut self, around: &mut Surroundings<'_>) {
        match self.state.clone() {
            State::Waiting => self.want_image(around),
            State::PullFailed { error, backs_off, .. } => self.pull_again(error, backs_off, around),
            State::Pulling(pull) => self.pulled(pull, around),
            State::Running { since, id } => self.end(since, id, around),
            State::BackOff { .. } => {
                self.restarts += 1;
                self.start(around);
            }
            State::Done => {}
        }
    }

    fn want_image(&mut self, around: &mut Surroundings<'_>) {
        let image = self.image().to_owned();
        if text(&self.spec, "/imagePullPolicy") != "Always" && around.images.has(around.node, &image) {
            let text = format!("Container image {image:?} already present on machine and can be accessed by the pod");
            around.notes.push(Note::normal("Pulled", text));
            return self.start(around);
        }
        around
            .notes
            .push(Note::normal("Pulling", format!("Pulling image {image:?}")));
        if let Some(error) = self.behaviour.pull_error {
            let message = format!("Failed to pull image {image:?}: {}", pull_error_text(&image, error));
            around.notes.push(Note::warning("Failed", message));
            around.notes.push(Note::warning("Failed", "Error: ErrImagePull"));
            let again_at = after(around.now, Duration::from_secs(1));
            self.state = State::PullFailed {
                error,
                again_at,
                backs_off: false,
            };
            return;
        }
        let pull = around
            .images
            .pull(around.node, &image, self.behaviour.image_size(), around.now);
        self.state = State::Pulling(pull);
    }

    fn pull_again(&mut self, error: PullError, backs_off: bool, around: &mut Surroundings<'_>) {
        if backs_off {
            return self.want_image(around);
        }
        let image = self.image().to_owned();
        around
            .notes
            .push(Note::normal("BackOff", format!("Back-off pulling image {image:?}")));
        around.notes.push(Note::warning("Failed", "Error: ImagePullBackOff"));
        let again_at = after(around.now, self.pull_back_off);
        self.pull_back_off = (self.pull_back_off * 2).min(LONGEST_BACK_OFF);
        self.state = State::PullFailed {
            error,
            again_at,
            backs_off: true,
        };
    }

    fn pulled(&mut self, pull: Pull, around: &mut Surroundings<'_>) {
        let image = self.image().to_owned();
        around.images.keep(around.node, &image);
        let text = format!(
            "Successfully pulled image {image:?} in {} ({} including waiting). Image size: {} bytes.",
            go_duration(pull.took),
            go_duration(pull.with_waiting),
            self.behaviour.image_size()
        );
        around.notes.push(Note::normal("Pulled", text));
        self.start(around);
    }

    fn start(&mut self, around: &mut Surroundings<'_>) {
        around.notes.push(Note::normal("Created", "Container created"));
        around.notes.push(Note::normal("Started", "Container started"));
        self.state = State::Running {
            since: around.now,
            id: (around.new_id)(),
        };
        if let Some(program) = &mut self.program {
            program.begin();
        }
    }

    fn end(&mut self, since: Timestamp, id: String, around: &mut Surroundings<'_>) {
        let at = self.due().unwrap_or(around.now);
        let killer = self.killer();
        let seen = self.program.as_ref().map(|program| program.seen);
        let code = match (killer, seen) {
            (None, Some(Seen::Ended { code, .. })) => code,
            // A program that does not answer does not hear SIGTERM either; the wait for it is left out.
            (Some(_), _) => SIGKILL,
            (None, _) => self.behaviour.exit_code_after(self.restarts),
        };
        let again = match around.restart_policy {
            "Always" => true,
            "OnFailure" => code != 0,
            _ => false,
        };
        if let Some(probe) = killer {
            let (name, title) = (self.name(), if probe == "startup" { "Startup" } else { "Liveness" });
            let text = format!("{title} probe failed: HTTP probe failed with statuscode: 503");
            around.notes.push(Note::warning("Unhealthy", text));
            let restarts = if again { ", will be restarted" } else { "" };
            let text = format!("Container {name} failed {probe} probe{restarts}");
            around.notes.push(Note::normal("Killing", text));
        }
        self.last = Some(self.ended(code, since, at, id));
        if !again {
            self.state = State::Done;
            return;
        }
        let ran = Duration::try_from(at.duration_since(since)).unwrap_or(Duration::ZERO);
        if ran > CALM {
            self.back_off = Duration::ZERO;
        }
        let wait = self.back_off;
        self.back_off = (wait * 2).clamp(FIRST_BACK_OFF, LONGEST_BACK_OFF);
        if !wait.is_zero() {
            let (name, pod) = (self.name(), around.pod_label);
            let text = format!("Back-off restarting failed container {name} in pod {pod}");
            around.notes.push(Note::warning("BackOff", text));
        }
        self.state = State::BackOff {
            again_at: after(around.now, wait),
            wait,
        };
    }

    fn ended(&self, code: i32, started: Timestamp, at: Timestamp, id: String) -> Ended {
        let reason = match code {
            0 => "Completed",
            SIGKILL if self.behaviour.oom_killed => "OOMKilled",
            UNKNOWN => "Unknown",
            _ => "Error",
        };
        let mut message = self.behaviour.termination_message.clone();
        let falls_back = text(&self.spec, "/terminationMessagePolicy") == "FallbackToLogsOnError";
        if message.is_empty() && falls_back && code != 0 {
            let lines = self.behaviour.log.iter().map(|line| line.parts().1);
            message = lines.collect::<Vec<_>>().join("\n");
        }
        Ended {
            code,
            reason,
            started,
            at,
            id,
            message,
        }
    }

    /// Ends at once and for good, as on deletion (0: programs end well on SIGTERM) or eviction.
    pub(super) fn kill(&mut self, code: i32, now: Timestamp) {
        if let State::Running { since, id } = self.state.clone() {
            self.last = Some(self.ended(code, since, now, id));
        }
        self.state = State::Done;
    }

    /// The machine under it went away and came back.
    pub(super) fn lose(&mut self, restarts: bool, now: Timestamp) {
        if let State::Running { since, id } = self.state.clone() {
            self.last = Some(self.ended(UNKNOWN, since, now, id));
            self.state = if restarts {
                State::BackOff {
                    again_at: now,
                    wait: Duration::ZERO,
                }
            } else {
                State::Done
            };
        }
    }
}

/// What the container runtime says about an image that it cannot have.
pub(super) fn pull_error_text(image: &str, error: PullError) -> String {
    let reference = if image.contains(':') {
        image.to_owned()
    } else {
        format!("{image}:latest")
    };
    match error {
        PullError::NotFound => format!(
            "rpc error: code = NotFound desc = failed to pull and unpack image {reference:?}: failed to resolve reference {reference:?}: {reference}: not found"
        ),
        PullError::Unauthorized => format!(
            "failed to pull and unpack image {reference:?}: failed to resolve reference {reference:?}: failed to authorize: failed to fetch anonymous token: unexpected status: 401 Unauthorized"
        ),
    }
}

/// A duration as Go prints it, to the millisecond: `1.3s`, `2m5s`, `340ms`.
pub(super) fn go_duration(duration: Duration) -> String {
    let millis = duration.as_millis();
    if millis < 1000 {
        return format!("{millis}ms");
    }
    let (minutes, rest) = (millis / 60_000, millis % 60_000);
    let seconds = format!("{}.{:03}", rest / 1000, rest % 1000);
    let seconds = seconds.trim_end_matches('0').trim_end_matches('.');
    if minutes > 0 {
        format!("{minutes}m{seconds}s")
    } else {
        format!("{seconds}s")
    }
}
