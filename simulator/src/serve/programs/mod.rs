//! Real programs behind containers, for `drydock up`: the GPU runtime's `serve` as a child process of the host.
//!
//! Knows processes and loopback sockets. Must not know pods' lives: kubelets say what is to run.

mod ask;
mod child;
mod command;
mod record;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::oneshot;
use tokio::task::JoinSet;

use self::record::Record;
use crate::world::clock::Clock;
use crate::world::control::ObjectKey;
use crate::world::kube::server::plugs::{ProxyAnswer, ProxyRequest};
use crate::world::nodes::kubelet::programs::{Job, Programs, Seen};

/// So many programs run at once; containers beyond that are simulated. Each is a process of some megabytes.
const MAX_PROGRAMS: usize = 64;
/// Logs of so many ended programs are kept for each pod: the last of each container, for most pods.
const KEPT_ENDED: usize = 8;
/// Shortest time between two looks at a program, of the wall's.
const LOOK_EVERY_WALL: Duration = Duration::from_millis(50);
/// The same, of the world's: kubelets look at their containers once a second.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// How the runtime is started: a program, and what comes before its own arguments.
#[derive(Clone, Debug)]
pub struct Launch {
    program: PathBuf,
    verb: Option<&'static str>,
}

impl Launch {
    /// This runtime, or the one inside the program that runs.
    ///
    /// # Errors
    /// When there is no such file.
    pub fn new(runtime: Option<PathBuf>) -> Result<Self> {
        match runtime {
            Some(program) => {
                let found = std::fs::metadata(&program).with_context(|| format!("--runtime {}", program.display()))?;
                anyhow::ensure!(found.is_file(), "--runtime {}: not a file", program.display());
                Ok(Self { program, verb: None })
            }
            None => Ok(Self {
                program: std::env::current_exe()
                    .context("cannot find the program that runs; name one with --runtime")?,
                verb: Some(crate::RUNTIME_VERB),
            }),
        }
    }
}

/// Runs programs on this host. Clones are the same.
#[derive(Clone, Debug)]
pub struct HostPrograms {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    launch: Launch,
    clock: Clock,
    look_every: Duration,
    records: Mutex<BTreeMap<String, Record>>,
    /// None when no more are to be started.
    tasks: Mutex<Option<JoinSet<()>>>,
}

impl HostPrograms {
    /// For a world whose time runs `speed` times as fast as the wall's.
    #[must_use]
    pub fn new(launch: Launch, clock: Clock, speed: f64) -> Self {
        let inner = Inner {
            launch,
            clock,
            look_every: LOOK_EVERY.max(LOOK_EVERY_WALL.mul_f64(speed)),
            records: Mutex::default(),
            tasks: Mutex::new(Some(JoinSet::new())),
        };
        Self { inner: Arc::new(inner) }
    }

    /// Ends them all; no other is started from then on.
    pub async fn shutdown(&self) {
        let tasks = self.inner.tasks().take();
        self.inner.records().clear();
        let mut tasks = tasks.unwrap_or_default();
        while tasks.join_next().await.is_some() {}
    }
}

impl Inner {
    fn records(&self) -> MutexGuard<'_, BTreeMap<String, Record>> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tasks(&self) -> MutexGuard<'_, Option<JoinSet<()>>> {
        self.tasks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Changes what is known of a program, if it is not forgotten.
    fn change(&self, id: &str, change: impl FnOnce(&mut Record, Timestamp)) {
        let now = self.clock.now();
        if let Some(record) = self.records().get_mut(id) {
            change(record, now);
        }
    }

    fn start(self: &Arc<Self>, pod: &ObjectKey, id: &str, job: &Job, number: u64) {
        let mut tasks = self.tasks();
        let Some(tasks) = tasks.as_mut() else { return };
        while tasks.try_join_next().is_some() {}
        // Dropping the sender, with its record, is what ends a program.
        let (stop, stopped) = oneshot::channel();
        let port = match job {
            Job::Container(spec) => command::port(spec),
            Job::Ask { .. } => 0,
        };
        let record = Record::new(pod.clone(), number, port, stop);
        self.records().insert(id.to_owned(), record);
        let (inner, id, job) = (Arc::clone(self), id.to_owned(), job.clone());
        let task = async move {
            match job {
                Job::Container(spec) => child::run(inner, id, spec, stopped).await,
                Job::Ask {
                    target,
                    request,
                    output,
                } => {
                    let answer = inner.ask(&target, request);
                    let (code, text) = tokio::select! {
                        answer = answer => output.of(answer.as_ref()),
                        _ = stopped => return,
                    };
                    inner.change(&id, |record, now| {
                        text.lines().for_each(|line| record.write(now, line.to_owned()));
                        record.end(code, now);
                    });
                }
            }
        };
        tasks.spawn(task);
    }

    fn ask(&self, id: &str, request: ProxyRequest) -> BoxFuture<'static, Option<ProxyAnswer>> {
        let address = self.records().get(id).and_then(|record| record.address(request.port));
        async move { ask::ask(address?, request).await }.boxed()
    }
}

impl Programs for HostPrograms {
    fn takes(&self, container: &Value) -> bool {
        let running = || self.inner.records().values().filter(|one| one.is_running()).count();
        command::is_runtime(container) && running() < MAX_PROGRAMS
    }

    fn keep(&self, pod: &ObjectKey, wanted: &[(&str, &Job)]) {
        let number = {
            let mut records = self.inner.records();
            let is_wanted = |id: &str| wanted.iter().any(|(wanted, _)| *wanted == id);
            let others = records.iter_mut().filter(|(id, one)| one.pod == *pod && !is_wanted(id));
            let mut ended: Vec<(u64, String)> = others.map(|(id, one)| (one.stop(), id.clone())).collect();
            ended.sort_unstable_by(|one, other| other.cmp(one));
            for (_, id) in ended.into_iter().skip(KEPT_ENDED) {
                records.remove(&id);
            }
            records.values().map(|record| record.number).max().unwrap_or(0)
        };
        for (job, number) in wanted.iter().zip(number.saturating_add(1)..) {
            let (id, job) = *job;
            if !self.inner.records().contains_key(id) {
                self.inner.start(pod, id, job, number);
            }
        }
    }

    fn forget(&self, pod: &ObjectKey) {
        self.inner.records().retain(|_, record| record.pod != *pod);
    }

    fn seen(&self, id: &str) -> Seen {
        self.inner
            .records()
            .get(id)
            .map_or(Seen::NotReady, |record| record.seen)
    }

    fn log(&self, id: &str) -> Vec<(Timestamp, String)> {
        self.inner.records().get(id).map(Record::lines).unwrap_or_default()
    }

    fn ask(&self, id: &str, request: ProxyRequest) -> BoxFuture<'static, Option<ProxyAnswer>> {
        self.inner.ask(id, request)
    }

    fn look_every(&self) -> Duration {
        self.inner.look_every
    }
}
