//! Events as client-go's recorder writes them: repeats are counted on one event, floods of similar ones are combined, and
//! an object that keeps talking is cut off.
//!
//! Must not know: who talks. Constants are `k8s.io/client-go/tools/record`'s defaults.

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::object::{name, namespace, text, uid};
use super::super::{Event, Kind, ObjectKey};
use super::api::{Request, Target};
use crate::world::clock::rfc3339_secs;

/// So many similar events within the window, then they are combined.
const MAX_SIMILAR: usize = 10;
/// Window of similar events, seconds.
const SIMILAR_WINDOW_SECS: i64 = 600;
/// So many events of one source about one object at once …
const BURST: f64 = 25.0;
/// … and one more in so many seconds.
const REFILL_SECS: f64 = 300.0;
/// So many events, groups and sources are remembered.
const REMEMBERED: usize = 4096;

/// Remembers what has been said.
#[derive(Debug, Default)]
pub(super) struct Recorder {
    said: Memory<Said>,
    groups: Memory<Group>,
    budgets: Memory<Budget>,
    sequence: i64,
}

#[derive(Debug)]
struct Said {
    key: ObjectKey,
    count: i64,
}

#[derive(Debug)]
struct Group {
    messages: Vec<String>,
    last: Timestamp,
}

#[derive(Debug)]
struct Budget {
    left: f64,
    at: Timestamp,
}

impl Recorder {
    /// The request that records an event; None: it is dropped. The second text is for `lost`.
    pub(super) fn record(&mut self, event: &Event, now: Timestamp) -> Option<(Request, String)> {
        let regarding = json!({
            "kind": event.regarding.kind,
            "namespace": namespace(&event.object),
            "name": name(&event.object),
            "uid": uid(&event.object),
            "apiVersion": event.regarding.api_version(),
            "resourceVersion": text(&event.object, "/metadata/resourceVersion"),
            "fieldPath": event.field_path.as_deref().unwrap_or_default(),
        });
        let regarding = without_empty(regarding);
        let host = event.host.as_deref().unwrap_or_default();
        let source = format!(
            "{}/{host}/{}/{}",
            event.component,
            event.regarding.kind,
            uid(&event.object)
        );
        let group = format!(
            "{source}/{:?}/{}/{}",
            event.field_path,
            event.kind.as_str(),
            event.reason
        );
        let (message, key) = self.combined(&group, &event.message, now);
        if !self.spend(&source, now) {
            return None;
        }
        if let Some(said) = self.said.get(&key) {
            said.count += 1;
            let patch = json!({"count": said.count, "lastTimestamp": rfc3339_secs(now), "message": message});
            let target = Target::Known(Kind::EVENT, said.key.clone());
            let request = Request::Patch {
                target,
                patch,
                status: false,
            };
            return Some((request, key));
        }
        let object = self.created(event, &message, &regarding, now);
        let said = Said {
            key: ObjectKey::new(namespace(&object), name(&object)),
            count: 1,
        };
        self.said.put(key.clone(), said);
        let kind = Kind::EVENT;
        Some((Request::Create { kind, object }, key))
    }

    /// The event of this key is not there any more, or could not be written: the next one starts anew.
    pub(super) fn lost(&mut self, key: &str) {
        self.said.0.remove(key);
    }

    fn created(&mut self, event: &Event, message: &str, regarding: &Value, now: Timestamp) -> Value {
        // The suffix is the time in nanoseconds; under paused time many events share one, hence the sequence.
        self.sequence += 1;
        let nanos = now.as_nanosecond().saturating_add(i128::from(self.sequence));
        let at = rfc3339_secs(now);
        let namespace = Some(namespace(&event.object)).filter(|namespace| !namespace.is_empty());
        let mut source = json!({"component": event.component});
        if let Some(host) = &event.host {
            super::super::object::put(&mut source, &["host"], host.as_str().into());
        }
        json!({
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {
                "name": format!("{}.{nanos:x}", name(&event.object)),
                "namespace": namespace.unwrap_or("default"),
            },
            "involvedObject": regarding,
            "reason": event.reason,
            "message": message,
            "source": source,
            "firstTimestamp": at,
            "lastTimestamp": at,
            "count": 1,
            "type": event.kind.as_str(),
            "reportingComponent": event.component,
            "reportingInstance": event.host.as_deref().unwrap_or_default(),
            "eventTime": null,
        })
    }

    /// The message to write and the key under which repeats are counted.
    fn combined(&mut self, group: &str, message: &str, now: Timestamp) -> (String, String) {
        if self.groups.get(group).is_none() {
            let fresh = Group {
                messages: Vec::new(),
                last: now,
            };
            self.groups.put(group.to_owned(), fresh);
        }
        let exact = format!("{group}/{message}");
        let Some(known) = self.groups.get(group) else {
            return (message.to_owned(), exact);
        };
        if now.duration_since(known.last).as_secs() > SIMILAR_WINDOW_SECS {
            known.messages.clear();
        }
        known.last = now;
        if !known.messages.iter().any(|have| have == message) {
            known.messages.push(message.to_owned());
        }
        if known.messages.len() < MAX_SIMILAR {
            return (message.to_owned(), exact);
        }
        known.messages.truncate(MAX_SIMILAR);
        (format!("(combined from similar events): {message}"), group.to_owned())
    }

    /// A token bucket for each source and object.
    fn spend(&mut self, source: &str, now: Timestamp) -> bool {
        if self.budgets.get(source).is_none() {
            self.budgets.put(source.to_owned(), Budget { left: BURST, at: now });
        }
        let Some(budget) = self.budgets.get(source) else {
            return true;
        };
        let passed = now.duration_since(budget.at).as_secs_f64().max(0.0);
        budget.left = (budget.left + passed / REFILL_SECS).min(BURST);
        budget.at = now;
        if budget.left < 1.0 {
            return false;
        }
        budget.left -= 1.0;
        true
    }
}

fn without_empty(mut object: Value) -> Value {
    if let Some(map) = object.as_object_mut() {
        map.retain(|_, value| value.as_str() != Some(""));
    }
    object
}

/// A bounded map that forgets what was added first.
#[derive(Debug)]
struct Memory<T>(BTreeMap<String, T>, VecDeque<String>);

impl<T> Default for Memory<T> {
    fn default() -> Self {
        Self(BTreeMap::new(), VecDeque::new())
    }
}

impl<T> Memory<T> {
    fn get(&mut self, key: &str) -> Option<&mut T> {
        self.0.get_mut(key)
    }

    fn put(&mut self, key: String, value: T) {
        if self.0.insert(key.clone(), value).is_none() {
            self.1.push_back(key);
        }
        while self.1.len() > REMEMBERED
            && let Some(oldest) = self.1.pop_front()
        {
            self.0.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::super::{EventKind, Write};
    use super::*;
    use crate::world::clock::DEFAULT_EPOCH;

    fn event(reason: &'static str, message: &str) -> Event {
        let pod = Arc::new(json!({"metadata": {"namespace": "d", "name": "p", "uid": "u", "resourceVersion": "7"}}));
        match Write::normal("job-controller", Kind::POD, &pod, reason, message) {
            Write::Event(event) => *event,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn repeats_are_counted() {
        let mut recorder = Recorder::default();
        let later = super::super::super::object::after_secs(DEFAULT_EPOCH, 5);
        let first = recorder.record(&event("Pulled", "x"), DEFAULT_EPOCH);
        let Some((Request::Create { object, .. }, key)) = first else {
            panic!("{first:?}")
        };
        assert_eq!(
            object["involvedObject"],
            json!({"kind": "Pod", "namespace": "d", "name": "p", "uid": "u", "apiVersion": "v1", "resourceVersion": "7"})
        );
        let suffix = name(&object).strip_prefix("p.").unwrap();
        assert!(
            suffix.len() == 16 && suffix.chars().all(|char| char.is_ascii_hexdigit()),
            "{suffix}"
        );
        assert_eq!(
            (text(&object, "/type"), &object["count"]),
            (EventKind::Normal.as_str(), &json!(1))
        );
        let second = recorder.record(&event("Pulled", "x"), later);
        let Some((Request::Patch { patch, .. }, _)) = second else {
            panic!("{second:?}")
        };
        assert_eq!(
            patch,
            json!({"count": 2, "lastTimestamp": "2026-01-01T00:00:05Z", "message": "x"})
        );
        recorder.lost(&key);
        let third = recorder.record(&event("Pulled", "x"), later);
        assert!(matches!(third, Some((Request::Create { .. }, _))), "{third:?}");
    }

    #[test]
    fn floods_are_combined_and_cut_off() {
        let mut recorder = Recorder::default();
        let requests: Vec<_> = (0..40)
            .map(|n| recorder.record(&event("Created", &format!("pod {n}")), DEFAULT_EPOCH))
            .collect();
        let created = requests
            .iter()
            .filter(|request| matches!(request, Some((Request::Create { .. }, _))));
        assert_eq!((created.count(), requests.iter().flatten().count()), (10, 25));
        let Some((Request::Create { object, .. }, _)) = &requests[9] else {
            panic!("{:?}", requests[9])
        };
        assert_eq!(text(object, "/message"), "(combined from similar events): pod 9");
    }
}
