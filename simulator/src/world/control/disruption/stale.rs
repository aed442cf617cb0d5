//! Pods that were to be disrupted and then were not: the condition that announced it is taken back.
//!
//! Must not know: budgets.

use serde_json::{Value, json};

use super::super::claims::itself;
use super::super::object::{after_secs, condition, is_deleting, list, put, stamp, text, time, uid, until};
use super::super::pods::is_terminal;
use super::super::{Change, Controller, Kind, ObjectKey, Outcome, Pass, View, Write};

/// How long a pod may be announced as disrupted without being deleted (`stalePodDisruptionTimeout`).
const STALE_SECS: i64 = 120;

/// Takes announcements of disruptions back.
#[derive(Debug, Default)]
pub struct StaleDisruptions;

impl Controller for StaleDisruptions {
    fn name(&self) -> &'static str {
        "disruption-controller"
    }

    fn watches(&self) -> &'static [Kind] {
        &[Kind::POD]
    }

    fn keys_for(&self, change: &Change, _view: &View) -> Vec<ObjectKey> {
        let announced = change.new.as_ref().is_some_and(|pod| announcement(pod).is_some());
        if announced { itself(change) } else { Vec::new() }
    }

    fn reconcile(&mut self, key: &ObjectKey, pass: &Pass<'_>) -> Outcome {
        let mut outcome = Outcome::nothing();
        let Some(pod) = pass.view.get(Kind::POD, key) else {
            return outcome;
        };
        let Some(since) = announcement(pod).and_then(|have| time(have, "/lastTransitionTime")) else {
            return outcome;
        };
        let wait = until(after_secs(since, STALE_SECS), pass.now);
        if !wait.is_zero() {
            outcome.wake(wait);
            return outcome;
        }
        let mut conditions = list(pod, "/status/conditions").to_vec();
        for have in conditions
            .iter_mut()
            .filter(|have| text(have, "/type") == "DisruptionTarget")
        {
            *have = json!({"type": "DisruptionTarget", "status": "False", "lastProbeTime": null});
            put(have, &["lastTransitionTime"], stamp(pass.now));
        }
        outcome.writes.push(Write::MergePatch {
            kind: Kind::POD,
            key: key.clone(),
            status: true,
            patch: json!({"metadata": {"uid": uid(pod)}, "status": {"conditions": conditions}}),
        });
        outcome
    }
}

/// The condition that announces the disruption of a pod which still lives. A kubelet's own never goes stale: it may take
/// its time.
fn announcement(pod: &Value) -> Option<&Value> {
    let condition = condition(pod, "DisruptionTarget").filter(|have| text(have, "/status") == "True")?;
    let by_kubelet = text(condition, "/reason") == "TerminationByKubelet";
    (!by_kubelet && !is_deleting(pod) && !is_terminal(pod)).then_some(condition)
}
