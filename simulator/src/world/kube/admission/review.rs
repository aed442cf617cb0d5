//! AdmissionReview v1: the question and the reading of the answer.

use serde_json::{Map, Value, json};

use super::Request;
use crate::world::kube::builtin::base64;

/// The question. `version` is the one that the webhook's rule names; objects are already in it.
pub(super) fn question(request: &Request<'_>, version: &str, uid: &str, object: &Value, old: &Value) -> Value {
    let gvk = request.gvk;
    let kind = |version: &str| json!({"group": gvk.group, "version": version, "kind": gvk.kind});
    let resource = |version: &str| json!({"group": gvk.group, "version": version, "resource": request.plural});
    let mut fields = json!({
        "uid": uid,
        "kind": kind(version),
        "resource": resource(version),
        "requestKind": kind(&gvk.version),
        "requestResource": resource(&gvk.version),
        "operation": request.operation.as_str(),
        "userInfo": user(request),
        "object": object,
        "oldObject": old,
        "dryRun": request.dry_run,
        "options": request.options,
    });
    for (key, value) in [
        ("subResource", request.subresource),
        ("requestSubResource", request.subresource),
        ("name", request.name),
        ("namespace", request.rule_namespace()),
    ] {
        if !value.is_empty() {
            fields[key] = value.into();
        }
    }
    json!({"kind": "AdmissionReview", "apiVersion": "admission.k8s.io/v1", "request": fields})
}

fn user(request: &Request<'_>) -> Value {
    let user = request.user;
    let mut out = Map::new();
    for (key, value) in [("username", &user.username), ("uid", &user.uid)] {
        if !value.is_empty() {
            out.insert(key.into(), value.as_str().into());
        }
    }
    if !user.groups.is_empty() {
        out.insert("groups".into(), user.groups.clone().into());
    }
    if !user.extra.is_empty() {
        out.insert("extra".into(), json!(user.extra));
    }
    Value::Object(out)
}

/// A readable answer.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Answer {
    pub(super) allowed: bool,
    /// `status`, where one came.
    pub(super) status: Option<Value>,
    pub(super) patch: Option<Vec<u8>>,
    pub(super) warnings: Vec<String>,
    pub(super) audit: Vec<(String, String)>,
}

/// What is wrong with an answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// It could not be decoded as a review.
    Undecodable(String),
    /// It is a review that does not answer the question.
    Invalid(String),
    /// Its patch is of a kind that is not known.
    PatchType(String),
}

/// Reads an answer to the question `uid`.
pub(super) fn answer(review: &Value, uid: &str, mutating: bool) -> Result<Answer, Unreadable> {
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    if !review.is_object() {
        return Err(Unreadable::Undecodable(format!(
            "couldn't get version/kind; json parse error: json: cannot unmarshal {} into Go value of type struct {{ APIVersion string \"json:\\\"apiVersion,omitempty\\\"\"; Kind string \"json:\\\"kind,omitempty\\\"\" }}",
            kind_of(review)
        )));
    }
    let (version, kind) = (text(review, "apiVersion"), text(review, "kind"));
    match (version.as_str(), kind.as_str()) {
        ("admission.k8s.io/v1", "AdmissionReview") => {}
        ("admission.k8s.io/v1beta1", "AdmissionReview") => {
            let text = "converting (v1beta1.AdmissionReview) to (v1.AdmissionReview): unknown conversion";
            return Err(Unreadable::Undecodable(text.into()));
        }
        ("", "") => return Err(Unreadable::Undecodable("Object 'Kind' is missing in response".into())),
        _ => {
            let text = format!("no kind {kind:?} is registered for version {version:?} in scheme \"admission\"");
            return Err(Unreadable::Undecodable(text));
        }
    }
    let invalid = |text: &str| Err(Unreadable::Invalid(text.to_owned()));
    let Some(response) = review.get("response").filter(|response| response.is_object()) else {
        return invalid("webhook response was absent");
    };
    let answered = text(response, "uid");
    if answered != uid {
        return invalid(&format!("expected response.uid={uid:?}, got {answered:?}"));
    }
    let patch = text(response, "patch");
    let patch_type = response.get("patchType").and_then(Value::as_str);
    let problem = match (mutating, patch.is_empty(), patch_type) {
        (true, false, None) => "webhook returned response.patch but not response.patchType",
        (true, true, Some(_)) => "webhook returned response.patchType but not response.patch",
        (true, _, Some("")) => "webhook returned invalid response.patchType of \"\"",
        (false, false, _) => "validating webhook may not return response.patch",
        (false, _, Some(_)) => "validating webhook may not return response.patchType",
        _ => "",
    };
    if !problem.is_empty() {
        return invalid(problem);
    }
    let allowed = response.get("allowed").and_then(Value::as_bool).unwrap_or_default();
    if let Some(other) = patch_type.filter(|kind| *kind != "JSONPatch" && allowed) {
        return Err(Unreadable::PatchType(other.to_owned()));
    }
    let patch = match (patch.is_empty(), base64::decode(&patch)) {
        (true, _) => None,
        (false, Some(bytes)) => Some(bytes),
        (false, None) => return Err(Unreadable::Undecodable("illegal base64 data in response.patch".into())),
    };
    let warnings = response.get("warnings").and_then(Value::as_array).into_iter().flatten();
    let audit = response
        .get("auditAnnotations")
        .and_then(Value::as_object)
        .into_iter()
        .flatten();
    Ok(Answer {
        allowed,
        status: response.get("status").filter(|status| status.is_object()).cloned(),
        patch,
        warnings: warnings.filter_map(Value::as_str).map(str::to_owned).collect(),
        audit: audit
            .map(|(key, value)| (key.clone(), value.as_str().unwrap_or_default().to_owned()))
            .collect(),
    })
}

fn kind_of(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}
