//! RBAC: which bindings apply to a user, and whether their rules allow a request.

use std::sync::Arc;

use serde_json::Value;

use super::super::api_error::ApiError;
use super::rules::{allows, rules_of};
use super::{Attributes, UserInfo};

/// Where roles and bindings come from (the store, or a test's lists).
pub trait RoleSource {
    /// A ClusterRole by name.
    fn cluster_role(&self, name: &str) -> Option<Arc<Value>>;
    /// A Role by namespace and name.
    fn role(&self, namespace: &str, name: &str) -> Option<Arc<Value>>;
    /// All ClusterRoleBindings.
    fn cluster_role_bindings(&self) -> Vec<Arc<Value>>;
    /// The RoleBindings of a namespace.
    fn role_bindings(&self, namespace: &str) -> Vec<Arc<Value>>;
}

/// What authorization says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Whether the request may pass.
    pub allowed: bool,
    /// Which binding allowed it, or which roles could not be found; often empty.
    pub reason: String,
}

/// Members may do anything; not even RBAC is asked.
pub(super) const MASTERS: &str = "system:masters";

/// Whether the user may do what the attributes say.
#[must_use]
pub fn authorize(source: &dyn RoleSource, user: &UserInfo, attributes: &Attributes) -> Decision {
    if user.is_master() {
        return Decision {
            allowed: true,
            reason: String::new(),
        };
    }
    let mut granted = None;
    let mut problems: Vec<String> = Vec::new();
    visit(source, user, &attributes.namespace, &mut |found| {
        match found {
            Found::Rules(rules, describe) if rules.iter().any(|rule| allows(rule, attributes)) => {
                granted = Some(format!("RBAC: allowed by {}", describe()));
            }
            Found::Rules(..) => {}
            Found::Problem(problem) => problems.push(problem),
        }
        granted.is_none()
    });
    match granted {
        Some(reason) => Decision { allowed: true, reason },
        None => Decision {
            allowed: false,
            reason: denial_reason(problems),
        },
    }
}

/// As [`authorize`], with the denial as the error that the client gets.
///
/// # Errors
/// 403 in the real server's words.
pub fn check(source: &dyn RoleSource, user: &UserInfo, attributes: &Attributes) -> Result<(), ApiError> {
    let decision = authorize(source, user, attributes);
    if decision.allowed {
        Ok(())
    } else {
        Err(attributes.forbidden(user, &decision.reason))
    }
}

/// All rules that apply to a user in a namespace (empty: cluster-wide ones only), and what could not be resolved.
pub(super) fn rules_for(source: &dyn RoleSource, user: &UserInfo, namespace: &str) -> (Vec<Value>, Vec<String>) {
    let (mut all, mut problems) = (Vec::new(), Vec::new());
    visit(source, user, namespace, &mut |found| {
        match found {
            Found::Rules(rules, _) => all.extend(rules.iter().cloned()),
            Found::Problem(problem) => problems.push(problem),
        }
        true
    });
    (all, problems)
}

/// The rules of the role that a binding refers to.
pub(super) fn referenced_rules(
    source: &dyn RoleSource,
    reference: &Value,
    namespace: &str,
) -> Result<Vec<Value>, ApiError> {
    referenced(source, reference, namespace).map(|role| rules_of(&role).to_vec())
}

fn referenced(source: &dyn RoleSource, reference: &Value, namespace: &str) -> Result<Arc<Value>, ApiError> {
    const GROUP: &str = "rbac.authorization.k8s.io";
    let name = reference["name"].as_str().unwrap_or_default();
    match reference["kind"].as_str().unwrap_or_default() {
        "Role" => source
            .role(namespace, name)
            .ok_or_else(|| ApiError::not_found(GROUP, "role", name)),
        "ClusterRole" => source
            .cluster_role(name)
            .ok_or_else(|| ApiError::not_found(GROUP, "clusterrole", name)),
        other => Err(ApiError::internal(format!(
            "unsupported role reference kind: {other:?}"
        ))),
    }
}

enum Found<'a> {
    /// Rules that apply, and who granted them.
    Rules(&'a [Value], &'a dyn Fn() -> String),
    /// A role that a binding names and nobody made.
    Problem(String),
}

/// Calls `visitor` with the rules of each binding that applies, until it returns false.
fn visit(source: &dyn RoleSource, user: &UserInfo, namespace: &str, visitor: &mut dyn FnMut(Found<'_>) -> bool) {
    for binding in source.cluster_role_bindings() {
        if !visit_binding(source, user, &binding, "", visitor) {
            return;
        }
    }
    if namespace.is_empty() {
        return;
    }
    for binding in source.role_bindings(namespace) {
        if !visit_binding(source, user, &binding, namespace, visitor) {
            return;
        }
    }
}

fn visit_binding(
    source: &dyn RoleSource,
    user: &UserInfo,
    binding: &Value,
    namespace: &str,
    visitor: &mut dyn FnMut(Found<'_>) -> bool,
) -> bool {
    let subjects = binding["subjects"].as_array().map(Vec::as_slice).unwrap_or_default();
    let Some(subject) = subjects.iter().find(|subject| applies(subject, user, namespace)) else {
        return true;
    };
    match referenced(source, &binding["roleRef"], namespace) {
        Ok(role) => visitor(Found::Rules(rules_of(&role), &|| describe(binding, subject, namespace))),
        Err(problem) => visitor(Found::Problem(problem.message)),
    }
}

fn applies(subject: &Value, user: &UserInfo, namespace: &str) -> bool {
    let name = subject["name"].as_str().unwrap_or_default();
    match subject["kind"].as_str().unwrap_or_default() {
        "User" => user.username == name,
        "Group" => user.groups.iter().any(|group| group == name),
        "ServiceAccount" => {
            let own = subject["namespace"]
                .as_str()
                .filter(|own| !own.is_empty())
                .unwrap_or(namespace);
            let account = user
                .username
                .strip_prefix("system:serviceaccount:")
                .and_then(|rest| rest.split_once(':'));
            !own.is_empty() && account == Some((own, name))
        }
        _ => false,
    }
}

/// `ClusterRoleBinding "b" of ClusterRole "r" to Group "g"`
fn describe(binding: &Value, subject: &Value, namespace: &str) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (name, reference) = (text(&binding["metadata"]["name"]), &binding["roleRef"]);
    let bound = if namespace.is_empty() {
        format!("ClusterRoleBinding {name:?}")
    } else {
        format!("RoleBinding {:?}", format!("{name}/{namespace}"))
    };
    let kind = text(&subject["kind"]);
    let who = if kind == "ServiceAccount" {
        let own = subject["namespace"]
            .as_str()
            .filter(|own| !own.is_empty())
            .unwrap_or(namespace);
        format!("{}/{own}", text(&subject["name"]))
    } else {
        text(&subject["name"])
    };
    format!(
        "{bound} of {} {:?} to {kind} {who:?}",
        text(&reference["kind"]),
        text(&reference["name"])
    )
}

fn denial_reason(problems: Vec<String>) -> String {
    let mut distinct: Vec<String> = Vec::new();
    for problem in problems {
        if !distinct.contains(&problem) {
            distinct.push(problem);
        }
    }
    match distinct.as_slice() {
        [] => String::new(),
        [one] => format!("RBAC: {one}"),
        many => format!("RBAC: [{}]", many.join(", ")),
    }
}
