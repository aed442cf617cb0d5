//! Carrying out plans: each step becomes one request. No decision is made here.
//!
//! Knows: the API server and AKS as places to send things to. Must not know: why a step is taken.

mod error;
mod events;
mod written;

use std::sync::Arc;

use jiff::Timestamp;
use kube::Client;
use kube::api::{Api, DeleteParams, Patch, PatchParams, Preconditions, PropagationPolicy};
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use operator_plan::step::Propagation;
use operator_plan::{Kind, Plan, Planned, Step, Target};
use serde_json::{Value, json};

pub use error::{Class, ExecuteError};
pub use written::Written;

use crate::azure::Arm;

/// Tells the time of day: the wall's in production, the world's in a rehearsal.
pub type Now = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// Carries out the plans of one controller. Cheap to clone.
#[derive(Clone)]
pub struct Executor {
    client: Client,
    arm: Option<Arm>,
    manager: &'static str,
    now: Now,
}

impl Executor {
    /// `manager` is the controller's field manager; without `arm` no step about pools can be taken.
    pub fn new(client: Client, arm: Option<Arm>, manager: &'static str, now: Now) -> Self {
        Self {
            client,
            arm,
            manager,
            now,
        }
    }

    /// Takes the steps in order up to the first that fails, then publishes status and events in any case: they tell
    /// what was observed, which a failed step does not change.
    ///
    /// `written` is told the resourceVersion of `about` whenever a step or the status has changed it.
    ///
    /// # Errors
    /// The first failure.
    pub async fn run(&self, about: &Target, plan: &Plan, written: &Written) -> Result<(), ExecuteError> {
        let Plan {
            steps,
            status,
            events,
            wake: _,
        } = plan;
        let mut outcome = Ok(());
        for Planned { step, why } in steps {
            tracing::debug!(%about, ?step, why, "step");
            outcome = self.step(step, about, written).await;
            if outcome.is_err() {
                break;
            }
        }
        let published = match status {
            Some(status) => self.publish(about, status, written).await,
            None => Ok(()),
        };
        let uid = written.uid(about);
        events::record(&self.client, about, uid, self.manager, events, (self.now)()).await;
        outcome.and(published)
    }

    async fn step(&self, step: &Step, about: &Target, written: &Written) -> Result<(), ExecuteError> {
        match step {
            Step::Apply { target, fields, force } => {
                let object = self.apply(target, fields, *force).await?;
                if target == about {
                    written.note(target, &object);
                }
                Ok(())
            }
            Step::Delete {
                target,
                uid,
                propagation,
            } => self.delete(target, uid, *propagation).await,
            Step::AddFinalizer { target, finalizer } => {
                self.finalizers(target, None, |list| add(list, finalizer)).await
            }
            Step::DropFinalizer { target, uid, finalizer } => {
                self.finalizers(target, Some(uid), |list| drop_from(list, finalizer))
                    .await
            }
            Step::PutPool { name, body } => self.put_pool(name, body).await,
            Step::DeletePool { name } => self.delete_pool(name).await,
        }
    }

    async fn apply(&self, target: &Target, fields: &Value, force: bool) -> Result<DynamicObject, ExecuteError> {
        let mut params = PatchParams::apply(self.manager);
        params.force = force;
        let body = identified(target, fields.clone());
        self.api(target)
            .patch(&target.name, &params, &Patch::Apply(&body))
            .await
            .map_err(|error| ExecuteError::kube("apply", target, error))
    }

    async fn publish(&self, target: &Target, status: &Value, written: &Written) -> Result<(), ExecuteError> {
        let params = PatchParams::apply(self.manager).force();
        let body = identified(target, json!({ "status": status }));
        match self
            .api(target)
            .patch_status(&target.name, &params, &Patch::Apply(&body))
            .await
        {
            Ok(object) => {
                written.note(target, &object);
                Ok(())
            }
            // The object went with its last finalizer: there is nobody left to tell.
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            Err(error) => Err(ExecuteError::kube("publish the status of", target, error)),
        }
    }

    async fn delete(&self, target: &Target, uid: &str, propagation: Propagation) -> Result<(), ExecuteError> {
        let policy = match propagation {
            Propagation::Background => PropagationPolicy::Background,
            Propagation::Foreground => PropagationPolicy::Foreground,
        };
        let params = DeleteParams {
            propagation_policy: Some(policy),
            preconditions: Some(Preconditions {
                uid: Some(uid.to_owned()),
                resource_version: None,
            }),
            ..DeleteParams::default()
        };
        match self.api(target).delete(&target.name, &params).await {
            Ok(_) => Ok(()),
            // Gone already, or another object has taken the name: the one that was meant is no more.
            Err(kube::Error::Api(status)) if status.code == 404 || status.code == 409 => Ok(()),
            Err(error) => Err(ExecuteError::kube("delete", target, error)),
        }
    }

    /// Reads the object, changes its finalizers, and writes them on condition that nobody else has written meanwhile.
    async fn finalizers(
        &self,
        target: &Target,
        uid: Option<&str>,
        change: impl FnOnce(Vec<String>) -> Option<Vec<String>>,
    ) -> Result<(), ExecuteError> {
        let api = self.api(target);
        let failed = |error| ExecuteError::kube("change the finalizers of", target, error);
        let Some(live) = api.get_metadata_opt(&target.name).await.map_err(failed)? else {
            return Ok(());
        };
        let meta = live.metadata;
        if uid.is_some_and(|uid| meta.uid.as_deref() != Some(uid)) {
            return Ok(());
        }
        let Some(finalizers) = change(meta.finalizers.unwrap_or_default()) else {
            return Ok(());
        };
        let patch = json!({ "metadata": { "resourceVersion": meta.resource_version, "finalizers": finalizers } });
        let params = PatchParams {
            field_manager: Some(self.manager.to_owned()),
            ..PatchParams::default()
        };
        match api.patch(&target.name, &params, &Patch::Merge(&patch)).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            Err(error) => Err(failed(error)),
        }
    }

    async fn put_pool(&self, name: &str, body: &Value) -> Result<(), ExecuteError> {
        let arm = self.arm.as_ref().ok_or(ExecuteError::NoAzure)?;
        let accepted = arm.put_pool(name, body).await.map_err(ExecuteError::Arm)?;
        self.remember_operation(name, accepted.operation_url).await
    }

    async fn delete_pool(&self, name: &str) -> Result<(), ExecuteError> {
        let arm = self.arm.as_ref().ok_or(ExecuteError::NoAzure)?;
        let accepted = arm.delete_pool(name).await.map_err(ExecuteError::Arm)?;
        self.remember_operation(name, accepted.operation_url).await
    }

    /// Keeps the address of a long-running operation on the claim of its pool, so that a restart can follow it.
    async fn remember_operation(&self, claim: &str, url: Option<String>) -> Result<(), ExecuteError> {
        let Some(url) = url else {
            return Ok(());
        };
        let target = Target::cluster(Kind::NodeClaim, claim);
        let patch = json!({ "metadata": { "annotations": { (operator_api::labels::POOL_OPERATION): url } } });
        let params = PatchParams {
            field_manager: Some(self.manager.to_owned()),
            ..PatchParams::default()
        };
        match self.api(&target).patch(claim, &params, &Patch::Merge(&patch)).await {
            Ok(_) => Ok(()),
            Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
            Err(error) => Err(ExecuteError::kube("note the operation on", &target, error)),
        }
    }

    fn api(&self, target: &Target) -> Api<DynamicObject> {
        let resource = resource(target.kind);
        match target.kind.namespaced() {
            true => Api::namespaced_with(self.client.clone(), &target.namespace, &resource),
            false => Api::all_with(self.client.clone(), &resource),
        }
    }
}

fn resource(kind: Kind) -> ApiResource {
    let (group, version) = kind.api_version().rsplit_once('/').unwrap_or(("", kind.api_version()));
    ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind.name()), kind.plural())
}

/// The fields with what names the object.
fn identified(target: &Target, mut fields: Value) -> Value {
    if let Some(object) = fields.as_object_mut() {
        object.insert("apiVersion".into(), json!(target.kind.api_version()));
        object.insert("kind".into(), json!(target.kind.name()));
        let metadata = object.entry("metadata").or_insert_with(|| json!({}));
        if let Some(metadata) = metadata.as_object_mut() {
            metadata.insert("name".into(), json!(target.name));
            if target.kind.namespaced() {
                metadata.insert("namespace".into(), json!(target.namespace));
            }
        }
    }
    fields
}

fn add(mut list: Vec<String>, finalizer: &str) -> Option<Vec<String>> {
    if list.iter().any(|entry| entry == finalizer) {
        return None;
    }
    list.push(finalizer.to_owned());
    Some(list)
}

fn drop_from(mut list: Vec<String>, finalizer: &str) -> Option<Vec<String>> {
    let before = list.len();
    list.retain(|entry| entry != finalizer);
    (list.len() < before).then_some(list)
}
