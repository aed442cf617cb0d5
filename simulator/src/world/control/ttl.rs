//! Finished Jobs that were given a time to live go when it is up.
//!
//! Must not know: how Jobs run.

use super::claims::itself;
use super::job::is_finished;
use super::object::{after_secs, condition, int, is_deleting, text, time, uid, until};
use super::{Change, Controller, Kind, ObjectKey, Outcome, Pass, View, Write};

/// Deletes finished Jobs.
#[derive(Debug, Default)]
pub struct TtlAfterFinished;

impl Controller for TtlAfterFinished {
    fn name(&self) -> &'static str {
        "ttl-after-finished-controller"
    }

    fn watches(&self) -> &'static [Kind] {
        &[Kind::JOB]
    }

    fn keys_for(&self, change: &Change, _view: &View) -> Vec<ObjectKey> {
        itself(change)
    }

    fn reconcile(&mut self, key: &ObjectKey, pass: &Pass<'_>) -> Outcome {
        let job = pass
            .view
            .get(Kind::JOB, key)
            .filter(|job| is_finished(job) && !is_deleting(job));
        let Some((job, ttl_secs)) = job.and_then(|job| Some((job, int(job, "/spec/ttlSecondsAfterFinished")?))) else {
            return Outcome::nothing();
        };
        let ended = ["Complete", "Failed"].into_iter().find_map(|type_| {
            let condition = condition(job, type_).filter(|have| text(have, "/status") == "True")?;
            time(condition, "/lastTransitionTime")
        });
        let wait = until(after_secs(ended.unwrap_or(pass.now), ttl_secs), pass.now);
        if !wait.is_zero() {
            let mut outcome = Outcome::nothing();
            outcome.wake(wait);
            return outcome;
        }
        Outcome::writes(vec![Write::Delete {
            kind: Kind::JOB,
            key: key.clone(),
            uid: Some(uid(job).to_owned()),
            grace_secs: None,
            propagation: Some("Foreground"),
        }])
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::harness::Cluster;
    use super::super::object::stamp;
    use super::*;

    #[test]
    fn jobs_go_when_their_time_is_up() {
        for (ttl_secs, gone_after) in [(json!(0), Some(0)), (json!(100), Some(100)), (json!(null), None)] {
            let mut cluster = Cluster::new();
            let ended = json!([{"type": "Failed", "status": "True", "lastTransitionTime": stamp(cluster.now)}]);
            let key = cluster.create(
                Kind::JOB,
                json!({
                    "metadata": {"namespace": "default", "name": "work"},
                    "spec": {"ttlSecondsAfterFinished": ttl_secs}, "status": {"conditions": ended},
                }),
            );
            cluster.advance(
                gone_after.map_or(1000, |secs| (secs - 1_i64).max(0)),
                &mut [&mut TtlAfterFinished],
            );
            let early = cluster.view.get(Kind::JOB, &key).is_none();
            cluster.advance(1, &mut [&mut TtlAfterFinished]);
            let late = cluster.view.get(Kind::JOB, &key).is_none();
            assert_eq!(
                (early, late),
                (gone_after == Some(0), gone_after.is_some()),
                "{ttl_secs}"
            );
        }
    }
}
