//! PodDisruptionBudgets: how many of the selected pods may be taken away now. The eviction subresource asks their status.
//!
//! Must not know: who evicts.

mod expected;
mod stale;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::claims::itself;
use super::object::{
    StatusBuilder, after_secs, count, is_deleting, list, name, namespace, put, stamp, text, time, until,
};
use super::pods::{is_ready, is_terminal};
use super::selector::Selector;
use super::{Change, Controller, Kind, ObjectKey, Outcome, Pass, View, Write};
use expected::{Wanted, wanted};

pub use stale::StaleDisruptions;

/// Component of its events.
const COMPONENT: &str = "controllermanager";
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
        let pods: Vec<&Arc<Value>> = pods.into_iter().map(|(_, pod)| pod).collect();
        let mut outcome = Outcome::nothing();
        outcome.rest = super::write::rest_for(pods.len());
        let evicted = Evicted::of(budget, &pods, pass);
        if let Some(wait) = evicted.recheck {
            outcome.wake(wait);
        }
        let (object, event) = match wanted(budget, &pods, pass.view) {
            Ok(wanted) => {
                let event = if pods.is_empty() {
                    let message = "No matching pods found";
                    Some(Write::normal(COMPONENT, Kind::PDB, budget, "NoPods", message))
                } else {
                    let event = |message| Write::warning(COMPONENT, Kind::PDB, budget, "UnmanagedPods", message);
                    wanted.has_unmanaged.then(|| event(unmanaged(budget)))
                };
                (counted(budget, &pods, &wanted, evicted.counting, pass), event)
            }
            Err(problem) => {
                let message = format!("Failed to calculate the number of expected pods: {problem}");
                let reason = "CalculateExpectedPodCountFailed";
                let event = Write::warning(COMPONENT, Kind::PDB, budget, reason, message);
                (closed(budget, &problem, pass), Some(event))
            }
        };
        let Some(object) = object else { return outcome };
        outcome.writes.extend(event);
        outcome.writes.extend(evicted.stayed);
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

/// Pods whose eviction was granted.
struct Evicted {
    /// Those that have not begun to go, and do not count as healthy while they are expected to.
    counting: Map<String, Value>,
    /// When the first of them counts as healthy again.
    recheck: Option<Duration>,
    /// What is said about those that were expected to go and have not.
    stayed: Vec<Write>,
}

impl Evicted {
    fn of(budget: &Value, pods: &[&Arc<Value>], pass: &Pass<'_>) -> Self {
        let mut evicted = Self {
            counting: Map::new(),
            recheck: None,
            stayed: Vec::new(),
        };
        let noted = budget.pointer("/status/disruptedPods").and_then(Value::as_object);
        for (pod, at) in noted.into_iter().flatten() {
            let live = pods.iter().find(|have| name(have) == pod && !is_deleting(have));
            let since = time(&json!({"at": at}), "/at");
            let (Some(live), Some(since)) = (live, since) else {
                continue;
            };
            let left = until(after_secs(since, DELETION_TIMEOUT_SECS), pass.now);
            if left.is_zero() {
                // The real controller names the namespace twice here, and not the budget.
                let home = namespace(budget);
                let message = format!("Pod was expected by PDB {home}/{home} to be deleted but it wasn't");
                evicted
                    .stayed
                    .push(Write::warning(COMPONENT, Kind::POD, live, "NotDeleted", message));
            } else {
                evicted.counting.insert(pod.clone(), at.clone());
                evicted.recheck = Some(evicted.recheck.map_or(left, |before| before.min(left)));
            }
        }
        evicted
    }
}

/// The budget with new counts, if they are new.
fn counted(
    budget: &Value,
    pods: &[&Arc<Value>],
    wanted: &Wanted,
    evicted: Map<String, Value>,
    pass: &Pass<'_>,
) -> Option<Value> {
    let counts = |pod: &&&Arc<Value>| !is_deleting(pod) && !evicted.contains_key(name(pod)) && is_ready(pod);
    let healthy = i64::try_from(pods.iter().filter(counts).count()).unwrap_or(i64::MAX);
    let surplus = healthy.saturating_sub(wanted.healthy);
    let allowed = if wanted.pods > 0 { surplus.max(0) } else { 0 };
    let (status, reason) = if allowed > 0 {
        ("True", "SufficientPods")
    } else {
        ("False", "InsufficientPods")
    };
    let generation = count(budget, "/metadata/generation");
    let condition = condition(budget, status, reason, "", generation, pass);
    let mut status = StatusBuilder::default();
    status
        .count("observedGeneration", generation)
        .always("disruptionsAllowed", allowed)
        .always("currentHealthy", healthy)
        .always("desiredHealthy", wanted.healthy)
        .always("expectedPods", wanted.pods)
        .list("conditions", conditions_with(budget, condition));
    if !evicted.is_empty() {
        status.always("disruptedPods", Value::Object(evicted));
    }
    status.onto(budget)
}

/// The budget that allows nothing, because what it wants is not known. What was counted before stays.
fn closed(budget: &Value, problem: &str, pass: &Pass<'_>) -> Option<Value> {
    let mut status = budget.get("status").filter(|have| have.is_object()).cloned();
    let mut status = status.take().unwrap_or_else(|| json!({}));
    let generation = count(&status, "/observedGeneration");
    let condition = condition(budget, "False", "SyncFailed", problem, generation, pass);
    put(&mut status, &["disruptionsAllowed"], 0.into());
    for field in ["currentHealthy", "desiredHealthy", "expectedPods"] {
        let before = count(&status, &format!("/{field}"));
        put(&mut status, &[field], before.into());
    }
    put(&mut status, &["conditions"], conditions_with(budget, condition).into());
    if budget.get("status") == Some(&status) {
        return None;
    }
    let mut object = budget.clone();
    put(&mut object, &["status"], status);
    Some(object)
}

fn unmanaged(budget: &Value) -> String {
    let selector = go_selector(budget);
    format!(
        "Pods selected by this PodDisruptionBudget (selector: {selector}) were found to be unmanaged. As a result, the \
         status of the PDB cannot be calculated correctly, which may result in undefined behavior. To account for these \
         pods please set \".spec.minAvailable\" field of the PDB to an integer value."
    )
}

/// A budget's selector as Go prints it.
fn go_selector(budget: &Value) -> String {
    let labels = budget.pointer("/spec/selector/matchLabels").and_then(Value::as_object);
    let labels = labels.into_iter().flatten();
    let labels: String = labels
        .map(|(key, value)| format!("{key}: {},", value.as_str().unwrap_or_default()))
        .collect();
    let rules = list(budget, "/spec/selector/matchExpressions").iter();
    let rules: String = rules
        .map(|rule| {
            let values: Vec<&str> = list(rule, "/values").iter().filter_map(Value::as_str).collect();
            let (key, operator) = (text(rule, "/key"), text(rule, "/operator"));
            format!(
                "LabelSelectorRequirement{{Key:{key},Operator:{operator},Values:[{}],}},",
                values.join(" ")
            )
        })
        .collect();
    format!(
        "&LabelSelector{{MatchLabels:map[string]string{{{labels}}},MatchExpressions:[]LabelSelectorRequirement{{{rules}}},}}"
    )
}

fn condition(budget: &Value, status: &str, reason: &str, message: &str, generation: i64, pass: &Pass<'_>) -> Value {
    let before = super::object::condition(budget, "DisruptionAllowed");
    let since = before
        .filter(|have| text(have, "/status") == status)
        .and_then(|have| have.get("lastTransitionTime"));
    let mut condition = json!({
        "type": "DisruptionAllowed", "status": status, "reason": reason, "message": message,
        "lastTransitionTime": since.cloned().unwrap_or_else(|| stamp(pass.now)),
    });
    if generation != 0 {
        put(&mut condition, &["observedGeneration"], generation.into());
    }
    condition
}

fn conditions_with(budget: &Value, condition: Value) -> Vec<Value> {
    let others = list(budget, "/status/conditions").iter();
    let others = others
        .filter(|have| text(have, "/type") != "DisruptionAllowed")
        .cloned();
    others.chain([condition]).collect()
}
