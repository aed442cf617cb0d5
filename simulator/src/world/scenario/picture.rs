//! What has been seen of the cluster: every object as it is, kept up to date from the API server's feed.

use std::collections::BTreeMap;

use serde_json::Value;

use super::format::ObjectPath;
use super::kinds;
use crate::world::kube::server::{ApiServer, Feed};

/// The objects of the kinds that scenarios speak of.
#[derive(Debug)]
pub(super) struct Picture {
    pub(super) objects: BTreeMap<ObjectPath, Value>,
    feed: Feed,
}

/// One change.
#[derive(Debug)]
pub(super) struct Change {
    pub(super) object: ObjectPath,
    pub(super) old: Option<Value>,
    pub(super) new: Option<Value>,
}

impl Picture {
    pub(super) fn new(server: &ApiServer) -> Self {
        let (all, feed) = server.feed();
        let objects = all.into_iter().filter_map(|(resource, key, value)| {
            let kind = kinds::kind(&resource.group, &resource.plural)?;
            Some((path(kind, &key.namespace, &key.name), value))
        });
        Self {
            objects: objects.collect(),
            feed,
        }
    }

    /// Waits for a change.
    pub(super) async fn changed(&mut self) {
        self.feed.changed().await;
    }

    /// Takes in what has changed.
    pub(super) fn take(&mut self, server: &ApiServer) -> Vec<Change> {
        let Ok(events) = self.feed.take() else {
            // More has happened at once than is remembered: look at everything again.
            *self = Self::new(server);
            return Vec::new();
        };
        let mut changes = Vec::new();
        for event in events {
            let Some(kind) = kinds::kind(&event.resource.group, &event.resource.plural) else {
                continue;
            };
            let object = path(kind, &event.key.namespace, &event.key.name);
            let new: Option<Value> = event.new.as_ref().and_then(|text| serde_json::from_slice(text).ok());
            let old = match &new {
                Some(new) => self.objects.insert(object.clone(), new.clone()),
                None => self.objects.remove(&object),
            };
            changes.push(Change { object, old, new });
        }
        changes
    }

    /// The objects of a kind.
    pub(super) fn of<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = (&'a ObjectPath, &'a Value)> {
        self.objects.iter().filter(move |(path, _)| path.kind == kind)
    }
}

fn path(kind: &str, namespace: &str, name: &str) -> ObjectPath {
    ObjectPath {
        kind: kind.to_owned(),
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    }
}
