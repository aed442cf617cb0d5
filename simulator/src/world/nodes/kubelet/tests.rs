//! Tests of the kubelets: timelines of pods under a clock that the test turns.

use std::fmt::Write as _;

use serde_json::{Value, json};

use futures::future::BoxFuture;

use super::behaviour::ANNOTATION;
use super::programs::{Job, Programs, Seen};
use super::*;
use crate::world::control::Kind;
use crate::world::control::harness::Cluster;
use crate::world::kube::server::plugs::{ProxyAnswer, ProxyRequest};
use crate::world::nodes::{NodeShape, plain_node};

fn pod(restart_policy: &str, behaviour: &Value) -> Value {
    json!({
        "metadata": {
            "name": "p", "namespace": "default", "generation": 1,
            "annotations": { ANNOTATION: behaviour.to_string() },
        },
        "spec": {
            "nodeName": "n", "restartPolicy": restart_policy,
            "containers": [{ "name": "main", "image": "app:1", "imagePullPolicy": "IfNotPresent" }],
        },
        "status": { "phase": "Pending" },
    })
}

/// `second phase reason restarts` whenever one of them changes.
fn timeline(pod: Value, seconds: i64) -> (String, Cluster) {
    let mut cluster = Cluster::new();
    let mut kubelet = PodKubelet::new(Kubelets::default());
    cluster.create(Kind::NODE, plain_node("n", 1, &NodeShape::default()));
    let key = cluster.create(Kind::POD, pod);
    let (mut out, mut before) = (String::new(), String::new());
    for second in 0..=seconds {
        cluster.advance(i64::from(second > 0), &mut [&mut kubelet]);
        let Some(pod) = cluster.view.get(Kind::POD, &key) else {
            let _ = writeln!(out, "{second} gone");
            break;
        };
        let status = &pod["status"];
        let state = &status["containerStatuses"][0]["state"];
        let reason = ["waiting", "terminated"]
            .iter()
            .find_map(|kind| state[kind]["reason"].as_str());
        let ready = status["containerStatuses"][0]["ready"] == true;
        let line = format!(
            "{} {} {}{}",
            status["phase"].as_str().unwrap_or_default(),
            reason.unwrap_or("-"),
            status["containerStatuses"][0]["restartCount"],
            if ready { " ready" } else { "" }
        );
        if line != before {
            let _ = writeln!(out, "{second} {line}");
            before = line;
        }
    }
    (out, cluster)
}

#[test]
fn a_server_pulls_starts_and_is_ready() {
    let (line, cluster) = timeline(pod("Always", &json!({ "imageBytes": 300_000_000 })), 60);
    assert_eq!(line, "0 Pending ContainerCreating 0\n4 Running - 0 ready\n");
    assert_eq!(
        cluster.events,
        [
            "Normal Pulling Pulling image \"app:1\"",
            "Normal Pulled Successfully pulled image \"app:1\" in 3.3s (3.3s including waiting). Image size: 300000000 bytes.",
            "Normal Created Container created",
            "Normal Started Container started",
        ]
    );
}

#[test]
fn a_job_completes_and_a_failing_one_fails() {
    let (line, _) = timeline(pod("Never", &json!({ "imageBytes": 0 })), 20);
    assert_eq!(
        line,
        "0 Pending ContainerCreating 0\n1 Running - 0 ready\n2 Succeeded Completed 0\n"
    );
    let (line, cluster) = timeline(pod("Never", &json!({ "imageBytes": 0, "exitCode": 3 })), 20);
    assert_eq!(
        line,
        "0 Pending ContainerCreating 0\n1 Running - 0 ready\n2 Failed Error 0\n"
    );
    let key = ObjectKey::new("default", "p");
    let state = &cluster.get(Kind::POD, &key)["status"]["containerStatuses"][0]["state"]["terminated"];
    assert_eq!(state["exitCode"], 3);
}

#[test]
fn a_crash_loop_backs_off_and_an_oom_kill_says_so() {
    let behaviour = json!({ "imageBytes": 0, "oomKilled": true, "runsForMillis": 0 });
    let (line, cluster) = timeline(pod("Always", &behaviour), 100);
    assert_eq!(
        line,
        "0 Pending ContainerCreating 0\n1 Running CrashLoopBackOff 1\n11 Running CrashLoopBackOff 2\n31 Running CrashLoopBackOff 3\n71 Running CrashLoopBackOff 4\n"
    );
    let key = ObjectKey::new("default", "p");
    let status = &cluster.get(Kind::POD, &key)["status"]["containerStatuses"][0];
    assert_eq!(status["lastState"]["terminated"]["reason"], "OOMKilled");
    assert_eq!(status["lastState"]["terminated"]["exitCode"], 137);
    let message = status["state"]["waiting"]["message"].as_str().unwrap();
    assert!(
        message.starts_with("back-off 1m20s restarting failed container=main pod=p_default("),
        "{message}"
    );
}

#[test]
fn an_image_that_is_not_there_backs_off() {
    let (line, cluster) = timeline(pod("Always", &json!({ "pullError": "notFound" })), 14);
    assert_eq!(
        line,
        "0 Pending ErrImagePull 0\n1 Pending ImagePullBackOff 0\n11 Pending ErrImagePull 0\n12 Pending ImagePullBackOff 0\n"
    );
    assert!(cluster.events.iter().any(|event| event.starts_with("Warning Failed Failed to pull image \"app:1\": rpc error: code = NotFound")));
}

#[test]
fn missing_volumes_and_variables_hold_a_pod_back() {
    let mut waits = pod("Always", &json!({ "imageBytes": 0 }));
    waits["spec"]["volumes"] = json!([{ "name": "v", "configMap": { "name": "gone" } }]);
    let (line, cluster) = timeline(waits, 5);
    assert_eq!(line, "0 Pending ContainerCreating 0\n");
    assert_eq!(
        cluster.events,
        ["Warning FailedMount MountVolume.SetUp failed for volume \"v\" : configmap \"gone\" not found"]
    );
    let mut waits = pod("Always", &json!({ "imageBytes": 0 }));
    waits["spec"]["containers"][0]["envFrom"] = json!([{ "secretRef": { "name": "gone" } }]);
    assert_eq!(timeline(waits, 5).0, "0 Pending CreateContainerConfigError 0\n");
}

#[test]
fn init_containers_go_first() {
    let mut staged = pod("Always", &json!({ "imageBytes": 0 }));
    staged["spec"]["initContainers"] = json!([{ "name": "setup", "image": "app:1" }]);
    let (line, cluster) = timeline(staged, 10);
    assert_eq!(line, "0 Pending PodInitializing 0\n2 Running - 0 ready\n");
    let key = ObjectKey::new("default", "p");
    let status = &cluster.get(Kind::POD, &key)["status"];
    assert_eq!(
        status["initContainerStatuses"][0]["state"]["terminated"]["reason"],
        "Completed"
    );
}

#[test]
fn a_deleted_pod_ends_and_goes() {
    let mut cluster = Cluster::new();
    let mut kubelet = PodKubelet::new(Kubelets::default());
    cluster.create(Kind::NODE, plain_node("n", 1, &NodeShape::default()));
    let key = cluster.create(Kind::POD, pod("Always", &json!({ "imageBytes": 0 })));
    cluster.settle(&mut [&mut kubelet]);
    cluster.advance(1, &mut [&mut kubelet]);
    cluster.edit(Kind::POD, &key, |pod| {
        pod["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:31Z".into();
        pod["metadata"]["deletionGracePeriodSeconds"] = 30.into();
    });
    cluster.advance(0, &mut [&mut kubelet]);
    assert!(cluster.view.get(Kind::POD, &key).is_some());
    cluster.advance(2, &mut [&mut kubelet]);
    assert!(cluster.view.get(Kind::POD, &key).is_none());
    assert!(
        cluster
            .events
            .contains(&"Normal Killing Stopping container main".to_owned())
    );
}

#[test]
fn a_node_reports_ready_and_its_faults() {
    let mut cluster = Cluster::new();
    let kubelets = Kubelets::default();
    let mut heart = NodeKubelet::new(kubelets.clone(), Duration::from_secs(10));
    let key = cluster.create(Kind::NODE, plain_node("n", 1, &NodeShape::default()));
    cluster.settle(&mut [&mut heart]);
    let ready = |cluster: &Cluster| {
        let node = cluster.get(Kind::NODE, &key);
        crate::world::control::object::condition(node, "Ready").map(|c| c["status"].as_str().unwrap().to_owned())
    };
    assert_eq!(ready(&cluster).as_deref(), Some("True"));
    kubelets.set_fault("n", Some(NodeFault::NotReady));
    cluster.advance(11, &mut [&mut heart]);
    assert_eq!(ready(&cluster).as_deref(), Some("False"));
    let lease = ObjectKey::new("kube-node-lease", "n");
    let renewed = cluster.get(Kind::LEASE, &lease)["spec"]["renewTime"].clone();
    kubelets.set_fault("n", Some(NodeFault::Unreachable));
    cluster.advance(30, &mut [&mut heart]);
    assert_eq!(cluster.get(Kind::LEASE, &lease)["spec"]["renewTime"], renewed);
}

#[test]
fn a_slow_program_is_killed_by_its_liveness_probe_and_saved_by_a_startup_probe() {
    let mut slow = pod("Always", &json!({ "imageBytes": 0, "readyAfterMillis": 60_000 }));
    slow["spec"]["containers"][0]["livenessProbe"] = json!({ "periodSeconds": 10, "failureThreshold": 3 });
    let (_, cluster) = timeline(slow.clone(), 25);
    let killed = "Normal Killing Container main failed liveness probe, will be restarted";
    assert!(
        cluster.events.iter().any(|event| event == killed),
        "{:?}",
        cluster.events
    );
    let key = ObjectKey::new("default", "p");
    let status = &cluster.get(Kind::POD, &key)["status"]["containerStatuses"][0];
    assert_eq!(status["lastState"]["terminated"]["exitCode"], 137);
    assert_eq!(status["lastState"]["terminated"]["reason"], "Error");
    slow["spec"]["containers"][0]["startupProbe"] = json!({ "failureThreshold": 30 });
    let (line, cluster) = timeline(slow, 100);
    assert_eq!(
        line,
        "0 Pending ContainerCreating 0\n1 Running - 0\n61 Running - 0 ready\n"
    );
    assert_eq!(
        cluster.get(Kind::POD, &key)["status"]["containerStatuses"][0]["started"],
        true
    );
}

#[test]
fn a_deadline_ends_a_pod() {
    let mut late = pod("Never", &json!({ "imageBytes": 0, "runsForMillis": 100_000 }));
    late["spec"]["activeDeadlineSeconds"] = 5.into();
    let (line, cluster) = timeline(late, 10);
    assert_eq!(
        line,
        "0 Pending ContainerCreating 0\n1 Running - 0 ready\n5 Failed Error 0\n"
    );
    let status = &cluster.get(Kind::POD, &ObjectKey::new("default", "p"))["status"];
    assert_eq!(status["reason"], "DeadlineExceeded");
    assert_eq!(
        status["message"],
        "Pod was active on the node longer than the specified deadline"
    );
}

#[test]
fn a_node_that_has_no_room_refuses_a_pod() {
    let cases = [
        (
            "cpu",
            "9",
            "OutOfcpu",
            "Pod was rejected: Node didn't have enough resource: cpu, requested: 9000, used: 0, capacity: 4000",
        ),
        (
            "nvidia.com/gpu",
            "1",
            "UnexpectedAdmissionError",
            "Pod was rejected: Allocate failed due to requested number of devices unavailable for nvidia.com/gpu. Requested: 1, Available: 0, which is unexpected",
        ),
    ];
    for (resource, amount, reason, message) in cases {
        let mut big = pod("Always", &json!({}));
        big["spec"]["containers"][0]["resources"] = json!({ "requests": { resource: amount } });
        let (_, cluster) = timeline(big, 1);
        let status = &cluster.get(Kind::POD, &ObjectKey::new("default", "p"))["status"];
        assert_eq!(
            (status["reason"].as_str(), status["message"].as_str()),
            (Some(reason), Some(message))
        );
        assert_eq!(status["phase"], "Failed");
    }
}

/// A node with a running pod, its two controllers, and the pod's and the node's keys.
fn running() -> (Cluster, Kubelets, NodeKubelet, PodKubelet, [ObjectKey; 2]) {
    let mut cluster = Cluster::new();
    let kubelets = Kubelets::default();
    let mut heart = NodeKubelet::new(kubelets.clone(), Duration::from_secs(10));
    let mut kubelet = PodKubelet::new(kubelets.clone());
    let mut node = plain_node("n", 1, &NodeShape::default());
    for list in ["capacity", "allocatable"] {
        node["status"][list]["nvidia.com/gpu"] = "2".into();
    }
    let node = cluster.create(Kind::NODE, node);
    let pod = cluster.create(Kind::POD, pod("Always", &json!({ "imageBytes": 0 })));
    cluster.settle(&mut [&mut heart, &mut kubelet]);
    cluster.advance(1, &mut [&mut heart, &mut kubelet]);
    assert_eq!(cluster.get(Kind::POD, &pod)["status"]["phase"], "Running");
    (cluster, kubelets, heart, kubelet, [pod, node])
}

#[test]
fn pressure_and_shutdown_end_pods() {
    let cases = [
        (
            NodeFault::MemoryPressure,
            "Evicted",
            "The node was low on resource: memory. ",
        ),
        (
            NodeFault::ShuttingDown,
            "Terminated",
            "Pod was terminated in response to imminent node shutdown.",
        ),
    ];
    for (fault, reason, message) in cases {
        let (mut cluster, kubelets, mut heart, mut kubelet, [pod, _]) = running();
        kubelets.set_fault("n", Some(fault));
        cluster.advance(10, &mut [&mut heart, &mut kubelet]);
        let status = &cluster.get(Kind::POD, &pod)["status"];
        assert_eq!(
            (&status["phase"], &status["reason"]),
            (&json!("Failed"), &json!(reason))
        );
        assert_eq!(status["message"], message);
        assert_eq!(status["containerStatuses"][0]["state"]["terminated"]["exitCode"], 137);
        let conditions = status["conditions"].as_array().unwrap();
        let disrupted = conditions.iter().find(|c| c["type"] == "DisruptionTarget").unwrap();
        assert_eq!(disrupted["reason"], "TerminationByKubelet");
    }
}

#[test]
fn a_reboot_restarts_containers_and_lost_devices_leave_the_node_ready() {
    let (mut cluster, kubelets, mut heart, mut kubelet, [pod, node]) = running();
    kubelets.reboot("n");
    cluster.advance(10, &mut [&mut heart, &mut kubelet]);
    let status = &cluster.get(Kind::POD, &pod)["status"]["containerStatuses"][0];
    assert_eq!(status["restartCount"], 1);
    assert_eq!(status["lastState"]["terminated"]["exitCode"], 255);
    kubelets.set_fault("n", Some(NodeFault::DevicesLost));
    cluster.advance(10, &mut [&mut heart, &mut kubelet]);
    let lost = cluster.get(Kind::NODE, &node);
    assert_eq!(lost["status"]["allocatable"]["nvidia.com/gpu"], "0");
    assert!(crate::world::control::object::is_true(lost, "Ready"));
    kubelets.set_fault("n", None);
    cluster.advance(10, &mut [&mut heart, &mut kubelet]);
    assert_eq!(
        cluster.get(Kind::NODE, &node)["status"]["allocatable"]["nvidia.com/gpu"],
        "2"
    );
}

/// Programs that a test turns.
#[derive(Debug, Default)]
struct Turned {
    seen: Mutex<BTreeMap<String, Seen>>,
    wanted: Mutex<Vec<String>>,
}

impl Programs for Turned {
    fn takes(&self, container: &Value) -> bool {
        container["image"] == "real:1"
    }

    fn keep(&self, _: &ObjectKey, wanted: &[(&str, &Job)]) {
        *self.wanted.lock().unwrap() = wanted.iter().map(|(id, _)| (*id).to_owned()).collect();
    }

    fn forget(&self, _: &ObjectKey) {
        self.wanted.lock().unwrap().clear();
    }

    fn seen(&self, id: &str) -> Seen {
        self.seen.lock().unwrap().get(id).copied().unwrap_or(Seen::NotReady)
    }

    fn log(&self, id: &str) -> Vec<(Timestamp, String)> {
        vec![(Timestamp::UNIX_EPOCH, format!("log of {}", id.len()))]
    }

    fn ask(&self, _: &str, _: ProxyRequest) -> BoxFuture<'static, Option<ProxyAnswer>> {
        Box::pin(async { None })
    }

    fn look_every(&self) -> Duration {
        Duration::from_secs(1)
    }
}

#[test]
fn a_real_program_is_followed() {
    let programs = Arc::new(Turned::default());
    let mut cluster = Cluster::new();
    let kubelets = Kubelets::default().with_programs(Some(Arc::clone(&programs) as Arc<dyn Programs>));
    let mut kubelet = PodKubelet::new(kubelets);
    cluster.create(Kind::NODE, plain_node("n", 1, &NodeShape::default()));
    let mut real = pod("Always", &json!({}));
    real["metadata"]["annotations"] = Value::Null;
    real["spec"]["containers"][0]["image"] = "real:1".into();
    let key = cluster.create(Kind::POD, real);
    let mut status = |cluster: &mut Cluster| {
        (0..3).for_each(|_| cluster.advance(1, &mut [&mut kubelet]));
        cluster.get(Kind::POD, &key)["status"]["containerStatuses"][0].clone()
    };
    let wanted = || programs.wanted.lock().unwrap().clone();
    let turn = |id: &str, seen| programs.seen.lock().unwrap().insert(id.to_owned(), seen);

    let started = status(&mut cluster);
    let first = wanted().pop().unwrap();
    assert_eq!((&started["ready"], &started["started"]), (&json!(false), &json!(false)));
    assert!(started["state"]["running"].is_object(), "{started}");
    turn(&first, Seen::Ready);
    assert_eq!(status(&mut cluster)["ready"], true);
    turn(&first, Seen::NotReady);
    let hangs = status(&mut cluster);
    assert_eq!((&hangs["ready"], &hangs["started"]), (&json!(false), &json!(true)));

    let at = cluster.now;
    turn(&first, Seen::Ended { code: 7, at });
    let again = status(&mut cluster);
    let last = &again["lastState"]["terminated"];
    assert_eq!((&last["exitCode"], &again["restartCount"]), (&json!(7), &json!(1)));
    let second = wanted();
    assert!(
        second.len() == 1 && second[0] != first,
        "a restart is another run: {second:?}"
    );
    assert!(
        cluster
            .events
            .iter()
            .any(|event| event.starts_with("Normal RunsOnHost "))
    );

    cluster.delete(Kind::POD, &key);
    (0..3).for_each(|_| cluster.advance(1, &mut [&mut kubelet]));
    assert_eq!(wanted(), [""; 0]);
}
