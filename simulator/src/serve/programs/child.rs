//! One child process: started, watched, its lines kept, ended.

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::oneshot;

use super::{Inner, ask, command};
use crate::world::kube::server::plugs::ProxyRequest;
use crate::world::nodes::kubelet::programs::Seen;

/// Time to end on SIGTERM before SIGKILL.
const GRACE: Duration = Duration::from_secs(3);
/// Between two looks at `/health` until it answers.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// The same afterwards.
const LOOK_AGAIN_EVERY: Duration = Duration::from_secs(1);
/// Longest wait for `/health`.
const HEALTH_WITHIN: Duration = Duration::from_secs(5);
/// Longest line of a log, in bytes; longer ones are broken.
const MAX_LINE_BYTES: u64 = 16 << 10;
/// Lines that are still on the way when a program has ended come within this time; a grandchild may hold the pipe open.
const LAST_LINES_WITHIN: Duration = Duration::from_secs(1);
/// Exit code of a container whose program cannot be started, as of containerd.
const CANNOT_START: i32 = 128;

/// Runs the program of `spec` until it ends or is stopped.
pub(super) async fn run(inner: Arc<Inner>, id: String, spec: Value, stopped: oneshot::Receiver<()>) {
    let code = match start(&inner, &id, &spec).await {
        Ok((mut child, address)) => {
            // Waiting for a child would close its standard input, on which its life hangs.
            let _input = child.stdin.take();
            let lines = read_lines(&inner, &id, &mut child);
            let code = tokio::select! {
                ended = child.wait() => ended.map_or(CANNOT_START, exit_code),
                never = watch_health(&inner, &id, address) => match never {},
                _ = stopped => end(&mut child).await,
            };
            let _ = tokio::time::timeout(LAST_LINES_WITHIN, lines).await;
            code
        }
        Err(error) => {
            inner.change(&id, |record, now| {
                record.write(now, format!("cannot start the program: {error}"))
            });
            CANNOT_START
        }
    };
    inner.change(&id, |record, now| record.end(code, now));
}

async fn start(inner: &Inner, id: &str, spec: &Value) -> std::io::Result<(Child, SocketAddr)> {
    // Free a moment ago. Should another have taken it since, the program says so and the container is restarted.
    let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?.local_addr()?;
    let (kept, dropped) = command::on_host(spec);
    let mut command = Command::new(&inner.launch.program);
    command.args(inner.launch.verb).arg("serve").args(kept);
    command.args([
        "--listen",
        &address.ip().to_string(),
        "--port",
        &address.port().to_string(),
    ]);
    // Its standard input closes when this program is gone, however that came.
    command.arg("--until-stdin-closes");
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let child = command.kill_on_drop(true).spawn()?;
    inner.change(id, |record, now| {
        let left_out = dropped.iter().map(|(flag, _)| *flag).collect::<Vec<_>>().join(", ");
        let without = if left_out.is_empty() {
            String::new()
        } else {
            format!(", without {left_out}")
        };
        record.write(
            now,
            format!("[drydock up] a process of this host, listening on {address}{without}"),
        );
        record.address = Some(address);
    });
    Ok((child, address))
}

/// Says whether it answers, for ever.
async fn watch_health(inner: &Inner, id: &str, address: SocketAddr) -> Infallible {
    loop {
        let request = ProxyRequest {
            method: http::Method::GET,
            path: "/health".into(),
            body: Bytes::new(),
            port: address.port(),
        };
        let answer = tokio::time::timeout(HEALTH_WITHIN, ask::ask(address, request)).await;
        let is_healthy = matches!(answer, Ok(Some(answer)) if (200..400).contains(&answer.code));
        let (seen, wait) = match is_healthy {
            true => (Seen::Ready, LOOK_AGAIN_EVERY),
            false => (Seen::NotReady, LOOK_EVERY),
        };
        inner.change(id, |record, _| record.seen = seen);
        tokio::time::sleep(wait).await;
    }
}

/// Ends it: asks, waits, kills.
async fn end(child: &mut Child) -> i32 {
    let pid = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
    if let Some(pid) = pid {
        // It may have ended meanwhile; it is waited for below, so that its number is not another's.
        let _ = kill_process(pid, Signal::TERM);
    }
    if let Ok(ended) = tokio::time::timeout(GRACE, child.wait()).await {
        return ended.map_or(CANNOT_START, exit_code);
    }
    let _ = child.kill().await;
    128 + Signal::KILL.as_raw()
}

/// As container runtimes tell it: 128 and the signal's number for a program that a signal ended.
fn exit_code(status: ExitStatus) -> i32 {
    let by_signal = || status.signal().map(|signal| 128 + signal);
    status.code().or_else(by_signal).unwrap_or(CANNOT_START)
}

/// Keeps its lines; done when it has closed both of its outputs.
fn read_lines(inner: &Arc<Inner>, id: &str, child: &mut Child) -> impl Future<Output = ()> + Send + use<> {
    let out = child
        .stdout
        .take()
        .map(|pipe| keep_lines(Arc::clone(inner), id.to_owned(), pipe));
    let err = child
        .stderr
        .take()
        .map(|pipe| keep_lines(Arc::clone(inner), id.to_owned(), pipe));
    let (out, err) = (out.map(tokio::spawn), err.map(tokio::spawn));
    async move {
        for reader in [out, err].into_iter().flatten() {
            let _ = reader.await;
        }
    }
}

async fn keep_lines(inner: Arc<Inner>, id: String, pipe: impl AsyncRead + Unpin) {
    let mut pipe = BufReader::new(pipe);
    let mut line = Vec::new();
    loop {
        line.clear();
        let read = (&mut pipe).take(MAX_LINE_BYTES).read_until(b'\n', &mut line).await;
        if read.is_err() || line.is_empty() {
            return;
        }
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end_matches(['\n', '\r']).to_owned();
        inner.change(&id, |record, now| record.write(now, text));
    }
}
