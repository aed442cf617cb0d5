//! Names: of the object, of the resource, and of groups that the Kubernetes community keeps.

use serde_json::Value;

use super::super::formats::is_request_uri;
use super::text_at;
use crate::world::kube::api_error::FieldError;
use crate::world::kube::builtin::{NameRule, validate_object_meta};

const LABEL_1035: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
const SUBDOMAIN_1123: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
/// The annotation that says who approved an API of a protected group.
const APPROVAL: &str = "api-approved.kubernetes.io";
const APPROVAL_HELP: &str = "see https://github.com/kubernetes/enhancements/pull/1111";

/// What is wrong with a DNS-1035 label; empty when nothing is.
pub(super) fn label_1035(text: &str) -> String {
    let mut problems = Vec::new();
    if text.len() > 63 {
        problems.push("must be no more than 63 bytes");
    }
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let good = text.starts_with(|c: char| c.is_ascii_lowercase()) && text.chars().all(inner) && !text.ends_with('-');
    if !good {
        problems.push(LABEL_1035);
    }
    problems.join(",")
}

/// What is wrong with a DNS-1123 subdomain; empty when nothing is.
pub(super) fn subdomain_1123(text: &str) -> String {
    let mut problems = Vec::new();
    if text.len() > 253 {
        problems.push("must be no more than 253 bytes");
    }
    let inner = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let part =
        |part: &str| !part.is_empty() && part.chars().all(inner) && !part.starts_with('-') && !part.ends_with('-');
    if !text.split('.').all(part) {
        problems.push(SUBDOMAIN_1123);
    }
    problems.join(",")
}

/// The object must be named after what it defines. (That it is a subdomain at all is judged with the other metadata.)
pub(super) fn check_object_name(crd: &Value, errors: &mut Vec<FieldError>) {
    let name = text_at(crd, "/metadata/name");
    let wanted = format!("{}.{}", text_at(crd, "/spec/names/plural"), text_at(crd, "/spec/group"));
    let metadata = crd.get("metadata").unwrap_or(&Value::Null);
    errors.extend(validate_object_meta(false, metadata, NameRule::Subdomain));
    if !name.is_empty() && name != wanted {
        let detail = "must be spec.names.plural+\".\"+spec.group";
        errors.push(FieldError::invalid("metadata.name", &Value::from(name), detail));
    }
}

/// Names that have to be there, after defaulting.
pub(super) fn check_required(names: &Value, errors: &mut Vec<FieldError>) {
    for key in ["plural", "singular", "kind", "listKind"] {
        if text_at(names, &format!("/{key}")).is_empty() {
            errors.push(FieldError::required(format!("spec.names.{key}"), ""));
        }
    }
}

/// The form of all names.
pub(super) fn check(names: &Value, errors: &mut Vec<FieldError>) {
    let get = |key: &str| text_at(names, &format!("/{key}"));
    let mut label = |path: String, text: &str, prefix: &str, checked: &str| {
        let problem = label_1035(checked);
        if !problem.is_empty() {
            errors.push(FieldError::invalid(
                path,
                &Value::from(text),
                format!("{prefix}{problem}"),
            ));
        }
    };
    for key in ["plural", "singular"] {
        if !get(key).is_empty() {
            label(format!("spec.names.{key}"), get(key), "", get(key));
        }
    }
    for key in ["kind", "listKind"] {
        if !get(key).is_empty() {
            let prefix = "may have mixed case, but should otherwise match: ";
            label(format!("spec.names.{key}"), get(key), prefix, &get(key).to_lowercase());
        }
    }
    let list = |key: &str| {
        names
            .get(key)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .enumerate()
    };
    for (at, name) in list("shortNames") {
        let name = name.as_str().unwrap_or_default();
        label(format!("spec.names.shortNames[{at}]"), name, "", name);
    }
    if !get("kind").is_empty() && get("kind") == get("listKind") {
        let shown = Value::from(get("listKind"));
        errors.push(FieldError::invalid(
            "spec.names.listKind",
            &shown,
            "kind and listKind may not be the same",
        ));
    }
    for (at, name) in list("categories") {
        let name = name.as_str().unwrap_or_default();
        let problem = label_1035(name);
        if !problem.is_empty() {
            errors.push(FieldError::invalid(
                format!("spec.names.categories[{at}]"),
                &Value::from(name),
                problem,
            ));
        }
    }
}

/// How an annotation speaks of approval.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Approval {
    Missing,
    Bypassed,
    Approved,
    Invalid,
}

/// Whether a group belongs to the Kubernetes community.
pub(super) fn is_protected(group: &str) -> bool {
    ["k8s.io", "kubernetes.io"]
        .iter()
        .any(|owner| group == *owner || group.ends_with(&format!(".{owner}")))
}

pub(super) fn approval_text(crd: &Value) -> &str {
    let annotations = crd.pointer("/metadata/annotations");
    annotations
        .and_then(|all| all.get(APPROVAL))
        .and_then(Value::as_str)
        .unwrap_or_default()
}

pub(super) fn approval(text: &str) -> (Approval, String) {
    let host = text
        .split_once("://")
        .is_some_and(|(_, rest)| !rest.is_empty() && !rest.starts_with('/'));
    if text.is_empty() {
        let reason = format!("protected groups must have approval annotation \"{APPROVAL}\", {APPROVAL_HELP}");
        (Approval::Missing, reason)
    } else if text.starts_with("unapproved") {
        (Approval::Bypassed, format!("not approved: {text:?}"))
    } else if host && is_request_uri(text) {
        (Approval::Approved, format!("approved in {text}"))
    } else {
        let what = format!("protected groups must have approval annotation \"{APPROVAL}\"");
        let how = format!("with either a URL or a reason starting with \"unapproved\", {APPROVAL_HELP}");
        (Approval::Invalid, format!("{what} {how}"))
    }
}

/// Groups of the community need the word of the community; what was let in stays in.
pub(super) fn check_approval(crd: &Value, old: Option<&Value>, errors: &mut Vec<FieldError>) {
    if !is_protected(text_at(crd, "/spec/group")) {
        return;
    }
    let (state, reason) = approval(approval_text(crd));
    if old.is_some_and(|old| approval(approval_text(old)).0 == state) {
        return;
    }
    let path = format!("metadata.annotations[{APPROVAL}]");
    match state {
        Approval::Missing => errors.push(FieldError::required(path, reason)),
        Approval::Invalid => errors.push(FieldError::invalid(path, &Value::from(approval_text(crd)), reason)),
        Approval::Bypassed | Approval::Approved => {}
    }
}
