//! JSON patch (RFC 6902), with the leniences of the library that the real server uses: `replace` creates a missing
//! key, a missing key reads as null, negative indexes count from the end, the first path segment is not looked at.
//!
//! Knows documents; must not know types.

use serde_json::Value;

use crate::world::kube::api_error::ApiError;
use crate::world::kube::schema::json_problem;

/// Operations in one patch (`maxJSONPatchOperations` of the real server).
const MAX_OPERATIONS: usize = 10_000;
/// What an operation has.
const OPERATION_FIELDS: [&str; 4] = ["op", "path", "from", "value"];
/// Bytes that the `copy` operations of one patch may copy in all (3 MiB, as the real server's default).
const MAX_COPIED_BYTES: usize = 3 * 1024 * 1024;

/// Applies a JSON patch.
///
/// # Errors
/// 400 when the text is no patch, 413 when it has too many operations, 422 when an operation does not apply.
pub fn json_patch(doc: &Value, patch: &[u8]) -> Result<Value, ApiError> {
    let operations = decode(patch)?;
    if operations.len() > MAX_OPERATIONS {
        let count = operations.len();
        let message = format!("The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {count}");
        return Err(ApiError::too_large(format!("Request entity is too large: {message}")));
    }
    let mut out = doc.clone();
    let mut copied = 0;
    for operation in &operations {
        perform(&mut out, operation, &mut copied).ok_or_else(not_applicable)?;
    }
    Ok(out)
}

/// What operations have that none should have, in the words of the real server.
#[must_use]
pub fn unknown_fields(patch: &[u8]) -> Vec<String> {
    let operations: Vec<serde_json::Map<String, Value>> = serde_json::from_slice(patch).unwrap_or_default();
    let numbered = operations.iter().enumerate();
    let unknown = numbered.flat_map(|(at, operation)| {
        let names = operation
            .keys()
            .filter(|name| !OPERATION_FIELDS.contains(&name.as_str()));
        names.map(move |name| format!("json patch unknown field \"[{at}].{name}\""))
    });
    unknown.collect()
}

/// The real server tells nothing of which operation failed.
fn not_applicable() -> ApiError {
    let mut error = ApiError::other(
        422,
        "Invalid",
        "the server rejected our request due to an error in our request",
    );
    error.details = Some(Box::default());
    error
}

fn decode(patch: &[u8]) -> Result<Vec<Value>, ApiError> {
    let bad = |what: &str| ApiError::bad_request(format!("error decoding patch: {what}"));
    let value: Value = match serde_json::from_slice(patch) {
        Ok(value) => value,
        Err(error) if error.is_eof() => return Err(bad("unexpected end of JSON input")),
        Err(_) => return Err(bad(&json_problem(patch))),
    };
    let found = match value {
        Value::Array(operations) => {
            return match operations.iter().find(|one| !one.is_object() && !one.is_null()) {
                None => Ok(operations),
                Some(other) => {
                    let kind = json_kind(other);
                    Err(bad(&format!(
                        "json: cannot unmarshal {kind} into Go value of type handlers.jsonPatchOp"
                    )))
                }
            };
        }
        Value::Null => return Ok(Vec::new()),
        other => json_kind(&other),
    };
    Err(bad(&format!(
        "json: cannot unmarshal {found} into Go value of type []handlers.jsonPatchOp"
    )))
}

/// Go's name of a JSON value's kind.
pub fn json_kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// None when the operation does not apply.
fn perform(doc: &mut Value, operation: &Value, copied: &mut usize) -> Option<()> {
    let path = operation.get("path")?.as_str()?;
    let value = || operation.get("value").cloned().unwrap_or(Value::Null);
    match operation.get("op")?.as_str()? {
        "add" => add(doc, path, value()),
        "remove" => remove(doc, path).map(drop),
        "replace" => replace(doc, path, value()),
        "test" => test(doc, path, operation.get("value")),
        "move" => {
            let moved = remove(doc, operation.get("from")?.as_str()?)?;
            add(doc, path, moved)
        }
        "copy" => {
            let (holder, key) = locate(doc, operation.get("from")?.as_str()?)?;
            let source = read(holder, &key)?.cloned().unwrap_or(Value::Null);
            *copied = copied.saturating_add(size(&source));
            if *copied > MAX_COPIED_BYTES {
                return None;
            }
            add(doc, path, source)
        }
        _ => None,
    }
}

fn size(value: &Value) -> usize {
    serde_json::to_vec(value).map_or(usize::MAX, |text| text.len())
}

/// The container that holds what `path` names, and the last key.
fn locate<'v>(doc: &'v mut Value, path: &str) -> Option<(&'v mut Value, String)> {
    let (_, rest) = path.split_once('/')?;
    let mut holder = doc;
    let mut segments = rest.split('/').peekable();
    while let Some(segment) = segments.next() {
        let key = segment.replace("~1", "/").replace("~0", "~");
        if segments.peek().is_none() {
            return (holder.is_object() || holder.is_array()).then_some((holder, key));
        }
        holder = match holder {
            Value::Object(fields) => fields.get_mut(&key)?,
            Value::Array(items) => {
                let at = existing(items.len(), &key)?;
                items.get_mut(at)?
            }
            _ => return None,
        };
    }
    None
}

/// An index into a list of `length` items; negative ones count from the end.
fn existing(length: usize, key: &str) -> Option<usize> {
    let at: i64 = key.parse().ok()?;
    let length = i64::try_from(length).ok()?;
    let at = if at < 0 { at.checked_add(length)? } else { at };
    (0..length).contains(&at).then(|| usize::try_from(at).ok())?
}

/// What a container holds at `key`: a missing key of an object is `Some(None)`, a bad index is None.
fn read<'v>(holder: &'v Value, key: &str) -> Option<Option<&'v Value>> {
    match holder {
        Value::Object(fields) => Some(fields.get(key)),
        Value::Array(items) => existing(items.len(), key).map(|at| items.get(at)),
        _ => None,
    }
}

fn add(doc: &mut Value, path: &str, value: Value) -> Option<()> {
    let (holder, key) = locate(doc, path)?;
    match holder {
        Value::Object(fields) => {
            fields.insert(key, value);
        }
        Value::Array(items) if key == "-" => items.push(value),
        Value::Array(items) => {
            let at = existing(items.len() + 1, &key)?;
            items.insert(at, value);
        }
        _ => return None,
    }
    Some(())
}

fn remove(doc: &mut Value, path: &str) -> Option<Value> {
    let (holder, key) = locate(doc, path)?;
    match holder {
        Value::Object(fields) => fields.remove(&key),
        Value::Array(items) => {
            let at = existing(items.len(), &key)?;
            Some(items.remove(at))
        }
        _ => None,
    }
}

fn replace(doc: &mut Value, path: &str, value: Value) -> Option<()> {
    if path.is_empty() {
        if !value.is_object() && !value.is_array() {
            return None;
        }
        *doc = value;
        return Some(());
    }
    let (holder, key) = locate(doc, path)?;
    match holder {
        Value::Object(fields) => {
            fields.insert(key, value);
        }
        Value::Array(items) => {
            let at = existing(items.len(), &key)?;
            *items.get_mut(at)? = value;
        }
        _ => return None,
    }
    Some(())
}

fn test(doc: &mut Value, path: &str, expected: Option<&Value>) -> Option<()> {
    let expected = expected.unwrap_or(&Value::Null);
    if path.is_empty() {
        return (doc == expected).then_some(());
    }
    let (holder, key) = locate(doc, path)?;
    let found = read(holder, &key)?.unwrap_or(&Value::Null);
    (found == expected).then_some(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    /// Observed on a 1.36 server.
    #[test]
    fn operations_apply_as_on_the_real_server() {
        let doc = json!({"data": {"a": "1", "l": [1, 2]}});
        let applies = |patch: Value| json_patch(&doc, patch.to_string().as_bytes());
        let good = [
            (
                json!([{"op": "replace", "path": "/data/zz", "value": "x"}]),
                json!({"data": {"a": "1", "l": [1, 2], "zz": "x"}}),
            ),
            (
                json!([{"op": "add", "path": "data/x", "value": 1}]),
                json!({"x": 1, "data": {"a": "1", "l": [1, 2]}}),
            ),
            (
                json!([{"op": "copy", "from": "/data/zz", "path": "/data/q"}]),
                json!({"data": {"a": "1", "l": [1, 2], "q": null}}),
            ),
            (json!([{"op": "test", "path": "/data/zz", "value": null}]), doc.clone()),
            (
                json!([{"op": "add", "path": "/data/l/-", "value": 3}]),
                json!({"data": {"a": "1", "l": [1, 2, 3]}}),
            ),
            (
                json!([{"op": "add", "path": "/data/l/-1", "value": 3}]),
                json!({"data": {"a": "1", "l": [1, 2, 3]}}),
            ),
            (
                json!([{"op": "remove", "path": "/data/l/0"}]),
                json!({"data": {"a": "1", "l": [2]}}),
            ),
            (
                json!([{"op": "move", "from": "/data/a", "path": "/b~1c"}]),
                json!({"b/c": "1", "data": {"l": [1, 2]}}),
            ),
        ];
        for (patch, expected) in good {
            assert_eq!(applies(patch.clone()).expect("applies"), expected, "{patch}");
        }
        let bad = [
            json!([{"op": "test", "path": "/data/a", "value": "2"}]),
            json!([{"op": "remove", "path": "/data/zz"}]),
            json!([{"op": "add", "path": "/foo/bar/x", "value": "x"}]),
            json!([{"op": "bogus", "path": "/data"}]),
            json!([{"path": "/data/q"}]),
            json!([{"op": "add", "value": 1}]),
            json!([{"op": "add", "path": "/data/l/9", "value": 1}]),
            json!([{"op": "remove", "path": ""}]),
        ];
        for patch in bad {
            let error = applies(patch.clone()).expect_err("does not apply");
            assert_eq!((error.code, error.reason), (422, "Invalid"), "{patch}");
            assert_eq!(
                error.message,
                "the server rejected our request due to an error in our request"
            );
        }
    }

    #[test]
    fn texts_that_are_no_patch_are_bad_requests() {
        let table: [(&[u8], &str); 3] = [
            (b"", "error decoding patch: unexpected end of JSON input"),
            (b"[", "error decoding patch: unexpected end of JSON input"),
            (
                b"{\"op\":\"add\"}",
                "error decoding patch: json: cannot unmarshal object into Go value of type []handlers.jsonPatchOp",
            ),
        ];
        for (patch, message) in table {
            let error = json_patch(&json!({}), patch).expect_err("no patch");
            assert_eq!((error.code, error.message.as_str()), (400, message));
        }
        let many = vec![json!({"op": "test", "path": "/a", "value": null}); MAX_OPERATIONS + 1];
        let error = json_patch(&json!({}), Value::Array(many).to_string().as_bytes()).expect_err("too many");
        assert_eq!(error.code, 413);
    }

    proptest! {
        #[test]
        fn never_panics(op in "add|remove|replace|test|move|copy", path in "(/(a|l|-|-1|0|~1|é)){0,3}", from in "(/(a|l|0)){0,3}") {
            let doc = json!({"a": {"l": [1, {"a": 2}]}, "l": [[0], 1]});
            let patch = json!([{"op": op, "path": path, "from": from, "value": {"a": 1}}]);
            let _ = json_patch(&doc, patch.to_string().as_bytes());
        }
    }
}
