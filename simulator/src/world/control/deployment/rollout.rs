//! One pass over one Deployment: which sets are new and old, what grows, what shrinks.
//!
//! Must not know: how writes are done; it only collects them.

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::object::{annotation, count, created_at, flag, int, list, put, stamp, text};
use super::super::{Kind, ObjectKey, Outcome, Pass, View, Write};
use super::sets::{REVISION, Set, for_template, has_template};
use super::sizes::Limits;
use super::{NAME, runs_pods};

/// The work on one Deployment.
pub(super) struct Rollout<'a> {
    pub(super) deployment: &'a Arc<Value>,
    pub(super) view: &'a View,
    pub(super) now: Timestamp,
    pub(super) limits: Limits,
    /// Oldest first.
    pub(super) sets: Vec<Set>,
    /// Which of them has the Deployment's template.
    pub(super) new: Option<usize>,
    /// `status.conditions`, as they shall become.
    pub(super) conditions: Vec<Value>,
    pub(super) revision: Option<String>,
    pub(super) collisions: Option<i64>,
    events: Vec<Write>,
    spent: Vec<usize>,
    status: Option<Value>,
    retry: Option<Duration>,
}

impl<'a> Rollout<'a> {
    pub(super) fn new(deployment: &'a Arc<Value>, mut owned: Vec<Arc<Value>>, pass: &Pass<'a>) -> Self {
        owned.sort_by(|a, b| super::super::pods::by_age(a, b));
        let new = owned.iter().position(|set| has_template(set, deployment));
        Self {
            deployment,
            view: pass.view,
            now: pass.now,
            limits: Limits::of(deployment),
            sets: owned.into_iter().map(Set::new).collect(),
            new,
            conditions: list(deployment, "/status/conditions").to_vec(),
            revision: None,
            collisions: int(deployment, "/status/collisionCount"),
            events: Vec::new(),
            spent: Vec::new(),
            status: None,
            retry: None,
        }
    }

    /// Notes that rolling out was paused or goes on, unless it has timed out already.
    pub(super) fn note_pause(&mut self) {
        let reason = self.reason("Progressing").to_owned();
        if self.deadline_secs().is_none() || reason == "ProgressDeadlineExceeded" {
            return;
        }
        let paused = flag(self.deployment, "/spec/paused");
        if paused && reason != "DeploymentPaused" {
            self.set_condition("Progressing", "Unknown", "DeploymentPaused", "Deployment is paused");
        } else if !paused && reason == "DeploymentPaused" {
            self.set_condition("Progressing", "Unknown", "DeploymentResumed", "Deployment is resumed");
        }
    }

    /// Whether `spec.replicas` has changed since the sets were sized.
    pub(super) fn is_scaling(&self) -> bool {
        let mut active = self.sets.iter().filter(|set| set.replicas > 0);
        active.any(|set| set.desired().is_some_and(|desired| desired != self.limits.replicas))
    }

    /// Makes the set of the current template the newest revision; makes that set if `create`. False: its name is taken.
    pub(super) fn sync_revision(&mut self, create: bool) -> bool {
        let old = self
            .sets
            .iter()
            .enumerate()
            .filter(|(index, _)| Some(*index) != self.new);
        let next = old.map(|(_, set)| set.revision()).max().unwrap_or(0) + 1;
        let deployment = self.deployment;
        if let Some(set) = self.new_set() {
            set.refresh(deployment, next);
            let (revision, name) = (set.revision_text().to_owned(), set.name().to_owned());
            self.revision = Some(revision);
            if self.deadline_secs().is_some() && self.reason("Progressing").is_empty() {
                let message = format!("Found new replica set {name:?}");
                self.set_condition("Progressing", "True", "FoundNewReplicaSet", &message);
            }
            return true;
        }
        if !create {
            return true;
        }
        let object = for_template(deployment);
        let key = super::super::object::key_of(&object);
        if self.view.get(Kind::REPLICA_SET, &key).is_some() {
            self.collisions = Some(self.collisions.unwrap_or(0) + 1);
            return false;
        }
        self.add_planned(object, next);
        true
    }

    fn add_planned(&mut self, object: Value, revision: i64) {
        let (limits, total) = (self.limits, self.total());
        let size = if self.recreates() {
            limits.replicas
        } else {
            limits.grown(0, total)
        };
        let mut set = Set::planned(object);
        set.refresh(self.deployment, revision);
        set.resize(size, limits.replicas, limits.max());
        let name = set.name().to_owned();
        if size > 0 {
            self.say(format!("Scaled up replica set {name} from 0 to {size}"));
        }
        self.sets.push(set);
        self.new = Some(self.sets.len() - 1);
        self.revision = Some(revision.to_string());
        if self.deadline_secs().is_some() {
            let message = format!("Created new replica set {name:?}");
            self.set_condition("Progressing", "True", "NewReplicaSetCreated", &message);
        }
    }

    /// Rolling update: grow the new set as far as surge allows, else shrink old ones as far as availability allows.
    pub(super) fn roll(&mut self) {
        if !self.sync_revision(true) {
            return self.write_collision();
        }
        if !self.grow_new() && !self.shrink_old() && self.is_complete() {
            self.clean_up();
        }
        self.finish(true);
    }

    fn grow_new(&mut self) -> bool {
        let Some(index) = self.new else { return false };
        let (limits, total) = (self.limits, self.total());
        let size = self.sets.get(index).map_or(0, |set| set.replicas);
        let wanted = if size > limits.replicas {
            limits.replicas
        } else {
            limits.grown(size, total)
        };
        self.scale(index, wanted, false)
    }

    fn shrink_old(&mut self) -> bool {
        let new = self.new_set().map_or((0, 0), |set| (set.replicas, set.available));
        let mut room = self.total() - self.limits.min_available() - (new.0 - new.1);
        let mut scaled = false;
        for index in self.old_active() {
            let Some(set) = self.sets.get(index) else { continue };
            let unhealthy = (set.replicas - set.available).max(0).min(room);
            if unhealthy > 0 {
                room -= unhealthy;
                let size = set.replicas - unhealthy;
                scaled |= self.scale(index, size, false);
            }
        }
        if self.total() - self.limits.min_available() - (new.0 - new.1) <= 0 {
            return scaled;
        }
        let available: i64 = self.sets.iter().map(|set| set.available).sum();
        let mut surplus = available - self.limits.min_available();
        for index in self.old_active() {
            let size = self.sets.get(index).map_or(0, |set| set.replicas);
            let fewer = size.min(surplus.max(0));
            if fewer > 0 {
                surplus -= fewer;
                scaled |= self.scale(index, size - fewer, false);
            }
        }
        scaled
    }

    /// Recreate: all old pods go before the first new one comes.
    pub(super) fn recreate(&mut self) {
        self.sync_revision(false);
        let mut scaled = false;
        for index in self.old_active() {
            scaled |= self.scale(index, 0, false);
        }
        let old: Vec<usize> = self.old().collect();
        let old_sets = || old.iter().filter_map(|index| self.sets.get(*index));
        let runs = old_sets().any(|set| set.actual > 0 || runs_pods(self.view, set.uid()));
        if scaled || runs {
            return self.finish(true);
        }
        if !self.sync_revision(true) {
            return self.write_collision();
        }
        if let Some(index) = self.new {
            self.scale(index, self.limits.replicas, false);
        }
        if self.is_complete() {
            self.clean_up();
        }
        self.finish(true);
    }

    /// Scaling while a rollout is under way spreads the difference over all sets.
    pub(super) fn scale_in_proportion(&mut self) {
        let active: Vec<usize> = (0..self.sets.len())
            .filter(|index| self.sets.get(*index).is_some_and(|set| set.replicas > 0))
            .collect();
        let limits = self.limits;
        if let [] | [_] = active.as_slice() {
            let newest = self.new.or_else(|| self.sets.len().checked_sub(1));
            if let Some(index) = active.first().copied().or(newest) {
                self.scale(index, limits.replicas, false);
            }
        } else if self.is_saturated() {
            for index in self.old_active() {
                self.scale(index, 0, false);
            }
        } else if !self.recreates() {
            self.spread(active);
        }
    }

    fn spread(&mut self, mut active: Vec<usize>) {
        let allowed = if self.limits.replicas > 0 { self.limits.max() } else { 0 };
        let to_add = allowed - self.total();
        active.sort_by_key(|index| {
            let size = Reverse(self.sets.get(*index).map_or(0, |set| set.replicas));
            let age = i64::try_from(*index).unwrap_or(i64::MAX);
            (size, if to_add > 0 { -age } else { age })
        });
        let fallback = count(self.deployment, "/status/replicas");
        let mut sizes = Vec::new();
        let mut added = 0;
        for index in active {
            let Some(set) = self.sets.get(index) else { continue };
            let max_before = set.max().filter(|max| *max > 0).unwrap_or(fallback);
            let share = self.limits.share(set.replicas, max_before, to_add, added);
            added += share;
            sizes.push((index, set.replicas + share));
        }
        if let Some((_, largest)) = sizes.first_mut() {
            *largest = (*largest + to_add - added).max(0);
        }
        for (index, size) in sizes {
            self.scale(index, size, true);
        }
    }

    /// Drops the oldest empty sets beyond the history limit.
    pub(super) fn clean_up(&mut self) {
        let Some(limit) = int(self.deployment, "/spec/revisionHistoryLimit") else {
            return;
        };
        let alive = |index: &usize| self.sets.get(*index).is_some_and(|set| !set.is_deleting());
        let mut old: Vec<usize> = self.old().filter(alive).collect();
        let surplus = old.len().saturating_sub(usize::try_from(limit).unwrap_or(0));
        old.sort_by_key(|index| {
            self.sets
                .get(*index)
                .map(|set| (set.revision(), created_at(set.object())))
        });
        old.truncate(surplus);
        old.retain(|index| self.sets.get(*index).is_some_and(Set::is_spent));
        self.spent = old;
    }

    /// A set could not be created: say so in an event and in the status.
    pub(super) fn creation_failed(&mut self, message: &str) {
        let event = Write::warning(
            NAME,
            Kind::DEPLOYMENT,
            self.deployment,
            "ReplicaSetCreateError",
            message,
        );
        self.events.push(event);
        if self.deadline_secs().is_some() {
            self.set_condition("Progressing", "False", "ReplicaSetCreateError", message);
        }
        self.retry = Some(Duration::from_secs(1));
        self.finish(false);
    }

    /// Computes the status; `progress`: and how the rollout goes on.
    pub(super) fn finish(&mut self, progress: bool) {
        self.status = Some(self.computed_status(progress));
    }

    fn write_collision(&mut self) {
        let mut status = self.deployment.get("status").cloned().unwrap_or_default();
        put(&mut status, &["collisionCount"], self.collisions.into());
        self.status = Some(status);
    }

    /// All that is wanted.
    pub(super) fn outcome(mut self) -> Outcome {
        let mut outcome = Outcome::nothing();
        let spent: Vec<Write> = self
            .spent
            .iter()
            .filter_map(|index| self.sets.get(*index))
            .map(deletion)
            .collect();
        let progress_check = self.progress_check();
        for set in std::mem::take(&mut self.sets) {
            outcome.writes.extend(set.write());
        }
        outcome.writes.append(&mut self.events);
        outcome.writes.extend(spent);
        let mut object = (**self.deployment).clone();
        if let Some(revision) = self.revision.filter(|revision| !revision.is_empty()) {
            put(&mut object, &["metadata", "annotations", REVISION], revision.into());
        }
        if let Some(status) = self.status {
            put(&mut object, &["status"], status);
        }
        let unchanged = object.get("status") == self.deployment.get("status")
            && annotation(&object, REVISION) == annotation(self.deployment, REVISION);
        if !unchanged {
            let kind = Kind::DEPLOYMENT;
            outcome.writes.push(Write::UpdateStatus { kind, object });
        }
        outcome.wake_after = self.retry.or(progress_check);
        outcome
    }

    fn scale(&mut self, index: usize, size: i64, forced: bool) -> bool {
        let limits = self.limits;
        let Some(set) = self.sets.get_mut(index) else {
            return false;
        };
        let before = set.replicas;
        if before == size && !forced {
            return false;
        }
        set.resize(size, limits.replicas, limits.max());
        let name = set.name().to_owned();
        if before != size {
            let way = if before < size { "up" } else { "down" };
            self.say(format!("Scaled {way} replica set {name} from {before} to {size}"));
        }
        before != size
    }

    fn say(&mut self, message: String) {
        let event = Write::normal(NAME, Kind::DEPLOYMENT, self.deployment, "ScalingReplicaSet", message);
        self.events.push(event);
    }

    pub(super) fn new_set(&mut self) -> Option<&mut Set> {
        self.sets.get_mut(self.new?)
    }

    fn old(&self) -> impl Iterator<Item = usize> + use<> {
        let new = self.new;
        (0..self.sets.len()).filter(move |index| Some(*index) != new)
    }

    fn old_active(&self) -> Vec<usize> {
        let active = |index: &usize| self.sets.get(*index).is_some_and(|set| set.replicas > 0);
        self.old().filter(active).collect()
    }

    fn total(&self) -> i64 {
        self.sets.iter().map(|set| set.replicas).sum()
    }

    fn is_saturated(&mut self) -> bool {
        let replicas = self.limits.replicas;
        self.new_set()
            .is_some_and(|set| set.replicas == replicas && set.desired() == Some(replicas) && set.available == replicas)
    }

    fn recreates(&self) -> bool {
        text(self.deployment, "/spec/strategy/type") == "Recreate"
    }

    /// Adds or replaces a condition, unless one with this status and reason is there.
    pub(super) fn set_condition(&mut self, type_: &str, status: &str, reason: &str, message: &str) {
        let before = self.conditions.iter().find(|have| text(have, "/type") == type_);
        let same_status = before.filter(|have| text(have, "/status") == status);
        if same_status.is_some_and(|have| text(have, "/reason") == reason) {
            return;
        }
        let now = stamp(self.now);
        let since = same_status
            .and_then(|have| have.get("lastTransitionTime"))
            .unwrap_or(&now);
        let condition = json!({
            "type": type_, "status": status, "reason": reason, "message": message,
            "lastUpdateTime": now, "lastTransitionTime": since,
        });
        self.conditions.retain(|have| text(have, "/type") != type_);
        self.conditions.push(condition);
    }
}

fn deletion(set: &Set) -> Write {
    Write::Delete {
        kind: Kind::REPLICA_SET,
        key: ObjectKey::new(text(set.object(), "/metadata/namespace"), set.name()),
        uid: Some(set.uid().to_owned()),
        grace_secs: None,
        propagation: Some("Background"),
    }
}
