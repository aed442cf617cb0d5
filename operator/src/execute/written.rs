//! What was written of the objects that a controller looks after, so that it does not act on what it knew before.
//!
//! A watch brings a controller's own writes back a little later. A pass in between would see the object as it was, and
//! decide, and write, the same again.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use kube::Resource;
use operator_plan::Target;

/// The newest resourceVersion that was written, by object, and the uids of the objects.
#[derive(Default)]
pub struct Written {
    versions: Mutex<BTreeMap<Target, u64>>,
    uids: Mutex<BTreeMap<Target, String>>,
}

impl Written {
    /// Notes what a write has answered.
    pub(super) fn note<K: Resource>(&self, target: &Target, object: &K) {
        if let Some(version) = version(object) {
            self.versions
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .insert(target.clone(), version);
        }
    }

    /// Notes the uid of an object that a pass is about: events point to it.
    pub fn meet<K: Resource>(&self, target: &Target, object: &K) {
        if let Some(uid) = &object.meta().uid {
            let mut uids = self.uids.lock().unwrap_or_else(PoisonError::into_inner);
            uids.insert(target.clone(), uid.clone());
        }
    }

    /// The uid of an object that was met.
    pub(super) fn uid(&self, target: &Target) -> Option<String> {
        let uids = self.uids.lock().unwrap_or_else(PoisonError::into_inner);
        uids.get(target).cloned()
    }

    /// Whether the object is older than what was written: the watch will bring the newer one, and wake for it.
    pub fn is_ahead_of<K: Resource>(&self, target: &Target, object: &K) -> bool {
        let versions = self.versions.lock().unwrap_or_else(PoisonError::into_inner);
        let written = versions.get(target).copied();
        matches!((written, version(object)), (Some(written), Some(seen)) if seen < written)
    }

    /// Forgets an object that is gone.
    pub fn forget(&self, target: &Target) {
        self.versions
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(target);
        self.uids.lock().unwrap_or_else(PoisonError::into_inner).remove(target);
    }
}

/// Since Kubernetes 1.35 the versions of one resource compare as numbers; a version that is none is not compared.
fn version<K: Resource>(object: &K) -> Option<u64> {
    object.meta().resource_version.as_deref()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::core::v1::ConfigMap;
    use operator_plan::Kind;

    #[test]
    fn an_older_object_is_told_from_a_newer_one() {
        let map = |version: &str| {
            let mut map = ConfigMap::default();
            map.metadata.resource_version = Some(version.into());
            map
        };
        let written = Written::default();
        let target = Target::namespaced(Kind::ConfigMap, "a", "b");
        assert!(!written.is_ahead_of(&target, &map("5")));
        written.note(&target, &map("100"));
        assert!(written.is_ahead_of(&target, &map("99")));
        assert!(!written.is_ahead_of(&target, &map("100")) && !written.is_ahead_of(&target, &map("opaque")));
        written.forget(&target);
        assert!(!written.is_ahead_of(&target, &map("99")));
    }
}
