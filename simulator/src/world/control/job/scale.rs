//! How many pods a Job runs, which ones it removes, and what a new one looks like.
//!
//! Must not know: the status.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::super::claims::Held;
use super::super::expect::Expectations;
use super::super::object::{annotation, has_finalizer, int, list, list_mut, name, put, text, uid};
use super::super::{Kind, Write, pods};
use super::backoff::{Backoff, finished_at, remaining};
use super::indexes::Indexes;
use super::policy::{Verdict, judge};
use super::sync::Sync;
use super::{NAME, TRACKING, untrack};

/// A pod's index, as annotation and label.
pub(super) const INDEX: &str = "batch.kubernetes.io/job-completion-index";
/// How often an index has failed before this pod.
const INDEX_FAILURES: &str = "batch.kubernetes.io/job-index-failure-count";
/// How often an index has failed in ways that do not count.
const INDEX_IGNORED: &str = "batch.kubernetes.io/job-index-ignored-failure-count";
/// At most so many creations or deletions a pass (`MaxPodCreateDeletePerSync`).
const MAX_PER_PASS: usize = 500;

impl<'a> Sync<'a> {
    /// The Job ends: what still runs goes.
    pub(super) fn delete_active(&mut self, expected: &mut Expectations) {
        let doomed = self.active.clone();
        self.delete(doomed, false, expected);
    }

    /// Brings the number of running pods to what is wanted.
    pub(super) fn scale(&mut self, backoff: &Backoff, expected: &mut Expectations) {
        if self.is_suspended() {
            let doomed = self.active.clone();
            return self.delete(doomed, true, expected);
        }
        let parallelism = int(self.job, "/spec/parallelism").unwrap_or(1).max(0);
        let wanted = match self.completions() {
            None if self.succeeded > 0 => self.active_count,
            None => parallelism,
            Some(completions) => {
                let settled = self.succeeded + self.failed_indexes.as_ref().map_or(0, Indexes::total);
                parallelism.min(completions - settled).max(0)
            }
        };
        let doomed = self.superfluous(self.active_count - wanted);
        if !doomed.is_empty() {
            return self.delete(doomed, true, expected);
        }
        let leaving = if self.only_failed_are_replaced() {
            self.terminating
        } else {
            0
        };
        let missing = usize::try_from(wanted - leaving - self.active_count)
            .unwrap_or(0)
            .min(MAX_PER_PASS);
        if missing == 0 {
            return;
        }
        let wait = if self.failed_indexes.is_some() {
            Duration::ZERO
        } else {
            backoff.remaining(self.pass.now)
        };
        if wait.is_zero() {
            self.create(missing, expected);
        } else {
            self.wake_in(wait);
        }
    }

    /// Pods without a valid index or with one that is taken, then the cheapest.
    fn superfluous(&self, at_least: i64) -> Vec<Held<'a>> {
        let (mut doomed, mut left) = (Vec::new(), Vec::new());
        let mut active = self.active.clone();
        active.sort_by_cached_key(|(_, pod)| pods::dearness(pod, 0, self.pass.now));
        if self.is_indexed() {
            let mut taken = Indexes::default();
            for (key, pod) in active.into_iter().rev() {
                match self.index_of(pod) {
                    Some(index) if !taken.has(index) => {
                        taken.extend([index]);
                        left.push((key, pod));
                    }
                    _ => doomed.push((key, pod)),
                }
            }
            left.reverse();
        } else {
            left = active;
        }
        let more = usize::try_from(at_least).unwrap_or(0).saturating_sub(doomed.len());
        doomed.extend(left.into_iter().take(more));
        doomed.truncate(MAX_PER_PASS);
        doomed
    }

    fn delete(&mut self, doomed: Vec<Held<'a>>, uncounted: bool, expected: &mut Expectations) {
        for (key, pod) in doomed {
            self.active_count -= 1;
            self.terminating += 1;
            self.ready -= i64::from(pods::is_ready(pod));
            if uncounted && has_finalizer(pod, TRACKING) {
                self.scaling.push(untrack(pod));
            }
            expected.deletion(self.key, key.clone(), uid(pod), self.pass.now);
            let message = format!("Deleted pod: {}", key.name);
            self.scaling.push(Write::Delete {
                kind: Kind::POD,
                key,
                uid: Some(uid(pod).to_owned()),
                grace_secs: None,
                propagation: Some("Background"),
            });
            self.scaling
                .push(Write::normal(NAME, Kind::JOB, self.job, "SuccessfulDelete", message));
        }
    }

    fn create(&mut self, missing: usize, expected: &mut Expectations) {
        let mut template = self.job.pointer("/spec/template").cloned().unwrap_or_default();
        if let Some(finalizers) = list_mut(&mut template, &["metadata", "finalizers"])
            && !finalizers.contains(&json!(TRACKING))
        {
            finalizers.push(json!(TRACKING));
        }
        if !self.is_indexed() {
            for _ in 0..missing {
                self.create_pod(&template, name(self.job), expected);
            }
            return;
        }
        add_index_env(&mut template);
        let waiting = self.awaiting();
        for index in self.free_indexes(missing) {
            let before = waiting.get(&index).copied();
            if let Some(pod) = before {
                let failures = u32::try_from(failures_of(pod) + ignored_of(pod) + 1).unwrap_or(u32::MAX);
                let wait = remaining(failures, finished_at(pod), self.pass.now);
                if !wait.is_zero() {
                    self.wake_in(wait);
                    continue;
                }
            }
            let template = self.indexed(&template, index, before);
            let suffix = format!("-{index}");
            // 57: with the dash and five drawn characters the name is a label of 63.
            let base = format!("{}{suffix}", pods::clip(name(self.job), 57 - suffix.len()));
            self.create_pod(&template, &base, expected);
        }
    }

    fn free_indexes(&self, missing: usize) -> Vec<i64> {
        let mut taken = self.done.clone();
        let mut busy = self.active.clone();
        if self.only_failed_are_replaced() {
            busy.extend(self.pods.iter().filter(|(_, pod)| pods::is_terminating(pod)).cloned());
        }
        taken.extend(busy.iter().filter_map(|(_, pod)| self.index_of(pod)));
        let completions = self.completions().unwrap_or(0);
        if let Some(failed) = &self.failed_indexes {
            taken.join(failed);
        }
        taken.gaps(missing, completions)
    }

    fn indexed(&self, template: &Value, index: i64, before: Option<&Value>) -> Value {
        let mut template = template.clone();
        let text = index.to_string();
        put(&mut template, &["metadata", "annotations", INDEX], text.as_str().into());
        put(&mut template, &["metadata", "labels", INDEX], text.as_str().into());
        put(
            &mut template,
            &["spec", "hostname"],
            format!("{}-{index}", name(self.job)).into(),
        );
        if self.failed_indexes.is_some() {
            let mut failures = before.map_or(0, failures_of);
            let mut ignored = before.map_or(0, ignored_of);
            match before.map(|pod| judge(self.job, pod)) {
                Some(Verdict::Ignore) => ignored += 1,
                Some(_) => failures += 1,
                None => {}
            }
            put(
                &mut template,
                &["metadata", "annotations", INDEX_FAILURES],
                failures.to_string().into(),
            );
            if ignored > 0 {
                put(
                    &mut template,
                    &["metadata", "annotations", INDEX_IGNORED],
                    ignored.to_string().into(),
                );
            }
        }
        template
    }

    fn create_pod(&mut self, template: &Value, base: &str, expected: &mut Expectations) {
        let object = pods::from_template(template, Kind::JOB, self.job, base, self.pass.entropy);
        expected.creation(self.key, pods::new_key(&object), self.pass.now);
        self.active_count += 1;
        let message = format!("Created pod: {}", name(&object));
        let kind = Kind::POD;
        self.scaling.push(Write::Create { kind, object });
        self.scaling
            .push(Write::normal(NAME, Kind::JOB, self.job, "SuccessfulCreate", message));
    }

    /// With a limit an index, the newest failed pod of an index stays until its replacement carries its count on.
    fn awaiting(&self) -> BTreeMap<i64, &'a Value> {
        let mut waiting: BTreeMap<i64, &'a Value> = BTreeMap::new();
        let Some(failed) = &self.failed_indexes else {
            return waiting;
        };
        let busy: Vec<i64> = self.active.iter().filter_map(|(_, pod)| self.index_of(pod)).collect();
        for (_, pod) in self
            .pods
            .iter()
            .filter(|(_, pod)| has_finalizer(pod, TRACKING) && self.is_failed(pod))
        {
            let Some(index) = self.index_of(pod) else { continue };
            let open = !busy.contains(&index) && !self.done.has(index) && !failed.has(index);
            let newer = waiting.get(&index).is_none_or(|have| {
                (failures_of(have) + ignored_of(have), finished_at(have))
                    <= (failures_of(pod) + ignored_of(pod), finished_at(pod))
            });
            if open && newer {
                waiting.insert(index, pod);
            }
        }
        waiting
    }

    pub(super) fn awaits_replacement(&self, pod: &Value) -> bool {
        let index = self.index_of(pod).filter(|_| self.failed_indexes.is_some());
        index.is_some_and(|index| self.awaiting().get(&index).is_some_and(|held| uid(held) == uid(pod)))
    }
}

/// Whether a failed pod exhausts its index.
pub(super) fn index_fails(job: &Value, pod: &Value) -> bool {
    match judge(job, pod) {
        Verdict::FailIndex => true,
        Verdict::Ignore => false,
        _ => int(job, "/spec/backoffLimitPerIndex").is_some_and(|limit| failures_of(pod) >= limit),
    }
}

fn failures_of(pod: &Value) -> i64 {
    annotation(pod, INDEX_FAILURES)
        .and_then(|text| text.parse().ok())
        .unwrap_or(0)
}

fn ignored_of(pod: &Value) -> i64 {
    annotation(pod, INDEX_IGNORED)
        .and_then(|text| text.parse().ok())
        .unwrap_or(0)
}

/// `JOB_COMPLETION_INDEX` in every container that does not set it.
fn add_index_env(template: &mut Value) {
    const ENV: &str = "JOB_COMPLETION_INDEX";
    let value = json!({"name": ENV, "valueFrom": {"fieldRef": {
        "apiVersion": "v1", "fieldPath": format!("metadata.labels['{INDEX}']"),
    }}});
    for field in ["/spec/initContainers", "/spec/containers"] {
        let containers = template.pointer_mut(field).and_then(Value::as_array_mut);
        for container in containers.into_iter().flatten() {
            let set = list(container, "/env").iter().any(|env| text(env, "/name") == ENV);
            if !set && let Some(env) = list_mut(container, &["env"]) {
                env.push(value.clone());
            }
        }
    }
}
