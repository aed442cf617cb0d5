//! Deployments: roll-out, rollback, pause, deadline; and that any order of events converges.

use proptest::prelude::*;
use serde_json::json;

use super::super::harness::Cluster;
use super::super::object::{count, is_true, put};
use super::super::replica_set::ReplicaSets;
use super::*;

fn deployment(replicas: i64, surge: &Value, unavailable: &Value) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"namespace": "default", "name": "web", "annotations": {"note": "kept"}},
        "spec": {
            "replicas": replicas,
            "revisionHistoryLimit": 2,
            "progressDeadlineSeconds": 600,
            "selector": {"matchLabels": {"app": "web"}},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": surge, "maxUnavailable": unavailable}},
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "main", "image": "a:1"}]}},
        },
    })
}

struct Room {
    cluster: Cluster,
    deployments: Deployments,
    sets: ReplicaSets,
    key: ObjectKey,
}

impl Room {
    fn new(object: Value) -> Self {
        let mut cluster = Cluster::new();
        let key = cluster.create(Kind::DEPLOYMENT, object);
        let mut room = Self {
            cluster,
            deployments: Deployments::default(),
            sets: ReplicaSets::default(),
            key,
        };
        room.settle();
        room
    }

    fn settle(&mut self) {
        self.cluster.settle(&mut [&mut self.deployments, &mut self.sets]);
    }

    fn converge(&mut self) {
        for _ in 0..200 {
            let before = self.cluster.writes;
            self.cluster.run_pods();
            self.settle();
            if self.cluster.writes == before {
                return;
            }
        }
        panic!("never converges");
    }

    fn image(&mut self, image: &str) {
        self.cluster.edit(Kind::DEPLOYMENT, &self.key, |object| {
            object["spec"]["template"]["spec"]["containers"][0]["image"] = image.into();
        });
        self.settle();
    }

    fn object(&self) -> &Arc<Value> {
        self.cluster.get(Kind::DEPLOYMENT, &self.key)
    }

    fn condition(&self, type_: &str) -> (String, String, String) {
        let have = super::super::object::condition(self.object(), type_)
            .cloned()
            .unwrap_or_default();
        let field = |field: &str| text(&have, field).to_owned();
        (field("/status"), field("/reason"), field("/message"))
    }
}

#[test]
fn rolls_out_and_says_so() {
    let mut room = Room::new(deployment(3, &json!("25%"), &json!("25%")));
    let set = room.cluster.names(Kind::REPLICA_SET).concat();
    assert_eq!(
        room.cluster.events[0],
        format!("Normal ScalingReplicaSet Scaled up replica set {set} from 0 to 3")
    );
    assert_eq!(room.condition("Available").1, "MinimumReplicasUnavailable");
    room.converge();
    let status = &room.object()["status"];
    let counts = ["replicas", "updatedReplicas", "readyReplicas", "availableReplicas"].map(|field| &status[field]);
    assert_eq!(counts, [3, 3, 3, 3]);
    assert_eq!(
        (&status["observedGeneration"], &status["terminatingReplicas"]),
        (&json!(1), &json!(0))
    );
    assert_eq!(status.get("unavailableReplicas"), None);
    let progressing = ("True".into(), "NewReplicaSetAvailable".into());
    let (status, reason, message) = room.condition("Progressing");
    assert_eq!((status, reason), progressing);
    assert_eq!(message, format!("ReplicaSet \"{set}\" has successfully progressed."));
    assert!(is_true(room.object(), "Available"));
    assert_eq!(
        super::super::object::annotation(room.object(), "deployment.kubernetes.io/revision"),
        Some("1")
    );
    let set = room.cluster.get(Kind::REPLICA_SET, &ObjectKey::new("default", set));
    let annotations = json!({
        "note": "kept", "deployment.kubernetes.io/revision": "1",
        "deployment.kubernetes.io/desired-replicas": "3", "deployment.kubernetes.io/max-replicas": "4",
    });
    assert_eq!(set["metadata"]["annotations"], annotations);
}

#[test]
fn rollback_takes_the_old_set_again_and_history_is_bounded() {
    let mut room = Room::new(deployment(2, &json!(1), &json!(0)));
    room.converge();
    let first = room.cluster.names(Kind::REPLICA_SET).concat();
    room.image("a:2");
    room.converge();
    room.image("a:1");
    room.converge();
    let set = room.cluster.get(Kind::REPLICA_SET, &ObjectKey::new("default", first));
    assert_eq!(count(set, "/status/availableReplicas"), 2);
    assert_eq!(set["metadata"]["annotations"]["deployment.kubernetes.io/revision"], "3");
    assert_eq!(
        set["metadata"]["annotations"]["deployment.kubernetes.io/revision-history"],
        "1"
    );
    for image in ["a:3", "a:4", "a:5"] {
        room.image(image);
        room.converge();
    }
    assert_eq!(
        room.cluster.names(Kind::REPLICA_SET).len(),
        3,
        "the current one and two of history"
    );
}

#[test]
fn recreate_waits_for_the_last_old_pod() {
    let mut object = deployment(2, &json!(1), &json!(0));
    put(&mut object, &["spec", "strategy"], json!({"type": "Recreate"}));
    let mut room = Room::new(object);
    room.converge();
    room.image("a:2");
    assert_eq!(room.cluster.names(Kind::REPLICA_SET).len(), 1);
    let pods = room.cluster.names(Kind::POD);
    room.cluster
        .vanish(Kind::POD, &ObjectKey::new("default", pods[0].as_str()));
    room.settle();
    assert_eq!(room.cluster.names(Kind::REPLICA_SET).len(), 1);
    room.cluster
        .vanish(Kind::POD, &ObjectKey::new("default", pods[1].as_str()));
    room.settle();
    assert_eq!(room.cluster.names(Kind::REPLICA_SET).len(), 2);
    assert_eq!(room.cluster.names(Kind::POD).len(), 2);
}

#[test]
fn paused_scales_but_does_not_roll() {
    let mut room = Room::new(deployment(2, &json!(1), &json!(0)));
    room.converge();
    room.cluster.edit(Kind::DEPLOYMENT, &room.key, |object| {
        put(object, &["spec", "paused"], json!(true));
    });
    room.image("a:2");
    assert_eq!(room.condition("Progressing").1, "DeploymentPaused");
    room.cluster.edit(Kind::DEPLOYMENT, &room.key, |object| {
        put(object, &["spec", "replicas"], json!(4));
    });
    room.converge();
    assert_eq!(
        (
            room.cluster.names(Kind::REPLICA_SET).len(),
            room.cluster.names(Kind::POD).len()
        ),
        (1, 4)
    );
    room.cluster.edit(Kind::DEPLOYMENT, &room.key, |object| {
        put(object, &["spec", "paused"], json!(false));
    });
    room.converge();
    assert_eq!(room.cluster.names(Kind::REPLICA_SET).len(), 2);
    assert_eq!(room.condition("Progressing").1, "NewReplicaSetAvailable");
}

#[test]
fn a_stuck_rollout_times_out() {
    let mut room = Room::new(deployment(1, &json!(1), &json!(0)));
    let controllers = &mut [&mut room.deployments as &mut dyn Controller, &mut room.sets];
    room.cluster.advance(599, controllers);
    room.cluster.advance(3, controllers);
    let set = room.cluster.names(Kind::REPLICA_SET).concat();
    let wanted = (
        "False",
        "ProgressDeadlineExceeded",
        format!("ReplicaSet \"{set}\" has timed out progressing."),
    );
    let have = room.condition("Progressing");
    assert_eq!((have.0.as_str(), have.1.as_str(), have.2.clone()), wanted);
}

#[test]
fn a_taken_name_counts_as_a_collision() {
    let object = deployment(1, &json!(1), &json!(0));
    let taken = sets::for_template(&object);
    let mut cluster = Cluster::new();
    let mut squatter = taken.clone();
    super::super::object::drop_key(&mut squatter, "/metadata", "ownerReferences");
    put(&mut squatter, &["metadata", "labels"], json!({"app": "other"}));
    put(
        &mut squatter,
        &["spec", "selector", "matchLabels", "app"],
        json!("other"),
    );
    cluster.create(Kind::REPLICA_SET, squatter);
    let key = cluster.create(Kind::DEPLOYMENT, object);
    cluster.settle(&mut [&mut Deployments::default()]);
    assert_eq!(cluster.get(Kind::DEPLOYMENT, &key)["status"]["collisionCount"], 1);
    assert_eq!(cluster.names(Kind::REPLICA_SET).len(), 2);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever becomes ready in whatever order, there are never more pods than surge allows, and never fewer available
    /// than the minimum once that was reached.
    #[test]
    fn rollouts_keep_their_bounds(
        replicas in 1_i64..9,
        surge in 0_i64..4,
        unavailable in 0_i64..4,
        picks in proptest::collection::vec(any::<prop::sample::Index>(), 1..80),
    ) {
        let mut room = Room::new(deployment(replicas, &json!(surge), &json!(unavailable)));
        room.converge();
        let limits = sizes::Limits::of(room.object());
        room.image("a:2");
        for pick in picks {
            let pods: Vec<_> = room.cluster.view.all(Kind::POD).map(|(key, pod)| (key.clone(), Arc::clone(pod))).collect();
            let available = pods.iter().filter(|(_, pod)| pods::is_active(pod) && pods::is_ready(pod)).count();
            let active = pods.iter().filter(|(_, pod)| pods::is_active(pod)).count();
            prop_assert!(i64::try_from(active).unwrap() <= limits.max(), "{active} pods");
            prop_assert!(i64::try_from(available).unwrap() >= limits.min_available(), "{available} available");
            let (key, pod) = &pods[pick.index(pods.len())];
            if super::super::object::is_deleting(pod) {
                room.cluster.vanish(Kind::POD, key);
            } else {
                room.cluster.ready(key, true);
            }
            room.settle();
        }
        room.converge();
        prop_assert_eq!(count(room.object(), "/status/updatedReplicas"), replicas);
        prop_assert_eq!(count(room.object(), "/status/replicas"), replicas);
    }
}
