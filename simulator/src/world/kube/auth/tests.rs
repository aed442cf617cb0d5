use std::sync::Arc;

use serde_json::{Value, json};

use super::*;

/// Roles and bindings in lists.
#[derive(Default)]
pub(super) struct Lists {
    pub(super) objects: Vec<Arc<Value>>,
}

impl Lists {
    pub(super) fn with_bootstrap(extra: &[Value]) -> Self {
        let objects = bootstrap_policy()
            .into_iter()
            .chain(extra.iter().cloned())
            .map(Arc::new)
            .collect();
        Self { objects }
    }

    fn all(&self, kind: &str, namespace: &str) -> Vec<Arc<Value>> {
        let fits = |object: &&Arc<Value>| {
            object["kind"] == kind && object["metadata"]["namespace"].as_str().unwrap_or_default() == namespace
        };
        self.objects.iter().filter(fits).cloned().collect()
    }
}

impl RoleSource for Lists {
    fn cluster_role(&self, name: &str) -> Option<Arc<Value>> {
        self.all("ClusterRole", "")
            .into_iter()
            .find(|role| role["metadata"]["name"] == name)
    }

    fn role(&self, namespace: &str, name: &str) -> Option<Arc<Value>> {
        self.all("Role", namespace)
            .into_iter()
            .find(|role| role["metadata"]["name"] == name)
    }

    fn cluster_role_bindings(&self) -> Vec<Arc<Value>> {
        self.all("ClusterRoleBinding", "")
    }

    fn role_bindings(&self, namespace: &str) -> Vec<Arc<Value>> {
        self.all("RoleBinding", namespace)
    }
}

/// alice edits in `dev`, the account `dev/bot` may read one secret and scale anything, carol's role is missing.
pub(super) fn fixture() -> Lists {
    let subject = |kind: &str, name: &str| json!({"kind": kind, "name": name});
    let binding = |name: &str, kind: &str, role: &str, subject: Value| {
        json!({
            "kind": "RoleBinding", "metadata": {"name": name, "namespace": "dev"},
            "roleRef": {"kind": kind, "name": role}, "subjects": [subject],
        })
    };
    Lists::with_bootstrap(&[
        json!({
            "kind": "Role", "metadata": {"name": "bot", "namespace": "dev"},
            "rules": [
                {"verbs": ["get"], "apiGroups": [""], "resources": ["secrets"], "resourceNames": ["one"]},
                {"verbs": ["patch"], "apiGroups": ["*"], "resources": ["*/scale"]},
                {"verbs": ["create"], "apiGroups": ["rbac.authorization.k8s.io"], "resources": ["roles", "rolebindings"]},
            ],
        }),
        binding("edit", "ClusterRole", "edit", subject("User", "alice")),
        binding("bot", "Role", "bot", subject("ServiceAccount", "bot")),
        binding("lost", "ClusterRole", "gone", subject("User", "carol")),
    ])
}

fn wanted(verb: &str, group: &str, resource: &str, namespace: &str, name: &str) -> Attributes {
    let (resource, subresource) = resource.split_once('/').unwrap_or((resource, ""));
    Attributes {
        subresource: subresource.into(),
        ..Attributes::resource(verb, group, resource, namespace, name)
    }
}

#[test]
fn rbac_decides_as_the_bindings_say() {
    let roles = fixture();
    let (alice, admin) = (UserInfo::new("alice", &[]), UserInfo::admin());
    let bot = UserInfo::service_account("dev", "bot", "");
    let other_bot = UserInfo::service_account("prod", "bot", "");
    for (user, attributes, allowed) in [
        (&admin, wanted("delete", "", "nodes", "", "n"), true),
        (&alice, wanted("create", "apps", "deployments", "dev", ""), true),
        (&alice, wanted("create", "apps", "deployments", "prod", ""), false),
        (&alice, wanted("create", "apps", "deployments", "", ""), false),
        (&alice, wanted("get", "", "pods/log", "dev", "p"), true),
        (
            &alice,
            wanted("create", "rbac.authorization.k8s.io", "roles", "dev", ""),
            false,
        ),
        (
            &alice,
            wanted("create", "authorization.k8s.io", "selfsubjectaccessreviews", "", ""),
            true,
        ),
        (&bot, wanted("get", "", "secrets", "dev", "one"), true),
        (&bot, wanted("get", "", "secrets", "dev", "two"), false),
        (&bot, wanted("list", "", "secrets", "dev", ""), false),
        (&bot, wanted("patch", "apps", "deployments/scale", "dev", "d"), true),
        (&bot, wanted("patch", "apps", "deployments", "dev", "d"), false),
        (&other_bot, wanted("get", "", "secrets", "dev", "one"), false),
        (&alice, Attributes::path("get", "/apis/apps/v1"), true),
        (&alice, Attributes::path("get", "/metrics"), false),
        (&UserInfo::anonymous(), Attributes::path("get", "/version"), true),
        (&UserInfo::anonymous(), Attributes::path("get", "/apis"), false),
    ] {
        assert_eq!(
            authorize(&roles, user, &attributes).allowed,
            allowed,
            "{} {attributes:?}",
            user.username
        );
    }
}

#[test]
fn denials_are_worded_as_the_server_words_them() {
    let roles = fixture();
    for (user, attributes, message) in [
        (
            UserInfo::new("alice", &[]),
            wanted("list", "", "pods", "default", ""),
            r#"pods is forbidden: User "alice" cannot list resource "pods" in API group "" in the namespace "default""#,
        ),
        (
            UserInfo::new("alice", &[]),
            wanted("get", "", "pods/log", "default", "x"),
            r#"pods "x" is forbidden: User "alice" cannot get resource "pods/log" in API group "" in the namespace "default""#,
        ),
        (
            UserInfo::new("alice", &[]),
            wanted("delete", "apps", "deployments", "", ""),
            r#"deployments.apps is forbidden: User "alice" cannot delete resource "deployments" in API group "apps" at the cluster scope"#,
        ),
        (
            UserInfo::anonymous(),
            Attributes::path("get", "/foo"),
            r#"forbidden: User "system:anonymous" cannot get path "/foo""#,
        ),
        (
            UserInfo::new("carol", &[]),
            wanted("list", "", "pods", "dev", ""),
            r#"pods is forbidden: User "carol" cannot list resource "pods" in API group "" in the namespace "dev": RBAC: clusterrole.rbac.authorization.k8s.io "gone" not found"#,
        ),
        (
            UserInfo::new("<b>", &[]),
            Attributes::path("get", "/foo"),
            r#"forbidden: User "&lt;b&gt;" cannot get path "/foo""#,
        ),
    ] {
        let error = check(&roles, &user, &attributes).unwrap_err();
        assert_eq!((error.code, error.message.as_str()), (403, message));
    }
}

#[test]
fn allowing_names_the_binding() {
    let decision = authorize(
        &fixture(),
        &UserInfo::new("alice", &[]),
        &wanted("get", "", "pods", "dev", ""),
    );
    assert_eq!(
        decision.reason,
        r#"RBAC: allowed by RoleBinding "edit/dev" of ClusterRole "edit" to User "alice""#
    );
}

#[test]
fn aggregated_roles_hold_the_rules_of_those_they_draw_on() {
    let roles = bootstrap_policy();
    let rules = |name: &str| {
        let role = roles
            .iter()
            .find(|role| role["kind"] == "ClusterRole" && role["metadata"]["name"] == name);
        role.map(|role| role["rules"].as_array().unwrap().len()).unwrap()
    };
    assert_eq!(rules("view"), rules("system:aggregate-to-view"));
    assert_eq!(rules("edit"), rules("view") + rules("system:aggregate-to-edit"));
    assert_eq!(rules("admin"), rules("edit") + rules("system:aggregate-to-admin"));
}
