//! The driver with an API of its own: settling, garbage, namespaces, retries.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use futures::future::BoxFuture;
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::super::deployment::Deployments;
use super::super::garbage::Resource;
use super::super::harness::Cluster;
use super::super::object::{count, name, put};
use super::super::replica_set::ReplicaSets;
use super::*;
use crate::world::clock::DEFAULT_EPOCH;

/// The test cluster behind the driver's doors.
#[derive(Clone)]
struct Doors(Arc<Shared>);

struct Shared {
    cluster: Mutex<Cluster>,
    feed: Mutex<VecDeque<Committed>>,
    more: Notify,
    users: Mutex<Vec<String>>,
}

impl Doors {
    fn new() -> Self {
        Self(Arc::new(Shared {
            cluster: Mutex::new(Cluster::new()),
            feed: Mutex::default(),
            more: Notify::new(),
            users: Mutex::default(),
        }))
    }

    fn with<T>(&self, work: impl FnOnce(&mut Cluster) -> T) -> T {
        let mut cluster = self.0.cluster.lock().unwrap_or_else(PoisonError::into_inner);
        let result = work(&mut cluster);
        let changes = cluster.take_changes().into_iter().map(|change| Committed {
            resource: Arc::new(Resource {
                group: change.kind.group.into(),
                version: change.kind.version.into(),
                kind: change.kind.kind.into(),
                plural: change.kind.plural.into(),
                namespaced: change.kind.namespaced,
            }),
            old: change.old,
            new: change.new,
        });
        self.0
            .feed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .extend(changes);
        self.0.more.notify_one();
        result
    }
}

impl Api for Doors {
    fn send<'a>(&'a self, user: &'a str, request: Request) -> BoxFuture<'a, Result<(), ApiError>> {
        self.0
            .users
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(user.to_owned());
        let write = match request {
            Request::Create { kind, object } => Write::Create { kind, object },
            Request::Update {
                kind,
                object,
                status: false,
            } => Write::Update { kind, object },
            Request::Update {
                kind,
                object,
                status: true,
            } => Write::UpdateStatus { kind, object },
            Request::Patch { target, patch, status } => {
                let (kind, key) = known(target);
                Write::MergePatch {
                    kind,
                    key,
                    status,
                    patch,
                }
            }
            Request::Delete {
                target,
                uid,
                grace_secs,
                propagation,
            } => {
                let (kind, key) = known(target);
                Write::Delete {
                    kind,
                    key,
                    uid,
                    grace_secs,
                    propagation,
                }
            }
            Request::Bind { pod, pod_uid, node } => Write::Bind { pod, pod_uid, node },
            Request::Finalize { namespace } => Write::Finalize { namespace },
        };
        let result = self.with(|cluster| cluster.apply(&write));
        Box::pin(async move { result })
    }
}

fn known(target: Target) -> (Kind, ObjectKey) {
    match target {
        Target::Known(kind, key) => (kind, key),
        Target::Any(object) => {
            let kind = Kind::find(&object.resource.group, &object.resource.plural);
            (
                kind.unwrap_or(Kind::SECRET),
                ObjectKey::new(object.namespace.as_str(), object.name.as_str()),
            )
        }
    }
}

impl Feed for Doors {
    fn take(&mut self) -> Option<News> {
        self.0
            .feed
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop_front()
            .map(News::Committed)
    }

    fn ready(&mut self) -> BoxFuture<'_, bool> {
        Box::pin(async {
            self.0.more.notified().await;
            true
        })
    }
}

fn deployment() -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"namespace": "default", "name": "web"},
        "spec": {
            "replicas": 3,
            "progressDeadlineSeconds": 600,
            "selector": {"matchLabels": {"app": "web"}},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "main"}]}},
        },
    })
}

fn start(doors: &Doors) -> Handle {
    let controllers: Vec<Box<dyn Controller>> = vec![Box::<Deployments>::default(), Box::<ReplicaSets>::default()];
    let clock = Clock::new(DEFAULT_EPOCH, 1.0);
    let driver = Driver::new(doors.clone(), clock, &Entropy::new(1), controllers);
    let handle = driver.handle();
    tokio::spawn(driver.run(doors.clone()));
    handle
}

#[tokio::test(start_paused = true)]
async fn runs_controllers_until_settled() {
    let doors = Doors::new();
    let mut handle = start(&doors);
    let key = doors.with(|cluster| cluster.create(Kind::DEPLOYMENT, deployment()));
    handle.until_settled(Duration::from_secs(60)).await;
    assert_eq!(doors.with(|cluster| cluster.view.count(Kind::POD)), 3);
    assert!(
        !handle.settled(Duration::from_secs(700)),
        "the progress deadline is a timer"
    );
    doors.with(Cluster::run_pods);
    handle.until_settled(Duration::from_secs(3600)).await;
    let status = doors.with(|cluster| cluster.get(Kind::DEPLOYMENT, &key)["status"].clone());
    assert_eq!(count(&status, "/availableReplicas"), 3);
    let users = doors.0.users.lock().unwrap().clone();
    assert_eq!(
        users.first().map(String::as_str),
        Some("system:serviceaccount:kube-system:deployment-controller")
    );
    let events = doors.with(|cluster| cluster.names(Kind::EVENT));
    assert_eq!(events.len(), 4, "{events:?}");
}

#[tokio::test(start_paused = true)]
async fn collects_what_a_deleted_owner_leaves() {
    let doors = Doors::new();
    let mut handle = start(&doors);
    let key = doors.with(|cluster| cluster.create(Kind::DEPLOYMENT, deployment()));
    handle.until_settled(Duration::ZERO).await;
    doors.with(|cluster| cluster.vanish(Kind::DEPLOYMENT, &key));
    handle.until_settled(Duration::from_secs(3600)).await;
    let left = doors.with(|cluster| (cluster.view.count(Kind::REPLICA_SET), cluster.view.count(Kind::POD)));
    assert_eq!(left, (0, 0));
}

#[tokio::test(start_paused = true)]
async fn empties_a_namespace_and_lets_it_go() {
    let doors = Doors::new();
    let mut handle = start(&doors);
    let namespace = json!({"metadata": {"name": "default"}, "spec": {"finalizers": ["kubernetes"]}});
    let key = doors.with(|cluster| {
        let key = cluster.create(Kind::NAMESPACE, namespace);
        cluster.create(Kind::DEPLOYMENT, deployment());
        key
    });
    handle.until_settled(Duration::ZERO).await;
    doors.with(|cluster| {
        let edit = |object: &mut Value| {
            put(
                object,
                &["metadata", "deletionTimestamp"],
                json!("2026-01-01T00:00:00Z"),
            );
        };
        cluster.edit(Kind::NAMESPACE, &key, edit);
    });
    handle.until_settled(Duration::from_secs(1)).await;
    let left = doors.with(|cluster| (cluster.names(Kind::NAMESPACE), cluster.names(Kind::DEPLOYMENT)));
    assert_eq!(left, (vec![], vec![]));
}

#[tokio::test(start_paused = true)]
async fn failed_writes_are_tried_again() {
    let doors = Doors::new();
    let mut handle = start(&doors);
    doors.with(|cluster| {
        cluster.refuse.insert(Kind::POD, ApiError::internal("not now"));
        cluster.create(Kind::DEPLOYMENT, deployment());
    });
    handle.until_settled(Duration::ZERO).await;
    assert_eq!(doors.with(|cluster| cluster.view.count(Kind::POD)), 0);
    doors.with(|cluster| cluster.refuse.clear());
    tokio::time::sleep(Duration::from_secs(60)).await;
    handle.until_settled(Duration::ZERO).await;
    assert_eq!(doors.with(|cluster| cluster.view.count(Kind::POD)), 3);
    let set = doors.with(|cluster| {
        cluster
            .view
            .all(Kind::REPLICA_SET)
            .map(|(_, set)| name(set).to_owned())
            .collect::<String>()
    });
    assert!(set.starts_with("web-"), "{set}");
}
