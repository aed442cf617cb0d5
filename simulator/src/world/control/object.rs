//! Reading and writing API objects as JSON: short, total accessors that never panic.
//!
//! Must not know: any kind's rules.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::kind::{Kind, ObjectKey};
use crate::world::clock::rfc3339_secs;

/// The value at a JSON pointer. `Value::pointer` copies each step to look for escapes; most have none, and this is
/// called some hundred times a pass.
#[must_use]
pub fn at<'a>(object: &'a Value, pointer: &str) -> Option<&'a Value> {
    if pointer.contains('~') {
        return object.pointer(pointer);
    }
    let mut steps = pointer.split('/');
    if steps.next() != Some("") {
        return None;
    }
    steps.try_fold(object, |value, step| match value {
        Value::Object(fields) => fields.get(step),
        Value::Array(items) => items.get(step.parse::<usize>().ok()?),
        _ => None,
    })
}

/// The text at a JSON pointer; empty if there is none.
#[must_use]
pub fn text<'a>(object: &'a Value, pointer: &str) -> &'a str {
    at(object, pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The whole number at a JSON pointer.
#[must_use]
pub fn int(object: &Value, pointer: &str) -> Option<i64> {
    at(object, pointer).and_then(Value::as_i64)
}

/// The whole number at a JSON pointer; 0 if there is none.
#[must_use]
pub fn count(object: &Value, pointer: &str) -> i64 {
    int(object, pointer).unwrap_or(0)
}

/// Whether `true` stands at a JSON pointer.
#[must_use]
pub fn flag(object: &Value, pointer: &str) -> bool {
    at(object, pointer) == Some(&Value::Bool(true))
}

/// The list at a JSON pointer; empty if there is none.
#[must_use]
pub fn list<'a>(object: &'a Value, pointer: &str) -> &'a [Value] {
    at(object, pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The time at a JSON pointer.
#[must_use]
pub fn time(object: &Value, pointer: &str) -> Option<Timestamp> {
    text(object, pointer).parse().ok()
}

/// `metadata.name`
#[must_use]
pub fn name(object: &Value) -> &str {
    text(object, "/metadata/name")
}

/// `metadata.namespace`
#[must_use]
pub fn namespace(object: &Value) -> &str {
    text(object, "/metadata/namespace")
}

/// `metadata.uid`
#[must_use]
pub fn uid(object: &Value) -> &str {
    text(object, "/metadata/uid")
}

/// Namespace and name.
#[must_use]
pub fn key_of(object: &Value) -> ObjectKey {
    ObjectKey::new(namespace(object), name(object))
}

/// `metadata.creationTimestamp`; the far past if it is missing.
#[must_use]
pub fn created_at(object: &Value) -> Timestamp {
    time(object, "/metadata/creationTimestamp").unwrap_or(Timestamp::UNIX_EPOCH)
}

/// Whether deletion has begun.
#[must_use]
pub fn is_deleting(object: &Value) -> bool {
    at(object, "/metadata/deletionTimestamp").is_some_and(|at| !at.is_null())
}

/// One label.
#[must_use]
pub fn label<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    at(object, "/metadata/labels")?.get(key)?.as_str()
}

/// One annotation.
#[must_use]
pub fn annotation<'a>(object: &'a Value, key: &str) -> Option<&'a str> {
    at(object, "/metadata/annotations")?.get(key)?.as_str()
}

/// Whether a finalizer is set.
#[must_use]
pub fn has_finalizer(object: &Value, finalizer: &str) -> bool {
    list(object, "/metadata/finalizers")
        .iter()
        .any(|have| have.as_str() == Some(finalizer))
}

/// `metadata.finalizers` without one.
#[must_use]
pub fn finalizers_without(object: &Value, finalizer: &str) -> Vec<Value> {
    let all = list(object, "/metadata/finalizers").iter();
    all.filter(|have| have.as_str() != Some(finalizer)).cloned().collect()
}

/// The ownerReference with `controller: true`.
#[must_use]
pub fn controller_ref(object: &Value) -> Option<&Value> {
    let owners = list(object, "/metadata/ownerReferences").iter();
    owners.into_iter().find(|owner| flag(owner, "/controller"))
}

/// An ownerReference that makes `owner` the controller and blocks its deletion in the foreground.
#[must_use]
pub fn owned_by(kind: Kind, owner: &Value) -> Value {
    json!({
        "apiVersion": kind.api_version(),
        "kind": kind.kind,
        "name": name(owner),
        "uid": uid(owner),
        "controller": true,
        "blockOwnerDeletion": true,
    })
}

/// The key of an object's controller if that is of `kind`.
#[must_use]
pub fn owner_key(object: &Value, kind: Kind) -> Option<ObjectKey> {
    let owner = controller_ref(object)?;
    let of_kind = text(owner, "/kind") == kind.kind && text(owner, "/apiVersion") == kind.api_version();
    of_kind.then(|| ObjectKey::new(namespace(object), text(owner, "/name")))
}

/// Puts a value at a path of object keys; what is not an object on the way becomes one.
pub fn put(object: &mut Value, path: &[&str], value: Value) {
    let mut at = object;
    for key in path {
        if !at.is_object() {
            *at = Value::Object(Map::new());
        }
        let Some(map) = at.as_object_mut() else { return };
        at = map.entry((*key).to_owned()).or_insert(Value::Null);
    }
    *at = value;
}

/// A mutable list at a path of object keys, made if need be.
pub fn list_mut<'a>(object: &'a mut Value, path: &[&str]) -> Option<&'a mut Vec<Value>> {
    let pointer: String = path.iter().flat_map(|key| ["/", key]).collect();
    if !object.pointer(&pointer).is_some_and(Value::is_array) {
        put(object, path, Value::Array(Vec::new()));
    }
    object.pointer_mut(&pointer)?.as_array_mut()
}

/// Takes a key out of the object at a pointer.
pub fn drop_key(object: &mut Value, pointer: &str, key: &str) -> Option<Value> {
    object.pointer_mut(pointer)?.as_object_mut()?.remove(key)
}

/// One condition of `status.conditions`.
#[must_use]
pub fn condition<'a>(object: &'a Value, type_: &str) -> Option<&'a Value> {
    let conditions = list(object, "/status/conditions").iter();
    conditions.into_iter().find(|have| text(have, "/type") == type_)
}

/// Whether a condition is True.
#[must_use]
pub fn is_true(object: &Value, type_: &str) -> bool {
    condition(object, type_).is_some_and(|have| text(have, "/status") == "True")
}

/// `metav1.Time` for a status.
#[must_use]
pub fn stamp(now: Timestamp) -> Value {
    Value::String(rfc3339_secs(now))
}

/// `at` plus whole seconds, within range.
#[must_use]
pub fn after_secs(at: Timestamp, secs: i64) -> Timestamp {
    at.checked_add(SignedDuration::from_secs(secs))
        .unwrap_or(Timestamp::MAX)
}

/// How long from `now` until `at`; zero if it has passed.
#[must_use]
pub fn until(at: Timestamp, now: Timestamp) -> std::time::Duration {
    std::time::Duration::try_from(at.duration_since(now)).unwrap_or_default()
}

/// A status in the making, with Go's `omitempty`: zero counts and empty texts stay out.
#[derive(Debug, Default)]
pub struct StatusBuilder(Map<String, Value>);

impl StatusBuilder {
    /// A count that is left out when 0.
    pub fn count(&mut self, key: &str, value: i64) -> &mut Self {
        if value != 0 {
            self.0.insert(key.to_owned(), value.into());
        }
        self
    }

    /// A value that is always there, unless null.
    pub fn always(&mut self, key: &str, value: impl Into<Value>) -> &mut Self {
        let value = value.into();
        if !value.is_null() {
            self.0.insert(key.to_owned(), value);
        }
        self
    }

    /// A text that is left out when empty.
    pub fn text(&mut self, key: &str, value: &str) -> &mut Self {
        if !value.is_empty() {
            self.0.insert(key.to_owned(), value.into());
        }
        self
    }

    /// A list that is left out when empty.
    pub fn list(&mut self, key: &str, value: Vec<Value>) -> &mut Self {
        if !value.is_empty() {
            self.0.insert(key.to_owned(), Value::Array(value));
        }
        self
    }

    /// What has been put together.
    #[must_use]
    pub fn value(self) -> Value {
        Value::Object(self.0)
    }

    /// The object with this status, or None when it already has it.
    #[must_use]
    pub fn onto(self, object: &Value) -> Option<Value> {
        let status = Value::Object(self.0);
        if object.get("status").is_some_and(|have| *have == status) {
            return None;
        }
        let mut object = object.clone();
        put(&mut object, &["status"], status);
        Some(object)
    }
}

/// Whether two values are the same when null, `{}` and `[]` count as absent (Go's semantic equality).
#[must_use]
pub fn same(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            a.iter().all(|(key, value)| same_entry(value, b.get(key)))
                && b.iter().all(|(key, value)| a.contains_key(key) || is_absent(value))
        }
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b)),
        (a, b) => a == b || (is_absent(a) && is_absent(b)),
    }
}

fn same_entry(a: &Value, b: Option<&Value>) -> bool {
    b.map_or_else(|| is_absent(a), |b| same(a, b))
}

fn is_absent(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(map) => map.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn absent_and_empty_are_the_same() {
        let cases = [
            (json!({"a": 1, "b": {}}), json!({"a": 1}), true),
            (json!({"a": 1, "b": null}), json!({"a": 1, "c": []}), true),
            (json!({"a": 1}), json!({"a": 1, "c": [0]}), false),
            (json!({"a": [{"b": {}}]}), json!({"a": [{}]}), true),
            (json!({"a": "x"}), json!({}), false),
        ];
        for (a, b, wanted) in cases {
            assert_eq!(same(&a, &b), wanted, "{a} {b}");
            assert_eq!(same(&b, &a), wanted, "{b} {a}");
        }
    }

    #[test]
    fn put_makes_its_way() {
        let mut object = json!({"metadata": null});
        put(&mut object, &["metadata", "labels", "a"], json!("b"));
        assert_eq!(object, json!({"metadata": {"labels": {"a": "b"}}}));
        if let Some(list) = list_mut(&mut object, &["status", "conditions"]) {
            list.push(json!(1));
        }
        assert_eq!(object["status"]["conditions"], json!([1]));
    }
}
