//! One pass over one Job: count what has ended, decide whether the Job has, and write its status.
//!
//! Must not know: how pods are made or removed; see `scale`.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::super::claims::{Held, claim};
use super::super::expect::Expectations;
use super::super::object::{
    StatusBuilder, after_secs, annotation, count, flag, has_finalizer, int, is_deleting, list, stamp, text, time, uid,
    until,
};
use super::super::selector::Selector;
use super::super::{Kind, ObjectKey, Outcome, Pass, Write, pods};
use super::backoff::Backoff;
use super::indexes::Indexes;
use super::policy::{Verdict, judge, succeeded};
use super::{NAME, TRACKING, untrack};

/// At most so many uids wait in `uncountedTerminatedPods` (`MaxUncountedPods`).
const MAX_UNCOUNTED: usize = 500;

/// The work on one Job.
pub(super) struct Sync<'a> {
    pub(super) key: &'a ObjectKey,
    pub(super) job: &'a Arc<Value>,
    pub(super) pass: &'a Pass<'a>,
    /// Whether the view shows all that was written for this Job.
    pub(super) synced: bool,
    pub(super) pods: Vec<Held<'a>>,
    pub(super) active: Vec<Held<'a>>,
    pub(super) done: Indexes,
    pub(super) failed_indexes: Option<Indexes>,
    pub(super) succeeded: i64,
    pub(super) failed: i64,
    /// `status.active`, `status.ready` and `status.terminating` as they shall become.
    pub(super) active_count: i64,
    pub(super) ready: i64,
    pub(super) terminating: i64,
    pub(super) scaling: Vec<Write>,
    pub(super) wake: Option<Duration>,
    claims: Vec<Write>,
    events: Vec<Write>,
    conditions: Vec<Value>,
    start: Option<Value>,
    finish: Option<Finish>,
    counted: Counters,
}

/// How the Job ends.
#[derive(Clone, Debug)]
struct Finish {
    success: bool,
    reason: String,
    message: String,
}

/// What the status says of ended pods: the totals, and the uids that are on their way into them.
struct Counters {
    succeeded: i64,
    failed: i64,
    uncounted_succeeded: Vec<String>,
    uncounted_failed: Vec<String>,
}

impl<'a> Sync<'a> {
    pub(super) fn new(key: &'a ObjectKey, job: &'a Arc<Value>, pass: &'a Pass<'a>, synced: bool) -> Self {
        let selector = Selector::new(job.pointer("/spec/selector"));
        let claimed = claim(pass.view, Kind::POD, (Kind::JOB, job), &selector, |_| true);
        let active: Vec<Held<'a>> = claimed
            .owned
            .iter()
            .filter(|(_, pod)| pods::is_active(pod))
            .cloned()
            .collect();
        let tally = |test: &dyn Fn(&Value) -> bool| {
            let matching = claimed.owned.iter().filter(|(_, pod)| test(pod)).count();
            i64::try_from(matching).unwrap_or(i64::MAX)
        };
        let uids = |pointer: &str| -> Vec<String> {
            let uids = list(job, pointer).iter().filter_map(Value::as_str);
            uids.map(str::to_owned).collect()
        };
        let per_index = int(job, "/spec/backoffLimitPerIndex").is_some();
        let completions = int(job, "/spec/completions").unwrap_or(i64::MAX);
        Self {
            active_count: tally(&pods::is_active),
            ready: tally(&|pod| pods::is_active(pod) && pods::is_ready(pod)),
            terminating: tally(&pods::is_terminating),
            done: Indexes::parse(text(job, "/status/completedIndexes"), completions),
            failed_indexes: per_index.then(|| Indexes::parse(text(job, "/status/failedIndexes"), completions)),
            counted: Counters {
                succeeded: count(job, "/status/succeeded"),
                failed: count(job, "/status/failed"),
                uncounted_succeeded: uids("/status/uncountedTerminatedPods/succeeded"),
                uncounted_failed: uids("/status/uncountedTerminatedPods/failed"),
            },
            succeeded: 0,
            failed: 0,
            conditions: list(job, "/status/conditions").to_vec(),
            start: job.pointer("/status/startTime").cloned(),
            pods: claimed.owned,
            claims: claimed.writes,
            events: Vec::new(),
            scaling: Vec::new(),
            wake: None,
            finish: None,
            active,
            key,
            job,
            pass,
            synced,
        }
    }

    pub(super) fn run(mut self, backoff: &mut Backoff, expected: &mut Expectations) -> Outcome {
        let fresh = |test: &dyn Fn(&Value) -> bool, uncounted: &[String]| -> Vec<&'a Value> {
            let pods = self.pods.iter().map(|(_, pod)| &***pod);
            pods.filter(|pod| self.is_tracked(pod) && !uncounted.iter().any(|have| have == uid(pod)) && test(pod))
                .collect()
        };
        let succeeded = fresh(
            &|pod| text(pod, "/status/phase") == "Succeeded",
            &self.counted.uncounted_succeeded,
        );
        let failed = fresh(&|pod| self.is_failed(pod), &self.counted.uncounted_failed);
        backoff.note(&succeeded, &failed);
        let counting = failed
            .iter()
            .filter(|pod| judge(self.job, pod) != Verdict::Ignore)
            .count();
        let sum = |total: i64, more: usize| total + i64::try_from(more).unwrap_or(0);
        let (new_succeeded, counters) = (succeeded.len(), &self.counted);
        self.succeeded = sum(counters.succeeded, new_succeeded + counters.uncounted_succeeded.len());
        self.failed = sum(counters.failed, counting + counters.uncounted_failed.len());
        if self.is_indexed() {
            self.note_indexes();
        }
        if self.start.is_none() && !self.is_suspended() {
            self.start = Some(stamp(self.pass.now));
        }
        self.finish = self
            .settled()
            .or_else(|| self.failure())
            .or_else(|| self.policy_success());
        if self.finish.is_some() {
            self.delete_active(expected);
        } else if self.synced && !is_deleting(self.job) {
            self.scale(backoff, expected);
            self.finish = self.success();
            if self.finish.is_none() {
                self.note_suspension();
            }
        }
        self.write()
    }

    pub(super) fn is_indexed(&self) -> bool {
        text(self.job, "/spec/completionMode") == "Indexed"
    }

    pub(super) fn is_suspended(&self) -> bool {
        flag(self.job, "/spec/suspend")
    }

    pub(super) fn completions(&self) -> Option<i64> {
        int(self.job, "/spec/completions")
    }

    pub(super) fn only_failed_are_replaced(&self) -> bool {
        text(self.job, "/spec/podReplacementPolicy") == "Failed"
    }

    /// Whether a pod is still to be counted.
    fn is_tracked(&self, pod: &Value) -> bool {
        has_finalizer(pod, TRACKING) && (!self.is_indexed() || self.index_of(pod).is_some())
    }

    /// A pod's completion index, if it is below `completions`.
    pub(super) fn index_of(&self, pod: &Value) -> Option<i64> {
        let index = annotation(pod, super::scale::INDEX)?.parse::<i64>().ok()?;
        (index >= 0 && index < self.completions().unwrap_or(0)).then_some(index)
    }

    pub(super) fn is_failed(&self, pod: &Value) -> bool {
        let vanishing = is_deleting(pod) && text(pod, "/status/phase") != "Succeeded";
        text(pod, "/status/phase") == "Failed" || (!self.only_failed_are_replaced() && vanishing)
    }

    fn note_indexes(&mut self) {
        let tracked = self.pods.iter().filter(|(_, pod)| has_finalizer(pod, TRACKING));
        let (mut done, mut failed) = (Vec::new(), Vec::new());
        for (_, pod) in tracked {
            let Some(index) = self.index_of(pod) else { continue };
            if text(pod, "/status/phase") == "Succeeded" {
                done.push(index);
            } else if self.is_failed(pod) && super::scale::index_fails(self.job, pod) {
                failed.push(index);
            }
        }
        self.done.extend(done);
        self.succeeded = self.done.total();
        if let Some(indexes) = &mut self.failed_indexes {
            indexes.extend(failed);
        }
    }

    /// The end that was decided in an earlier pass.
    fn settled(&self) -> Option<Finish> {
        let held = |type_: &str| {
            let mut conditions = self.conditions.iter();
            conditions.find(|have| text(have, "/type") == type_ && text(have, "/status") == "True")
        };
        let (success, have) = match held("SuccessCriteriaMet") {
            Some(have) => (true, have),
            None => (false, held("FailureTarget")?),
        };
        let (reason, message) = (text(have, "/reason").to_owned(), text(have, "/message").to_owned());
        Some(Finish {
            success,
            reason,
            message,
        })
    }

    fn failure(&mut self) -> Option<Finish> {
        let fail = |reason: &str, message: &str| {
            let (reason, message) = (reason.to_owned(), message.to_owned());
            Some(Finish {
                success: false,
                reason,
                message,
            })
        };
        for (_, pod) in self.pods.iter().filter(|(_, pod)| self.is_failed(pod)) {
            if let Verdict::FailJob(message) = judge(self.job, pod) {
                return fail("PodFailurePolicy", &message);
            }
        }
        let limit = int(self.job, "/spec/backoffLimit").unwrap_or(6);
        if self.failed > limit || self.restarts_exceed(limit) {
            return fail("BackoffLimitExceeded", "Job has reached the specified backoff limit");
        }
        if let Some(wait) = self.deadline() {
            if wait.is_zero() {
                return fail("DeadlineExceeded", "Job was active longer than specified deadline");
            }
            self.wake_in(wait);
        }
        let failed_indexes = self.failed_indexes.as_ref()?;
        let most = int(self.job, "/spec/maxFailedIndexes");
        if most.is_some_and(|most| failed_indexes.total() > most) {
            let message = "Job has exceeded the specified maximal number of failed indexes";
            return fail("MaxFailedIndexesExceeded", message);
        }
        let ended = failed_indexes.total() > 0 && self.done.total() + failed_indexes.total() >= self.completions()?;
        if ended {
            fail("FailedIndexes", "Job has failed indexes")
        } else {
            None
        }
    }

    /// With `restartPolicy: OnFailure`, restarts in place count against the limit.
    fn restarts_exceed(&self, limit: i64) -> bool {
        if text(self.job, "/spec/template/spec/restartPolicy") != "OnFailure" {
            return false;
        }
        let live = self
            .pods
            .iter()
            .filter(|(_, pod)| matches!(text(pod, "/status/phase"), "Running" | "Pending"));
        let statuses = live.flat_map(|(_, pod)| {
            let init = list(pod, "/status/initContainerStatuses").iter();
            init.chain(list(pod, "/status/containerStatuses"))
        });
        let restarts: i64 = statuses.map(|status| count(status, "/restartCount")).sum();
        if limit == 0 { restarts > 0 } else { restarts >= limit }
    }

    /// Time left until `activeDeadlineSeconds`.
    fn deadline(&self) -> Option<Duration> {
        let secs = int(self.job, "/spec/activeDeadlineSeconds").filter(|_| !self.is_suspended())?;
        let start = time(&json!({"at": self.start}), "/at")?;
        Some(until(after_secs(start, secs), self.pass.now))
    }

    fn policy_success(&self) -> Option<Finish> {
        let completions = self.completions().filter(|_| self.is_indexed())?;
        let message = succeeded(self.job, completions, &self.done)?;
        let reason = "SuccessPolicy".to_owned();
        Some(Finish {
            success: true,
            reason,
            message,
        })
    }

    fn success(&self) -> Option<Finish> {
        let enough = match self.completions() {
            Some(completions) => self.succeeded >= completions,
            None => self.succeeded > 0,
        };
        (enough && self.active_count == 0).then(|| Finish {
            success: true,
            reason: "CompletionsReached".to_owned(),
            message: "Reached expected number of succeeded pods".to_owned(),
        })
    }

    fn note_suspension(&mut self) {
        let suspended = self.is_suspended();
        let before = self.conditions.iter().find(|have| text(have, "/type") == "Suspended");
        let was = before.map(|have| text(have, "/status") == "True");
        if was.unwrap_or(false) == suspended {
            return;
        }
        let (status, reason, event, message) = if suspended {
            self.start = None;
            ("True", "JobSuspended", "Suspended", "Job suspended")
        } else {
            self.start = Some(stamp(self.pass.now));
            ("False", "JobResumed", "Resumed", "Job resumed")
        };
        self.put_condition("Suspended", status, reason, message);
        self.events
            .push(Write::normal(NAME, Kind::JOB, self.job, event, message));
    }

    pub(super) fn wake_in(&mut self, wait: Duration) {
        self.wake = Some(self.wake.map_or(wait, |before| before.min(wait)));
    }

    fn put_condition(&mut self, type_: &str, status: &str, reason: &str, message: &str) {
        let now = stamp(self.pass.now);
        let condition = json!({
            "type": type_, "status": status, "reason": reason, "message": message,
            "lastProbeTime": now, "lastTransitionTime": now,
        });
        match self.conditions.iter_mut().find(|have| text(have, "/type") == type_) {
            Some(have) => *have = condition,
            None => self.conditions.push(condition),
        }
    }

    /// Moves uids whose pods have lost the finalizer into the totals, and puts newly ended pods among the uids. Answers
    /// the pods that may lose the finalizer once the status is written.
    fn count_pods(&mut self) -> Vec<&'a Value> {
        let held: BTreeSet<&str> = self
            .pods
            .iter()
            .filter(|(_, pod)| has_finalizer(pod, TRACKING))
            .map(|(_, pod)| uid(pod))
            .collect();
        let counters = &mut self.counted;
        let settle = |uids: &mut Vec<String>, total: &mut i64| {
            let before = uids.len();
            uids.retain(|uid| held.contains(uid.as_str()));
            *total += i64::try_from(before - uids.len()).unwrap_or(0);
        };
        settle(&mut counters.uncounted_succeeded, &mut counters.succeeded);
        settle(&mut counters.uncounted_failed, &mut counters.failed);
        let mut ended = Vec::new();
        for (_, pod) in self.pods.clone() {
            if has_finalizer(pod, TRACKING) && self.may_untrack(pod) {
                ended.push(&**pod);
                self.count_pod(pod);
                if self.counted.uncounted_succeeded.len() + self.counted.uncounted_failed.len() >= MAX_UNCOUNTED {
                    break;
                }
            }
        }
        ended
    }

    fn may_untrack(&self, pod: &Value) -> bool {
        let over = is_deleting(self.job) || self.finish.is_some() || text(pod, "/status/phase") == "Succeeded";
        over || (self.is_failed(pod) && !self.awaits_replacement(pod))
    }

    fn count_pod(&mut self, pod: &Value) {
        let known = |uids: &[String]| uids.iter().any(|have| have == uid(pod));
        let valid = !self.is_indexed() || self.index_of(pod).is_some();
        let counters = &self.counted;
        if text(pod, "/status/phase") == "Succeeded" && !known(&counters.uncounted_failed) {
            if !self.is_indexed() && !known(&counters.uncounted_succeeded) {
                self.counted.uncounted_succeeded.push(uid(pod).to_owned());
            }
            return;
        }
        let lost = self.is_failed(pod) || self.finish.as_ref().is_some_and(|finish| !finish.success);
        if lost && valid && !known(&counters.uncounted_failed) && judge(self.job, pod) != Verdict::Ignore {
            self.counted.uncounted_failed.push(uid(pod).to_owned());
        }
    }

    fn write(mut self) -> Outcome {
        let ended = self.count_pods();
        let waiting = self.counted.uncounted_succeeded.len() + self.counted.uncounted_failed.len();
        let mut completion = None;
        if let Some(finish) = self.finish.clone() {
            let interim = if finish.success {
                "SuccessCriteriaMet"
            } else {
                "FailureTarget"
            };
            if self.settled().is_none() {
                self.put_condition(interim, "True", &finish.reason, &finish.message);
            }
            let over = waiting == 0 && ended.is_empty() && self.terminating == 0 && self.scaling.is_empty();
            if over && self.synced {
                self.end(&finish);
                completion = finish.success.then(|| stamp(self.pass.now));
            }
        }
        let mut outcome = Outcome::writes(std::mem::take(&mut self.claims));
        if let Some(object) = self.status(completion) {
            let kind = Kind::JOB;
            outcome.writes.push(Write::UpdateStatus { kind, object });
        }
        outcome.writes.append(&mut self.events);
        outcome.writes.append(&mut self.scaling);
        let gone: BTreeSet<ObjectKey> = outcome.writes.iter().filter_map(untracked).collect();
        let ended = ended.into_iter().filter(|pod| !gone.contains(&super::key_of(pod)));
        outcome.writes.extend(ended.map(untrack));
        outcome.wake_after = self.wake;
        outcome.rest = super::super::write::rest_for(self.pods.len());
        outcome
    }

    fn end(&mut self, finish: &Finish) {
        let type_ = if finish.success { "Complete" } else { "Failed" };
        self.put_condition(type_, "True", &finish.reason, &finish.message);
        let event = if finish.success {
            Write::normal(NAME, Kind::JOB, self.job, "Completed", "Job completed")
        } else {
            let reason = known_reason(&finish.reason);
            Write::warning(NAME, Kind::JOB, self.job, reason, finish.message.clone())
        };
        self.events.push(event);
    }

    fn status(&self, completion: Option<Value>) -> Option<Value> {
        let succeeded = if self.is_indexed() {
            self.done.total()
        } else {
            self.counted.succeeded
        };
        let mut uncounted = StatusBuilder::default();
        let uids = |uids: &[String]| uids.iter().map(|uid| json!(uid)).collect();
        uncounted
            .list("succeeded", uids(&self.counted.uncounted_succeeded))
            .list("failed", uids(&self.counted.uncounted_failed));
        let mut status = StatusBuilder::default();
        status
            .list("conditions", self.conditions.clone())
            .always("startTime", self.start.clone().unwrap_or_default())
            .always("completionTime", completion.unwrap_or_default())
            .count("active", self.active_count)
            .count("succeeded", succeeded)
            .count("failed", self.counted.failed)
            .always("terminating", self.terminating)
            .always("ready", self.ready)
            .always("uncountedTerminatedPods", uncounted.value());
        if self.is_indexed() {
            status.text("completedIndexes", &self.done.to_string());
        }
        if let Some(failed) = &self.failed_indexes {
            status.always("failedIndexes", failed.to_string());
        }
        status.onto(self.job)
    }
}

fn untracked(write: &Write) -> Option<ObjectKey> {
    match write {
        Write::MergePatch {
            kind: Kind::POD,
            key,
            patch,
            ..
        } if patch.pointer("/metadata/finalizers").is_some() => Some(key.clone()),
        _ => None,
    }
}

/// Event reasons are a closed set.
fn known_reason(reason: &str) -> &'static str {
    const KNOWN: [&str; 5] = [
        "PodFailurePolicy",
        "DeadlineExceeded",
        "MaxFailedIndexesExceeded",
        "FailedIndexes",
        "BackoffLimitExceeded",
    ];
    KNOWN
        .into_iter()
        .find(|known| *known == reason)
        .unwrap_or("BackoffLimitExceeded")
}
