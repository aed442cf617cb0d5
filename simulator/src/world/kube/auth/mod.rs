//! Who asks and whether they may: tokens, RBAC, access reviews.
//!
//! Pure functions over roles and bindings that a [`RoleSource`] hands out; must not know the store, HTTP or time.

mod attributes;
mod bootstrap;
mod escalation;
mod impersonation;
mod rbac;
mod reviews;
mod rules;
#[cfg(test)]
mod tests;
mod tokens;

use std::collections::BTreeMap;

pub use attributes::Attributes;
pub use bootstrap::{aggregated_rules, bootstrap_policy};
pub use escalation::check_grant;
pub use impersonation::{impersonate, impersonated};
pub use rbac::{Decision, RoleSource, authorize, check};
pub use reviews::{AUDIENCE, ReviewContext, review, user_json};
pub use tokens::{Account, Tokens};

/// The authenticated user of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserInfo {
    /// e.g. `system:admin`, `system:serviceaccount:ns:name`.
    pub username: String,
    /// Uid; may be empty.
    pub uid: String,
    /// e.g. `system:masters`.
    pub groups: Vec<String>,
    /// What the authenticator adds, e.g. `authentication.kubernetes.io/credential-id`.
    pub extra: BTreeMap<String, Vec<String>>,
}

impl UserInfo {
    /// A member of `system:masters`, who may do anything.
    #[must_use]
    pub fn admin() -> Self {
        Self {
            username: "system:admin".into(),
            groups: vec!["system:masters".into(), "system:authenticated".into()],
            ..Self::default()
        }
    }

    /// A part of the control plane that lives in the simulator, e.g. `system:controller:job-controller`.
    #[must_use]
    pub fn system(name: &str) -> Self {
        Self {
            username: name.into(),
            groups: vec!["system:masters".into(), "system:authenticated".into()],
            ..Self::default()
        }
    }

    /// Someone with a name and groups; `system:authenticated` is added.
    #[must_use]
    pub fn new(username: &str, groups: &[&str]) -> Self {
        let mut groups: Vec<String> = groups.iter().map(|group| (*group).to_owned()).collect();
        if !groups.iter().any(|group| group == AUTHENTICATED) {
            groups.push(AUTHENTICATED.into());
        }
        Self {
            username: username.into(),
            groups,
            ..Self::default()
        }
    }

    /// Who sends no credentials at all.
    #[must_use]
    pub fn anonymous() -> Self {
        Self {
            username: "system:anonymous".into(),
            groups: vec!["system:unauthenticated".into()],
            ..Self::default()
        }
    }

    /// A service account.
    #[must_use]
    pub fn service_account(namespace: &str, name: &str, uid: &str) -> Self {
        Self {
            username: format!("system:serviceaccount:{namespace}:{name}"),
            uid: uid.into(),
            groups: vec![
                "system:serviceaccounts".into(),
                format!("system:serviceaccounts:{namespace}"),
                AUTHENTICATED.into(),
            ],
            ..Self::default()
        }
    }

    /// Whether the user is in `system:masters`.
    #[must_use]
    pub fn is_master(&self) -> bool {
        self.groups.iter().any(|group| group == rbac::MASTERS)
    }
}

/// The group of everyone with credentials.
pub const AUTHENTICATED: &str = "system:authenticated";
