//! What must hold in every run, whatever the scenario. Each invariant has a name, by which a failure tells it.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;

use super::format::ObjectPath;
use super::picture::{Change, Picture};
use crate::world::arm::Aks;
use crate::world::control::object::{label, list, text};

/// How long something may be wrong while news of it is on its way.
const GRACE: Duration = Duration::from_secs(5);
/// How long a pool may be without a claim: until the operator, back from a crash, has noticed.
const OWNERLESS: Duration = Duration::from_secs(600);

/// An invariant: its name, and what it says.
pub type Invariant = (&'static str, &'static str);

/// All of them.
pub const INVARIANTS: [Invariant; 9] = [
    (
        "one-pool-per-claim",
        "no more agent pools than the Workspaces want nodes",
    ),
    (
        "no-ownerless-pool",
        "no agent pool without a claim for longer than ten minutes",
    ),
    (
        "ready-is-true",
        "a Workspace that says Ready has its replicas, and enough GPUs can be had",
    ),
    ("generation-grows", "the generation of an object never goes back"),
    (
        "generation-is-observed",
        "every condition of a Workspace speaks of its present generation",
    ),
    (
        "finalizer-holds",
        "no claim goes while its pool exists, no Workspace while it has claims",
    ),
    ("settled-is-silent", "in a settled world the operator writes nothing"),
    (
        "deleted-leaves-nothing",
        "a deleted Workspace leaves no workload, Service, claim or pool",
    ),
    (
        "gpu-time-within-plan",
        "GPU machines are paid for no longer than the scenario allows",
    ),
];

/// Watches a run.
#[derive(Debug, Default)]
pub(super) struct Audit {
    /// Since when an invariant does not hold, and what was seen.
    since: BTreeMap<(&'static str, String), (Duration, String)>,
    gone: BTreeSet<ObjectPath>,
    broken: Vec<String>,
}

impl Audit {
    /// What was broken so far.
    pub(super) fn broken(&self) -> &[String] {
        &self.broken
    }

    /// Notes a broken invariant, once.
    pub(super) fn breaks(&mut self, name: &'static str, at: Duration, what: &str) {
        let line = format!("{name}: {what} (at {:.3} s)", at.as_secs_f64());
        if !self
            .broken
            .iter()
            .any(|old| old.starts_with(&format!("{name}: {what}")))
        {
            self.broken.push(line);
        }
    }

    /// Looks at one change.
    pub(super) fn change(&mut self, change: &Change, picture: &Picture, aks: &Aks, at: Duration) {
        let generation = |object: &Option<Value>| {
            let object = object.as_ref()?;
            Some((
                text(object, "/metadata/uid").to_owned(),
                object.pointer("/metadata/generation")?.as_i64()?,
            ))
        };
        if let (Some((old_uid, old)), Some((uid, new))) = (generation(&change.old), generation(&change.new))
            && old_uid == uid
            && new < old
        {
            self.breaks(
                "generation-grows",
                at,
                &format!("{} went from {old} to {new}", change.object),
            );
        }
        if change.new.is_some() {
            self.gone.remove(&change.object);
            return;
        }
        let name = &change.object.name;
        match change.object.kind.as_str() {
            "NodeClaim" if aks.pools().iter().any(|pool| pool.name == *name) => {
                self.breaks(
                    "finalizer-holds",
                    at,
                    &format!("{} went while its pool exists", change.object),
                );
            }
            "Workspace" => {
                let left = picture
                    .of("NodeClaim")
                    .find(|(_, claim)| belongs(claim, &change.object));
                if let Some((claim, _)) = left {
                    self.breaks(
                        "finalizer-holds",
                        at,
                        &format!("{} went while {claim} exists", change.object),
                    );
                }
                self.gone.insert(change.object.clone());
            }
            _ => {}
        }
    }

    /// Looks at the whole, at an instant when nothing more happens.
    pub(super) fn instant(&mut self, picture: &Picture, aks: &Aks, at: Duration) {
        let mut wrong: BTreeMap<(&'static str, String), (Duration, String)> = BTreeMap::new();
        let mut see = |name, what: String, text: String, grace| wrong.insert((name, what), (grace, text));
        let pools = aks.pools();
        for (path, workspace) in picture.of("Workspace") {
            let wanted = workspace
                .pointer("/status/targetNodeCount")
                .and_then(Value::as_u64)
                .unwrap_or(1);
            let own = pools.iter().filter(|pool| pool.workspace == path.name).count();
            if own as u64 > wanted {
                see(
                    "one-pool-per-claim",
                    path.to_string(),
                    format!("{path} has {own} pools and wants {wanted} nodes"),
                    Duration::ZERO,
                );
            }
            if let Some(type_) = behind(workspace) {
                let text = format!("{path} has a condition {type_} of an older generation");
                see("generation-is-observed", path.to_string(), text, GRACE * 4);
            }
            if let Some(lack) = lie(path, workspace, picture) {
                see("ready-is-true", path.to_string(), lack, GRACE);
            }
        }
        for pool in &pools {
            let claim = ObjectPath {
                kind: "NodeClaim".into(),
                namespace: String::new(),
                name: pool.name.clone(),
            };
            if !picture.objects.contains_key(&claim) {
                see(
                    "no-ownerless-pool",
                    pool.name.clone(),
                    format!("agent pool {} has no claim", pool.name),
                    OWNERLESS,
                );
            }
        }
        for workspace in &self.gone {
            let kinds = ["StatefulSet", "Job", "Service", "Pod", "NodeClaim"];
            let left = kinds
                .iter()
                .flat_map(|kind| picture.of(kind))
                .find(|(_, object)| belongs(object, workspace));
            if let Some((left, _)) = left {
                see(
                    "deleted-leaves-nothing",
                    workspace.to_string(),
                    format!("{workspace} is gone, {left} is not"),
                    GRACE * 12,
                );
            }
        }
        self.since.retain(|key, _| wrong.contains_key(key));
        for (key, (grace, text)) in wrong {
            let (since, _) = self.since.entry(key.clone()).or_insert((at, text.clone())).clone();
            if at.saturating_sub(since) >= grace {
                self.breaks(key.0, at, &text);
            }
        }
    }
}

/// Whether an object belongs to a Workspace by its labels.
fn belongs(object: &Value, workspace: &ObjectPath) -> bool {
    let namespace = label(object, "kaito.sh/workspacenamespace").unwrap_or_else(|| text(object, "/metadata/namespace"));
    label(object, "kaito.sh/workspace") == Some(&workspace.name) && namespace == workspace.namespace
}

/// A condition that speaks of an older generation.
fn behind(workspace: &Value) -> Option<&str> {
    let generation = workspace.pointer("/metadata/generation");
    let mut conditions = list(workspace, "/status/conditions").iter();
    let old = conditions.find(|it| it.get("observedGeneration") != generation)?;
    Some(text(old, "/type"))
}

/// What a Workspace that says Ready lacks.
fn lie(path: &ObjectPath, workspace: &Value, picture: &Picture) -> Option<String> {
    let says = |type_: &str| {
        let mut conditions = list(workspace, "/status/conditions").iter();
        conditions.any(|it| text(it, "/type") == type_ && text(it, "/status") == "True")
    };
    if !says("Ready") || !says("InferenceReady") {
        return None;
    }
    let ready = |name: &str| {
        let set = ObjectPath {
            kind: "StatefulSet".into(),
            name: name.to_owned(),
            ..path.clone()
        };
        let set = picture.objects.get(&set);
        set.and_then(|set| set.pointer("/status/readyReplicas"))
            .and_then(Value::as_i64)
            .unwrap_or(0)
    };
    if ready(&path.name) == 0 && ready(&format!("{}-next", path.name)) == 0 {
        return Some(format!("{path} says Ready, and no replica is"));
    }
    let nodes = list(workspace, "/status/workerNodes").iter().filter_map(Value::as_str);
    for name in nodes {
        let node = ObjectPath {
            kind: "Node".into(),
            namespace: String::new(),
            name: name.to_owned(),
        };
        let node = picture.objects.get(&node);
        let capacity = node.map_or("", |node| text(node, "/status/capacity/nvidia.com~1gpu"));
        let allocatable = node.map_or("", |node| text(node, "/status/allocatable/nvidia.com~1gpu"));
        if node.is_none() || (!capacity.is_empty() && allocatable != capacity) {
            return Some(format!("{path} says Ready, and node {name} has lost GPUs or is gone"));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::world::arm::AksConfig;
    use crate::world::cluster::{Cluster, ClusterConfig};
    use crate::world::kube::server::ServerConfig;
    use crate::world::run::run;

    /// An API server does not let a generation go back, so that no scenario can show it.
    #[test]
    fn a_generation_that_goes_back_is_caught() {
        run(1, |world| async move {
            let cluster = Cluster::start(ClusterConfig::new(ServerConfig::new(world)));
            let aks = Aks::start(AksConfig::default(), &cluster);
            let picture = Picture::new(&cluster.server);
            let object =
                |uid: &str, generation: u32| Some(json!({ "metadata": { "uid": uid, "generation": generation } }));
            let path = ObjectPath {
                kind: "Service".into(),
                namespace: "default".into(),
                name: "w".into(),
            };
            let mut audit = Audit::default();
            let mut see = |old, new| {
                let change = Change {
                    object: path.clone(),
                    old,
                    new,
                };
                audit.change(&change, &picture, &aks, Duration::ZERO);
                audit.broken().len()
            };
            assert_eq!(see(object("a", 1), object("a", 2)), 0);
            assert_eq!(
                see(object("a", 2), object("b", 1)),
                0,
                "another object of the same name begins anew"
            );
            assert_eq!(see(object("b", 2), object("b", 1)), 1);
        })
        .unwrap();
    }
}
