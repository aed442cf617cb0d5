//! Nobody may grant by a Role or a binding what they do not hold, unless they may `escalate` or `bind`.

use serde_json::{Value, json};

use super::super::api_error::ApiError;
use super::rbac::{authorize, referenced_rules, rules_for};
use super::rules::{describe, go_list, rules_of, uncovered};
use super::{Attributes, RoleSource, UserInfo};

const GROUP: &str = "rbac.authorization.k8s.io";

/// Checks a write of a Role, ClusterRole, RoleBinding or ClusterRoleBinding; other resources always pass.
/// `old` is what the write replaces. The namespace is that of the request; empty for cluster-wide kinds.
///
/// # Errors
/// 403 that lists the permissions the user lacks; 404 where a binding names a role that does not exist.
pub fn check_grant(
    source: &dyn RoleSource,
    user: &UserInfo,
    plural: &str,
    namespace: &str,
    object: &Value,
    old: Option<&Value>,
) -> Result<(), ApiError> {
    if user.is_master() || old.is_some_and(|old| grants(old) == grants(object)) {
        return Ok(());
    }
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    let may = |verb: &str, plural: &str, name: &str| {
        authorize(
            source,
            user,
            &Attributes::resource(verb, GROUP, plural, namespace, name),
        )
        .allowed
    };
    let granted = match plural {
        "roles" | "clusterroles" if may("escalate", plural, name) => return Ok(()),
        "roles" => rules_of(object).to_vec(),
        "clusterroles" => {
            check_aggregation(source, user, object)?;
            rules_of(object).to_vec()
        }
        "rolebindings" | "clusterrolebindings" => {
            let reference = &object["roleRef"];
            let referred = if reference["kind"] == "Role" {
                "roles"
            } else {
                "clusterroles"
            };
            let role = reference["name"].as_str().unwrap_or_default();
            if may("bind", referred, role) {
                return Ok(());
            }
            referenced_rules(source, reference, namespace).map_err(|_| ApiError::not_found(GROUP, plural, role))?
        }
        _ => return Ok(()),
    };
    confirm(source, user, namespace, &granted).map_err(|why| ApiError::forbidden(GROUP, plural, name, &why))
}

/// What of an object grants anything: a write that leaves it alone needs no check.
fn grants(object: &Value) -> [&Value; 4] {
    ["rules", "aggregationRule", "roleRef", "subjects"].map(|field| &object[field])
}

/// An aggregated role may come to hold anything, so who writes one must hold everything.
fn check_aggregation(source: &dyn RoleSource, user: &UserInfo, object: &Value) -> Result<(), ApiError> {
    if object["aggregationRule"].is_null() {
        return Ok(());
    }
    let everything = [
        json!({"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}),
        json!({"verbs": ["*"], "nonResourceURLs": ["*"]}),
    ];
    confirm(source, user, "", &everything).map_err(|_| {
        let name = object["metadata"]["name"].as_str().unwrap_or_default();
        let why = "must have cluster-admin privileges to use the aggregationRule";
        ApiError::forbidden(GROUP, "clusterroles", name, why)
    })
}

fn confirm(source: &dyn RoleSource, user: &UserInfo, namespace: &str, granted: &[Value]) -> Result<(), String> {
    let (held, problems) = rules_for(source, user, namespace);
    let missing = uncovered(&held, granted);
    if missing.is_empty() {
        return Ok(());
    }
    let groups: Vec<&str> = user.groups.iter().map(String::as_str).collect();
    let mut why = format!(
        "user {:?} (groups={}) is attempting to grant RBAC permissions not currently held:\n{}",
        user.username,
        go_list(&groups),
        describe(&missing).join("\n")
    );
    if !problems.is_empty() {
        why.push_str(&format!("; resolution errors: [{}]", problems.join(", ")));
    }
    Err(why)
}
