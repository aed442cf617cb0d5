//! What is known of one program.

use std::collections::VecDeque;
use std::net::SocketAddr;

use jiff::Timestamp;
use tokio::sync::oneshot;

use crate::world::control::ObjectKey;
use crate::world::nodes::kubelet::programs::Seen;

/// So many lines of a log are kept, the last ones.
const MAX_LINES: usize = 4_096;
/// So many bytes of them.
const MAX_BYTES: usize = 1 << 20;

/// One program.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) pod: ObjectKey,
    /// Later programs have greater ones.
    pub(super) number: u64,
    pub(super) seen: Seen,
    /// Port of the pod that it stands for.
    port: u16,
    /// Where it listens instead.
    pub(super) address: Option<SocketAddr>,
    log: VecDeque<(Timestamp, String)>,
    log_bytes: usize,
    stop: Option<oneshot::Sender<()>>,
}

impl Record {
    pub(super) fn new(pod: ObjectKey, number: u64, port: u16, stop: oneshot::Sender<()>) -> Self {
        Self {
            pod,
            number,
            seen: Seen::NotReady,
            port,
            address: None,
            log: VecDeque::new(),
            log_bytes: 0,
            stop: Some(stop),
        }
    }

    pub(super) fn is_running(&self) -> bool {
        !matches!(self.seen, Seen::Ended { .. })
    }

    /// Has it end; answers its number.
    pub(super) fn stop(&mut self) -> u64 {
        self.stop = None;
        self.number
    }

    pub(super) fn end(&mut self, code: i32, at: Timestamp) {
        (self.seen, self.address) = (Seen::Ended { code, at }, None);
    }

    /// Where the program listens that stands for this port of its pod.
    pub(super) fn address(&self, port: u16) -> Option<SocketAddr> {
        self.address.filter(|_| port == self.port)
    }

    pub(super) fn write(&mut self, at: Timestamp, line: String) {
        self.log_bytes += line.len();
        self.log.push_back((at, line));
        while self.log.len() > MAX_LINES || self.log_bytes > MAX_BYTES {
            let Some((_, line)) = self.log.pop_front() else { break };
            self.log_bytes -= line.len();
        }
    }

    pub(super) fn lines(&self) -> Vec<(Timestamp, String)> {
        self.log.iter().cloned().collect()
    }
}
