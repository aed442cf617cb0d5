//! Disruption budgets, autoscalers, priorities, leases and runtime classes.

use serde_json::Value;

use super::super::{formats, json};
use super::problems::{NEGATIVE, Path, Problems};
use super::scheduling::positive;
use super::{go, ranges, scheduling};

const SPEC: Path<'static> = Path::new("spec");
/// The highest priority that users may give.
const PRIORITY_MAX: i64 = 1_000_000_000;

pub(super) fn disruption_budget(problems: &mut Problems, object: &Value) {
    let spec = json::get(object, "spec");
    if json::has(spec, "minAvailable") && json::has(spec, "maxUnavailable") {
        let mut shown = spec.clone();
        // The selector is printed by its own type.
        let selector = if json::has(spec, "selector") {
            go::selector(json::get(spec, "selector"))
        } else {
            "null".to_owned()
        };
        if let Some(fields) = shown.as_object_mut() {
            fields.remove("selector");
        }
        let shown = format!(
            "{{\"MinAvailable\":{},\"Selector\":{selector},\"MaxUnavailable\":{},\"UnhealthyPodEvictionPolicy\":{}}}",
            json::get(&shown, "minAvailable"),
            json::get(&shown, "maxUnavailable"),
            json::get(&shown, "unhealthyPodEvictionPolicy"),
        );
        problems.invalid_shown(&SPEC, shown, "minAvailable and maxUnavailable cannot be both set");
    }
    for key in ["minAvailable", "maxUnavailable"] {
        ranges::count_or_percent(problems, &SPEC.child(key), json::get(spec, key));
        ranges::at_most_all(problems, &SPEC.child(key), json::get(spec, key));
    }
    scheduling::label_selector(problems, &SPEC.child("selector"), json::get(spec, "selector"));
    let policies = ["AlwaysAllow", "IfHealthyBudget"];
    problems.one_of(&SPEC, spec, "unhealthyPodEvictionPolicy", &policies, false);
}

pub(super) fn autoscaler(problems: &mut Problems, object: &Value) {
    let spec = json::get(object, "spec");
    let (min, max) = (
        json::int(spec, "minReplicas"),
        json::int(spec, "maxReplicas").unwrap_or(0),
    );
    if let Some(min) = min.filter(|min| *min < 1) {
        problems.invalid(
            &SPEC.child("minReplicas"),
            &min.into(),
            "must be greater than or equal to 1",
        );
    }
    if max < 1 {
        problems.required(&SPEC.child("maxReplicas"), "must be set and greater than 0");
    }
    if min.is_some_and(|min| max < min) {
        let detail = "must be greater than or equal to `minReplicas`";
        problems.invalid(&SPEC.child("maxReplicas"), &max.into(), detail);
    }
    let (target, path) = (json::get(spec, "scaleTargetRef"), SPEC.child("scaleTargetRef"));
    for key in ["kind", "name"] {
        match json::text(target, key) {
            "" => problems.required(&path.child(key), ""),
            text => problems.format(&path.child(key), text, formats::path_segment),
        }
    }
    let version = json::text(target, "apiVersion");
    if !version.contains('/') && json::text(target, "kind") != "ReplicationController" {
        problems.invalid_text(&path.child("apiVersion"), version, "apiVersion must specify API group");
    }
    metrics(problems, spec, min);
    let behavior = json::get(spec, "behavior");
    for key in ["scaleUp", "scaleDown"] {
        if json::has(behavior, key) {
            let path = SPEC.child("behavior");
            scaling_rules(problems, &path.child(key), json::get(behavior, key));
        }
    }
}

fn metrics(problems: &mut Problems, spec: &Value, min: Option<i64>) {
    let kinds = ["ContainerResource", "External", "Object", "Pods", "Resource"];
    let (list, given) = (SPEC.child("metrics"), json::list(spec, "metrics"));
    for (index, metric) in given.iter().enumerate() {
        let path = list.index(index);
        let kind = json::text(metric, "type");
        if kind.is_empty() {
            problems.required(&path.child("type"), "must specify a metric source type");
            continue;
        }
        if !kinds.contains(&kind) {
            problems.unsupported(&path.child("type"), &kind.into(), &kinds);
            continue;
        }
        let field: String = kind
            .chars()
            .enumerate()
            .map(|(at, c)| if at == 0 { c.to_ascii_lowercase() } else { c })
            .collect();
        let source = json::get(metric, &field);
        if source.is_null() {
            let detail = "must populate information for the given metric source";
            problems.required(&path.child(&field), detail);
            continue;
        }
        metric_source(problems, &path.child(&field), source, kind);
    }
    let outside = |metric: &Value| matches!(json::text(metric, "type"), "Object" | "External");
    if min == Some(0) && !given.iter().any(outside) {
        let detail = "must specify at least one Object or External metric to support scaling to zero replicas";
        problems.forbidden(&list, detail);
    }
}

fn metric_source(problems: &mut Problems, path: &Path<'_>, source: &Value, kind: &str) {
    if kind.ends_with("Resource") && json::text(source, "name").is_empty() {
        problems.required(&path.child("name"), "must specify a resource name");
    }
    let (target, at) = (json::get(source, "target"), path.child("target"));
    if json::text(target, "type").is_empty() {
        problems.required(&at.child("type"), "must specify a metric target type");
    } else {
        problems.one_of(&at, target, "type", &["AverageValue", "Utilization", "Value"], false);
    }
    if let Some(percent) = json::int(target, "averageUtilization").filter(|percent| *percent < 1) {
        problems.invalid(
            &at.child("averageUtilization"),
            &percent.into(),
            "must be greater than 0",
        );
    }
    let (share, value) = (
        json::has(target, "averageUtilization"),
        json::has(target, "averageValue"),
    );
    if kind.ends_with("Resource") && !share && !value {
        let detail = "must set either a target raw value or a target utilization";
        problems.required(&at.child("averageUtilization"), detail);
    }
    if share && value {
        let detail = "may not set both a target raw value and a target utilization";
        problems.forbidden(&at.child("averageValue"), detail);
    }
}

fn scaling_rules(problems: &mut Problems, path: &Path<'_>, rules: &Value) {
    if let Some(secs) = json::int(rules, "stabilizationWindowSeconds") {
        let at = path.child("stabilizationWindowSeconds");
        if secs < 0 {
            problems.invalid(&at, &secs.into(), "must be greater than or equal to zero");
        } else if secs > 3600 {
            problems.invalid(&at, &secs.into(), "must be less than or equal to 3600");
        }
    }
    problems.one_of(path, rules, "selectPolicy", &["Disabled", "Max", "Min"], false);
    let list = path.child("policies");
    let policies = json::list(rules, "policies");
    if policies.is_empty() {
        problems.required(&list, "must specify at least one Policy");
    }
    for (index, policy) in policies.iter().enumerate() {
        let path = list.index(index);
        problems.one_of(&path, policy, "type", &["Percent", "Pods"], false);
        positive(problems, &path, policy, "value", true);
        positive(problems, &path, policy, "periodSeconds", true);
        if let Some(secs) = json::int(policy, "periodSeconds").filter(|secs| *secs > 1800) {
            let detail = "must be less than or equal to 1800";
            problems.invalid(&path.child("periodSeconds"), &secs.into(), detail);
        }
    }
}

pub(super) fn priority_class(problems: &mut Problems, object: &Value) {
    let name = json::at(object, &["metadata", "name"]).as_str().unwrap_or_default();
    if name.starts_with("system-") {
        let known = [
            ("system-cluster-critical", 2_000_000_000),
            ("system-node-critical", 2_000_001_000),
        ];
        let value = json::int(object, "value");
        if !known
            .iter()
            .any(|(known, priority)| *known == name && value == Some(*priority))
        {
            let detail = format!(
                "priority class names with 'system-' prefix are reserved for system use only. error: {name} is not a \
                 known system priority class"
            );
            problems.forbidden(&Path::new("metadata.name"), &detail);
        }
    } else if json::int(object, "value").unwrap_or(0) > PRIORITY_MAX {
        let detail = format!("maximum allowed value of a user defined priority is {PRIORITY_MAX}");
        problems.forbidden(&Path::new("value"), &detail);
    }
    let policies = ["PreemptLowerPriority", "Never"];
    problems.one_of(&Path::ROOT, object, "preemptionPolicy", &policies, false);
}

pub(super) fn priority_class_update(problems: &mut Problems, new: &Value, old: &Value) {
    let value = |object: &Value| json::int(object, "value").unwrap_or(0);
    if value(new) != value(old) {
        problems.forbidden(&Path::new("value"), "may not be changed in an update.");
    }
    let key = "preemptionPolicy";
    problems.immutable(&Path::new(key), json::get(new, key), json::get(old, key));
}

pub(super) fn lease(problems: &mut Problems, object: &Value) {
    let spec = json::get(object, "spec");
    if let Some(secs) = json::int(spec, "leaseDurationSeconds").filter(|secs| *secs <= 0) {
        problems.invalid(
            &SPEC.child("leaseDurationSeconds"),
            &secs.into(),
            "must be greater than 0",
        );
    }
    if let Some(count) = json::int(spec, "leaseTransitions").filter(|count| *count < 0) {
        problems.invalid(&SPEC.child("leaseTransitions"), &count.into(), NEGATIVE);
    }
}

pub(super) fn runtime_class(problems: &mut Problems, object: &Value) {
    match json::text(object, "handler") {
        "" => problems.required(&Path::new("handler"), ""),
        handler => problems.format(&Path::new("handler"), handler, formats::dns1123_label),
    }
}
