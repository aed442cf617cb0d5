//! Values as Go's JSON writes them inside error texts, where field order or internal names differ from the client's.

use serde_json::Value;

use super::super::json;

/// An object with its fields in the order of the Go type; absent ones left out.
pub(super) fn object(value: &Value, order: &[&str]) -> String {
    let fields = order.iter().filter(|key| json::has(value, key));
    let shown: Vec<String> = fields
        .map(|key| format!("{}:{}", Value::from(*key), json::get(value, key)))
        .collect();
    format!("{{{}}}", shown.join(","))
}

/// An internal type, which has no JSON names: the fields under their Go names, absent ones null.
pub(super) fn internal(value: &Value, fields: &[(&str, &str)]) -> String {
    let shown: Vec<String> = fields
        .iter()
        .map(|(name, key)| format!("{}:{}", Value::from(*name), json::get(value, key)))
        .collect();
    format!("{{{}}}", shown.join(","))
}

/// A label selector: `matchLabels` first, each expression as key, operator, values.
pub(super) fn selector(value: &Value) -> String {
    let mut parts = Vec::new();
    if json::has(value, "matchLabels") {
        parts.push(format!("\"matchLabels\":{}", json::get(value, "matchLabels")));
    }
    if json::has(value, "matchExpressions") {
        let terms = json::list(value, "matchExpressions").iter();
        let terms: Vec<String> = terms.map(|term| object(term, &["key", "operator", "values"])).collect();
        parts.push(format!("\"matchExpressions\":[{}]", terms.join(",")));
    }
    format!("{{{}}}", parts.join(","))
}
