//! What the API server asks of kubelets: logs, and the answers of pods' programs.

use std::fmt::Write as _;

use bytes::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::container::{Container, State};
use super::{Kubelets, Shared, after, curl};
use crate::world::clock::Clock;
use crate::world::control::object::{self, key_of};
use crate::world::kube::api_error::ApiError;
use crate::world::kube::server::plugs::{LogQuery, LogSource, ProxyAnswer, ProxyRequest, ProxyTarget};

/// The kubelets as the API server sees them.
#[derive(Clone, Debug)]
pub struct KubeletView {
    kubelets: Kubelets,
    clock: Clock,
}

impl KubeletView {
    /// Over these kubelets.
    #[must_use]
    pub fn new(kubelets: Kubelets, clock: Clock) -> Self {
        Self { kubelets, clock }
    }

    /// Looks at one container of a pod's run.
    fn with_container<T>(&self, pod: &Value, name: &str, look: impl FnOnce(&Container, &Shared) -> T) -> Option<T> {
        let shared = self.kubelets.lock();
        let run = shared
            .runs
            .get(&key_of(pod))
            .filter(|run| run.uid == object::uid(pod))?;
        run.init
            .iter()
            .chain(&run.main)
            .find(|container| container.name() == name)
            .map(|container| look(container, &shared))
    }
}

impl LogSource for KubeletView {
    fn log(&self, pod: &Value, query: &LogQuery) -> Result<Bytes, ApiError> {
        let now = self.clock.now();
        let waiting = || {
            let (container, pod) = (&query.container, object::name(pod));
            ApiError::bad_request(format!(
                "container {container:?} in pod {pod:?} is waiting to start: ContainerCreating"
            ))
        };
        let found = self.with_container(pod, &query.container, |container, shared| {
            let last = container.last.as_ref().map(|last| (&last.id, last.started, last.at));
            let run = match (&container.state, query.previous) {
                (_, true) => last,
                (State::Running { since, id }, false) => Some((id, *since, now)),
                (_, false) => last,
            };
            run.map(|(id, from, to)| match (&container.program, &shared.programs) {
                (Some(_), Some(programs)) => chosen(programs.log(id), query, now),
                _ => chosen(simulated(container, from, to.min(now)), query, now),
            })
        });
        match found {
            Some(Some(text)) => Ok(Bytes::from(text)),
            Some(None) if query.previous => {
                let (container, pod) = (&query.container, object::name(pod));
                Err(ApiError::bad_request(format!(
                    "previous terminated container {container:?} in pod {pod:?} not found"
                )))
            }
            _ => Err(waiting()),
        }
    }
}

/// What a simulated container has written from its start until its end.
fn simulated(container: &Container, from: Timestamp, to: Timestamp) -> Vec<(Timestamp, String)> {
    let parts = container.behaviour.log.iter().map(super::behaviour::LogLine::parts);
    parts
        .map(|(millis, text)| (after(from, std::time::Duration::from_millis(millis)), text.to_owned()))
        .filter(|(at, _)| *at <= to)
        .collect()
}

/// The lines that are asked for.
fn chosen(mut lines: Vec<(Timestamp, String)>, query: &LogQuery, now: Timestamp) -> String {
    if let Some(secs) = query.since_secs {
        let since = now
            .checked_sub(SignedDuration::from_secs(secs))
            .unwrap_or(Timestamp::MIN);
        lines.retain(|(at, _)| *at >= since);
    }
    let skip = query.tail_lines.map_or(0, |tail| lines.len().saturating_sub(tail));
    let mut out = String::new();
    for (at, text) in lines.into_iter().skip(skip) {
        let _ = if query.timestamps {
            writeln!(out, "{at:.9} {text}")
        } else {
            writeln!(out, "{text}")
        };
    }
    out
}

impl ProxyTarget for KubeletView {
    fn request(&self, pod: &Value, request: ProxyRequest) -> BoxFuture<'static, Option<ProxyAnswer>> {
        let now = self.clock.now();
        let shared = self.kubelets.lock();
        match (curl::program(pod, &shared), &shared.programs) {
            (Some(id), Some(programs)) => programs.ask(&id, request),
            _ => futures::future::ready(curl::answer(pod, &request.path, &shared, now)).boxed(),
        }
    }
}
