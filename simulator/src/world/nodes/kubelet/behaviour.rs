//! What a container does, as data: rules by image and command, and an annotation on the pod.

use std::time::Duration;

use serde::Deserialize;
use serde_json::Value;

use crate::world::control::object::{annotation, list, text};

/// Annotation with a behaviour as JSON; `….<container>` speaks for one container alone.
pub const ANNOTATION: &str = "simulator.drydock.sh/behaviour";

/// Size of an image that no rule speaks of, in bytes: a small server with its libraries.
const USUAL_IMAGE_BYTES: u64 = 100_000_000;
/// How long a job's container works when nothing says otherwise, in milliseconds.
const USUAL_WORK_MILLIS: u64 = 1_000;

/// Why an image cannot be had.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum PullError {
    /// There is no such image.
    NotFound,
    /// The registry wants other credentials.
    Unauthorized,
}

/// What one container does. Absent fields take the usual.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Behaviour {
    /// Size of its image, in bytes.
    pub image_bytes: Option<u64>,
    /// Why its image cannot be pulled.
    pub pull_error: Option<PullError>,
    /// Milliseconds from start until it answers: until then probes fail, the liveness probe too.
    pub ready_after_millis: u64,
    /// Milliseconds from start after which it answers no more, though it runs on.
    pub hangs_after_millis: Option<u64>,
    /// Milliseconds from start to its end; absent: for ever, or a second in a pod that is not to restart.
    pub runs_for_millis: Option<u64>,
    /// Exit code.
    pub exit_code: i32,
    /// Whether the kernel ends it for want of memory (exit code 137).
    pub oom_killed: bool,
    /// After so many failed runs it succeeds: a crash loop that ends. Absent: never.
    pub fails_times: Option<u32>,
    /// What it leaves in its termination message when it ends.
    pub termination_message: String,
    /// Lines of its log.
    pub log: Vec<LogLine>,
    /// What it answers over HTTP.
    pub answers: Vec<Answer>,
}

/// A line and when it is written.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(untagged)]
pub enum LogLine {
    /// At the start.
    Text(String),
    /// Later.
    At {
        /// Milliseconds from the container's start.
        #[serde(rename = "atMillis")]
        at_millis: u64,
        /// The line.
        text: String,
    },
}

/// One HTTP answer.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Answer {
    /// Start of the path.
    #[serde(default)]
    pub path: String,
    /// Status code.
    #[serde(default = "ok")]
    pub code: u16,
    /// Body.
    #[serde(default)]
    pub body: String,
    /// `Content-Type`.
    #[serde(default = "plain")]
    pub content_type: String,
}

fn ok() -> u16 {
    200
}

fn plain() -> String {
    "text/plain".into()
}

/// A behaviour for all containers whose image starts so and whose command contains so.
#[derive(Clone, Debug, Default)]
pub struct Rule {
    /// Start of the image; empty for all.
    pub image_prefix: String,
    /// Part of the command line; empty for all.
    pub command_part: String,
    /// What they do.
    pub behaviour: Behaviour,
}

/// Rules, first match wins; the pod's annotation wins over them all.
#[derive(Clone, Debug, Default)]
pub struct Behaviours {
    /// The rules.
    pub rules: Vec<Rule>,
}

impl Behaviours {
    /// What a container does.
    ///
    /// # Errors
    /// When the pod's annotation is no behaviour; the text says where.
    pub fn of(&self, pod: &Value, container: &Value) -> Result<Behaviour, String> {
        let own = format!("{ANNOTATION}.{}", text(container, "/name"));
        for key in [own.as_str(), ANNOTATION] {
            if let Some(json) = annotation(pod, key) {
                return serde_json::from_str(json).map_err(|error| format!("annotation {key}: {error}"));
            }
        }
        let words = list(container, "/command")
            .iter()
            .chain(list(container, "/args"))
            .filter_map(Value::as_str);
        let command = words.collect::<Vec<_>>().join(" ");
        let found = self.rules.iter().find(|rule| {
            text(container, "/image").starts_with(&rule.image_prefix) && command.contains(&rule.command_part)
        });
        Ok(found.map(|rule| rule.behaviour.clone()).unwrap_or_default())
    }
}

impl Behaviour {
    /// Bytes to pull.
    #[must_use]
    pub fn image_size(&self) -> u64 {
        self.image_bytes.unwrap_or(USUAL_IMAGE_BYTES)
    }

    /// When the container ends after its start, if it does. `is_job`: the pod is not to run for ever.
    #[must_use]
    pub fn lasts(&self, is_job: bool) -> Option<Duration> {
        let usual = is_job.then_some(USUAL_WORK_MILLIS);
        let ends = self.oom_killed || self.exit_code != 0;
        let millis = self.runs_for_millis.or(usual).or(ends.then_some(USUAL_WORK_MILLIS));
        millis.map(Duration::from_millis)
    }

    /// Exit code of the run after `failures` failed ones.
    #[must_use]
    pub fn exit_code_after(&self, failures: u32) -> i32 {
        let is_over = self.fails_times.is_some_and(|times| failures >= times);
        match (is_over, self.oom_killed) {
            (true, _) => 0,
            (false, true) => 137,
            (false, false) => self.exit_code,
        }
    }
}

impl LogLine {
    /// Milliseconds from the start, and the line.
    #[must_use]
    pub fn parts(&self) -> (u64, &str) {
        match self {
            Self::Text(text) => (0, text),
            Self::At { at_millis, text } => (*at_millis, text),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn annotations_win_over_rules_and_mistakes_are_told() {
        let rule = Rule {
            image_prefix: "busybox".into(),
            behaviour: Behaviour {
                exit_code: 3,
                ..Behaviour::default()
            },
            ..Rule::default()
        };
        let behaviours = Behaviours { rules: vec![rule] };
        let container = json!({ "name": "main", "image": "busybox:1" });
        assert_eq!(behaviours.of(&json!({}), &container).unwrap().exit_code, 3);
        let pod = |text: &str| json!({ "metadata": { "annotations": { ANNOTATION: text } } });
        assert_eq!(
            behaviours.of(&pod(r#"{"exitCode":4}"#), &container).unwrap().exit_code,
            4
        );
        let error = behaviours.of(&pod(r#"{"exitcode":4}"#), &container).unwrap_err();
        assert!(
            error.starts_with("annotation simulator.drydock.sh/behaviour: unknown field `exitcode`"),
            "{error}"
        );
    }

    #[test]
    fn a_crash_loop_may_end() {
        let behaviour = Behaviour {
            exit_code: 1,
            fails_times: Some(2),
            ..Behaviour::default()
        };
        assert_eq!([0, 1, 2].map(|failures| behaviour.exit_code_after(failures)), [1, 1, 0]);
    }
}
