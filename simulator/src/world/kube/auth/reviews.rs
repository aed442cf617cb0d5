//! The questions that clients ask about access and identity. Each is created and answered, never stored.

use serde_json::{Map, Value, json};

use super::super::api_error::{ApiError, Details, FieldError};
use super::rbac::{authorize, rules_for};
use super::{Attributes, RoleSource, UserInfo};

/// What an answer is made from.
pub struct ReviewContext<'a> {
    /// Roles and bindings.
    pub source: &'a dyn RoleSource,
    /// Who asks.
    pub user: &'a UserInfo,
    /// Namespace of the request; empty at the cluster scope.
    pub namespace: &'a str,
    /// The time, as RFC 3339 with whole seconds.
    pub now: &'a str,
    /// Whose token this is.
    pub authenticate: &'a dyn Fn(&str) -> Option<UserInfo>,
}

/// Who the audiences of tokens are, unless a client asks for others.
pub const AUDIENCE: &str = "https://kubernetes.default.svc";
const AUTHORIZATION: &str = "authorization.k8s.io";

/// Answers a review of a kind of authentication.k8s.io or authorization.k8s.io.
///
/// # Errors
/// 400 or 422 for a question that makes no sense; 404 for a kind that is none of these.
pub fn review(kind: &str, body: &Value, context: &ReviewContext<'_>) -> Result<Value, ApiError> {
    match kind {
        "SelfSubjectAccessReview" => {
            let attributes = wanted(&body["spec"])?;
            Ok(answered(kind, body, decided(context.source, context.user, &attributes)))
        }
        "SubjectAccessReview" => {
            let attributes = wanted(&body["spec"])?;
            let user = subject(&body["spec"])?;
            Ok(answered(kind, body, decided(context.source, &user, &attributes)))
        }
        "LocalSubjectAccessReview" => local_review(kind, body, context),
        "SelfSubjectRulesReview" => rules_review(kind, body, context),
        "SelfSubjectReview" => {
            let mut answer = answered(kind, body, json!({"userInfo": user_json(context.user)}));
            answer["metadata"]["creationTimestamp"] = context.now.into();
            Ok(answer)
        }
        "TokenReview" => token_review(kind, body, context),
        _ => Err(ApiError::no_such_path()),
    }
}

/// As the real server's own type names them.
fn go_attributes(attributes: &Value) -> Value {
    json!({ "Path": attributes["path"], "Verb": attributes["verb"] })
}

fn local_review(kind: &str, body: &Value, context: &ReviewContext<'_>) -> Result<Value, ApiError> {
    let spec = &body["spec"];
    let attributes = wanted(spec)?;
    let user = subject(spec)?;
    if !attributes.is_resource {
        let field = "spec.nonResourceAttributes";
        return Err(invalid(FieldError::invalid(
            field,
            &go_attributes(&spec["nonResourceAttributes"]),
            "disallowed on this kind of request",
        )));
    }
    if attributes.namespace != context.namespace {
        let field = "spec.resourceAttributes.namespace";
        let error = FieldError::invalid(
            field,
            &attributes.namespace.as_str().into(),
            "must match metadata.namespace",
        );
        return Err(invalid(error));
    }
    let mut answer = answered(kind, body, decided(context.source, &user, &attributes));
    answer["metadata"]["namespace"] = context.namespace.into();
    Ok(answer)
}

fn rules_review(kind: &str, body: &Value, context: &ReviewContext<'_>) -> Result<Value, ApiError> {
    let namespace = body["spec"]["namespace"].as_str().unwrap_or_default();
    if namespace.is_empty() {
        return Err(ApiError::bad_request("no namespace on request"));
    }
    let (rules, problems) = rules_for(context.source, context.user, namespace);
    let (mut resources, mut urls) = (Vec::new(), Vec::new());
    for rule in rules {
        let part = |fields: &[&str]| {
            let kept = fields
                .iter()
                .filter_map(|field| Some(((*field).to_owned(), rule.get(*field)?.clone())));
            Value::Object(kept.collect::<Map<_, _>>())
        };
        if rule["resources"].as_array().is_some_and(|list| !list.is_empty()) {
            resources.push(part(&["verbs", "apiGroups", "resources", "resourceNames"]));
        }
        if rule["nonResourceURLs"].as_array().is_some_and(|list| !list.is_empty()) {
            urls.push(part(&["verbs", "nonResourceURLs"]));
        }
    }
    let mut status = json!({"resourceRules": resources, "nonResourceRules": urls, "incomplete": false});
    if !problems.is_empty() {
        status["evaluationError"] = problems.join(", ").into();
    }
    let mut answer = answered(kind, body, status);
    answer["spec"] = json!({});
    Ok(answer)
}

fn token_review(kind: &str, body: &Value, context: &ReviewContext<'_>) -> Result<Value, ApiError> {
    let spec = &body["spec"];
    let token = spec["token"].as_str().unwrap_or_default();
    if token.is_empty() {
        return Err(ApiError::bad_request(
            "token is required for TokenReview in authentication",
        ));
    }
    let status = match (context.authenticate)(token) {
        Some(user) => {
            let audiences = spec["audiences"].as_array().filter(|list| !list.is_empty());
            let audiences = audiences.map_or_else(|| json!([AUDIENCE]), |list| json!(list));
            json!({"authenticated": true, "user": user_json(&user), "audiences": audiences})
        }
        None => json!({"user": {}, "error": "invalid bearer token"}),
    };
    Ok(answered(kind, body, status))
}

/// A user as `authentication.k8s.io/v1 UserInfo`; empty fields are left out.
#[must_use]
pub fn user_json(user: &UserInfo) -> Value {
    let mut out = json!({"username": user.username});
    if !user.uid.is_empty() {
        out["uid"] = user.uid.as_str().into();
    }
    if !user.groups.is_empty() {
        out["groups"] = json!(user.groups);
    }
    if !user.extra.is_empty() {
        out["extra"] = json!(user.extra);
    }
    out
}

fn answered(kind: &str, body: &Value, status: Value) -> Value {
    let group = if matches!(kind, "TokenReview" | "SelfSubjectReview") {
        "authentication.k8s.io"
    } else {
        AUTHORIZATION
    };
    let metadata = if body["metadata"].is_object() {
        body["metadata"].clone()
    } else {
        json!({})
    };
    let mut answer = json!({"kind": kind, "apiVersion": format!("{group}/v1"), "metadata": metadata});
    if body["spec"].is_object() {
        answer["spec"] = body["spec"].clone();
    }
    answer["status"] = status;
    answer
}

fn decided(source: &dyn RoleSource, user: &UserInfo, attributes: &Attributes) -> Value {
    let decision = authorize(source, user, attributes);
    let mut status = json!({"allowed": decision.allowed});
    if !decision.reason.is_empty() {
        status["reason"] = decision.reason.into();
    }
    status
}

fn wanted(spec: &Value) -> Result<Attributes, ApiError> {
    let (resource, path) = (&spec["resourceAttributes"], &spec["nonResourceAttributes"]);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    for name in ["fieldSelector", "labelSelector"] {
        check_selector(name, &resource[name]).map_err(invalid)?;
    }
    match (resource.is_object(), path.is_object()) {
        (true, false) => Ok(Attributes {
            verb: text(&resource["verb"]),
            group: text(&resource["group"]),
            version: text(&resource["version"]),
            resource: text(&resource["resource"]),
            subresource: text(&resource["subresource"]),
            name: text(&resource["name"]),
            namespace: text(&resource["namespace"]),
            path: String::new(),
            is_resource: true,
        }),
        (false, true) => Ok(Attributes::path(&text(&path["verb"]), &text(&path["path"]))),
        (true, true) => {
            // The server prints its internal form, whose fields start with capitals.
            let shown = json!({"Path": text(&path["path"]), "Verb": text(&path["verb"])});
            let detail = "cannot be specified in combination with resourceAttributes";
            Err(invalid(FieldError::invalid(
                "spec.nonResourceAttributes",
                &shown,
                detail,
            )))
        }
        (false, false) => {
            let detail = "exactly one of nonResourceAttributes or resourceAttributes must be specified";
            Err(invalid(FieldError::invalid(
                "spec.resourceAttributes",
                &Value::Null,
                detail,
            )))
        }
    }
}

/// A selector is given in one of two forms.
fn check_selector(name: &str, selector: &Value) -> Result<(), FieldError> {
    let path = format!("spec.resourceAttributes.{name}");
    let raw = selector["rawSelector"].as_str().unwrap_or_default();
    let has_requirements = selector["requirements"].as_array().is_some_and(|list| !list.is_empty());
    match (raw.is_empty(), has_requirements) {
        _ if selector.is_null() => Ok(()),
        (false, true) => {
            let detail = "may not specified at the same time as requirements";
            Err(FieldError::invalid(format!("{path}.rawSelector"), &raw.into(), detail))
        }
        (true, false) => {
            let detail = format!("when {path} is specified, requirements or rawSelector is required");
            Err(FieldError::required(format!("{path}.requirements"), detail))
        }
        _ => Ok(()),
    }
}

fn subject(spec: &Value) -> Result<UserInfo, ApiError> {
    let texts = |value: &Value| -> Vec<String> {
        value
            .as_array()
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect()
    };
    let user = UserInfo {
        username: spec["user"].as_str().unwrap_or_default().into(),
        uid: spec["uid"].as_str().unwrap_or_default().into(),
        groups: texts(&spec["groups"]),
        extra: spec["extra"]
            .as_object()
            .into_iter()
            .flatten()
            .map(|(key, list)| (key.clone(), texts(list)))
            .collect(),
    };
    if user.username.is_empty() && user.groups.is_empty() {
        let detail = "at least one of user or group must be specified";
        return Err(invalid(FieldError::invalid("spec.user", &"".into(), detail)));
    }
    Ok(user)
}

/// The real server names neither kind nor object here: `.authorization.k8s.io "" is invalid: …`.
fn invalid(error: FieldError) -> ApiError {
    let mut answer = ApiError::invalid(AUTHORIZATION, "", "", &[error]);
    let causes = answer.details.take().map(|details| details.causes).unwrap_or_default();
    answer.details = Some(Box::new(Details {
        group: AUTHORIZATION.into(),
        causes,
        ..Details::default()
    }));
    answer
}
