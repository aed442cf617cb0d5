//! Nodes that fall silent, come back, or are cordoned, and what becomes of their pods.

use serde_json::json;

use super::super::harness::Cluster;
use super::super::object::{is_deleting, put};
use super::super::pods::is_ready;
use super::super::{Controller, Kind, ObjectKey};
use super::*;

#[derive(Default)]
struct Room {
    health: NodeHealth,
    eviction: TaintEviction,
    collector: PodCollector,
}

impl Room {
    fn advance(&mut self, cluster: &mut Cluster, secs: i64) {
        let controllers: &mut [&mut dyn Controller] = &mut [&mut self.health, &mut self.eviction, &mut self.collector];
        cluster.advance(secs, controllers);
    }
}

fn ready(cluster: &Cluster, status: &str) -> Value {
    json!([{"type": "Ready", "status": status, "lastHeartbeatTime": stamp(cluster.now), "lastTransitionTime": stamp(cluster.now)}])
}

fn cluster(nodes: &[&str]) -> Cluster {
    let mut cluster = Cluster::new();
    for name in nodes {
        let status = json!({"conditions": ready(&cluster, "True")});
        cluster.create(Kind::NODE, json!({"metadata": {"name": name}, "status": status}));
    }
    cluster
}

fn node(name: &str) -> ObjectKey {
    ObjectKey::new("", name)
}

fn pod(cluster: &mut Cluster, name: &str, node: &str, tolerations: &Value) -> ObjectKey {
    let conditions = ready(cluster, "True");
    cluster.create(
        Kind::POD,
        json!({
            "metadata": {"namespace": "default", "name": name},
            "spec": {"nodeName": node, "tolerations": tolerations},
            "status": {"phase": "Running", "conditions": conditions},
        }),
    )
}

fn taints(cluster: &Cluster, name: &str) -> Vec<(String, String)> {
    let taints = list(cluster.get(Kind::NODE, &node(name)), "/spec/taints").iter();
    let pair = |taint: &Value| {
        (
            text(taint, "/key").replace("node.kubernetes.io/", ""),
            text(taint, "/effect").to_owned(),
        )
    };
    taints.map(pair).collect()
}

fn beat(cluster: &mut Cluster, name: &str, status: &str) {
    let conditions = ready(cluster, status);
    cluster.edit(Kind::NODE, &node(name), |node| {
        put(node, &["status", "conditions"], conditions);
    });
}

#[test]
fn a_silent_node_is_unknown_tainted_and_its_pods_go_in_time() {
    let (mut cluster, mut room) = (cluster(&["up", "down"]), Room::default());
    let forever = pod(&mut cluster, "stays", "down", &json!([{"operator": "Exists"}]));
    let minutes = json!([{"key": "node.kubernetes.io/unreachable", "operator": "Exists", "tolerationSeconds": 300}]);
    let five = pod(&mut cluster, "five", "down", &minutes);
    let zero = pod(&mut cluster, "zero", "down", &json!([]));
    room.advance(&mut cluster, 0);
    for _ in 0..5 {
        room.advance(&mut cluster, 10);
        beat(&mut cluster, "up", "True");
    }
    room.advance(&mut cluster, 0);
    assert_eq!(taints(&cluster, "down"), []);
    room.advance(&mut cluster, 5);
    let condition = condition(cluster.get(Kind::NODE, &node("down")), "Ready")
        .cloned()
        .unwrap();
    assert_eq!(
        (text(&condition, "/status"), text(&condition, "/reason")),
        ("Unknown", "NodeStatusUnknown")
    );
    let unreachable = |effect: &str| ("unreachable".to_owned(), effect.to_owned());
    assert_eq!(
        taints(&cluster, "down"),
        [unreachable("NoSchedule"), unreachable("NoExecute")]
    );
    assert!(is_deleting(cluster.get(Kind::POD, &zero)) && !is_ready(cluster.get(Kind::POD, &five)));
    let reason = super::super::object::condition(cluster.get(Kind::POD, &zero), "DisruptionTarget")
        .cloned()
        .unwrap();
    assert_eq!(text(&reason, "/reason"), "DeletionByTaintManager");
    for _ in 0..30 {
        beat(&mut cluster, "up", "True");
        room.advance(&mut cluster, 10);
    }
    assert!(is_deleting(cluster.get(Kind::POD, &five)) && !is_deleting(cluster.get(Kind::POD, &forever)));
    for event in [
        "Normal NodeNotReady Node down status is now: NodeNotReady",
        "Warning NodeNotReady Node is not ready",
        "Normal TaintManagerEviction Marking for deletion Pod default/zero",
    ] {
        assert!(
            cluster.events.iter().any(|have| have == event),
            "{event}: {:?}",
            cluster.events
        );
    }
}

#[test]
fn a_node_that_comes_back_keeps_its_pods() {
    let (mut cluster, mut room) = (cluster(&["up", "down"]), Room::default());
    let minutes = json!([{"operator": "Exists", "tolerationSeconds": 300}]);
    let held = pod(&mut cluster, "held", "down", &minutes);
    beat(&mut cluster, "down", "False");
    room.advance(&mut cluster, 0);
    assert_eq!(
        taints(&cluster, "down").first().map(|taint| taint.0.as_str()),
        Some("not-ready")
    );
    room.advance(&mut cluster, 40);
    for name in ["up", "down"] {
        beat(&mut cluster, name, "True");
    }
    room.advance(&mut cluster, 0);
    assert_eq!(taints(&cluster, "down"), []);
    assert!(
        cluster
            .events
            .contains(&"Normal TaintManagerEviction Cancelling deletion of Pod default/held".to_owned())
    );
    room.advance(&mut cluster, 10);
    assert!(!is_deleting(cluster.get(Kind::POD, &held)));
}

#[test]
fn leases_are_signs_of_life() {
    let (mut cluster, mut room) = (cluster(&["a"]), Room::default());
    let lease = json!({"metadata": {"namespace": "kube-node-lease", "name": "a"}, "spec": {"renewTime": "t0"}});
    let key = cluster.create(Kind::LEASE, lease);
    room.advance(&mut cluster, 0);
    for beat in 1..10 {
        cluster.edit(Kind::LEASE, &key, |lease| {
            put(lease, &["spec", "renewTime"], format!("t{beat}").into());
        });
        room.advance(&mut cluster, 40);
    }
    assert_eq!(health_of(&cluster), "True");
    room.advance(&mut cluster, 60);
    assert_eq!(health_of(&cluster), "Unknown");
    let effects: Vec<String> = taints(&cluster, "a").into_iter().map(|taint| taint.1).collect();
    assert_eq!(effects, ["NoSchedule"], "when all nodes are down none is evicted");
}

fn health_of(cluster: &Cluster) -> String {
    let ready = condition(cluster.get(Kind::NODE, &node("a")), "Ready")
        .cloned()
        .unwrap_or_default();
    text(&ready, "/status").to_owned()
}

#[test]
fn cordoned_and_strained_nodes_are_tainted_and_other_taints_stay() {
    let (mut cluster, mut room) = (cluster(&["a"]), Room::default());
    cluster.edit(Kind::NODE, &node("a"), |node| {
        let taint = json!([{"key": "sku", "value": "gpu", "effect": "NoSchedule"}]);
        put(node, &["spec"], json!({"unschedulable": true, "taints": taint}));
    });
    room.advance(&mut cluster, 0);
    let keys = |cluster: &Cluster| {
        taints(cluster, "a")
            .into_iter()
            .map(|taint| taint.0)
            .collect::<Vec<_>>()
    };
    assert_eq!(keys(&cluster), ["sku", "unschedulable"]);
    cluster.edit(Kind::NODE, &node("a"), |node| {
        put(node, &["spec", "unschedulable"], json!(false));
    });
    room.advance(&mut cluster, 0);
    assert_eq!(keys(&cluster), ["sku"]);
}

#[test]
fn pods_of_vanished_nodes_end_after_quarantine() {
    let (mut cluster, mut room) = (cluster(&["a"]), Room::default());
    let lost = pod(&mut cluster, "lost", "a", &json!([]));
    room.advance(&mut cluster, 0);
    cluster.vanish(Kind::NODE, &node("a"));
    room.advance(&mut cluster, 0);
    room.advance(&mut cluster, 39);
    assert!(cluster.view.get(Kind::POD, &lost).is_some());
    room.advance(&mut cluster, 1);
    assert!(cluster.view.get(Kind::POD, &lost).is_none());
    let told = "Normal RemovingNode Node a event: Removing Node a from Controller";
    assert!(cluster.events.iter().any(|have| have == told), "{:?}", cluster.events);
}

#[test]
fn pods_that_a_dead_node_cannot_end_are_ended() {
    let (mut cluster, mut room) = (cluster(&["up", "off"]), Room::default());
    let held = pod(&mut cluster, "held", "off", &json!([{"operator": "Exists"}]));
    cluster.delete(Kind::POD, &held);
    room.advance(&mut cluster, 0);
    beat(&mut cluster, "off", "False");
    room.advance(&mut cluster, 0);
    assert!(is_deleting(cluster.get(Kind::POD, &held)));
    cluster.edit(Kind::NODE, &node("off"), |node| {
        let mut taints = list(node, "/spec/taints").to_vec();
        taints.push(json!({"key": "node.kubernetes.io/out-of-service", "effect": "NoExecute"}));
        put(node, &["spec", "taints"], taints.into());
    });
    room.advance(&mut cluster, 0);
    assert!(cluster.view.get(Kind::POD, &held).is_none());
}

#[test]
fn the_oldest_of_too_many_ended_pods_go_evicted_ones_first() {
    let mut cluster = cluster(&["a"]);
    let mut collector = PodCollector::keeping(2);
    for (name, phase, reason) in [
        ("old", "Succeeded", ""),
        ("runs", "Running", ""),
        ("evicted", "Failed", "Evicted"),
        ("young", "Failed", ""),
        ("youngest", "Succeeded", ""),
    ] {
        let key = pod(&mut cluster, name, "a", &json!([]));
        cluster.edit(Kind::POD, &key, |pod| {
            put(pod, &["status"], json!({"phase": phase, "reason": reason}));
        });
        cluster.advance(1, &mut [&mut collector]);
    }
    assert_eq!(cluster.names(Kind::POD), ["runs", "young", "youngest"]);
    cluster.assert_still(&mut [&mut collector]);
}

#[test]
fn conditions_become_taints_and_then_nothing_more_is_wanted() {
    let cases = [
        ("Ready", "False", "not-ready"),
        ("Ready", "Unknown", "unreachable"),
        ("MemoryPressure", "True", "memory-pressure"),
        ("DiskPressure", "True", "disk-pressure"),
        ("PIDPressure", "True", "pid-pressure"),
        ("NetworkUnavailable", "True", "network-unavailable"),
    ];
    for (type_, status, wanted) in cases {
        let (mut cluster, mut room) = (cluster(&["other", "a"]), Room::default());
        let mut conditions = ready(&cluster, "True");
        let condition = json!({"type": type_, "status": status, "lastHeartbeatTime": stamp(cluster.now)});
        if type_ == "Ready" {
            conditions = json!([condition]);
        } else if let Some(conditions) = conditions.as_array_mut() {
            conditions.push(condition);
        }
        cluster.edit(Kind::NODE, &node("a"), |node| {
            put(node, &["status", "conditions"], conditions);
        });
        room.advance(&mut cluster, 0);
        let both = [
            (wanted.to_owned(), "NoSchedule".to_owned()),
            (wanted.to_owned(), "NoExecute".to_owned()),
        ];
        let effects = if type_ == "Ready" { 2 } else { 1 };
        assert_eq!(taints(&cluster, "a"), both[..effects], "{type_} {status}");
        cluster.assert_still(&mut [&mut room.health, &mut room.eviction, &mut room.collector]);
    }
}
