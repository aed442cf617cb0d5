//! Who asks and whether they may: tokens, RBAC, access reviews.

/// The authenticated user of a request.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UserInfo {
    /// e.g. `system:admin`, `system:serviceaccount:ns:name`.
    pub username: String,
    /// Uid; may be empty.
    pub uid: String,
    /// e.g. `system:masters`.
    pub groups: Vec<String>,
}

impl UserInfo {
    /// A member of `system:masters`, who may do anything.
    #[must_use]
    pub fn admin() -> Self {
        Self {
            username: "system:admin".into(),
            uid: String::new(),
            groups: vec!["system:masters".into(), "system:authenticated".into()],
        }
    }

    /// A part of the control plane that lives in the simulator, e.g. `system:controller:job-controller`.
    #[must_use]
    pub fn system(name: &str) -> Self {
        Self {
            username: name.into(),
            uid: String::new(),
            groups: vec!["system:masters".into(), "system:authenticated".into()],
        }
    }
}
