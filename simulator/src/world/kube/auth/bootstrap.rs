//! The roles and bindings that every API server starts with, from a compact table beside this file:
//! `role NAME [labels=AGGREGATE-TO] [aggregates=AGGREGATE-TO]`, below it its rules (`VERBS on GROUPS RESOURCES
//! [named NAMES]` or `VERBS urls URLS`), and `bind NAME ROLE SUBJECTS`. `core` stands for the empty group.

use serde_json::{Value, json};

use super::rules::rules_of;

const TABLE: &str = include_str!("bootstrap_policy.txt");
const API: &str = "rbac.authorization.k8s.io/v1";

/// ClusterRoles (aggregated ones with their rules filled in) and ClusterRoleBindings, without server-set metadata.
#[must_use]
pub fn bootstrap_policy() -> Vec<Value> {
    let (mut roles, mut bindings): (Vec<Value>, Vec<Value>) = (Vec::new(), Vec::new());
    for line in TABLE.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["role", name, options @ ..] => roles.push(role(name, options)),
            ["bind", name, role, subjects @ ..] => bindings.push(binding(name, role, subjects)),
            rule => {
                if let Some(rules) = roles.last_mut().and_then(|role| role["rules"].as_array_mut()) {
                    rules.extend(policy_rule(rule));
                }
            }
        }
    }
    aggregate(&mut roles);
    roles.extend(bindings);
    roles
}

/// The rules that an aggregated ClusterRole should have, in the order of `roles` (by name, as the controller lists
/// them); None for a role that aggregates nothing.
#[must_use]
pub fn aggregated_rules(role: &Value, roles: &[&Value]) -> Option<Vec<Value>> {
    let selectors = role["aggregationRule"]["clusterRoleSelectors"].as_array()?;
    let mut rules: Vec<Value> = Vec::new();
    for selector in selectors {
        let chosen = roles
            .iter()
            .filter(|other| other["metadata"]["name"] != role["metadata"]["name"]);
        for other in chosen.filter(|other| selects(selector, &other["metadata"]["labels"])) {
            for rule in rules_of(other) {
                if !rules.contains(rule) {
                    rules.push(rule.clone());
                }
            }
        }
    }
    Some(rules)
}

/// Whether a label selector holds; an operator that is none selects nothing.
fn selects(selector: &Value, labels: &Value) -> bool {
    let equal = selector["matchLabels"].as_object().into_iter().flatten();
    let expressions = selector["matchExpressions"].as_array().into_iter().flatten();
    equal.into_iter().all(|(key, value)| labels.get(key) == Some(value))
        && expressions.into_iter().all(|expression| {
            let label = expression["key"].as_str().and_then(|key| labels.get(key));
            let values = expression["values"].as_array();
            let listed = || label.is_some_and(|label| values.is_some_and(|values| values.contains(label)));
            match expression["operator"].as_str().unwrap_or_default() {
                "In" => listed(),
                "NotIn" => !listed(),
                "Exists" => label.is_some(),
                "DoesNotExist" => label.is_none(),
                _ => false,
            }
        })
}

/// Fills aggregated roles: `edit` draws on `view`, `admin` on `edit`, so two rounds reach a fixed point and a third
/// would change nothing.
fn aggregate(roles: &mut [Value]) {
    for _ in 0..3 {
        let before: Vec<Value> = roles.to_vec();
        let before: Vec<&Value> = before.iter().collect();
        for role in roles.iter_mut() {
            if let Some(rules) = aggregated_rules(role, &before) {
                role["rules"] = rules.into();
            }
        }
    }
}

fn metadata(name: &str) -> Value {
    json!({
        "name": name,
        "labels": {"kubernetes.io/bootstrapping": "rbac-defaults"},
        "annotations": {"rbac.authorization.kubernetes.io/autoupdate": "true"},
    })
}

fn role(name: &str, options: &[&str]) -> Value {
    let mut role = json!({"kind": "ClusterRole", "apiVersion": API, "metadata": metadata(name), "rules": []});
    for option in options {
        if let Some(label) = option.strip_prefix("labels=") {
            role["metadata"]["labels"][format!("rbac.authorization.k8s.io/{label}")] = "true".into();
        } else if let Some(label) = option.strip_prefix("aggregates=") {
            let label = format!("rbac.authorization.k8s.io/{label}");
            role["aggregationRule"] = json!({"clusterRoleSelectors": [{"matchLabels": {label: "true"}}]});
        }
    }
    role
}

fn policy_rule(words: &[&str]) -> Option<Value> {
    let list = |text: &str| text.split(',').map(str::to_owned).collect::<Vec<_>>();
    Some(match words {
        [verbs, "urls", urls] => json!({"verbs": list(verbs), "nonResourceURLs": list(urls)}),
        [verbs, "on", groups, resources, rest @ ..] => {
            let groups: Vec<&str> = groups
                .split(',')
                .map(|group| if group == "core" { "" } else { group })
                .collect();
            let mut rule = json!({"verbs": list(verbs), "apiGroups": groups, "resources": list(resources)});
            if let ["named", names] = rest {
                rule["resourceNames"] = json!(list(names));
            }
            rule
        }
        _ => return None,
    })
}

fn binding(name: &str, role: &str, subjects: &[&str]) -> Value {
    const GROUP: &str = "rbac.authorization.k8s.io";
    let subject = |text: &&str| {
        let (kind, name) = text.split_once(':').unwrap_or(("user", text));
        let kind = if kind == "group" { "Group" } else { "User" };
        json!({"kind": kind, "apiGroup": GROUP, "name": name})
    };
    let mut binding = json!({
        "kind": "ClusterRoleBinding", "apiVersion": API, "metadata": metadata(name),
        "roleRef": {"apiGroup": GROUP, "kind": "ClusterRole", "name": role},
    });
    if !subjects.is_empty() {
        binding["subjects"] = subjects.iter().map(subject).collect();
    }
    binding
}
