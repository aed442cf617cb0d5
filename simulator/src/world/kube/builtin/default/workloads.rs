//! Defaults of the kinds that make pods, and of what scales them.

use serde_json::{Value, json};

use super::super::json::{Object, child, each, ensure, fill, fill_absent, fill_all};
use super::pod::template;
use super::storage;

pub(super) fn deployment(root: &mut Object) {
    let Some(spec) = ensure(root, "spec") else { return };
    fill_absent(spec, "replicas", 1);
    fill_absent(spec, "revisionHistoryLimit", 10);
    fill_absent(spec, "progressDeadlineSeconds", 600);
    fill_absent(spec, "selector", Value::Null);
    template(spec, "template");
    let Some(strategy) = ensure(spec, "strategy") else {
        return;
    };
    fill(strategy, "type", "RollingUpdate");
    if strategy.get("type").is_some_and(|kind| kind == "RollingUpdate")
        && let Some(rolling) = ensure(strategy, "rollingUpdate")
    {
        fill_absent(rolling, "maxUnavailable", "25%");
        fill_absent(rolling, "maxSurge", "25%");
    }
}

pub(super) fn replica_set(root: &mut Object) {
    let Some(spec) = ensure(root, "spec") else { return };
    fill_absent(spec, "replicas", 1);
    template(spec, "template");
}

pub(super) fn replication_controller(root: &mut Object) {
    let Some(spec) = ensure(root, "spec") else { return };
    fill_absent(spec, "replicas", 1);
    template(spec, "template");
    let labels = spec
        .get("template")
        .and_then(|template| template.pointer("/metadata/labels"));
    let Some(labels) = labels.cloned() else { return };
    fill_absent(spec, "selector", labels.clone());
    if let Some(metadata) = ensure(root, "metadata") {
        fill_absent(metadata, "labels", labels);
    }
}

pub(super) fn stateful_set(root: &mut Object) {
    let Some(spec) = ensure(root, "spec") else { return };
    fill(spec, "podManagementPolicy", "OrderedReady");
    fill_absent(spec, "replicas", 1);
    fill_absent(spec, "revisionHistoryLimit", 10);
    fill_absent(spec, "serviceName", "");
    template(spec, "template");
    if let Some(strategy) = ensure(spec, "updateStrategy") {
        // A strategy that names its type gets no rollingUpdate of its own.
        if strategy.get("type").is_none_or(|kind| *kind == "") {
            strategy.insert("type".to_owned(), "RollingUpdate".into());
            fill_absent(strategy, "rollingUpdate", json!({}));
        }
        if let Some(rolling) = child(strategy, "rollingUpdate") {
            fill_absent(rolling, "partition", 0);
        }
    }
    if let Some(policy) = ensure(spec, "persistentVolumeClaimRetentionPolicy") {
        fill(policy, "whenDeleted", "Retain");
        fill(policy, "whenScaled", "Retain");
    }
    for claim in each(spec, "volumeClaimTemplates") {
        fill(claim, "apiVersion", "v1");
        fill(claim, "kind", "PersistentVolumeClaim");
        fill_absent(claim, "metadata", json!({}));
        storage::claim(claim);
    }
}

pub(super) fn daemon_set(root: &mut Object) {
    let Some(spec) = ensure(root, "spec") else { return };
    fill_absent(spec, "revisionHistoryLimit", 10);
    template(spec, "template");
    let Some(strategy) = ensure(spec, "updateStrategy") else {
        return;
    };
    fill(strategy, "type", "RollingUpdate");
    if strategy.get("type").is_some_and(|kind| kind == "RollingUpdate")
        && let Some(rolling) = ensure(strategy, "rollingUpdate")
    {
        fill_absent(rolling, "maxUnavailable", 1);
        fill_absent(rolling, "maxSurge", 0);
    }
}

pub(super) fn job(root: &mut Object) {
    let Some(spec) = ensure(root, "spec") else { return };
    if !spec.contains_key("parallelism") {
        fill_absent(spec, "completions", 1);
    }
    fill_absent(spec, "parallelism", 1);
    let per_index = spec.contains_key("backoffLimitPerIndex");
    fill_absent(spec, "backoffLimit", if per_index { i64::from(i32::MAX) } else { 6 });
    fill_absent(spec, "completionMode", "NonIndexed");
    fill_absent(spec, "suspend", false);
    let replaced = if spec.contains_key("podFailurePolicy") {
        "Failed"
    } else {
        "TerminatingOrFailed"
    };
    fill_absent(spec, "podReplacementPolicy", replaced);
    fill_absent(spec, "manualSelector", false);
    pod_failure_policy(spec);
    template(spec, "template");
    let labels = spec
        .get("template")
        .and_then(|template| template.pointer("/metadata/labels"))
        .cloned();
    if let (Some(labels), Some(metadata)) = (labels, ensure(root, "metadata")) {
        fill_absent(metadata, "labels", labels);
    }
}

fn pod_failure_policy(spec: &mut Object) {
    let Some(policy) = child(spec, "podFailurePolicy") else {
        return;
    };
    for rule in each(policy, "rules") {
        for pattern in each(rule, "onPodConditions") {
            fill(pattern, "status", "True");
        }
    }
}

pub(super) fn cron_job(root: &mut Object) {
    let Some(spec) = ensure(root, "spec") else { return };
    fill(spec, "concurrencyPolicy", "Allow");
    fill_absent(spec, "suspend", false);
    fill_absent(spec, "successfulJobsHistoryLimit", 3);
    fill_absent(spec, "failedJobsHistoryLimit", 1);
    let Some(job) = ensure(spec, "jobTemplate") else { return };
    fill_absent(job, "metadata", json!({}));
    if let Some(spec) = ensure(job, "spec") {
        pod_failure_policy(spec);
        template(spec, "template");
    }
}

pub(super) fn autoscaler(root: &mut Object) {
    let Some(spec) = ensure(root, "spec") else { return };
    fill_absent(spec, "minReplicas", 1);
    let cpu = json!([{
        "type": "Resource",
        "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}},
    }]);
    fill_absent(spec, "metrics", cpu);
    let Some(behavior) = child(spec, "behavior") else {
        return;
    };
    if let Some(up) = ensure(behavior, "scaleUp") {
        let rules = json!({
            "stabilizationWindowSeconds": 0,
            "selectPolicy": "Max",
            "policies": [
                {"type": "Pods", "value": 4, "periodSeconds": 15},
                {"type": "Percent", "value": 100, "periodSeconds": 15},
            ],
        });
        fill_all(up, &rules);
    }
    if let Some(down) = ensure(behavior, "scaleDown") {
        let rules = json!({
            "selectPolicy": "Max",
            "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}],
        });
        fill_all(down, &rules);
    }
}
