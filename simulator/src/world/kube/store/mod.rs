//! The ordered object store: revisions, history, snapshots for paging. Knows keys and bytes, not Kubernetes' rules.
//!
//! Objects are kept as the text that clients get (docs/decisions/0002). One counter gives every write its revision.
//! Watches pull from a bounded history, so that a slow one costs nothing and a too slow one is told so (410).

use std::collections::{BTreeMap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::watch;

use super::resources::GroupResource;

/// Writes that each history keeps, those of one resource and that of all; older ones are compacted.
const HISTORY: usize = 8_192;

/// Where an object lies inside its resource. Orders by namespace, then name, as lists do.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// Empty for cluster-scoped objects.
    pub namespace: Box<str>,
    /// Name.
    pub name: Box<str>,
}

impl Key {
    /// From two texts.
    #[must_use]
    pub fn new(namespace: &str, name: &str) -> Self {
        Self {
            namespace: namespace.into(),
            name: name.into(),
        }
    }
}

/// One object as it is stored.
#[derive(Clone, Debug)]
pub struct Stored {
    /// Revision of the last write.
    pub revision: u64,
    /// The object, JSON, in its storage version, with its resourceVersion.
    pub json: Bytes,
}

/// What a write did.
#[derive(Clone, Debug)]
pub struct Event {
    /// The write's revision.
    pub revision: u64,
    /// Of which resource.
    pub resource: Arc<GroupResource>,
    /// Which object.
    pub key: Key,
    /// The object before; None when it is new.
    pub old: Option<Bytes>,
    /// The object after; None when it is gone.
    pub new: Option<Bytes>,
    /// For a deletion: the object as it was last, with the deletion's revision.
    pub last: Option<Bytes>,
}

/// The history no longer reaches back that far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compacted {
    /// The oldest revision from which a watch may start.
    pub oldest: u64,
}

#[derive(Debug)]
struct Table {
    resource: Arc<GroupResource>,
    objects: BTreeMap<Key, Stored>,
    history: VecDeque<Arc<Event>>,
    /// Revision of the newest write that the history has forgotten.
    compacted: u64,
    changed: watch::Sender<u64>,
}

impl Table {
    fn new(resource: Arc<GroupResource>, compacted: u64) -> Self {
        let (objects, history) = (BTreeMap::new(), VecDeque::new());
        Self {
            resource,
            objects,
            history,
            compacted,
            changed: watch::Sender::new(compacted),
        }
    }
}

/// All objects.
#[derive(Debug)]
pub struct Store {
    revision: u64,
    tables: BTreeMap<Arc<GroupResource>, Table>,
    feed: VecDeque<Arc<Event>>,
    feed_compacted: u64,
    feed_changed: watch::Sender<u64>,
    history: usize,
}

impl Default for Store {
    fn default() -> Self {
        Self::new(HISTORY)
    }
}

impl Store {
    /// An empty store whose watches can look `history` writes back.
    #[must_use]
    pub fn new(history: usize) -> Self {
        Self {
            revision: 1,
            tables: BTreeMap::new(),
            feed: VecDeque::new(),
            feed_compacted: 1,
            feed_changed: watch::Sender::new(1),
            history: history.max(1),
        }
    }

    /// Revision of the last write.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// One object.
    #[must_use]
    pub fn get(&self, resource: &GroupResource, key: &Key) -> Option<&Stored> {
        self.tables.get(resource)?.objects.get(key)
    }

    /// Objects of a resource in key order, beginning after `after`; all namespaces when `namespace` is None.
    pub fn list<'a>(
        &'a self,
        resource: &GroupResource,
        namespace: Option<&'a str>,
        after: Option<&Key>,
    ) -> impl Iterator<Item = (&'a Key, &'a Stored)> + use<'a> {
        let start = match (after, namespace) {
            (Some(key), _) => Bound::Excluded(key.clone()),
            (None, Some(namespace)) => Bound::Included(Key::new(namespace, "")),
            (None, None) => Bound::Unbounded,
        };
        let objects = self
            .tables
            .get(resource)
            .map(|table| table.objects.range((start, Bound::Unbounded)));
        let objects = objects.into_iter().flatten();
        objects.take_while(move |(key, _)| namespace.is_none_or(|namespace| *key.namespace == *namespace))
    }

    /// How many objects a resource has.
    #[must_use]
    pub fn count(&self, resource: &GroupResource) -> usize {
        self.tables.get(resource).map_or(0, |table| table.objects.len())
    }

    /// Resources that hold at least one object.
    pub fn resources(&self) -> impl Iterator<Item = &Arc<GroupResource>> {
        self.tables
            .iter()
            .filter(|(_, table)| !table.objects.is_empty())
            .map(|(resource, _)| resource)
    }

    /// Puts an object in place of what was there. `encode` gets the revision and answers the text.
    pub fn put(&mut self, resource: &GroupResource, key: Key, encode: impl FnOnce(u64) -> Bytes) -> Stored {
        self.revision += 1;
        let revision = self.revision;
        let stored = Stored {
            revision,
            json: encode(revision),
        };
        let table = self.table(resource);
        let old = table.objects.insert(key.clone(), stored.clone()).map(|old| old.json);
        let new = Some(stored.json.clone());
        let event = Event {
            revision,
            resource: table.resource.clone(),
            key,
            old,
            new,
            last: None,
        };
        self.record(event);
        stored
    }

    /// Takes an object out. `encode` gets its text and the revision and answers its last state.
    pub fn remove(
        &mut self,
        resource: &GroupResource,
        key: &Key,
        encode: impl FnOnce(&Bytes, u64) -> Bytes,
    ) -> Option<Stored> {
        let table = self.tables.get_mut(resource)?;
        let old = table.objects.remove(key)?.json;
        self.revision += 1;
        let revision = self.revision;
        let last = encode(&old, revision);
        let (resource, key) = (table.resource.clone(), key.clone());
        self.record(Event {
            revision,
            resource,
            key,
            old: Some(old),
            new: None,
            last: Some(last.clone()),
        });
        Some(Stored { revision, json: last })
    }

    /// Writes of one resource after `since`, oldest first.
    ///
    /// # Errors
    /// When the history no longer reaches back to `since`.
    pub fn changes(&self, resource: &GroupResource, since: u64) -> Result<Vec<Arc<Event>>, Compacted> {
        match self.tables.get(resource) {
            None => Ok(Vec::new()),
            Some(table) => after(&table.history, table.compacted, since),
        }
    }

    /// Writes of all resources after `since`, oldest first.
    ///
    /// # Errors
    /// When the history no longer reaches back to `since`.
    pub fn all_changes(&self, since: u64) -> Result<Vec<Arc<Event>>, Compacted> {
        after(&self.feed, self.feed_compacted, since)
    }

    /// Tells of each write to a resource.
    pub fn subscribe(&mut self, resource: &GroupResource) -> watch::Receiver<u64> {
        self.table(resource).changed.subscribe()
    }

    /// Tells of each write.
    pub fn subscribe_all(&self) -> watch::Receiver<u64> {
        self.feed_changed.subscribe()
    }

    /// The objects of a resource as they were at `revision`, from the present and the history.
    ///
    /// # Errors
    /// When the history no longer reaches back that far.
    pub fn snapshot(&self, resource: &GroupResource, revision: u64) -> Result<BTreeMap<Key, Bytes>, Compacted> {
        let Some(table) = self.tables.get(resource) else {
            return Ok(BTreeMap::new());
        };
        let undo = after(&table.history, table.compacted, revision)?;
        let mut objects: BTreeMap<Key, Bytes> = table
            .objects
            .iter()
            .map(|(key, stored)| (key.clone(), stored.json.clone()))
            .collect();
        for event in undo.iter().rev() {
            match &event.old {
                Some(old) => objects.insert(event.key.clone(), old.clone()),
                None => objects.remove(&event.key),
            };
        }
        Ok(objects)
    }

    /// Forgets the history of a resource, as etcd's compaction does.
    pub fn compact(&mut self, resource: &GroupResource) {
        let revision = self.revision;
        let table = self.table(resource);
        table.history.clear();
        table.compacted = revision;
    }

    fn table(&mut self, resource: &GroupResource) -> &mut Table {
        // A shared name for the resource is made once; the map is keyed by it.
        let resource = self
            .tables
            .get_key_value(resource)
            .map_or_else(|| Arc::new(resource.clone()), |(k, _)| k.clone());
        self.tables
            .entry(resource.clone())
            .or_insert_with(|| Table::new(resource, 1))
    }

    fn record(&mut self, event: Event) {
        let event = Arc::new(event);
        if let Some(table) = self.tables.get_mut(&event.resource) {
            push_bounded(&mut table.history, event.clone(), self.history, &mut table.compacted);
            table.changed.send_replace(event.revision);
        }
        let revision = event.revision;
        push_bounded(&mut self.feed, event, self.history, &mut self.feed_compacted);
        self.feed_changed.send_replace(revision);
    }
}

fn push_bounded(history: &mut VecDeque<Arc<Event>>, event: Arc<Event>, bound: usize, compacted: &mut u64) {
    history.push_back(event);
    while history.len() > bound {
        if let Some(forgotten) = history.pop_front() {
            *compacted = forgotten.revision;
        }
    }
}

fn after(history: &VecDeque<Arc<Event>>, compacted: u64, since: u64) -> Result<Vec<Arc<Event>>, Compacted> {
    if since < compacted {
        return Err(Compacted { oldest: compacted });
    }
    let first = history.partition_point(|event| event.revision <= since);
    Ok(history.range(first..).cloned().collect())
}

#[cfg(test)]
mod tests;
