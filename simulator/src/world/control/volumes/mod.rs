//! Claims and volumes: binding, provisioning, protection, reclaiming.
//!
//! Must not know: where volumes are mounted.

mod binder;
mod matching;
mod protection;
mod provisioner;
#[cfg(test)]
mod tests;

use serde_json::Value;

use super::object::{annotation, text};
use super::{Kind, ObjectKey, View};

pub use binder::VolumeBinder;
pub use protection::{ClaimProtection, VolumeProtection};
pub use provisioner::Provisioner;

/// The node that the scheduler chose for the first pod that uses a claim.
const SELECTED_NODE: &str = "volume.kubernetes.io/selected-node";
/// Who shall make a claim's volume.
const PROVISIONER: &str = "volume.kubernetes.io/storage-provisioner";
const PROVISIONER_BETA: &str = "volume.beta.kubernetes.io/storage-provisioner";
/// Who made a volume.
const PROVISIONED_BY: &str = "pv.kubernetes.io/provisioned-by";
/// The provisioner of classes whose volumes are made by hand.
const BY_HAND: &str = "kubernetes.io/no-provisioner";
const DEFAULT_CLASS: &str = "storageclass.kubernetes.io/is-default-class";

/// The class that claims get which name none: the newest that is marked, then the first by name.
fn default_class(view: &View) -> Option<&Value> {
    let classes = view.all(Kind::STORAGE_CLASS).map(|(_, class)| &**class);
    let marked = classes.filter(|class| annotation(class, DEFAULT_CLASS) == Some("true"));
    marked.min_by_key(|class| {
        (
            std::cmp::Reverse(super::object::created_at(class)),
            super::object::name(class).to_owned(),
        )
    })
}

/// A claim's class; None while it names none.
fn class_name(claim: &Value) -> Option<&str> {
    claim.pointer("/spec/storageClassName").and_then(Value::as_str)
}

fn waits_for_consumer(class: &Value) -> bool {
    text(class, "/volumeBindingMode") == "WaitForFirstConsumer"
}

/// The claim that a volume refers to.
fn claim_of(volume: &Value) -> Option<ObjectKey> {
    let name = text(volume, "/spec/claimRef/name");
    (!name.is_empty()).then(|| ObjectKey::new(text(volume, "/spec/claimRef/namespace"), name))
}
