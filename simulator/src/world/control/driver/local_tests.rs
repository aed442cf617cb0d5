//! The controllers against the simulator's own API server.

use serde_json::{Value, json};

use super::super::object::{annotation, count, list, put, text};
use super::*;
use crate::world::kube::auth::UserInfo;
use crate::world::kube::server::{ApiServer, Door, ServerConfig};
use crate::world::run::World;

struct Room {
    server: ApiServer,
    handle: Handle,
}

impl Room {
    async fn start() -> Self {
        let world = World::new(1, 1.0);
        let server = ApiServer::new(ServerConfig::new(world.clone()));
        let controllers = super::super::builtin_controllers(super::super::Settings::default());
        let driver = Driver::new(LocalApi::new(server.clone()), world.clock, &world.entropy, controllers);
        let handle = driver.handle();
        tokio::spawn(driver.run(LocalFeed::new(server.clone())));
        let mut room = Self { server, handle };
        room.settle().await;
        room
    }

    /// Lets everything happen that happens at once.
    async fn settle(&mut self) {
        tokio::time::sleep(Duration::from_millis(20)).await;
        self.handle.until_settled(Duration::from_millis(10)).await;
    }

    fn door(&self, kind: Kind) -> Door {
        let resource = self.server.resource(kind.group, kind.version, kind.plural).unwrap();
        self.server.door(UserInfo::admin(), resource)
    }

    async fn create(&self, kind: Kind, mut object: Value) {
        put(&mut object, &["apiVersion"], kind.api_version().into());
        put(&mut object, &["kind"], kind.kind.into());
        if kind.namespaced && text(&object, "/metadata/namespace").is_empty() {
            put(&mut object, &["metadata", "namespace"], "default".into());
        }
        self.door(kind).create(object).await.unwrap();
    }

    fn list(&self, kind: Kind) -> Vec<Value> {
        self.door(kind).list("default").unwrap()
    }

    fn get(&self, kind: Kind, name: &str) -> Value {
        self.door(kind).get("default", name).unwrap()
    }

    /// What a kubelet says of a pod that runs.
    async fn run_pods(&self) {
        for pod in self.list(Kind::POD) {
            let name = text(&pod, "/metadata/name").to_owned();
            if text(&pod, "/spec/nodeName").is_empty() {
                self.door(Kind::POD)
                    .bind("default", &name, text(&pod, "/metadata/uid"), "node")
                    .await
                    .unwrap();
            }
            let ready = json!({"type": "Ready", "status": "True", "lastTransitionTime": "2026-01-01T00:00:00Z"});
            let patch = json!({"status": {"phase": "Running", "podIP": "10.1.0.1", "podIPs": [{"ip": "10.1.0.1"}], "conditions": [ready]}});
            self.door(Kind::POD).merge("default", &name, true, patch).await.unwrap();
        }
    }

    async fn end_pods(&self, phase: &str) {
        for pod in self.list(Kind::POD) {
            let patch = json!({"status": {"phase": phase}});
            self.door(Kind::POD)
                .merge("default", text(&pod, "/metadata/name"), true, patch)
                .await
                .unwrap();
        }
    }

    async fn delete(&self, kind: Kind, name: &str, options: Value) {
        let namespace = if kind.namespaced { "default" } else { "" };
        self.door(kind).delete(namespace, name, &options).await.unwrap();
    }
}

fn template(labels: &Value) -> Value {
    json!({"metadata": {"labels": labels}, "spec": {"containers": [{"name": "main", "image": "a:1"}]}})
}

fn deployment() -> Value {
    let labels = json!({"app": "web"});
    json!({"metadata": {"name": "web"}, "spec": {"replicas": 2, "selector": {"matchLabels": labels}, "template": template(&labels)}})
}

#[tokio::test(start_paused = true)]
async fn a_deployment_rolls_out_and_its_deletion_leaves_nothing() {
    let mut room = Room::start().await;
    room.create(Kind::DEPLOYMENT, deployment()).await;
    room.settle().await;
    assert_eq!(room.list(Kind::POD).len(), 2);
    room.run_pods().await;
    room.settle().await;
    let deployment = room.get(Kind::DEPLOYMENT, "web");
    assert_eq!(count(&deployment, "/status/availableReplicas"), 2);
    assert_eq!(annotation(&deployment, "deployment.kubernetes.io/revision"), Some("1"));
    let revision = room.server.revision();
    room.settle().await;
    assert_eq!(room.server.revision(), revision, "a settled world writes nothing");
    let events = room.list(Kind::EVENT);
    let scaled = events
        .iter()
        .find(|event| text(event, "/reason") == "ScalingReplicaSet")
        .unwrap();
    assert_eq!(text(scaled, "/source/component"), "deployment-controller");
    room.delete(Kind::DEPLOYMENT, "web", json!({"propagationPolicy": "Foreground"}))
        .await;
    room.settle().await;
    assert_eq!(room.list(Kind::DEPLOYMENT).len(), 1, "it waits for its pods");
    for pod in room.list(Kind::POD) {
        room.delete(
            Kind::POD,
            text(&pod, "/metadata/name"),
            json!({"gracePeriodSeconds": 0}),
        )
        .await;
    }
    room.settle().await;
    let left = [Kind::DEPLOYMENT, Kind::REPLICA_SET, Kind::POD].map(|kind| room.list(kind).len());
    assert_eq!(left, [0, 0, 0]);
}

#[tokio::test(start_paused = true)]
async fn a_job_completes() {
    let mut room = Room::start().await;
    let mut template = template(&json!({}));
    put(&mut template, &["spec", "restartPolicy"], "Never".into());
    room.create(
        Kind::JOB,
        json!({"metadata": {"name": "work"}, "spec": {"template": template}}),
    )
    .await;
    room.settle().await;
    assert_eq!(room.list(Kind::POD).len(), 1);
    room.run_pods().await;
    room.settle().await;
    assert_eq!(count(&room.get(Kind::JOB, "work"), "/status/ready"), 1);
    room.end_pods("Succeeded").await;
    room.settle().await;
    let job = room.get(Kind::JOB, "work");
    let types: Vec<&str> = list(&job, "/status/conditions")
        .iter()
        .map(|have| text(have, "/type"))
        .collect();
    assert_eq!(types, ["SuccessCriteriaMet", "Complete"], "{job}");
    room.delete(Kind::JOB, "work", json!({"propagationPolicy": "Background"}))
        .await;
    room.settle().await;
    assert_eq!(room.list(Kind::POD).len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_stateful_set_comes_up_in_order() {
    let mut room = Room::start().await;
    let labels = json!({"app": "db"});
    let spec =
        json!({"replicas": 2, "serviceName": "db", "selector": {"matchLabels": labels}, "template": template(&labels)});
    room.create(Kind::STATEFUL_SET, json!({"metadata": {"name": "db"}, "spec": spec}))
        .await;
    room.settle().await;
    assert_eq!(room.list(Kind::POD).len(), 1);
    for _ in 0..2 {
        room.run_pods().await;
        room.settle().await;
    }
    let set = room.get(Kind::STATEFUL_SET, "db");
    assert_eq!(
        (
            count(&set, "/status/readyReplicas"),
            count(&set, "/status/currentReplicas")
        ),
        (2, 2)
    );
}

#[tokio::test(start_paused = true)]
async fn a_namespace_is_emptied_and_goes() {
    let mut room = Room::start().await;
    room.create(Kind::NAMESPACE, json!({"metadata": {"name": "mine"}}))
        .await;
    let mut object = deployment();
    put(&mut object, &["metadata", "namespace"], "mine".into());
    room.create(Kind::DEPLOYMENT, object).await;
    room.settle().await;
    assert_eq!(room.door(Kind::POD).list("mine").unwrap().len(), 2);
    room.delete(Kind::NAMESPACE, "mine", json!({})).await;
    room.settle().await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    let left = room.door(Kind::NAMESPACE).get("", "mine");
    assert!(left.is_err(), "{left:?}");
    assert_eq!(room.door(Kind::DEPLOYMENT).list("mine").unwrap().len(), 0);
}

async fn node(room: &Room) {
    let ready = json!({"type": "Ready", "status": "True", "lastHeartbeatTime": "2026-01-01T00:00:00Z", "lastTransitionTime": "2026-01-01T00:00:00Z"});
    let metadata = json!({"name": "node", "labels": {"topology.kubernetes.io/zone": "eastus-1"}});
    room.create(Kind::NODE, json!({"metadata": metadata})).await;
    let status = json!({"status": {"conditions": [ready]}});
    room.door(Kind::NODE).merge("", "node", true, status).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_service_leads_to_its_pods_and_a_budget_counts_them() {
    let mut room = Room::start().await;
    node(&room).await;
    room.create(
        Kind::SERVICE,
        json!({"metadata": {"name": "web"}, "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}]}}),
    )
    .await;
    let budget = json!({"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}}});
    room.create(Kind::PDB, json!({"metadata": {"name": "web"}, "spec": budget}))
        .await;
    room.settle().await;
    assert_eq!(
        room.list(Kind::ENDPOINT_SLICE)[0]["endpoints"],
        Value::Null,
        "an empty slice is accepted"
    );
    room.create(Kind::DEPLOYMENT, deployment()).await;
    room.settle().await;
    room.run_pods().await;
    room.settle().await;
    let slices = room.list(Kind::ENDPOINT_SLICE);
    let endpoints: Vec<&Value> = slices.iter().flat_map(|slice| list(slice, "/endpoints")).collect();
    assert_eq!(endpoints.len(), 2, "{slices:?}");
    assert!(endpoints.iter().all(|endpoint| text(endpoint, "/zone") == "eastus-1"));
    assert_eq!(
        list(&room.get(Kind::ENDPOINTS, "web"), "/subsets/0/ports")[0]["port"],
        80
    );
    assert_eq!(room.get(Kind::PDB, "web")["status"]["disruptionsAllowed"], 1);
}

#[tokio::test(start_paused = true)]
async fn a_claim_is_bound_and_its_volume_goes_with_it() {
    let mut room = Room::start().await;
    let class = json!({"metadata": {"name": "disk"}, "provisioner": "disk.csi.azure.com", "reclaimPolicy": "Delete"});
    room.create(Kind::STORAGE_CLASS, class).await;
    let spec = json!({"accessModes": ["ReadWriteOnce"], "storageClassName": "disk", "resources": {"requests": {"storage": "1Gi"}}});
    room.create(Kind::PVC, json!({"metadata": {"name": "data"}, "spec": spec}))
        .await;
    tokio::time::sleep(Duration::from_secs(3)).await;
    room.settle().await;
    let claim = room.get(Kind::PVC, "data");
    assert_eq!(
        (text(&claim, "/status/phase"), text(&claim, "/status/capacity/storage")),
        ("Bound", "1Gi"),
        "{claim}"
    );
    let volumes = room.door(Kind::PV).list("").unwrap();
    assert_eq!(text(&volumes[0], "/status/phase"), "Bound");
    room.delete(Kind::PVC, "data", json!({})).await;
    room.settle().await;
    assert_eq!(
        (room.list(Kind::PVC).len(), room.door(Kind::PV).list("").unwrap().len()),
        (0, 0)
    );
}

#[tokio::test(start_paused = true)]
async fn a_daemon_runs_on_a_node_and_a_schedule_makes_jobs() {
    let mut room = Room::start().await;
    node(&room).await;
    room.settle().await;
    let labels = json!({"app": "agent"});
    let spec = json!({"selector": {"matchLabels": labels}, "template": template(&labels)});
    room.create(Kind::DAEMON_SET, json!({"metadata": {"name": "agent"}, "spec": spec}))
        .await;
    let mut template = template(&json!({}));
    put(&mut template, &["spec", "restartPolicy"], "Never".into());
    let spec = json!({"schedule": "* * * * *", "jobTemplate": {"spec": {"template": template}}});
    room.create(Kind::CRON_JOB, json!({"metadata": {"name": "tick"}, "spec": spec}))
        .await;
    room.settle().await;
    room.run_pods().await;
    room.settle().await;
    assert_eq!(
        count(&room.get(Kind::DAEMON_SET, "agent"), "/status/numberAvailable"),
        1
    );
    tokio::time::sleep(Duration::from_secs(50)).await;
    assert_eq!(room.list(Kind::JOB).len(), 0);
    tokio::time::sleep(Duration::from_secs(11)).await;
    room.settle().await;
    let jobs = room.list(Kind::JOB);
    assert_eq!(jobs.len(), 1, "{:?}", room.list(Kind::EVENT));
    assert_eq!(list(&room.get(Kind::CRON_JOB, "tick"), "/status/active").len(), 1);
}
