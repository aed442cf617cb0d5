//! Which volume fits a claim.
//!
//! Must not know: how they are bound.

use std::sync::Arc;

use serde_json::Value;

use super::super::object::{is_deleting, key_of, label, list, name, text, uid};
use super::super::selector::{Selector, node_matches};
use super::claim_of;
use crate::world::kube::builtin::quantity::Quantity;

/// A size in billionths of a byte; 0 if it is missing or broken.
fn size(object: &Value, pointer: &str) -> i128 {
    let quantity = object.pointer(pointer).and_then(Quantity::from_value);
    quantity.map_or(0, Quantity::nanos)
}

/// Whether a volume is meant for this claim, and for no other.
pub(super) fn is_reserved(volume: &Value, claim: &Value) -> bool {
    let named = claim_of(volume).is_some_and(|key| key == key_of(claim));
    let holder = text(volume, "/spec/claimRef/uid");
    named && (holder.is_empty() || holder == uid(claim))
}

pub(super) fn is_free(volume: &Value) -> bool {
    volume.pointer("/spec/claimRef").is_none_or(Value::is_null)
}

/// The volume to bind: one that is reserved for the claim, else the smallest that is free and fits. `node`: the node whose
/// pods must reach it, if that is known.
pub(super) fn find<'a>(
    claim: &Value,
    volumes: impl Iterator<Item = &'a Arc<Value>>,
    node: Option<&Value>,
) -> Option<&'a Arc<Value>> {
    let fitting = volumes.filter(|volume| fits(claim, volume));
    let usable = fitting.filter(|volume| is_reserved(volume, claim) || (is_free(volume) && reaches(volume, node)));
    usable.min_by_key(|volume| {
        let size = size(volume, "/spec/capacity/storage");
        (!is_reserved(volume, claim), size, name(volume).to_owned())
    })
}

fn fits(claim: &Value, volume: &Value) -> bool {
    let selector = claim.pointer("/spec/selector").filter(|selector| selector.is_object());
    mismatch(claim, volume).is_none()
        && selector.is_none_or(|selector| Selector::new(Some(selector)).matches_object(volume))
}

/// Why a volume does not satisfy a claim, in the real binder's words and order.
pub(super) fn mismatch(claim: &Value, volume: &Value) -> Option<String> {
    let mode = |object: &Value| match text(object, "/spec/volumeMode") {
        "" => "Filesystem".to_owned(),
        mode => mode.to_owned(),
    };
    if is_deleting(volume) {
        return Some(format!("the volume is marked for deletion {:?}", name(volume)));
    }
    if size(volume, "/spec/capacity/storage") < size(claim, "/spec/resources/requests/storage") {
        return Some("requested PV is too small".into());
    }
    if text(volume, "/spec/storageClassName") != text(claim, "/spec/storageClassName") {
        return Some("storageClassName does not match".into());
    }
    if mode(volume) != mode(claim) {
        return Some("incompatible volumeMode".into());
    }
    let modes = list(volume, "/spec/accessModes");
    let has_all = list(claim, "/spec/accessModes")
        .iter()
        .all(|wanted| modes.contains(wanted));
    (!has_all).then(|| "incompatible accessMode".into())
}

/// Whether a volume's node affinity lets it be used from a node.
fn reaches(volume: &Value, node: Option<&Value>) -> bool {
    let terms = list(volume, "/spec/nodeAffinity/required/nodeSelectorTerms");
    terms.is_empty() || node.is_none_or(|node| node_matches(terms, node))
}

/// The zone of a node, and the label that says so: the disk driver's own where nodes have it.
pub(super) fn zone(node: &Value) -> Option<(&'static str, &str)> {
    let keys = ["topology.disk.csi.azure.com/zone", "topology.kubernetes.io/zone"];
    let mut keys = keys.into_iter();
    keys.find_map(|key| label(node, key).map(|zone| (key, zone)))
}
