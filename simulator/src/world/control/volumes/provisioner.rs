//! Dynamic provisioning: what CSI drivers' provisioners do. Every StorageClass is taken to have one that works, unless its
//! volumes are made by hand.
//!
//! Must not know: how claims are bound.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::claims::itself;
use super::super::object::{after_secs, annotation, is_deleting, name, namespace, put, text, uid, until};
use super::super::{Change, Controller, Kind, ObjectKey, Outcome, Pass, View, Write};
use super::matching::zone;
use super::{BY_HAND, PROVISIONED_BY, PROVISIONER, SELECTED_NODE, waits_for_consumer};

const NAME: &str = "external-provisioner";
/// How long a managed disk takes to be made, seconds: typical of Azure.
const CREATION_SECS: i64 = 2;

/// Makes volumes for claims that ask for one.
#[derive(Debug, Default)]
pub struct Provisioner {
    /// Claims whose volume is being made, and since when.
    begun: BTreeMap<ObjectKey, (String, Timestamp)>,
}

impl Controller for Provisioner {
    fn name(&self) -> &'static str {
        NAME
    }

    fn watches(&self) -> &'static [Kind] {
        &[Kind::PVC, Kind::PV, Kind::STORAGE_CLASS, Kind::NODE]
    }

    fn keys_for(&self, change: &Change, _view: &View) -> Vec<ObjectKey> {
        match change.kind {
            Kind::PVC => itself(change),
            _ => Vec::new(),
        }
    }

    fn reconcile(&mut self, key: &ObjectKey, pass: &Pass<'_>) -> Outcome {
        let claim = pass.view.get(Kind::PVC, key);
        let Some((claim, class)) = claim.and_then(|claim| Some((claim, wanted(claim, pass.view)?))) else {
            self.begun.remove(key);
            return Outcome::nothing();
        };
        let mut outcome = Outcome::nothing();
        let begun = self
            .begun
            .get(key)
            .filter(|(begun, _)| begun == uid(claim))
            .map(|(_, at)| *at);
        let begun = begun.unwrap_or_else(|| {
            let message = format!("External provisioner is provisioning volume for claim \"{key}\"");
            outcome
                .writes
                .push(Write::normal(NAME, Kind::PVC, claim, "Provisioning", message));
            self.begun.insert(key.clone(), (uid(claim).to_owned(), pass.now));
            pass.now
        });
        let wait = until(after_secs(begun, CREATION_SECS), pass.now);
        if !wait.is_zero() {
            outcome.wake(wait);
            return outcome;
        }
        let object = volume(claim, class, pass.view);
        let message = format!("Successfully provisioned volume {}", name(&object));
        let kind = Kind::PV;
        outcome.writes.push(Write::Create { kind, object });
        outcome
            .writes
            .push(Write::normal(NAME, Kind::PVC, claim, "ProvisioningSucceeded", message));
        outcome
    }
}

/// The class of a claim that waits for a volume to be made; None when it does not.
fn wanted<'a>(claim: &Arc<Value>, view: &'a View) -> Option<&'a Arc<Value>> {
    let class = view.named(Kind::STORAGE_CLASS, text(claim, "/spec/storageClassName"))?;
    let provisioner = text(class, "/provisioner");
    let asked = annotation(claim, PROVISIONER) == Some(provisioner) && provisioner != BY_HAND;
    let placed = !waits_for_consumer(class) || annotation(claim, SELECTED_NODE).is_some();
    let open = text(claim, "/spec/volumeName").is_empty() && !is_deleting(claim);
    let made = view.named(Kind::PV, &volume_name(claim)).is_some();
    (asked && placed && open && !made).then_some(class)
}

fn volume_name(claim: &Value) -> String {
    format!("pvc-{}", uid(claim))
}

fn volume(claim: &Value, class: &Value, view: &View) -> Value {
    let provisioner = text(class, "/provisioner");
    let policy = Some(text(class, "/reclaimPolicy"))
        .filter(|policy| !policy.is_empty())
        .unwrap_or("Delete");
    let name = volume_name(claim);
    let mut volume = json!({
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name, "annotations": {PROVISIONED_BY: provisioner}},
        "spec": {
            "capacity": {"storage": claim.pointer("/spec/resources/requests/storage").cloned().unwrap_or_default()},
            "accessModes": claim.pointer("/spec/accessModes").cloned().unwrap_or_default(),
            "persistentVolumeReclaimPolicy": policy,
            "storageClassName": text(class, "/metadata/name"),
            "volumeMode": claim.pointer("/spec/volumeMode").cloned().unwrap_or_else(|| "Filesystem".into()),
            "csi": {
                "driver": provisioner,
                "volumeHandle": name,
                "volumeAttributes": class.get("parameters").cloned().unwrap_or_else(|| json!({})),
            },
            "claimRef": {
                "apiVersion": "v1", "kind": "PersistentVolumeClaim",
                "namespace": namespace(claim), "name": super::super::object::name(claim), "uid": uid(claim),
            },
        },
    });
    if let Some(options) = class.get("mountOptions").filter(|options| options.is_array()) {
        put(&mut volume, &["spec", "mountOptions"], options.clone());
    }
    // A disk lives in the zone of the node that was chosen for it; file shares are reached from every zone.
    let node = annotation(claim, SELECTED_NODE).and_then(|node| view.named(Kind::NODE, node));
    let placed = node
        .and_then(|node| zone(node))
        .filter(|_| provisioner.contains("disk"));
    if let Some((key, zone)) = placed {
        let rule = json!({"key": key, "operator": "In", "values": [zone]});
        let terms = json!([{"matchExpressions": [rule]}]);
        put(
            &mut volume,
            &["spec", "nodeAffinity", "required", "nodeSelectorTerms"],
            terms,
        );
    }
    volume
}
