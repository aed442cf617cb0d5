//! Protection: a claim stays while pods use it, a volume while it is bound. (The API server sets the finalizers.)
//!
//! Must not know: binding.

use serde_json::{Value, json};

use super::super::claims::itself;
use super::super::object::{finalizers_without, has_finalizer, is_deleting, text, uid};
use super::super::pods::is_terminal;
use super::super::view::claims_of;
use super::super::{Change, Controller, Kind, ObjectKey, Outcome, Pass, View, Write};

const CLAIM: &str = "kubernetes.io/pvc-protection";
const VOLUME: &str = "kubernetes.io/pv-protection";

/// Lets deleted claims go that no pod uses.
#[derive(Debug, Default)]
pub struct ClaimProtection;

/// Lets deleted volumes go that are not bound.
#[derive(Debug, Default)]
pub struct VolumeProtection;

fn release(kind: Kind, key: &ObjectKey, object: &Value, finalizer: &str) -> Outcome {
    let kept = finalizers_without(object, finalizer);
    let patch = json!({"metadata": {"uid": uid(object), "finalizers": kept}});
    let key = key.clone();
    Outcome::writes(vec![Write::MergePatch {
        kind,
        key,
        status: false,
        patch,
    }])
}

impl Controller for ClaimProtection {
    fn name(&self) -> &'static str {
        "pvc-protection-controller"
    }

    fn watches(&self) -> &'static [Kind] {
        &[Kind::PVC, Kind::POD]
    }

    fn keys_for(&self, change: &Change, view: &View) -> Vec<ObjectKey> {
        if change.kind == Kind::PVC {
            return itself(change);
        }
        let ended = change.new.as_ref().is_none_or(|pod| is_terminal(pod));
        let Some(pod) = change.latest().filter(|_| ended) else {
            return Vec::new();
        };
        let keys = claims_of(pod)
            .into_iter()
            .map(|claim| ObjectKey::new(change.key.namespace.as_str(), claim));
        keys.filter(|key| view.get(Kind::PVC, key).is_some()).collect()
    }

    fn reconcile(&mut self, key: &ObjectKey, pass: &Pass<'_>) -> Outcome {
        let claim = pass.view.get(Kind::PVC, key);
        let Some(claim) = claim.filter(|claim| is_deleting(claim) && has_finalizer(claim, CLAIM)) else {
            return Outcome::nothing();
        };
        // A pod that was never given to a node holds nothing.
        let holds = |pod: &Value| !is_terminal(pod) && !text(pod, "/spec/nodeName").is_empty();
        if pass.view.pods_using(key).any(|(_, pod)| holds(pod)) {
            return Outcome::nothing();
        }
        release(Kind::PVC, key, claim, CLAIM)
    }
}

impl Controller for VolumeProtection {
    fn name(&self) -> &'static str {
        "pv-protection-controller"
    }

    fn watches(&self) -> &'static [Kind] {
        &[Kind::PV]
    }

    fn keys_for(&self, change: &Change, _view: &View) -> Vec<ObjectKey> {
        itself(change)
    }

    fn reconcile(&mut self, key: &ObjectKey, pass: &Pass<'_>) -> Outcome {
        let volume = pass.view.get(Kind::PV, key);
        let Some(volume) = volume.filter(|volume| is_deleting(volume) && has_finalizer(volume, VOLUME)) else {
            return Outcome::nothing();
        };
        if text(volume, "/status/phase") == "Bound" {
            return Outcome::nothing();
        }
        release(Kind::PV, key, volume, VOLUME)
    }
}
