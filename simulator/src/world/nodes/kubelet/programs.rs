//! Programs that run outside the simulation: what kubelets ask of whoever runs them.
//!
//! Kubelets say which programs of a pod are to run and look at what became of them; they start nothing themselves. In
//! virtual time there are none, and behaviours take their place.

use std::fmt;
use std::time::Duration;

use futures::future::BoxFuture;
use jiff::Timestamp;
use serde_json::Value;

use super::curl::Output;
use crate::world::control::ObjectKey;
use crate::world::kube::server::plugs::{ProxyAnswer, ProxyRequest};

/// What a program is to do.
#[derive(Clone, Debug)]
pub enum Job {
    /// What the container says.
    Container(Value),
    /// Ask another program, as curl does, and end.
    Ask {
        /// The other one's id.
        target: String,
        /// What it is asked.
        request: ProxyRequest,
        /// What is made of the answer.
        output: Output,
    },
}

/// What is known of a program.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// It runs and does not answer.
    NotReady,
    /// It runs and answers.
    Ready,
    /// It has ended.
    Ended {
        /// Exit code.
        code: i32,
        /// When.
        at: Timestamp,
    },
}

/// Runs programs. An id names one run of one container: a restart has another.
pub trait Programs: fmt::Debug + Send + Sync {
    /// Whether it runs this container, now.
    fn takes(&self, container: &Value) -> bool;

    /// These programs of the pod are to run and no others. Logs of ended ones stay for a while.
    fn keep(&self, pod: &ObjectKey, wanted: &[(&str, &Job)]);

    /// The pod is gone, and all of its programs with it.
    fn forget(&self, pod: &ObjectKey);

    /// What became of a program; one that was not started yet is not ready.
    fn seen(&self, id: &str) -> Seen;

    /// What it has written, and when.
    fn log(&self, id: &str) -> Vec<(Timestamp, String)>;

    /// Asks a program over HTTP; None when it does not listen there.
    fn ask(&self, id: &str, request: ProxyRequest) -> BoxFuture<'static, Option<ProxyAnswer>>;

    /// How often to look at it, in the world's time.
    fn look_every(&self) -> Duration;
}

/// A container's program.
#[derive(Clone, Debug)]
pub(super) struct Program {
    pub(super) job: Job,
    pub(super) seen: Seen,
    /// Whether this run has answered at any time.
    pub(super) was_ready: bool,
}

impl Program {
    pub(super) fn new(job: Job) -> Self {
        Self {
            job,
            seen: Seen::NotReady,
            was_ready: false,
        }
    }

    /// It is about to be run again.
    pub(super) fn begin(&mut self) {
        self.seen = Seen::NotReady;
        self.was_ready = false;
    }

    pub(super) fn see(&mut self, seen: Seen) {
        self.seen = seen;
        self.was_ready |= seen == Seen::Ready;
    }
}
