//! Budgets: what may go, what was granted, what cannot be counted; announcements that go stale.

use super::super::harness::Cluster;
use super::super::object::put;
use super::*;

fn cluster(spec: &Value) -> (Cluster, ObjectKey) {
    let mut cluster = Cluster::new();
    let mut object = json!({"metadata": {"namespace": "default", "name": "b"}, "spec": {"selector": {"matchLabels": {"app": "web"}}}});
    json_patch::merge(&mut object["spec"], spec);
    let set = json!({"metadata": {"namespace": "default", "name": "rs", "uid": "rs"}, "spec": {"replicas": 4}});
    cluster.create(Kind::REPLICA_SET, set);
    for index in 0..4 {
        let owner =
            json!([{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "rs", "uid": "rs", "controller": true}]);
        let metadata = json!({"namespace": "default", "name": format!("p{index}"), "labels": {"app": "web"}, "ownerReferences": owner});
        let key = cluster.create(Kind::POD, json!({"metadata": metadata, "spec": {}}));
        cluster.ready(&key, index != 3);
    }
    let key = cluster.create(Kind::PDB, object);
    cluster.settle(&mut [&mut DisruptionBudgets]);
    (cluster, key)
}

#[test]
fn counts_what_may_go() {
    // Four pods are wanted, three are healthy.
    let cases = [
        (json!({"minAvailable": 1}), (2, 1)),
        (json!({"minAvailable": "75%"}), (0, 3)),
        (json!({"maxUnavailable": 2}), (1, 2)),
        (json!({"maxUnavailable": "50%"}), (1, 2)),
        (json!({"maxUnavailable": 0}), (0, 4)),
    ];
    for (spec, (allowed, desired)) in cases {
        let (cluster, key) = cluster(&spec);
        let status = &cluster.get(Kind::PDB, &key)["status"];
        let have = (
            &status["disruptionsAllowed"],
            &status["desiredHealthy"],
            &status["currentHealthy"],
            &status["expectedPods"],
        );
        assert_eq!(have, (&json!(allowed), &json!(desired), &json!(3), &json!(4)), "{spec}");
        let reason = if allowed > 0 {
            "SufficientPods"
        } else {
            "InsufficientPods"
        };
        assert_eq!(status["conditions"][0]["reason"], reason, "{spec}");
        cluster.assert_still(&mut [&mut DisruptionBudgets]);
    }
}

#[test]
fn evicted_pods_do_not_count_until_their_time_is_up() {
    let (mut cluster, key) = cluster(&json!({"minAvailable": 1}));
    let at = stamp(cluster.now);
    cluster.edit(Kind::PDB, &key, |budget| {
        put(budget, &["status", "disruptedPods"], json!({"p0": at, "gone": at}));
    });
    cluster.settle(&mut [&mut DisruptionBudgets]);
    assert_eq!(
        cluster.get(Kind::PDB, &key)["status"]["disruptedPods"],
        json!({"p0": at})
    );
    assert_eq!(cluster.get(Kind::PDB, &key)["status"]["disruptionsAllowed"], 1);
    cluster.advance(120, &mut [&mut DisruptionBudgets]);
    assert_eq!(cluster.get(Kind::PDB, &key)["status"]["disruptionsAllowed"], 2);
}

#[test]
fn an_eviction_that_did_not_happen_is_told() {
    let (mut cluster, key) = cluster(&json!({"minAvailable": 1}));
    let at = stamp(cluster.now);
    cluster.edit(Kind::PDB, &key, |budget| {
        put(budget, &["status", "disruptedPods"], json!({"p0": at}));
    });
    cluster.settle(&mut [&mut DisruptionBudgets]);
    cluster.advance(120, &mut [&mut DisruptionBudgets]);
    let told = "Warning NotDeleted Pod was expected by PDB default/default to be deleted but it wasn't";
    assert_eq!(cluster.events, [told]);
}

#[test]
fn what_cannot_be_counted_allows_nothing_and_says_why() {
    let owner = |api_version: &str, kind: &str| json!([{"apiVersion": api_version, "kind": kind, "name": "o", "uid": "o", "controller": true}]);
    let cases = [
        (
            json!([]),
            "UnmanagedPods",
            "Pods selected by this PodDisruptionBudget (selector: &LabelSelector{MatchLabels:map[string]string{app: web,},MatchExpressions:[]LabelSelectorRequirement{LabelSelectorRequirement{Key:tier,Operator:NotIn,Values:[a b],},},}) were found to be unmanaged.",
        ),
        (
            owner("batch/v1", "Job"),
            "CalculateExpectedPodCountFailed",
            "Failed to calculate the number of expected pods: jobs.batch does not implement the scale subresource",
        ),
        (
            owner("v1", "Node"),
            "CalculateExpectedPodCountFailed",
            "Failed to calculate the number of expected pods: nodes does not implement the scale subresource",
        ),
        (
            owner("apps/v1", "ReplicaSet"),
            "CalculateExpectedPodCountFailed",
            "Failed to calculate the number of expected pods: found no controllers for pod \"p\"",
        ),
    ];
    for (owners, reason, message) in cases {
        let mut cluster = Cluster::new();
        let metadata =
            json!({"namespace": "default", "name": "p", "labels": {"app": "web"}, "ownerReferences": owners});
        let pod = cluster.create(Kind::POD, json!({"metadata": metadata, "spec": {}}));
        cluster.ready(&pod, true);
        let rule = json!({"key": "tier", "operator": "NotIn", "values": ["a", "b"]});
        let selector = json!({"matchLabels": {"app": "web"}, "matchExpressions": [rule]});
        let spec = json!({"selector": selector, "maxUnavailable": "50%"});
        let key = cluster.create(
            Kind::PDB,
            json!({"metadata": {"namespace": "default", "name": "b"}, "spec": spec}),
        );
        cluster.settle(&mut [&mut DisruptionBudgets]);
        let told = format!("Warning {reason} {message}");
        assert!(
            cluster.events.len() == 1 && cluster.events[0].starts_with(&told),
            "{:?}",
            cluster.events
        );
        assert_eq!(
            cluster.get(Kind::PDB, &key)["status"]["disruptionsAllowed"],
            0,
            "{reason}"
        );
        cluster.assert_still(&mut [&mut DisruptionBudgets]);
    }
}

#[test]
fn announced_disruptions_go_stale() {
    for (reason, deleting, wanted) in [
        ("EvictionByEvictionAPI", false, "False"),
        ("TerminationByKubelet", false, "True"),
        ("PreemptionByScheduler", true, "True"),
    ] {
        let mut cluster = Cluster::new();
        let announced = json!({"type": "DisruptionTarget", "status": "True", "reason": reason, "lastTransitionTime": stamp(cluster.now)});
        let mut metadata = json!({"namespace": "default", "name": "p"});
        if deleting {
            put(&mut metadata, &["deletionTimestamp"], stamp(cluster.now));
        }
        let status = json!({"phase": "Running", "conditions": [announced]});
        let key = cluster.create(Kind::POD, json!({"metadata": metadata, "spec": {}, "status": status}));
        cluster.advance(119, &mut [&mut StaleDisruptions]);
        assert_eq!(cluster.writes, 0, "{reason}");
        cluster.advance(1, &mut [&mut StaleDisruptions]);
        let pod = cluster.get(Kind::POD, &key);
        assert_eq!(pod["status"]["conditions"][0]["status"], wanted, "{reason}");
    }
}
