//! Decisions and texts on a small set of roles. Knows the bootstrap policy; must not need a server.

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

#[test]
fn nobody_grants_what_they_do_not_hold() {
    let roles = fixture();
    let (admin, alice) = (UserInfo::admin(), UserInfo::new("alice", &["devs"]));
    let role = |rules: Value| json!({"metadata": {"name": "r"}, "rules": rules});
    let reads = |resources: &[&str]| json!([{"verbs": ["get", "list"], "apiGroups": [""], "resources": resources}]);
    let bind = |kind: &str, name: &str| json!({"metadata": {"name": "b"}, "roleRef": {"kind": kind, "name": name}});
    let lacks = |plural: &str, name: &str, missing: &str| {
        format!(
            "{plural}.rbac.authorization.k8s.io \"{name}\" is forbidden: user \"alice\" (groups=[\"devs\" \
             \"system:authenticated\"]) is attempting to grant RBAC permissions not currently held:\n{missing}"
        )
    };
    for (user, plural, object, expected) in [
        (&admin, "roles", role(reads(&["nodes"])), None),
        (&alice, "roles", role(reads(&["pods", "secrets"])), None),
        (
            &alice,
            "roles",
            role(reads(&["pods", "nodes"])),
            Some(lacks(
                "roles",
                "r",
                r#"{APIGroups:[""], Resources:["nodes"], Verbs:["get" "list"]}"#,
            )),
        ),
        (
            &alice,
            "roles",
            role(json!([{"verbs": ["get"], "nonResourceURLs": ["/version", "/metrics"]}])),
            Some(lacks("roles", "r", r#"{NonResourceURLs:["/metrics"], Verbs:["get"]}"#)),
        ),
        (&alice, "rolebindings", bind("ClusterRole", "view"), None),
        (
            &alice,
            "rolebindings",
            bind("ClusterRole", "cluster-admin"),
            Some(lacks(
                "rolebindings",
                "b",
                "{APIGroups:[\"*\"], Resources:[\"*\"], Verbs:[\"*\"]}\n{NonResourceURLs:[\"*\"], Verbs:[\"*\"]}",
            )),
        ),
        (
            &alice,
            "rolebindings",
            bind("ClusterRole", "nothere"),
            Some("rolebindings.rbac.authorization.k8s.io \"nothere\" not found".to_owned()),
        ),
        (&alice, "configmaps", json!({}), None),
    ] {
        let found = check_grant(&roles, user, plural, "dev", &object, None)
            .err()
            .map(|error| error.message);
        assert_eq!(found, expected, "{plural} {object}");
        let unchanged = check_grant(&roles, user, plural, "dev", &object, Some(&object));
        assert_eq!(unchanged, Ok(()), "a write that grants nothing new");
    }
}

#[test]
fn impersonation_needs_leave_and_adds_the_implied_groups() {
    let roles = Lists::with_bootstrap(&[
        json!({
            "kind": "ClusterRole", "metadata": {"name": "imp"},
            "rules": [{"verbs": ["impersonate"], "apiGroups": [""], "resources": ["users", "serviceaccounts"]}],
        }),
        json!({
            "kind": "ClusterRoleBinding", "metadata": {"name": "imp"}, "roleRef": {"kind": "ClusterRole", "name": "imp"},
            "subjects": [{"kind": "User", "name": "imp"}],
        }),
    ]);
    let request = Attributes::resource("list", "", "pods", "", "");
    let wanted = |headers: &[(&str, &str)]| impersonated(headers.iter().copied()).map(|user| user.unwrap_or_default());
    let (imp, bob) = (UserInfo::new("imp", &[]), UserInfo::new("bob", &[]));
    let account = wanted(&[("Impersonate-User", "system:serviceaccount:a:b")]).unwrap();
    let alice = wanted(&[("impersonate-user", "alice")]).unwrap();
    let grouped = wanted(&[("Impersonate-User", "alice"), ("Impersonate-Group", "devs")]).unwrap();

    assert_eq!(
        impersonate(&roles, &imp, &alice, &request, false).map(|(user, _)| user),
        Ok(UserInfo::new("alice", &[]))
    );
    assert_eq!(
        impersonate(&roles, &UserInfo::admin(), &grouped, &request, false).map(|(user, _)| user),
        Ok(UserInfo::new("alice", &["devs"]))
    );
    assert_eq!(
        impersonate(&roles, &imp, &account, &request, false).map(|(user, _)| user),
        Ok(UserInfo::service_account("a", "b", ""))
    );
    for (requestor, wanted, verb) in [
        (&bob, &alice, "impersonate-on:user-info:list"),
        (&bob, &account, "impersonate-on:serviceaccount:list"),
        (&imp, &grouped, "impersonate-on:user-info:list"),
    ] {
        let message = impersonate(&roles, requestor, wanted, &request, false)
            .map(|(user, _)| user)
            .unwrap_err()
            .message;
        assert!(
            message.contains(&format!("cannot {verb} resource \"pods\"")),
            "{message}"
        );
    }
    assert_eq!(
        wanted(&[("Impersonate-Group", "alice")]).unwrap_err().message,
        "requested &user.DefaultInfo{Name:\"\", UID:\"\", Groups:[]string{\"alice\"}, Extra:map[string][]string(nil)} \
         without impersonating a user name"
    );
    let extra = wanted(&[("Impersonate-User", "a"), ("Impersonate-Extra-Acme.com%2Fx", "1")])
        .unwrap()
        .extra;
    assert_eq!(extra, [("acme.com/x".to_owned(), vec!["1".to_owned()])].into());
}

#[test]
fn reviews_answer_as_the_server_does() {
    let roles = fixture();
    let alice = UserInfo::new("alice", &[]);
    let context = ReviewContext {
        source: &roles,
        user: &alice,
        namespace: "dev",
        now: "2026-01-01T00:00:00Z",
        authenticate: &|token| (token == "good").then(|| UserInfo::new("bob", &[])),
    };
    let status = |kind: &str, spec: Value| match review(kind, &json!({"spec": spec}), &context) {
        Ok(answer) => answer["status"].clone(),
        Err(error) => error.message.into(),
    };
    let list = |namespace: &str| json!({"verb": "list", "resource": "pods", "namespace": namespace});
    let allowed = r#"RBAC: allowed by RoleBinding "edit/dev" of ClusterRole "edit" to User "alice""#;
    let invalid = |what: &str| json!(format!(".authorization.k8s.io \"\" is invalid: {what}"));
    for (kind, spec, expected) in [
        (
            "SelfSubjectAccessReview",
            json!({"resourceAttributes": list("dev")}),
            json!({"allowed": true, "reason": allowed}),
        ),
        (
            "SelfSubjectAccessReview",
            json!({"resourceAttributes": list("prod")}),
            json!({"allowed": false}),
        ),
        (
            "SelfSubjectAccessReview",
            json!({}),
            invalid(
                "spec.resourceAttributes: Invalid value: null: exactly one of nonResourceAttributes or \
                 resourceAttributes must be specified",
            ),
        ),
        (
            "SubjectAccessReview",
            json!({"resourceAttributes": list("dev")}),
            invalid("spec.user: Invalid value: \"\": at least one of user or group must be specified"),
        ),
        (
            "LocalSubjectAccessReview",
            json!({"user": "bob", "resourceAttributes": list("other")}),
            invalid("spec.resourceAttributes.namespace: Invalid value: \"other\": must match metadata.namespace"),
        ),
        ("SelfSubjectRulesReview", json!({}), json!("no namespace on request")),
        (
            "SelfSubjectReview",
            json!({}),
            json!({"userInfo": {"username": "alice", "groups": ["system:authenticated"]}}),
        ),
        (
            "TokenReview",
            json!({"token": "bad"}),
            json!({"user": {}, "error": "invalid bearer token"}),
        ),
        (
            "TokenReview",
            json!({"token": "good"}),
            json!({
                "authenticated": true, "user": {"username": "bob", "groups": ["system:authenticated"]},
                "audiences": ["https://kubernetes.default.svc"],
            }),
        ),
    ] {
        assert_eq!(status(kind, spec.clone()), expected, "{kind} {spec}");
    }
}

#[test]
fn rules_reviews_list_what_applies() {
    let roles = fixture();
    let alice = UserInfo::new("alice", &[]);
    let context = ReviewContext {
        source: &roles,
        user: &alice,
        namespace: "",
        now: "",
        authenticate: &|_| None,
    };
    for (namespace, expected) in [("prod", 2), ("dev", 29)] {
        let body = json!({"spec": {"namespace": namespace}});
        let status = review("SelfSubjectRulesReview", &body, &context).unwrap()["status"].clone();
        assert_eq!(
            status["resourceRules"].as_array().unwrap().len(),
            expected,
            "{namespace}"
        );
        assert_eq!(status["nonResourceRules"].as_array().unwrap().len(), 2);
    }
}

#[test]
fn account_tokens_hold_until_they_expire_or_the_account_goes() {
    let tokens = Tokens::new([("fixed".to_owned(), UserInfo::admin())].into(), b"secret");
    let account = Account {
        namespace: "dev",
        name: "bot",
        uid: "u1",
    };
    let start: jiff::Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    let later = |secs: i64| jiff::Timestamp::from_second(start.as_second() + secs).unwrap();
    let answer = tokens
        .request(account, &json!({"spec": {"expirationSeconds": 600}}), "id", start)
        .unwrap();
    assert_eq!(answer["status"]["expirationTimestamp"], "2026-01-01T00:10:00Z");
    let token = answer["status"]["token"].as_str().unwrap();
    let alive = |_: &str, _: &str| Some("u1".to_owned());

    let user = tokens.authenticate(token, later(599), &alive).unwrap();
    assert_eq!(user.username, "system:serviceaccount:dev:bot");
    assert_eq!(user.extra["authentication.kubernetes.io/credential-id"], ["JTI=id"]);
    let others = Tokens::new(BTreeMap::new(), b"other");
    assert_eq!(
        others.authenticate(token, start, &alive),
        None,
        "signed by someone else"
    );
    assert_eq!(tokens.authenticate(token, later(600), &alive), None, "expired");
    assert_eq!(
        tokens.authenticate(token, start, &|_, _| Some("u2".into())),
        None,
        "another account of that name"
    );
    assert_eq!(
        tokens.authenticate(&format!("{token}x"), start, &alive),
        None,
        "tampered with"
    );
    let short = tokens
        .request(account, &json!({"spec": {"expirationSeconds": 10}}), "id", start)
        .unwrap_err();
    assert!(
        short
            .message
            .ends_with("Invalid value: 10: may not specify a duration less than 10 minutes")
    );

    let who = |header: Option<&str>| tokens.user_of(header, start, &alive).map(|user| user.username);
    assert_eq!(who(None).as_deref(), Ok("system:anonymous"));
    assert_eq!(who(Some("Basic Zm9v")).as_deref(), Ok("system:anonymous"));
    assert_eq!(who(Some("bearer fixed")).as_deref(), Ok("system:admin"));
    assert_eq!(who(Some("Bearer nope")).unwrap_err().code, 401);
}
