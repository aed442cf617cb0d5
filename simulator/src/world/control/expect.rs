//! Expectations: what a controller has written for an owner and its view does not show yet. While some are open,
//! counting the view would create or delete twice.
//!
//! Must not know: who owns what. Names are chosen by the controllers, so that a creation can be recognised by its key.

use std::collections::{BTreeMap, BTreeSet};

use jiff::{SignedDuration, Timestamp};

use super::kind::{Kind, ObjectKey};
use super::object::{is_deleting, uid};
use super::view::View;

/// After this long an open expectation no longer counts (`ExpectationsTimeout` of kube-controller-manager).
const TIMEOUT: SignedDuration = SignedDuration::from_mins(5);

/// Open expectations by owner.
#[derive(Debug, Default)]
pub struct Expectations(BTreeMap<ObjectKey, Open>);

#[derive(Debug)]
struct Open {
    since: Timestamp,
    created: BTreeSet<ObjectKey>,
    deleted: BTreeMap<ObjectKey, String>,
}

impl Expectations {
    /// Whether the view shows everything that was written for this owner.
    pub fn met(&mut self, owner: &ObjectKey, kind: Kind, view: &View, now: Timestamp) -> bool {
        let Some(open) = self.0.get_mut(owner) else {
            return true;
        };
        open.created.retain(|key| view.get(kind, key).is_none());
        open.deleted.retain(|key, gone| {
            view.get(kind, key)
                .is_some_and(|object| uid(object) == gone && !is_deleting(object))
        });
        let met = open.created.is_empty() && open.deleted.is_empty() || now.duration_since(open.since) >= TIMEOUT;
        if met {
            self.0.remove(owner);
        }
        met
    }

    /// These will appear.
    pub fn creation(&mut self, owner: &ObjectKey, object: ObjectKey, now: Timestamp) {
        self.open(owner, now).created.insert(object);
    }

    /// This will go, or begin to.
    pub fn deletion(&mut self, owner: &ObjectKey, object: ObjectKey, uid: &str, now: Timestamp) {
        self.open(owner, now).deleted.insert(object, uid.to_owned());
    }

    /// Nothing is expected for this owner any more: a write failed, or the owner is gone.
    pub fn forget(&mut self, owner: &ObjectKey) {
        self.0.remove(owner);
    }

    fn open(&mut self, owner: &ObjectKey, now: Timestamp) -> &mut Open {
        let open = self.0.entry(owner.clone()).or_insert_with(|| Open {
            since: now,
            created: BTreeSet::new(),
            deleted: BTreeMap::new(),
        });
        open.since = now;
        open
    }
}
