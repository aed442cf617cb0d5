//! Objects of one kind, kept by a watch and found by their owner in one step.
//!
//! kube-rs' own store has no index: with a thousand Workspaces, each pass over one of them would look at every pod of
//! all. A cache lags behind the API server; a decision that costs money does not rest on it (names of claims and pools
//! derive from the owner, so that doing a thing twice is doing it once).

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::{Stream, StreamExt, stream};
use kube::runtime::watcher::Event;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Resource};
use serde::de::DeserializeOwned;
use tokio::sync::watch;

use super::backoff::WatchBackoff;

/// Namespace and name of an object; the namespace is empty for kinds without.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
}

impl Key {
    /// The key of an object.
    pub fn of<K: Resource>(object: &K) -> Self {
        let meta = object.meta();
        Self {
            namespace: meta.namespace.clone().unwrap_or_default(),
            name: meta.name.clone().unwrap_or_default(),
        }
    }
}

/// Tells what matters of an object: a change that leaves it the same wakes nobody.
pub type Digest<K> = fn(&K) -> String;

/// Which objects an object belongs to.
pub type Owners<K> = fn(&K) -> Vec<Key>;

/// Objects of one kind. Clones are the same cache.
pub struct Cache<K> {
    shared: Arc<Mutex<Shared<K>>>,
    ready: watch::Sender<bool>,
    owners: Owners<K>,
    digest: Option<Digest<K>>,
}

struct Shared<K> {
    objects: BTreeMap<Key, Arc<K>>,
    by_owner: BTreeMap<Key, BTreeSet<Key>>,
    /// While a relist is under way: what it has shown so far.
    relist: Option<BTreeSet<Key>>,
}

impl<K> Clone for Cache<K> {
    fn clone(&self) -> Self {
        Self {
            shared: self.shared.clone(),
            ready: self.ready.clone(),
            owners: self.owners,
            digest: self.digest,
        }
    }
}

impl<K> Cache<K>
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
{
    /// An empty cache. With `digest`, a change that leaves it the same is kept but wakes nobody.
    pub fn new(owners: Owners<K>, digest: Option<Digest<K>>) -> Self {
        Self {
            shared: Arc::new(Mutex::new(Shared {
                objects: BTreeMap::new(),
                by_owner: BTreeMap::new(),
                relist: None,
            })),
            ready: watch::Sender::new(false),
            owners,
            digest,
        }
    }

    /// Fills the cache for as long as the stream is polled, and tells the owners of what has changed.
    pub fn follow(&self, api: Api<K>, config: watcher::Config) -> impl Stream<Item = Key> + Send + 'static {
        let cache = self.clone();
        watcher(api, config).backoff(WatchBackoff::default()).flat_map(move |event| {
            let keys = match event {
                Ok(event) => cache.take(event),
                Err(error) => {
                    if is_unknown_kind(&error) {
                        // A cluster without this kind has no objects of it: waiting for a list would be for ever.
                        cache.ready.send_replace(true);
                    }
                    tracing::warn!(kind = %K::kind(&()), %error, "the watch is interrupted and will be taken up again");
                    BTreeSet::new()
                }
            };
            stream::iter(keys)
        })
    }

    /// Waits until the first list is in.
    pub async fn filled(&self) {
        // The sender lives as long as this cache does, so that waiting ends only with the value.
        let _ = self.ready.subscribe().wait_for(|ready| *ready).await;
    }

    /// The objects of an owner, in the order of their names.
    pub fn of(&self, owner: &Key) -> Vec<Arc<K>> {
        let shared = self.lock();
        let keys = shared.by_owner.get(owner).into_iter().flatten();
        keys.filter_map(|key| shared.objects.get(key).cloned()).collect()
    }

    /// One object.
    pub fn get(&self, key: &Key) -> Option<Arc<K>> {
        self.lock().objects.get(key).cloned()
    }

    /// Every object that is wanted, in the order of their names.
    pub fn select(&self, wanted: impl Fn(&K) -> bool) -> Vec<Arc<K>> {
        self.lock()
            .objects
            .values()
            .filter(|object| wanted(object))
            .cloned()
            .collect()
    }

    fn take(&self, event: Event<K>) -> BTreeSet<Key> {
        let mut shared = self.lock();
        match event {
            Event::Init => {
                shared.relist = Some(BTreeSet::new());
                BTreeSet::new()
            }
            Event::InitApply(object) => {
                let key = Key::of(&object);
                if let Some(seen) = &mut shared.relist {
                    seen.insert(key);
                }
                self.put(&mut shared, object)
            }
            Event::InitDone => {
                let seen = shared.relist.take().unwrap_or_default();
                let gone: Vec<Key> = shared
                    .objects
                    .keys()
                    .filter(|key| !seen.contains(key))
                    .cloned()
                    .collect();
                let woken = gone.iter().flat_map(|key| self.drop(&mut shared, key)).collect();
                drop(shared);
                self.ready.send_replace(true);
                woken
            }
            Event::Apply(object) => self.put(&mut shared, object),
            Event::Delete(object) => {
                let key = Key::of(&object);
                self.drop(&mut shared, &key)
            }
        }
    }

    fn put(&self, shared: &mut Shared<K>, mut object: K) -> BTreeSet<Key> {
        let key = Key::of(&object);
        // Who owns which field is of no use here, and is often the larger half of an object.
        object.meta_mut().managed_fields = None;
        let owners: BTreeSet<Key> = (self.owners)(&object).into_iter().collect();
        let object = Arc::new(object);
        let before = shared.objects.insert(key.clone(), object.clone());
        let mut woken = owners.clone();
        if let Some(before) = &before {
            let owned_before: BTreeSet<Key> = (self.owners)(before).into_iter().collect();
            let same = self.digest.is_some_and(|digest| digest(before) == digest(&object));
            if owned_before == owners && same {
                return BTreeSet::new();
            }
            for owner in owned_before.difference(&owners) {
                unlink(&mut shared.by_owner, owner, &key);
            }
            woken.extend(owned_before);
        }
        for owner in owners {
            shared.by_owner.entry(owner).or_default().insert(key.clone());
        }
        woken
    }

    fn drop(&self, shared: &mut Shared<K>, key: &Key) -> BTreeSet<Key> {
        let Some(object) = shared.objects.remove(key) else {
            return BTreeSet::new();
        };
        let owners: BTreeSet<Key> = (self.owners)(&object).into_iter().collect();
        for owner in &owners {
            unlink(&mut shared.by_owner, owner, key);
        }
        owners
    }

    fn lock(&self) -> MutexGuard<'_, Shared<K>> {
        self.shared.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn is_unknown_kind(error: &watcher::Error) -> bool {
    use watcher::Error::{InitialListFailed, WatchStartFailed};
    match error {
        InitialListFailed(error) | WatchStartFailed(error) => {
            matches!(error, kube::Error::Api(status) if status.code == 404)
        }
        _ => false,
    }
}

fn unlink(by_owner: &mut BTreeMap<Key, BTreeSet<Key>>, owner: &Key, key: &Key) {
    if let Some(keys) = by_owner.get_mut(owner) {
        keys.remove(key);
        if keys.is_empty() {
            by_owner.remove(owner);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::core::v1::ConfigMap;

    fn owned_by_label(map: &ConfigMap) -> Vec<Key> {
        let labels = map.metadata.labels.iter().flatten();
        labels
            .map(|(name, namespace)| Key {
                namespace: namespace.clone(),
                name: name.clone(),
            })
            .collect()
    }

    fn map(name: &str, owner: &str, data: &str) -> ConfigMap {
        let mut map = ConfigMap::default();
        map.metadata.name = Some(name.into());
        map.metadata.namespace = Some("ns".into());
        map.metadata.labels = Some([(owner.to_owned(), "ns".to_owned())].into());
        map.data = Some([("key".to_owned(), data.to_owned())].into());
        map
    }

    fn key(name: &str) -> Key {
        Key {
            namespace: "ns".into(),
            name: name.into(),
        }
    }

    #[test]
    fn owners_are_found_and_woken() {
        let digest: Digest<ConfigMap> = |map| format!("{:?}", map.data);
        let cache: Cache<ConfigMap> = Cache::new(owned_by_label, Some(digest));
        let names = |owner: &str| -> Vec<String> {
            let objects = cache.of(&key(owner));
            objects.iter().filter_map(|map| map.metadata.name.clone()).collect()
        };
        cache.take(Event::Init);
        assert_eq!(cache.take(Event::InitApply(map("a", "x", "1"))), [key("x")].into());
        cache.take(Event::InitApply(map("b", "x", "1")));
        cache.take(Event::InitDone);
        assert_eq!(names("x"), ["a", "b"]);
        assert!(
            cache.take(Event::Apply(map("a", "x", "1"))).is_empty(),
            "nothing that matters changed"
        );
        assert_eq!(
            cache.take(Event::Apply(map("a", "y", "1"))),
            [key("x"), key("y")].into()
        );
        assert_eq!((names("x"), names("y")), (vec!["b".to_owned()], vec!["a".to_owned()]));
        // A relist that no longer shows an object tells its owner.
        cache.take(Event::Init);
        cache.take(Event::InitApply(map("a", "y", "1")));
        assert_eq!(cache.take(Event::InitDone), [key("x")].into());
        assert_eq!(cache.take(Event::Delete(map("a", "y", "1"))), [key("y")].into());
        assert!(names("x").is_empty() && names("y").is_empty());
    }
}
