//! Events are served by two groups and stored once, as core/v1.

use serde_json::{Map, Value};

/// Field names of `events.k8s.io/v1` and of `v1`.
const NAMES: [(&str, &str); 6] = [
    ("regarding", "involvedObject"),
    ("note", "message"),
    ("deprecatedSource", "source"),
    ("deprecatedFirstTimestamp", "firstTimestamp"),
    ("deprecatedLastTimestamp", "lastTimestamp"),
    ("deprecatedCount", "count"),
];
const CONTROLLER: (&str, &str) = ("reportingController", "reportingComponent");

/// `events.k8s.io/v1` to `v1`.
pub(in crate::world::kube::server) fn to_core(event: &mut Value) {
    rename(event, "v1", |(new, core)| (new, core));
}

/// `v1` to `events.k8s.io/v1`.
pub(in crate::world::kube::server) fn from_core(event: &mut Value) {
    rename(event, "events.k8s.io/v1", |(new, core)| (core, new));
    // Optional there, always written in the core group.
    for field in ["reportingController", "reportingInstance"] {
        if event.get(field).is_some_and(|value| value == "")
            && let Some(map) = event.as_object_mut()
        {
            map.remove(field);
        }
    }
}

fn rename(
    event: &mut Value,
    api_version: &str,
    direction: fn((&'static str, &'static str)) -> (&'static str, &'static str),
) {
    let Some(map) = event.as_object_mut() else { return };
    map.insert("apiVersion".into(), api_version.into());
    for (from, to) in NAMES.into_iter().chain([CONTROLLER]).map(direction) {
        move_field(map, from, to);
    }
}

fn move_field(map: &mut Map<String, Value>, from: &str, to: &str) {
    if let Some(value) = map.remove(from) {
        map.insert(to.to_owned(), value);
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn there_and_back_is_the_same() {
        let new = json!({
            "apiVersion": "events.k8s.io/v1", "kind": "Event", "regarding": {"kind": "Pod"}, "note": "n",
            "reportingController": "kubelet", "deprecatedCount": 2, "reason": "Pulled",
        });
        let mut event = new.clone();
        to_core(&mut event);
        assert_eq!(event["involvedObject"]["kind"], "Pod");
        assert_eq!((&event["message"], &event["count"]), (&json!("n"), &json!(2)));
        from_core(&mut event);
        assert_eq!(event, new);
    }
}
