//! Jobs: pods run until enough have succeeded or too many have failed; every pod is counted once, guarded by a finalizer.
//!
//! Must not know: who made the Job.

mod backoff;
mod indexes;
mod policy;
mod scale;
mod sync;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::claims::{itself, owners_of};
use super::expect::Expectations;
use super::object::{controller_ref, finalizers_without, has_finalizer, key_of, owner_key, text, uid};
use super::{Change, Controller, Kind, ObjectKey, Outcome, Pass, View, Write};
use crate::world::kube::api_error::ApiError;
use backoff::Backoff;
use sync::Sync;

const NAME: &str = "job-controller";

/// Keeps a pod until it is counted.
const TRACKING: &str = "batch.kubernetes.io/job-tracking";
/// Marks the key of a pod in the queue of Jobs; no object name contains it.
const POD_MARK: char = ':';

/// Runs Jobs.
#[derive(Debug, Default)]
pub struct Jobs {
    expected: Expectations,
    backoffs: BTreeMap<ObjectKey, Backoff>,
    failures: BTreeMap<ObjectKey, String>,
}

impl Controller for Jobs {
    fn name(&self) -> &'static str {
        NAME
    }

    fn watches(&self) -> &'static [Kind] {
        &[Kind::JOB, Kind::POD]
    }

    fn keys_for(&self, change: &Change, view: &View) -> Vec<ObjectKey> {
        if change.kind == Kind::JOB {
            let mut keys = itself(change);
            let gone = change.latest().filter(|job| change.new.is_none() || is_finished(job));
            let pods = gone.into_iter().flat_map(|job| view.controlled_by(Kind::POD, uid(job)));
            keys.extend(pods.map(|(key, _)| pod_key(key)));
            return keys;
        }
        let mut keys = owners_of(change, Kind::JOB, view);
        let tracked = change.new.as_ref().filter(|pod| has_finalizer(pod, TRACKING));
        if tracked.is_some_and(|pod| is_orphan(pod, view)) {
            keys.push(pod_key(&change.key));
        }
        keys
    }

    fn reconcile(&mut self, key: &ObjectKey, pass: &Pass<'_>) -> Outcome {
        if let Some(name) = key.name.strip_prefix(POD_MARK) {
            return untrack_orphan(&ObjectKey::new(key.namespace.as_str(), name), pass.view);
        }
        let job = pass.view.get(Kind::JOB, key).filter(|job| !is_finished(job));
        let Some(job) = job else {
            self.expected.forget(key);
            self.backoffs.remove(key);
            self.failures.remove(key);
            return Outcome::nothing();
        };
        if !matches!(text(job, "/spec/managedBy"), "" | "kubernetes.io/job-controller") {
            return Outcome::nothing();
        }
        let mut outcome = Outcome::nothing();
        if let Some(message) = self.failures.remove(key) {
            let message = format!("Error creating: {message}");
            outcome
                .writes
                .push(Write::warning(NAME, Kind::JOB, job, "FailedCreate", message));
        }
        let synced = self.expected.met(key, Kind::POD, pass.view, pass.now);
        let backoff = self.backoffs.entry(key.clone()).or_default();
        let work = Sync::new(key, job, pass, synced);
        let work = work.run(backoff, &mut self.expected);
        outcome.writes.extend(work.writes);
        outcome.wake_after = work.wake_after;
        outcome.rest = work.rest;
        outcome
    }

    fn failed(&mut self, key: &ObjectKey, write: &Write, error: &ApiError) {
        self.expected.forget(key);
        if let Write::Create { object, .. } = write {
            self.failures
                .insert(key.clone(), super::pods::refusal(object, &error.message));
        }
    }
}

fn pod_key(pod: &ObjectKey) -> ObjectKey {
    ObjectKey::new(pod.namespace.as_str(), format!("{POD_MARK}{}", pod.name))
}

/// Whether a Job has its final condition.
#[must_use]
pub fn is_finished(job: &Value) -> bool {
    super::object::is_true(job, "Complete") || super::object::is_true(job, "Failed")
}

/// Whether nobody will count this pod any more: its Job is gone or has finished.
fn is_orphan(pod: &Value, view: &View) -> bool {
    let Some(owner) = controller_ref(pod) else { return true };
    let Some(key) = owner_key(pod, Kind::JOB) else {
        return false;
    };
    let job = view.get(Kind::JOB, &key);
    job.is_none_or(|job| uid(job) != text(owner, "/uid") || is_finished(job))
}

fn untrack_orphan(key: &ObjectKey, view: &View) -> Outcome {
    let pod = view.get(Kind::POD, key);
    let pod = pod.filter(|pod| has_finalizer(pod, TRACKING) && is_orphan(pod, view));
    Outcome::writes(pod.map(|pod| untrack(pod)).into_iter().collect())
}

/// Takes the tracking finalizer off a pod.
fn untrack(pod: &Value) -> Write {
    Write::MergePatch {
        kind: Kind::POD,
        key: key_of(pod),
        status: false,
        patch: json!({"metadata": {"uid": uid(pod), "finalizers": finalizers_without(pod, TRACKING)}}),
    }
}
