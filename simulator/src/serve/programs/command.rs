//! A runtime container's command line, as it is on a host: no volume is there, and it listens elsewhere.

use serde_json::Value;

use crate::serve::behaviours::RUNTIME;
use crate::world::control::object::{list, text};

/// Port of the runtime when nothing is said.
const USUAL_PORT: u16 = 5_000;
/// Flags that say where in the pod something is. They mean nothing here, or another place.
const OF_THE_POD: [&str; 6] = [
    "--port",
    "--listen",
    "--config",
    "--adapters-dir",
    "--weights-dir",
    "--peers-service",
];

/// Whether a container runs `serve` of the runtime.
pub(super) fn is_runtime(container: &Value) -> bool {
    let rest = text(container, "/image").strip_prefix(RUNTIME);
    let is_ours = rest.is_some_and(|rest| rest.is_empty() || rest.starts_with([':', '@']));
    is_ours && arguments(container).is_some()
}

/// The port that it would listen on in its pod.
pub(super) fn port(container: &Value) -> u16 {
    let (_, dropped) = on_host(container);
    let port = dropped.iter().rev().find(|(flag, _)| *flag == "--port");
    port.and_then(|(_, value)| value.parse().ok()).unwrap_or(USUAL_PORT)
}

/// Flags with their values.
pub(super) type Flags<'a> = Vec<(&'a str, &'a str)>;

/// Arguments behind `serve` that mean the same here, and the flags that were left out.
pub(super) fn on_host(container: &Value) -> (Vec<&str>, Flags<'_>) {
    let (mut kept, mut dropped) = (Vec::new(), Vec::new());
    let mut words = arguments(container).unwrap_or_default().into_iter();
    while let Some(word) = words.next() {
        let (flag, value) = match word.split_once('=') {
            Some((flag, value)) => (flag, Some(value)),
            None => (word, None),
        };
        match OF_THE_POD.contains(&flag) {
            true => dropped.push((flag, value.or_else(|| words.next()).unwrap_or_default())),
            false => kept.push(word),
        }
    }
    (kept, dropped)
}

/// What follows `[drydock-runtime] serve`.
fn arguments(container: &Value) -> Option<Vec<&str>> {
    let words = list(container, "/command").iter().chain(list(container, "/args"));
    let words: Vec<&str> = words.filter_map(Value::as_str).collect();
    let (first, rest) = words.split_first()?;
    match (first.rsplit('/').next(), rest.split_first()) {
        (Some("drydock-runtime"), Some((&"serve", rest))) => Some(rest.to_vec()),
        // Without a command the image's own is run, which is the runtime.
        _ if *first == "serve" && list(container, "/command").is_empty() => Some(rest.to_vec()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn only_serve_of_our_image_is_run() {
        let container =
            |image: &str, command: &[&str], args: &[&str]| json!({ "image": image, "command": command, "args": args });
        let ours = format!("{RUNTIME}:0.1.0");
        let cases = [
            (
                ours.clone(),
                vec!["drydock-runtime"],
                vec!["serve", "--model", "m"],
                true,
            ),
            (ours.clone(), vec!["/usr/bin/drydock-runtime", "serve"], vec![], true),
            (RUNTIME.to_owned(), vec![], vec!["serve"], true),
            (ours.clone(), vec!["drydock-runtime"], vec!["tune"], false),
            (ours.clone(), vec!["sh", "-c"], vec!["serve"], false),
            (ours, vec!["serve"], vec![], false),
            (format!("{RUNTIME}-evil:1"), vec![], vec!["serve"], false),
            ("busybox".to_owned(), vec![], vec!["serve"], false),
        ];
        for (image, command, args, expected) in cases {
            assert_eq!(
                is_runtime(&container(&image, &command, &args)),
                expected,
                "{image} {command:?} {args:?}"
            );
        }
    }

    #[test]
    fn flags_of_the_pod_are_left_out() {
        let args = [
            "serve",
            "--model",
            "m",
            "--port=81",
            "--listen",
            "0.0.0.0",
            "--config=/x",
            "--weights-dir",
        ];
        let container = json!({ "args": args });
        let (kept, dropped) = on_host(&container);
        assert_eq!(kept, ["--model", "m"]);
        assert_eq!(
            dropped,
            [
                ("--port", "81"),
                ("--listen", "0.0.0.0"),
                ("--config", "/x"),
                ("--weights-dir", "")
            ]
        );
        assert_eq!(
            (port(&container), port(&json!({ "args": ["serve"] }))),
            (81, USUAL_PORT)
        );
    }
}
