//! Field selectors: `metadata.name=x,status.phase!=Running`.

use std::borrow::Cow;

use serde_json::Value;

use crate::world::kube::api_error::ApiError;
use crate::world::kube::resources::Gvk;

/// One condition on one field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldTerm {
    /// Dotted path as the client wrote it.
    pub path: String,
    /// Wanted value.
    pub value: String,
    /// `!=` instead of `=`.
    pub negated: bool,
}

/// A field selector: all terms must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FieldSelector {
    terms: Vec<FieldTerm>,
}

impl FieldSelector {
    /// The terms, ordered as the server orders them.
    #[must_use]
    pub fn terms(&self) -> &[FieldTerm] {
        &self.terms
    }

    /// Whether it has no term.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        self.terms.is_empty()
    }

    /// The value that a field must have, when the selector fixes it (`metadata.name=x`).
    #[must_use]
    pub fn exact(&self, path: &str) -> Option<&str> {
        let mut terms = self.terms.iter();
        let term = terms.find(|term| term.path == path && !term.negated)?;
        Some(term.value.as_str())
    }

    /// Whether `object` meets every term.
    #[must_use]
    pub fn matches(&self, object: &Value) -> bool {
        self.terms
            .iter()
            .all(|term| (field(object, &term.path) == term.value) != term.negated)
    }

    /// Refuses fields that lists of this kind cannot be selected by; `selectable` are a custom resource's own
    /// `selectableFields`, as dotted paths without the leading dot.
    pub fn check(&self, gvk: &Gvk, selectable: &[String]) -> Result<(), ApiError> {
        let known = known_fields(gvk);
        for term in &self.terms {
            let path = term.path.as_str();
            if known.contains(&path) || selectable.iter().any(|field| field == path) {
                continue;
            }
            return Err(ApiError::bad_request(refusal(gvk, path, known, selectable)));
        }
        Ok(())
    }
}

const COMMON: &[&str] = &["metadata.name", "metadata.namespace"];

/// Fields by which a kind's lists can be selected (the field label conversions of the real server, 1.36).
fn known_fields(gvk: &Gvk) -> &'static [&'static str] {
    match (gvk.group.as_str(), gvk.kind.as_str()) {
        ("", "Pod") => &[
            "metadata.name",
            "metadata.namespace",
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.podIPs",
            "status.nominatedNodeName",
            "spec.host",
        ],
        ("", "Node") => &["metadata.name", "spec.unschedulable"],
        ("", "Namespace") => &["metadata.name", "status.phase"],
        ("", "ReplicationController") => &["metadata.name", "metadata.namespace", "status.replicas"],
        ("", "Secret") => &["metadata.name", "metadata.namespace", "type"],
        ("", "Service") => &["metadata.name", "metadata.namespace", "spec.clusterIP", "spec.type"],
        ("", "Event") => &[
            "involvedObject.kind",
            "involvedObject.namespace",
            "involvedObject.name",
            "involvedObject.uid",
            "involvedObject.apiVersion",
            "involvedObject.resourceVersion",
            "involvedObject.fieldPath",
            "reason",
            "reportingComponent",
            "source",
            "type",
            "metadata.namespace",
            "metadata.name",
        ],
        ("events.k8s.io", "Event") => &[
            "reason",
            "regarding.kind",
            "regarding.namespace",
            "regarding.name",
            "regarding.uid",
            "regarding.apiVersion",
            "regarding.resourceVersion",
            "regarding.fieldPath",
            "reportingController",
            "type",
            "metadata.namespace",
            "metadata.name",
        ],
        ("batch", "Job") => &["metadata.name", "metadata.namespace", "status.successful"],
        ("certificates.k8s.io", "CertificateSigningRequest") => &["metadata.name", "spec.signerName"],
        _ => COMMON,
    }
}

fn refusal(gvk: &Gvk, path: &str, known: &[&str], selectable: &[String]) -> String {
    match (gvk.group.as_str(), gvk.kind.as_str()) {
        ("batch", "Job") => format!("field label {path:?} not supported for Job"),
        _ if known == COMMON && selectable.is_empty() => {
            format!("{path:?} is not a known field selector: only \"metadata.name\", \"metadata.namespace\"")
        }
        _ => format!("field label not supported: {path}"),
    }
}

/// The field's value as a text; the empty text when it is absent, as the server has it.
fn field<'a>(object: &'a Value, path: &str) -> Cow<'a, str> {
    let walk = |path: &str| path.split('.').try_fold(object, |at, segment| at.get(segment));
    let found = match path {
        "status.podIPs" => walk("status.podIP"),
        "spec.host" => walk("spec.nodeName"),
        "status.successful" => walk("status.succeeded"),
        "reportingComponent" => walk("reportingComponent").filter(|value| *value != ""),
        // Events are stored as those of the core group.
        "reportingController" => walk("reportingComponent"),
        _ => match path.strip_prefix("regarding.") {
            Some(rest) => object.get("involvedObject").and_then(|owner| owner.get(rest)),
            None => walk(path),
        },
    };
    match (path, found) {
        (_, Some(Value::String(text))) => Cow::Borrowed(text),
        (_, Some(Value::Bool(true))) => Cow::Borrowed("true"),
        (_, Some(Value::Bool(false))) | ("spec.unschedulable" | "spec.hostNetwork", None) => Cow::Borrowed("false"),
        (_, Some(Value::Number(number))) => Cow::Owned(number.to_string()),
        ("status.replicas" | "status.successful", None) => Cow::Borrowed("0"),
        ("source" | "reportingComponent", _) => {
            let component = object.pointer("/source/component").and_then(Value::as_str);
            Cow::Borrowed(component.unwrap_or_default())
        }
        _ => Cow::Borrowed(""),
    }
}

/// Parses `fieldSelector` of a list or watch. The error is a 400 with the server's text; see also
/// [`FieldSelector::check`].
pub fn parse_field_selector(text: &str) -> Result<FieldSelector, ApiError> {
    let mut parts = split_terms(text);
    parts.sort_unstable();
    let mut terms = Vec::new();
    for part in parts.into_iter().filter(|part| !part.is_empty()) {
        let Some((path, negated, value)) = split_term(part) else {
            return Err(ApiError::bad_request(format!(
                "invalid selector: '{text}'; can't understand '{part}'"
            )));
        };
        let value = unescape(value).map_err(ApiError::bad_request)?;
        // A term without field and value says nothing.
        if !(path.is_empty() && value.is_empty()) {
            let path = path.to_owned();
            terms.push(FieldTerm { path, value, negated });
        }
    }
    Ok(FieldSelector { terms })
}

/// Splits at commas that no backslash escapes.
fn split_terms(text: &str) -> Vec<&str> {
    let mut escaped = false;
    text.split(|c: char| {
        let splits = c == ',' && !escaped;
        escaped = c == '\\' && !escaped;
        splits
    })
    .collect()
}

fn split_term(part: &str) -> Option<(&str, bool, &str)> {
    let equals = part.find('=').map(|at| (at, false));
    let differs = part.find("!=").map(|at| (at, true));
    let (at, negated) = [equals, differs].into_iter().flatten().min()?;
    let (path, rest) = part.split_at_checked(at)?;
    let mut value = rest.strip_prefix('!').unwrap_or(rest);
    value = value.strip_prefix('=').unwrap_or(value);
    if !negated {
        value = value.strip_prefix('=').unwrap_or(value);
    }
    Some((path, negated, value))
}

fn unescape(text: &str) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match c {
            '\\' => match rest.next() {
                Some(next @ ('\\' | ',' | '=')) => out.push(next),
                Some(next) => return Err(format!("invalid field selector: invalid escape sequence: \\{next}")),
                None => return Err("invalid field selector: invalid escape sequence: \\".to_owned()),
            },
            // The server prints the character's number here.
            ',' | '=' => {
                let number = u32::from(c);
                return Err(format!(
                    "invalid field selector: unescaped character in value: {number}"
                ));
            }
            _ => out.push(c),
        }
    }
    Ok(out)
}
