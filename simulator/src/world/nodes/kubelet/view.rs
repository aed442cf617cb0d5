//! What the API server asks of kubelets: logs, and the answers of pods' programs.

use std::fmt::Write as _;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::container::{Container, State};
use super::{Kubelets, after};
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
    fn with_container<T>(&self, pod: &Value, name: &str, look: impl FnOnce(&Container) -> T) -> Option<T> {
        let shared = self.kubelets.lock();
        let run = shared
            .runs
            .get(&key_of(pod))
            .filter(|run| run.uid == object::uid(pod))?;
        run.init
            .iter()
            .chain(&run.main)
            .find(|container| container.name() == name)
            .map(look)
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
        let found = self.with_container(pod, &query.container, |container| {
            let last = container.last.as_ref().map(|last| (last.started, last.at));
            let run = match (&container.state, query.previous) {
                (_, true) => last,
                (State::Running { since, .. }, false) => Some((*since, now)),
                (_, false) => last,
            };
            run.map(|(from, to)| lines(container, from, to.min(now), query, now))
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

fn lines(container: &Container, from: Timestamp, to: Timestamp, query: &LogQuery, now: Timestamp) -> String {
    let parts = container.behaviour.log.iter().map(super::behaviour::LogLine::parts);
    let mut lines: Vec<(Timestamp, &str)> = parts
        .map(|(millis, text)| (after(from, std::time::Duration::from_millis(millis)), text))
        .filter(|(at, _)| *at <= to)
        .collect();
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
    fn request(&self, pod: &Value, request: &ProxyRequest) -> Option<ProxyAnswer> {
        let now = self.clock.now();
        super::curl::answer(pod, &request.path, &self.kubelets.lock(), now)
    }
}
