//! Deployments: one ReplicaSet a pod template, and how to get from the old ones to the new one.
//!
//! Must not know: pods, except whether old ones still run when recreating.

mod rollout;
mod sets;
mod sizes;
mod status;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::claims::{claim, itself, owners_of};
use super::object::{count, flag, is_deleting, owner_key, text};
use super::selector::Selector;
use super::{Change, Controller, Kind, ObjectKey, Outcome, Pass, View, Write, pods};
use crate::world::kube::api_error::ApiError;
use rollout::Rollout;

pub(super) const NAME: &str = "deployment-controller";

/// Rolls Deployments out.
#[derive(Debug, Default)]
pub struct Deployments {
    /// Why the last creation of a ReplicaSet failed.
    failures: BTreeMap<ObjectKey, String>,
}

impl Controller for Deployments {
    fn name(&self) -> &'static str {
        NAME
    }

    fn watches(&self) -> &'static [Kind] {
        &[Kind::DEPLOYMENT, Kind::REPLICA_SET, Kind::POD]
    }

    fn keys_for(&self, change: &Change, view: &View) -> Vec<ObjectKey> {
        match change.kind {
            Kind::DEPLOYMENT => itself(change),
            Kind::REPLICA_SET => owners_of(change, Kind::DEPLOYMENT, view),
            _ if change.new.is_none() => owner_of_pod(change, view).into_iter().collect(),
            _ => Vec::new(),
        }
    }

    fn reconcile(&mut self, key: &ObjectKey, pass: &Pass<'_>) -> Outcome {
        let Some(deployment) = pass.view.get(Kind::DEPLOYMENT, key) else {
            self.failures.remove(key);
            return Outcome::nothing();
        };
        let selector = Selector::new(deployment.pointer("/spec/selector"));
        if selector.is_empty() {
            return selecting_all(deployment);
        }
        let owner = (Kind::DEPLOYMENT, &**deployment);
        let claimed = claim(pass.view, Kind::REPLICA_SET, owner, &selector, |_| true);
        if !claimed.writes.is_empty() {
            return Outcome::writes(claimed.writes);
        }
        let owned = claimed.owned.into_iter().map(|(_, set)| Arc::clone(set)).collect();
        let mut rollout = Rollout::new(deployment, owned, pass);
        if let Some(message) = self.failures.remove(key) {
            rollout.creation_failed(&message);
        } else if is_deleting(deployment) {
            rollout.finish(false);
        } else {
            advance(&mut rollout);
        }
        rollout.outcome()
    }

    fn failed(&mut self, key: &ObjectKey, write: &Write, error: &ApiError) {
        if let Write::Create {
            kind: Kind::REPLICA_SET,
            object,
        } = write
            && error.reason != "AlreadyExists"
        {
            let name = super::object::name(object);
            let message = format!("Failed to create new replica set {name:?}: {}", error.message);
            self.failures.insert(key.clone(), message);
        }
    }
}

/// One step of a rollout, or of scaling.
fn advance(rollout: &mut Rollout<'_>) {
    rollout.note_pause();
    let paused = flag(rollout.deployment, "/spec/paused");
    if paused || rollout.is_scaling() {
        rollout.sync_revision(false);
        rollout.scale_in_proportion();
        if paused {
            rollout.clean_up();
        }
        rollout.finish(false);
    } else if text(rollout.deployment, "/spec/strategy/type") == "Recreate" {
        rollout.recreate();
    } else {
        rollout.roll();
    }
}

fn selecting_all(deployment: &Arc<Value>) -> Outcome {
    let message = "This deployment is selecting all pods. A non-empty selector is required.";
    let mut writes = vec![Write::warning(
        NAME,
        Kind::DEPLOYMENT,
        deployment,
        "SelectingAll",
        message,
    )];
    let generation = count(deployment, "/metadata/generation");
    if count(deployment, "/status/observedGeneration") == generation {
        return Outcome::nothing();
    }
    let mut object = (**deployment).clone();
    super::object::put(&mut object, &["status", "observedGeneration"], generation.into());
    let kind = Kind::DEPLOYMENT;
    writes.push(Write::UpdateStatus { kind, object });
    Outcome::writes(writes)
}

fn owner_of_pod(change: &Change, view: &View) -> Option<ObjectKey> {
    let set = owner_key(change.old.as_ref()?, Kind::REPLICA_SET)?;
    owner_key(view.get(Kind::REPLICA_SET, &set)?, Kind::DEPLOYMENT)
}

/// Whether a pod of a ReplicaSet has not ended yet.
fn runs_pods(view: &View, set_uid: &str) -> bool {
    let mut pods = view.controlled_by(Kind::POD, set_uid);
    pods.any(|(_, pod)| !pods::is_terminal(pod))
}
