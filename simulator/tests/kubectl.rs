//! `drydock up` under the installed kubectl: every `*.session` file beside this one is a shell session, `$ command`
//! followed by what it prints. `cargo xtask bless` rewrites them; read the diff.
#![allow(clippy::expect_used, reason = "helpers of tests: a panic is a failed test")]

use std::fmt::Write as _;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use regex::Regex;

/// Any one command that takes longer hangs.
const COMMAND_TIMEOUT_SECS: &str = "60";

/// `drydock up` in a folder of its own; ends with the test.
struct Up {
    child: Child,
    folder: PathBuf,
}

impl Up {
    fn start(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("drydock-kubectl-{name}-{}", std::process::id()));
        let mut child = Command::new(env!("CARGO_BIN_EXE_drydock"))
            .args(["up", "--bare", "--port", "0", "--nodes", "3", "--dir"])
            .arg(&folder)
            .stdout(Stdio::piped())
            .spawn()
            .expect("drydock starts");
        let stdout = child.stdout.take().expect("stdout is piped");
        let mut first_line = String::new();
        BufReader::new(stdout)
            .read_line(&mut first_line)
            .expect("drydock says when it is ready");
        assert!(
            folder.join("endpoints.json").exists(),
            "drydock up was not ready: {first_line}"
        );
        Self { child, folder }
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(self.child.id().to_string()).status();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

#[test]
fn sessions_print_what_they_should() {
    let here = Path::new("tests/kubectl");
    let mut sessions: Vec<PathBuf> = fs::read_dir(here)
        .expect("tests/kubectl")
        .filter_map(|entry| Some(entry.ok()?.path()))
        .collect();
    sessions.retain(|path| path.extension().is_some_and(|ending| ending == "session"));
    sessions.sort();
    assert!(!sessions.is_empty());

    let rules = Rules::new();
    // At once, each with a cluster of its own: a session mostly waits for its pods.
    let failures: String = std::thread::scope(|scope| {
        let started: Vec<_> = sessions
            .iter()
            .map(|path| scope.spawn(|| session(path, &here.join("manifests"), &rules)))
            .collect();
        let ended = started.into_iter().map(|thread| thread.join().expect("a session ends"));
        ended.flatten().collect()
    });
    assert!(
        failures.is_empty(),
        "{failures}\n`cargo xtask bless` accepts what is printed now"
    );
}

/// Replays one session on a cluster of its own; answers how it differs from what it should be, unless it is to be accepted.
fn session(path: &Path, manifests: &Path, rules: &Rules) -> Option<String> {
    let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
    let up = Up::start(&name);
    let expected = fs::read_to_string(path).expect("a session");
    let actual = replay(&expected, manifests, &up.folder.join("kubeconfig"), rules);
    if actual == expected {
        return None;
    }
    if is_blessing() {
        fs::write(path, &actual).expect("the session can be rewritten");
        return None;
    }
    Some(format!("{}:\n{}\n", path.display(), difference(&expected, &actual)))
}

#[allow(clippy::disallowed_methods, reason = "how `cargo xtask bless` speaks to a test")]
fn is_blessing() -> bool {
    std::env::var_os("DRYDOCK_BLESS").is_some()
}

/// Runs every command of a session and answers the session with what they printed.
fn replay(session: &str, folder: &Path, kubeconfig: &Path, rules: &Rules) -> String {
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
struct Rules(Vec<(Regex, &'static str)>);

impl Rules {
    fn new() -> Self {
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
fn difference(expected: &str, actual: &str) -> String {
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

#[test]
fn a_port_in_use_and_a_bad_folder_are_clear_errors() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = taken.local_addr().expect("an address").port().to_string();
    let folder = std::env::temp_dir().join(format!("drydock-port-{}", std::process::id()));
    let run = |arguments: &[&str]| {
        let output = Command::new("timeout")
            .arg("20")
            .arg(env!("CARGO_BIN_EXE_drydock"))
            .args(arguments)
            .output();
        let output = output.expect("drydock runs");
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    };
    let (code, text) = run(&["up", "--port", &port, "--dir", &folder.to_string_lossy()]);
    assert_eq!(code, Some(1), "{text}");
    assert!(
        text.contains("cannot listen on 127.0.0.1:") && text.contains("--port"),
        "{text}"
    );
    let (code, text) = run(&["up", "--dir", "/proc/nowhere"]);
    assert_eq!(code, Some(1), "{text}");
    assert!(
        text.contains("cannot make the folder /proc/nowhere") && text.contains("--dir"),
        "{text}"
    );
    let _ = fs::remove_dir_all(folder);
}
