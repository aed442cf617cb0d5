//! The binder: joins claims with volumes and keeps both phases.
//!
//! Must not know: how volumes are made.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Value, json};

use super::super::claims::itself;
use super::super::object::{annotation, is_deleting, name, namespace, text, uid};
use super::super::view::claims_of;
use super::super::{Change, Controller, Kind, ObjectKey, Outcome, Pass, View, Write};
use super::matching::{find, is_free, is_reserved, mismatch};
use super::{
    BY_HAND, PROVISIONED_BY, PROVISIONER, PROVISIONER_BETA, SELECTED_NODE, claim_of, class_name, default_class,
    waits_for_consumer,
};

/// Component of its events.
const COMPONENT: &str = "persistentvolume-controller";
const BIND_COMPLETED: &str = "pv.kubernetes.io/bind-completed";
const BOUND_BY_CONTROLLER: &str = "pv.kubernetes.io/bound-by-controller";
/// Binds claims. Claims' keys have a namespace, volumes' keys none.
#[derive(Debug, Default)]
pub struct VolumeBinder {
    /// Volumes that no claim holds yet.
    open: BTreeSet<String>,
    /// What each waiting claim was last told.
    told: BTreeMap<ObjectKey, String>,
}

impl Controller for VolumeBinder {
    fn name(&self) -> &'static str {
        "persistent-volume-binder"
    }

    fn watches(&self) -> &'static [Kind] {
        &[Kind::PVC, Kind::PV, Kind::STORAGE_CLASS, Kind::POD, Kind::NODE]
    }

    fn keys_for(&self, change: &Change, view: &View) -> Vec<ObjectKey> {
        match change.kind {
            Kind::PVC => {
                let mut keys = itself(change);
                let volumes = change.objects().map(|claim| text(claim, "/spec/volumeName"));
                keys.extend(
                    volumes
                        .filter(|name| !name.is_empty())
                        .map(|name| ObjectKey::new("", name)),
                );
                keys.dedup();
                keys
            }
            Kind::PV => {
                let mut keys = itself(change);
                keys.extend(change.objects().filter_map(|volume| claim_of(volume)));
                if change.new.as_ref().is_some_and(|volume| claim_of(volume).is_none()) {
                    keys.extend(hopeful(view, &change.key.name));
                }
                keys.dedup();
                keys
            }
            Kind::STORAGE_CLASS => hopeful(view, "").collect(),
            Kind::POD if change.old.is_none() => {
                let claims = change.new.iter().flat_map(|pod| claims_of(pod));
                claims
                    .map(|claim| ObjectKey::new(change.key.namespace.as_str(), claim))
                    .collect()
            }
            _ => Vec::new(),
        }
    }

    fn reconcile(&mut self, key: &ObjectKey, pass: &Pass<'_>) -> Outcome {
        if key.namespace.is_empty() {
            return self.volume(key, pass);
        }
        let Some(claim) = pass.view.get(Kind::PVC, key) else {
            self.told.remove(key);
            return Outcome::nothing();
        };
        if text(claim, "/spec/volumeName").is_empty() {
            self.unbound_claim(key, claim, pass)
        } else {
            self.named_claim(key, claim, pass)
        }
    }
}

/// Claims that may take a free volume: those that name none yet, and those that name this one.
fn hopeful<'a>(view: &'a View, volume: &'a str) -> impl Iterator<Item = ObjectKey> + 'a {
    let claims = view.all(Kind::PVC);
    let open = claims.filter(move |(_, claim)| ["", volume].contains(&text(claim, "/spec/volumeName")));
    open.map(|(key, _)| key.clone())
}

impl VolumeBinder {
    fn volume(&mut self, key: &ObjectKey, pass: &Pass<'_>) -> Outcome {
        let Some(volume) = pass.view.get(Kind::PV, key) else {
            self.open.remove(&key.name);
            return Outcome::nothing();
        };
        let holder = text(volume, "/spec/claimRef/uid");
        let claim = claim_of(volume).and_then(|claim| pass.view.get(Kind::PVC, &claim));
        let claim = claim.filter(|claim| uid(claim) == holder);
        let awaited = claim.is_some_and(|claim| text(claim, "/spec/volumeName").is_empty());
        if holder.is_empty() || awaited {
            self.open.insert(key.name.clone());
        } else {
            self.open.remove(&key.name);
        }
        let phase = match (holder.is_empty(), claim) {
            (true, _) => "Available",
            (false, Some(claim)) if text(claim, "/spec/volumeName") == key.name => "Bound",
            // The claim has not been told yet; its own pass does that.
            (false, Some(_)) => return Outcome::nothing(),
            (false, None) => "Released",
        };
        let mut outcome = Outcome::nothing();
        if text(volume, "/status/phase") != phase {
            let patch = json!({"status": {"phase": phase}});
            let (kind, key) = (Kind::PV, key.clone());
            outcome.writes.push(Write::MergePatch {
                kind,
                key,
                status: true,
                patch,
            });
        }
        let reclaims = text(volume, "/spec/persistentVolumeReclaimPolicy") == "Delete";
        let made = annotation(volume, PROVISIONED_BY).is_some();
        if phase == "Released" && reclaims && made && !is_deleting(volume) {
            outcome.writes.push(Write::Delete {
                kind: Kind::PV,
                key: key.clone(),
                uid: Some(uid(volume).to_owned()),
                grace_secs: None,
                propagation: None,
            });
        }
        outcome
    }

    fn unbound_claim(&mut self, key: &ObjectKey, claim: &Arc<Value>, pass: &Pass<'_>) -> Outcome {
        if is_deleting(claim) {
            return Outcome::nothing();
        }
        let Some(class_name) = class_name(claim) else {
            // A claim that was made while there was no default class gets it as soon as there is one.
            if let Some(class) = default_class(pass.view) {
                return patch_claim(key, claim, json!({"spec": {"storageClassName": name(class)}}));
            }
            return self.bind_or_wait(key, claim, None, pass);
        };
        let class = pass.view.named(Kind::STORAGE_CLASS, class_name);
        self.bind_or_wait(key, claim, class, pass)
    }

    fn bind_or_wait(
        &mut self,
        key: &ObjectKey,
        claim: &Arc<Value>,
        class: Option<&Arc<Value>>,
        pass: &Pass<'_>,
    ) -> Outcome {
        let node_name = annotation(claim, SELECTED_NODE);
        let node = node_name.and_then(|node| pass.view.named(Kind::NODE, node));
        let delayed = class.is_some_and(|class| waits_for_consumer(class)) && node_name.is_none();
        let open = self.open.iter().filter_map(|name| pass.view.named(Kind::PV, name));
        let found = find(claim, open, node.map(|node| &**node));
        if let Some(volume) = found.filter(|volume| !delayed || is_reserved(volume, claim)) {
            self.told.remove(key);
            return bind(key, claim, volume);
        }
        if delayed {
            return self.wait_for_consumer(key, claim, pass);
        }
        let class_name = class_name(claim).unwrap_or_default();
        let Some(class) = class else {
            if class_name.is_empty() {
                let message = "no persistent volumes available for this claim and no storage class is set";
                return self.tell(key, claim, "FailedBinding", message.to_owned());
            }
            let message = format!("storageclass.storage.k8s.io {class_name:?} not found");
            return self.warn(key, claim, message);
        };
        let provisioner = text(class, "/provisioner");
        if provisioner == BY_HAND {
            return self.warn(key, claim, format!("no volume plugin matched name: {BY_HAND}"));
        }
        if annotation(claim, PROVISIONER) != Some(provisioner) {
            let annotations = json!({PROVISIONER: provisioner, PROVISIONER_BETA: provisioner});
            return patch_claim(key, claim, json!({"metadata": {"annotations": annotations}}));
        }
        let message = format!(
            "Waiting for a volume to be created either by the external provisioner '{provisioner}' or manually by the \
             system administrator. If volume creation is delayed, please verify that the provisioner is running and \
             correctly registered."
        );
        self.tell(key, claim, "ExternalProvisioning", message)
    }

    /// A claim that names its volume: the user chose it, or the binder did.
    fn named_claim(&mut self, key: &ObjectKey, claim: &Arc<Value>, pass: &Pass<'_>) -> Outcome {
        if annotation(claim, BIND_COMPLETED).is_some() {
            self.told.remove(key);
            return bound_claim(key, claim, pass);
        }
        let volume_name = text(claim, "/spec/volumeName");
        let Some(volume) = pass.view.named(Kind::PV, volume_name) else {
            return Outcome::nothing();
        };
        let taken = !is_free(volume) && !is_reserved(volume, claim);
        let (reason, message) = if taken {
            let message = format!("volume {volume_name:?} already bound to a different claim.");
            ("FailedBinding", message)
        } else if let Some(problem) = mismatch(claim, volume).filter(|_| is_free(volume)) {
            let message = format!("Cannot bind to requested volume {volume_name:?}: {problem}");
            ("VolumeMismatch", message)
        } else {
            self.told.remove(key);
            return bind(key, claim, volume);
        };
        let event = Write::warning(COMPONENT, Kind::PVC, claim, reason, message.clone());
        self.say(key, message, event)
    }

    fn wait_for_consumer(&mut self, key: &ObjectKey, claim: &Arc<Value>, pass: &Pass<'_>) -> Outcome {
        let waiting = pass
            .view
            .pods_using(key)
            .filter(|(_, pod)| text(pod, "/spec/nodeName").is_empty());
        let waiting: Vec<&str> = waiting.map(|(pod, _)| pod.name.as_str()).collect();
        if waiting.is_empty() {
            let message = "waiting for first consumer to be created before binding";
            return self.tell(key, claim, "WaitForFirstConsumer", message.to_owned());
        }
        let message = format!("waiting for pod {} to be scheduled", waiting.join(","));
        self.tell(key, claim, "WaitForPodScheduled", message)
    }

    fn tell(&mut self, key: &ObjectKey, claim: &Arc<Value>, reason: &'static str, message: String) -> Outcome {
        self.say(
            key,
            message.clone(),
            Write::normal(COMPONENT, Kind::PVC, claim, reason, message),
        )
    }

    fn warn(&mut self, key: &ObjectKey, claim: &Arc<Value>, message: String) -> Outcome {
        let event = Write::warning(COMPONENT, Kind::PVC, claim, "ProvisioningFailed", message.clone());
        self.say(key, message, event)
    }

    /// Says it once. The real binder repeats it every 15 seconds; here only when something has changed, so that a world in
    /// which nothing happens stays still.
    fn say(&mut self, key: &ObjectKey, message: String, event: Write) -> Outcome {
        if self.told.get(key) == Some(&message) {
            return Outcome::nothing();
        }
        self.told.insert(key.clone(), message);
        Outcome::writes(vec![event])
    }
}

fn bind(key: &ObjectKey, claim: &Value, volume: &Value) -> Outcome {
    let by_controller = json!({BOUND_BY_CONTROLLER: "yes"});
    let reserved = is_reserved(volume, claim);
    let mut patch = json!({
        "metadata": {"resourceVersion": text(volume, "/metadata/resourceVersion")},
        "spec": {"claimRef": {
            "apiVersion": "v1", "kind": "PersistentVolumeClaim",
            "namespace": namespace(claim), "name": name(claim), "uid": uid(claim),
            "resourceVersion": text(claim, "/metadata/resourceVersion"),
        }},
    });
    if !reserved {
        super::super::object::put(&mut patch, &["metadata", "annotations"], by_controller);
    }
    let mut writes = Vec::new();
    if text(volume, "/spec/claimRef/uid") != uid(claim) {
        let (kind, key) = (Kind::PV, ObjectKey::new("", name(volume)));
        writes.push(Write::MergePatch {
            kind,
            key,
            status: false,
            patch,
        });
    }
    let mut annotations = json!({BIND_COMPLETED: "yes"});
    if text(claim, "/spec/volumeName").is_empty() {
        super::super::object::put(&mut annotations, &[BOUND_BY_CONTROLLER], "yes".into());
    }
    let patch = json!({"metadata": {"annotations": annotations}, "spec": {"volumeName": name(volume)}});
    writes.extend(patch_claim(key, claim, patch).writes);
    Outcome::writes(writes)
}

fn patch_claim(key: &ObjectKey, claim: &Value, mut patch: Value) -> Outcome {
    super::super::object::put(&mut patch, &["metadata", "uid"], uid(claim).into());
    let (kind, key) = (Kind::PVC, key.clone());
    Outcome::writes(vec![Write::MergePatch {
        kind,
        key,
        status: false,
        patch,
    }])
}

/// A claim that was bound once, and what has become of its volume.
fn bound_claim(key: &ObjectKey, claim: &Arc<Value>, pass: &Pass<'_>) -> Outcome {
    let status = |patch: Value| Write::MergePatch {
        kind: Kind::PVC,
        key: key.clone(),
        status: true,
        patch: json!({"metadata": {"uid": uid(claim)}, "status": patch}),
    };
    let phase = text(claim, "/status/phase");
    let lost = |reason: &'static str, message: &str| {
        if phase == "Lost" {
            return Outcome::nothing();
        }
        let event = Write::warning(COMPONENT, Kind::PVC, claim, reason, message);
        Outcome::writes(vec![status(json!({"phase": "Lost"})), event])
    };
    let Some(volume) = pass.view.named(Kind::PV, text(claim, "/spec/volumeName")) else {
        let message = "Bound claim has lost its PersistentVolume. Data on the volume is lost!";
        return lost("ClaimLost", message);
    };
    if text(volume, "/spec/claimRef/uid") != uid(claim) {
        if is_free(volume) || is_reserved(volume, claim) {
            return bind(key, claim, volume);
        }
        let message = "Two claims are bound to the same volume, this one is bound incorrectly";
        return lost("ClaimMisbound", message);
    }
    let capacity = volume.pointer("/spec/capacity").cloned().unwrap_or_default();
    let modes = volume.pointer("/spec/accessModes").cloned().unwrap_or_default();
    let at = |pointer: &str| claim.pointer(pointer).cloned().unwrap_or_default();
    if phase == "Bound" && at("/status/capacity") == capacity && at("/status/accessModes") == modes {
        return Outcome::nothing();
    }
    let patch = json!({"phase": "Bound", "capacity": capacity, "accessModes": modes});
    Outcome::writes(vec![status(patch)])
}
