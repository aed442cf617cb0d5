//! CronJobs: schedules, missed starts, concurrency, history.

use super::super::harness::Cluster;
use super::*;

struct Room {
    cluster: Cluster,
    key: ObjectKey,
    crons: CronJobs,
}

impl Room {
    fn new(spec: &Value) -> Self {
        let mut cluster = Cluster::new();
        let mut object = json!({
            "metadata": {"namespace": "default", "name": "nightly"},
            "spec": {
                "schedule": "*/10 * * * *",
                "jobTemplate": {"metadata": {"labels": {"x": "y"}}, "spec": {"parallelism": 1}},
            },
        });
        json_patch::merge(&mut object["spec"], spec);
        let key = cluster.create(Kind::CRON_JOB, object);
        let mut crons = CronJobs::default();
        cluster.settle(&mut [&mut crons]);
        Self { cluster, key, crons }
    }

    fn advance(&mut self, secs: i64) {
        self.cluster.advance(secs, &mut [&mut self.crons]);
    }

    fn jobs(&self) -> Vec<ObjectKey> {
        self.cluster.view.all(Kind::JOB).map(|(key, _)| key.clone()).collect()
    }

    fn finish(&mut self, key: &ObjectKey, end: &str) {
        let now = stamp(self.cluster.now);
        self.cluster.edit(Kind::JOB, key, |job| {
            let status =
                json!({"conditions": [{"type": end, "status": "True"}], "completionTime": now, "startTime": now});
            put(job, &["status"], status);
        });
        self.advance(0);
    }

    fn status(&self, field: &str) -> Value {
        self.cluster.get(Kind::CRON_JOB, &self.key)["status"][field].clone()
    }
}

#[test]
fn makes_jobs_on_time_and_keeps_some() {
    let mut room = Room::new(&json!({"successfulJobsHistoryLimit": 1}));
    room.advance(599);
    assert_eq!(room.jobs(), []);
    room.advance(2);
    let first = room.jobs();
    // Minutes since 1970 at 2026-01-01T00:10:00Z.
    assert_eq!(first, [ObjectKey::new("default", "nightly-29453770")]);
    let job = room.cluster.get(Kind::JOB, &first[0]);
    assert_eq!(
        job["metadata"]["annotations"]["batch.kubernetes.io/cronjob-scheduled-timestamp"],
        "2026-01-01T00:10:00Z"
    );
    assert_eq!(
        (&job["metadata"]["labels"]["x"], &job["spec"]["parallelism"]),
        (&json!("y"), &json!(1))
    );
    assert_eq!(room.status("active").as_array().map(Vec::len), Some(1));
    room.finish(&first[0], "Complete");
    assert_eq!(
        (room.status("active"), room.status("lastSuccessfulTime")),
        (Value::Null, json!("2026-01-01T00:10:01Z"))
    );
    room.advance(600);
    let second = room.jobs().pop().unwrap();
    room.finish(&second, "Complete");
    assert_eq!(room.jobs(), [second]);
    let told = "Normal SawCompletedJob Saw completed job: nightly-29453770, condition: Complete";
    assert!(
        room.cluster.events.contains(&told.to_owned()),
        "{:?}",
        room.cluster.events
    );
}

#[test]
fn policies_decide_about_jobs_that_still_run() {
    for (policy, running) in [("Allow", 2), ("Forbid", 1), ("Replace", 1)] {
        let mut room = Room::new(&json!({"concurrencyPolicy": policy}));
        room.advance(601);
        let first = room.jobs();
        room.advance(600);
        assert_eq!(room.jobs().len(), running, "{policy}");
        assert_eq!(room.jobs() == first, policy == "Forbid", "{policy}");
    }
}

#[test]
fn missed_times_and_broken_schedules() {
    let mut room = Room::new(&json!({}));
    room.advance(86_400 * 30 + 5);
    assert_eq!(
        (room.jobs().len(), room.status("lastScheduleTime")),
        (1, json!("2026-01-31T00:00:00Z"))
    );
    let mut late = Room::new(&json!({"suspend": true, "startingDeadlineSeconds": 10}));
    late.advance(700);
    late.cluster.edit(Kind::CRON_JOB, &late.key, |cron| {
        put(cron, &["spec", "suspend"], json!(false));
    });
    late.advance(0);
    assert_eq!(late.jobs(), []);
    let broken = Room::new(&json!({"schedule": "every day"}));
    assert!(broken.cluster.events[0].starts_with("Warning UnparseableSchedule unparseable schedule: \"every day\""));
}

#[test]
fn jobs_of_others_do_not_count() {
    let mut room = Room::new(&json!({"concurrencyPolicy": "Forbid"}));
    let owner = owned_by(Kind::CRON_JOB, room.cluster.get(Kind::CRON_JOB, &room.key));
    let metadata = json!({
        "namespace": "default", "name": "by-hand", "annotations": {INSTANTIATE: "manual"}, "ownerReferences": [owner],
    });
    room.cluster
        .create(Kind::JOB, json!({"metadata": metadata, "spec": {}}));
    room.advance(1);
    room.advance(600);
    assert_eq!(
        (room.jobs().len(), room.status("active").as_array().map(Vec::len)),
        (2, Some(1))
    );
    let told = "Warning UnexpectedJob Saw a job that the controller did not create or forgot: by-hand";
    let times = room.cluster.events.iter().filter(|event| *event == told).count();
    assert_eq!(times, 1, "{:?}", room.cluster.events);
    room.cluster.assert_still(&mut [&mut room.crons]);
}

#[test]
fn troubles_are_told_in_the_real_words() {
    let minutely = json!({"schedule": "* * * * *", "suspend": true});
    let cases = [
        (
            json!({"schedule": "59 23 31 2 *"}),
            0,
            "InvalidSchedule invalid schedule: 59 23 31 2 * : time difference between two schedules is less than 1 second",
        ),
        (
            minutely,
            6_000 + 60,
            "TooManyMissedTimes too many missed start times. Set or decrease .spec.startingDeadlineSeconds or check clock skew",
        ),
    ];
    for (spec, wait, wanted) in cases {
        let mut room = Room::new(&spec);
        room.advance(wait);
        room.cluster.edit(Kind::CRON_JOB, &room.key, |cron| {
            put(cron, &["spec", "suspend"], json!(false))
        });
        room.advance(0);
        let wanted = format!("Warning {wanted}");
        assert!(room.cluster.events.contains(&wanted), "{:?}", room.cluster.events);
    }
    let at = "2026-01-02T03:04:05Z".parse().unwrap();
    assert_eq!(rfc1123(at), "Fri, 02 Jan 2026 03:04:05 +0000");
}

#[test]
fn refused_jobs_are_told() {
    let mut room = Room::new(&json!({}));
    let refusal = ApiError::forbidden("batch", "jobs", "j", "exceeded quota");
    let message = format!("Warning FailedCreate Error creating job: {}", refusal.message);
    room.cluster.refuse.insert(Kind::JOB, refusal);
    room.advance(601);
    room.cluster.refuse.clear();
    room.advance(1);
    assert!(room.cluster.events.contains(&message), "{:?}", room.cluster.events);
    assert_eq!(room.jobs().len(), 1);
}
