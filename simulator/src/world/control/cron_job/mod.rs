//! CronJobs: Jobs at set times.
//!
//! Must not know: how Jobs run. Time zones other than UTC are not known here, since the simulator carries no zone data.

mod schedule;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::claims::itself;
use super::object::{
    StatusBuilder, after_secs, annotation, created_at, flag, int, is_deleting, is_true, key_of, list, name, namespace,
    owned_by, owner_key, put, stamp, text, time, uid, until,
};
use super::pods::clip;
use super::{Change, Controller, Kind, ObjectKey, Outcome, Pass, View, Write};
use crate::world::kube::api_error::ApiError;
use schedule::Schedule;

/// Component of its events and its user.
const NAME: &str = "cronjob-controller";
/// Jobs are made a little after their time (`nextScheduleDelta`).
const DELTA: Duration = Duration::from_millis(100);
/// For which time a Job was made.
const SCHEDULED_AT: &str = "batch.kubernetes.io/cronjob-scheduled-timestamp";
/// Set by `kubectl create job --from`: such Jobs are not the controller's.
const INSTANTIATE: &str = "cronjob.kubernetes.io/instantiate";
/// More missed times than this are told.
const MANY_MISSED: i64 = 100;

/// Makes Jobs at set times.
#[derive(Debug, Default)]
pub struct CronJobs {
    /// Unfinished Jobs that others made, by uid: told once.
    unexpected: BTreeMap<ObjectKey, BTreeSet<String>>,
    /// Why a Job could not be made; told at the next look.
    failures: BTreeMap<ObjectKey, String>,
}

impl Controller for CronJobs {
    fn name(&self) -> &'static str {
        NAME
    }

    fn watches(&self) -> &'static [Kind] {
        &[Kind::CRON_JOB, Kind::JOB]
    }

    fn keys_for(&self, change: &Change, _view: &View) -> Vec<ObjectKey> {
        match change.kind {
            Kind::CRON_JOB => itself(change),
            _ => change
                .latest()
                .and_then(|job| owner_key(job, Kind::CRON_JOB))
                .into_iter()
                .collect(),
        }
    }

    fn reconcile(&mut self, key: &ObjectKey, pass: &Pass<'_>) -> Outcome {
        let Some(cron) = pass.view.get(Kind::CRON_JOB, key) else {
            self.unexpected.remove(key);
            self.failures.remove(key);
            return Outcome::nothing();
        };
        let jobs = pass.view.controlled_by(Kind::JOB, uid(cron)).map(|(_, job)| job);
        let mut work = Work::new(cron, jobs.collect(), pass);
        if let Some(problem) = self.failures.remove(key) {
            work.warning("FailedCreate", format!("Error creating job: {problem}"));
        }
        let told = self.unexpected.remove(key).unwrap_or_default();
        let unexpected = work.note_jobs(&told);
        if !unexpected.is_empty() {
            self.unexpected.insert(key.clone(), unexpected);
        }
        work.clean_up();
        if !is_deleting(cron) {
            work.schedule();
        }
        work.outcome()
    }

    fn failed(&mut self, key: &ObjectKey, write: &Write, error: &ApiError) {
        if matches!(write, Write::Create { .. }) {
            self.failures.insert(key.clone(), error.message.clone());
        }
    }
}

struct Work<'a> {
    cron: &'a Arc<Value>,
    jobs: Vec<&'a Arc<Value>>,
    pass: &'a Pass<'a>,
    active: Vec<Value>,
    last_schedule: Option<Value>,
    last_success: Option<Value>,
    writes: Vec<Write>,
    wake: Option<Duration>,
}

fn finished(job: &Value) -> Option<&'static str> {
    ["Complete", "Failed"].into_iter().find(|type_| is_true(job, type_))
}

/// As Go's `time.RFC1123Z`.
fn rfc1123(at: Timestamp) -> String {
    let at = at.to_zoned(TimeZone::UTC);
    jiff::fmt::strtime::format("%a, %d %b %Y %H:%M:%S %z", &at).unwrap_or_default()
}

impl<'a> Work<'a> {
    fn new(cron: &'a Arc<Value>, jobs: Vec<&'a Arc<Value>>, pass: &'a Pass<'a>) -> Self {
        Self {
            cron,
            jobs,
            pass,
            active: Vec::new(),
            last_schedule: cron.pointer("/status/lastScheduleTime").cloned(),
            last_success: cron.pointer("/status/lastSuccessfulTime").cloned(),
            writes: Vec::new(),
            wake: None,
        }
    }

    fn normal(&mut self, reason: &'static str, message: String) {
        self.writes
            .push(Write::normal(NAME, Kind::CRON_JOB, self.cron, reason, message));
    }

    fn warning(&mut self, reason: &'static str, message: String) {
        self.writes
            .push(Write::warning(NAME, Kind::CRON_JOB, self.cron, reason, message));
    }

    /// Which Jobs are under way, and what has become of those that were. Answers unfinished Jobs that others made; they
    /// do not count.
    fn note_jobs(&mut self, told: &BTreeSet<String>) -> BTreeSet<String> {
        let mut unexpected = BTreeSet::new();
        let was_active = list(self.cron, "/status/active").to_vec();
        let listed = |job: &Value| was_active.iter().find(|active| text(active, "/uid") == uid(job));
        for job in self.jobs.clone() {
            let Some(end) = finished(job) else {
                if listed(job).is_none() && !self.has_made(job) {
                    unexpected.insert(uid(job).to_owned());
                    if !told.contains(uid(job)) {
                        let message = format!("Saw a job that the controller did not create or forgot: {}", name(job));
                        self.warning("UnexpectedJob", message);
                    }
                    continue;
                }
                let reference = listed(job).cloned().unwrap_or_else(|| {
                    json!({
                        "apiVersion": "batch/v1", "kind": "Job", "namespace": namespace(job), "name": name(job),
                        "uid": uid(job), "resourceVersion": text(job, "/metadata/resourceVersion"),
                    })
                });
                self.active.push(reference);
                continue;
            };
            if listed(job).is_some() {
                self.normal(
                    "SawCompletedJob",
                    format!("Saw completed job: {}, condition: {end}", name(job)),
                );
            }
            let completed = job.pointer("/status/completionTime").filter(|_| end == "Complete");
            let at = |value: Option<&Value>| time(&json!({"at": value}), "/at");
            if completed.is_some() && at(completed) > at(self.last_success.as_ref()) {
                self.last_success = completed.cloned();
            }
        }
        for reference in &was_active {
            if !self.jobs.iter().any(|job| uid(job) == text(reference, "/uid")) {
                self.normal(
                    "MissingJob",
                    format!("Active job went missing: {}", text(reference, "/name")),
                );
            }
        }
        unexpected
    }

    /// Whether this controller made a Job: it bears the name of its time.
    fn has_made(&self, job: &Value) -> bool {
        let at: Option<Timestamp> = annotation(job, SCHEDULED_AT).and_then(|at| at.parse().ok());
        let named = at.is_some_and(|at| self.job_name(at) == name(job));
        named && annotation(job, INSTANTIATE).is_none()
    }

    fn job_name(&self, due: Timestamp) -> String {
        let suffix = format!("-{}", due.as_second() / 60);
        format!(
            "{}{suffix}",
            clip(name(self.cron), 63_usize.saturating_sub(suffix.len()))
        )
    }

    /// Removes the oldest finished Jobs beyond the history limits.
    fn clean_up(&mut self) {
        for (end, limit, default) in [
            ("Complete", "successfulJobsHistoryLimit", 3),
            ("Failed", "failedJobsHistoryLimit", 1),
        ] {
            let limit = int(self.cron, &format!("/spec/{limit}")).unwrap_or(default);
            let mut ended: Vec<&Arc<Value>> = self
                .jobs
                .iter()
                .copied()
                .filter(|job| finished(job) == Some(end))
                .collect();
            ended.retain(|job| !is_deleting(job));
            ended.sort_by_key(|job| (time(job, "/status/startTime"), name(job).to_owned()));
            let surplus = ended.len().saturating_sub(usize::try_from(limit).unwrap_or(0));
            for job in ended.into_iter().take(surplus) {
                self.delete(job);
            }
        }
    }

    fn delete(&mut self, job: &Value) {
        self.writes.push(Write::Delete {
            kind: Kind::JOB,
            key: key_of(job),
            uid: Some(uid(job).to_owned()),
            grace_secs: None,
            propagation: Some("Background"),
        });
        self.normal("SuccessfulDelete", format!("Deleted job {}", name(job)));
    }

    /// Makes the Job that is due, if one is.
    fn schedule(&mut self) {
        let zone = text(self.cron, "/spec/timeZone");
        if !matches!(zone, "" | "UTC" | "Etc/UTC") {
            return self.warning(
                "UnknownTimeZone",
                format!("invalid timeZone: {zone:?}: unknown time zone {zone}"),
            );
        }
        if flag(self.cron, "/spec/suspend") {
            return;
        }
        let spelt = text(self.cron, "/spec/schedule");
        let schedule = match Schedule::parse(spelt) {
            Ok(schedule) => schedule,
            Err(problem) => {
                return self.warning(
                    "UnparseableSchedule",
                    format!("unparseable schedule: {spelt:?} : {problem}"),
                );
            }
        };
        let now = self.pass.now;
        self.wake = schedule.next(now).map(|next| until(next, now) + DELTA);
        let due = match self.due(&schedule) {
            Ok(Some(due)) => due,
            Ok(None) => return,
            Err(problem) => return self.warning("InvalidSchedule", format!("invalid schedule: {spelt} : {problem}")),
        };
        let deadline_secs = int(self.cron, "/spec/startingDeadlineSeconds");
        if deadline_secs.is_some_and(|secs| after_secs(due, secs) < now) {
            return self.warning(
                "MissSchedule",
                format!("Missed scheduled time to start a job: {}", rfc1123(due)),
            );
        }
        if self.last_schedule == Some(stamp(due)) {
            return;
        }
        match text(self.cron, "/spec/concurrencyPolicy") {
            "Forbid" if !self.active.is_empty() => {
                let message = "Not starting job because prior execution is running and concurrency policy is Forbid";
                return self.normal("JobAlreadyActive", message.to_owned());
            }
            "Replace" => {
                let running: Vec<&Arc<Value>> = self
                    .jobs
                    .iter()
                    .copied()
                    .filter(|job| finished(job).is_none())
                    .collect();
                for job in running {
                    self.delete(job);
                }
            }
            _ => {}
        }
        self.create(due);
    }

    /// The latest time that has come since the last Job, or since the beginning.
    fn due(&mut self, schedule: &Schedule) -> Result<Option<Timestamp>, &'static str> {
        // What the real controller's arithmetic makes of a time that never comes.
        const NEVER: &str = "time difference between two schedules is less than 1 second";
        let now = self.pass.now;
        let last = time(&json!({"at": self.last_schedule}), "/at");
        let mut earliest = last.unwrap_or_else(|| created_at(self.cron));
        if let Some(secs) = int(self.cron, "/spec/startingDeadlineSeconds") {
            earliest = earliest.max(after_secs(now, secs.saturating_neg()));
        }
        let first = schedule.next(earliest).ok_or(NEVER)?;
        if first > now {
            return Ok(None);
        }
        let second = schedule.next(first).ok_or(NEVER)?;
        if second > now {
            return Ok(Some(first));
        }
        // Many may have been missed: jump close to now before going step by step.
        let gap = second.duration_since(first).as_secs().max(1);
        let missed = now.duration_since(first).as_secs() / gap + 1;
        if missed > MANY_MISSED {
            let message =
                "too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew";
            self.warning("TooManyMissedTimes", message.to_owned());
        }
        let jump = SignedDuration::from_secs((missed - 2).saturating_mul(gap));
        let near = first.checked_add(jump).unwrap_or(first);
        let mut latest = first;
        let mut at = schedule.next(near);
        for _ in 0..10_000 {
            let Some(come) = at.filter(|at| *at <= now) else { break };
            latest = come;
            at = schedule.next(come);
        }
        Ok(Some(latest))
    }

    fn create(&mut self, due: Timestamp) {
        let job_name = self.job_name(due);
        self.last_schedule = Some(stamp(due));
        let key = ObjectKey::new(namespace(self.cron), job_name.as_str());
        if self.pass.view.get(Kind::JOB, &key).is_some() {
            return;
        }
        let template = self.cron.pointer("/spec/jobTemplate").cloned().unwrap_or_default();
        let mut object = json!({
            "apiVersion": "batch/v1",
            "kind": "Job",
            "metadata": {
                "namespace": namespace(self.cron),
                "name": job_name,
                "ownerReferences": [owned_by(Kind::CRON_JOB, self.cron)],
            },
            "spec": template.get("spec").cloned().unwrap_or_default(),
        });
        for field in ["labels", "annotations"] {
            if let Some(value) = template
                .pointer("/metadata")
                .and_then(|metadata| metadata.get(field))
                .filter(|value| value.is_object())
            {
                put(&mut object, &["metadata", field], value.clone());
            }
        }
        put(&mut object, &["metadata", "annotations", SCHEDULED_AT], stamp(due));
        let kind = Kind::JOB;
        self.writes.push(Write::Create { kind, object });
        self.normal("SuccessfulCreate", format!("Created job {job_name}"));
    }

    fn outcome(self) -> Outcome {
        let mut status = StatusBuilder::default();
        status
            .list("active", self.active)
            .always("lastScheduleTime", self.last_schedule.unwrap_or_default())
            .always("lastSuccessfulTime", self.last_success.unwrap_or_default());
        let mut outcome = Outcome::writes(self.writes);
        if let Some(object) = status.onto(self.cron) {
            let kind = Kind::CRON_JOB;
            outcome.writes.push(Write::UpdateStatus { kind, object });
        }
        outcome.wake_after = self.wake;
        outcome
    }
}
