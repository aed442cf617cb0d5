//! Where pods may run: affinity, tolerations, topology spread; and label selectors inside specs.

use serde_json::Value;

use super::super::{formats, json};
use super::meta;
use super::problems::{Path, Problems};

const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";
const EFFECTS: [&str; 3] = ["NoSchedule", "PreferNoSchedule", "NoExecute"];

/// A `metav1.LabelSelector`.
pub(super) fn label_selector(problems: &mut Problems, path: &Path<'_>, selector: &Value) {
    meta::labels(problems, &path.child("matchLabels"), json::get(selector, "matchLabels"));
    let list = path.child("matchExpressions");
    for (index, term) in json::list(selector, "matchExpressions").iter().enumerate() {
        let path = list.index(index);
        operator_and_values(problems, &path, term, false);
        problems.format(&path.child("key"), json::text(term, "key"), formats::qualified_name);
        label_values(problems, &path, term);
    }
}

fn label_values(problems: &mut Problems, path: &Path<'_>, term: &Value) {
    let list = path.child("values");
    for (index, value) in json::list(term, "values").iter().enumerate() {
        problems.format(
            &list.index(index),
            value.as_str().unwrap_or_default(),
            formats::label_value,
        );
    }
}

fn operator_and_values(problems: &mut Problems, path: &Path<'_>, term: &Value, numbers: bool) {
    let values = json::list(term, "values");
    match json::text(term, "operator") {
        "In" | "NotIn" if values.is_empty() => {
            problems.required(
                &path.child("values"),
                "must be specified when `operator` is 'In' or 'NotIn'",
            );
        }
        "Exists" | "DoesNotExist" if !values.is_empty() => {
            let detail = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
            problems.forbidden(&path.child("values"), detail);
        }
        "Gt" | "Lt" if numbers && values.len() != 1 => {
            let detail = "must be specified single value when `operator` is 'Lt' or 'Gt'";
            problems.required(&path.child("values"), detail);
        }
        "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
        "Gt" | "Lt" if numbers => {}
        other => problems.invalid_text(&path.child("operator"), other, "not a valid selector operator"),
    }
}

/// A node selector of a pod or a PersistentVolume.
pub(super) fn node_selector(problems: &mut Problems, path: &Path<'_>, selector: &Value) {
    let list = path.child("nodeSelectorTerms");
    let terms = json::list(selector, "nodeSelectorTerms");
    if terms.is_empty() {
        problems.required(&list, "must have at least one node selector term");
    }
    for (index, term) in terms.iter().enumerate() {
        node_term(problems, &list.index(index), term, true);
    }
}

fn node_term(problems: &mut Problems, path: &Path<'_>, term: &Value, check_values: bool) {
    let list = path.child("matchExpressions");
    for (index, one) in json::list(term, "matchExpressions").iter().enumerate() {
        let path = list.index(index);
        operator_and_values(problems, &path, one, true);
        problems.format(&path.child("key"), json::text(one, "key"), formats::qualified_name);
        if check_values {
            label_values(problems, &path, one);
        }
    }
    let list = path.child("matchFields");
    for (index, one) in json::list(term, "matchFields").iter().enumerate() {
        node_field(problems, &list.index(index), one);
    }
}

fn node_field(problems: &mut Problems, path: &Path<'_>, term: &Value) {
    let values = json::list(term, "values");
    match json::text(term, "operator") {
        "In" | "NotIn" if values.len() != 1 => {
            let detail = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector";
            problems.required(&path.child("values"), detail);
        }
        "In" | "NotIn" => {}
        other => problems.invalid_text(&path.child("operator"), other, "not a valid selector operator"),
    }
    match json::text(term, "key") {
        "metadata.name" => {
            let list = path.child("values");
            for (index, value) in values.iter().enumerate() {
                problems.format(
                    &list.index(index),
                    value.as_str().unwrap_or_default(),
                    formats::dns1123_subdomain,
                );
            }
        }
        other => problems.invalid_text(&path.child("key"), other, "not a valid field selector key"),
    }
}

fn weight(problems: &mut Problems, path: &Path<'_>, term: &Value) {
    let weight = json::int(term, "weight").unwrap_or(0);
    if !(1..=100).contains(&weight) {
        problems.invalid(&path.child("weight"), &weight.into(), "must be in the range 1-100");
    }
}

pub(super) fn affinity(problems: &mut Problems, path: &Path<'_>, affinity: &Value) {
    let node = json::get(affinity, "nodeAffinity");
    let at = path.child("nodeAffinity");
    if json::has(node, REQUIRED) {
        node_selector(problems, &at.child(REQUIRED), json::get(node, REQUIRED));
    }
    let list = at.child(PREFERRED);
    for (index, term) in json::list(node, PREFERRED).iter().enumerate() {
        let path = list.index(index);
        weight(problems, &path, term);
        node_term(
            problems,
            &path.child("preference"),
            json::get(term, "preference"),
            false,
        );
    }
    for kind in ["podAffinity", "podAntiAffinity"] {
        let (at, pods) = (path.child(kind), json::get(affinity, kind));
        let list = at.child(REQUIRED);
        for (index, term) in json::list(pods, REQUIRED).iter().enumerate() {
            pod_term(problems, &list.index(index), term);
        }
        let list = at.child(PREFERRED);
        for (index, term) in json::list(pods, PREFERRED).iter().enumerate() {
            let path = list.index(index);
            weight(problems, &path, term);
            pod_term(
                problems,
                &path.child("podAffinityTerm"),
                json::get(term, "podAffinityTerm"),
            );
        }
    }
}

fn pod_term(problems: &mut Problems, path: &Path<'_>, term: &Value) {
    for key in ["labelSelector", "namespaceSelector"] {
        label_selector(problems, &path.child(key), json::get(term, key));
    }
    for name in json::list(term, "namespaces") {
        let name = name.as_str().unwrap_or_default();
        problems.format(&path.child("namespace"), name, formats::dns1123_label);
    }
    for key in ["matchLabelKeys", "mismatchLabelKeys"] {
        label_keys(
            problems,
            &path.child(key),
            json::list(term, key),
            json::get(term, "labelSelector"),
        );
    }
    let topology = json::text(term, "topologyKey");
    if topology.is_empty() {
        problems.required(&path.child("topologyKey"), "can not be empty");
    }
    problems.format(&path.child("topologyKey"), topology, formats::qualified_name);
}

fn label_keys(problems: &mut Problems, path: &Path<'_>, keys: &[Value], selector: &Value) {
    if !keys.is_empty() && selector.is_null() {
        problems.forbidden(path, "must not be specified when labelSelector is not set");
    }
    for (index, key) in keys.iter().enumerate() {
        problems.format(
            &path.index(index),
            key.as_str().unwrap_or_default(),
            formats::qualified_name,
        );
    }
}

pub(super) fn tolerations(problems: &mut Problems, list: &Path<'_>, tolerations: &[Value]) {
    for (index, toleration) in tolerations.iter().enumerate() {
        let path = list.index(index);
        let text = |key: &str| json::text(toleration, key);
        let (key, operator, value) = (text("key"), text("operator"), text("value"));
        if !key.is_empty() {
            problems.format(&path.child("key"), key, formats::qualified_name);
        } else if operator != "Exists" {
            let detail = "operator must be Exists when `key` is empty, which means \"match all values and all keys\"";
            problems.invalid_text(&path.child("operator"), operator, detail);
        }
        if json::has(toleration, "tolerationSeconds") && text("effect") != "NoExecute" {
            let detail = "effect must be 'NoExecute' when `tolerationSeconds` is set";
            problems.invalid_text(&path.child("effect"), text("effect"), detail);
        }
        match operator {
            "" | "Equal" => {
                let wrong = formats::label_value(value);
                if !wrong.is_empty() {
                    problems.invalid_text(&path.child("operator"), value, &wrong.join(";"));
                }
            }
            "Exists" if value.is_empty() => {}
            "Exists" => {
                let detail = "value must be empty when `operator` is 'Exists'";
                problems.invalid_text(&path.child("operator"), value, detail);
            }
            "Lt" | "Gt" => {
                let supported = ["Equal", "Exists", "Lt", "Gt"];
                problems.unsupported(&path.child("operator"), &operator.into(), &supported);
            }
            _ => problems.unsupported(&path.child("operator"), &operator.into(), &["Equal", "Exists"]),
        }
        problems.one_of(&path, toleration, "effect", &EFFECTS, false);
    }
}

/// Taints of a node; the server reports them at `metadata`.
pub(super) fn taints(problems: &mut Problems, list: &Path<'_>, taints: &[Value]) {
    let mut seen: Vec<(&str, &str)> = Vec::new();
    for (index, taint) in taints.iter().enumerate() {
        let path = list.index(index);
        let (key, effect) = (json::text(taint, "key"), json::text(taint, "effect"));
        problems.format(&path.child("key"), key, formats::qualified_name);
        problems.format(&path.child("value"), json::text(taint, "value"), formats::label_value);
        problems.one_of(&path, taint, "effect", &EFFECTS, true);
        if seen.contains(&(key, effect)) {
            let value = json::text(taint, "value");
            let added = json::get(taint, "timeAdded");
            let shown = format!(
                "{{\"Key\":{},\"Value\":{},\"Effect\":{},\"TimeAdded\":{added}}}",
                Value::from(key),
                Value::from(value),
                Value::from(effect)
            );
            problems.duplicate_shown(&path, shown, "taints must be unique by key and effect pair");
        }
        seen.push((key, effect));
    }
}

pub(super) fn spread(problems: &mut Problems, list: &Path<'_>, spec: &Value) {
    let constraints = json::list(spec, "topologySpreadConstraints");
    for (index, constraint) in constraints.iter().enumerate() {
        let path = list.index(index);
        positive(problems, &path, constraint, "maxSkew", true);
        let topology = json::text(constraint, "topologyKey");
        if topology.is_empty() {
            problems.required(&path.child("topologyKey"), "can not be empty");
        }
        let action = json::text(constraint, "whenUnsatisfiable");
        let supported = ["DoNotSchedule", "ScheduleAnyway"];
        if !supported.contains(&action) {
            problems.unsupported(&path.child("whenUnsatisfiable"), &action.into(), &supported);
        }
        let same = |other: &Value| {
            json::text(other, "topologyKey") == topology && json::text(other, "whenUnsatisfiable") == action
        };
        if constraints.iter().skip(index + 1).any(same) {
            let pair = format!("{{{topology}, {action}}}");
            problems.duplicate(&path.child("{topologyKey, whenUnsatisfiable}"), &pair.into());
        }
        positive(problems, &path, constraint, "minDomains", false);
        if json::has(constraint, "minDomains") && action != "DoNotSchedule" {
            let detail = "can only use minDomains if whenUnsatisfiable=DoNotSchedule, not ScheduleAnyway";
            problems.invalid(&path.child("minDomains"), json::get(constraint, "minDomains"), detail);
        }
        for key in ["nodeAffinityPolicy", "nodeTaintsPolicy"] {
            problems.one_of(&path, constraint, key, &["Honor", "Ignore"], false);
        }
        let selector = json::get(constraint, "labelSelector");
        label_keys(
            problems,
            &path.child("matchLabelKeys"),
            json::list(constraint, "matchLabelKeys"),
            selector,
        );
        label_selector(problems, &path.child("labelSelector"), selector);
    }
}

/// A number above 0.
pub(super) fn positive(problems: &mut Problems, path: &Path<'_>, object: &Value, key: &str, required: bool) {
    let number = json::int(object, key).or(required.then_some(0));
    if let Some(number) = number.filter(|number| *number <= 0) {
        problems.invalid(&path.child(key), &number.into(), "must be greater than zero");
    }
}
