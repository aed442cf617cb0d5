//! Events are forgotten an hour after they were last written, as etcd's leases do it in a real cluster.
//!
//! Must not know: what events say.

use std::time::Duration;

use super::object::{created_at, time, uid, until};
use super::{Change, Controller, Kind, ObjectKey, Outcome, Pass, View, Write};

/// Life of an Event after its last write, in seconds (`--event-ttl`).
const TTL_SECS: i64 = 3_600;

/// Forgets Events.
#[derive(Debug, Default)]
pub struct EventTtl;

impl Controller for EventTtl {
    fn name(&self) -> &'static str {
        "event-ttl"
    }

    fn watches(&self) -> &'static [Kind] {
        &[Kind::EVENT]
    }

    fn keys_for(&self, change: &Change, _view: &View) -> Vec<ObjectKey> {
        // A later write only makes the deadline later: the one timer of the key finds that out when it is due.
        if change.old.is_none() {
            vec![change.key.clone()]
        } else {
            Vec::new()
        }
    }

    fn reconcile(&mut self, key: &ObjectKey, pass: &Pass<'_>) -> Outcome {
        let Some(event) = pass.view.get(Kind::EVENT, key) else {
            return Outcome::nothing();
        };
        let last = [
            time(event, "/lastTimestamp"),
            time(event, "/series/lastObservedTime"),
            time(event, "/eventTime"),
        ];
        let last = last.into_iter().flatten().max().unwrap_or_else(|| created_at(event));
        let due = super::object::after_secs(last, TTL_SECS);
        let left = until(due, pass.now);
        let mut outcome = Outcome::nothing();
        if left > Duration::ZERO {
            outcome.wake(left);
            return outcome;
        }
        outcome.writes.push(Write::Delete {
            kind: Kind::EVENT,
            key: key.clone(),
            uid: Some(uid(event).to_owned()),
            grace_secs: None,
            propagation: None,
        });
        outcome
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::world::control::harness::Cluster;

    #[test]
    fn an_event_goes_an_hour_after_its_last_write() {
        let (mut cluster, mut ttl) = (Cluster::new(), EventTtl);
        let key = cluster.create(
            Kind::EVENT,
            json!({ "metadata": { "name": "e", "namespace": "default" } }),
        );
        cluster.settle(&mut [&mut ttl]);
        cluster.edit(Kind::EVENT, &key, |event| {
            event["lastTimestamp"] = "2026-01-01T00:30:00Z".into();
        });
        cluster.advance(TTL_SECS + 1, &mut [&mut ttl]);
        assert!(cluster.view.get(Kind::EVENT, &key).is_some());
        cluster.advance(1_800, &mut [&mut ttl]);
        assert!(cluster.view.get(Kind::EVENT, &key).is_none());
    }
}
