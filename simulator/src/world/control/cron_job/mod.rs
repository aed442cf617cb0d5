//! CronJobs: Jobs at set times.
//!
//! Must not know: how Jobs run. Time zones other than UTC are not known here, since the simulator carries no zone data.

mod schedule;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::claims::itself;
use super::object::{
    StatusBuilder, after_secs, created_at, flag, int, is_deleting, is_true, key_of, list, name, namespace, owned_by,
    owner_key, put, stamp, text, time, uid, until,
};
use super::pods::clip;
use super::{Change, Controller, Kind, ObjectKey, Outcome, Pass, View, Write};
use crate::world::clock::rfc3339_secs;
use schedule::Schedule;

/// Component of its events and its user.
const NAME: &str = "cronjob-controller";
/// Jobs are made a little after their time (`nextScheduleDelta`).
const DELTA: Duration = Duration::from_millis(100);

/// Makes Jobs at set times.
#[derive(Debug, Default)]
pub struct CronJobs;

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
            return Outcome::nothing();
        };
        let jobs = pass.view.controlled_by(Kind::JOB, uid(cron)).map(|(_, job)| job);
        let mut work = Work::new(cron, jobs.collect(), pass);
        work.note_jobs();
        work.clean_up();
        if !is_deleting(cron) {
            work.schedule();
        }
        work.outcome()
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

    /// Which Jobs are under way, and what has become of those that were.
    fn note_jobs(&mut self) {
        let was_active = list(self.cron, "/status/active").to_vec();
        let listed = |job: &Value| was_active.iter().find(|active| text(active, "/uid") == uid(job));
        for job in self.jobs.clone() {
            let Some(end) = finished(job) else {
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
        let Some(due) = self.due(&schedule) else { return };
        let deadline_secs = int(self.cron, "/spec/startingDeadlineSeconds");
        if deadline_secs.is_some_and(|secs| after_secs(due, secs) < now) {
            return self.warning(
                "MissSchedule",
                format!("Missed scheduled time to start a job: {}", rfc3339_secs(due)),
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
    fn due(&self, schedule: &Schedule) -> Option<Timestamp> {
        let now = self.pass.now;
        let last = time(&json!({"at": self.last_schedule}), "/at");
        let mut earliest = last.unwrap_or_else(|| created_at(self.cron));
        if let Some(secs) = int(self.cron, "/spec/startingDeadlineSeconds") {
            earliest = earliest.max(after_secs(now, -secs));
        }
        let first = schedule.next(earliest).filter(|first| *first <= now)?;
        let second = schedule.next(first)?;
        if second > now {
            return Some(first);
        }
        // Many may have been missed: jump close to now before going step by step.
        let gap = second.duration_since(first).as_secs().max(1);
        let missed = now.duration_since(first).as_secs() / gap + 1;
        let jump = SignedDuration::from_secs((missed - 2).saturating_mul(gap));
        let mut latest = first;
        let mut at = schedule.next(first.checked_add(jump).ok()?)?;
        for _ in 0..10_000 {
            if at > now {
                break;
            }
            latest = at;
            at = schedule.next(at)?;
        }
        Some(latest)
    }

    fn create(&mut self, due: Timestamp) {
        let minutes = due.as_second() / 60;
        let suffix = format!("-{minutes}");
        let job_name = format!("{}{suffix}", clip(name(self.cron), 63 - suffix.len()));
        self.last_schedule = Some(stamp(due));
        if self
            .pass
            .view
            .get(Kind::JOB, &ObjectKey::new(namespace(self.cron), job_name.as_str()))
            .is_some()
        {
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
        let scheduled = "batch.kubernetes.io/cronjob-scheduled-timestamp";
        put(&mut object, &["metadata", "annotations", scheduled], stamp(due));
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
