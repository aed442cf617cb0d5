//! What a request wants to do, as authorization sees it.

use super::super::api_error::{ApiError, Details};
use super::UserInfo;

/// The attributes of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    /// `get`, `list`, `create`, …; for paths that are no resource the lower-case HTTP method.
    pub verb: String,
    /// API group; empty for core.
    pub group: String,
    /// API version.
    pub version: String,
    /// Plural resource.
    pub resource: String,
    /// Subresource; empty for none.
    pub subresource: String,
    /// Object name; empty for none.
    pub name: String,
    /// Namespace; empty at the cluster scope.
    pub namespace: String,
    /// URL path of a request that is no resource request.
    pub path: String,
    /// Whether this is a resource request.
    pub is_resource: bool,
}

impl Attributes {
    /// Of a resource request without subresource.
    #[must_use]
    pub fn resource(verb: &str, group: &str, resource: &str, namespace: &str, name: &str) -> Self {
        Self {
            verb: verb.into(),
            group: group.into(),
            version: "v1".into(),
            resource: resource.into(),
            namespace: namespace.into(),
            name: name.into(),
            is_resource: true,
            ..Self::default()
        }
    }

    /// Of a request for any other path.
    #[must_use]
    pub fn path(verb: &str, path: &str) -> Self {
        Self {
            verb: verb.into(),
            path: path.into(),
            ..Self::default()
        }
    }

    /// `pods`, or `pods/log` with a subresource.
    #[must_use]
    pub fn full_resource(&self) -> String {
        if self.subresource.is_empty() {
            self.resource.clone()
        } else {
            format!("{}/{}", self.resource, self.subresource)
        }
    }

    /// The 403 that says what the user may not do; `reason` is appended where there is one.
    #[must_use]
    pub fn forbidden(&self, user: &UserInfo, reason: &str) -> ApiError {
        let mut why = escape_html(&self.denial(user));
        if !reason.is_empty() {
            why = format!("{why}: {reason}");
        }
        if self.is_resource {
            return ApiError::forbidden(&self.group, &self.resource, &self.name, &why);
        }
        ApiError {
            code: 403,
            reason: "Forbidden",
            message: format!("forbidden: {why}"),
            details: Some(Box::new(Details::default())),
        }
    }

    fn denial(&self, user: &UserInfo) -> String {
        let (who, verb) = (&user.username, &self.verb);
        if !self.is_resource {
            return format!("User {who:?} cannot {verb} path {:?}", self.path);
        }
        let scope = if self.namespace.is_empty() {
            "at the cluster scope".to_owned()
        } else {
            format!("in the namespace {:?}", self.namespace)
        };
        let resource = self.full_resource();
        format!(
            "User {who:?} cannot {verb} resource {resource:?} in API group {:?} {scope}",
            self.group
        )
    }
}

/// The real server never lets a denial look like HTML.
fn escape_html(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
