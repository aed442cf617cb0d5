//! Volumes in scheduling: claims that are missing or unbound, volumes that live in one zone.

use std::sync::Arc;

use serde_json::{Value, json};

use super::filters::matches_term;
use super::node_info::NodeInfo;
use crate::world::control::object::{annotation, is_deleting, key_of, list, namespace, text};
use crate::world::control::{Kind, ObjectKey, View, Write, claims_of};

/// Annotation by which the scheduler tells a provisioner where a volume is wanted.
const SELECTED_NODE: &str = "volume.kubernetes.io/selected-node";

/// A pod's claims, or why no node can take the pod.
pub(super) fn claims(pod: &Value, view: &View) -> Result<Vec<Arc<Value>>, String> {
    let mut found = Vec::new();
    for name in claims_of(pod) {
        let key = ObjectKey::new(namespace(pod), name.as_str());
        let claim = view
            .get(Kind::PVC, &key)
            .ok_or_else(|| format!("persistentvolumeclaim {name:?} not found"))?;
        if is_deleting(claim) {
            return Err(format!("persistentvolumeclaim {name:?} is being deleted"));
        }
        if text(claim, "/spec/volumeName").is_empty() && !waits_for_consumer(claim, view) {
            return Err("pod has unbound immediate PersistentVolumeClaims".into());
        }
        found.push(Arc::clone(claim));
    }
    Ok(found)
}

/// Why a node cannot reach the volumes.
pub(super) fn reason(claims: &[Arc<Value>], info: &NodeInfo, view: &View) -> Option<&'static str> {
    claims.iter().find_map(|claim| {
        let volume = text(claim, "/spec/volumeName");
        if volume.is_empty() {
            return None;
        }
        let Some(volume) = view.named(Kind::PV, volume) else {
            return Some("node(s) unavailable due to one or more pvc(s) bound to non-existent pv(s)");
        };
        let terms = list(volume, "/spec/nodeAffinity/required/nodeSelectorTerms");
        let fits = terms.is_empty() || terms.iter().any(|term| matches_term(term, &info.node));
        (!fits).then_some("node(s) didn't match PersistentVolume's node affinity")
    })
}

/// Whether a claim has no volume yet.
pub(super) fn has_unbound(claims: &[Arc<Value>]) -> bool {
    claims.iter().any(|claim| text(claim, "/spec/volumeName").is_empty())
}

/// Tells the provisioners of unbound claims which node was chosen.
pub(super) fn selections(claims: &[Arc<Value>], node: &str) -> Vec<Write> {
    let unbound = claims.iter().filter(|claim| text(claim, "/spec/volumeName").is_empty());
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
