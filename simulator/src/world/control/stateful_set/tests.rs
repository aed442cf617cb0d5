//! StatefulSets: order, partitions, claims.

use serde_json::json;

use super::super::harness::Cluster;
use super::super::object::{is_deleting, list, put};
use super::*;

fn stateful_set(spec: &Value) -> Value {
    let mut set = json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet",
        "metadata": {"namespace": "default", "name": "db"},
        "spec": {
            "replicas": 3, "serviceName": "db",
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}},
            "selector": {"matchLabels": {"app": "db"}},
            "template": {"metadata": {"labels": {"app": "db"}}, "spec": {"containers": [{"name": "main", "image": "a:1"}]}},
        },
    });
    json_patch::merge(&mut set["spec"], spec);
    set
}

struct Room {
    cluster: Cluster,
    key: ObjectKey,
}

impl Room {
    fn new(spec: Value) -> Self {
        let mut cluster = Cluster::new();
        let key = cluster.create(Kind::STATEFUL_SET, stateful_set(&spec));
        let mut room = Self { cluster, key };
        room.settle();
        room
    }

    fn settle(&mut self) {
        self.cluster.settle(&mut [&mut StatefulSets]);
    }

    fn pods(&self) -> Vec<String> {
        self.cluster.names(Kind::POD)
    }

    fn pod(&self, name: &str) -> Option<&Arc<Value>> {
        self.cluster.view.get(Kind::POD, &ObjectKey::new("default", name))
    }

    fn converge(&mut self) {
        for _ in 0..50 {
            let before = self.cluster.writes;
            self.cluster.run_pods();
            self.settle();
            if self.cluster.writes == before {
                return;
            }
        }
        panic!("never converges");
    }

    fn edit(&mut self, pointer: &[&str], value: Value) {
        self.cluster
            .edit(Kind::STATEFUL_SET, &self.key, |set| put(set, pointer, value));
        self.settle();
    }

    fn image(&mut self, image: &str) {
        let containers = json!([{"name": "main", "image": image}]);
        self.edit(&["spec", "template", "spec", "containers"], containers);
    }

    fn status(&self) -> &Value {
        &self.cluster.get(Kind::STATEFUL_SET, &self.key)["status"]
    }
}

#[test]
fn comes_and_goes_in_order() {
    let mut room = Room::new(json!({}));
    assert_eq!(room.pods(), ["db-0"]);
    room.cluster.run_pods();
    room.settle();
    assert_eq!(room.pods(), ["db-0", "db-1"]);
    room.converge();
    assert_eq!(room.pods(), ["db-0", "db-1", "db-2"]);
    let pod = room.pod("db-2").unwrap();
    let labels = json!({
        "app": "db", "statefulset.kubernetes.io/pod-name": "db-2", "apps.kubernetes.io/pod-index": "2",
        "controller-revision-hash": room.status()["currentRevision"],
    });
    assert_eq!(pod["metadata"]["labels"], labels);
    assert_eq!(
        (text(pod, "/spec/hostname"), text(pod, "/spec/subdomain")),
        ("db-2", "db")
    );
    let counts = [
        "replicas",
        "readyReplicas",
        "availableReplicas",
        "currentReplicas",
        "updatedReplicas",
    ];
    assert!(
        counts.iter().all(|field| room.status()[field] == 3),
        "{}",
        room.status()
    );
    assert_eq!(
        room.cluster.events[0],
        "Normal SuccessfulCreate create Pod db-0 in StatefulSet db successful"
    );
    room.edit(&["spec", "replicas"], json!(1));
    assert!(is_deleting(room.pod("db-2").unwrap()) && !is_deleting(room.pod("db-1").unwrap()));
    room.converge();
    assert_eq!(room.pods(), ["db-0"]);
}

#[test]
fn in_parallel_all_come_at_once_from_the_first_ordinal() {
    let room = Room::new(json!({"podManagementPolicy": "Parallel", "ordinals": {"start": 5}}));
    assert_eq!(room.pods(), ["db-5", "db-6", "db-7"]);
}

#[test]
fn updates_from_the_top_down_to_the_partition() {
    let mut room = Room::new(json!({"updateStrategy": {"rollingUpdate": {"partition": 1}}}));
    room.converge();
    let old = room.status()["currentRevision"].clone();
    room.image("a:2");
    assert!(is_deleting(room.pod("db-2").unwrap()) && !is_deleting(room.pod("db-1").unwrap()));
    room.converge();
    let revision = |room: &Room, name: &str| json!(revision_of(room.pod(name).unwrap()));
    let new = room.status()["updateRevision"].clone();
    assert_ne!(old, new);
    assert_eq!(
        [
            revision(&room, "db-0"),
            revision(&room, "db-1"),
            revision(&room, "db-2")
        ],
        [old.clone(), new.clone(), new.clone()]
    );
    assert_eq!(
        (&room.status()["currentReplicas"], &room.status()["updatedReplicas"]),
        (&json!(1), &json!(2))
    );
    room.edit(&["spec", "updateStrategy", "rollingUpdate", "partition"], json!(0));
    room.converge();
    assert_eq!(
        (revision(&room, "db-0"), room.status()["currentRevision"].clone()),
        (new.clone(), new)
    );
    room.image("a:1");
    room.converge();
    assert_eq!(room.status()["updateRevision"], old, "the old revision is used again");
    assert_eq!(room.cluster.names(Kind::CONTROLLER_REVISION).len(), 2);
}

#[test]
fn a_broken_update_stays_stuck_until_its_pod_is_deleted() {
    let mut room = Room::new(json!({}));
    room.converge();
    room.image("broken");
    room.cluster.vanish(Kind::POD, &ObjectKey::new("default", "db-2"));
    room.settle();
    room.cluster.ready(&ObjectKey::new("default", "db-2"), false);
    room.image("a:3");
    assert!(
        !is_deleting(room.pod("db-2").unwrap()),
        "an unready pod blocks in order, even if it is outdated"
    );
    room.cluster.vanish(Kind::POD, &ObjectKey::new("default", "db-2"));
    room.settle();
    room.converge();
    assert_eq!(room.status()["updatedReplicas"], 3);
}

#[test]
fn on_delete_leaves_pods_alone() {
    let mut room = Room::new(json!({"updateStrategy": {"type": "OnDelete", "rollingUpdate": null}}));
    room.converge();
    room.image("a:2");
    room.converge();
    assert_eq!(room.status()["updatedReplicas"], Value::Null);
    room.cluster.vanish(Kind::POD, &ObjectKey::new("default", "db-1"));
    room.settle();
    room.converge();
    assert_eq!(room.status()["updatedReplicas"], 1);
}

#[test]
fn claims_follow_the_retention_policy() {
    let template = json!([{"metadata": {"name": "data"}, "spec": {"accessModes": ["ReadWriteOnce"]}}]);
    let retain = json!({"whenDeleted": "Retain", "whenScaled": "Delete"});
    let mut room = Room::new(json!({
        "replicas": 2, "volumeClaimTemplates": template, "persistentVolumeClaimRetentionPolicy": retain,
    }));
    room.converge();
    assert_eq!(room.cluster.names(Kind::PVC), ["data-db-0", "data-db-1"]);
    let volume = json!([{"name": "data", "persistentVolumeClaim": {"claimName": "data-db-1"}}]);
    assert_eq!(room.pod("db-1").unwrap()["spec"]["volumes"], volume);
    let owners = |room: &Room, claim: &str| -> Vec<String> {
        let claim = room.cluster.get(Kind::PVC, &ObjectKey::new("default", claim));
        list(claim, "/metadata/ownerReferences")
            .iter()
            .map(|owner| text(owner, "/kind").to_owned())
            .collect()
    };
    assert_eq!(owners(&room, "data-db-1"), Vec::<String>::new());
    room.edit(&["spec", "replicas"], json!(1));
    assert_eq!(
        (owners(&room, "data-db-0"), owners(&room, "data-db-1")),
        (vec![], vec!["Pod".to_owned()])
    );
    room.edit(
        &["spec", "persistentVolumeClaimRetentionPolicy", "whenDeleted"],
        json!("Delete"),
    );
    room.converge();
    assert_eq!(owners(&room, "data-db-0"), ["StatefulSet"]);
    let told = "Normal SuccessfulCreate create Claim data-db-0 Pod db-0 in StatefulSet db success";
    assert!(room.cluster.events.contains(&told.to_owned()));
}

#[test]
fn failed_pods_are_replaced() {
    let mut room = Room::new(json!({"replicas": 1}));
    room.converge();
    room.cluster.finish(&ObjectKey::new("default", "db-0"), "Failed", 1);
    room.settle();
    assert_eq!(text(room.pod("db-0").unwrap(), "/status/phase"), "Pending");
}
