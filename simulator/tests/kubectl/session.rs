//! Sessions of kubectl: what they are, and how two of them differ.

use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

use regex::Regex;

/// Any one command that takes longer hangs.
const COMMAND_TIMEOUT_SECS: &str = "60";

/// Runs every command of a session and answers the session with what they printed.
pub(crate) fn replay(session: &str, folder: &Path, kubeconfig: &Path, rules: &Rules) -> String {
    let mut out = String::new();
    for line in session.lines() {
        if line.starts_with("# ") {
            let _ = writeln!(out, "{line}");
            continue;
        }
        let Some(command) = line.strip_prefix("$ ") else {
            continue;
        };
        let output = Command::new("timeout")
            .args([COMMAND_TIMEOUT_SECS, "bash", "-c", &format!("{command} 2>&1")])
            .current_dir(folder)
            .env("KUBECONFIG", kubeconfig)
            .output()
            .expect("bash runs");
        let _ = writeln!(out, "$ {command}");
        out.push_str(&rules.normalise(&String::from_utf8_lossy(&output.stdout)));
        match output.status.code() {
            Some(0) => {}
            Some(code) => {
                let _ = writeln!(out, "[exit code {code}]");
            }
            None => out.push_str("[killed]\n"),
        }
    }
    out
}

/// What differs from run to run, and what stands for it.
pub(crate) struct Rules(Vec<(Regex, &'static str)>);

impl Rules {
    pub(crate) fn new() -> Self {
        let rules = [
            (
                r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}",
                "<uid>",
            ),
            (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "<time>"),
            (r"\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d [+-]\d{4}", "<time>"),
            (r"https?://127\.0\.0\.1:\d+", "<server>"),
            (r"\b10\.\d+\.\d+\.\d+\b", "<ip>"),
            (r"Resource Version: +\d+", "Resource Version: <rv>"),
            (r#"resourceVersion: "\d+""#, r#"resourceVersion: "<rv>""#),
            (r"\b(([0-9]+d)?([0-9]+h)?([0-9]+m)?[0-9]+(ms|s)|[0-9]+m)\b", "<age>"),
            (
                r"-[bcdf-hj-np-tv-xz2456789]{8,10}-[bcdf-hj-np-tv-xz2456789]{5}\b",
                "-<hash>-<id>",
            ),
            (r"\.[0-9a-f]{16}\b", ".<event>"),
            (r"-[bcdf-hj-np-tv-xz2456789]{8,10}\b", "-<hash>"),
            (r"\b(once|kube-api-access)-[bcdf-hj-np-tv-xz2456789]{5}\b", "$1-<id>"),
            (r"=[bcdf-hj-np-tv-xz2456789]{8,10}\b", "=<hash>"),
        ];
        Self(
            rules
                .into_iter()
                .map(|(pattern, stand_in)| (Regex::new(pattern).expect(pattern), stand_in))
                .collect(),
        )
    }

    /// Stand-ins, and runs of blanks (column widths follow what was replaced) folded to two.
    fn normalise(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (pattern, stand_in) in &self.0 {
            text = pattern.replace_all(&text, *stand_in).into_owned();
        }
        let lines = text.lines().map(|line| {
            let body = line.trim_start();
            let indent = &line[..line.len() - body.len()];
            let words: Vec<&str> = body
                .split("  ")
                .map(str::trim)
                .filter(|word| !word.is_empty())
                .collect();
            format!("{indent}{}\n", words.join("  "))
        });
        lines.collect()
    }
}

/// The first differing lines of two texts, with what came before.
pub(crate) fn difference(expected: &str, actual: &str) -> String {
    let (expected, actual): (Vec<&str>, Vec<&str>) = (expected.lines().collect(), actual.lines().collect());
    let first = expected.iter().zip(&actual).take_while(|(a, b)| a == b).count();
    let command = actual[..first.min(actual.len())]
        .iter()
        .rposition(|line| line.starts_with("$ "))
        .unwrap_or(0);
    let show = |lines: &[&str]| {
        lines
            .iter()
            .skip(command)
            .take(first - command + 12)
            .fold(String::new(), |mut text, line| {
                let _ = writeln!(text, "    {line}");
                text
            })
    };
    format!(
        "  line {}\n  expected:\n{}  printed:\n{}",
        first + 1,
        show(&expected),
        show(&actual)
    )
}
