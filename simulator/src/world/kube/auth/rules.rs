//! Policy rules: what one allows, and whether a set of them covers another.

use serde_json::{Value, json};

use super::Attributes;

/// The rules of a Role or ClusterRole.
pub(super) fn rules_of(role: &Value) -> &[Value] {
    role["rules"].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// The texts of a list field.
pub(super) fn texts<'a>(value: &'a Value, field: &str) -> impl Iterator<Item = &'a str> {
    value[field].as_array().into_iter().flatten().filter_map(Value::as_str)
}

fn has(rule: &Value, field: &str, wanted: &str) -> bool {
    texts(rule, field).any(|text| text == wanted)
}

fn has_or_all(rule: &Value, field: &str, wanted: &str) -> bool {
    texts(rule, field).any(|text| text == "*" || text == wanted)
}

fn is_empty(rule: &Value, field: &str) -> bool {
    texts(rule, field).next().is_none()
}

/// Whether one rule allows a request.
pub(super) fn allows(rule: &Value, wanted: &Attributes) -> bool {
    if !has_or_all(rule, "verbs", &wanted.verb) {
        return false;
    }
    if !wanted.is_resource {
        return texts(rule, "nonResourceURLs").any(|pattern| pattern == "*" || url_covers(pattern, &wanted.path));
    }
    has_or_all(rule, "apiGroups", &wanted.group)
        && texts(rule, "resources").any(|pattern| resource_matches(pattern, &wanted.resource, &wanted.subresource))
        && (is_empty(rule, "resourceNames") || has(rule, "resourceNames", &wanted.name))
}

/// `*` is everything, `pods` the resource, `pods/log` the subresource, `*/scale` that subresource of anything.
fn resource_matches(pattern: &str, resource: &str, subresource: &str) -> bool {
    if pattern == "*" {
        return true;
    }
    match pattern.split_once('/') {
        None => subresource.is_empty() && pattern == resource,
        Some((of, sub)) => !subresource.is_empty() && sub == subresource && (of == "*" || of == resource),
    }
}

fn url_covers(pattern: &str, path: &str) -> bool {
    pattern == path || (pattern.ends_with('*') && path.starts_with(pattern.trim_end_matches('*')))
}

/// The parts of `wanted` that no rule in `held` covers, each with one verb and one resource or URL.
pub(super) fn uncovered(held: &[Value], wanted: &[Value]) -> Vec<Value> {
    let parts = wanted.iter().flat_map(break_down);
    parts
        .filter(|part| !held.iter().any(|rule| covers(rule, part)))
        .collect()
}

fn break_down(rule: &Value) -> Vec<Value> {
    let mut parts = Vec::new();
    for verb in texts(rule, "verbs") {
        for group in texts(rule, "apiGroups") {
            for resource in texts(rule, "resources") {
                let part = json!({"apiGroups": [group], "resources": [resource], "verbs": [verb]});
                if is_empty(rule, "resourceNames") {
                    parts.push(part);
                    continue;
                }
                for name in texts(rule, "resourceNames") {
                    let mut named = part.clone();
                    named["resourceNames"] = json!([name]);
                    parts.push(named);
                }
            }
        }
        parts.extend(texts(rule, "nonResourceURLs").map(|url| json!({"nonResourceURLs": [url], "verbs": [verb]})));
    }
    parts
}

fn covers(rule: &Value, part: &Value) -> bool {
    let all = |field: &str| texts(part, field).all(|wanted| has_or_all(rule, field, wanted));
    let resources = texts(part, "resources").all(|wanted| {
        let of_anything = wanted.split_once('/').map(|(_, sub)| format!("*/{sub}"));
        has_or_all(rule, "resources", wanted) || of_anything.is_some_and(|pattern| has(rule, "resources", &pattern))
    });
    let names = is_empty(rule, "resourceNames")
        || (!is_empty(part, "resourceNames")
            && texts(part, "resourceNames").all(|wanted| has(rule, "resourceNames", wanted)));
    let urls = texts(part, "nonResourceURLs")
        .all(|wanted| texts(rule, "nonResourceURLs").any(|pattern| url_covers(pattern, wanted)));
    all("verbs") && all("apiGroups") && resources && names && urls
}

/// Rules that differ only in their verbs, joined; and each as text:
/// `{APIGroups:["apps"], Resources:["deployments"], Verbs:["get" "list"]}`, sorted.
pub(super) fn describe(rules: &[Value]) -> Vec<String> {
    const FIELDS: [(&str, &str); 5] = [
        ("apiGroups", "APIGroups"),
        ("resources", "Resources"),
        ("nonResourceURLs", "NonResourceURLs"),
        ("resourceNames", "ResourceNames"),
        ("verbs", "Verbs"),
    ];
    let mut joined: Vec<Value> = Vec::new();
    for rule in rules {
        let simple = is_empty(rule, "nonResourceURLs");
        let same = |other: &&mut Value| simple && FIELDS.iter().take(4).all(|(field, _)| other[*field] == rule[*field]);
        match joined
            .iter_mut()
            .find(same)
            .and_then(|other| other["verbs"].as_array_mut())
        {
            Some(verbs) => verbs.extend(rule["verbs"].as_array().into_iter().flatten().cloned()),
            None => joined.push(rule.clone()),
        }
    }
    let mut shown: Vec<String> = joined
        .iter()
        .map(|rule| {
            let parts: Vec<String> = FIELDS
                .iter()
                .filter(|(field, _)| !is_empty(rule, field))
                .map(|(field, label)| format!("{label}:{}", go_list(&texts(rule, field).collect::<Vec<_>>())))
                .collect();
            format!("{{{}}}", parts.join(", "))
        })
        .collect();
    shown.sort();
    shown.dedup();
    shown
}

/// A list as Go's `%q` prints it: `["a" "b"]`.
pub(super) fn go_list(texts: &[&str]) -> String {
    let quoted: Vec<String> = texts.iter().map(|text| format!("{text:?}")).collect();
    format!("[{}]", quoted.join(" "))
}
