//! PodDisruptionBudgets: how many of the selected pods may be taken away now. The eviction subresource asks their status.
//!
//! Must not know: who evicts.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::amounts::{Round, scaled};
use super::claims::itself;
use super::object::{
    StatusBuilder, after_secs, controller_ref, count, int, is_deleting, list, name, owner_key, stamp, text, time, until,
};
use super::pods::{is_ready, is_terminal};
use super::selector::Selector;
use super::{Change, Controller, Kind, ObjectKey, Outcome, Pass, View, Write};

/// An eviction that has not led to a deletion after so long no longer counts (`DeletionTimeout`).
const DELETION_TIMEOUT_SECS: i64 = 120;

/// Keeps budgets.
#[derive(Debug, Default)]
pub struct DisruptionBudgets;

impl Controller for DisruptionBudgets {
    fn name(&self) -> &'static str {
        "disruption-controller"
    }

    fn watches(&self) -> &'static [Kind] {
        &[
            Kind::PDB,
            Kind::POD,
            Kind::REPLICA_SET,
            Kind::DEPLOYMENT,
            Kind::STATEFUL_SET,
        ]
    }

    fn keys_for(&self, change: &Change, view: &View) -> Vec<ObjectKey> {
        match change.kind {
            Kind::PDB => itself(change),
            Kind::POD => {
                if change.old.as_deref().map(shown) == change.new.as_deref().map(shown) {
                    return Vec::new();
                }
                let budgets = view.in_namespace(Kind::PDB, &change.key.namespace);
                let concerned = budgets.filter(|(_, budget)| {
                    let selector = Selector::new(budget.pointer("/spec/selector"));
                    change.objects().any(|pod| selector.matches_object(pod))
                });
                concerned.map(|(key, _)| key.clone()).collect()
            }
            _ => Vec::new(),
        }
    }

    fn reconcile(&mut self, key: &ObjectKey, pass: &Pass<'_>) -> Outcome {
        let Some(budget) = pass.view.get(Kind::PDB, key) else {
            return Outcome::nothing();
        };
        let selector = Selector::new(budget.pointer("/spec/selector"));
        let pods = pass.view.selected(Kind::POD, &key.namespace, &selector);
        let pods: Vec<&Value> = pods.into_iter().map(|(_, pod)| &**pod).collect();
        let mut outcome = Outcome::nothing();
        outcome.rest = super::write::rest_for(pods.len());
        let (disrupted, recheck) = disrupted(budget, &pods, pass);
        if let Some(wait) = recheck {
            outcome.wake(wait);
        }
        let counts = |pod: &&&Value| !is_deleting(pod) && !disrupted.contains_key(name(pod)) && is_ready(pod);
        let healthy = i64::try_from(pods.iter().filter(counts).count()).unwrap_or(i64::MAX);
        let object = match wanted(budget, &pods, pass.view) {
            Ok((expected, desired)) => {
                let allowed = if expected > 0 { (healthy - desired).max(0) } else { 0 };
                let (status, reason) = if allowed > 0 {
                    ("True", "SufficientPods")
                } else {
                    ("False", "InsufficientPods")
                };
                let condition = condition(budget, status, reason, "", pass);
                status_with(budget, [allowed, healthy, desired, expected], disrupted, condition)
            }
            Err(message) => {
                let at = |field: &str| count(budget, field);
                let kept = [
                    0,
                    at("/status/currentHealthy"),
                    at("/status/desiredHealthy"),
                    at("/status/expectedPods"),
                ];
                status_with(
                    budget,
                    kept,
                    disrupted,
                    condition(budget, "False", "SyncFailed", &message, pass),
                )
            }
        };
        let Some(object) = object else { return outcome };
        if pods.is_empty() {
            outcome.writes.push(Write::normal(
                "controllermanager",
                Kind::PDB,
                budget,
                "NoPods",
                "No matching pods found",
            ));
        }
        let kind = Kind::PDB;
        outcome.writes.push(Write::UpdateStatus { kind, object });
        outcome
    }
}

/// What budgets see of a pod.
fn shown(pod: &Value) -> (Option<&Value>, [bool; 3]) {
    let flags = [is_ready(pod), is_deleting(pod), is_terminal(pod)];
    (pod.pointer("/metadata/labels"), flags)
}

/// Evicted pods that have not begun to go, and when the first of them stops counting.
fn disrupted(budget: &Value, pods: &[&Value], pass: &Pass<'_>) -> (Map<String, Value>, Option<std::time::Duration>) {
    let mut kept = Map::new();
    let mut recheck: Option<std::time::Duration> = None;
    let noted = budget.pointer("/status/disruptedPods").and_then(Value::as_object);
    for (pod, at) in noted.into_iter().flatten() {
        let live = pods.iter().any(|have| name(have) == pod && !is_deleting(have));
        let since = time(&json!({"at": at}), "/at");
        let left = since
            .map(|since| until(after_secs(since, DELETION_TIMEOUT_SECS), pass.now))
            .filter(|left| live && !left.is_zero());
        if let Some(left) = left {
            kept.insert(pod.clone(), at.clone());
            recheck = Some(recheck.map_or(left, |before| before.min(left)));
        }
    }
    (kept, recheck)
}

/// How many pods are expected, and how many of them must be healthy.
fn wanted(budget: &Value, pods: &[&Value], view: &View) -> Result<(i64, i64), String> {
    let field = |field: &str| {
        budget
            .pointer("/spec")
            .and_then(|spec| spec.get(field))
            .filter(|value| !value.is_null())
    };
    if let Some(most) = field("maxUnavailable") {
        let expected = expected(pods, view)?;
        let most = scaled(Some(most), expected, Round::Up).ok_or("invalid value for IntOrString")?;
        return Ok((expected, (expected - most).max(0)));
    }
    match field("minAvailable") {
        Some(Value::Number(least)) => Ok((
            i64::try_from(pods.len()).unwrap_or(i64::MAX),
            least.as_i64().unwrap_or(0),
        )),
        Some(least) => {
            let expected = expected(pods, view)?;
            let least = scaled(Some(least), expected, Round::Up).ok_or("invalid value for IntOrString")?;
            Ok((expected, least))
        }
        None => Ok((0, 0)),
    }
}

/// The sum of the sizes of the pods' controllers.
fn expected(pods: &[&Value], view: &View) -> Result<i64, String> {
    let mut sizes: BTreeMap<&str, i64> = BTreeMap::new();
    for pod in pods {
        let Some(owner) = controller_ref(pod) else { continue };
        let size = size_of_owner(pod, view).ok_or_else(|| format!("found no controllers for pod {:?}", name(pod)))?;
        sizes.insert(text(owner, "/uid"), size);
    }
    Ok(sizes.values().sum())
}

fn size_of_owner(pod: &Value, view: &View) -> Option<i64> {
    let size = |object: &Value| Some(int(object, "/spec/replicas").unwrap_or(1));
    if let Some(set) = owner_key(pod, Kind::STATEFUL_SET) {
        return size(view.get(Kind::STATEFUL_SET, &set)?);
    }
    let set = view.get(Kind::REPLICA_SET, &owner_key(pod, Kind::REPLICA_SET)?)?;
    match owner_key(set, Kind::DEPLOYMENT) {
        // A rollout's old sets shrink while the Deployment keeps its size.
        Some(deployment) => size(view.get(Kind::DEPLOYMENT, &deployment)?),
        None => size(set),
    }
}

fn condition(budget: &Value, status: &str, reason: &str, message: &str, pass: &Pass<'_>) -> Value {
    let before = super::object::condition(budget, "DisruptionAllowed");
    let since = before
        .filter(|have| text(have, "/status") == status)
        .and_then(|have| have.get("lastTransitionTime"));
    json!({
        "type": "DisruptionAllowed", "status": status, "reason": reason, "message": message,
        "observedGeneration": count(budget, "/metadata/generation"),
        "lastTransitionTime": since.cloned().unwrap_or_else(|| stamp(pass.now)),
    })
}

fn status_with(budget: &Value, counts: [i64; 4], disrupted: Map<String, Value>, condition: Value) -> Option<Value> {
    let others = list(budget, "/status/conditions").iter();
    let mut conditions: Vec<Value> = others
        .filter(|have| text(have, "/type") != "DisruptionAllowed")
        .cloned()
        .collect();
    conditions.push(condition);
    let [allowed, healthy, desired, expected] = counts;
    let mut status = StatusBuilder::default();
    status
        .count("observedGeneration", count(budget, "/metadata/generation"))
        .always("disruptionsAllowed", allowed)
        .always("currentHealthy", healthy)
        .always("desiredHealthy", desired)
        .always("expectedPods", expected)
        .list("conditions", conditions);
    if !disrupted.is_empty() {
        status.always("disruptedPods", Value::Object(disrupted));
    }
    status.onto(budget)
}

#[cfg(test)]
mod tests {
    use super::super::harness::Cluster;
    use super::super::object::put;
    use super::*;

    fn cluster(spec: &Value) -> (Cluster, ObjectKey) {
        let mut cluster = Cluster::new();
        let mut object = json!({"metadata": {"namespace": "default", "name": "b"}, "spec": {"selector": {"matchLabels": {"app": "web"}}}});
        json_patch::merge(&mut object["spec"], spec);
        let set = json!({"metadata": {"namespace": "default", "name": "rs", "uid": "rs"}, "spec": {"replicas": 4}});
        cluster.create(Kind::REPLICA_SET, set);
        for index in 0..4 {
            let owner =
                json!([{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "rs", "uid": "rs", "controller": true}]);
            let metadata = json!({"namespace": "default", "name": format!("p{index}"), "labels": {"app": "web"}, "ownerReferences": owner});
            let key = cluster.create(Kind::POD, json!({"metadata": metadata, "spec": {}}));
            cluster.ready(&key, index != 3);
        }
        let key = cluster.create(Kind::PDB, object);
        cluster.settle(&mut [&mut DisruptionBudgets]);
        (cluster, key)
    }

    #[test]
    fn counts_what_may_go() {
        // Four pods are wanted, three are healthy.
        let cases = [
            (json!({"minAvailable": 1}), (2, 1)),
            (json!({"minAvailable": "75%"}), (0, 3)),
            (json!({"maxUnavailable": 2}), (1, 2)),
            (json!({"maxUnavailable": "50%"}), (1, 2)),
            (json!({"maxUnavailable": 0}), (0, 4)),
        ];
        for (spec, (allowed, desired)) in cases {
            let (cluster, key) = cluster(&spec);
            let status = &cluster.get(Kind::PDB, &key)["status"];
            let have = (
                &status["disruptionsAllowed"],
                &status["desiredHealthy"],
                &status["currentHealthy"],
                &status["expectedPods"],
            );
            assert_eq!(have, (&json!(allowed), &json!(desired), &json!(3), &json!(4)), "{spec}");
            let reason = if allowed > 0 {
                "SufficientPods"
            } else {
                "InsufficientPods"
            };
            assert_eq!(status["conditions"][0]["reason"], reason, "{spec}");
        }
    }

    #[test]
    fn evicted_pods_do_not_count_until_their_time_is_up() {
        let (mut cluster, key) = cluster(&json!({"minAvailable": 1}));
        let at = stamp(cluster.now);
        cluster.edit(Kind::PDB, &key, |budget| {
            put(budget, &["status", "disruptedPods"], json!({"p0": at, "gone": at}));
        });
        cluster.settle(&mut [&mut DisruptionBudgets]);
        assert_eq!(
            cluster.get(Kind::PDB, &key)["status"]["disruptedPods"],
            json!({"p0": at})
        );
        assert_eq!(cluster.get(Kind::PDB, &key)["status"]["disruptionsAllowed"], 1);
        cluster.advance(120, &mut [&mut DisruptionBudgets]);
        assert_eq!(cluster.get(Kind::PDB, &key)["status"]["disruptionsAllowed"], 2);
    }
}
