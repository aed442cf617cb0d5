//! Pods that wait for a node: new ones by priority and age, and those that fitted nowhere in groups of equal wishes, so
//! that a change in the cluster costs one try a group and not one a pod.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::world::control::ObjectKey;
use crate::world::control::object::{count, created_at, key_of, namespace};

/// A pod's place in the line: higher priority first, then the older one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    priority: Reverse<i64>,
    created: Timestamp,
    pub(super) key: ObjectKey,
}

impl Place {
    pub(super) fn of(pod: &Value) -> Self {
        Self {
            priority: Reverse(count(pod, "/spec/priority")),
            created: created_at(pod),
            key: key_of(pod),
        }
    }
}

/// Pods that want the same of a node.
#[derive(Debug, Default)]
struct Group {
    waiting: BTreeSet<Place>,
    /// What the last try said, and in which state of the cluster.
    verdict: String,
    round: u64,
}

/// The line.
#[derive(Debug, Default)]
pub(super) struct Line {
    active: BTreeSet<Place>,
    groups: BTreeMap<String, Group>,
    /// Where each waiting pod is.
    homes: BTreeMap<ObjectKey, (String, Place)>,
    /// Heads of groups to try again.
    retries: BTreeSet<(Place, String)>,
    /// Counts the changes that may have opened a node.
    round: u64,
}

impl Line {
    /// A pod to try.
    pub(super) fn push(&mut self, pod: &Value) {
        self.forget(&key_of(pod));
        self.active.insert(Place::of(pod));
    }

    /// The pod is bound, gone, or changed.
    pub(super) fn forget(&mut self, key: &ObjectKey) {
        if let Some((wishes, place)) = self.homes.remove(key) {
            self.leave(&wishes, &place);
        }
    }

    fn leave(&mut self, wishes: &str, place: &Place) {
        self.retries.remove(&(place.clone(), wishes.to_owned()));
        let Some(group) = self.groups.get_mut(wishes) else {
            return;
        };
        group.waiting.remove(place);
        if group.waiting.is_empty() {
            self.groups.remove(wishes);
        } else if group.round < self.round {
            self.retry(wishes);
        }
    }

    fn retry(&mut self, wishes: &str) {
        if let Some(first) = self.groups.get(wishes).and_then(|group| group.waiting.first()) {
            self.retries.insert((first.clone(), wishes.to_owned()));
        }
    }

    /// Something changed that may have opened a node to somebody.
    pub(super) fn reopen(&mut self) {
        self.round += 1;
        let heads = self.groups.iter().filter_map(|(wishes, group)| {
            let first = group.waiting.first()?;
            Some((first.clone(), wishes.clone()))
        });
        self.retries = heads.collect();
    }

    /// The next pod to try.
    pub(super) fn pop(&mut self) -> Option<ObjectKey> {
        let retry_is_first = match (self.active.first(), self.retries.first()) {
            (Some(active), Some((retry, _))) => retry < active,
            (None, Some(_)) => true,
            _ => false,
        };
        if retry_is_first {
            return self.retries.pop_first().map(|(place, _)| place.key);
        }
        self.active.pop_first().map(|place| place.key)
    }

    pub(super) fn has_more(&self) -> bool {
        !self.active.is_empty() || !self.retries.is_empty()
    }

    /// Whether some pod fitted nowhere.
    pub(super) fn has_groups(&self) -> bool {
        !self.groups.is_empty()
    }

    /// What was said of a pod with the same wishes since the last change that could help.
    pub(super) fn verdict(&self, wishes: &str) -> Option<String> {
        let group = self.groups.get(wishes).filter(|group| group.round == self.round)?;
        Some(group.verdict.clone())
    }

    /// A pod fitted nowhere. Answers the others of its group that heard something else before.
    pub(super) fn wait(&mut self, pod: &Value, wishes: String, verdict: &str) -> Vec<ObjectKey> {
        let (round, place) = (self.round, Place::of(pod));
        let group = self.groups.entry(wishes.clone()).or_default();
        let is_news = group.verdict != verdict;
        verdict.clone_into(&mut group.verdict);
        group.round = round;
        let others = group.waiting.iter().filter(|other| is_news && **other != place);
        let others = others.map(|other| other.key.clone()).collect();
        group.waiting.insert(place.clone());
        self.homes.insert(place.key.clone(), (wishes, place));
        others
    }

    /// What the group of a waiting pod was told last.
    pub(super) fn told(&self, key: &ObjectKey) -> Option<&str> {
        let (wishes, _) = self.homes.get(key)?;
        self.groups.get(wishes).map(|group| group.verdict.as_str())
    }
}

/// All of a pod that decides where it fits, as text. Labels count where other pods' wishes may speak of them; they often
/// differ from pod to pod otherwise.
pub(super) fn wishes(pod: &Value, labels_count: bool) -> String {
    let spec = &pod["spec"];
    let containers = |list: &str| -> Vec<Value> {
        let containers = spec[list].as_array().into_iter().flatten();
        let parts = containers.map(|one| json!([one["resources"], one["ports"], one["restartPolicy"]]));
        parts.collect()
    };
    // Ephemeral claims are named after their pod, so that such a pod is alone in its group.
    let volumes = spec["volumes"].as_array().into_iter().flatten();
    let claims: Vec<&Value> = volumes.map(|one| &one["persistentVolumeClaim"]["claimName"]).collect();
    let has_ephemeral = spec["volumes"]
        .as_array()
        .is_some_and(|volumes| volumes.iter().any(|one| !one["ephemeral"].is_null()));
    json!([
        namespace(pod),
        labels_count.then_some(&pod["metadata"]["labels"]),
        containers("containers"),
        containers("initContainers"),
        [
            &spec["nodeSelector"],
            &spec["affinity"],
            &spec["tolerations"],
            &spec["topologySpreadConstraints"]
        ],
        [
            &spec["overhead"],
            &spec["resources"],
            &spec["priority"],
            &spec["preemptionPolicy"]
        ],
        claims,
        has_ephemeral.then(|| key_of(pod).to_string()),
    ])
    .to_string()
}
