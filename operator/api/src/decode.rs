//! The strict decoder: every field of an object that its kind does not know, and every value of the wrong type, each
//! with its path. `serde` alone would stop at the first, without saying where.
//!
//! Knows: schemas as [`crate::crd::strict`] makes them. `metadata` is left to the API server, which owns it.

use crate::validate::clip;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::{collections::BTreeSet, fmt};

/// One thing that can't be decoded.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Problem {
    /// A field that the kind does not have.
    Unknown {
        /// Path of the field.
        path: String,
    },
    /// A value of another type than the field has.
    WrongType {
        /// Path of the field.
        path: String,
        /// What the field takes.
        expected: String,
        /// What was written.
        found: &'static str,
    },
    /// The value does not fit although its parts do.
    Malformed {
        /// What the decoder said.
        reason: String,
    },
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown { path } => write!(f, "unknown field \"{path}\""),
            Self::WrongType { path, expected, found } => write!(f, "field \"{path}\" takes {expected}, not {found}"),
            Self::Malformed { reason } => f.write_str(reason),
        }
    }
}

/// Most problems that are told one by one.
const MOST: usize = 64;
/// Longest path that is told: it holds what the user wrote, however long.
const PATH_CHARS: usize = 512;

/// Decodes an object. `old` is its predecessor: what was wrong there already is let pass.
pub fn decode<T: DeserializeOwned>(schema: &Value, object: &Value, old: Option<&Value>) -> Result<T, Vec<Problem>> {
    let mut problems = problems(schema, object);
    if let Some(old) = old {
        let before: BTreeSet<Problem> = self::problems(schema, old).into_iter().collect();
        problems.retain(|problem| !before.contains(problem));
    }
    if !problems.is_empty() {
        let more = problems.len().saturating_sub(MOST);
        problems.truncate(MOST);
        if more > 0 {
            problems.push(Problem::Malformed {
                reason: format!("and {more} more"),
            });
        }
        return Err(problems);
    }
    T::deserialize(object).map_err(|error| {
        vec![Problem::Malformed {
            reason: error.to_string(),
        }]
    })
}

/// Everything about an object that its schema does not allow.
pub fn problems(schema: &Value, object: &Value) -> Vec<Problem> {
    let mut found = Vec::new();
    let Value::Object(fields) = object else {
        check(schema, object, &mut String::new(), &mut found);
        return found;
    };
    for (name, value) in fields.iter().filter(|(name, _)| *name != "metadata") {
        member(schema, name, value, &mut String::new(), &mut found);
    }
    found
}

/// The recursion follows the schema, which is finite and has no cycles, so its depth is bounded whatever is written.
fn check(schema: &Value, value: &Value, path: &mut String, found: &mut Vec<Problem>) {
    if value.is_null() {
        return; // null is the same as leaving the field out
    }
    if schema.get("x-kubernetes-int-or-string").is_some() {
        if !value.is_string() && !value.is_number() {
            wrong(path, "a number or a text", value, found);
        }
        return;
    }
    let Some(kind) = schema.get("type").and_then(Value::as_str) else {
        return;
    };
    match (kind, value) {
        ("object", Value::Object(fields)) => {
            for (name, value) in fields {
                member(schema, name, value, path, found);
            }
        }
        ("array", Value::Array(items)) => {
            let Some(schema) = schema.get("items") else { return };
            for (index, item) in items.iter().enumerate() {
                within(path, &format!("[{index}]"), |path| check(schema, item, path, found));
            }
        }
        ("string", Value::String(text)) => {
            let allowed = schema.get("enum").and_then(Value::as_array);
            if let Some(allowed) = allowed
                && !allowed.iter().any(|option| option == text.as_str())
                && !text.is_empty()
            {
                let options: Vec<&str> = allowed.iter().filter_map(Value::as_str).collect();
                found.push(Problem::WrongType {
                    path: clip(path.clone(), PATH_CHARS),
                    expected: format!("one of {}", options.join(", ")),
                    found: "another text",
                });
            }
        }
        ("integer", Value::Number(number)) if number.is_i64() || number.is_u64() => {}
        ("number", Value::Number(_)) | ("boolean", Value::Bool(_)) => {}
        ("object", _) => wrong(path, "an object", value, found),
        ("array", _) => wrong(path, "a list", value, found),
        ("string", _) => wrong(path, "a text", value, found),
        ("integer", _) => wrong(path, "a whole number", value, found),
        ("number", _) => wrong(path, "a number", value, found),
        ("boolean", _) => wrong(path, "true or false", value, found),
        _ => {}
    }
}

fn member(schema: &Value, name: &str, value: &Value, path: &mut String, found: &mut Vec<Problem>) {
    let step = if path.is_empty() {
        name.to_owned()
    } else {
        format!(".{name}")
    };
    let known = schema.get("properties").and_then(|fields| fields.get(name));
    let any = schema.get("additionalProperties");
    match (known, any) {
        (Some(field), _) => within(path, &step, |path| check(field, value, path, found)),
        (None, Some(any)) if any.is_object() => {
            within(path, &format!("[{name}]"), |path| check(any, value, path, found));
        }
        // An object without a list of fields takes whatever it is given.
        (None, _) if schema.get("properties").is_none() => {}
        (None, _) => within(path, &step, |path| {
            found.push(Problem::Unknown {
                path: clip(path.clone(), PATH_CHARS),
            });
        }),
    }
}

fn within(path: &mut String, step: &str, inside: impl FnOnce(&mut String)) {
    let length = path.len();
    path.push_str(step);
    inside(path);
    path.truncate(length);
}

fn wrong(path: &str, expected: &str, value: &Value, found: &mut Vec<Problem>) {
    let what = match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    };
    found.push(Problem::WrongType {
        path: clip(path.to_owned(), PATH_CHARS),
        expected: expected.to_owned(),
        found: what,
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        Workspace,
        crd::{Definition, strict},
    };
    use serde_json::json;

    #[test]
    fn every_unknown_field_and_wrong_type_is_named() {
        let schema = strict(Definition::Workspace, false);
        let object = json!({
            "apiVersion": "kaito.sh/v1beta1", "kind": "Workspace",
            "metadata": { "name": "a", "somethingOfTheFuture": 1 },
            "resource": { "labelSelector": { "matchLabels": { "app": 1 } }, "instancetype": "x", "count": "two" },
            "inference": {
                "presett": {},
                "template": { "spec": { "containers": [{ "name": "a", "imagee": "b" }] } },
                "adapters": [{ "source": { "volumeSource": { "emptyDir": {}, "name": "x" } } }, null],
            },
            "tuning": [],
        });
        let found: Vec<String> = problems(&schema, &object).iter().map(ToString::to_string).collect();
        let mut expected = vec![
            "unknown field \"inference.adapters[0].source.volumeSource.name\"",
            "unknown field \"inference.presett\"",
            "unknown field \"inference.template.spec.containers[0].imagee\"",
            "field \"resource.count\" takes a whole number, not a text",
            "unknown field \"resource.instancetype\"",
            "field \"resource.labelSelector.matchLabels[app]\" takes a text, not a number",
            "field \"tuning\" takes an object, not a list",
        ];
        let mut found: Vec<&str> = found.iter().map(String::as_str).collect();
        found.sort_unstable();
        expected.sort_unstable();
        assert_eq!(found, expected);
        assert!(decode::<Workspace>(&schema, &object, None).is_err());
    }

    #[test]
    fn what_was_wrong_before_is_let_pass() {
        let schema = strict(Definition::Workspace, false);
        let old = json!({ "resource": { "gone": 1 } });
        let new = json!({ "metadata": { "labels": { "a": "b" } }, "resource": { "gone": 1 } });
        assert!(decode::<Workspace>(&schema, &new, Some(&old)).is_ok());
        assert!(decode::<Workspace>(&schema, &new, None).is_err());
    }

    #[test]
    fn anything_at_all_is_answered() {
        let schema = strict(Definition::Workspace, false);
        for object in [
            json!(null),
            json!([]),
            json!("x"),
            json!({}),
            json!({"status": {"conditions": [1]}}),
        ] {
            let _ = decode::<Workspace>(&schema, &object, None);
        }
    }
}
