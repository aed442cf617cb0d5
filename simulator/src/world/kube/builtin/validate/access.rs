//! RBAC, admission webhooks and API services.

use serde_json::Value;

use super::super::{formats, json};
use super::problems::{Path, Problems};
use super::scheduling;

const RBAC: &str = "rbac.authorization.k8s.io";

pub(super) fn role(problems: &mut Problems, object: &Value, namespaced: bool) {
    let list = Path::new("rules");
    for (index, rule) in json::list(object, "rules").iter().enumerate() {
        let path = list.index(index);
        if json::list(rule, "verbs").is_empty() {
            problems.required(&path.child("verbs"), "verbs must contain at least one value");
        }
        let urls = json::list(rule, "nonResourceURLs");
        let resources = ["apiGroups", "resources", "resourceNames"];
        if !urls.is_empty() {
            let at = path.child("nonResourceURLs");
            if namespaced {
                let detail = "namespaced rules cannot apply to non-resource URLs";
                problems.invalid(&at, &urls.to_vec().into(), detail);
            }
            if resources.iter().any(|key| !json::list(rule, key).is_empty()) {
                let detail = "rules cannot apply to both regular resources and non-resource URLs";
                problems.invalid(&at, &urls.to_vec().into(), detail);
            }
            continue;
        }
        if json::list(rule, "apiGroups").is_empty() {
            problems.required(
                &path.child("apiGroups"),
                "resource rules must supply at least one api group",
            );
        }
        if json::list(rule, "resources").is_empty() {
            problems.required(
                &path.child("resources"),
                "resource rules must supply at least one resource",
            );
        }
    }
    if !namespaced && json::has(object, "aggregationRule") {
        let path = Path::new("aggregationRule.clusterRoleSelectors");
        let selectors = json::list(json::get(object, "aggregationRule"), "clusterRoleSelectors");
        if selectors.is_empty() {
            problems.required(
                &path,
                "at least one clusterRoleSelector required if aggregationRule is non-nil",
            );
        }
        for (index, selector) in selectors.iter().enumerate() {
            scheduling::label_selector(problems, &path.index(index), selector);
        }
    }
}

pub(super) fn binding(problems: &mut Problems, object: &Value, namespaced: bool) {
    let (role, path) = (json::get(object, "roleRef"), Path::new("roleRef"));
    problems.one_of(&path, role, "apiGroup", &[RBAC], false);
    let kinds: &[&str] = if namespaced {
        &["Role", "ClusterRole"]
    } else {
        &["ClusterRole"]
    };
    let kind = json::get(role, "kind");
    if !kind.as_str().is_some_and(|kind| kinds.contains(&kind)) {
        let kind = kind.as_str().unwrap_or_default();
        problems.unsupported(&path.child("kind"), &kind.into(), kinds);
    }
    match json::text(role, "name") {
        "" => problems.required(&path.child("name"), ""),
        name => problems.format(&path.child("name"), name, formats::path_segment),
    }
    let list = Path::new("subjects");
    for (index, one) in json::list(object, "subjects").iter().enumerate() {
        subject(problems, &list.index(index), one, namespaced);
    }
}

fn subject(problems: &mut Problems, path: &Path<'_>, subject: &Value, namespaced: bool) {
    let (name, group) = (json::text(subject, "name"), json::get(subject, "apiGroup"));
    if name.is_empty() {
        problems.required(&path.child("name"), "");
    }
    match json::text(subject, "kind") {
        "ServiceAccount" => {
            if !name.is_empty() {
                problems.format(&path.child("name"), name, formats::dns1123_subdomain);
            }
            if group.as_str().is_some_and(|group| !group.is_empty()) {
                problems.unsupported(&path.child("apiGroup"), group, &[""]);
            }
            if !namespaced && json::text(subject, "namespace").is_empty() {
                problems.required(&path.child("namespace"), "");
            }
        }
        "User" | "Group" => {
            if group != RBAC {
                let group = group.as_str().unwrap_or_default();
                problems.unsupported(&path.child("apiGroup"), &group.into(), &[RBAC]);
            }
        }
        kind => problems.unsupported(&path.child("kind"), &kind.into(), &["ServiceAccount", "User", "Group"]),
    }
}

pub(super) fn binding_update(problems: &mut Problems, new: &Value, old: &Value) {
    let (after, before) = (json::get(new, "roleRef"), json::get(old, "roleRef"));
    if !json::same(after, before) {
        let fields = [("APIGroup", "apiGroup"), ("Kind", "kind"), ("Name", "name")];
        let shown = super::go::internal(after, &fields);
        problems.invalid_shown(&Path::new("roleRef"), shown, "cannot change roleRef");
    }
}

/// Webhook configurations; mutating ones also say whether they run again.
pub(super) fn webhooks(problems: &mut Problems, object: &Value, mutating: bool) {
    let list = Path::new("webhooks");
    let mut names: Vec<&str> = Vec::new();
    for (index, hook) in json::list(object, "webhooks").iter().enumerate() {
        let path = list.index(index);
        webhook(problems, &path, hook, mutating);
        let name = json::text(hook, "name");
        if names.contains(&name) {
            problems.duplicate(&path.child("name"), &name.into());
        }
        names.push(name);
    }
}

fn webhook(problems: &mut Problems, path: &Path<'_>, hook: &Value, mutating: bool) {
    qualified_domain(problems, &path.child("name"), json::text(hook, "name"));
    review_versions(problems, &path.child("admissionReviewVersions"), hook);
    let rules = path.child("rules");
    for (index, rule) in json::list(hook, "rules").iter().enumerate() {
        webhook_rule(problems, &rules.index(index), rule);
    }
    problems.one_of(path, hook, "failurePolicy", &["Fail", "Ignore"], false);
    problems.one_of(path, hook, "matchPolicy", &["Equivalent", "Exact"], false);
    let effects = ["None", "NoneOnDryRun"];
    match json::get(hook, "sideEffects").as_str() {
        None => {
            let detail = format!("must specify one of {}", effects.join(", "));
            problems.required(&path.child("sideEffects"), &detail);
        }
        Some(_) => problems.one_of(path, hook, "sideEffects", &effects, false),
    }
    if let Some(secs) = json::int(hook, "timeoutSeconds").filter(|secs| !(1..=30).contains(secs)) {
        let detail = "the timeout value must be between 1 and 30 seconds";
        problems.invalid(&path.child("timeoutSeconds"), &secs.into(), detail);
    }
    for key in ["namespaceSelector", "objectSelector"] {
        scheduling::label_selector(problems, &path.child(key), json::get(hook, key));
    }
    if mutating {
        problems.one_of(path, hook, "reinvocationPolicy", &["IfNeeded", "Never"], false);
    }
    client_config(problems, &path.child("clientConfig"), json::get(hook, "clientConfig"));
    let list = path.child("matchConditions");
    for (index, condition) in json::list(hook, "matchConditions").iter().enumerate() {
        let path = list.index(index);
        if json::text(condition, "expression").trim().is_empty() {
            problems.required(&path.child("expression"), "");
        }
        match json::text(condition, "name") {
            "" => problems.required(&path.child("name"), ""),
            name => problems.format(&path.child("name"), name, formats::qualified_name),
        }
    }
}

fn qualified_domain(problems: &mut Problems, path: &Path<'_>, name: &str) {
    if name.is_empty() {
        return problems.required(path, "");
    }
    let wrong = formats::dns1123_subdomain(name);
    if !wrong.is_empty() {
        problems.invalid_text(path, name, &wrong.join(","));
    } else if name.split('.').count() < 3 {
        let detail = "should be a domain with at least three segments separated by dots";
        problems.invalid_text(path, name, detail);
    }
}

fn review_versions(problems: &mut Problems, path: &Path<'_>, hook: &Value) {
    let versions = json::list(hook, "admissionReviewVersions");
    if versions.is_empty() {
        return problems.required(path, "must specify one of v1, v1beta1");
    }
    for (index, version) in versions.iter().enumerate() {
        let text = version.as_str().unwrap_or_default();
        if versions.iter().take(index).any(|earlier| earlier == version) {
            problems.invalid(&path.index(index), version, "duplicate version");
        }
        problems.format(&path.index(index), text, formats::dns1035_label);
    }
    if !versions.iter().any(|version| version == "v1" || version == "v1beta1") {
        problems.invalid(
            path,
            &versions.to_vec().into(),
            "must include at least one of v1, v1beta1",
        );
    }
}

fn webhook_rule(problems: &mut Problems, path: &Path<'_>, rule: &Value) {
    let operations = json::list(rule, "operations");
    let at = path.child("operations");
    if operations.is_empty() {
        problems.required(&at, "");
    }
    let star = |list: &[Value]| list.len() > 1 && list.iter().any(|item| item == "*");
    if star(operations) {
        let detail = "if '*' is present, must not specify other operations";
        problems.invalid(&at, &operations.to_vec().into(), detail);
    }
    let known = ["*", "CONNECT", "CREATE", "DELETE", "UPDATE"];
    for (index, operation) in operations.iter().enumerate() {
        if !operation.as_str().is_some_and(|operation| known.contains(&operation)) {
            problems.unsupported(&at.index(index), operation, &known);
        }
    }
    for (key, what) in [("apiGroups", "API groups"), ("apiVersions", "API versions")] {
        let (list, at) = (json::list(rule, key), path.child(key));
        if list.is_empty() {
            problems.required(&at, "");
        }
        if star(list) {
            let detail = format!("if '*' is present, must not specify other {what}");
            problems.invalid(&at, &list.to_vec().into(), &detail);
        }
        for (index, version) in list.iter().enumerate().filter(|_| key == "apiVersions") {
            if version == "" {
                problems.required(&at.index(index), "");
            }
        }
    }
    rule_resources(problems, &path.child("resources"), json::list(rule, "resources"));
    problems.one_of(path, rule, "scope", &["*", "Cluster", "Namespaced"], false);
}

fn rule_resources(problems: &mut Problems, path: &Path<'_>, resources: &[Value]) {
    if resources.is_empty() {
        return problems.required(path, "");
    }
    let mut whole: Vec<&str> = Vec::new();
    let mut part_of_all: Vec<&str> = Vec::new();
    let (mut all, mut plain) = (false, false);
    for (index, resource) in resources.iter().enumerate() {
        let text = resource.as_str().unwrap_or_default();
        let at = path.index(index);
        if text.is_empty() {
            problems.required(&at, "");
        }
        all |= text == "*";
        plain |= !text.contains('/');
        let Some((name, part)) = text.split_once('/') else {
            continue;
        };
        if whole.contains(&name) {
            problems.invalid_text(&at, text, &format!("if '{name}/*' is present, must not specify {text}"));
        }
        if part_of_all.contains(&part) {
            problems.invalid_text(&at, text, &format!("if '*/{part}' is present, must not specify {text}"));
        }
        if part == "*" {
            whole.push(name);
        }
        if name == "*" {
            part_of_all.push(part);
        }
    }
    let listed: Vec<&str> = resources.iter().filter_map(Value::as_str).collect();
    if listed.contains(&"*/*") && listed.len() > 1 {
        let detail = "if '*/*' is present, must not specify other resources";
        problems.invalid(path, &resources.to_vec().into(), detail);
    }
    let others = listed.iter().filter(|text| !text.contains('/')).count();
    if all && plain && others > 1 {
        let detail = "if '*' is present, must not specify other resources without subresources";
        problems.invalid(path, &resources.to_vec().into(), detail);
    }
}

fn client_config(problems: &mut Problems, path: &Path<'_>, config: &Value) {
    let (url, service) = (json::get(config, "url"), json::get(config, "service"));
    if url.is_null() == service.is_null() {
        problems.required(path, "exactly one of url or service is required");
        return;
    }
    if let Some(text) = url.as_str() {
        webhook_url(problems, &path.child("url"), text);
        return;
    }
    let at = path.child("service");
    for key in ["name", "namespace"] {
        if json::text(service, key).is_empty() {
            problems.required(&at.child(key), "");
        }
    }
    let port = json::int(service, "port").unwrap_or(443);
    if let Some(detail) = formats::port_number(port) {
        problems.invalid(&at.child("port"), &port.into(), &format!("port is not valid: {detail}"));
    }
    let Some(text) = json::get(service, "path").as_str() else {
        return;
    };
    service_path(problems, &at.child("path"), text);
}

fn service_path(problems: &mut Problems, path: &Path<'_>, text: &str) {
    if text == "/" || text.is_empty() {
        return;
    }
    if text == "//" {
        return problems.invalid_text(path, text, "segment[0] may not be empty");
    }
    if !text.starts_with('/') {
        problems.invalid_text(path, text, "must start with a '/'");
    }
    let trimmed = text.strip_suffix('/').unwrap_or(text);
    for (index, segment) in trimmed.split('/').skip(1).enumerate() {
        if segment.is_empty() {
            problems.invalid_text(path, text, &format!("segment[{index}] may not be empty"));
            continue;
        }
        for problem in formats::dns1123_subdomain(segment) {
            problems.invalid_text(path, text, &format!("segment[{index}]: {problem}"));
        }
    }
    if !text.contains('/') {
        problems.invalid_text(path, text, "segment[0] may not be empty");
    }
}

fn webhook_url(problems: &mut Problems, path: &Path<'_>, text: &str) {
    const FORM: &str = "desired format: https://host[/path]";
    let Some((scheme, rest)) = text.split_once("://") else {
        let detail = format!("url must be a valid URL: parse {text:?}: invalid URI; {FORM}");
        return problems.invalid_text(path, text, &detail);
    };
    if scheme != "https" {
        let detail = format!("'https' is the only allowed URL scheme; {FORM}");
        problems.invalid_text(path, scheme, &detail);
    }
    let (host, tail) = rest.split_once('/').unwrap_or((rest, ""));
    if host.is_empty() {
        problems.invalid_text(path, host, &format!("host must be specified; {FORM}"));
    }
    if host.contains('@') {
        problems.invalid_text(path, host, "user information is not permitted in the URL");
    }
    if let Some((_, fragment)) = tail.split_once('#') {
        problems.invalid_text(path, fragment, "fragments are not permitted in the URL");
    }
    if let Some((_, query)) = tail.split_once('?') {
        problems.invalid_text(path, query, "query parameters are not permitted in the URL");
    }
}

pub(super) fn api_service(problems: &mut Problems, object: &Value) {
    let spec = json::get(object, "spec");
    let name = json::at(object, &["metadata", "name"]).as_str().unwrap_or_default();
    let (group, version) = (json::text(spec, "group"), json::text(spec, "version"));
    let wanted = format!("{version}.{group}");
    if name != wanted {
        let detail = format!("must be `spec.version+\".\"+spec.group`: {wanted:?}");
        problems.invalid_text(&Path::new("metadata.name"), name, &detail);
    }
    for (key, most) in [("groupPriorityMinimum", 20_000), ("versionPriority", 1000)] {
        let number = json::int(spec, key).unwrap_or(0);
        if number <= 0 || number > most {
            let detail = format!("must be positive and less than {most}");
            let path = Path::new("spec");
            problems.invalid(&path.child(key), &number.into(), &detail);
        }
    }
}
