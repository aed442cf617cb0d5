//! DELETE: at once, after a grace period, or when the finalizers are done.

use serde_json::{Value, json};

use super::ApiServer;
use super::call::{Call, finalizers, is_deleting, meta, set_meta};
use super::modify::nothing_holds;
use super::options::Propagation;
use super::request::Verb;
use super::rules;
use crate::world::clock::rfc3339_secs;
use crate::world::kube::admission::Operation;
use crate::world::kube::api_error::ApiError;
use crate::world::kube::resources::Gvk;

/// Finalizer that keeps an object until its dependents are gone.
const FOREGROUND: &str = "foregroundDeletion";
/// Finalizer that keeps an object until its dependents are set free.
const ORPHAN: &str = "orphan";

/// Finalizer of definitions whose objects are still there.
const CRD_CLEANUP: &str = "customresourcecleanup.apiextensions.k8s.io";

/// What became of the object.
#[derive(Debug)]
pub(super) enum Deleted {
    /// It is gone; this is how it was last.
    Gone(Value),
    /// It is gone, and its kind is one that answers with how it was last.
    Taken(Value),
    /// It waits for its finalizers or its grace period.
    Waits(Value),
}

impl ApiServer {
    /// Deletes one object.
    pub(super) async fn delete(&self, call: &Call, warnings: &mut Vec<String>) -> Result<Deleted, ApiError> {
        let outcome = self.remove(call, warnings).await;
        self.trace(call, Verb::Delete, &outcome);
        outcome
    }

    async fn remove(&self, call: &Call, warnings: &mut Vec<String>) -> Result<Deleted, ApiError> {
        keep_immortal(call)?;
        let place = call.resource.group_resource();
        let dry_run = call.options.is_dry_run();
        let propagation = call.options.propagation().or_else(|| {
            let usual = usual_propagation(&call.resource.gvk);
            if usual.is_some() {
                warnings.push(JOB_WARNING.to_owned());
            }
            usual
        });
        let grace_secs = call.options.number("gracePeriodSeconds")?;
        loop {
            let found = self.state().read(&place, &call.key());
            let Some((mut old, revision)) = found else {
                return Err(call.not_found());
            };
            rules::from_storage(&call.resource, &mut old);
            preconditions(call, &old)?;
            self.admit_validating(call, Operation::Delete, None, Some(&old), warnings)
                .await?;
            let Some(new) = self.marked(call, &old, propagation, grace_secs) else {
                return Ok(Deleted::Waits(old));
            };
            let mut state = self.state();
            if state
                .store
                .get(&place, &call.key())
                .is_none_or(|stored| stored.revision != revision)
            {
                continue;
            }
            let goes = nothing_holds(call, &new);
            // What is removed at once was never marked, as watchers of a real server see; but pods always are.
            let before = rules::is_crd(&call.resource).then(|| old.clone());
            let mut last = if goes && !is_pod(call) { old } else { new };
            if !dry_run {
                rules::to_storage(&call.resource, &mut last);
                if !goes || is_pod(call) {
                    state.write(&call.resource, &call.key(), &mut last);
                }
                if goes {
                    state.erase(&call.resource, &call.key(), &mut last);
                }
                rules::from_storage(&call.resource, &mut last);
            }
            if let Some(before) = before.filter(|_| goes) {
                // The real server answers with the definition while it still cleans up; here that is done at once.
                let mut marked = self.marked(call, &before, propagation, grace_secs).unwrap_or(last);
                set_meta(&mut marked, "finalizers", Some(json!([CRD_CLEANUP])));
                return Ok(Deleted::Taken(marked));
            }
            return Ok(match goes {
                false => Deleted::Waits(last),
                true if answers_with_object(&call.resource.gvk) => Deleted::Taken(last),
                true => Deleted::Gone(last),
            });
        }
    }

    /// The object marked for deletion; None when it is marked already and nothing changes.
    fn marked(&self, call: &Call, old: &Value, propagation: Option<Propagation>, grace: Option<i64>) -> Option<Value> {
        let mut new = old.clone();
        hold(&mut new, propagation);
        let grace_secs = grace_secs(call, old, grace);
        let now = self.world().clock.now();
        if is_deleting(old) {
            let left = old["metadata"]["deletionGracePeriodSeconds"].as_i64().unwrap_or(0);
            if grace_secs >= left && finalizers(old) == finalizers(&new) {
                return (grace_secs == 0 && nothing_holds(call, old)).then_some(new);
            }
        }
        let due = now
            .checked_add(jiff::SignedDuration::from_secs(grace_secs))
            .unwrap_or(now);
        if !is_deleting(old) || grace_secs > 0 {
            set_meta(&mut new, "deletionTimestamp", Some(rfc3339_secs(due).into()));
        }
        let is_namespace = call.group().is_empty() && call.resource.plural == "namespaces";
        if !is_namespace && !rules::is_crd(&call.resource) {
            set_meta(&mut new, "deletionGracePeriodSeconds", Some(grace_secs.into()));
        }
        if let Some(generation) = old["metadata"]["generation"].as_i64().filter(|_| !is_deleting(old)) {
            set_meta(&mut new, "generation", Some((generation + 1).into()));
        }
        if is_namespace {
            new["status"]["phase"] = "Terminating".into();
        }
        Some(new)
    }
}

fn preconditions(call: &Call, object: &Value) -> Result<(), ApiError> {
    let asked = |name: &str| call.options.given(&format!("preconditions.{name}"));
    let conflict = |why: &str| ApiError::conflict(call.group(), &call.resource.gvk.kind, &call.name, why);
    let (uid, version) = (meta(object, "uid"), meta(object, "resourceVersion"));
    if let Some(wanted) = asked("uid").filter(|wanted| *wanted != uid) {
        return Err(conflict(&format!(
            "the UID in the precondition ({wanted}) does not match the UID in record ({uid}). \
             The object might have been deleted and then recreated"
        )));
    }
    if let Some(wanted) = asked("resourceVersion").filter(|wanted| *wanted != version) {
        return Err(conflict(&format!(
            "the ResourceVersion in the precondition ({wanted}) does not match the ResourceVersion in record \
             ({version}). The object might have been modified"
        )));
    }
    Ok(())
}

/// Namespaces that every cluster needs (`NamespaceLifecycle` keeps them).
const IMMORTAL: [&str; 3] = ["default", "kube-system", "kube-public"];

fn keep_immortal(call: &Call) -> Result<(), ApiError> {
    let is_namespace = call.group().is_empty() && call.resource.plural == "namespaces";
    if is_namespace && IMMORTAL.contains(&call.name.as_str()) {
        return Err(ApiError::forbidden(
            "",
            "namespaces",
            &call.name,
            "this namespace may not be deleted",
        ));
    }
    Ok(())
}

/// Finalizers that the propagation policy asks for.
fn hold(object: &mut Value, propagation: Option<Propagation>) {
    let wanted = match propagation {
        None => return,
        Some(Propagation::Background) => None,
        Some(Propagation::Foreground) => Some(FOREGROUND),
        Some(Propagation::Orphan) => Some(ORPHAN),
    };
    let mut kept: Vec<String> = finalizers(object).into_iter().map(str::to_owned).collect();
    kept.retain(|name| (name != FOREGROUND && name != ORPHAN) || Some(name.as_str()) == wanted);
    if let Some(wanted) = wanted.filter(|wanted| !kept.iter().any(|name| name == wanted)) {
        kept.push(wanted.to_owned());
    }
    let value = (!kept.is_empty()).then(|| json!(kept));
    set_meta(object, "finalizers", value);
}

/// Seconds that the object has left. Only pods that run somewhere have any.
fn grace_secs(call: &Call, object: &Value, asked: Option<i64>) -> i64 {
    if !is_pod(call) {
        return 0;
    }
    let ended = matches!(object["status"]["phase"].as_str(), Some("Succeeded" | "Failed"));
    if object["spec"]["nodeName"].as_str().is_none_or(str::is_empty) || ended {
        return 0;
    }
    let own = object["spec"]["terminationGracePeriodSeconds"].as_i64().unwrap_or(30);
    match asked.unwrap_or(own) {
        // Less than nothing is one second.
        ..0 => 1,
        secs => secs,
    }
}

const JOB_WARNING: &str = "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove \
them or set propagationPolicy=Orphan to suppress this warning";

/// What a deletion that names no policy does: Jobs have kept the way of the first releases.
fn usual_propagation(gvk: &Gvk) -> Option<Propagation> {
    (gvk.group == "batch" && gvk.kind == "Job").then_some(Propagation::Orphan)
}

fn is_pod(call: &Call) -> bool {
    call.group().is_empty() && call.resource.plural == "pods"
}

/// Whether a deletion is answered with the object and not with a Status (`ReturnDeletedObject` of the real server's
/// registries).
fn answers_with_object(gvk: &Gvk) -> bool {
    match gvk.group.as_str() {
        "" => matches!(
            gvk.kind.as_str(),
            "Namespace"
                | "PersistentVolume"
                | "PersistentVolumeClaim"
                | "Pod"
                | "PodTemplate"
                | "ResourceQuota"
                | "Service"
                | "ServiceAccount"
        ),
        "resource.k8s.io" => true,
        "storage.k8s.io" => gvk.kind != "CSIStorageCapacity",
        _ => false,
    }
}
