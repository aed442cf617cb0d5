//! Whether an object that exists must be written again.
//!
//! The API server adds defaults, so that a live object is never equal to what was applied. An apply is needed when a
//! wanted field is missing or different, or when the wanted fields themselves have changed since the last apply (a
//! field that is wanted no more must go): a hash in an annotation tells that.

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

/// Annotation with the hash of the fields that were applied last.
pub const APPLIED_HASH: &str = "drydock.sh/applied-hash";

/// The fields with their hash in [`APPLIED_HASH`].
#[must_use]
pub fn stamped(mut fields: Value) -> Value {
    let hash = hash(&fields);
    if let Some(annotations) = annotations_of(&mut fields) {
        annotations.insert(APPLIED_HASH.to_owned(), json!(hash));
    }
    fields
}

/// Whether `live` lacks something of the stamped `wanted`, or was made from other fields.
#[must_use]
pub fn must_apply(wanted: &Value, live: Option<&Value>) -> bool {
    live.is_none_or(|live| !holds(wanted, live))
}

/// Whether every wanted field is in `live`. Lists must have the same length and hold each other's elements in order.
fn holds(wanted: &Value, live: &Value) -> bool {
    match (wanted, live) {
        (Value::Object(wanted), Value::Object(live)) => wanted.iter().all(|(key, value)| match live.get(key) {
            Some(live) => holds(value, live),
            // The server drops what is empty.
            None => is_empty(value),
        }),
        (Value::Array(wanted), Value::Array(live)) => {
            wanted.len() == live.len() && wanted.iter().zip(live).all(|(wanted, live)| holds(wanted, live))
        }
        (Value::Number(wanted), Value::Number(live)) => wanted.as_f64() == live.as_f64(),
        (wanted, live) => wanted == live,
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(fields) => fields.values().all(is_empty),
        Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

fn hash(fields: &Value) -> String {
    // Maps of serde_json are ordered by key, so that the text is the same for equal fields.
    let digest = Sha256::digest(fields.to_string().as_bytes());
    digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

fn annotations_of(fields: &mut Value) -> Option<&mut Map<String, Value>> {
    let metadata = fields.as_object_mut()?.entry("metadata").or_insert_with(|| json!({}));
    let annotations = metadata
        .as_object_mut()?
        .entry("annotations")
        .or_insert_with(|| json!({}));
    annotations.as_object_mut()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn defaults_are_no_drift_and_everything_else_is() {
        let wanted = stamped(json!({ "spec": { "replicas": 2, "template": { "args": ["a", "b"] }, "volumes": [] } }));
        let mut live = wanted.clone();
        live["spec"].as_object_mut().unwrap().remove("volumes");
        live["spec"]["updateStrategy"] = json!({ "type": "RollingUpdate" });
        live["metadata"]["uid"] = json!("1");
        assert!(!must_apply(&wanted, Some(&live)));
        assert!(must_apply(&wanted, None));
        let changes: [fn(&mut Value); 3] = [
            |live| live["spec"]["replicas"] = json!(1),
            |live| live["spec"]["template"]["args"] = json!(["a", "b", "c"]),
            |live| live["metadata"]["annotations"] = json!({}),
        ];
        for change in changes {
            let mut live = live.clone();
            change(&mut live);
            assert!(must_apply(&wanted, Some(&live)), "{live}");
        }
    }

    #[test]
    fn a_field_that_is_wanted_no_more_changes_the_hash() {
        let before = stamped(json!({ "metadata": { "labels": { "a": "1", "b": "2" } } }));
        let after = stamped(json!({ "metadata": { "labels": { "a": "1" } } }));
        assert!(must_apply(&after, Some(&before)));
    }
}
