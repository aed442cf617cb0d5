//! Which webhooks a request concerns: rules, selectors, conditions.

use std::sync::Arc;

use serde_json::Value;

use super::conditions::{self, Verdict};
use super::configuration::{Phase, Rule, Webhook};
use super::{Operation, Request};
use crate::world::kube::api_error::ApiError;

/// Kinds whose writes no webhook may hold up, or nobody could repair a broken one.
const EXEMPT: [&str; 6] = [
    "ValidatingWebhookConfiguration",
    "MutatingWebhookConfiguration",
    "ValidatingAdmissionPolicy",
    "ValidatingAdmissionPolicyBinding",
    "MutatingAdmissionPolicy",
    "MutatingAdmissionPolicyBinding",
];

/// The webhooks of a phase that may concern a request, in order.
pub(super) fn candidates(phase: &Phase, request: &Request<'_>) -> Vec<Arc<Webhook>> {
    if request.gvk.group == "admissionregistration.k8s.io" && EXEMPT.contains(&request.gvk.kind.as_str()) {
        return Vec::new();
    }
    let mut places: Vec<usize> = phase.candidates(&request.gvk.group, request.plural).collect();
    places.sort_unstable();
    places.dedup();
    places
        .into_iter()
        .filter_map(|place| phase.hooks.get(place))
        .cloned()
        .collect()
}

/// The version in which the webhook wants to see the request; None when it does not concern it.
///
/// # Errors
/// A selector that cannot be read, a namespace that is not there, or conditions that fail under `failurePolicy: Fail`.
pub(super) fn matches(
    hook: &Webhook,
    request: &Request<'_>,
    object: Option<&Value>,
    old: Option<&Value>,
) -> Result<Option<String>, ApiError> {
    let namespace = namespace_matches(hook, request, object);
    if namespace == Ok(false) {
        return Ok(None);
    }
    let selected = match &hook.objects {
        Ok(selector) if selector.is_everything() => Ok(true),
        Ok(selector) => Ok([object, old]
            .into_iter()
            .filter_map(labels)
            .any(|labels| selector.matches(labels))),
        Err(error) => Err(ApiError::internal(error)),
    };
    if selected == Ok(false) {
        return Ok(None);
    }
    let by_rule = |version: &str| hook.rules.iter().any(|rule| rule_matches(rule, request, version));
    let own = &request.gvk.version;
    let version = if by_rule(own) {
        Some(own)
    } else {
        let others = request
            .other_versions
            .iter()
            .filter(|version| !hook.exact && *version != own);
        others.into_iter().find(|version| by_rule(version))
    };
    let Some(version) = version else { return Ok(None) };
    namespace?;
    selected?;
    if hook.conditions.is_empty() {
        return Ok(Some(version.clone()));
    }
    match conditions::evaluate(&hook.conditions, request, object, old) {
        Verdict::Match => Ok(Some(version.clone())),
        Verdict::NoMatch => Ok(None),
        Verdict::Failed(_) if hook.ignore_failures => Ok(None),
        Verdict::Failed(text) => {
            let generated = object
                .and_then(|object| object.pointer("/metadata/name"))
                .and_then(Value::as_str);
            let name = if request.name.is_empty() {
                generated.unwrap_or_default()
            } else {
                request.name
            };
            Err(ApiError::forbidden(&request.gvk.group, request.plural, name, &text))
        }
    }
}

fn labels(object: Option<&Value>) -> Option<&Value> {
    object.map(|object| object.pointer("/metadata/labels").unwrap_or(&Value::Null))
}

fn namespace_matches(hook: &Webhook, request: &Request<'_>, object: Option<&Value>) -> Result<bool, ApiError> {
    if request.namespace.is_empty() && !request.is_namespace() {
        return Ok(true);
    }
    let selector = hook.namespaces.as_ref().map_err(ApiError::internal)?;
    if selector.is_everything() {
        return Ok(true);
    }
    let written = matches!(request.operation, Operation::Create | Operation::Update) && request.subresource.is_empty();
    if request.is_namespace() && written {
        let labels = object.and_then(|object| object.pointer("/metadata/labels"));
        return Ok(selector.matches(labels.unwrap_or(&Value::Null)));
    }
    match request.namespace_labels {
        Some(labels) => Ok(selector.matches(labels)),
        None => Err(ApiError::not_found("", "namespaces", request.rule_namespace())),
    }
}

fn rule_matches(rule: &Rule, request: &Request<'_>, version: &str) -> bool {
    let listed = |list: &[String], wanted: &str| list.iter().any(|one| one == "*" || one == wanted);
    let clustered = request.is_namespace() || request.rule_namespace().is_empty();
    let scope = match rule.scope.as_str() {
        "*" | "" => true,
        "Namespaced" => !clustered,
        "Cluster" => clustered,
        _ => false,
    };
    let resource = |one: &String| {
        let (plural, sub) = one.split_once('/').unwrap_or((one, ""));
        (plural == "*" || plural == request.plural) && (sub == "*" || sub == request.subresource)
    };
    scope
        && listed(&rule.operations, request.operation.as_str())
        && listed(&rule.groups, &request.gvk.group)
        && listed(&rule.versions, version)
        && rule.resources.iter().any(resource)
}
