//! What differs from run to run, and what stands for it.

use std::sync::LazyLock;

use regex::{Captures, Regex};
use serde_json::{Value, json};

use crate::corpus::Step;
use crate::replay::Answer;

static TEXTS: LazyLock<Vec<(Regex, &'static str)>> = LazyLock::new(|| {
    let rules = [
        (r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "<uid>"),
        (r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", "<time>"),
        (
            r"too old resource version: \d+ \(\d+\)",
            "too old resource version: <rv> (<rv>)",
        ),
        (
            r"Too large resource version: \d+, current: \d+",
            "Too large resource version: <rv>, current: <rv>",
        ),
        (r"^10\.0\.\d+\.\d+$", "<ip>"),
        (r"^\d+s$", "<age>"),
        (r"^ey[\w-]+\.[\w-]+\.[\w-]+$", "<token>"),
    ];
    rules
        .into_iter()
        .filter_map(|(pattern, instead)| Some((Regex::new(pattern).ok()?, instead)))
        .collect()
});

/// An answer as one value, with what no two servers have alike taken out.
pub(crate) fn normal(answer: &Answer, step: &Step) -> Value {
    let body = if step.only.is_empty() {
        let mut body = answer.body.clone();
        for pointer in &step.ignore {
            if let Some(value) = body.pointer_mut(pointer) {
                *value = json!("<ignored>");
            }
        }
        body
    } else {
        let chosen = step
            .only
            .iter()
            .map(|pointer| (pointer.clone(), answer.body.pointer(pointer).cloned().into()));
        Value::Object(chosen.collect())
    };
    let headers: Vec<String> = answer
        .headers
        .iter()
        .filter(|(name, _)| name != "audit-id")
        .map(|(name, value)| format!("{name}: {value}"))
        .collect();
    let mut all = json!({ "status": answer.status, "headers": headers, "body": body });
    walk(&mut all);
    all
}

/// A JSON object inside an error's text.
static QUOTED: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r#""\{(?:[^"\\]|\\.)*\}""#).ok());

/// The same with its fields in one order: Go writes them as its types have them.
fn sorted(quoted: &str) -> String {
    let text: Option<String> = serde_json::from_str(quoted).ok();
    let object = text.and_then(|text| serde_json::from_str::<Value>(&text).ok());
    object.map_or_else(
        || quoted.to_owned(),
        |mut object| {
            walk(&mut object);
            Value::String(object.to_string()).to_string()
        },
    )
}

fn walk(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            if let Some(Value::Array(entries)) = fields.get_mut("managedFields") {
                // They are stored in the order of their times, in whole seconds.
                let key = |entry: &Value| {
                    ["manager", "operation", "apiVersion", "subresource"].map(|name| entry[name].to_string())
                };
                entries.sort_by_key(key);
            }
            if let Some(Value::Array(causes)) = fields.get_mut("causes")
                && causes.iter().all(|cause| cause["reason"] == "FieldManagerConflict")
            {
                // Go goes through the managers in any order.
                causes.sort_by_key(Value::to_string);
            }
            let prefix = fields.get("generateName").and_then(Value::as_str).map(str::to_owned);
            for (name, field) in fields.iter_mut() {
                match (name.as_str(), &*field) {
                    ("resourceVersion", Value::String(text)) if !text.is_empty() => *field = json!("<rv>"),
                    ("continue", Value::String(text)) if !text.is_empty() => *field = json!("<continue>"),
                    ("storageVersionHash", _) => *field = json!("<hash>"),
                    ("nodePort", Value::Number(_)) => *field = json!("<port>"),
                    ("name", Value::String(text)) if prefix.as_ref().is_some_and(|prefix| text.starts_with(prefix)) => {
                        *field = json!(format!("{}<random>", prefix.clone().unwrap_or_default()));
                    }
                    _ => walk(field),
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(walk),
        Value::String(text) => {
            if let Some(quoted) = &*QUOTED {
                *text = quoted
                    .replace_all(text, |found: &Captures<'_>| sorted(&found[0]))
                    .into_owned();
            }
            for (rule, instead) in TEXTS.iter() {
                if rule.is_match(text) {
                    *text = rule.replace_all(text, *instead).into_owned();
                }
            }
        }
        _ => {}
    }
}
