//! Defaults of pods and pod templates.

use serde_json::{Value, json};

use super::super::json::{Object, child, each, ensure, fill, fill_absent, fill_all};
use super::super::totals;
use super::{round_amounts, volumes};

const CONTAINER_LISTS: [&str; 3] = ["initContainers", "containers", "ephemeralContainers"];

/// A Pod: the spec's defaults and those that only pods (not templates) get.
pub(super) fn pod(root: &mut Object) {
    if let Some(status) = child(root, "status")
        && let Some(ip) = status.get("podIP").cloned()
        && status.get("podIPs").is_none()
    {
        status.insert("podIPs".to_owned(), json!([{ "ip": ip }]));
    }
    let Some(spec) = ensure(root, "spec") else { return };
    pod_spec(spec);
    for name in ["initContainers", "containers"] {
        for container in each(spec, name) {
            if let Some(resources) = child(container, "resources") {
                requests_from_limits(resources);
            }
        }
    }
    pod_level_requests(spec);
    fill_absent(spec, "enableServiceLinks", true);
    if spec.get("hostNetwork") == Some(&Value::Bool(true)) {
        host_ports(spec);
    }
    if let Some(status) = ensure(root, "status") {
        fill(status, "phase", "Pending");
        // Go writes these times even when they are unset.
        for condition in each(status, "conditions") {
            fill_absent(condition, "lastProbeTime", Value::Null);
            fill_absent(condition, "lastTransitionTime", Value::Null);
        }
    }
}

fn requests_from_limits(resources: &mut Object) {
    let Some(limits) = resources.get("limits").filter(|limits| limits.is_object()).cloned() else {
        return;
    };
    if let Some(requests) = ensure(resources, "requests") {
        fill_all(requests, &limits);
    }
}

/// Requests of the pod as a whole: what the containers ask for in sum, else the pod's limit.
fn pod_level_requests(spec: &mut Object) {
    let has_limits = |resources: &Value| resources.get("limits").is_some_and(Value::is_object);
    if !spec.get("resources").is_some_and(has_limits) {
        return;
    }
    // Only these are shared by a pod's containers; huge pages are never asked for beyond the limit, so they do not add.
    let summed = |name: &str| matches!(name, "cpu" | "memory");
    let supported = |name: &str| summed(name) || name.starts_with("hugepages-");
    let sum = totals::containers(spec, "requests");
    let Some(resources) = child(spec, "resources") else {
        return;
    };
    let limits = resources.get("limits").cloned().unwrap_or_default();
    let mut asked: Object = limits.as_object().cloned().unwrap_or_default();
    asked.retain(|name, _| supported(name));
    for (name, amount) in sum.into_iter().filter(|(name, _)| summed(name)) {
        asked.insert(name, amount.to_string().into());
    }
    if asked.is_empty() {
        return;
    }
    if let Some(requests) = ensure(resources, "requests") {
        fill_all(requests, &asked.into());
    }
}

fn host_ports(spec: &mut Object) {
    for name in ["initContainers", "containers"] {
        for container in each(spec, name) {
            for port in each(container, "ports") {
                if let Some(number) = port.get("containerPort").cloned() {
                    fill_absent(port, "hostPort", number);
                }
            }
        }
    }
}

/// The pod template in `field` of a workload's spec.
pub(super) fn template(holder: &mut Object, field: &str) {
    let Some(template) = ensure(holder, field) else { return };
    fill_absent(template, "metadata", json!({}));
    if let Some(spec) = ensure(template, "spec") {
        pod_spec(spec);
    }
}

/// The defaults that every pod spec gets.
pub(crate) fn pod_spec(spec: &mut Object) {
    fill(spec, "dnsPolicy", "ClusterFirst");
    fill(spec, "restartPolicy", "Always");
    fill_absent(spec, "securityContext", json!({}));
    fill_absent(spec, "terminationGracePeriodSeconds", 30);
    fill(spec, "schedulerName", "default-scheduler");
    account_alias(spec);
    for name in CONTAINER_LISTS {
        for one in each(spec, name) {
            container(one);
        }
    }
    for volume in each(spec, "volumes") {
        volumes::pod_volume(volume);
    }
}

/// `serviceAccount` is the old name of `serviceAccountName`; both are written.
pub(crate) fn account_alias(spec: &mut Object) {
    for (from, to) in [
        ("serviceAccountName", "serviceAccount"),
        ("serviceAccount", "serviceAccountName"),
    ] {
        if let Some(name) = spec.get(from).filter(|name| name.is_string()).cloned() {
            spec.insert(to.to_owned(), name);
            return;
        }
    }
}

fn container(container: &mut Object) {
    let policy = pull_policy(container.get("image").and_then(Value::as_str).unwrap_or_default());
    fill(container, "imagePullPolicy", policy);
    fill(container, "terminationMessagePath", "/dev/termination-log");
    fill(container, "terminationMessagePolicy", "File");
    if let Some(resources) = ensure(container, "resources") {
        round_amounts(resources, &["limits", "requests"]);
    }
    for port in each(container, "ports") {
        fill(port, "protocol", "TCP");
    }
    for variable in each(container, "env") {
        if let Some(source) = child(variable, "valueFrom") {
            volumes::field_references(source);
            if let Some(file) = child(source, "fileKeyRef") {
                fill_absent(file, "optional", false);
            }
        }
    }
    for name in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(found) = child(container, name) {
            probe(found);
        }
    }
    if let Some(lifecycle) = child(container, "lifecycle") {
        for name in ["postStart", "preStop"] {
            if let Some(handler) = child(lifecycle, name) {
                http_get(handler);
            }
        }
    }
}

fn probe(probe: &mut Object) {
    let numbers = [
        ("timeoutSeconds", 1),
        ("periodSeconds", 10),
        ("successThreshold", 1),
        ("failureThreshold", 3),
    ];
    for (name, value) in numbers {
        if probe.get(name).is_none_or(|given| *given == 0) {
            probe.insert(name.to_owned(), value.into());
        }
    }
    http_get(probe);
    if let Some(grpc) = child(probe, "grpc") {
        fill_absent(grpc, "service", "");
    }
}

fn http_get(handler: &mut Object) {
    if let Some(get) = child(handler, "httpGet") {
        fill(get, "path", "/");
        fill(get, "scheme", "HTTP");
    }
}

/// `Always` for the tag `latest` or none; a digest or another tag is pulled once.
pub(super) fn pull_policy(image: &str) -> &'static str {
    let (name, digest) = image
        .split_once('@')
        .map_or((image, ""), |(name, digest)| (name, digest));
    let last = name.rsplit('/').next().unwrap_or_default();
    match last.split_once(':') {
        Some((_, "latest")) => "Always",
        None if digest.is_empty() && !image.is_empty() => "Always",
        _ => "IfNotPresent",
    }
}
