//! Small helpers that turn fields into cells.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::super::duration;

/// `metadata.name`.
pub(super) fn name(object: &Value) -> Value {
    string(&object["metadata"]["name"]).into()
}

/// Time since creation.
pub(super) fn age(object: &Value, now: Timestamp) -> Value {
    duration::since(&object["metadata"]["creationTimestamp"], now).into()
}

/// The text of a field; empty where there is none.
pub(super) fn string(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The text of a field, or `instead` where it is missing or empty.
pub(super) fn string_or<'a>(value: &'a Value, instead: &'a str) -> &'a str {
    value.as_str().filter(|text| !text.is_empty()).unwrap_or(instead)
}

/// A whole number; 0 where there is none.
pub(super) fn number(value: &Value) -> i64 {
    value.as_i64().unwrap_or_default()
}

/// Entries of a list; none where it is missing.
pub(super) fn items(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

/// How many entries a list or map has.
pub(super) fn count(value: &Value) -> usize {
    match value {
        Value::Array(list) => list.len(),
        Value::Object(map) => map.len(),
        _ => 0,
    }
}

/// Number or text, as IntOrString and quantities print.
pub(super) fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// A quantity; a missing one prints as Go's zero quantity.
pub(super) fn quantity(value: &Value) -> String {
    if value.is_null() { "0".into() } else { scalar(value) }
}

/// The condition of a type.
pub(super) fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    items(&object["status"]["conditions"])
        .iter()
        .find(|condition| condition["type"] == kind)
}

/// Whether a condition is there with status `True`.
pub(super) fn is_true(object: &Value, kind: &str) -> bool {
    condition(object, kind).is_some_and(|condition| condition["status"] == "True")
}

/// Labels as `a=1,b=2`; `<none>` for none.
pub(super) fn labels(map: &Value) -> String {
    let pairs = sorted(map).map(|(key, value)| format!("{key}={}", string(value)));
    let text = pairs.collect::<Vec<_>>().join(",");
    if text.is_empty() { "<none>".into() } else { text }
}

/// A label selector as kubectl writes it; `<none>` for one that selects nothing in particular.
pub(super) fn selector(selector: &Value) -> String {
    let text = plain_selector(selector);
    if text.is_empty() { "<none>".into() } else { text }
}

/// The same, empty for an empty selector.
pub(super) fn plain_selector(selector: &Value) -> String {
    let mut terms: Vec<(String, String)> = sorted(&selector["matchLabels"])
        .map(|(key, value)| (key.to_owned(), format!("{key}={}", string(value))))
        .collect();
    for expression in items(&selector["matchExpressions"]) {
        let key = string(&expression["key"]);
        let mut values: Vec<&str> = items(&expression["values"]).iter().map(string).collect();
        values.sort_unstable();
        let values = values.join(",");
        let term = match string(&expression["operator"]) {
            "In" => format!("{key} in ({values})"),
            "NotIn" => format!("{key} notin ({values})"),
            "Exists" => key.to_owned(),
            "DoesNotExist" => format!("!{key}"),
            _ => return "<error>".into(),
        };
        terms.push((key.to_owned(), term));
    }
    terms.sort_by(|a, b| a.0.cmp(&b.0));
    terms.into_iter().map(|(_, term)| term).collect::<Vec<_>>().join(",")
}

/// Names and images of a list of containers, each joined by commas.
pub(super) fn containers(list: &Value) -> [Value; 2] {
    let join = |field: &str| {
        let texts: Vec<&str> = items(list).iter().map(|container| string(&container[field])).collect();
        Value::from(texts.join(","))
    };
    [join("name"), join("image")]
}

/// The first `max` of `entries`, then how many more there are; `<unset>` for none.
pub(super) fn some_more(entries: &[String], max: usize) -> String {
    let shown = entries
        .iter()
        .take(max)
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(",");
    if entries.len() > max {
        format!("{shown} + {} more...", entries.len() - max)
    } else if shown.is_empty() {
        "<unset>".into()
    } else {
        shown
    }
}

/// A map's entries by key.
pub(super) fn sorted(map: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let entries = map.as_object().into_iter().flat_map(Map::iter);
    entries
        .map(|(key, value)| (key.as_str(), value))
        .collect::<BTreeMap<_, _>>()
        .into_iter()
}
