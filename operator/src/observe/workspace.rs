//! What belongs to a Workspace.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::stream::{BoxStream, StreamExt, select_all};
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::{ControllerRevision, StatefulSet};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Node, Pod, Service};
use kube::api::ListParams;
use kube::runtime::watcher;
use kube::{Api, Client, Resource};
use operator_api::labels::{WORKSPACE, WORKSPACE_NAME, WORKSPACE_NAMESPACE, without_reserved};
use operator_api::{NodeClaim, Workspace};
use operator_plan::workspace::nodes::{gpus, is_ready};
use operator_plan::workspace::{Observed, Supply, next_workload, references, supply};

use super::references::look_up;
use crate::kube::{Cache, Key};
use operator_plan::manifests::Settings;

/// What the operator keeps of a cluster for its Workspaces. Clones are the same caches.
#[derive(Clone)]
pub struct Caches {
    claims: Option<Cache<NodeClaim>>,
    nodes: Cache<Node>,
    pods: Cache<Pod>,
    stateful_sets: Cache<StatefulSet>,
    jobs: Cache<Job>,
    services: Cache<Service>,
    revisions: Cache<ControllerRevision>,
    config_maps: Cache<ConfigMap>,
}

impl Caches {
    /// Empty caches; `with_claims`: whether the cluster is asked for NodeClaims at all.
    pub fn new(with_claims: bool) -> Self {
        Self {
            claims: with_claims.then(|| Cache::new(by_labels, None)),
            nodes: Cache::new(node_owners, Some(node_digest)),
            pods: Cache::new(by_labels, None),
            stateful_sets: Cache::new(by_labels, None),
            jobs: Cache::new(by_labels, None),
            services: Cache::new(by_labels, None),
            revisions: Cache::new(by_revision_label, None),
            config_maps: Cache::new(itself, Some(config_digest)),
        }
    }

    /// Fills the caches for as long as the stream is polled, and names what has changed: Workspaces, nodes that may be
    /// anybody's, ConfigMaps.
    pub fn follow(&self, client: &Client) -> BoxStream<'static, Woken> {
        let labelled = watcher::Config::default().labels(WORKSPACE);
        let mut streams: Vec<BoxStream<'static, Woken>> = vec![
            owned(&self.pods, client, &labelled),
            owned(&self.stateful_sets, client, &labelled),
            owned(&self.jobs, client, &labelled),
            owned(&self.services, client, &labelled),
            owned(
                &self.revisions,
                client,
                &watcher::Config::default().labels(WORKSPACE_NAME),
            ),
            self.nodes
                .follow(Api::all(client.clone()), watcher::Config::default())
                .map(|key| match key.namespace.as_str() {
                    "" => Woken::Node,
                    _ => Woken::Workspace(key),
                })
                .boxed(),
            self.config_maps
                .follow(Api::all(client.clone()), watcher::Config::default())
                .map(Woken::ConfigMap)
                .boxed(),
        ];
        if let Some(claims) = &self.claims {
            streams.push(owned(claims, client, &labelled));
        }
        select_all(streams).boxed()
    }

    /// Waits until every first list is in.
    pub async fn filled(&self) {
        if let Some(claims) = &self.claims {
            claims.filled().await;
        }
        self.nodes.filled().await;
        self.pods.filled().await;
        self.stateful_sets.filled().await;
        self.jobs.filled().await;
        self.services.filled().await;
        self.revisions.filled().await;
    }
}

/// What a change concerns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Woken {
    /// This Workspace.
    Workspace(Key),
    /// A node that belongs to no Workspace by its labels: those that bring their nodes.
    Node,
    /// A ConfigMap: the Workspaces that refer to it.
    ConfigMap(Key),
}

fn owned<K>(cache: &Cache<K>, client: &Client, config: &watcher::Config) -> BoxStream<'static, Woken>
where
    K: Resource<DynamicType = ()> + Clone + std::fmt::Debug + serde::de::DeserializeOwned + Send + Sync + 'static,
{
    let api: Api<K> = Api::all(client.clone());
    cache.follow(api, config.clone()).map(Woken::Workspace).boxed()
}

/// Gathers everything about one Workspace.
///
/// # Errors
/// When a read that a deletion rests on fails.
pub async fn observe(
    caches: &Caches,
    client: &Client,
    workspace: &Workspace,
    settings: &Settings,
    now: Timestamp,
    error: Option<String>,
) -> kube::Result<Observed> {
    let key = Key::of(workspace);
    let deleting = workspace.metadata.deletion_timestamp.is_some();
    let claims = match &caches.claims {
        // The finalizer is dropped when no claim is left: that must not rest on what a watch has brought so far.
        Some(_) if deleting => live_claims(client, &key).await?,
        Some(claims) => claims.of(&key),
        None => Vec::new(),
    };
    let references = match deleting {
        true => Vec::new(),
        false => look_up(client, &key.namespace, references(workspace)).await,
    };
    let next = Key {
        name: next_workload(&key.name),
        ..key.clone()
    };
    Ok(Observed {
        nodes: nodes(caches, workspace, settings),
        claims,
        pods: caches.pods.of(&key),
        stateful_set: caches
            .stateful_sets
            .get(&key)
            .filter(|set| belongs(set.as_ref(), workspace)),
        next: caches
            .stateful_sets
            .get(&next)
            .filter(|set| belongs(set.as_ref(), workspace)),
        job: caches.jobs.get(&key).filter(|job| belongs(job.as_ref(), workspace)),
        services: caches.services.of(&key),
        revisions: caches.revisions.of(&key),
        references,
        workspace: workspace.clone(),
        now,
        error,
    })
}

async fn live_claims(client: &Client, key: &Key) -> kube::Result<Vec<Arc<NodeClaim>>> {
    let selector = format!("{WORKSPACE}={},{WORKSPACE_NAMESPACE}={}", key.name, key.namespace);
    let api: Api<NodeClaim> = Api::all(client.clone());
    match api.list(&ListParams::default().labels(&selector)).await {
        Ok(list) => Ok(list.items.into_iter().map(Arc::new).collect()),
        // Without the kind there is no claim.
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(Vec::new()),
        Err(error) => Err(error),
    }
}

/// Nodes that match the user's labels; those that we bring up carry the Workspace's name too.
fn nodes(caches: &Caches, workspace: &Workspace, settings: &Settings) -> Vec<Arc<Node>> {
    let selector = workspace.resource.label_selector.as_ref();
    let wanted = without_reserved(
        selector
            .iter()
            .flat_map(|selector| selector.match_labels.iter().flatten()),
    );
    match supply(workspace, settings) {
        Supply::Claims => {
            let mut nodes = caches.nodes.of(&Key::of(workspace));
            nodes.retain(|node| has_labels(node, &wanted));
            nodes
        }
        Supply::Byo => caches.nodes.select(|node| has_labels(node, &wanted)),
    }
}

fn has_labels(node: &Node, wanted: &BTreeMap<String, String>) -> bool {
    let labels = node.metadata.labels.as_ref();
    wanted
        .iter()
        .all(|(key, value)| labels.and_then(|labels| labels.get(key)) == Some(value))
}

/// An object of this very Workspace, not of one of the same name that was there before.
fn belongs<K: Resource>(object: &K, workspace: &Workspace) -> bool {
    let owners = object.meta().owner_references.iter().flatten();
    let mut kinds = owners.filter(|owner| owner.kind == "Workspace");
    kinds.all(|owner| Some(&owner.uid) == workspace.metadata.uid.as_ref())
}

fn by_labels<K: Resource>(object: &K) -> Vec<Key> {
    let meta = object.meta();
    let label = |key| meta.labels.as_ref().and_then(|labels| labels.get(key)).cloned();
    let Some(name) = label(WORKSPACE) else {
        return Vec::new();
    };
    let namespace = meta.namespace.clone().or_else(|| label(WORKSPACE_NAMESPACE));
    vec![Key {
        namespace: namespace.unwrap_or_default(),
        name,
    }]
}

fn by_revision_label(revision: &ControllerRevision) -> Vec<Key> {
    let meta = &revision.metadata;
    let name = meta.labels.as_ref().and_then(|labels| labels.get(WORKSPACE_NAME));
    let key = |name: &String| Key {
        namespace: meta.namespace.clone().unwrap_or_default(),
        name: name.clone(),
    };
    name.map(key).into_iter().collect()
}

/// The Workspace of its labels, and (with an empty namespace) the node itself, for Workspaces that bring their nodes.
fn node_owners(node: &Node) -> Vec<Key> {
    let mut owners = by_labels(node);
    owners.push(Key::of(node));
    owners
}

/// Of a node, which changes every few seconds: what a Workspace rests on.
pub fn node_digest(node: &Node) -> String {
    let conditions = node.status.iter().flat_map(|status| status.conditions.iter().flatten());
    let conditions: Vec<_> = conditions.map(|it| (it.type_.as_str(), it.status.as_str())).collect();
    let meta = &node.metadata;
    let taints = node.spec.as_ref().and_then(|spec| spec.taints.as_ref());
    format!(
        "{:?}{:?}{taints:?}{conditions:?}{}{}",
        meta.labels,
        meta.deletion_timestamp,
        gpus(node),
        is_ready(node)
    )
}

fn itself(map: &ConfigMap) -> Vec<Key> {
    vec![Key::of(map)]
}

fn config_digest(map: &ConfigMap) -> String {
    format!("{:?}", map.data)
}
