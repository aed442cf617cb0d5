//! Warnings about pods and pod templates.

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::json;
use super::fractional;

const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";
const CONTAINER_LISTS: [&str; 3] = ["initContainers", "containers", "ephemeralContainers"];

/// Volume plug-ins that are gone or going, with what the server says of each.
const OLD_VOLUMES: [(&str, &str); 9] = [
    ("photonPersistentDisk", "deprecated in v1.11, non-functional in v1.16+"),
    ("gitRepo", "deprecated in v1.11, and disabled by default in v1.33+"),
    ("scaleIO", "deprecated in v1.16, non-functional in v1.22+"),
    ("flocker", "deprecated in v1.22, non-functional in v1.25+"),
    ("storageos", "deprecated in v1.22, non-functional in v1.25+"),
    ("quobyte", "deprecated in v1.22, non-functional in v1.25+"),
    ("glusterfs", "deprecated in v1.25, non-functional in v1.26+"),
    ("cephfs", "deprecated in v1.28, non-functional in v1.31+"),
    ("rbd", "deprecated in v1.28, non-functional in v1.31+"),
];

/// Annotations that no longer do anything.
const OLD_ANNOTATIONS: [(&str, &str); 3] = [
    (
        "scheduler.alpha.kubernetes.io/critical-pod",
        "non-functional in v1.16+; use the \"priorityClassName\" field instead",
    ),
    (
        "security.alpha.kubernetes.io/sysctls",
        "non-functional in v1.11+; use the \"sysctls\" field instead",
    ),
    (
        "security.alpha.kubernetes.io/unsafe-sysctls",
        "non-functional in v1.11+; use the \"sysctls\" field instead",
    ),
];

/// What the server says of a node label that should no longer be selected by.
pub(super) fn deprecated_label(key: &str) -> Option<&'static str> {
    Some(match key {
        "beta.kubernetes.io/arch" => "deprecated since v1.14; use \"kubernetes.io/arch\" instead",
        "beta.kubernetes.io/os" => "deprecated since v1.14; use \"kubernetes.io/os\" instead",
        "failure-domain.beta.kubernetes.io/region" => {
            "deprecated since v1.17; use \"topology.kubernetes.io/region\" instead"
        }
        "failure-domain.beta.kubernetes.io/zone" => {
            "deprecated since v1.17; use \"topology.kubernetes.io/zone\" instead"
        }
        "beta.kubernetes.io/instance-type" => {
            "deprecated since v1.17; use \"node.kubernetes.io/instance-type\" instead"
        }
        "app.kubernetes.io/created-by" => "deprecated since v1.9",
        "scheduler.alpha.kubernetes.io/preferAvoidPods" => "deprecated since v1.22; use Taints and Tolerations instead",
        "node-role.kubernetes.io/master" => "use \"node-role.kubernetes.io/control-plane\" instead",
        _ => return None,
    })
}

/// A pod or a template at `prefix` (empty, or ending in a dot).
pub(super) fn pod(said: &mut Vec<String>, prefix: &str, pod: &Value) {
    let spec = json::get(pod, "spec");
    for (key, _) in json::entries(spec, "nodeSelector") {
        if let Some(why) = deprecated_label(key) {
            said.push(format!("{prefix}spec.nodeSelector[{key}]: {why}"));
        }
    }
    node_affinity(said, prefix, spec);
    spread(said, prefix, spec);
    for (key, why) in OLD_ANNOTATIONS {
        if !json::at(pod, &["metadata", "annotations", key]).is_null() {
            said.push(format!("{prefix}metadata.annotations[{key}]: {why}"));
        }
    }
    for (index, volume) in json::list(spec, "volumes").iter().enumerate() {
        for (name, why) in OLD_VOLUMES {
            if json::has(volume, name) {
                said.push(format!("{prefix}spec.volumes[{index}].{name}: {why}"));
            }
        }
    }
    repeated(said, prefix, spec);
    let seccomp = "seccomp.security.alpha.kubernetes.io/pod";
    let annotated = !json::at(pod, &["metadata", "annotations", seccomp]).is_null();
    if annotated && json::at(spec, &["securityContext", "seccompProfile"]).is_null() {
        said.push(format!(
            "{prefix}metadata.annotations[{seccomp}]: non-functional in v1.27+; use the \"seccompProfile\" field instead"
        ));
    }
    for (path, container) in containers(prefix, spec) {
        for list in ["limits", "requests"] {
            for name in ["memory", "ephemeral-storage"] {
                let value = json::at(container, &["resources", list, name]);
                fractional(said, || format!("{path}.resources.{list}[{name}]"), value);
            }
        }
        environment(said, &path, container);
    }
    ports(said, prefix, spec);
    if json::int(spec, "terminationGracePeriodSeconds").is_some_and(|secs| secs < 0) {
        said.push(format!(
            "{prefix}spec.terminationGracePeriodSeconds: must be >= 0; negative values are invalid and will be treated as 1"
        ));
    }
    pod_affinity(said, prefix, spec);
}

/// Every container with its path.
fn containers<'a>(prefix: &'a str, spec: &'a Value) -> impl Iterator<Item = (String, &'a Value)> {
    CONTAINER_LISTS.into_iter().flat_map(move |list| {
        let all = json::list(spec, list).iter().enumerate();
        all.map(move |(index, one)| (format!("{prefix}spec.{list}[{index}]"), one))
    })
}

fn node_affinity(said: &mut Vec<String>, prefix: &str, spec: &Value) {
    let affinity = json::at(spec, &["affinity", "nodeAffinity"]);
    let path = format!("{prefix}spec.affinity.nodeAffinity");
    let required = json::list(json::get(affinity, REQUIRED), "nodeSelectorTerms");
    node_terms(said, &format!("{path}.{REQUIRED}.nodeSelectorTerms"), required);
    for (index, term) in json::list(affinity, PREFERRED).iter().enumerate() {
        let path = format!("{path}.{PREFERRED}[{index}].preference");
        node_term(said, &path, json::get(term, "preference"));
    }
}

/// Node selector terms that use old labels.
pub(super) fn node_terms(said: &mut Vec<String>, path: &str, terms: &[Value]) {
    for (index, term) in terms.iter().enumerate() {
        node_term(said, &format!("{path}[{index}]"), term);
    }
}

fn node_term(said: &mut Vec<String>, path: &str, term: &Value) {
    for (index, one) in json::list(term, "matchExpressions").iter().enumerate() {
        let key = json::text(one, "key");
        if let Some(why) = deprecated_label(key) {
            said.push(format!("{path}.matchExpressions[{index}].key: {key} is {why}"));
        }
    }
}

fn spread(said: &mut Vec<String>, prefix: &str, spec: &Value) {
    for (index, one) in json::list(spec, "topologySpreadConstraints").iter().enumerate() {
        let path = format!("{prefix}spec.topologySpreadConstraints[{index}]");
        let key = json::text(one, "topologyKey");
        if let Some(why) = deprecated_label(key) {
            said.push(format!("{path}.topologyKey: {key} is {why}"));
        }
        if !json::has(one, "labelSelector") {
            said.push(format!(
                "{path}.labelSelector: a null labelSelector results in matching no pod"
            ));
        }
    }
}

fn repeated(said: &mut Vec<String>, prefix: &str, spec: &Value) {
    for (list, key, what) in [("hostAliases", "ip", "ip"), ("imagePullSecrets", "name", "name")] {
        let mut seen: Vec<&str> = Vec::new();
        for (index, one) in json::list(spec, list).iter().enumerate() {
            let text = json::text(one, key);
            if seen.contains(&text) {
                said.push(format!("{prefix}spec.{list}[{index}].{key}: duplicate {what} {text:?}"));
            }
            seen.push(text);
        }
    }
    for (index, secret) in json::list(spec, "imagePullSecrets").iter().enumerate() {
        if json::text(secret, "name").is_empty() {
            said.push(format!(
                "{prefix}spec.imagePullSecrets[{index}].name: invalid empty name \"\""
            ));
        }
    }
}

fn environment(said: &mut Vec<String>, path: &str, container: &Value) {
    let mut seen: Vec<&str> = Vec::new();
    for (index, variable) in json::list(container, "env").iter().enumerate() {
        let (name, value) = (json::text(variable, "name"), json::text(variable, "value"));
        if seen.contains(&name) {
            let reference = format!("$({name})");
            // A value that builds on the earlier one hides nothing.
            let builds_on = value.contains(&reference) && value != reference;
            if json::has(variable, "valueFrom") || !builds_on {
                said.push(format!(
                    "{path}.env[{index}]: hides previous definition of {name:?}, which may be dropped when using apply"
                ));
            }
        }
        seen.push(name);
    }
}

fn ports(said: &mut Vec<String>, prefix: &str, spec: &Value) {
    let all: Vec<(String, &Value)> = containers(prefix, spec)
        .flat_map(|(path, container)| {
            let ports = json::list(container, "ports").iter().enumerate();
            ports.map(move |(index, port)| (format!("{path}.ports[{index}]"), port))
        })
        .collect();
    let number = |port: &Value, key: &str| json::int(port, key).unwrap_or(0);
    for (at, (path, port)) in all.iter().enumerate() {
        let (host, address) = (number(port, "hostPort"), json::text(port, "hostIP"));
        if !address.is_empty() && host == 0 {
            said.push(format!(
                "{path}: hostIP set without hostPort: {{Name:{} HostPort:0 ContainerPort:{} Protocol:{} HostIP:{address}}}",
                json::text(port, "name"),
                number(port, "containerPort"),
                json::text(port, "protocol"),
            ));
        }
        for (other_path, other) in all.iter().take(at) {
            let same = |key: &str| json::get(port, key) == json::get(other, key);
            if !same("containerPort") || !same("protocol") {
                continue;
            }
            let (other_host, other_address) = (number(other, "hostPort"), json::text(other, "hostIP"));
            let how = if address == other_address && host == other_host {
                "duplicate"
            } else if host == 0 || other_host == 0 {
                "overlapping"
            } else if host == other_host && address.is_empty() != other_address.is_empty() {
                "dangerously ambiguous"
            } else {
                continue;
            };
            said.push(format!("{path}: {how} port definition with {other_path}"));
        }
    }
    let mut names: BTreeMap<&str, &str> = BTreeMap::new();
    for (path, port) in &all {
        let name = json::text(port, "name");
        if name.is_empty() {
            continue;
        }
        if let Some(first) = names.get(name) {
            said.push(format!(
                "{path}: duplicate port name {name:?} with {first}, services and probes that select ports by name will \
                 use {first}"
            ));
        } else {
            names.insert(name, path);
        }
    }
}

fn pod_affinity(said: &mut Vec<String>, prefix: &str, spec: &Value) {
    let blind = |term: &Value| !json::has(term, "labelSelector");
    let why = "a null labelSelector results in matching no pod";
    for kind in ["podAffinity", "podAntiAffinity"] {
        let affinity = json::at(spec, &["affinity", kind]);
        let path = format!("{prefix}spec.affinity.{kind}");
        for (index, term) in json::list(affinity, REQUIRED).iter().enumerate() {
            if blind(term) {
                said.push(format!("{path}.{REQUIRED}[{index}].labelSelector: {why}"));
            }
        }
        for (index, term) in json::list(affinity, PREFERRED).iter().enumerate() {
            if blind(json::get(term, "podAffinityTerm")) {
                said.push(format!(
                    "{path}.{PREFERRED}[{index}].podAffinityTerm.labelSelector: {why}"
                ));
            }
        }
    }
}
