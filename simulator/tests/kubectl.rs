//! `drydock up` under the installed kubectl: every `*.session` file beside this one is a shell session, `$ command`
//! followed by what it prints. `cargo xtask bless` rewrites them; read the diff.
#![allow(clippy::expect_used, reason = "helpers of tests: a panic is a failed test")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

#[path = "kubectl/session.rs"]
mod session;

use session::{Rules, difference, replay};

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
            .map(|path| scope.spawn(|| replayed(path, &here.join("manifests"), &rules)))
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
fn replayed(path: &Path, manifests: &Path, rules: &Rules) -> Option<String> {
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
