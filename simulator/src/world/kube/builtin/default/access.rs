//! Defaults of RBAC bindings, webhooks, admission policies and API services.

use serde_json::{Value, json};

use super::super::json::{Object, child, each, ensure, fill, fill_absent};

const RBAC: &str = "rbac.authorization.k8s.io";

pub(super) fn role_binding(root: &mut Object) {
    if let Some(role) = ensure(root, "roleRef") {
        fill(role, "apiGroup", RBAC);
    }
    for subject in each(root, "subjects") {
        match subject.get("kind").and_then(Value::as_str) {
            Some("User" | "Group") => fill(subject, "apiGroup", RBAC),
            _ if subject.get("apiGroup").is_some_and(|group| group == "") => {
                subject.remove("apiGroup");
            }
            _ => {}
        }
    }
}

pub(super) fn webhooks(root: &mut Object, mutating: bool) {
    for webhook in each(root, "webhooks") {
        fill_absent(webhook, "failurePolicy", "Fail");
        match_resources(webhook);
        fill_absent(webhook, "timeoutSeconds", 10);
        if mutating {
            fill_absent(webhook, "reinvocationPolicy", "Never");
        }
        scopes(webhook, "rules");
        if let Some(client) = ensure(webhook, "clientConfig")
            && let Some(service) = child(client, "service")
        {
            fill_absent(service, "port", 443);
        }
    }
}

fn match_resources(object: &mut Object) {
    fill_absent(object, "matchPolicy", "Equivalent");
    fill_absent(object, "namespaceSelector", json!({}));
    fill_absent(object, "objectSelector", json!({}));
}

fn scopes(object: &mut Object, rules: &str) {
    for rule in each(object, rules) {
        fill_absent(rule, "scope", "*");
    }
}

fn constraints(object: &mut Object, field: &str) {
    if let Some(matches) = child(object, field) {
        match_resources(matches);
        scopes(matches, "resourceRules");
        scopes(matches, "excludeResourceRules");
    }
}

pub(super) fn admission_policy(root: &mut Object) {
    let Some(spec) = ensure(root, "spec") else { return };
    fill_absent(spec, "failurePolicy", "Fail");
    constraints(spec, "matchConstraints");
}

pub(super) fn admission_binding(root: &mut Object) {
    if let Some(spec) = ensure(root, "spec") {
        constraints(spec, "matchResources");
    }
}

pub(super) fn api_service(root: &mut Object) {
    let Some(spec) = ensure(root, "spec") else { return };
    if let Some(service) = child(spec, "service") {
        fill_absent(service, "port", 443);
    }
}
