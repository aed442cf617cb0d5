//! DaemonSets: who gets a pod, updates, surge.

use serde_json::json;

use super::super::harness::Cluster;
use super::super::object::{is_deleting, list, put};
use super::*;

fn daemon_set(spec: &Value) -> Value {
    let mut set = json!({
        "apiVersion": "apps/v1", "kind": "DaemonSet",
        "metadata": {"namespace": "default", "name": "agent"},
        "spec": {
            "selector": {"matchLabels": {"app": "agent"}},
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}},
            "template": {"metadata": {"labels": {"app": "agent"}}, "spec": {"containers": [{"name": "main", "image": "a:1"}]}},
        },
    });
    json_patch::merge(&mut set["spec"], spec);
    set
}

struct Room {
    cluster: Cluster,
    sets: DaemonSets,
    key: ObjectKey,
}

impl Room {
    fn new(nodes: &[(&str, Value)], spec: Value) -> Self {
        let mut cluster = Cluster::new();
        for (name, taints) in nodes {
            let metadata = json!({"name": name, "labels": {"kubernetes.io/hostname": name}});
            cluster.create(Kind::NODE, json!({"metadata": metadata, "spec": {"taints": taints}}));
        }
        let key = cluster.create(Kind::DAEMON_SET, daemon_set(&spec));
        let mut room = Self {
            cluster,
            sets: DaemonSets::default(),
            key,
        };
        room.settle();
        room
    }

    fn settle(&mut self) {
        self.cluster.settle(&mut [&mut self.sets]);
    }

    /// Gives pods to the nodes that they name, lets them run, ends those that are being deleted.
    fn run(&mut self) {
        let pods: Vec<(ObjectKey, Arc<Value>)> = self
            .cluster
            .view
            .all(Kind::POD)
            .map(|(key, pod)| (key.clone(), Arc::clone(pod)))
            .collect();
        for (key, pod) in pods {
            if is_deleting(&pod) {
                self.cluster.vanish(Kind::POD, &key);
            } else if text(&pod, "/status/phase") == "Pending" {
                let node = node_of(&pod).to_owned();
                self.cluster.ready(&key, true);
                self.cluster
                    .edit(Kind::POD, &key, |pod| put(pod, &["spec", "nodeName"], node.into()));
            }
        }
        self.settle();
    }

    fn nodes(&self) -> Vec<String> {
        let pods = self.cluster.view.all(Kind::POD).filter(|(_, pod)| !is_deleting(pod));
        let mut nodes: Vec<String> = pods.map(|(_, pod)| node_of(pod).to_owned()).collect();
        nodes.sort();
        nodes
    }

    fn status(&self, field: &str) -> i64 {
        count(
            self.cluster.get(Kind::DAEMON_SET, &self.key),
            &format!("/status/{field}"),
        )
    }
}

fn taint(key: &str, effect: &str) -> Value {
    json!([{"key": key, "value": "x", "effect": effect}])
}

#[test]
fn every_willing_node_gets_one() {
    let tainted = taint("sku", "NoSchedule");
    let nodes = [
        ("a", json!([])),
        ("b", json!([])),
        ("gpu", tainted),
        ("cordoned", taint("node.kubernetes.io/unschedulable", "NoSchedule")),
    ];
    let mut room = Room::new(&nodes, json!({}));
    assert_eq!(room.nodes(), ["a", "b", "cordoned"]);
    let pod = room
        .cluster
        .view
        .all(Kind::POD)
        .next()
        .map(|(_, pod)| (**pod).clone())
        .unwrap();
    assert_eq!(list(&pod, "/spec/tolerations").len(), 6);
    let terms = &pod["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"];
    assert_eq!(text(terms, "/nodeSelectorTerms/0/matchFields/0/key"), "metadata.name");
    room.run();
    let fields = [
        "desiredNumberScheduled",
        "currentNumberScheduled",
        "numberReady",
        "numberAvailable",
        "updatedNumberScheduled",
    ];
    assert_eq!(fields.map(|field| room.status(field)), [3; 5]);
    room.cluster.create(Kind::NODE, json!({"metadata": {"name": "late"}}));
    room.settle();
    assert_eq!((room.nodes().len(), room.status("numberUnavailable")), (4, 1));
    room.cluster.edit(Kind::NODE, &ObjectKey::new("", "a"), |node| {
        put(node, &["spec", "taints"], taint("bad", "NoExecute"));
    });
    room.settle();
    assert_eq!(room.nodes(), ["b", "cordoned", "late"]);
}

#[test]
fn node_selectors_and_tolerations_choose() {
    let spec = json!({"template": {"spec": {"nodeSelector": {"kubernetes.io/hostname": "gpu"}, "tolerations": [{"operator": "Exists"}]}}});
    let room = Room::new(&[("a", json!([])), ("gpu", taint("sku", "NoSchedule"))], spec);
    assert_eq!(room.nodes(), ["gpu"]);
}

fn image(room: &mut Room, image: &str) {
    room.cluster.edit(Kind::DAEMON_SET, &room.key, |set| {
        set["spec"]["template"]["spec"]["containers"][0]["image"] = image.into();
    });
    room.settle();
}

#[test]
fn updates_one_by_one() {
    let mut room = Room::new(&[("a", json!([])), ("b", json!([])), ("c", json!([]))], json!({}));
    room.run();
    image(&mut room, "a:2");
    for updated in 1..=3 {
        assert_eq!(room.nodes().len(), 2, "one at a time");
        room.run();
        assert_eq!(room.nodes().len(), 3, "the next goes when the last is available");
        room.run();
        assert_eq!(room.status("updatedNumberScheduled"), updated);
    }
    assert_eq!(room.status("numberAvailable"), 3);
}

#[test]
fn surges_before_it_removes() {
    let rolling = json!({"updateStrategy": {"rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}});
    let mut room = Room::new(&[("a", json!([])), ("b", json!([]))], rolling);
    room.run();
    image(&mut room, "a:2");
    assert_eq!(room.nodes(), ["a", "a", "b"]);
    for _ in 0..6 {
        assert!(room.status("numberAvailable") >= 2 || room.nodes().len() >= 2);
        room.run();
    }
    assert_eq!((room.nodes().len(), room.status("updatedNumberScheduled")), (2, 2));
}

#[test]
fn failed_pods_are_replaced_later_and_later() {
    let mut room = Room::new(&[("a", json!([]))], json!({}));
    for wait in [1, 2, 4] {
        room.run();
        let pod = room
            .cluster
            .view
            .all(Kind::POD)
            .next()
            .map(|(key, _)| key.clone())
            .unwrap();
        room.cluster.finish(&pod, "Failed", 1);
        room.cluster
            .edit(Kind::POD, &pod, |pod| put(pod, &["spec", "nodeName"], "a".into()));
        room.settle();
        if room.cluster.view.get(Kind::POD, &pod).is_some() {
            room.cluster.advance(wait, &mut [&mut room.sets]);
        }
        assert!(room.cluster.view.get(Kind::POD, &pod).is_none(), "{wait}");
    }
    let told = room
        .cluster
        .events
        .iter()
        .filter(|event| event.starts_with("Warning FailedDaemonPod Found failed daemon pod default/agent-"));
    assert_eq!(told.count(), 3);
}
