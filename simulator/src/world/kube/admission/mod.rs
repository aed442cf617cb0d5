//! Admission: webhook call-outs (match rules, CEL match conditions, failure policy, time-outs, warnings).
//!
//! Knows webhook configurations and requests as data, and how to talk AdmissionReview. Must not know the store, the
//! server's routes, or how a call reaches its target: that is a `WebhookCaller`. Waiting is under tokio's clock.
//!
//! `Webhooks` is built when a configuration changes and shared until the next change; a request that no rule names is
//! let through after one look-up in its index.

mod caller;
mod conditions;
mod configuration;
mod dispatch;
mod in_process;
mod matching;
mod review;
mod status;
#[cfg(test)]
mod tests;

use serde_json::Value;

use super::auth::UserInfo;
use super::resources::Gvk;

pub use caller::{CallError, ClientConfig, Target, WebhookCaller};
pub use configuration::{Webhooks, default_configuration};
pub use dispatch::{Dispatch, Outcome};
pub use in_process::InProcessCaller;

/// What a request does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    /// `CREATE`
    Create,
    /// `UPDATE`: updates and patches.
    Update,
    /// `DELETE`
    Delete,
    /// `CONNECT`: `proxy`, `exec`, …
    Connect,
}

impl Operation {
    /// As rules and reviews write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "CREATE",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
            Self::Connect => "CONNECT",
        }
    }
}

/// A request on its way to the store, as admission sees it.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// Kind of the object that the request carries.
    pub gvk: &'a Gvk,
    /// Plural of the resource that is addressed.
    pub plural: &'a str,
    /// Subresource; empty for none.
    pub subresource: &'a str,
    /// Name; empty where it is to be generated.
    pub name: &'a str,
    /// Namespace; empty for cluster-scoped resources.
    pub namespace: &'a str,
    /// What it does.
    pub operation: Operation,
    /// Who asks.
    pub user: &'a UserInfo,
    /// Whether nothing will be stored.
    pub dry_run: bool,
    /// `CreateOptions`, `UpdateOptions`, … of `meta.k8s.io/v1`; null for none.
    pub options: &'a Value,
    /// `metadata.labels` of the namespace (null for none); None when there is no such namespace.
    pub namespace_labels: Option<&'a Value>,
    /// The other served versions of the resource, for `matchPolicy: Equivalent`.
    pub other_versions: &'a [String],
}

impl Request<'_> {
    /// The namespace that rules see: for a namespace its own name.
    fn rule_namespace(&self) -> &str {
        if self.is_namespace() { self.name } else { self.namespace }
    }

    fn is_namespace(&self) -> bool {
        self.gvk.group.is_empty() && self.plural == "namespaces"
    }
}
