//! JSON merge patch (RFC 7386).

use serde_json::{Map, Value};

/// Applies a merge patch. A patch that is no object replaces the document.
#[must_use]
pub fn merge_patch(doc: &Value, patch: &Value) -> Value {
    let mut out = doc.clone();
    merge(&mut out, patch);
    out
}

fn merge(doc: &mut Value, patch: &Value) {
    let Value::Object(changes) = patch else {
        *doc = patch.clone();
        return;
    };
    if !doc.is_object() {
        *doc = Value::Object(Map::new());
    }
    let Value::Object(fields) = doc else { return };
    for (name, change) in changes {
        match (change, fields.get_mut(name)) {
            (Value::Null, _) => {
                fields.remove(name);
            }
            (change, Some(field)) => merge(field, change),
            (change, None) => {
                let mut field = Value::Null;
                merge(&mut field, change);
                fields.insert(name.clone(), field);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn follows_the_rfc() {
        let table = [
            (
                json!({"a": 1, "b": 2}),
                json!({"a": null, "c": {"d": null, "e": 1}}),
                json!({"b": 2, "c": {"e": 1}}),
            ),
            (
                json!({"a": {"x": 1}}),
                json!({"a": {"y": 2}}),
                json!({"a": {"x": 1, "y": 2}}),
            ),
            (json!({"a": [1, 2]}), json!({"a": [null]}), json!({"a": [null]})),
            (json!({"a": 1}), json!([1]), json!([1])),
            (json!("x"), json!({"a": 1}), json!({"a": 1})),
        ];
        for (doc, patch, expected) in table {
            assert_eq!(merge_patch(&doc, &patch), expected, "{patch}");
        }
    }
}
