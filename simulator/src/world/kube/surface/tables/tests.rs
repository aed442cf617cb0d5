//! Cells as kubectl users know them. Knows the built-in printers; must not need a server.

use serde_json::json;

use super::super::super::resources::{Gvk, builtin_registry};
use super::*;

const NOW: &str = "2026-01-01T01:00:00Z";

fn cells(group: &str, kind: &str, object: &Value) -> Vec<Value> {
    let registry = builtin_registry();
    let resource = registry
        .iter()
        .find(|r| r.gvk.group == group && r.gvk.kind == kind)
        .unwrap();
    let table = table(
        resource,
        &[object],
        &json!({}),
        NOW.parse().unwrap(),
        IncludeObject::None,
    );
    let row = table["rows"][0]["cells"].as_array().unwrap().clone();
    assert_eq!(
        row.len(),
        table["columnDefinitions"].as_array().unwrap().len(),
        "{kind}: a cell for every column"
    );
    row
}

/// READY, STATUS and RESTARTS of a pod.
fn pod_cells(pod: &Value) -> [String; 3] {
    let row = cells("", "Pod", pod);
    [1, 2, 3].map(|index| row[index].as_str().unwrap().to_owned())
}

#[test]
fn pod_status_is_what_kubectl_users_know() {
    let one = || json!({"containers": [{"name": "a"}]});
    let container = |state: Value, ready: bool| json!({"name": "a", "ready": ready, "restartCount": 0, "state": state});
    let status = |phase: &str, state: Value, ready: bool| json!({"phase": phase, "containerStatuses": [container(state, ready)]});
    let terminated = |code: i32, reason: &str| json!({"terminated": {"exitCode": code, "reason": reason}});
    for (pod, expected) in [
        (
            json!({"spec": one(), "status": {"phase": "Pending"}}),
            ["0/1", "Pending", "0"],
        ),
        (
            json!({"spec": one(), "status": status("Running", json!({"running": {}}), true)}),
            ["1/1", "Running", "0"],
        ),
        (
            json!({"spec": one(), "status": status("Pending", json!({"waiting": {"reason": "ImagePullBackOff"}}), false)}),
            ["0/1", "ImagePullBackOff", "0"],
        ),
        (
            json!({"spec": one(), "status": status("Succeeded", terminated(0, "Completed"), false)}),
            ["0/1", "Completed", "0"],
        ),
        (
            json!({"spec": one(), "status": status("Failed", terminated(137, "OOMKilled"), false)}),
            ["0/1", "OOMKilled", "0"],
        ),
        (
            json!({"spec": one(), "status": status("Failed", terminated(3, ""), false)}),
            ["0/1", "ExitCode:3", "0"],
        ),
        (
            json!({
                "metadata": {"deletionTimestamp": NOW}, "spec": one(),
                "status": status("Running", json!({"running": {}}), true),
            }),
            ["1/1", "Terminating", "0"],
        ),
        (
            json!({"spec": one(), "status": {"phase": "Failed", "reason": "Evicted"}}),
            ["0/1", "Evicted", "0"],
        ),
        (
            json!({"spec": one(), "status": {"phase": "Running", "containerStatuses": [{
                "name": "a", "ready": false, "restartCount": 4, "state": {"waiting": {"reason": "CrashLoopBackOff"}},
                "lastState": {"terminated": {"exitCode": 1, "finishedAt": "2026-01-01T00:55:00Z"}},
            }]}}),
            ["0/1", "CrashLoopBackOff", "4 (5m ago)"],
        ),
        (
            json!({"spec": one(), "status": {"phase": "Running", "containerStatuses": [
                {"name": "a", "ready": false, "restartCount": 0, "state": {"terminated": {"exitCode": 0, "reason": "Completed"}}},
                {"name": "b", "ready": true, "restartCount": 0, "state": {"running": {}}},
            ]}}),
            ["1/1", "NotReady", "0"],
        ),
    ] {
        assert_eq!(pod_cells(&pod), expected, "{pod}");
    }
}

#[test]
fn init_containers_show_until_they_are_done() {
    let spec = json!({
        "initContainers": [{"name": "i"}, {"name": "side", "restartPolicy": "Always"}], "containers": [{"name": "a"}],
    });
    let init = |first: Value, second: Value| json!({"spec": spec, "status": {"phase": "Pending", "initContainerStatuses": [first, second]}});
    let done = json!({"name": "i", "state": {"terminated": {"exitCode": 0}}});
    let waiting = |reason: &str| json!({"name": "i", "restartCount": 2, "state": {"waiting": {"reason": reason}}});
    for (pod, expected) in [
        (
            init(waiting("PodInitializing"), json!({"name": "side"})),
            ["0/2", "Init:0/2", "2"],
        ),
        (
            init(waiting("CrashLoopBackOff"), json!({"name": "side"})),
            ["0/2", "Init:CrashLoopBackOff", "2"],
        ),
        (
            init(
                json!({"name": "i", "state": {"terminated": {"exitCode": 2}}}),
                json!({"name": "side"}),
            ),
            ["0/2", "Init:ExitCode:2", "0"],
        ),
        (
            init(done.clone(), json!({"name": "side", "state": {"running": {}}})),
            ["0/2", "Init:1/2", "0"],
        ),
        (
            init(
                done,
                json!({"name": "side", "started": true, "ready": true, "restartCount": 1}),
            ),
            ["1/2", "Pending", "1"],
        ),
    ] {
        assert_eq!(pod_cells(&pod), expected, "{pod}");
    }
}

#[test]
fn cells_of_other_kinds() {
    let metadata = json!({"name": "x", "creationTimestamp": "2026-01-01T00:00:00Z"});
    for (group, kind, mut object, expected) in [
        (
            "apps",
            "Deployment",
            json!({
                "spec": {
                    "replicas": 3, "selector": {"matchLabels": {"app": "d"}},
                    "template": {"spec": {"containers": [{"name": "a", "image": "i:1"}, {"name": "b", "image": "j"}]}},
                },
                "status": {"readyReplicas": 1, "updatedReplicas": 2},
            }),
            json!(["x", "1/3", 2, 0, "60m", "a,b", "i:1,j", "app=d"]),
        ),
        (
            "",
            "Service",
            json!({
                "spec": {
                    "type": "LoadBalancer", "clusterIPs": ["10.0.0.1"], "selector": {"a": "b"},
                    "ports": [{"port": 80, "nodePort": 30080, "protocol": "TCP"}, {"port": 53, "protocol": "UDP"}],
                },
            }),
            json!([
                "x",
                "LoadBalancer",
                "10.0.0.1",
                "<pending>",
                "80:30080/TCP,53/UDP",
                "60m",
                "a=b"
            ]),
        ),
        (
            "",
            "Node",
            json!({
                "spec": {"unschedulable": true},
                "status": {"conditions": [{"type": "Ready", "status": "True"}], "nodeInfo": {"kubeletVersion": "v1.36.3"}},
            }),
            json!([
                "x",
                "Ready,SchedulingDisabled",
                "<none>",
                "60m",
                "v1.36.3",
                "<none>",
                "<none>",
                "<unknown>",
                "<unknown>",
                "<unknown>"
            ]),
        ),
        (
            "batch",
            "Job",
            json!({"spec": {"completions": 2}, "status": {"succeeded": 1, "startTime": "2026-01-01T00:59:00Z"}}),
            json!(["x", "Running", "1/2", "60s", "60m", "", "", "<none>"]),
        ),
        (
            "rbac.authorization.k8s.io",
            "ClusterRole",
            json!({}),
            json!(["x", "2026-01-01T00:00:00Z"]),
        ),
    ] {
        object["metadata"] = metadata.clone();
        assert_eq!(json!(cells(group, kind, &object)), expected, "{kind}");
    }
}

#[test]
fn columns_quote_the_documentation_of_their_fields() {
    for (group, kind, printer) in PRINTERS {
        for definition in &printer.ready().definitions.as_array().cloned().unwrap() {
            let undocumented = definition["name"] == "Handler";
            assert_ne!(
                definition["description"] == "",
                !undocumented,
                "{group} {kind}: {definition}"
            );
        }
    }
}

#[test]
fn rows_carry_what_was_asked_for() {
    let registry = builtin_registry();
    let resource = registry.by_kind(&Gvk::new("", "v1", "Pod")).unwrap();
    let pod = json!({"kind": "Pod", "metadata": {"name": "x"}, "status": {"phase": "Failed"}});
    let row = |include| {
        let table = table(
            resource,
            &[&pod],
            &json!({"resourceVersion": "7"}),
            NOW.parse().unwrap(),
            include,
        );
        assert_eq!(table["metadata"], json!({"resourceVersion": "7"}));
        table["rows"][0].clone()
    };
    let partial = json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": {"name": "x"}});
    assert_eq!(row(IncludeObject::Metadata)["object"], partial);
    assert_eq!(row(IncludeObject::Object)["object"], pod);
    assert_eq!(row(IncludeObject::None)["object"], Value::Null);
    assert_eq!(row(IncludeObject::None)["conditions"][0]["reason"], "Failed");
    assert!(IncludeObject::parse(Some("Foo")).is_err());
}
