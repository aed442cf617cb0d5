//! Programs that are really started. Small shell scripts stand for the runtime; nothing waits longer than it must.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::json;

use super::*;
use crate::serve::behaviours::RUNTIME;
use crate::world::nodes::kubelet::curl::Output;

/// A program that is this script.
fn script(folder: &Path, text: &str) -> HostPrograms {
    let path = folder.join("runtime.sh");
    std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o700)).unwrap();
    let clock = Clock::new(crate::world::clock::DEFAULT_EPOCH, 1.0);
    HostPrograms::new(Launch::new(Some(path)).unwrap(), clock, 1.0)
}

struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("drydock-programs-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn job() -> Job {
    Job::Container(json!({ "image": RUNTIME, "args": ["serve", "--model", "m", "--port", "81", "--config", "/x"] }))
}

fn pod() -> ObjectKey {
    ObjectKey::new("default", "p")
}

/// Looks again whenever other tasks had their turn, until there is something.
async fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let looking = async {
        loop {
            if let Some(found) = look() {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let patience = Duration::from_secs(20);
    tokio::time::timeout(patience, looking)
        .await
        .unwrap_or_else(|_| panic!("not in time: {what}"))
}

async fn end_of(programs: &HostPrograms, id: &str) -> i32 {
    until("the end", || match programs.seen(id) {
        Seen::Ended { code, .. } => Some(code),
        _ => None,
    })
    .await
}

fn texts(programs: &HostPrograms, id: &str) -> Vec<String> {
    programs.log(id).into_iter().map(|(_, text)| text).collect()
}

#[tokio::test]
async fn an_exit_code_and_the_last_lines_are_kept() {
    let folder = Folder::new("exit");
    let programs = script(&folder.0, "echo \"$1 $2 $3\"; echo broken >&2; printf tail; exit 7");
    let job = job();
    programs.keep(&pod(), &[("a", &job)]);
    assert_eq!(end_of(&programs, "a").await, 7);
    let lines = texts(&programs, "a");
    assert!(
        lines[0].starts_with("[drydock up] a process of this host") && lines[0].ends_with("without --port, --config")
    );
    for line in ["serve --model m", "broken", "tail"] {
        assert!(lines.iter().any(|kept| kept == line), "{line}: {lines:?}");
    }
    programs.forget(&pod());
    assert_eq!((programs.seen("a"), programs.log("a")), (Seen::NotReady, Vec::new()));
}

#[tokio::test]
async fn what_is_not_wanted_is_asked_to_end_and_then_killed() {
    let folder = Folder::new("stop");
    let programs = script(
        &folder.0,
        "trap 'echo asked; exit 0' TERM; echo up; while :; do sleep 0.02; done",
    );
    let job = job();
    programs.keep(&pod(), &[("a", &job)]);
    until("its line", || {
        texts(&programs, "a").contains(&"up".to_owned()).then_some(())
    })
    .await;
    programs.keep(&pod(), &[]);
    assert_eq!(end_of(&programs, "a").await, 0);
    assert!(texts(&programs, "a").contains(&"asked".to_owned()));

    let deaf = script(&folder.0, "trap '' TERM; echo up; while :; do sleep 0.02; done");
    deaf.keep(&pod(), &[("b", &job)]);
    until("its line", || {
        texts(&deaf, "b").contains(&"up".to_owned()).then_some(())
    })
    .await;
    deaf.keep(&pod(), &[]);
    assert_eq!(end_of(&deaf, "b").await, 137);
}

#[tokio::test]
async fn a_shutdown_ends_all_and_starts_no_more() {
    let folder = Folder::new("shutdown");
    let programs = script(&folder.0, "trap 'exit 0' TERM; echo up; while :; do sleep 0.02; done");
    let job = job();
    programs.keep(&pod(), &[("a", &job)]);
    until("its line", || {
        texts(&programs, "a").contains(&"up".to_owned()).then_some(())
    })
    .await;
    programs.shutdown().await;
    programs.keep(&pod(), &[("b", &job)]);
    assert!(programs.inner.records().is_empty());
}

#[tokio::test]
async fn a_program_that_is_not_there_cannot_start() {
    let folder = Folder::new("none");
    let programs = script(&folder.0, "");
    std::fs::remove_file(folder.0.join("runtime.sh")).unwrap();
    let job = job();
    programs.keep(&pod(), &[("a", &job)]);
    assert_eq!(end_of(&programs, "a").await, 128);
    assert!(texts(&programs, "a")[0].starts_with("cannot start the program: "));
    assert!(Launch::new(Some(folder.0.clone())).is_err());
    assert!(Launch::new(Some(folder.0.join("nothing"))).is_err());
}

#[tokio::test]
async fn a_question_without_a_listener_is_refused_as_curl_says_it() {
    let folder = Folder::new("ask");
    let programs = script(&folder.0, "");
    let job = Job::Ask {
        target: "nobody".into(),
        request: ProxyRequest {
            method: http::Method::GET,
            path: "/".into(),
            body: bytes::Bytes::new(),
            port: 81,
        },
        output: Output::default(),
    };
    programs.keep(&pod(), &[("q", &job)]);
    assert_eq!(end_of(&programs, "q").await, 7);
    assert_eq!(
        texts(&programs, "q"),
        ["curl: (7) Failed to connect: Connection refused"]
    );
}

#[test]
fn logs_are_bounded() {
    let mut record = Record::new(pod(), 1, 81, oneshot::channel().0);
    for number in 0..5_000 {
        record.write(Timestamp::UNIX_EPOCH, format!("{number}"));
    }
    let lines = record.lines();
    assert_eq!((lines.len(), lines[0].1.as_str()), (4_096, "904"));
    record.write(Timestamp::UNIX_EPOCH, "x".repeat(1 << 20));
    assert_eq!(record.lines().len(), 1);
}
