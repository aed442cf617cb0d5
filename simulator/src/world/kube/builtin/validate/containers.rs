//! Containers of every kind: names, images, ports, environment, mounts, resources, probes.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::super::{formats, json};
use super::problems::{Path, Problems};
use super::{environment, handlers, ranges, resources, security, volumes};

/// What a container's checks need to know of its pod.
pub(super) struct Scope<'a> {
    /// Volumes by name; those that are wrong themselves are missing.
    pub(super) volumes: BTreeMap<&'a str, &'a Value>,
    /// Names of the pod's resource claims.
    pub(super) claims: Vec<&'a str>,
    /// The pod's termination grace period.
    pub(super) grace_secs: Option<i64>,
    /// The pod's restart policy.
    pub(super) restart_policy: &'a str,
    /// Whether the pod shares the host's users.
    pub(super) host_users: bool,
}

/// All containers of a pod spec.
pub(super) fn containers(problems: &mut Problems, path: &Path<'_>, spec: &Value, scope: &Scope<'_>) {
    let regular = json::list(spec, "containers");
    let list = path.child("containers");
    if regular.is_empty() {
        problems.required(&list, "");
    }
    let mut names: BTreeSet<&str> = BTreeSet::new();
    let mut ports = BTreeSet::new();
    for (index, one) in regular.iter().enumerate() {
        let path = list.index(index);
        common(problems, &path, one, scope);
        if !names.insert(json::text(one, "name")) {
            problems.duplicate(&path.child("name"), json::get(one, "name"));
        }
        handlers::of_container(problems, &path, one, scope.grace_secs);
        restart_policy(problems, &path, one);
    }
    for (index, one) in regular.iter().enumerate() {
        host_ports(problems, &list.index(index), one, &mut ports);
    }
    init_containers(problems, &path.child("initContainers"), spec, scope, &mut names);
    ephemeral_containers(problems, &path.child("ephemeralContainers"), spec, scope, &mut names);
}

fn init_containers<'a>(
    problems: &mut Problems,
    list: &Path<'_>,
    spec: &'a Value,
    scope: &Scope<'_>,
    names: &mut BTreeSet<&'a str>,
) {
    for (index, one) in json::list(spec, "initContainers").iter().enumerate() {
        let path = list.index(index);
        common(problems, &path, one, scope);
        restart_policy(problems, &path, one);
        let name = json::text(one, "name");
        if names.contains(name) {
            problems.duplicate(&path.child("name"), &name.into());
        } else if !name.is_empty() {
            names.insert(name);
        }
        host_ports(problems, &path, one, &mut BTreeSet::new());
        if json::text(one, "restartPolicy") == "Always" {
            handlers::of_container(problems, &path, one, scope.grace_secs);
        } else {
            for key in ["lifecycle", "livenessProbe", "readinessProbe", "startupProbe"] {
                if json::has(one, key) {
                    let detail = "may not be set for init containers without restartPolicy=Always";
                    problems.forbidden(&path.child(key), detail);
                }
            }
        }
    }
}

fn ephemeral_containers<'a>(
    problems: &mut Problems,
    list: &Path<'_>,
    spec: &'a Value,
    scope: &Scope<'_>,
    names: &mut BTreeSet<&'a str>,
) {
    const BANNED: [&str; 6] = [
        "ports",
        "livenessProbe",
        "readinessProbe",
        "startupProbe",
        "lifecycle",
        "resizePolicy",
    ];
    let others = names.clone();
    for (index, one) in json::list(spec, "ephemeralContainers").iter().enumerate() {
        let path = list.index(index);
        common(problems, &path, one, scope);
        trimmed_image(problems, &path, one);
        let name = json::text(one, "name");
        if !names.insert(name) {
            problems.duplicate(&path.child("name"), &name.into());
        }
        let target = json::text(one, "targetContainerName");
        if !target.is_empty() && !others.contains(target) {
            problems.not_found(&path.child("targetContainerName"), target, "");
        }
        let resources = json::get(one, "resources")
            .as_object()
            .is_some_and(|fields| !fields.is_empty());
        let banned = BANNED.into_iter().filter(|key| json::has(one, key));
        for key in banned.chain(resources.then_some("resources")) {
            problems.forbidden(&path.child(key), "cannot be set for an Ephemeral Container");
        }
        let mounts = path.child("volumeMounts");
        for (at, mount) in json::list(one, "volumeMounts").iter().enumerate() {
            for key in ["subPath", "subPathExpr"] {
                if !json::text(mount, key).is_empty() {
                    let detail = "cannot be set for an Ephemeral Container";
                    problems.forbidden(&mounts.index(at).child(key), detail);
                }
            }
        }
    }
}

/// What all kinds of containers are checked for.
fn common(problems: &mut Problems, path: &Path<'_>, container: &Value, scope: &Scope<'_>) {
    let name = json::text(container, "name");
    if name.is_empty() {
        problems.required(&path.child("name"), "");
    } else {
        problems.format(&path.child("name"), name, formats::dns1123_label);
    }
    if json::text(container, "image").is_empty() {
        problems.required(&path.child("image"), "");
    }
    let messages = ["File", "FallbackToLogsOnError"];
    problems.one_of(path, container, "terminationMessagePolicy", &messages, true);
    ports(problems, &path.child("ports"), container);
    environment::variables(problems, &path.child("env"), container, scope);
    environment::sources(problems, &path.child("envFrom"), container);
    volumes::mounts(problems, &path.child("volumeMounts"), container, scope);
    volumes::devices(problems, &path.child("volumeDevices"), container, scope);
    problems.one_of(
        path,
        container,
        "imagePullPolicy",
        &["Always", "IfNotPresent", "Never"],
        true,
    );
    let given = json::get(container, "resources");
    resources::requirements(problems, &path.child("resources"), given, resources::Holder::Container);
    resources::claims(problems, &path.child("resources.claims"), given, &scope.claims);
    resize_policy(problems, &path.child("resizePolicy"), container, scope.restart_policy);
    let context = json::get(container, "securityContext");
    security::container(problems, &path.child("securityContext"), context, scope.host_users);
}

fn ports(problems: &mut Problems, list: &Path<'_>, container: &Value) {
    let mut names = BTreeSet::new();
    for (index, port) in json::list(container, "ports").iter().enumerate() {
        let path = list.index(index);
        let name = json::text(port, "name");
        if !name.is_empty() {
            let wrong = formats::port_name(name);
            if !wrong.is_empty() {
                problems.format(&path.child("name"), name, formats::port_name);
            } else if !names.insert(name) {
                problems.duplicate(&path.child("name"), &name.into());
            }
        }
        match json::int(port, "containerPort").unwrap_or(0) {
            0 => problems.required(&path.child("containerPort"), ""),
            number => ranges::port_number(problems, &path.child("containerPort"), number),
        }
        if let Some(number) = json::int(port, "hostPort").filter(|number| *number != 0) {
            ranges::port_number(problems, &path.child("hostPort"), number);
        }
        problems.one_of(&path, port, "protocol", &["SCTP", "TCP", "UDP"], true);
    }
}

/// Two containers that run together cannot take the same port of the host.
fn host_ports(problems: &mut Problems, path: &Path<'_>, container: &Value, taken: &mut BTreeSet<String>) {
    let list = path.child("ports");
    for (index, port) in json::list(container, "ports").iter().enumerate() {
        let Some(number) = json::int(port, "hostPort").filter(|number| *number != 0) else {
            continue;
        };
        let place = format!(
            "{}/{}/{number}",
            json::text(port, "protocol"),
            json::text(port, "hostIP")
        );
        if taken.contains(&place) {
            problems.duplicate(&list.index(index).child("hostPort"), &place.into());
        } else {
            taken.insert(place);
        }
    }
}

fn restart_policy(problems: &mut Problems, path: &Path<'_>, container: &Value) {
    let given = json::get(container, "restartPolicy");
    let supported = ["Always", "Never", "OnFailure"];
    let rules = json::list(container, "restartPolicyRules");
    if given.is_null() && !rules.is_empty() {
        let detail = "must specify restartPolicy when restart rules are used";
        problems.required(&path.child("restartPolicy"), detail);
    }
    if !given.is_null() && !given.as_str().is_some_and(|policy| supported.contains(&policy)) {
        problems.unsupported(&path.child("restartPolicy"), given, &supported);
    }
}

fn resize_policy(problems: &mut Problems, list: &Path<'_>, container: &Value, restart: &str) {
    let mut seen = BTreeSet::new();
    for (index, policy) in json::list(container, "resizePolicy").iter().enumerate() {
        let (resource, action) = (json::get(policy, "resourceName"), json::get(policy, "restartPolicy"));
        if !seen.insert(json::text(policy, "resourceName")) {
            problems.duplicate(&list.index(index), resource);
        }
        for (value, supported) in [
            (resource, ["cpu", "memory"]),
            (action, ["NotRequired", "RestartContainer"]),
        ] {
            match value.as_str().unwrap_or_default() {
                "" => problems.required(list, ""),
                text if !supported.contains(&text) => problems.unsupported(list, value, &supported),
                _ => {}
            }
        }
        if restart == "Never" && action != "NotRequired" {
            problems.invalid(
                list,
                action,
                "must be 'NotRequired' when pod `restartPolicy` is 'Never'",
            );
        }
    }
}

/// Pods, unlike templates, refuse an image with spaces around it.
pub(super) fn trimmed_image(problems: &mut Problems, path: &Path<'_>, container: &Value) {
    let image = json::text(container, "image");
    if image.trim() != image {
        problems.invalid_text(
            &path.child("image"),
            image,
            "must not have leading or trailing whitespace",
        );
    }
}
