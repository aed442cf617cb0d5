//! Pods and pod templates: the spec as a whole. Containers, volumes and scheduling have rooms of their own.

use serde_json::Value;

use super::super::{formats, json, totals};
use super::problems::{Path, Problems};
use super::{containers, meta, ranges, resources, scheduling, security, volumes};

/// Most name servers, search domains and bytes of search list that a resolver takes (libc's limits).
const NAMESERVERS_MAX: usize = 3;
const SEARCHES_MAX: usize = 32;
const SEARCH_BYTES_MAX: usize = 2048;

/// A Pod: what only pods are checked for, besides the spec.
pub(super) fn pod(problems: &mut Problems, pod: &Value) {
    let (metadata, spec) = (json::get(pod, "metadata"), json::get(pod, "spec"));
    let path = Path::new("spec");
    annotations(
        problems,
        &Path::new("metadata.annotations"),
        json::get(metadata, "annotations"),
    );
    pod_spec(problems, &path, spec, Some(json::text(metadata, "name")));
    for list in ["containers", "initContainers"] {
        for (index, container) in json::list(spec, list).iter().enumerate() {
            containers::trimmed_image(problems, &path.child(list).index(index), container);
        }
    }
}

/// What only a new pod is checked for.
pub(super) fn new_pod(problems: &mut Problems, pod: &Value) {
    if !json::list(json::get(pod, "spec"), "ephemeralContainers").is_empty() {
        problems.forbidden(&Path::new("spec.ephemeralContainers"), "cannot be set on create");
    }
}

/// A pod template of a workload, without the workload's own demands on it.
pub(super) fn template(problems: &mut Problems, path: &Path<'_>, template: &Value) {
    let metadata = json::get(template, "metadata");
    meta::labels(problems, &path.child("labels"), json::get(metadata, "labels"));
    let given = json::get(metadata, "annotations");
    meta::annotations(problems, &path.child("annotations"), given);
    annotations(problems, &path.child("annotations"), given);
    let spec = json::get(template, "spec");
    pod_spec(problems, &path.child("spec"), spec, None);
    if !json::list(spec, "ephemeralContainers").is_empty() {
        let path = path.child("spec.ephemeralContainers");
        problems.forbidden(&path, "ephemeral containers not allowed in pod template");
    }
}

fn annotations(problems: &mut Problems, path: &Path<'_>, annotations: &Value) {
    const COST: &str = "controller.kubernetes.io/pod-deletion-cost";
    if let Some(cost) = json::get(annotations, COST).as_str()
        && cost.parse::<i32>().is_err()
    {
        problems.invalid_text(&path.key(COST), cost, "must be a 32bit integer");
    }
}

/// A pod spec; `name` is the pod's, None inside a template.
pub(super) fn pod_spec(problems: &mut Problems, path: &Path<'_>, spec: &Value, name: Option<&str>) {
    let claims = json::list(spec, "resourceClaims").iter();
    let scope = containers::Scope {
        volumes: volumes::volumes(problems, &path.child("volumes"), spec, name),
        claims: claims.map(|claim| json::text(claim, "name")).collect(),
        grace_secs: json::int(spec, "terminationGracePeriodSeconds"),
        restart_policy: json::text(spec, "restartPolicy"),
        host_users: json::get(spec, "hostUsers").as_bool().unwrap_or(true),
    };
    resource_claims(problems, &path.child("resourceClaims"), spec);
    containers::containers(problems, path, spec, &scope);
    pod_resources(problems, path, spec);
    host_network(problems, path, spec, name.is_some());
    problems.one_of(path, spec, "restartPolicy", &["Always", "OnFailure", "Never"], true);
    let dns = ["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"];
    problems.one_of(path, spec, "dnsPolicy", &dns, true);
    meta::labels(problems, &path.child("nodeSelector"), json::get(spec, "nodeSelector"));
    security::pod(problems, path, spec);
    scheduling::affinity(problems, &path.child("affinity"), json::get(spec, "affinity"));
    dns_config(problems, &path.child("dnsConfig"), spec);
    gates(problems, path, spec);
    scheduling::spread(problems, &path.child("topologySpreadConstraints"), spec);
    host_users(problems, path, spec, scope.host_users);
    names(problems, path, spec);
    scheduling::tolerations(problems, &path.child("tolerations"), json::list(spec, "tolerations"));
    host_aliases(problems, &path.child("hostAliases"), spec);
    for (key, check) in [
        (
            "priorityClassName",
            formats::dns1123_subdomain as super::problems::Format,
        ),
        ("runtimeClassName", formats::dns1123_subdomain),
    ] {
        if !json::text(spec, key).is_empty() {
            problems.format(&path.child(key), json::text(spec, key), check);
        }
    }
    problems.one_of(
        path,
        spec,
        "preemptionPolicy",
        &["PreemptLowerPriority", "Never"],
        false,
    );
    if json::has(spec, "overhead") {
        resources::list(
            problems,
            &path.child("overhead.limits"),
            json::get(spec, "overhead"),
            resources::Holder::Container,
        );
    }
    if let Some(os) = json::get(spec, "os").get("name")
        && !matches!(os.as_str(), Some("linux" | "windows"))
    {
        problems.unsupported(&path.child("os"), os, &["linux", "windows"]);
    }
}

fn names(problems: &mut Problems, path: &Path<'_>, spec: &Value) {
    let checks: [(&str, super::problems::Format); 2] = [
        ("serviceAccountName", formats::dns1123_subdomain),
        ("nodeName", formats::dns1123_subdomain),
    ];
    let mut check = |key: &str, check: super::problems::Format| {
        let text = json::text(spec, key);
        if !text.is_empty() {
            problems.format(&path.child(key), text, check);
        }
    };
    for (key, format) in checks {
        check(key, format);
    }
    if let Some(secs) = json::int(spec, "activeDeadlineSeconds").filter(|secs| !(1..=ranges::I32_MAX).contains(secs)) {
        let detail = "must be between 1 and 2147483647, inclusive";
        problems.invalid(&path.child("activeDeadlineSeconds"), &secs.into(), detail);
    }
    for key in ["hostname", "subdomain"] {
        let text = json::text(spec, key);
        if !text.is_empty() {
            problems.format(&path.child(key), text, formats::dns1123_label);
        }
    }
}

fn resource_claims(problems: &mut Problems, path: &Path<'_>, spec: &Value) {
    let mut seen: Vec<&str> = Vec::new();
    for (index, claim) in json::list(spec, "resourceClaims").iter().enumerate() {
        let path = path.index(index);
        let name = json::text(claim, "name");
        if name.is_empty() {
            problems.required(&path.child("name"), "");
        } else if seen.contains(&name) {
            problems.duplicate(&path.child("name"), &name.into());
        } else {
            problems.format(&path.child("name"), name, formats::dns1123_label);
            seen.push(name);
        }
        let fields = [
            ("Name", "name"),
            ("ResourceClaimName", "resourceClaimName"),
            ("ResourceClaimTemplateName", "resourceClaimTemplateName"),
        ];
        let given = |key: &str| json::has(claim, key);
        match (given("resourceClaimName"), given("resourceClaimTemplateName")) {
            (true, true) => {
                let detail = "at most one of `resourceClaimName` or `resourceClaimTemplateName` may be specified";
                problems.invalid_shown(&path, super::go::internal(claim, &fields), detail);
            }
            (false, false) => {
                let detail = "must specify one of: `resourceClaimName`, `resourceClaimTemplateName`";
                problems.invalid_shown(&path, super::go::internal(claim, &fields), detail);
            }
            _ => {}
        }
    }
}

/// Resources of the pod as a whole must cover what its containers ask for.
fn pod_resources(problems: &mut Problems, spec_path: &Path<'_>, spec: &Value) {
    let own = json::get(spec, "resources");
    let Some(fields) = spec.as_object().filter(|_| own.is_object()) else {
        return;
    };
    let path = spec_path.child("resources");
    resources::requirements(problems, &path, own, resources::Holder::Pod);
    let asked = totals::containers(fields, "requests");
    let given = totals::amounts(json::get(own, "requests"));
    for (name, sum) in &asked {
        if let Some(have) = given.get(name).filter(|have| sum > *have) {
            let detail = format!("must be greater than or equal to aggregate container requests of {sum}");
            problems.invalid_text(&path.child("requests").key(name), &have.to_string(), &detail);
        }
    }
    let limits = totals::amounts(json::get(own, "limits"));
    for (index, container) in json::list(spec, "containers").iter().enumerate() {
        let list = json::at(container, &["resources", "limits"]);
        for (name, limit) in totals::amounts(list) {
            if let Some(most) = limits.get(&name).filter(|most| limit > **most) {
                let list = spec_path.child("containers");
                let container = list.index(index);
                let limits = container.child("resources.limits");
                let detail = format!("must be less than or equal to pod limits of {most}");
                problems.invalid_text(&limits.key(&name), &limit.to_string(), &detail);
            }
        }
    }
}

fn host_network(problems: &mut Problems, path: &Path<'_>, spec: &Value, is_pod: bool) {
    if !json::flag(spec, "hostNetwork") {
        return;
    }
    for (at, container) in json::list(spec, "containers").iter().enumerate() {
        for (index, port) in json::list(container, "ports").iter().enumerate() {
            let (host, own) = (
                json::int(port, "hostPort").unwrap_or(0),
                json::int(port, "containerPort").unwrap_or(0),
            );
            if (is_pod || host != 0) && host != own {
                let list = path.child("containers");
                let container = list.index(at);
                let ports = container.child("ports");
                let detail = "must match `containerPort` when `hostNetwork` is true";
                problems.invalid(&ports.index(index).child("hostPort"), &host.into(), detail);
            }
        }
    }
}

fn host_users(problems: &mut Problems, path: &Path<'_>, spec: &Value, host_users: bool) {
    if host_users {
        return;
    }
    for (key, shown) in [
        ("hostNetwork", "hostNetwork"),
        ("hostPID", "HostPID"),
        ("hostIPC", "HostIPC"),
    ] {
        if json::flag(spec, key) {
            problems.forbidden(&path.child(shown), "when `hostUsers` is false");
        }
    }
}

fn gates(problems: &mut Problems, path: &Path<'_>, spec: &Value) {
    let list = path.child("readinessGates");
    for (index, gate) in json::list(spec, "readinessGates").iter().enumerate() {
        let path = list.index(index);
        problems.format(
            &path.child("conditionType"),
            json::text(gate, "conditionType"),
            formats::qualified_name,
        );
    }
    let list = path.child("schedulingGates");
    let mut seen: Vec<&str> = Vec::new();
    for (index, gate) in json::list(spec, "schedulingGates").iter().enumerate() {
        let name = json::text(gate, "name");
        problems.format(&list.index(index), name, formats::qualified_name);
        if seen.contains(&name) {
            problems.duplicate(&list.index(index), &name.into());
        }
        seen.push(name);
    }
}

fn host_aliases(problems: &mut Problems, path: &Path<'_>, spec: &Value) {
    for (index, alias) in json::list(spec, "hostAliases").iter().enumerate() {
        let path = path.index(index);
        ranges::legacy_ip(problems, &path.child("ip"), json::text(alias, "ip"));
        for (at, host) in json::list(alias, "hostnames").iter().enumerate() {
            let list = path.child("hostnames");
            problems.format(
                &list.index(at),
                host.as_str().unwrap_or_default(),
                formats::dns1123_subdomain,
            );
        }
    }
}

fn dns_config(problems: &mut Problems, path: &Path<'_>, spec: &Value) {
    let config = json::get(spec, "dnsConfig");
    let servers = json::list(config, "nameservers");
    if json::text(spec, "dnsPolicy") == "None" {
        if config.is_null() {
            return problems.required(path, "must provide `dnsConfig` when `dnsPolicy` is None");
        }
        if servers.is_empty() {
            let detail = "must provide at least one DNS nameserver when `dnsPolicy` is None";
            return problems.required(&path.child("nameservers"), detail);
        }
    }
    let list = path.child("nameservers");
    if servers.len() > NAMESERVERS_MAX {
        let detail = format!("must not have more than {NAMESERVERS_MAX} nameservers");
        problems.invalid(&list, &servers.to_vec().into(), &detail);
    }
    for (index, server) in servers.iter().enumerate() {
        ranges::legacy_ip(problems, &list.index(index), server.as_str().unwrap_or_default());
    }
    let searches = json::list(config, "searches");
    let list = path.child("searches");
    if searches.len() > SEARCHES_MAX {
        let detail = format!("must not have more than {SEARCHES_MAX} search paths");
        problems.invalid(&list, &searches.to_vec().into(), &detail);
    }
    let bytes: usize = searches
        .iter()
        .map(|search| search.as_str().map_or(0, str::len) + 1)
        .sum();
    if bytes > SEARCH_BYTES_MAX + 1 {
        let detail =
            format!("must not have more than {SEARCH_BYTES_MAX} characters (including spaces) in the search list");
        problems.invalid(&list, &searches.to_vec().into(), &detail);
    }
    for (index, option) in json::list(config, "options").iter().enumerate() {
        if json::text(option, "name").is_empty() {
            let list = path.child("options");
            problems.required(&list.index(index), "must not be empty");
        }
    }
}
