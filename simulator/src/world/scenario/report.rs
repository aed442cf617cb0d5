//! A run as one HTML file: a timeline with a lane for every pool, node, pod and condition, and the trace.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use serde_json::Value;

use super::picture::Change;
use super::play::Outcome;
use crate::world::arm::PoolView;
use crate::world::control::object::{list, text};

/// What was so, and for how long.
#[derive(Clone, Debug, PartialEq)]
struct Span {
    from: Duration,
    to: Duration,
    state: String,
    tone: Tone,
}

/// How a span is coloured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tone {
    Good,
    Bad,
    Waiting,
}

/// What was so of everything, over the whole run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Timeline {
    lanes: BTreeMap<String, Vec<Span>>,
    open: BTreeMap<String, (Duration, String, Tone)>,
}

/// One word for a pod: its phase, or what its containers wait for.
pub(super) fn pod_state(pod: &Value) -> String {
    let phase = text(pod, "/status/phase");
    let containers = list(pod, "/status/initContainerStatuses")
        .iter()
        .chain(list(pod, "/status/containerStatuses"));
    let mut waiting = containers.map(|it| text(it, "/state/waiting/reason"));
    let trouble = waiting.find(|reason| !["", "PodInitializing", "ContainerCreating"].contains(reason));
    let mut conditions = list(pod, "/status/conditions").iter();
    let ready = conditions.any(|it| text(it, "/type") == "Ready" && text(it, "/status") == "True");
    match (trouble, phase, ready) {
        (Some(reason), _, _) => reason.to_owned(),
        (None, "Running", true) => "Ready".into(),
        (None, "", _) => "Pending".into(),
        (None, phase, _) => phase.to_owned(),
    }
}

impl Timeline {
    pub(super) fn change(&mut self, change: &Change, at: Duration) {
        let name = &change.object.name;
        match (change.object.kind.as_str(), &change.new) {
            ("Pod", Some(pod)) => {
                let state = pod_state(pod);
                let tone = match state.as_str() {
                    "Ready" | "Succeeded" | "Running" => Tone::Good,
                    "Pending" => Tone::Waiting,
                    _ => Tone::Bad,
                };
                self.set(format!("3 Pod {name}"), at, state, tone);
            }
            ("Pod", None) => self.end(&format!("3 Pod {name}"), at),
            ("Node", Some(node)) => {
                let ready = list(node, "/status/conditions")
                    .iter()
                    .any(|it| text(it, "/type") == "Ready" && text(it, "/status") == "True");
                let gpus = text(node, "/status/allocatable/nvidia.com~1gpu");
                let (state, tone) = match (ready, gpus) {
                    (false, _) => ("NotReady".to_owned(), Tone::Bad),
                    (true, "" | "0") => ("Ready, no GPU".to_owned(), Tone::Waiting),
                    (true, gpus) => (format!("Ready, {gpus} GPU"), Tone::Good),
                };
                self.set(format!("2 Node {name}"), at, state, tone);
            }
            ("Node", None) => self.end(&format!("2 Node {name}"), at),
            ("Workspace", Some(workspace)) => {
                for condition in list(workspace, "/status/conditions") {
                    let lane = format!("4 {name} {}", text(condition, "/type"));
                    let tone = match (text(condition, "/status"), text(condition, "/type")) {
                        ("True", "Stalled") => Tone::Bad,
                        ("True", _) | (_, "Stalled" | "Reconciling") => Tone::Good,
                        _ => Tone::Waiting,
                    };
                    let state = format!("{} {}", text(condition, "/status"), text(condition, "/reason"));
                    self.set(lane, at, state, tone);
                }
            }
            ("Workspace", None) => {
                let prefix = format!("4 {name} ");
                let lanes: Vec<String> = self
                    .open
                    .keys()
                    .filter(|lane| lane.starts_with(&prefix))
                    .cloned()
                    .collect();
                lanes.iter().for_each(|lane| self.end(lane, at));
            }
            _ => {}
        }
    }

    pub(super) fn pools(&mut self, pools: &[PoolView], at: Duration) {
        let lane = |name: &str| format!("1 Pool {name}");
        for pool in pools {
            let tone = match pool.state.as_str() {
                "Succeeded" => Tone::Good,
                "Failed" => Tone::Bad,
                _ => Tone::Waiting,
            };
            self.set(lane(&pool.name), at, pool.state.clone(), tone);
        }
        let gone = self.open.keys().filter(|open| open.starts_with("1 "));
        let gone: Vec<String> = gone
            .filter(|open| !pools.iter().any(|pool| lane(&pool.name) == **open))
            .cloned()
            .collect();
        gone.iter().for_each(|lane| self.end(lane, at));
    }

    pub(super) fn ended(mut self, at: Duration) -> Self {
        let open: Vec<String> = self.open.keys().cloned().collect();
        open.iter().for_each(|lane| self.end(lane, at));
        self
    }

    fn set(&mut self, lane: String, at: Duration, state: String, tone: Tone) {
        if self.open.get(&lane).is_some_and(|(_, old, _)| *old == state) {
            return;
        }
        self.end(&lane, at);
        self.open.insert(lane, (at, state, tone));
    }

    fn end(&mut self, lane: &str, at: Duration) {
        if let Some((from, state, tone)) = self.open.remove(lane) {
            self.lanes.entry(lane.to_owned()).or_default().push(Span {
                from,
                to: at,
                state,
                tone,
            });
        }
    }
}

/// Width of the drawing, and of the names left of it, in pixels.
const WIDTH: f64 = 1200.0;
const NAMES: f64 = 330.0;
const LANE: f64 = 22.0;

/// The page. It needs nothing but itself.
#[must_use]
pub fn html(name: &str, about: &str, outcome: &Outcome) -> String {
    let verdict = match outcome.faults.as_slice() {
        [] => "<p class=\"ok\">All expectations and invariants held.</p>".to_owned(),
        faults => {
            let items: String = faults
                .iter()
                .map(|fault| format!("<li>{}</li>", escaped(fault)))
                .collect();
            format!("<ul class=\"bad\">{items}</ul>")
        }
    };
    let trace: String = outcome
        .trace
        .iter()
        .map(|line| format!("{}\n", escaped(line)))
        .collect();
    format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>{name}</title><style>\
         body{{font:14px/1.45 system-ui,sans-serif;margin:2em;color:#1b1f24}}pre{{font-size:12px;background:#f6f8fa;padding:1em;overflow:auto}}\
         .ok{{color:#116329}}.bad{{color:#a40e26}}svg text{{font:12px system-ui,sans-serif}}rect.Good{{fill:#4ac26b}}\
         rect.Bad{{fill:#e5534b}}rect.Waiting{{fill:#d4a72c}}.axis{{stroke:#d0d7de}}</style>\
         <h1>{}</h1><p>{}</p>{verdict}<p>Virtual time {}; GPU machines {}.</p>{}<h2>Trace</h2><pre>{trace}</pre></html>\n",
        escaped(name),
        escaped(about),
        clock(outcome.elapsed),
        clock(outcome.gpu_time),
        svg(&outcome.timeline, last_change(outcome)),
    )
}

/// When the last thing happened: what comes after is only waiting, and is not drawn.
fn last_change(outcome: &Outcome) -> Duration {
    let ends = outcome.timeline.lanes.values().flatten();
    let last = ends
        .flat_map(|span| [span.from, span.to])
        .filter(|at| *at < outcome.elapsed)
        .max();
    let last = last.unwrap_or(outcome.elapsed).max(Duration::from_secs(1));
    last.mul_f64(1.1)
}

fn svg(timeline: &Timeline, until: Duration) -> String {
    let height = LANE * (timeline.lanes.len() as f64 + 2.0);
    let mut svg = format!("<svg width=\"{WIDTH}\" height=\"{height}\" role=\"img\">");
    let x = |at: Duration| NAMES + (WIDTH - NAMES) * (at.as_secs_f64() / until.as_secs_f64()).min(1.0);
    for tick in 0..=8_u32 {
        let at = until * tick / 8;
        let place = x(at);
        let anchor = if tick == 8 { "end" } else { "middle" };
        // Writing to a String cannot fail.
        let _ = write!(
            svg,
            "<line class=\"axis\" x1=\"{place:.1}\" x2=\"{place:.1}\" y1=\"{LANE}\" y2=\"{height}\"/><text x=\"{place:.1}\" y=\"14\" text-anchor=\"{anchor}\">{}</text>",
            clock(at)
        );
    }
    for (row, (lane, spans)) in timeline.lanes.iter().enumerate() {
        let y = LANE * (row as f64 + 1.2);
        let name = lane.split_once(' ').map_or(lane.as_str(), |(_, name)| name);
        let _ = write!(
            svg,
            "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{}</text>",
            NAMES - 8.0,
            y + 14.0,
            escaped(name)
        );
        for span in spans.iter().filter(|span| span.from < until) {
            let (from, to) = (x(span.from), x(span.to));
            let title = format!(
                "{}: {} from {} to {}",
                name,
                span.state,
                clock(span.from),
                clock(span.to)
            );
            let _ = write!(
                svg,
                "<rect class=\"{:?}\" x=\"{from:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{}\" rx=\"3\"><title>{}</title></rect>",
                span.tone,
                (to - from).max(1.5),
                LANE - 6.0,
                escaped(&title)
            );
            if to - from > 7.0 * span.state.len() as f64 {
                let _ = write!(
                    svg,
                    "<text x=\"{:.1}\" y=\"{:.1}\">{}</text>",
                    from + 5.0,
                    y + 12.5,
                    escaped(&span.state)
                );
            }
        }
    }
    svg.push_str("</svg>");
    svg
}

fn clock(at: Duration) -> String {
    let secs = at.as_secs();
    match secs / 3600 {
        0 => format!("{}:{:02}", secs / 60, secs % 60),
        hours => format!("{hours}:{:02}:{:02}", secs / 60 % 60, secs % 60),
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_others_cannot_break_out() {
        let outcome = Outcome {
            trace: vec!["<script>".into()],
            faults: vec!["a \"b\" <c>".into()],
            elapsed: Duration::from_secs(3_700),
            gpu_time: Duration::from_secs(59),
            timeline: Timeline::default(),
        };
        let page = html("<x>", "&", &outcome);
        assert!(
            !page.contains("<script>") && page.contains("&lt;script&gt;") && page.contains("a &quot;b&quot; &lt;c&gt;")
        );
        assert!(page.contains("1:01:40") && page.contains("0:59"));
    }
}
