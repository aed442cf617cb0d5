//! Volumes in scheduling: claims that are missing or unbound, volumes that live in one zone.

use std::sync::Arc;

use serde_json::{Value, json};

use super::node_info::NodeInfo;
use super::reasons::Reason;
use crate::world::control::object::{annotation, is_deleting, key_of, label, list, namespace, text, uid};
use crate::world::control::selector::node_matches;
use crate::world::control::{Kind, ObjectKey, View, Write, claims_of};

/// Annotation by which the scheduler tells a provisioner where a volume is wanted.
const SELECTED_NODE: &str = "volume.kubernetes.io/selected-node";

/// Labels by which a volume says where it lives.
const PLACES: [&str; 2] = ["topology.kubernetes.io/zone", "topology.kubernetes.io/region"];

/// A pod's claims, or why no node can take the pod.
pub(super) fn claims(pod: &Value, view: &View) -> Result<Vec<Arc<Value>>, String> {
    let mut found = Vec::new();
    for name in claims_of(pod) {
        let key = ObjectKey::new(namespace(pod), name.as_str());
        let claim = view.get(Kind::PVC, &key).ok_or_else(|| missing(pod, &name))?;
        if text(claim, "/status/phase") == "Lost" {
            let volume = text(claim, "/spec/volumeName");
            return Err(format!(
                "persistentvolumeclaim {name:?} bound to non-existent persistentvolume {volume:?}"
            ));
        }
        if is_deleting(claim) {
            return Err(format!("persistentvolumeclaim {name:?} is being deleted"));
        }
        if is_unbound(claim) && !waits_for_consumer(claim, view) {
            return Err("pod has unbound immediate PersistentVolumeClaims".into());
        }
        found.push(Arc::clone(claim));
    }
    Ok(found)
}

fn missing(pod: &Value, claim: &str) -> String {
    let is_named = |volume: &Value| text(volume, "/persistentVolumeClaim/claimName") == claim;
    if list(pod, "/spec/volumes").iter().any(is_named) {
        format!("persistentvolumeclaim {claim:?} not found")
    } else {
        format!("waiting for ephemeral volume controller to create the persistentvolumeclaim {claim:?}")
    }
}

/// Why no node at all can have the volumes now: another pod uses one that only one pod may use.
pub(super) fn in_use(pod: &Value, claims: &[Arc<Value>], view: &View) -> Option<Reason> {
    let is_single = |claim: &&Arc<Value>| {
        list(claim, "/spec/accessModes")
            .iter()
            .any(|mode| mode == "ReadWriteOncePod")
    };
    let is_taken = |claim: &Arc<Value>| {
        view.pods_using(&key_of(claim)).any(|(_, other)| {
            let is_over = matches!(text(other, "/status/phase"), "Succeeded" | "Failed");
            uid(other) != uid(pod) && !text(other, "/spec/nodeName").is_empty() && !is_over
        })
    };
    claims.iter().filter(is_single).any(is_taken).then(|| {
        Reason::passing(
            "node(s) unavailable due to PersistentVolumeClaim with ReadWriteOncePod access mode already in-use by another pod",
        )
    })
}

/// Why a node cannot reach the volumes.
pub(super) fn reason(claims: &[Arc<Value>], info: &NodeInfo, view: &View) -> Option<Reason> {
    claims
        .iter()
        .find_map(|claim| unreachable(claim, info, view))
        .map(Reason::fixed)
}

fn unreachable(claim: &Value, info: &NodeInfo, view: &View) -> Option<&'static str> {
    if is_unbound(claim) {
        let class = view.named(Kind::STORAGE_CLASS, text(claim, "/spec/storageClassName"))?;
        let terms = list(class, "/allowedTopologies");
        let fits = terms.is_empty() || terms.iter().any(|term| is_allowed(term, &info.node));
        return (!fits).then_some("node(s) didn't find available persistent volumes to bind");
    }
    let Some(volume) = view.named(Kind::PV, text(claim, "/spec/volumeName")) else {
        return Some("node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)");
    };
    let terms = list(volume, "/spec/nodeAffinity/required/nodeSelectorTerms");
    if !terms.is_empty() && !node_matches(terms, &info.node) {
        return Some("node(s) didn't match PersistentVolume's node affinity");
    }
    let is_elsewhere = |place: &str| {
        let wanted = label(volume, place);
        wanted.is_some_and(|zones| !zones.split("__").any(|zone| label(&info.node, place) == Some(zone)))
    };
    PLACES
        .iter()
        .any(|place| is_elsewhere(place))
        .then_some("node(s) had no available volume zone")
}

/// One term of a StorageClass' `allowedTopologies`.
fn is_allowed(term: &Value, node: &Value) -> bool {
    list(term, "/matchLabelExpressions").iter().all(|rule| {
        let have = label(node, text(rule, "/key"));
        list(rule, "/values")
            .iter()
            .any(|value| value.as_str() == have && have.is_some())
    })
}

/// The node that was chosen for volumes that are still to be made.
pub(super) fn chosen_node(claims: &[Arc<Value>]) -> Option<&str> {
    claims
        .iter()
        .filter(|claim| is_unbound(claim))
        .find_map(|claim| annotation(claim, SELECTED_NODE))
}

fn is_unbound(claim: &Value) -> bool {
    text(claim, "/spec/volumeName").is_empty()
}

/// Whether a claim has no volume yet.
pub(super) fn has_unbound(claims: &[Arc<Value>]) -> bool {
    claims.iter().any(|claim| is_unbound(claim))
}

/// Tells the provisioners of unbound claims which node was chosen.
pub(super) fn selections(claims: &[Arc<Value>], node: &str) -> Vec<Write> {
    let unbound = claims.iter().filter(|claim| is_unbound(claim));
    let untold = unbound.filter(|claim| annotation(claim, SELECTED_NODE) != Some(node));
    let patch = json!({ "metadata": { "annotations": { SELECTED_NODE: node } } });
    let write = |claim: &Arc<Value>| Write::MergePatch {
        kind: Kind::PVC,
        key: key_of(claim),
        status: false,
        patch: patch.clone(),
    };
    untold.map(write).collect()
}

fn waits_for_consumer(claim: &Value, view: &View) -> bool {
    let class = view.named(Kind::STORAGE_CLASS, text(claim, "/spec/storageClassName"));
    class.is_some_and(|class| text(class, "/volumeBindingMode") == "WaitForFirstConsumer")
}
