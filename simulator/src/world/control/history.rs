//! ControllerRevisions: the pod templates that a StatefulSet or DaemonSet has had.
//!
//! Must not know: how templates are rolled out.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::hash::template_hash;
use super::object::{count, drop_key, int, label, name, namespace, owned_by, put, same, uid};
use super::pods::clip;
use super::{Kind, ObjectKey, View, Write};

/// The label of a pod that names the template it was made from.
pub const REVISION_HASH: &str = "controller-revision-hash";

/// One template in the history of an owner.
#[derive(Clone, Debug)]
pub struct Revision {
    /// Name of the ControllerRevision.
    pub name: String,
    /// The hash in its labels.
    pub hash: String,
    /// Its place in the history, from 1.
    pub number: i64,
    /// The pod template.
    pub template: Value,
}

impl Revision {
    fn read(object: &Value, hash_label: &str) -> Self {
        let mut template = object.pointer("/data/spec/template").cloned().unwrap_or_default();
        drop_key(&mut template, "", "$patch");
        Self {
            name: name(object).to_owned(),
            hash: label(object, hash_label).unwrap_or_default().to_owned(),
            number: count(object, "/revision"),
            template,
        }
    }
}

/// The history of one owner, and the revision of its current template.
#[derive(Debug)]
pub struct History {
    /// Oldest first; holds the update revision too.
    pub revisions: Vec<Revision>,
    /// The revision of the owner's template.
    pub update: Revision,
    /// `status.collisionCount`; one more than before when the revision's name is taken, and then nothing else may be done.
    pub collisions: i64,
    /// Whether the name was taken.
    pub collided: bool,
    /// What makes the history so.
    pub writes: Vec<Write>,
}

impl History {
    /// Reads the history and adds the owner's template to it. `hash_label` is the label of revisions that holds the hash.
    #[must_use]
    pub fn of(view: &View, kind: Kind, owner: &Value, hash_label: &str) -> Self {
        let owned = view.controlled_by(Kind::CONTROLLER_REVISION, uid(owner));
        let owned: Vec<(ObjectKey, &Arc<Value>)> = owned.map(|(key, object)| (key.clone(), object)).collect();
        let mut revisions: Vec<Revision> = owned
            .iter()
            .map(|(_, object)| Revision::read(object, hash_label))
            .collect();
        revisions.sort_by(|a, b| (a.number, &a.name).cmp(&(b.number, &b.name)));
        let template = owner.pointer("/spec/template").cloned().unwrap_or_default();
        let next = revisions.last().map_or(1, |last| last.number + 1);
        let equal = revisions
            .iter()
            .rposition(|revision| same(&revision.template, &template));
        let mut history = Self {
            update: Revision {
                name: String::new(),
                hash: String::new(),
                number: next,
                template,
            },
            collisions: int(owner, "/status/collisionCount").unwrap_or(0),
            collided: false,
            writes: Vec::new(),
            revisions,
        };
        match equal {
            Some(place) => history.reuse(place, next, &owned),
            None => history.add(view, kind, owner, hash_label),
        }
        history
    }

    /// A template that was there before becomes the newest again.
    fn reuse(&mut self, place: usize, next: i64, owned: &[(ObjectKey, &Arc<Value>)]) {
        let last = place + 1 == self.revisions.len();
        let mut revision = self.revisions.remove(place);
        if !last {
            revision.number = next;
            let object = owned.iter().find(|(key, _)| key.name == revision.name);
            if let Some((_, object)) = object {
                let mut object = (***object).clone();
                put(&mut object, &["revision"], next.into());
                let kind = Kind::CONTROLLER_REVISION;
                self.writes.push(Write::Update { kind, object });
            }
        }
        self.update = revision.clone();
        self.revisions.push(revision);
    }

    fn add(&mut self, view: &View, kind: Kind, owner: &Value, hash_label: &str) {
        let hash = template_hash(&self.update.template, Some(self.collisions));
        // 223 leaves room for the hash in a name of 253, as `ControllerRevisionName` does.
        self.update.name = format!("{}-{hash}", clip(name(owner), 223));
        self.update.hash.clone_from(&hash);
        let key = ObjectKey::new(namespace(owner), self.update.name.as_str());
        if view.get(Kind::CONTROLLER_REVISION, &key).is_some() {
            self.collisions += 1;
            self.collided = true;
            return;
        }
        let mut template = self.update.template.clone();
        put(&mut template, &["$patch"], "replace".into());
        let labels = self
            .update
            .template
            .pointer("/metadata/labels")
            .and_then(Value::as_object);
        let mut labels = labels.cloned().unwrap_or_else(Map::new);
        labels.insert(hash_label.to_owned(), hash.into());
        let object = json!({
            "apiVersion": "apps/v1",
            "kind": "ControllerRevision",
            "metadata": {
                "name": self.update.name,
                "namespace": namespace(owner),
                "labels": labels,
                "annotations": owner.pointer("/metadata/annotations").cloned().unwrap_or_else(|| json!({})),
                "ownerReferences": [owned_by(kind, owner)],
            },
            "data": {"spec": {"template": template}},
            "revision": self.update.number,
        });
        let kind = Kind::CONTROLLER_REVISION;
        self.writes.push(Write::Create { kind, object });
        self.revisions.push(self.update.clone());
    }

    /// The revision of this name.
    #[must_use]
    pub fn named(&self, name: &str) -> Option<&Revision> {
        self.revisions.iter().find(|revision| revision.name == name)
    }

    /// Deletions of the oldest revisions that nothing uses, beyond `limit`.
    #[must_use]
    pub fn surplus(&self, owner: &Value, limit: i64, live: &BTreeSet<String>) -> Vec<Write> {
        let dead = |revision: &&Revision| !live.contains(&revision.name) && !live.contains(&revision.hash);
        let dead: Vec<&Revision> = self.revisions.iter().filter(dead).collect();
        let surplus = dead.len().saturating_sub(usize::try_from(limit).unwrap_or(0));
        let deletion = |revision: &&Revision| Write::Delete {
            kind: Kind::CONTROLLER_REVISION,
            key: ObjectKey::new(namespace(owner), revision.name.as_str()),
            uid: None,
            grace_secs: None,
            propagation: None,
        };
        dead.iter().take(surplus).map(deletion).collect()
    }
}
