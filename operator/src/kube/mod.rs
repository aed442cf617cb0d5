//! How the operator sees a cluster: one watch a kind, kept in an index by owner.
//!
//! Knows: watches and what is kept of them. Must not know: what a controller decides from it.

mod backoff;
mod cache;

use std::fmt::Debug;

use futures::{Stream, StreamExt};
use kube::runtime::reflector::{self, Store};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Api, Resource};
use serde::de::DeserializeOwned;

pub use backoff::WatchBackoff;
pub use cache::{Cache, Key};

/// The objects that a controller is about: the stream that wakes it, and the store that it reads from. A watch that
/// fails is logged and taken up again.
pub fn controlled<K>(
    api: Api<K>,
    config: watcher::Config,
) -> (impl Stream<Item = Result<K, watcher::Error>> + Send + 'static, Store<K>)
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + Sync + 'static,
{
    let (store, writer) = reflector::store();
    let events = watcher(api, config).backoff(WatchBackoff::default());
    let events = events.filter_map(|event| async {
        match event {
            Ok(event) => Some(Ok(event)),
            Err(error) => {
                tracing::warn!(kind = %K::kind(&()), %error, "the watch is interrupted and will be taken up again");
                None
            }
        }
    });
    (events.modify(forget_owners).reflect(writer).applied_objects(), store)
}

/// Who owns which field is of no use here, and is often the larger half of an object.
fn forget_owners<K: Resource>(object: &mut K) {
    object.meta_mut().managed_fields = None;
}
