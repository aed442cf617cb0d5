//! Plans carried out on a small model of a cluster: what a Workspace comes to, step by step.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "helpers of tests: a panic is a failed test"
)]

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::core::v1::Node;
use operator_api::{NodeClaim, Workspace};
use operator_plan::manifests::Settings;
use operator_plan::workspace::{Found, Observed, next_workload, plan, references};
use operator_plan::{Kind, Plan, Step, Target};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// Objects as they are stored, and how long it has been.
struct World {
    objects: BTreeMap<Target, Value>,
    missing: Vec<String>,
    now: i64,
    uids: u32,
}

impl World {
    fn with(workspace: Value) -> Self {
        let mut world = Self {
            objects: BTreeMap::new(),
            missing: Vec::new(),
            now: 1_000,
            uids: 0,
        };
        let target = Target::namespaced(Kind::Workspace, "default", "w");
        let mut workspace = workspace;
        workspace["metadata"] = json!({ "name": "w", "namespace": "default", "uid": "uid-w", "generation": 1 });
        world.objects.insert(target, workspace);
        world
    }

    fn get(&self, kind: Kind, name: &str) -> Option<&Value> {
        let namespace = if kind.namespaced() { "default" } else { "" };
        self.objects.get(&Target::namespaced(kind, namespace, name))
    }

    fn edit(&mut self, kind: Kind, name: &str, change: impl FnOnce(&mut Value)) {
        let namespace = if kind.namespaced() { "default" } else { "" };
        change(
            self.objects
                .get_mut(&Target::namespaced(kind, namespace, name))
                .unwrap(),
        );
    }

    fn of<K: DeserializeOwned>(&self, kind: Kind) -> Vec<Arc<K>> {
        let mine = self.objects.iter().filter(|(target, _)| target.kind == kind);
        mine.map(|(_, object)| Arc::new(serde_json::from_value(object.clone()).unwrap()))
            .collect()
    }

    fn one<K: DeserializeOwned>(&self, kind: Kind, name: &str) -> Option<Arc<K>> {
        self.get(kind, name)
            .map(|object| Arc::new(serde_json::from_value(object.clone()).unwrap()))
    }

    fn observed(&self) -> Observed {
        let workspace: Workspace = serde_json::from_value(self.get(Kind::Workspace, "w").unwrap().clone()).unwrap();
        let found = |name: &str| match self.missing.iter().any(|missing| missing == name) {
            true => Found::Missing,
            false => Found::Yes(BTreeMap::new()),
        };
        Observed {
            references: references(&workspace)
                .into_iter()
                .map(|it| {
                    let found = found(&it.name);
                    (it, found)
                })
                .collect(),
            workspace,
            now: Timestamp::from_second(self.now).unwrap(),
            claims: self.of(Kind::NodeClaim),
            nodes: self.of(Kind::Node),
            stateful_set: self.one(Kind::StatefulSet, "w"),
            next: self.one(Kind::StatefulSet, &next_workload("w")),
            job: self.one(Kind::Job, "w"),
            services: self.of(Kind::Service),
            revisions: self.of(Kind::ControllerRevision),
            ..Observed::default()
        }
    }

    /// Plans and carries out until nothing is left to do; gives the last plan but the empty one.
    fn settle(&mut self) {
        for _ in 0..20 {
            self.now += 1;
            let plan = plan(&self.observed(), &Settings::default());
            if plan.is_empty() {
                return;
            }
            self.carry_out(&plan);
        }
        panic!("the plans do not come to an end");
    }

    fn carry_out(&mut self, plan: &Plan) {
        for planned in &plan.steps {
            match &planned.step {
                Step::Apply {
                    target,
                    fields,
                    force: _,
                } => self.apply(target, fields),
                Step::Delete { target, .. } => drop(self.objects.remove(target)),
                Step::AddFinalizer { target, finalizer } => {
                    self.objects.get_mut(target).unwrap()["metadata"]["finalizers"] = json!([finalizer]);
                }
                Step::DropFinalizer { target, .. } => drop(self.objects.remove(target)),
                Step::PutPool { .. } | Step::DeletePool { .. } => panic!("not a Workspace's step"),
            }
        }
        if let Some(status) = &plan.status {
            self.edit(Kind::Workspace, "w", |workspace| workspace["status"] = status.clone());
        }
    }

    fn apply(&mut self, target: &Target, fields: &Value) {
        self.uids += 1;
        let uid = format!("uid-{}", self.uids);
        let object = self
            .objects
            .entry(target.clone())
            .or_insert_with(|| json!({ "metadata": { "uid": uid } }));
        merge(object, fields);
        object["metadata"]["name"] = json!(target.name);
        object["apiVersion"] = json!(target.kind.api_version());
        object["kind"] = json!(target.kind.name());
    }

    /// The provisioner's part: every claim gets a node with its GPUs.
    fn provision(&mut self) {
        let ready = |type_: &str| {
            json!({ "type": type_, "status": "True", "reason": type_, "message": "",
            "lastTransitionTime": "2026-01-01T00:00:00Z" })
        };
        let claims: Vec<NodeClaim> = self
            .of::<NodeClaim>(Kind::NodeClaim)
            .iter()
            .map(|claim| claim.as_ref().clone())
            .collect();
        for claim in claims {
            let name = claim.metadata.name.clone().unwrap();
            let conditions = ["Launched", "Registered", "Initialized"].map(ready);
            let status = json!({ "conditions": conditions });
            self.edit(Kind::NodeClaim, &name, |claim| claim["status"] = status);
            let node: Node = serde_json::from_value(json!({
                "metadata": { "name": format!("node-{name}"), "labels": {
                    "node.kubernetes.io/instance-type": claim.spec.requirements[1].values[0],
                } },
                "status": { "allocatable": { "nvidia.com/gpu": "1" }, "conditions": [{ "type": "Ready", "status": "True" }] },
            }))
            .unwrap();
            let target = Target::cluster(Kind::Node, &format!("node-{name}"));
            self.objects.insert(target, serde_json::to_value(node).unwrap());
        }
    }

    /// The StatefulSet controller's part: every replica is new and ready.
    fn serve(&mut self, name: &str) {
        self.edit(Kind::StatefulSet, name, |set| {
            set["status"] = json!({ "replicas": 1, "readyReplicas": 1, "updatedReplicas": 1 });
        });
    }

    fn condition(&self, type_: &str) -> (String, String, String) {
        let conditions = self
            .get(Kind::Workspace, "w")
            .unwrap()
            .pointer("/status/conditions")
            .unwrap();
        let found = conditions.as_array().unwrap().iter().find(|it| it["type"] == type_);
        let text = |key: &str| found.map_or_else(String::new, |it| it[key].as_str().unwrap().to_owned());
        (text("status"), text("reason"), text("message"))
    }

    fn names(&self, kind: Kind) -> Vec<&str> {
        self.objects
            .keys()
            .filter(|target| target.kind == kind)
            .map(|target| target.name.as_str())
            .collect()
    }
}

fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge(into.entry(key).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from.clone(),
    }
}

fn quick_start() -> World {
    World::with(json!({
        "apiVersion": "kaito.sh/v1beta1", "kind": "Workspace",
        "resource": { "instanceType": "Standard_NC6s_v3", "labelSelector": { "matchLabels": { "app": "tuning-phi-3" } } },
        "tuning": {
            "preset": { "name": "phi-3-mini-128k-instruct" }, "method": "qlora",
            "input": { "urls": ["https://example.com/train.parquet"] },
            "output": { "image": "acr.azurecr.io/adapter:0.0.1", "imagePushSecret": "push" },
        },
    }))
}

fn inference() -> World {
    World::with(json!({
        "apiVersion": "kaito.sh/v1beta1", "kind": "Workspace",
        "resource": { "instanceType": "Standard_NC24ads_A100_v4", "labelSelector": { "matchLabels": { "app": "phi-4" } } },
        "inference": { "preset": { "name": "phi-4-mini-instruct" } },
    }))
}

#[test]
fn the_quick_start_tunes_and_then_serves() {
    let mut world = quick_start();
    world.settle();
    assert_eq!(
        (world.names(Kind::NodeClaim).len(), world.names(Kind::Job).len()),
        (1, 0)
    );
    assert_eq!(world.condition("Ready").1, "Progressing");
    assert_eq!(world.names(Kind::Service), ["w", "w-headless"]);
    world.provision();
    world.settle();
    assert_eq!(world.condition("ResourceReady").0, "True");
    assert_eq!(world.names(Kind::Job), ["w"]);
    assert_eq!(world.get(Kind::Workspace, "w").unwrap()["status"]["state"], "Pending");
    world.edit(Kind::Job, "w", |job| {
        job["status"] = json!({ "conditions": [{ "type": "Complete", "status": "True" }] });
    });
    world.settle();
    assert_eq!(world.condition("WorkspaceSucceeded").0, "True");
    assert_eq!(world.condition("WorkspaceReady").0, "False");
    world.serve("w");
    world.settle();
    for type_ in [
        "ResourceReady",
        "InferenceReady",
        "WorkspaceReady",
        "Ready",
        "JobStarted",
    ] {
        assert_eq!(world.condition(type_).0, "True", "{type_}");
    }
    assert_eq!(world.get(Kind::Workspace, "w").unwrap()["status"]["state"], "Succeeded");
    // A job that was cleaned up is not run again.
    world.objects.remove(&Target::namespaced(Kind::Job, "default", "w"));
    world.settle();
    assert_eq!(
        (world.names(Kind::Job).len(), world.names(Kind::StatefulSet)),
        (0, vec!["w"])
    );
}

#[test]
fn release_gives_the_nodes_back() {
    let mut world = quick_start();
    world.edit(Kind::Workspace, "w", |workspace| {
        workspace["metadata"]["annotations"] = json!({ "drydock.sh/after-tuning": "release" });
    });
    world.settle();
    world.provision();
    world.settle();
    world.edit(Kind::Job, "w", |job| {
        job["status"] = json!({ "conditions": [{ "type": "Complete", "status": "True" }] });
    });
    world.settle();
    assert!(world.names(Kind::NodeClaim).is_empty() && world.names(Kind::StatefulSet).is_empty());
    assert_eq!(
        (world.condition("Ready").0, world.condition("ResourceReady").0),
        ("True".into(), "False".into())
    );
}

#[test]
fn nothing_is_paid_for_while_the_push_secret_is_missing() {
    let mut world = quick_start();
    world.missing = vec!["push".into()];
    let wake = plan(&world.observed(), &Settings::default()).wake;
    assert_eq!(wake, operator_plan::Wake::At(Timestamp::from_second(1_015).unwrap()));
    world.settle();
    assert!(world.names(Kind::NodeClaim).is_empty());
    let said = world.condition("ResourceReady").2;
    assert!(
        said.contains("tuning.output.imagePushSecret: there is no Secret push"),
        "{said}"
    );
    world.missing.clear();
    world.settle();
    assert_eq!(world.names(Kind::NodeClaim).len(), 1);
}

#[test]
fn a_change_comes_up_beside_what_serves_where_a_gpu_is_free() {
    let mut world = inference();
    world.settle();
    world.provision();
    world.settle();
    world.serve("w");
    world.settle();
    assert_eq!(world.condition("Ready").0, "True");
    let adapter = json!([{ "source": { "name": "a", "image": "x/y:1" } }]);
    world.edit(Kind::Workspace, "w", |workspace| {
        workspace["inference"]["adapters"] = adapter
    });
    world.settle();
    assert_eq!(world.names(Kind::StatefulSet), ["w", "w-next"]);
    let points_to = |world: &World| {
        let selector = &world.get(Kind::Service, "w").unwrap()["spec"]["selector"];
        selector["statefulset.kubernetes.io/pod-name"]
            .as_str()
            .unwrap()
            .to_owned()
    };
    assert_eq!(
        (points_to(&world).as_str(), world.condition("Ready").0.as_str()),
        ("w-0", "True")
    );
    world.serve("w-next");
    // The main one is changed while the Service points to the other.
    let seen = world.observed();
    let next = plan(&seen, &Settings::default());
    world.carry_out(&next);
    assert_eq!(points_to(&world), "w-next-0");
    world.edit(Kind::StatefulSet, "w", |set| {
        set["status"] = json!({ "replicas": 1, "readyReplicas": 0 })
    });
    world.settle();
    assert_eq!(
        (points_to(&world).as_str(), world.condition("Ready").0.as_str()),
        ("w-next-0", "True")
    );
    world.serve("w");
    world.settle();
    assert_eq!(
        (points_to(&world).as_str(), world.names(Kind::StatefulSet)),
        ("w-0", vec!["w"])
    );
}

#[test]
fn without_a_free_gpu_the_change_says_that_it_costs_downtime() {
    let mut world = inference();
    world.settle();
    world.provision();
    world.settle();
    world.serve("w");
    world.settle();
    let pod = json!({ "metadata": { "name": "w-0" }, "spec": { "containers": [{ "name": "w",
        "resources": { "limits": { "nvidia.com/gpu": "1" } } }] } });
    let mut seen = world.observed();
    seen.pods = vec![Arc::new(serde_json::from_value(pod).unwrap())];
    seen.workspace.inference.as_mut().unwrap().adapters = serde_json::from_value(json!([
        { "source": { "name": "a", "image": "x/y:1" } }
    ]))
    .unwrap();
    let next = plan(&seen, &Settings::default());
    let touched: Vec<String> = next.steps.iter().map(|planned| format!("{:?}", planned.step)).collect();
    assert!(
        touched
            .iter()
            .any(|step| step.contains("StatefulSet") && step.contains("\"w\"")),
        "{touched:?}"
    );
    assert!(!touched.iter().any(|step| step.contains("w-next")), "{touched:?}");
}

#[test]
fn deletion_leaves_nothing_and_then_lets_go() {
    let mut world = inference();
    world.settle();
    world.provision();
    world.settle();
    world.edit(Kind::Workspace, "w", |workspace| {
        workspace["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    });
    let plan = plan(&world.observed(), &Settings::default());
    world.carry_out(&plan);
    assert_eq!(world.condition("WorkspaceDeleting").0, "True");
    let plan = operator_plan::workspace::plan(&world.observed(), &Settings::default());
    world.carry_out(&plan);
    assert!(world.get(Kind::Workspace, "w").is_none());
    for kind in [Kind::NodeClaim, Kind::StatefulSet, Kind::Service] {
        assert!(world.names(kind).is_empty(), "{}", kind.name());
    }
}

#[test]
fn what_cannot_be_carried_out_is_said_once() {
    let mut world = inference();
    world.edit(Kind::Workspace, "w", |workspace| {
        workspace["inference"]["preset"]["name"] = json!("acme/unheard-of")
    });
    world.settle();
    let (status, reason, message) = world.condition("Stalled");
    assert_eq!((status.as_str(), reason.as_str()), ("True", "Unsupported"));
    assert!(
        message.starts_with("inference.preset.name: acme/unheard-of"),
        "{message}"
    );
    assert!(world.names(Kind::NodeClaim).is_empty());
}

#[test]
fn two_nodes_where_one_does_not_hold_the_model() {
    let mut world = inference();
    world.edit(Kind::Workspace, "w", |workspace| {
        workspace["inference"]["preset"]["name"] = json!("phi-4");
        workspace["resource"]["instanceType"] = json!("Standard_NV36ads_A10_v5");
    });
    world.settle();
    assert_eq!(world.names(Kind::NodeClaim).len(), 2);
    assert_eq!(world.get(Kind::Workspace, "w").unwrap()["status"]["targetNodeCount"], 2);
}

/// L062: a tuning pod is built from what tuning needs, never from the parameters of inference.
#[test]
fn l062_tuning_pods_are_made_for_tuning() {
    use operator_api::workspace::TuningMethod;
    use operator_plan::manifests::{Placement, tuning_job};

    let workspace = quick_start().observed().workspace;
    let placement = Placement {
        nodes: 1,
        gpus: 2,
        byo: false,
    };
    let mut seen = 0;
    for model in preset_catalog::all().filter(|model| model.tunable()) {
        for (method, word) in [(TuningMethod::Lora, "lora"), (TuningMethod::Qlora, "qlora")] {
            let job = tuning_job(&workspace, model, method, &placement, &Settings::default());
            let init = job
                .pointer("/spec/template/spec/initContainers")
                .and_then(Value::as_array)
                .unwrap();
            let trainer = init.iter().find(|container| container["name"] == "w").unwrap();
            let args: Vec<&str> = trainer["args"]
                .as_array()
                .unwrap()
                .iter()
                .filter_map(Value::as_str)
                .collect();
            assert_eq!(
                (args[0], args.contains(&model.name.as_str()), args.contains(&word)),
                ("tune", true, true),
                "{args:?}"
            );
            assert!(
                !args.contains(&"--served-model-name") && trainer.get("livenessProbe").is_none(),
                "{trainer}"
            );
            assert_eq!(trainer["resources"]["limits"]["nvidia.com/gpu"], "2");
            seen += 1;
        }
    }
    assert_eq!(seen, 20, "ten models can be tuned, by two methods each");
}
