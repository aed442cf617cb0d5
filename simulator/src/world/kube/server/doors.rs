//! The verbs without HTTP, for what lives in the same process; and the feed of every committed write.

use std::sync::Arc;

use serde_json::{Value, json};
use tokio::sync::watch;

use super::ApiServer;
use super::call::Call;
use super::modify::Change;
use super::options::Options;
use super::request::Verb;
use super::rules;
use crate::world::kube::api_error::ApiError;
use crate::world::kube::auth::UserInfo;
use crate::world::kube::resources::{GroupResource, ResourceType, Subresource};
use crate::world::kube::store::{Compacted, Event, Key};

/// Every committed write, in order, from where the feed was opened.
#[derive(Debug)]
pub struct Feed {
    server: ApiServer,
    cursor: u64,
    changed: watch::Receiver<u64>,
}

impl Feed {
    /// The writes since the last call; empty when there are none.
    ///
    /// # Errors
    /// When the store has forgotten some of them: list again.
    pub fn take(&mut self) -> Result<Vec<Arc<Event>>, Compacted> {
        self.changed.borrow_and_update();
        let events = self.server.state().store.all_changes(self.cursor)?;
        if let Some(last) = events.last() {
            self.cursor = last.revision;
        }
        Ok(events)
    }

    /// Waits until there is one.
    pub async fn changed(&mut self) {
        // The sender lives in the store, which lives as long as this feed's server.
        let _ = self.changed.changed().await;
    }
}

impl ApiServer {
    /// All objects now, and the feed of what comes after.
    #[must_use]
    pub fn feed(&self) -> (Vec<(Arc<GroupResource>, Key, Value)>, Feed) {
        let state = self.state();
        let mut objects = Vec::new();
        for resource in state.store.resources() {
            for (key, stored) in state.store.list(resource, None, None) {
                if let Ok(value) = serde_json::from_slice(&stored.json) {
                    objects.push((resource.clone(), key.clone(), value));
                }
            }
        }
        let feed = Feed {
            server: self.clone(),
            cursor: state.store.revision(),
            changed: state.store.subscribe_all(),
        };
        (objects, feed)
    }

    /// Revision of the last write: unchanged means that nobody wrote.
    #[must_use]
    pub fn revision(&self) -> u64 {
        self.state().store.revision()
    }

    /// The resource that a path segment names, in a version.
    ///
    /// # Errors
    /// When it is not served.
    pub fn resource(&self, group: &str, version: &str, plural: &str) -> Result<Arc<ResourceType>, ApiError> {
        self.state()
            .registry
            .get(group, version, plural)
            .cloned()
            .ok_or_else(ApiError::no_such_path)
    }

    /// The resource in whichever version it is served, for what deletes anything (garbage collection, namespaces).
    ///
    /// # Errors
    /// When it is not served.
    pub fn any_resource(&self, place: &GroupResource) -> Result<Arc<ResourceType>, ApiError> {
        self.state()
            .any_version(&place.group, &place.plural)
            .ok_or_else(ApiError::no_such_path)
    }

    /// A door for `user` to one resource.
    #[must_use]
    pub fn door(&self, user: UserInfo, resource: Arc<ResourceType>) -> Door {
        Door {
            server: self.clone(),
            user,
            resource,
        }
    }
}

/// The verbs on one resource, as one user. Same rules as through HTTP, without authorization.
#[derive(Clone, Debug)]
pub struct Door {
    server: ApiServer,
    user: UserInfo,
    resource: Arc<ResourceType>,
}

impl Door {
    fn call(&self, namespace: &str, name: &str, sub: Option<Subresource>, options: Options) -> Call {
        let agent = self.user.username.rsplit(':').next().unwrap_or_default().to_owned();
        Call {
            user: self.user.clone(),
            resource: self.resource.clone(),
            sub,
            namespace: if self.resource.namespaced {
                namespace.to_owned()
            } else {
                String::new()
            },
            name: name.to_owned(),
            options,
            agent,
        }
    }

    /// GET.
    ///
    /// # Errors
    /// 404.
    pub fn get(&self, namespace: &str, name: &str) -> Result<Value, ApiError> {
        let call = self.call(namespace, name, None, Options::default());
        let found = self.server.state().read(&self.resource.group_resource(), &call.key());
        let (mut object, _) = found.ok_or_else(|| call.not_found())?;
        rules::from_storage(&self.resource, &mut object);
        Ok(object)
    }

    /// GET of a collection; all namespaces when `namespace` is empty.
    ///
    /// # Errors
    /// None without selectors, but for planted faults.
    pub fn list(&self, namespace: &str) -> Result<Vec<Value>, ApiError> {
        let page = self.server.list(&self.call(namespace, "", None, Options::default()))?;
        Ok(page
            .items
            .iter()
            .filter_map(|text| serde_json::from_slice(text).ok())
            .collect())
    }

    /// POST.
    ///
    /// # Errors
    /// As the API answers.
    pub async fn create(&self, mut object: Value) -> Result<Value, ApiError> {
        let namespace = object["metadata"]["namespace"].as_str().unwrap_or_default().to_owned();
        let call = self.call(&namespace, "", None, Options::default());
        self.faulty(&call, Verb::Create)?;
        rules::decode(
            &self.resource,
            &mut object,
            &[],
            super::options::FieldValidation::Ignore,
            &mut Vec::new(),
        )?;
        self.server
            .create(&call, object, Vec::new())
            .await
            .map(|written| written.object)
    }

    /// PUT, on the status subresource if `status`.
    ///
    /// # Errors
    /// As the API answers.
    pub async fn update(&self, mut object: Value, status: bool) -> Result<Value, ApiError> {
        let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
        let (namespace, name) = (text("namespace"), text("name"));
        let sub = status.then_some(Subresource::Status);
        let call = self.call(&namespace, &name, sub, Options::default());
        self.faulty(&call, Verb::Update)?;
        rules::decode(
            &self.resource,
            &mut object,
            &[],
            super::options::FieldValidation::Ignore,
            &mut Vec::new(),
        )?;
        self.server
            .modify(&call, Change::Replace(object), Vec::new())
            .await
            .map(|written| written.object)
    }

    /// Merge patch, on the status subresource if `status`.
    ///
    /// # Errors
    /// As the API answers.
    pub async fn merge(&self, namespace: &str, name: &str, status: bool, patch: Value) -> Result<Value, ApiError> {
        let sub = status.then_some(Subresource::Status);
        let call = self.call(namespace, name, sub, Options::default());
        self.faulty(&call, Verb::Patch)?;
        self.server
            .modify(&call, Change::Merge(patch.into()), Vec::new())
            .await
            .map(|written| written.object)
    }

    /// DELETE with the options of a DeleteOptions body.
    ///
    /// # Errors
    /// As the API answers.
    pub async fn delete(&self, namespace: &str, name: &str, options: &Value) -> Result<(), ApiError> {
        let mut query = Options::default();
        query.merge_delete_body(options);
        let call = self.call(namespace, name, None, query);
        self.faulty(&call, Verb::Delete)?;
        self.server.delete(&call, &mut Vec::new()).await.map(|_| ())
    }

    /// POST on a pod's `binding`.
    ///
    /// # Errors
    /// As the API answers.
    pub async fn bind(&self, namespace: &str, pod: &str, pod_uid: &str, node: &str) -> Result<(), ApiError> {
        let call = self.call(namespace, pod, Some(Subresource::Binding), Options::default());
        self.faulty(&call, Verb::Create)?;
        let binding =
            json!({ "metadata": { "name": pod, "uid": pod_uid }, "target": { "kind": "Node", "name": node } });
        self.server.bind_pod(&call, &binding).await.map(|_| ())
    }

    /// PUT on a Namespace's `finalize`.
    ///
    /// # Errors
    /// As the API answers.
    pub async fn finalize(&self, namespace: Value) -> Result<Value, ApiError> {
        let name = namespace["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let call = self.call("", &name, Some(Subresource::Finalize), Options::default());
        self.server
            .modify(&call, Change::Replace(namespace), Vec::new())
            .await
            .map(|written| written.object)
    }

    fn faulty(&self, call: &Call, verb: Verb) -> Result<(), ApiError> {
        self.server.faults().before(call, verb)
    }
}
