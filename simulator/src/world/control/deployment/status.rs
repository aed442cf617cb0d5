//! The status of a Deployment: counts over its sets, availability, and how the rollout goes on.
//!
//! Must not know: what is done about it.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::super::object::{after_secs, condition, count, int, name, text, time, until};
use super::rollout::Rollout;

/// `progressDeadlineSeconds` of this value means none.
const NO_DEADLINE: i64 = 2_147_483_647;

struct Tally {
    replicas: i64,
    updated: i64,
    ready: i64,
    available: i64,
    unavailable: i64,
    terminating: Option<i64>,
}

impl Rollout<'_> {
    fn tally(&self) -> Tally {
        let sum = |of: &dyn Fn(&super::sets::Set) -> i64| self.sets.iter().map(of).sum::<i64>();
        let available = sum(&|set| set.available);
        let new = self.new.and_then(|index| self.sets.get(index));
        Tally {
            replicas: sum(&|set| set.actual),
            updated: new.map_or(0, |set| set.actual),
            ready: sum(&|set| set.ready),
            available,
            unavailable: (sum(&|set| set.replicas) - available).max(0),
            terminating: self.sets.iter().map(super::sets::Set::terminating).sum(),
        }
    }

    /// Whether the old status says that all replicas are new and available.
    pub(super) fn is_complete(&self) -> bool {
        let wanted = self.limits.replicas;
        let field = |field: &str| count(self.deployment, field);
        field("/status/updatedReplicas") == wanted
            && field("/status/replicas") == wanted
            && field("/status/availableReplicas") == wanted
            && field("/status/observedGeneration") >= field("/metadata/generation")
    }

    pub(super) fn computed_status(&mut self, progress: bool) -> Value {
        let tally = self.tally();
        let enough = tally.available >= self.limits.min_available();
        if enough || (self.limits.replicas == 0) {
            let message = "Deployment has minimum availability.";
            self.set_condition("Available", "True", "MinimumReplicasAvailable", message);
        } else {
            let message = "Deployment does not have minimum availability.";
            self.set_condition("Available", "False", "MinimumReplicasUnavailable", message);
        }
        if progress {
            self.judge(&tally);
            self.lift_failures();
        }
        let mut status = Map::new();
        let counts = [
            ("observedGeneration", count(self.deployment, "/metadata/generation")),
            ("replicas", tally.replicas),
            ("updatedReplicas", tally.updated),
            ("readyReplicas", tally.ready),
            ("availableReplicas", tally.available),
            ("unavailableReplicas", tally.unavailable),
        ];
        for (key, value) in counts.into_iter().filter(|(_, value)| *value != 0) {
            status.insert(key.to_owned(), value.into());
        }
        for (key, value) in [
            ("terminatingReplicas", tally.terminating),
            ("collisionCount", self.collisions),
        ] {
            if let Some(value) = value {
                status.insert(key.to_owned(), value.into());
            }
        }
        status.insert("conditions".to_owned(), Value::Array(self.conditions.clone()));
        Value::Object(status)
    }

    /// The Progressing condition.
    fn judge(&mut self, tally: &Tally) {
        let Some(deadline_secs) = self.deadline_secs() else {
            self.conditions.retain(|have| text(have, "/type") != "Progressing");
            return;
        };
        let reason = self.reason("Progressing").to_owned();
        if tally.replicas == tally.updated && reason == "NewReplicaSetAvailable" {
            return;
        }
        let subject = match self.new.and_then(|index| self.sets.get(index)) {
            Some(set) => format!("ReplicaSet {:?}", set.name()),
            None => format!("Deployment {:?}", name(self.deployment)),
        };
        let wanted = self.limits.replicas;
        let old = |field: &str| count(self.deployment, field);
        let old_before = old("/status/replicas") - old("/status/updatedReplicas");
        let moves = tally.updated > old("/status/updatedReplicas")
            || tally.replicas - tally.updated < old_before
            || tally.ready > old("/status/readyReplicas")
            || tally.available > old("/status/availableReplicas");
        if tally.updated == wanted && tally.replicas == wanted && tally.available == wanted {
            let message = format!("{subject} has successfully progressed.");
            self.set_condition("Progressing", "True", "NewReplicaSetAvailable", &message);
        } else if moves {
            self.note_progress(&format!("{subject} is progressing."));
        } else if self.timed_out(deadline_secs) {
            let message = format!("{subject} has timed out progressing.");
            self.set_condition("Progressing", "False", "ProgressDeadlineExceeded", &message);
        }
    }

    /// Progress renews `lastUpdateTime` even where the reason stays.
    fn note_progress(&mut self, message: &str) {
        let since = self.progressing().filter(|have| text(have, "/status") == "True");
        let since = since.and_then(|have| have.get("lastTransitionTime")).cloned();
        self.conditions.retain(|have| text(have, "/type") != "Progressing");
        self.set_condition("Progressing", "True", "ReplicaSetUpdated", message);
        if let (Some(since), Some(last)) = (since, self.conditions.last_mut()) {
            super::super::object::put(last, &["lastTransitionTime"], since);
        }
    }

    fn timed_out(&self, deadline_secs: i64) -> bool {
        let Some(progressing) = self.progressing() else {
            return false;
        };
        match text(progressing, "/reason") {
            "NewReplicaSetAvailable" => false,
            "ProgressDeadlineExceeded" => true,
            _ => time(progressing, "/lastUpdateTime").is_some_and(|at| after_secs(at, deadline_secs) < self.now),
        }
    }

    /// Failures of sets to make pods show on the Deployment.
    fn lift_failures(&mut self) {
        let new = self.new.and_then(|index| self.sets.get(index));
        let mut failures = new.into_iter().chain(&self.sets);
        let failure = failures
            .find_map(|set| condition(set.object(), "ReplicaFailure"))
            .cloned();
        let before = self
            .conditions
            .iter()
            .find(|have| text(have, "/type") == "ReplicaFailure");
        let same =
            |a: &Value, b: &Value| text(a, "/status") == text(b, "/status") && text(a, "/reason") == text(b, "/reason");
        match (failure, before) {
            (Some(failure), Some(before)) if same(&failure, before) => {}
            (Some(failure), _) => {
                self.conditions.retain(|have| text(have, "/type") != "ReplicaFailure");
                self.conditions.push(json!({
                    "type": "ReplicaFailure",
                    "status": failure["status"],
                    "reason": failure["reason"],
                    "message": failure["message"],
                    "lastTransitionTime": failure["lastTransitionTime"],
                    "lastUpdateTime": failure["lastTransitionTime"],
                }));
            }
            (None, _) => self.conditions.retain(|have| text(have, "/type") != "ReplicaFailure"),
        }
    }

    /// When to look again whether the rollout is stuck.
    pub(super) fn progress_check(&self) -> Option<Duration> {
        let deadline_secs = self.deadline_secs()?;
        let progressing = self.progressing()?;
        let waits = !matches!(
            text(progressing, "/reason"),
            "ProgressDeadlineExceeded" | "NewReplicaSetAvailable" | "DeploymentPaused"
        );
        let at = time(progressing, "/lastUpdateTime").filter(|_| waits)?;
        Some(until(after_secs(at, deadline_secs), self.now) + Duration::from_secs(1))
    }

    pub(super) fn deadline_secs(&self) -> Option<i64> {
        int(self.deployment, "/spec/progressDeadlineSeconds").filter(|secs| *secs != NO_DEADLINE)
    }

    fn progressing(&self) -> Option<&Value> {
        self.conditions.iter().find(|have| text(have, "/type") == "Progressing")
    }

    /// The reason of a condition; empty if there is none.
    pub(super) fn reason(&self, type_: &str) -> &str {
        let have = self.conditions.iter().find(|have| text(have, "/type") == type_);
        have.map_or("", |have| text(have, "/reason"))
    }
}
