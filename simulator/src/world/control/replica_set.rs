//! ReplicaSets: as many active pods as asked, adopted or made; the cheapest go first.
//!
//! Must not know: Deployments, beyond that siblings of one owner share nodes.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::claims::{Held, claim, itself, owners_of};
use super::expect::Expectations;
use super::object::{StatusBuilder, condition, controller_ref, count, int, is_deleting, list, name, stamp, text, uid};
use super::pods;
use super::selector::Selector;
use super::{Change, Controller, Kind, ObjectKey, Outcome, Pass, View, Write};
use crate::world::kube::api_error::ApiError;

const NAME: &str = "replicaset-controller";

/// At most this many creations or deletions a pass (`BurstReplicas`).
const BURST: usize = 500;

/// Keeps ReplicaSets at their size.
#[derive(Debug, Default)]
pub struct ReplicaSets {
    expected: Expectations,
    failures: BTreeMap<ObjectKey, Failure>,
}

#[derive(Clone, Debug)]
struct Failure {
    reason: &'static str,
    message: String,
    told: bool,
}

impl Controller for ReplicaSets {
    fn name(&self) -> &'static str {
        NAME
    }

    fn watches(&self) -> &'static [Kind] {
        &[Kind::REPLICA_SET, Kind::POD]
    }

    fn keys_for(&self, change: &Change, view: &View) -> Vec<ObjectKey> {
        if change.kind == Kind::REPLICA_SET {
            itself(change)
        } else {
            owners_of(change, Kind::REPLICA_SET, view)
        }
    }

    fn reconcile(&mut self, key: &ObjectKey, pass: &Pass<'_>) -> Outcome {
        let Some(set) = pass.view.get(Kind::REPLICA_SET, key) else {
            self.expected.forget(key);
            self.failures.remove(key);
            return Outcome::nothing();
        };
        let selector = Selector::new(set.pointer("/spec/selector"));
        let claimed = claim(
            pass.view,
            Kind::POD,
            (Kind::REPLICA_SET, set),
            &selector,
            pods::is_active,
        );
        let mut active = claimed.owned;
        let mut outcome = Outcome::writes(claimed.writes);
        let synced = self.expected.met(key, Kind::POD, pass.view, pass.now);
        let mut scaling = Vec::new();
        if synced && !is_deleting(set) {
            let wanted = usize::try_from(int(set, "/spec/replicas").unwrap_or(1)).unwrap_or(0);
            if active.len() < wanted {
                scaling = self.create(key, set, (wanted - active.len()).min(BURST), pass);
            } else if active.len() > wanted {
                scaling = self.delete(key, set, &mut active, wanted, pass);
            } else {
                self.failures.remove(key);
            }
        }
        self.tell(key, set, &mut outcome);
        let terminating = pass.view.controlled_by(Kind::POD, uid(set));
        let terminating = terminating.filter(|(_, pod)| pods::is_terminating(pod) && selector.matches_object(pod));
        let counts = Counts::of(set, &active, terminating.count(), pass.now);
        let failure = self.failures.get(key);
        if let Some(object) = counts.status(set, failure, pass.now) {
            let kind = Kind::REPLICA_SET;
            outcome.writes.push(Write::UpdateStatus { kind, object });
        }
        outcome.writes.extend(scaling);
        let min_ready_secs = count(set, "/spec/minReadySeconds");
        let waits = active
            .iter()
            .filter_map(|(_, pod)| pods::available_in(pod, min_ready_secs, pass.now));
        if let Some(wait) = waits.filter(|wait| !wait.is_zero()).min() {
            outcome.wake(wait);
        }
        outcome.rest = super::write::rest_for(active.len());
        outcome
    }

    fn failed(&mut self, key: &ObjectKey, write: &Write, error: &ApiError) {
        self.expected.forget(key);
        let (reason, told) = match write {
            Write::Create { kind: Kind::POD, .. } => ("FailedCreate", false),
            Write::Delete { kind: Kind::POD, .. } => ("FailedDelete", false),
            _ => return,
        };
        let message = match write {
            Write::Create { object, .. } => pods::refusal(object, &error.message),
            _ => error.message.clone(),
        };
        self.failures.insert(key.clone(), Failure { reason, message, told });
    }
}

impl ReplicaSets {
    fn create(&mut self, key: &ObjectKey, set: &Arc<Value>, missing: usize, pass: &Pass<'_>) -> Vec<Write> {
        let template = set.pointer("/spec/template").cloned().unwrap_or_default();
        let mut writes = Vec::new();
        for _ in 0..missing {
            let kind = Kind::POD;
            let object = pods::from_template(&template, Kind::REPLICA_SET, set, name(set), pass.entropy);
            self.expected.creation(key, pods::new_key(&object), pass.now);
            let message = format!("Created pod: {}", name(&object));
            writes.push(Write::Create { kind, object });
            writes.push(Write::normal(NAME, Kind::REPLICA_SET, set, "SuccessfulCreate", message));
        }
        writes
    }

    fn delete(
        &mut self,
        key: &ObjectKey,
        set: &Arc<Value>,
        active: &mut [Held<'_>],
        wanted: usize,
        pass: &Pass<'_>,
    ) -> Vec<Write> {
        let surplus = (active.len() - wanted.min(active.len())).min(BURST);
        let crowds = crowds(set, pass.view);
        active.sort_by_cached_key(|(_, pod)| {
            let crowd = crowds.get(text(pod, "/spec/nodeName")).copied().unwrap_or(0);
            pods::dearness(pod, crowd, pass.now)
        });
        let mut writes = Vec::new();
        for (pod_key, pod) in active.iter().take(surplus) {
            self.expected.deletion(key, pod_key.clone(), uid(pod), pass.now);
            writes.push(Write::Delete {
                kind: Kind::POD,
                key: pod_key.clone(),
                uid: Some(uid(pod).to_owned()),
                grace_secs: None,
                propagation: None,
            });
            let message = format!("Deleted pod: {}", pod_key.name);
            writes.push(Write::normal(NAME, Kind::REPLICA_SET, set, "SuccessfulDelete", message));
        }
        writes
    }

    /// Says once what went wrong.
    fn tell(&mut self, key: &ObjectKey, set: &Arc<Value>, outcome: &mut Outcome) {
        if let Some(failure) = self.failures.get_mut(key)
            && !failure.told
        {
            failure.told = true;
            let verb = if failure.reason == "FailedCreate" {
                "creating"
            } else {
                "deleting"
            };
            let message = format!("Error {verb}: {}", failure.message);
            let event = Write::warning(NAME, Kind::REPLICA_SET, set, failure.reason, message);
            outcome.writes.push(event);
        }
    }
}

/// Active pods a node, over all ReplicaSets of the same owner.
fn crowds(set: &Value, view: &View) -> BTreeMap<String, usize> {
    let siblings: Vec<&str> = match controller_ref(set) {
        Some(owner) => view
            .controlled_by(Kind::REPLICA_SET, text(owner, "/uid"))
            .map(|(_, sibling)| uid(sibling))
            .collect(),
        None => vec![uid(set)],
    };
    let mut crowds = BTreeMap::new();
    for sibling in siblings {
        for (_, pod) in view.controlled_by(Kind::POD, sibling) {
            if pods::is_active(pod) {
                *crowds.entry(text(pod, "/spec/nodeName").to_owned()).or_insert(0) += 1;
            }
        }
    }
    crowds
}

struct Counts {
    replicas: i64,
    labeled: i64,
    ready: i64,
    available: i64,
    terminating: i64,
}

impl Counts {
    fn of(set: &Value, active: &[Held<'_>], terminating: usize, now: Timestamp) -> Self {
        let template = set.pointer("/spec/template/metadata/labels").unwrap_or(&Value::Null);
        let template = Selector::from_labels(template);
        let min_ready_secs = count(set, "/spec/minReadySeconds");
        let tally = |test: &dyn Fn(&Value) -> bool| {
            let matching = active.iter().filter(|(_, pod)| test(pod)).count();
            i64::try_from(matching).unwrap_or(i64::MAX)
        };
        Self {
            replicas: tally(&|_| true),
            labeled: tally(&|pod| template.matches_object(pod)),
            ready: tally(&pods::is_ready),
            available: tally(&|pod| pods::is_available(pod, min_ready_secs, now)),
            terminating: i64::try_from(terminating).unwrap_or(i64::MAX),
        }
    }

    /// The set with the status that it should have, if it has another.
    fn status(&self, set: &Value, failure: Option<&Failure>, now: Timestamp) -> Option<Value> {
        let kept = list(set, "/status/conditions").iter();
        let kept = kept.filter(|condition| text(condition, "/type") != "ReplicaFailure");
        let mut conditions: Vec<Value> = kept.cloned().collect();
        match (failure, condition(set, "ReplicaFailure")) {
            (Some(_), Some(before)) => conditions.push(before.clone()),
            (Some(failure), None) => conditions.push(json!({
                "type": "ReplicaFailure",
                "status": "True",
                "lastTransitionTime": stamp(now),
                "reason": failure.reason,
                "message": failure.message,
            })),
            (None, _) => {}
        }
        let mut status = StatusBuilder::default();
        status
            .always("replicas", self.replicas)
            .count("fullyLabeledReplicas", self.labeled)
            .count("readyReplicas", self.ready)
            .count("availableReplicas", self.available)
            .always("terminatingReplicas", self.terminating)
            .count("observedGeneration", count(set, "/metadata/generation"))
            .list("conditions", conditions);
        status.onto(set)
    }
}

#[cfg(test)]
mod tests {
    use super::super::harness::Cluster;
    use super::super::object::{namespace, put};
    use super::*;

    fn replica_set(replicas: i64) -> Value {
        json!({
            "apiVersion": "apps/v1", "kind": "ReplicaSet",
            "metadata": {"namespace": "default", "name": "web"},
            "spec": {
                "replicas": replicas,
                "selector": {"matchLabels": {"app": "web"}},
                "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "main"}]}},
            },
        })
    }

    fn pod(name: &str, app: &str) -> Value {
        json!({"metadata": {"namespace": "default", "name": name, "labels": {"app": app}}, "spec": {}})
    }

    #[test]
    fn makes_counts_and_removes_pods() {
        let (mut cluster, mut sets) = (Cluster::new(), ReplicaSets::default());
        let key = cluster.create(Kind::REPLICA_SET, replica_set(3));
        cluster.settle(&mut [&mut sets]);
        let first = cluster.names(Kind::POD);
        assert_eq!(first.len(), 3);
        assert!(
            first.iter().all(|name| name.starts_with("web-") && name.len() == 9),
            "{first:?}"
        );
        cluster.run_pods();
        cluster.settle(&mut [&mut sets]);
        let wanted = json!({
            "replicas": 3, "fullyLabeledReplicas": 3, "readyReplicas": 3, "availableReplicas": 3,
            "terminatingReplicas": 0, "observedGeneration": 1,
        });
        assert_eq!(cluster.get(Kind::REPLICA_SET, &key)["status"], wanted);
        let settled = cluster.writes;
        cluster.edit(Kind::REPLICA_SET, &key, |set| {
            put(set, &["metadata", "labels"], json!({"x": "y"}));
        });
        cluster.settle(&mut [&mut sets]);
        assert_eq!(cluster.writes, settled, "nothing to do");

        cluster.edit(Kind::REPLICA_SET, &key, |set| put(set, &["spec", "replicas"], json!(1)));
        cluster.settle(&mut [&mut sets]);
        assert_eq!(cluster.get(Kind::REPLICA_SET, &key)["status"]["terminatingReplicas"], 2);
        cluster.run_pods();
        cluster.settle(&mut [&mut sets]);
        assert_eq!(cluster.names(Kind::POD).len(), 1);
        let deleted = cluster
            .events
            .iter()
            .filter(|event| event.starts_with("Normal SuccessfulDelete Deleted pod: web-"));
        assert_eq!(deleted.count(), 2);
    }

    #[test]
    fn adopts_orphans_and_releases_strangers() {
        let (mut cluster, mut sets) = (Cluster::new(), ReplicaSets::default());
        let orphan = cluster.create(Kind::POD, pod("orphan", "web"));
        cluster.create(Kind::POD, pod("stranger", "db"));
        let key = cluster.create(Kind::REPLICA_SET, replica_set(1));
        cluster.settle(&mut [&mut sets]);
        assert_eq!(cluster.names(Kind::POD), ["orphan", "stranger"]);
        let owner = &cluster.get(Kind::POD, &orphan)["metadata"]["ownerReferences"][0];
        assert_eq!(owner["uid"], cluster.get(Kind::REPLICA_SET, &key)["metadata"]["uid"]);
        cluster.edit(Kind::POD, &orphan, |pod| {
            put(pod, &["metadata", "labels"], json!({"app": "mine"}));
        });
        cluster.settle(&mut [&mut sets]);
        assert_eq!(
            cluster.get(Kind::POD, &orphan)["metadata"]["ownerReferences"],
            json!([])
        );
        assert_eq!(cluster.names(Kind::POD).len(), 3);
    }

    #[test]
    fn failures_are_told_and_heal() {
        let (mut cluster, mut sets) = (Cluster::new(), ReplicaSets::default());
        let error = ApiError::forbidden("", "pods", "", "exceeded quota");
        cluster.refuse.insert(Kind::POD, error.clone());
        let key = cluster.create(Kind::REPLICA_SET, replica_set(2));
        cluster.settle(&mut [&mut sets]);
        cluster.advance(1, &mut [&mut sets]);
        let condition = cluster.get(Kind::REPLICA_SET, &key)["status"]["conditions"][0].clone();
        assert_eq!(
            (&condition["type"], &condition["reason"]),
            (&json!("ReplicaFailure"), &json!("FailedCreate"))
        );
        let told = format!("Warning FailedCreate Error creating: {}", error.message);
        assert!(!cluster.events.is_empty() && cluster.events.iter().all(|event| *event == told));
        cluster.refuse.clear();
        cluster.advance(1, &mut [&mut sets]);
        assert_eq!(cluster.names(Kind::POD).len(), 2);
        assert!(condition_gone(&cluster, &key));
    }

    fn condition_gone(cluster: &Cluster, key: &ObjectKey) -> bool {
        condition(cluster.get(Kind::REPLICA_SET, key), "ReplicaFailure").is_none()
    }

    #[test]
    fn waits_for_min_ready_seconds() {
        let (mut cluster, mut sets) = (Cluster::new(), ReplicaSets::default());
        let mut set = replica_set(1);
        put(&mut set, &["spec", "minReadySeconds"], json!(10));
        let key = cluster.create(Kind::REPLICA_SET, set);
        cluster.settle(&mut [&mut sets]);
        cluster.run_pods();
        cluster.settle(&mut [&mut sets]);
        let available = |cluster: &Cluster| count(cluster.get(Kind::REPLICA_SET, &key), "/status/availableReplicas");
        assert_eq!(available(&cluster), 0);
        cluster.advance(9, &mut [&mut sets]);
        assert_eq!(available(&cluster), 0);
        cluster.advance(1, &mut [&mut sets]);
        assert_eq!(available(&cluster), 1);
    }

    #[test]
    fn a_view_that_lags_makes_no_second_pods() {
        let (mut cluster, mut sets) = (Cluster::new(), ReplicaSets::default());
        let key = cluster.create(Kind::REPLICA_SET, replica_set(2));
        let pass = Pass {
            view: &cluster.view,
            now: cluster.now,
            entropy: &cluster.entropy,
        };
        let created = |outcome: &Outcome| {
            let creates = outcome
                .writes
                .iter()
                .filter(|write| matches!(write, Write::Create { .. }));
            creates.count()
        };
        assert_eq!(created(&sets.reconcile(&key, &pass)), 2);
        assert_eq!(created(&sets.reconcile(&key, &pass)), 0);
        sets.failed(
            &key,
            &Write::Create {
                kind: Kind::POD,
                object: json!({}),
            },
            &ApiError::internal("x"),
        );
        assert_eq!(created(&sets.reconcile(&key, &pass)), 2);
        assert_eq!(namespace(cluster.get(Kind::REPLICA_SET, &key)), "default");
    }
}
