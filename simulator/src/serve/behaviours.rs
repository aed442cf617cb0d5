//! What containers do in `drydock up`: the GPU runtime's stages take their time and leave a log. All of it
//! is simulated; `programs` runs its server for real where it can.

use crate::world::nodes::kubelet::behaviour::{Answer, Behaviour, Behaviours, LogLine, Rule};

/// Images of the GPU runtime, in whichever version.
pub(super) const RUNTIME: &str = "ghcr.io/drydock-dev/drydock-runtime";
/// Size of that image, in bytes.
const RUNTIME_BYTES: u64 = 400_000_000;

/// The rules.
#[must_use]
pub fn live() -> Behaviours {
    Behaviours {
        rules: vec![
            rule(
                "data fetch",
                &working(5_000, &["fetching the data set (simulated)", "done"]),
            ),
            rule(
                "tune --model",
                &working(
                    60_000,
                    &[
                        "epoch 1/1: loss 1.42 (simulated)",
                        "epoch 1/1: loss 0.97 (simulated)",
                        "saved the adapter",
                    ],
                ),
            ),
            rule(
                "image",
                &working(3_000, &["pushing or pulling an image (simulated)", "done"]),
            ),
            rule("serve", &serving()),
        ],
    }
}

fn rule(command_part: &str, behaviour: &Behaviour) -> Rule {
    Rule {
        image_prefix: RUNTIME.into(),
        command_part: command_part.into(),
        behaviour: Behaviour {
            image_bytes: Some(RUNTIME_BYTES),
            ..behaviour.clone()
        },
    }
}

/// A stage that works for so long, and writes its lines evenly over that time.
fn working(millis: u64, lines: &[&str]) -> Behaviour {
    let step = millis / u64::try_from(lines.len()).unwrap_or(1).max(1);
    let line = |(index, text): (u64, &&str)| LogLine::At {
        at_millis: index * step,
        text: (*text).to_owned(),
    };
    Behaviour {
        runs_for_millis: Some(millis),
        log: (0..).zip(lines).map(line).collect(),
        ..Behaviour::default()
    }
}

/// A server without a model.
fn serving() -> Behaviour {
    let answer = |path: &str, body: &str| Answer {
        path: path.into(),
        code: 200,
        body: body.into(),
        content_type: "application/json".into(),
    };
    let result = r#"{"Result":"This answer is simulated: no model runs behind it."}"#;
    Behaviour {
        ready_after_millis: 10_000,
        log: vec![LogLine::Text("serving without a model (simulated)".into())],
        answers: vec![
            answer("/chat", result),
            answer("/health", r#"{"status":"Healthy"}"#),
            answer(
                "/v1/models",
                r#"{"object":"list","data":[{"id":"simulated","object":"model","owned_by":"drydock-simulator"}]}"#,
            ),
            answer("/", r#"{"message":"Server is running"}"#),
        ],
        ..Behaviour::default()
    }
}
