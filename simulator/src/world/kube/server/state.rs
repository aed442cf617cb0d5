//! What the server keeps: objects, the registry of resources, and what is derived from objects on every write.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;

use super::body::text_in;
use super::subresources::services::Taken;
use crate::world::kube::admission::Webhooks;
use crate::world::kube::api_error::ApiError;
use crate::world::kube::auth::RoleSource;
use crate::world::kube::crd;
use crate::world::kube::resources::builtin_registry;
use crate::world::kube::resources::{Flavor, GroupResource, Registry, ResourceType};
use crate::world::kube::store::{Key, Store, Stored};
use crate::world::kube::surface::openapi::OpenApi;

/// Everything behind the server's lock.
pub(super) struct State {
    pub(super) store: Store,
    /// Swapped as a whole when a CRD changes.
    pub(super) registry: Arc<Registry>,
    /// Counts the swaps, for caches of what is derived from the registry.
    pub(super) registry_generation: u64,
    /// OpenAPI documents and the registry generation that they are of.
    pub(super) documents: Option<(u64, Arc<OpenApi>)>,
    roles: BTreeMap<(&'static str, Key), Arc<Value>>,
    /// Parsed webhook configurations, in name order.
    configurations: BTreeMap<(bool, Key), Arc<Value>>,
    /// The same, compiled.
    webhooks: Arc<Webhooks>,
    /// Addresses and ports of Services, and the last ones that were given out.
    pub(super) services: Taken,
    pub(super) next_cluster_ip: u32,
    pub(super) next_node_port: u32,
    /// Who impersonated others by the old verb.
    pub(super) legacy_impersonators: BTreeSet<String>,
    /// For texts while they are written.
    scratch: Vec<u8>,
}

const RBAC: &str = "rbac.authorization.k8s.io";
const ROLE_KINDS: [&str; 4] = ["roles", "rolebindings", "clusterroles", "clusterrolebindings"];

impl State {
    pub(super) fn new(history: usize) -> Self {
        Self {
            store: Store::new(history),
            registry: Arc::new(builtin_registry()),
            registry_generation: 0,
            documents: None,
            roles: BTreeMap::new(),
            configurations: BTreeMap::new(),
            webhooks: Arc::default(),
            services: Taken::default(),
            next_cluster_ip: 1,
            next_node_port: 30_000,
            legacy_impersonators: BTreeSet::new(),
            scratch: Vec::new(),
        }
    }

    /// The object under a key, parsed; as it is stored.
    pub(super) fn read(&self, resource: &GroupResource, key: &Key) -> Option<(Value, u64)> {
        let stored = self.store.get(resource, key)?;
        serde_json::from_slice(&stored.json)
            .ok()
            .map(|value| (value, stored.revision))
    }

    /// The same, with what is stored.
    pub(super) fn read_stored(&self, resource: &GroupResource, key: &Key) -> Option<(Value, Stored)> {
        let stored = self.store.get(resource, key)?;
        let object = serde_json::from_slice(&stored.json).ok()?;
        Some((object, stored.clone()))
    }

    /// Writes an object with a fresh resourceVersion, and all that follows from it.
    pub(super) fn write(&mut self, resource: &ResourceType, key: &Key, object: &mut Value) -> Stored {
        let place = resource.group_resource();
        let scratch = &mut self.scratch;
        let stored = self
            .store
            .put(&place, key.clone(), |revision| encode(scratch, object, revision));
        self.derive(resource, key, Some(object));
        stored
    }

    /// Takes an object out, and all that follows from it. The answer is its last state with the deletion's revision.
    pub(super) fn erase(&mut self, resource: &ResourceType, key: &Key, last: &mut Value) -> Option<Stored> {
        let place = resource.group_resource();
        let scratch = &mut self.scratch;
        let stored = self
            .store
            .remove(&place, key, |_, revision| encode(scratch, last, revision))?;
        self.derive(resource, key, None);
        Some(stored)
    }

    fn derive(&mut self, resource: &ResourceType, key: &Key, object: Option<&Value>) {
        match resource.gvk.group.as_str() {
            RBAC => {
                if let Some(kind) = ROLE_KINDS.into_iter().find(|kind| *kind == resource.plural) {
                    match object {
                        Some(object) => self.roles.insert((kind, key.clone()), Arc::new(object.clone())),
                        None => self.roles.remove(&(kind, key.clone())),
                    };
                }
            }
            "admissionregistration.k8s.io" => {
                let mutating = resource.plural == "mutatingwebhookconfigurations";
                if mutating || resource.plural == "validatingwebhookconfigurations" {
                    match object {
                        Some(object) => self
                            .configurations
                            .insert((mutating, key.clone()), Arc::new(object.clone())),
                        None => self.configurations.remove(&(mutating, key.clone())),
                    };
                    self.compile_webhooks();
                }
            }
            "apiextensions.k8s.io" if resource.plural == "customresourcedefinitions" => self.serve(key, object),
            "" if resource.plural == "services" => self.services.note(key, object),
            _ => {}
        }
    }

    /// All webhooks as they are configured now.
    pub(super) fn webhooks(&self) -> Arc<Webhooks> {
        self.webhooks.clone()
    }

    fn compile_webhooks(&mut self) {
        let of = |wanted: bool| {
            self.configurations
                .iter()
                .filter(move |((m, _), _)| *m == wanted)
                .map(|(_, c)| &**c)
        };
        self.webhooks = Arc::new(Webhooks::compile(of(true), of(false)));
    }

    /// Routes of a CRD that was written or is gone.
    fn serve(&mut self, key: &Key, crd: Option<&Value>) {
        let mut registry = Registry::clone(&self.registry);
        let (plural, group) = key.name.split_once('.').unwrap_or((&*key.name, ""));
        registry.remove(group, plural);
        if crd.is_none() {
            self.sweep(group, plural);
        }
        let served = crd.filter(|crd| crd::is_established(crd));
        let compiled: Result<Vec<ResourceType>, ApiError> = served.map_or_else(|| Ok(Vec::new()), crd::compile);
        for resource in compiled.unwrap_or_default() {
            registry.insert(resource);
        }
        self.registry = Arc::new(registry);
        self.registry_generation += 1;
    }

    /// The objects of a CRD go with it.
    fn sweep(&mut self, group: &str, plural: &str) {
        let place = GroupResource {
            group: group.to_owned(),
            plural: plural.to_owned(),
        };
        let keys: Vec<Key> = self
            .store
            .list(&place, None, None)
            .map(|(key, _)| key.clone())
            .collect();
        let scratch = &mut self.scratch;
        for key in keys {
            self.store.remove(&place, &key, |text, revision| {
                match serde_json::from_slice::<Value>(text) {
                    Ok(mut object) => encode(scratch, &mut object, revision),
                    Err(_) => text.clone(),
                }
            });
        }
    }

    /// Custom resources of a group and plural in any served version.
    pub(super) fn any_version(&self, group: &str, plural: &str) -> Option<Arc<ResourceType>> {
        let mut found = self
            .registry
            .iter()
            .filter(|r| r.gvk.group == group && r.plural == plural);
        found
            .find(|r| matches!(r.flavor, Flavor::Custom(_) | Flavor::Builtin))
            .cloned()
    }
}

impl RoleSource for State {
    fn cluster_role(&self, name: &str) -> Option<Arc<Value>> {
        self.roles.get(&("clusterroles", Key::new("", name))).cloned()
    }

    fn role(&self, namespace: &str, name: &str) -> Option<Arc<Value>> {
        self.roles.get(&("roles", Key::new(namespace, name))).cloned()
    }

    fn cluster_role_bindings(&self) -> Vec<Arc<Value>> {
        let all = self
            .roles
            .iter()
            .filter(|((kind, _), _)| *kind == "clusterrolebindings");
        all.map(|(_, binding)| binding.clone()).collect()
    }

    fn role_bindings(&self, namespace: &str) -> Vec<Arc<Value>> {
        let all = self
            .roles
            .iter()
            .filter(|((kind, key), _)| *kind == "rolebindings" && *key.namespace == *namespace);
        all.map(|(_, binding)| binding.clone()).collect()
    }
}

/// All CRDs, parsed.
pub(super) fn crds(state: &State) -> impl Iterator<Item = Value> {
    let place = GroupResource {
        group: "apiextensions.k8s.io".into(),
        plural: "customresourcedefinitions".into(),
    };
    state
        .store
        .list(&place, None, None)
        .filter_map(|(_, stored)| serde_json::from_slice(&stored.json).ok())
}

/// The object's text with its new resourceVersion.
fn encode(scratch: &mut Vec<u8>, object: &mut Value, revision: u64) -> Bytes {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.insert("resourceVersion".into(), revision.to_string().into());
    }
    text_in(scratch, object)
}
