//! The driver: runs controllers against an API server. It keeps the view up to date from the ordered feed, hands each
//! controller its keys, and carries out what they want.
//!
//! Knows tokio and time, so that controllers need not. Must not know: what any controller does.

mod api;
mod local;
#[cfg(test)]
mod local_tests;
mod queue;
mod recorder;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use jiff::Timestamp;
use serde_json::json;
use tokio::sync::watch;

use super::garbage::{COLLECTOR, Graph, NAMESPACES, ObjectRef, collect, reconcile_namespace};
use super::object::{is_deleting, key_of, namespace, uid};
use super::{Change, Controller, Kind, ObjectKey, Outcome, Pass, View, Write};
use crate::world::clock::Clock;
use crate::world::entropy::Entropy;
use crate::world::kube::api_error::ApiError;
pub use api::{Api, Committed, Feed, News, Request, Target};
pub use local::{LocalApi, LocalFeed};
use queue::{Item, Queue};
use recorder::Recorder;

/// After so many passes the driver lets other tasks run.
const PASSES_PER_TURN: u32 = 64;

/// What the driver is about, for those who wait for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Activity {
    /// Changes taken in so far.
    pub changes: u64,
    /// Whether keys wait to be looked at now.
    pub busy: bool,
    /// When the next timer is due.
    pub next_due: Option<Timestamp>,
}

impl Activity {
    /// Whether nothing is queued and nothing falls due before `now` plus `horizon`.
    #[must_use]
    pub fn is_settled(&self, now: Timestamp, horizon: Duration) -> bool {
        let horizon = jiff::SignedDuration::try_from(horizon).unwrap_or(jiff::SignedDuration::MAX);
        let limit = now.checked_add(horizon).unwrap_or(Timestamp::MAX);
        !self.busy && self.next_due.is_none_or(|due| due > limit)
    }
}

/// A view from outside on a running driver.
#[derive(Clone, Debug)]
pub struct Handle {
    activity: watch::Receiver<Activity>,
    clock: Clock,
}

impl Handle {
    /// What the driver is about.
    #[must_use]
    pub fn activity(&self) -> Activity {
        *self.activity.borrow()
    }

    /// Whether the driver has nothing to do until `horizon` from now. True says nothing about changes that it has not seen
    /// yet: let the runtime turn first (any await of a timer does).
    #[must_use]
    pub fn settled(&self, horizon: Duration) -> bool {
        self.activity().is_settled(self.clock.now(), horizon)
    }

    /// Waits until the driver is settled.
    pub async fn until_settled(&mut self, horizon: Duration) {
        loop {
            tokio::task::yield_now().await;
            if self.settled(horizon) {
                return;
            }
            if self.activity.changed().await.is_err() {
                return;
            }
        }
    }
}

/// Who works on a key: one of the controllers, or one of the two that work on the graph.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Worker {
    Collector,
    Namespaces,
    Controller(usize),
}

/// Runs controllers.
pub struct Driver<A> {
    api: A,
    clock: Clock,
    entropy: Entropy,
    controllers: Vec<Box<dyn Controller>>,
    watchers: BTreeMap<Kind, Arc<[usize]>>,
    view: View,
    graph: Graph,
    queue: Queue,
    recorder: Recorder,
    activity: watch::Sender<Activity>,
    changes: u64,
}

/// Places of the two graph workers in the queue's items; controllers follow.
const COLLECTOR_PLACE: usize = 0;
const NAMESPACES_PLACE: usize = 1;
const FIRST_CONTROLLER: usize = 2;

impl<A: Api> Driver<A> {
    /// A driver of these controllers, garbage collection and the deletion of namespaces included.
    #[must_use]
    pub fn new(api: A, clock: Clock, entropy: &Entropy, controllers: Vec<Box<dyn Controller>>) -> Self {
        let mut watchers: BTreeMap<Kind, Vec<usize>> = BTreeMap::new();
        for (place, controller) in controllers.iter().enumerate() {
            for kind in controller.watches() {
                watchers.entry(*kind).or_default().push(place);
            }
        }
        Self {
            api,
            clock,
            entropy: entropy.stream("controllers"),
            controllers,
            watchers: watchers
                .into_iter()
                .map(|(kind, places)| (kind, places.into()))
                .collect(),
            view: View::default(),
            graph: Graph::default(),
            queue: Queue::default(),
            recorder: Recorder::default(),
            activity: watch::Sender::new(Activity {
                busy: true,
                ..Activity::default()
            }),
            changes: 0,
        }
    }

    /// To look on from outside.
    #[must_use]
    pub fn handle(&self) -> Handle {
        Handle {
            activity: self.activity.subscribe(),
            clock: self.clock,
        }
    }

    /// Runs until the feed ends.
    pub async fn run(mut self, mut feed: impl Feed) {
        let mut passes = 0;
        loop {
            while let Some(news) = feed.take() {
                self.hear(news);
            }
            let now = self.clock.now();
            if let Some(item) = self.queue.pop(now) {
                self.work(item, now).await;
                passes += 1;
                if passes % PASSES_PER_TURN == 0 {
                    tokio::task::yield_now().await;
                }
                continue;
            }
            self.publish();
            if !self.idle(&mut feed).await {
                return;
            }
        }
    }

    /// Waits for a change or a timer; false: the feed has ended.
    async fn idle(&mut self, feed: &mut impl Feed) -> bool {
        let Some(due) = self.queue.next_due() else {
            return feed.ready().await;
        };
        let timer = tokio::time::sleep_until(self.clock.instant_of(due)).fuse();
        let mut timer = std::pin::pin!(timer);
        futures::select_biased! {
            more = feed.ready().fuse() => more,
            () = timer => true,
        }
    }

    fn publish(&self) {
        let activity = Activity {
            changes: self.changes,
            busy: !self.queue.is_empty(),
            next_due: self.queue.next_due(),
        };
        self.activity.send_replace(activity);
    }

    fn hear(&mut self, news: News) {
        let listed = match news {
            News::Committed(committed) => return self.observe(&committed),
            News::Listed(listed) => listed,
        };
        // What is known and not in the list is gone.
        let present: BTreeSet<String> = listed
            .iter()
            .filter_map(|held| held.new.as_ref())
            .map(|held| uid(held).to_owned())
            .collect();
        let gone: Vec<ObjectRef> = self
            .graph
            .objects()
            .filter(|held| !present.contains(&held.uid))
            .cloned()
            .collect();
        for held in gone {
            let kind = Kind::find(&held.resource.group, &held.resource.plural);
            let key = ObjectKey::new(held.namespace.as_str(), held.name.as_str());
            let known = kind
                .and_then(|kind| self.view.get(kind, &key))
                .filter(|known| uid(known) == held.uid);
            let bare = || json!({"metadata": {"namespace": held.namespace, "name": held.name, "uid": held.uid}});
            let old = Some(known.map_or_else(|| Arc::new(bare()), Arc::clone));
            self.observe(&Committed {
                resource: held.resource,
                old,
                new: None,
            });
        }
        for committed in &listed {
            self.observe(committed);
        }
    }

    /// Takes one change into the graph and the view, and queues the keys that it concerns.
    fn observe(&mut self, committed: &Committed) {
        self.changes += 1;
        let now = self.clock.now();
        let Committed { resource, old, new } = committed;
        for uid in self.graph.observe(resource, old.as_deref(), new.as_deref()) {
            self.queue.add((COLLECTOR_PLACE, ObjectKey::new("", uid)), now);
        }
        let Some(object) = new.as_ref().or(old.as_ref()) else {
            return;
        };
        self.observe_namespace(namespace(object), now);
        let Some(kind) = Kind::find(&resource.group, &resource.plural) else {
            return;
        };
        let key = key_of(object);
        if kind == Kind::NAMESPACE {
            self.queue.add((NAMESPACES_PLACE, key.clone()), now);
        }
        // Kinds that nobody watches are not kept; namespaces are, for their deletion.
        let watchers = self.watchers.get(&kind).cloned().unwrap_or_default();
        if watchers.is_empty() && kind != Kind::NAMESPACE {
            return;
        }
        let old = match new {
            Some(object) => self.view.insert(kind, key.clone(), Arc::clone(object)),
            None => self.view.remove(kind, &key),
        };
        let new = new.clone();
        let change = Change { kind, key, old, new };
        for place in watchers.iter().copied() {
            let Some(controller) = self.controllers.get(place) else {
                continue;
            };
            for key in controller.keys_for(&change, &self.view) {
                self.queue.add((place + FIRST_CONTROLLER, key), now);
            }
        }
    }

    /// A change inside a namespace that is being deleted brings it further.
    fn observe_namespace(&mut self, name: &str, now: Timestamp) {
        let held = self.view.named(Kind::NAMESPACE, name);
        if !name.is_empty() && held.is_some_and(|namespace| is_deleting(namespace)) {
            self.queue.add((NAMESPACES_PLACE, ObjectKey::new("", name)), now);
        }
    }

    async fn work(&mut self, item: Item, now: Timestamp) {
        let worker = match item.0 {
            COLLECTOR_PLACE => Worker::Collector,
            NAMESPACES_PLACE => Worker::Namespaces,
            place => Worker::Controller(place - FIRST_CONTROLLER),
        };
        let Outcome {
            writes,
            wake_after,
            rest,
        } = self.pass(worker, &item.1, now);
        let user = self.user(worker);
        for write in writes {
            if let Err(error) = self.execute(&user, &write).await {
                tracing::debug!(user, key = %item.1, error = error.message, "write failed");
                if let Worker::Controller(place) = worker
                    && let Some(controller) = self.controllers.get_mut(place)
                {
                    controller.failed(&item.1, &write, &error);
                }
                self.queue.failed(item, self.clock.now());
                return;
            }
        }
        self.queue.done(item, wake_after, rest, now);
    }

    fn pass(&mut self, worker: Worker, key: &ObjectKey, now: Timestamp) -> Outcome {
        let place = match worker {
            Worker::Collector => return collect(&self.graph, &key.name),
            Worker::Namespaces => {
                let namespace = self.view.named(Kind::NAMESPACE, &key.name);
                return namespace.map_or_else(Outcome::nothing, |held| reconcile_namespace(&self.graph, held, now));
            }
            Worker::Controller(place) => place,
        };
        let pass = Pass {
            view: &self.view,
            now,
            entropy: &self.entropy,
        };
        let controller = self.controllers.get_mut(place);
        controller.map_or_else(Outcome::nothing, |controller| controller.reconcile(key, &pass))
    }

    fn user(&self, worker: Worker) -> String {
        let name = match worker {
            Worker::Collector => COLLECTOR,
            Worker::Namespaces => NAMESPACES,
            Worker::Controller(place) => self.controllers.get(place).map_or("", |controller| controller.name()),
        };
        if name.starts_with("system:") {
            name.to_owned()
        } else {
            format!("system:serviceaccount:kube-system:{name}")
        }
    }

    async fn execute(&mut self, user: &str, write: &Write) -> Result<(), ApiError> {
        if let Write::Event(event) = write {
            if let Some((request, key)) = self.recorder.record(event, self.clock.now())
                && self.api.send(user, request).await.is_err()
            {
                // Events are told on a best effort; the next one makes a new object.
                self.recorder.lost(&key);
            }
            return Ok(());
        }
        let Some(request) = request(write) else { return Ok(()) };
        let may_be_gone = matches!(request, Request::Delete { .. } | Request::Patch { .. });
        match self.api.send(user, request).await {
            Err(error) if may_be_gone && error.code == 404 => Ok(()),
            result => result,
        }
    }
}

fn request(write: &Write) -> Option<Request> {
    Some(match write.clone() {
        Write::Create { kind, object } => Request::Create { kind, object },
        Write::Update { kind, object } => Request::Update {
            kind,
            object,
            status: false,
        },
        Write::UpdateStatus { kind, object } => Request::Update {
            kind,
            object,
            status: true,
        },
        Write::MergePatch {
            kind,
            key,
            status,
            patch,
        } => {
            let target = Target::Known(kind, key);
            Request::Patch { target, patch, status }
        }
        Write::Delete {
            kind,
            key,
            uid,
            grace_secs,
            propagation,
        } => {
            let target = Target::Known(kind, key);
            Request::Delete {
                target,
                uid,
                grace_secs,
                propagation,
            }
        }
        Write::DeleteAny { object, propagation } => {
            let uid = Some(object.uid.clone());
            let target = Target::Any(object);
            Request::Delete {
                target,
                uid,
                grace_secs: None,
                propagation,
            }
        }
        Write::PatchAny { object, patch } => {
            let target = Target::Any(object);
            Request::Patch {
                target,
                patch,
                status: false,
            }
        }
        Write::Bind { pod, pod_uid, node } => Request::Bind { pod, pod_uid, node },
        Write::Finalize { namespace } => Request::Finalize { namespace },
        Write::Event(_) => return None,
    })
}
