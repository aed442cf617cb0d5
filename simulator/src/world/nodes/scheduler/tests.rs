//! Tests of the scheduler.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::world::control::harness::Cluster;
use crate::world::nodes::{NodeShape, plain_node};

fn node(name: &str, edit: impl FnOnce(&mut Value)) -> Value {
    let mut node = plain_node(name, 1, &NodeShape::default());
    edit(&mut node);
    node
}

fn pod(name: &str, spec: Value) -> Value {
    let mut spec = spec;
    if spec["containers"].is_null() {
        spec["containers"] = json!([{ "name": "a", "image": "x" }]);
    }
    json!({ "metadata": { "name": name, "namespace": "default" }, "spec": spec, "status": { "phase": "Pending" } })
}

/// What the scheduler says of one pod among some nodes: its node, or the condition's message.
fn verdict(nodes: Vec<Value>, wanted: Value) -> String {
    let (mut cluster, mut scheduler) = (Cluster::new(), Scheduler::default());
    for node in nodes {
        cluster.create(Kind::NODE, node);
    }
    let key = cluster.create(Kind::POD, wanted);
    cluster.settle(&mut [&mut scheduler]);
    let pod = cluster.get(Kind::POD, &key);
    match pod["spec"]["nodeName"].as_str() {
        Some(node) => node.to_owned(),
        None => pod["status"]["conditions"][0]["message"]
            .as_str()
            .unwrap_or_default()
            .to_owned(),
    }
}

#[test]
fn refusals_are_worded_as_the_real_scheduler_words_them() {
    let gpu =
        json!({ "containers": [{ "name": "a", "resources": { "requests": { "nvidia.com/gpu": "1", "cpu": "8" } } }] });
    let tainted = |name: &str| {
        node(name, |n| {
            n["spec"]["taints"] = json!([{ "key": "sku", "value": "gpu", "effect": "NoSchedule" }])
        })
    };
    let tail = |n: usize| {
        format!(
            "no new claims to deallocate, preemption: 0/{n} nodes are available: {n} Preemption is not helpful for scheduling."
        )
    };
    assert_eq!(
        verdict(vec![], pod("p", json!({}))),
        "no nodes available to schedule pods"
    );
    assert_eq!(
        verdict(
            vec![tainted("a"), node("b", |n| n["spec"]["unschedulable"] = true.into())],
            pod("p", json!({}))
        ),
        format!(
            "0/2 nodes are available: 1 node(s) had untolerated taint(s), 1 node(s) were unschedulable. {}",
            tail(2)
        )
    );
    assert_eq!(
        verdict(vec![node("a", |_| {}), node("b", |_| {})], pod("p", gpu)),
        format!(
            "0/2 nodes are available: 2 Insufficient cpu, 2 Insufficient nvidia.com/gpu. {}",
            tail(2)
        )
    );
    let elsewhere = json!({ "nodeSelector": { "a": "b" } });
    assert_eq!(
        verdict(vec![node("a", |_| {})], pod("p", elsewhere)),
        format!(
            "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector. {}",
            tail(1)
        )
    );
    let claim = json!({ "volumes": [{ "name": "v", "persistentVolumeClaim": { "claimName": "nope" } }] });
    assert_eq!(
        verdict(vec![node("a", |_| {})], pod("p", claim)),
        "0/1 nodes are available: persistentvolumeclaim \"nope\" not found. not found"
    );
    let tolerant = json!({ "tolerations": [{ "key": "sku", "operator": "Equal", "value": "gpu" }] });
    assert_eq!(verdict(vec![tainted("a")], pod("p", tolerant)), "a");
}

#[test]
fn a_waiting_pod_goes_where_room_appears() {
    let (mut cluster, mut scheduler) = (Cluster::new(), Scheduler::default());
    let big = json!({ "containers": [{ "name": "a", "resources": { "requests": { "cpu": "3" } } }] });
    cluster.create(Kind::NODE, node("a", |_| {}));
    let first = cluster.create(Kind::POD, pod("first", big.clone()));
    cluster.settle(&mut [&mut scheduler]);
    let second = cluster.create(Kind::POD, pod("second", big));
    cluster.settle(&mut [&mut scheduler]);
    let message = cluster.get(Kind::POD, &second)["status"]["conditions"][0]["message"].clone();
    let wanted = "0/1 nodes are available: 1 Insufficient cpu. no new claims to deallocate, preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod.";
    assert_eq!(message, wanted);
    cluster.vanish(Kind::POD, &first);
    cluster.settle(&mut [&mut scheduler]);
    assert_eq!(cluster.get(Kind::POD, &second)["spec"]["nodeName"], "a");
}

#[test]
fn spreading_and_anti_affinity_keep_pods_apart() {
    let (mut cluster, mut scheduler) = (Cluster::new(), Scheduler::default());
    for name in ["a", "b"] {
        cluster.create(Kind::NODE, node(name, |_| {}));
    }
    let term = json!({ "labelSelector": { "matchLabels": { "app": "db" } }, "topologyKey": "kubernetes.io/hostname" });
    let apart =
        json!({ "affinity": { "podAntiAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": [term] } } });
    let mut keys = Vec::new();
    for name in ["one", "two", "three"] {
        let mut pod = pod(name, apart.clone());
        pod["metadata"]["labels"] = json!({ "app": "db" });
        keys.push(cluster.create(Kind::POD, pod));
        cluster.settle(&mut [&mut scheduler]);
    }
    let node_of = |index: usize| cluster.get(Kind::POD, &keys[index])["spec"]["nodeName"].clone();
    assert_ne!(node_of(0), node_of(1));
    assert_eq!(node_of(2), Value::Null);
}

#[test]
fn gates_hold_a_pod_back() {
    let gated = pod("p", json!({ "schedulingGates": [{ "name": "quota" }] }));
    let said = verdict(vec![node("a", |_| {})], gated);
    assert_eq!(said, "Scheduling is blocked due to non-empty scheduling gates");
}

#[test]
fn other_pods_wishes_are_refusals_too() {
    let cases = [
        (
            json!({ "affinity": { "podAntiAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": [
                { "labelSelector": { "matchLabels": { "app": "db" } }, "topologyKey": "kubernetes.io/hostname" }] } } }),
            "1 node(s) didn't match pod anti-affinity rules",
            "No preemption victims found for incoming pod",
        ),
        (
            json!({ "affinity": { "podAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": [
                { "labelSelector": { "matchLabels": { "app": "none" } }, "topologyKey": "kubernetes.io/hostname" }] } } }),
            "1 node(s) didn't match pod affinity rules",
            "Preemption is not helpful for scheduling",
        ),
        (
            json!({ "topologySpreadConstraints": [{ "maxSkew": 1, "topologyKey": "nope",
                "whenUnsatisfiable": "DoNotSchedule", "labelSelector": {} }] }),
            "1 node(s) didn't match pod topology spread constraints (missing required label)",
            "Preemption is not helpful for scheduling",
        ),
        (
            json!({ "containers": [{ "name": "a", "ports": [{ "hostPort": 80 }] }] }),
            "1 node(s) didn't have free ports for the requested pod ports",
            "No preemption victims found for incoming pod",
        ),
    ];
    for (spec, reason, preemption) in cases {
        let (mut cluster, mut scheduler) = (Cluster::new(), Scheduler::default());
        cluster.create(Kind::NODE, node("a", |_| {}));
        let mut first = pod(
            "first",
            json!({ "containers": [{ "name": "a", "ports": [{ "hostPort": 80 }] }] }),
        );
        first["metadata"]["labels"] = json!({ "app": "db" });
        cluster.create(Kind::POD, first);
        cluster.settle(&mut [&mut scheduler]);
        let key = cluster.create(Kind::POD, pod("second", spec));
        cluster.settle(&mut [&mut scheduler]);
        let head = "0/1 nodes are available:";
        let wanted = format!("{head} {reason}. no new claims to deallocate, preemption: {head} 1 {preemption}.");
        assert_eq!(
            cluster.get(Kind::POD, &key)["status"]["conditions"][0]["message"],
            wanted
        );
    }
}

#[test]
fn a_pod_that_wants_to_be_alone_keeps_others_away_and_company_is_waited_for() {
    let (mut cluster, mut scheduler) = (Cluster::new(), Scheduler::default());
    cluster.create(Kind::NODE, node("a", |_| {}));
    let term = |app: &str| json!({ "labelSelector": { "matchLabels": { "app": app } }, "topologyKey": "kubernetes.io/hostname" });
    let wish = |kind: &str, app: &str| json!({ "affinity": { kind: { "requiredDuringSchedulingIgnoredDuringExecution": [term(app)] } } });
    let labelled = |name: &str, app: &str, spec: Value| {
        let mut pod = pod(name, spec);
        pod["metadata"]["labels"] = json!({ "app": app });
        pod
    };
    let friend = cluster.create(Kind::POD, labelled("friend", "friend", wish("podAffinity", "hermit")));
    cluster.settle(&mut [&mut scheduler]);
    assert_eq!(cluster.get(Kind::POD, &friend)["spec"]["nodeName"], Value::Null);
    cluster.create(
        Kind::POD,
        labelled("hermit", "hermit", wish("podAntiAffinity", "noise")),
    );
    cluster.settle(&mut [&mut scheduler]);
    assert_eq!(cluster.get(Kind::POD, &friend)["spec"]["nodeName"], "a");
    let noise = cluster.create(Kind::POD, labelled("noise", "noise", json!({})));
    cluster.settle(&mut [&mut scheduler]);
    let message = cluster.get(Kind::POD, &noise)["status"]["conditions"][0]["message"].to_string();
    assert!(
        message.contains("1 node(s) didn't satisfy existing pods anti-affinity rules"),
        "{message}"
    );
}

#[test]
fn the_important_go_first_and_a_group_hears_the_news_once() {
    let (mut cluster, mut scheduler) = (Cluster::new(), Scheduler::default());
    let spec = |priority: i64| json!({ "priority": priority, "containers": [{ "name": "a", "resources": { "requests": { "cpu": "3" } } }] });
    let low: Vec<ObjectKey> = (0..5)
        .map(|index| cluster.create(Kind::POD, pod(&format!("low-{index}"), spec(0))))
        .collect();
    cluster.settle(&mut [&mut scheduler]);
    let high = cluster.create(Kind::POD, pod("zz-high", spec(1000)));
    cluster.create(Kind::NODE, node("a", |_| {}));
    cluster.settle(&mut [&mut scheduler]);
    assert_eq!(cluster.get(Kind::POD, &high)["spec"]["nodeName"], "a");
    cluster.advance(1, &mut [&mut scheduler]);
    for key in &low {
        let message = cluster.get(Kind::POD, key)["status"]["conditions"][0]["message"].to_string();
        assert!(
            message.contains("0/1 nodes are available: 1 Insufficient cpu."),
            "{key}: {message}"
        );
    }
    let writes = cluster.writes;
    cluster.advance(60, &mut [&mut scheduler]);
    assert_eq!(cluster.writes, writes);
}

proptest! {
    #[test]
    fn no_node_is_ever_overcommitted(requests in prop::collection::vec(1_i64..3000, 1..40), nodes in 1_usize..6) {
        let (mut cluster, mut scheduler) = (Cluster::new(), Scheduler::default());
        for index in 0..nodes {
            cluster.create(Kind::NODE, node(&format!("n{index}"), |_| {}));
        }
        for (index, milli) in requests.iter().enumerate() {
            let spec = json!({ "containers": [{ "name": "a", "resources": { "requests": { "cpu": format!("{milli}m") } } }] });
            cluster.create(Kind::POD, pod(&format!("p{index}"), spec));
        }
        cluster.settle(&mut [&mut scheduler]);
        for index in 0..nodes {
            let name = format!("n{index}");
            let used: i64 = cluster.view.pods_on(&name).map(|(key, _)| requests[key.name[1..].parse::<usize>().unwrap()]).sum();
            prop_assert!(used <= 4000, "{name} has {used}m of 4000m");
        }
    }
}
