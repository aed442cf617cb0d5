//! The driver's API server when that is the simulator's own: doors and feed without HTTP.
//!
//! Must not know: controllers.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use futures::future::BoxFuture;
use serde_json::{Value, json};

use super::super::garbage::Resource;
use super::super::object::{drop_key, text};
use super::super::{Kind, ObjectKey};
use super::api::{Api, Committed, Feed, News, Request, Target};
use crate::world::kube::api_error::ApiError;
use crate::world::kube::auth::UserInfo;
use crate::world::kube::resources::{GroupResource, ResourceType};
use crate::world::kube::server::{self, ApiServer};
use crate::world::kube::store::Event;

/// Writes through the doors of an [`ApiServer`].
#[derive(Debug)]
pub struct LocalApi {
    server: ApiServer,
    resources: Mutex<BTreeMap<Kind, Arc<ResourceType>>>,
}

impl LocalApi {
    /// Doors of this server.
    #[must_use]
    pub fn new(server: ApiServer) -> Self {
        let resources = Mutex::default();
        Self { server, resources }
    }

    /// Built-in kinds never change, so that each is looked up once.
    fn known(&self, kind: Kind) -> Result<Arc<ResourceType>, ApiError> {
        let mut resources = self.resources.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(resource) = resources.get(&kind) {
            return Ok(Arc::clone(resource));
        }
        let resource = self.server.resource(kind.group, kind.version, kind.plural)?;
        resources.insert(kind, Arc::clone(&resource));
        Ok(resource)
    }

    fn door(&self, user: &str, kind: Kind) -> Result<server::Door, ApiError> {
        Ok(self.server.door(user_info(user), self.known(kind)?))
    }

    fn target(&self, user: &str, target: &Target) -> Result<(server::Door, ObjectKey), ApiError> {
        match target {
            Target::Known(kind, key) => Ok((self.door(user, *kind)?, key.clone())),
            Target::Any(object) => {
                let place = GroupResource {
                    group: object.resource.group.clone(),
                    plural: object.resource.plural.clone(),
                };
                let door = self.server.door(user_info(user), self.server.any_resource(&place)?);
                Ok((door, ObjectKey::new(object.namespace.as_str(), object.name.as_str())))
            }
        }
    }

    async fn answer(&self, user: &str, request: Request) -> Result<(), ApiError> {
        match request {
            Request::Create { kind, object } => self.door(user, kind)?.create(object).await.map(drop),
            Request::Update { kind, object, status } => self.door(user, kind)?.update(object, status).await.map(drop),
            Request::Patch { target, patch, status } => {
                let (door, key) = self.target(user, &target)?;
                door.merge(&key.namespace, &key.name, status, patch).await.map(drop)
            }
            Request::Delete {
                target,
                uid,
                grace_secs,
                propagation,
            } => {
                let (door, key) = self.target(user, &target)?;
                let options = json!({
                    "propagationPolicy": propagation,
                    "gracePeriodSeconds": grace_secs,
                    "preconditions": {"uid": uid},
                });
                door.delete(&key.namespace, &key.name, &options).await
            }
            Request::Bind { pod, pod_uid, node } => {
                let door = self.door(user, Kind::POD)?;
                door.bind(&pod.namespace, &pod.name, &pod_uid, &node).await
            }
            Request::Finalize { namespace } => {
                let door = self.door(user, Kind::NAMESPACE)?;
                door.finalize(namespace).await.map(drop)
            }
        }
    }
}

impl Api for LocalApi {
    fn send<'a>(&'a self, user: &'a str, request: Request) -> BoxFuture<'a, Result<(), ApiError>> {
        Box::pin(self.answer(user, request))
    }
}

fn user_info(user: &str) -> UserInfo {
    if user.starts_with("system:serviceaccount:kube-system:") {
        UserInfo::new(user, &["system:serviceaccounts", "system:serviceaccounts:kube-system"])
    } else {
        UserInfo::new(user, &[])
    }
}

/// The ordered feed of an [`ApiServer`].
#[derive(Debug)]
pub struct LocalFeed {
    server: ApiServer,
    feed: server::Feed,
    waiting: VecDeque<News>,
    resources: BTreeMap<Arc<GroupResource>, Arc<Resource>>,
}

impl LocalFeed {
    /// All objects now, then every write.
    #[must_use]
    pub fn new(server: ApiServer) -> Self {
        let (objects, feed) = server.feed();
        let (waiting, resources) = (VecDeque::new(), BTreeMap::new());
        let mut local = Self {
            server,
            feed,
            waiting,
            resources,
        };
        local.list(objects.into_iter().map(|(resource, _, object)| (resource, object)));
        local
    }

    fn list(&mut self, objects: impl Iterator<Item = (Arc<GroupResource>, Value)>) {
        let listed = objects.map(|(place, mut object)| {
            lean(&place, &mut object);
            Committed {
                resource: self.resource(&place, &object),
                old: None,
                new: Some(Arc::new(object)),
            }
        });
        let listed = listed.collect();
        self.waiting.push_back(News::Listed(listed));
    }

    fn fill(&mut self) {
        match self.feed.take() {
            Ok(events) => {
                for event in events {
                    let news = self.read(&event);
                    self.waiting.extend(news.map(News::Committed));
                }
            }
            Err(_) => {
                // More was written between two looks than the server remembers: begin anew from a list.
                let (objects, feed) = self.server.feed();
                self.feed = feed;
                self.list(objects.into_iter().map(|(resource, _, object)| (resource, object)));
            }
        }
    }

    fn read(&mut self, event: &Event) -> Option<Committed> {
        // What was there before is in the view; its text is read only for a deletion, which carries nothing else.
        let present = event.new.is_some();
        let mut object: Value = serde_json::from_slice(event.new.as_ref().or(event.old.as_ref())?).ok()?;
        lean(&event.resource, &mut object);
        let resource = self.resource(&event.resource, &object);
        let object = Some(Arc::new(object));
        let (old, new) = if present { (None, object) } else { (object, None) };
        Some(Committed { resource, old, new })
    }

    fn resource(&mut self, place: &Arc<GroupResource>, object: &Value) -> Arc<Resource> {
        if let Some(resource) = self.resources.get(place) {
            return Arc::clone(resource);
        }
        let api_version = text(object, "/apiVersion");
        let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
        let resource = Arc::new(Resource {
            group: group.to_owned(),
            version: version.to_owned(),
            kind: text(object, "/kind").to_owned(),
            plural: place.plural.clone(),
            namespaced: !text(object, "/metadata/namespace").is_empty(),
        });
        self.resources.insert(Arc::clone(place), Arc::clone(&resource));
        resource
    }
}

/// Without what no controller looks at: field owners, often the largest part (a write without them keeps them), and what
/// Events say, the most numerous of all objects.
fn lean(place: &GroupResource, object: &mut Value) {
    drop_key(object, "/metadata", "managedFields");
    if place.group.is_empty()
        && place.plural == "events"
        && let Some(event) = object.as_object_mut()
    {
        const KEPT: [&str; 6] = ["apiVersion", "kind", "metadata", "lastTimestamp", "eventTime", "series"];
        event.retain(|field, _| KEPT.contains(&field.as_str()));
    }
}

impl Feed for LocalFeed {
    fn take(&mut self) -> Option<News> {
        if self.waiting.is_empty() {
            self.fill();
        }
        self.waiting.pop_front()
    }

    fn ready(&mut self) -> BoxFuture<'_, bool> {
        Box::pin(async {
            if self.waiting.is_empty() {
                self.feed.changed().await;
            }
            true
        })
    }
}
