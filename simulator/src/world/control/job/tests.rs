//! Jobs: completions, back-off, policies, indexes.

use serde_json::json;

use super::super::harness::Cluster;
use super::super::object::{count, list, put};
use super::*;

fn job(spec: &Value) -> Value {
    let mut job = json!({
        "apiVersion": "batch/v1", "kind": "Job",
        "metadata": {"namespace": "default", "name": "work"},
        "spec": {
            "parallelism": 1, "completions": 1, "backoffLimit": 6,
            "selector": {"matchLabels": {"batch.kubernetes.io/job-name": "work"}},
            "template": {
                "metadata": {"labels": {"batch.kubernetes.io/job-name": "work"}},
                "spec": {"restartPolicy": "Never", "containers": [{"name": "main"}]},
            },
        },
    });
    json_patch::merge(&mut job["spec"], spec);
    job
}

struct Room {
    cluster: Cluster,
    jobs: Jobs,
    key: ObjectKey,
}

impl Room {
    fn new(spec: Value) -> Self {
        let mut cluster = Cluster::new();
        let key = cluster.create(Kind::JOB, job(&spec));
        let mut room = Self {
            cluster,
            jobs: Jobs::default(),
            key,
        };
        room.settle();
        room
    }

    fn settle(&mut self) {
        self.cluster.settle(&mut [&mut self.jobs]);
    }

    fn advance(&mut self, secs: i64) {
        self.cluster.advance(secs, &mut [&mut self.jobs]);
    }

    fn status(&self) -> &Value {
        &self.cluster.get(Kind::JOB, &self.key)["status"]
    }

    fn count(&self, field: &str) -> i64 {
        count(self.status(), &format!("/{field}"))
    }

    /// Names of pods that have not ended.
    fn live(&self) -> Vec<ObjectKey> {
        let pods = self
            .cluster
            .view
            .all(Kind::POD)
            .filter(|(_, pod)| super::super::pods::is_active(pod));
        pods.map(|(key, _)| key.clone()).collect()
    }

    fn finish(&mut self, phase: &str, code: i64) {
        for key in self.live() {
            self.cluster.finish(&key, phase, code);
        }
        self.settle();
    }

    fn reap(&mut self) {
        self.cluster.run_pods();
        self.settle();
    }

    fn conditions(&self) -> Vec<(&str, &str)> {
        let conditions = list(self.status(), "/conditions").iter();
        let held = conditions.filter(|have| text(have, "/status") == "True");
        held.map(|have| (text(have, "/type"), text(have, "/reason"))).collect()
    }
}

#[test]
fn completes_after_enough_successes() {
    let mut room = Room::new(json!({"completions": 3, "parallelism": 2}));
    assert_eq!((room.live().len(), room.count("active")), (2, 2));
    assert_eq!(room.status()["startTime"], "2026-01-01T00:00:00Z");
    let pod = room.live()[0].clone();
    assert!(has_finalizer(room.cluster.get(Kind::POD, &pod), TRACKING));
    room.finish("Succeeded", 0);
    assert_eq!((room.live().len(), room.count("succeeded")), (1, 2));
    room.finish("Succeeded", 0);
    let wanted = [
        ("SuccessCriteriaMet", "CompletionsReached"),
        ("Complete", "CompletionsReached"),
    ];
    assert_eq!(room.conditions(), wanted);
    assert_eq!(
        (room.count("succeeded"), room.count("active"), room.count("ready")),
        (3, 0, 0)
    );
    assert_eq!(room.status()["completionTime"], "2026-01-01T00:00:00Z");
    assert_eq!(room.status()["uncountedTerminatedPods"], json!({}));
    assert!(
        room.cluster
            .events
            .contains(&"Normal Completed Job completed".to_owned())
    );
    assert!(
        room.cluster
            .view
            .all(Kind::POD)
            .all(|(_, pod)| !has_finalizer(pod, TRACKING))
    );
    let writes = room.cluster.writes;
    room.cluster.edit(Kind::JOB, &room.key, |job| {
        put(job, &["metadata", "labels"], json!({"a": "b"}));
    });
    room.settle();
    assert_eq!(room.cluster.writes, writes);
}

#[test]
fn failures_wait_longer_and_longer_until_the_limit() {
    let mut room = Room::new(json!({"backoffLimit": 2}));
    for (failures, wait) in [(1, 10), (2, 20)] {
        room.finish("Failed", 1);
        assert_eq!((room.live().len(), room.count("failed")), (0, failures));
        room.advance(wait - 1);
        assert_eq!(room.live().len(), 0, "{failures}");
        room.advance(1);
        assert_eq!(room.live().len(), 1, "{failures}");
    }
    room.finish("Failed", 1);
    assert_eq!(
        room.conditions(),
        [
            ("FailureTarget", "BackoffLimitExceeded"),
            ("Failed", "BackoffLimitExceeded")
        ]
    );
    assert_eq!(room.count("failed"), 3);
    let told = "Warning BackoffLimitExceeded Job has reached the specified backoff limit";
    assert!(room.cluster.events.contains(&told.to_owned()));
}

#[test]
fn a_deadline_ends_what_runs() {
    let mut room = Room::new(json!({"activeDeadlineSeconds": 30}));
    room.reap();
    room.advance(29);
    assert_eq!(room.conditions(), []);
    room.advance(1);
    assert_eq!(room.conditions(), [("FailureTarget", "DeadlineExceeded")]);
    assert_eq!((room.count("terminating"), room.count("active")), (1, 0));
    room.reap();
    assert_eq!(room.conditions()[1], ("Failed", "DeadlineExceeded"));
    assert_eq!((room.count("failed"), room.count("terminating")), (1, 0));
}

#[test]
fn a_policy_can_fail_the_job_or_ignore_a_pod() {
    let rules = json!([
        {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [42]}},
        {"action": "Ignore", "onExitCodes": {"operator": "In", "values": [7]}},
    ]);
    let spec = json!({"backoffLimit": 0, "podReplacementPolicy": "Failed", "podFailurePolicy": {"rules": rules}});
    let mut room = Room::new(spec);
    room.finish("Failed", 7);
    assert_eq!((room.conditions(), room.count("failed")), (vec![], 0));
    room.advance(10);
    assert_eq!(room.live().len(), 1);
    let pod = room.live()[0].name.clone();
    room.finish("Failed", 42);
    assert_eq!(
        room.conditions(),
        [("FailureTarget", "PodFailurePolicy"), ("Failed", "PodFailurePolicy")]
    );
    let message =
        format!("Container main for pod default/{pod} failed with exit code 42 matching FailJob rule at index 0");
    assert_eq!(room.status()["conditions"][1]["message"], message);
}

#[test]
fn indexes_are_given_once() {
    let mut room = Room::new(json!({"completionMode": "Indexed", "completions": 3, "parallelism": 2}));
    let names: Vec<String> = room.live().into_iter().map(|key| key.name).collect();
    assert!(
        names[0].starts_with("work-0-") && names[1].starts_with("work-1-"),
        "{names:?}"
    );
    let pod = room.cluster.get(Kind::POD, &room.live()[1]);
    assert_eq!(
        (
            text(pod, "/spec/hostname"),
            super::super::object::label(pod, scale::INDEX)
        ),
        ("work-1", Some("1"))
    );
    let env = json!([{"name": "JOB_COMPLETION_INDEX", "valueFrom": {"fieldRef": {
        "apiVersion": "v1", "fieldPath": "metadata.labels['batch.kubernetes.io/job-completion-index']"}}}]);
    assert_eq!(pod["spec"]["containers"][0]["env"], env);
    room.finish("Succeeded", 0);
    assert_eq!(room.status()["completedIndexes"], "0,1");
    assert!(room.live()[0].name.starts_with("work-2-"));
    room.finish("Succeeded", 0);
    assert_eq!(room.status()["completedIndexes"], "0-2");
    assert_eq!(room.conditions()[1].0, "Complete");
}

#[test]
fn indexes_fail_alone() {
    let spec = json!({"completionMode": "Indexed", "completions": 2, "parallelism": 2, "backoffLimitPerIndex": 1, "backoffLimit": null});
    let mut room = Room::new(spec);
    let first = room.live()[0].clone();
    room.cluster.finish(&first, "Failed", 1);
    room.settle();
    room.advance(10);
    assert_eq!(room.live().len(), 2);
    let again = room
        .live()
        .into_iter()
        .find(|key| key.name.starts_with("work-0-"))
        .unwrap();
    let failures = "batch.kubernetes.io/job-index-failure-count";
    assert_eq!(
        super::super::object::annotation(room.cluster.get(Kind::POD, &again), failures),
        Some("1")
    );
    room.cluster.finish(&again, "Failed", 1);
    room.settle();
    assert_eq!(
        (room.status()["failedIndexes"].clone(), room.conditions()),
        (json!("0"), vec![])
    );
    room.finish("Succeeded", 0);
    assert_eq!(
        room.conditions(),
        [("FailureTarget", "FailedIndexes"), ("Failed", "FailedIndexes")]
    );
}

#[test]
fn suspends_and_resumes() {
    let mut room = Room::new(json!({"suspend": true}));
    assert_eq!(
        (room.live().len(), room.conditions()),
        (0, vec![("Suspended", "JobSuspended")])
    );
    assert_eq!(room.status().get("startTime"), None);
    room.cluster
        .edit(Kind::JOB, &room.key, |job| put(job, &["spec", "suspend"], json!(false)));
    room.settle();
    assert_eq!((room.live().len(), room.conditions()), (1, vec![]));
    room.reap();
    room.cluster
        .edit(Kind::JOB, &room.key, |job| put(job, &["spec", "suspend"], json!(true)));
    room.settle();
    room.reap();
    assert_eq!((room.cluster.names(Kind::POD).len(), room.count("failed")), (0, 0));
    assert!(room.cluster.events.contains(&"Normal Resumed Job resumed".to_owned()));
}

#[test]
fn pods_of_a_deleted_job_are_let_go() {
    let mut room = Room::new(json!({}));
    room.cluster.delete(Kind::JOB, &room.key.clone());
    room.settle();
    assert!(
        room.cluster
            .view
            .all(Kind::POD)
            .all(|(_, pod)| !has_finalizer(pod, TRACKING))
    );
}
