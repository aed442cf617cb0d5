//! Who owns what: adoption of matching orphans and release of what no longer matches, by selector.
//!
//! Must not know: what owners do with what they own.

use std::sync::Arc;

use serde_json::{Value, json};

use super::kind::{Kind, ObjectKey};
use super::object::{controller_ref, is_deleting, key_of, list, namespace, owned_by, owner_key, text, uid};
use super::selector::Selector;
use super::view::{Change, View};
use super::write::Write;

/// An object as the view holds it.
pub type Held<'a> = (ObjectKey, &'a Arc<Value>);

/// What an owner has, and the patches that make it so.
#[derive(Debug, Default)]
pub struct Claimed<'a> {
    /// Objects that the owner owns or is about to own.
    pub owned: Vec<Held<'a>>,
    /// Adoptions and releases.
    pub writes: Vec<Write>,
}

/// Claims objects of `kind` for `owner`: those it controls and those that match and nobody controls. Only objects that
/// `counts` accepts are looked at.
pub fn claim<'a>(
    view: &'a View,
    kind: Kind,
    (owner_kind, owner): (Kind, &'a Value),
    selector: &Selector,
    counts: impl Fn(&Value) -> bool,
) -> Claimed<'a> {
    let mut claimed = Claimed::default();
    let deleting = is_deleting(owner);
    for (key, object) in view.controlled_by(kind, uid(owner)) {
        if key.namespace != namespace(owner) || !counts(object) {
            continue;
        }
        if selector.matches_object(object) {
            claimed.owned.push((key.clone(), object));
        } else if !deleting {
            claimed.writes.push(release(kind, key, object, uid(owner)));
        }
    }
    if deleting {
        return claimed;
    }
    for (key, object) in view.selected(kind, namespace(owner), selector) {
        if controller_ref(object).is_none() && !is_deleting(object) && counts(object) {
            claimed
                .writes
                .push(adopt(kind, &key, object, owned_by(owner_kind, owner)));
            claimed.owned.push((key, object));
        }
    }
    claimed.owned.sort_by(|(a, _), (b, _)| a.cmp(b));
    claimed
}

fn adopt(kind: Kind, key: &ObjectKey, object: &Value, owner: Value) -> Write {
    let mut owners = list(object, "/metadata/ownerReferences").to_vec();
    owners.push(owner);
    with_owners(kind, key, object, &owners)
}

fn release(kind: Kind, key: &ObjectKey, object: &Value, owner_uid: &str) -> Write {
    let owners = list(object, "/metadata/ownerReferences").iter();
    let others = owners.filter(|owner| text(owner, "/uid") != owner_uid).cloned();
    with_owners(kind, key, object, &others.collect::<Vec<_>>())
}

fn with_owners(kind: Kind, key: &ObjectKey, object: &Value, owners: &[Value]) -> Write {
    Write::MergePatch {
        kind,
        key: key.clone(),
        status: false,
        patch: json!({"metadata": {"uid": uid(object), "ownerReferences": owners}}),
    }
}

/// The owners of `owner_kind` that care about a changed object: its controller before and after, and for an orphan all
/// whose selector matches it.
#[must_use]
pub fn owners_of(change: &Change, owner_kind: Kind, view: &View) -> Vec<ObjectKey> {
    let mut keys: Vec<ObjectKey> = change
        .objects()
        .filter_map(|object| owner_key(object, owner_kind))
        .collect();
    if let Some(object) = &change.new
        && controller_ref(object).is_none()
        && !is_deleting(object)
    {
        let candidates = view.in_namespace(owner_kind, &change.key.namespace);
        let matching =
            candidates.filter(|(_, owner)| Selector::new(owner.pointer("/spec/selector")).matches_object(object));
        keys.extend(matching.map(|(key, _)| key.clone()));
    }
    keys.dedup();
    keys
}

/// The key of a changed object itself.
#[must_use]
pub fn itself(change: &Change) -> Vec<ObjectKey> {
    change.latest().map(|object| key_of(object)).into_iter().collect()
}
