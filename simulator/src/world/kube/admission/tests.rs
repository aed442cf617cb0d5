//! Webhooks end to end, in process and under paused time, with the texts of a real server.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};

use super::*;
use crate::world::kube::builtin::base64;

/// A router whose paths answer in the ways that webhooks do.
fn router() -> Router {
    async fn respond(Json(review): Json<Value>, extra: Value) -> Json<Value> {
        let mut response = json!({"uid": review["request"]["uid"], "allowed": true});
        for (key, value) in extra.as_object().into_iter().flatten() {
            response[key] = value.clone();
        }
        Json(json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "response": response}))
    }
    let patch = |operations: Value| json!({"patchType": "JSONPatch", "patch": base64::encode(operations.to_string().as_bytes())});
    let ways = [
        ("/allow", json!({})),
        ("/deny", json!({"allowed": false})),
        ("/because", json!({"allowed": false, "status": {"message": "because"}})),
        (
            "/code",
            json!({"allowed": false, "status": {"message": "because", "code": 422, "reason": "Invalid", "details": {"causes": [{"reason": "X", "message": "m", "field": "f"}]}}}),
        ),
        (
            "/warn",
            json!({"warnings": ["careful"], "auditAnnotations": {"k": "v"}}),
        ),
        ("/uid", json!({"uid": "x"})),
        ("/patch", patch(json!([{"op": "add", "path": "/data/x", "value": "y"}]))),
        ("/empty", patch(json!([]))),
        ("/untyped", json!({"patch": "W10="})),
    ];
    let mut router = Router::new();
    for (path, extra) in ways {
        router = router.route(path, post(move |review| respond(review, extra.clone())));
    }
    router
        .route(
            "/500",
            post(|| async { (http::StatusCode::INTERNAL_SERVER_ERROR, Json(json!("boom"))) }),
        )
        .route(
            "/none",
            post(|| async { Json(json!({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"})) }),
        )
        .route(
            "/slow",
            post(|| async { tokio::time::sleep(Duration::from_secs(60)).await }),
        )
        .route(
            "/echo",
            post(|Json(review): Json<Value>| async move {
                let message = format!(
                    "{} {}",
                    review["request"]["resource"]["version"], review["request"]["object"]["apiVersion"]
                );
                respond(Json(review), json!({"allowed": false, "status": {"message": message}})).await
            }),
        )
        .route(
            "/count",
            post(|Json(review): Json<Value>| async move {
                let count = review["request"]["object"]["data"]["count"].as_u64().unwrap_or(0) + 1;
                let operations = json!([{"op": "add", "path": "/data/count", "value": count}]);
                let extra =
                    json!({"patchType": "JSONPatch", "patch": base64::encode(operations.to_string().as_bytes())});
                respond(Json(review), extra).await
            }),
        )
}

fn hook(path: &str, change: Value) -> Value {
    let mut hook = json!({
        "name": "x.example.com", "clientConfig": {"service": {"namespace": "ns", "name": "svc", "path": path}},
        "admissionReviewVersions": ["v1"], "sideEffects": "None",
        "rules": [{"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE", "UPDATE"], "resources": ["configmaps"]}],
    });
    for (key, value) in change.as_object().into_iter().flatten() {
        hook[key] = value.clone();
    }
    hook
}

struct World {
    hooks: Webhooks,
    caller: InProcessCaller,
    gvk: Gvk,
    user: UserInfo,
}

impl World {
    fn new(mutating: Vec<Value>, validating: Vec<Value>) -> Self {
        let caller = InProcessCaller::new();
        caller.add_service("ns", "svc", router());
        let wrap = |hooks: Vec<Value>| json!({"metadata": {"name": "c"}, "webhooks": hooks});
        Self {
            hooks: Webhooks::compile([&wrap(mutating)], [&wrap(validating)]),
            caller,
            gvk: Gvk::new("", "v1", "ConfigMap"),
            user: UserInfo::admin(),
        }
    }

    fn request(&self) -> Request<'_> {
        static LABELS: Value = Value::Null;
        Request {
            gvk: &self.gvk,
            plural: "configmaps",
            subresource: "",
            name: "a",
            namespace: "default",
            operation: Operation::Create,
            user: &self.user,
            dry_run: false,
            options: &LABELS,
            namespace_labels: Some(&LABELS),
            other_versions: &[],
        }
    }

    async fn both(
        &self,
        request: &Request<'_>,
        object: &mut Value,
    ) -> Result<Outcome, crate::world::kube::api_error::ApiError> {
        let number = AtomicU32::new(0);
        let uid = || format!("uid-{}", number.fetch_add(1, Ordering::Relaxed));
        let dispatch = Dispatch {
            webhooks: &self.hooks,
            caller: &self.caller,
            uid: &uid,
        };
        let mut outcome = dispatch.mutate(request, Some(&mut *object), None, &|_| {}).await?;
        let second = dispatch.validate(request, Some(object), None).await?;
        outcome.warnings.extend(second.warnings);
        outcome.audit.extend(second.audit);
        Ok(outcome)
    }
}

fn map() -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "labels": {"l": "v"}}, "data": {"a": "b"}})
}

#[tokio::test(start_paused = true)]
async fn answers_in_the_servers_words() {
    let failed = |text: &str| format!("Internal error occurred: failed calling webhook \"x.example.com\": {text}");
    let cases = [
        (hook("/allow", json!({})), 0, String::new()),
        (
            hook("/deny", json!({})),
            400,
            "admission webhook \"x.example.com\" denied the request without explanation".into(),
        ),
        (
            hook("/because", json!({})),
            400,
            "admission webhook \"x.example.com\" denied the request: because".into(),
        ),
        (
            hook("/code", json!({})),
            422,
            "admission webhook \"x.example.com\" denied the request: because".into(),
        ),
        (
            hook("/uid", json!({})),
            500,
            failed("received invalid webhook response: expected response.uid=\"uid-0\", got \"x\""),
        ),
        (
            hook("/none", json!({})),
            500,
            failed("received invalid webhook response: webhook response was absent"),
        ),
        (
            hook("/patch", json!({})),
            500,
            failed("received invalid webhook response: validating webhook may not return response.patch"),
        ),
        (
            hook("/500", json!({})),
            500,
            failed(
                "failed to call webhook: an error on the server (\"unknown\") has prevented the request from succeeding",
            ),
        ),
        (
            hook("/nowhere", json!({})),
            500,
            failed("failed to call webhook: the server could not find the requested resource"),
        ),
        (
            hook("/slow", json!({"timeoutSeconds": 2})),
            500,
            failed(
                "failed to call webhook: Post \"https://svc.ns.svc:443/slow?timeout=2s\": context deadline exceeded",
            ),
        ),
        (
            hook("/slow", json!({"timeoutSeconds": 2, "failurePolicy": "Ignore"})),
            0,
            String::new(),
        ),
        (
            hook(
                "",
                json!({"clientConfig": {"service": {"namespace": "ns", "name": "no"}}}),
            ),
            500,
            failed("failed to call webhook: Post \"https://no.ns.svc:443?timeout=10s\": service \"no\" not found"),
        ),
        (
            hook("", json!({"clientConfig": {"url": "https://h:1/p"}})),
            500,
            failed(
                "failed to call webhook: Post \"https://h:1/p?timeout=10s\": dial tcp h:1: connect: connection refused",
            ),
        ),
        (
            hook(
                "/deny",
                json!({"matchConditions": [{"name": "c", "expression": "object.data.a == 'z'"}]}),
            ),
            0,
            String::new(),
        ),
        (
            hook(
                "/deny",
                json!({"matchConditions": [{"name": "c", "expression": "object.data.q == 'z'"}]}),
            ),
            403,
            "configmaps \"a\" is forbidden: expression 'object.data.q == 'z'' resulted in error: no such key: q".into(),
        ),
        (
            hook(
                "/deny",
                json!({"matchConditions": [{"name": "c", "expression": "request.userInfo.username == 'nobody' || request.operation != 'CREATE'"}]}),
            ),
            0,
            String::new(),
        ),
    ];
    for (hook, code, text) in cases {
        let world = World::new(vec![], vec![hook.clone()]);
        let result = world.both(&world.request(), &mut map()).await;
        let got = result.map_or_else(|error| (error.code, error.message), |_| (0, String::new()));
        assert_eq!(got, (code, text), "{hook}");
    }
}

#[tokio::test(start_paused = true)]
async fn requests_are_matched() {
    let rule = |change: Value| {
        let mut rule =
            json!({"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"]});
        for (key, value) in change.as_object().into_iter().flatten() {
            rule[key] = value.clone();
        }
        json!({"rules": [rule]})
    };
    let cases = [
        (rule(json!({})), true),
        (rule(json!({"operations": ["DELETE"]})), false),
        (
            rule(json!({"operations": ["*"], "apiGroups": ["*"], "resources": ["*"]})),
            true,
        ),
        (rule(json!({"resources": ["configmaps/status"]})), false),
        (rule(json!({"resources": ["*/*"]})), true),
        (rule(json!({"scope": "Cluster"})), false),
        (rule(json!({"scope": "Namespaced"})), true),
        (rule(json!({"apiVersions": ["v2"]})), false),
        (json!({"objectSelector": {"matchLabels": {"l": "v"}}}), true),
        (json!({"objectSelector": {"matchLabels": {"l": "w"}}}), false),
        (json!({"namespaceSelector": {"matchLabels": {"n": "v"}}}), true),
        (
            json!({"namespaceSelector": {"matchExpressions": [{"key": "n", "operator": "DoesNotExist"}]}}),
            false,
        ),
    ];
    let labels = json!({"n": "v"});
    for (change, called) in cases {
        let world = World::new(vec![], vec![hook("/deny", change.clone())]);
        let request = Request {
            namespace_labels: Some(&labels),
            ..world.request()
        };
        assert_eq!(world.both(&request, &mut map()).await.is_err(), called, "{change}");
    }
    let world = World::new(vec![], vec![hook("/deny", json!({}))]);
    assert!(world.hooks.concern("", "configmaps"));
    assert!(!world.hooks.concern("", "pods"));
    let status = Request {
        subresource: "status",
        ..world.request()
    };
    assert!(world.both(&status, &mut map()).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn other_versions_are_shown_in_the_rules_version() {
    let rules = json!([{"apiGroups": ["kaito.sh"], "apiVersions": ["v1beta1"], "operations": ["*"], "resources": ["workspaces"]}]);
    for (policy, denied) in [("Equivalent", true), ("Exact", false)] {
        let mut world = World::new(
            vec![],
            vec![hook("/echo", json!({"rules": rules, "matchPolicy": policy}))],
        );
        world.gvk = Gvk::new("kaito.sh", "v1alpha1", "Workspace");
        let versions = ["v1alpha1".to_owned(), "v1beta1".to_owned()];
        let request = Request {
            plural: "workspaces",
            other_versions: &versions,
            ..world.request()
        };
        let mut object = json!({"apiVersion": "kaito.sh/v1alpha1", "kind": "Workspace", "metadata": {"name": "a"}});
        let result = world.both(&request, &mut object).await;
        assert_eq!(result.is_err(), denied);
        if let Err(error) = result {
            assert!(
                error
                    .message
                    .ends_with("denied the request: \"v1beta1\" \"kaito.sh/v1beta1\""),
                "{}",
                error.message
            );
        }
    }
}

#[tokio::test(start_paused = true)]
async fn objects_are_changed() {
    let world = World::new(vec![hook("/patch", json!({})), hook("/warn", json!({}))], vec![]);
    let mut object = map();
    let outcome = world.both(&world.request(), &mut object).await.unwrap();
    assert_eq!(object["data"], json!({"a": "b", "x": "y"}));
    assert!(outcome.changed);
    assert_eq!(outcome.warnings, ["careful"]);
    assert_eq!(outcome.audit, [("x.example.com/k".to_owned(), "v".to_owned())]);

    let untyped = World::new(vec![hook("/untyped", json!({}))], vec![]);
    let error = untyped.both(&untyped.request(), &mut map()).await.unwrap_err();
    assert!(
        error
            .message
            .ends_with("received invalid webhook response: webhook returned response.patch but not response.patchType")
    );
}

#[tokio::test(start_paused = true)]
async fn a_later_change_calls_again_who_asked_for_it() {
    let first = hook("/count", json!({"reinvocationPolicy": "IfNeeded"}));
    for (second, count) in [("/patch", 2), ("/empty", 1)] {
        let world = World::new(vec![first.clone(), hook(second, json!({}))], vec![]);
        let mut object = map();
        world.both(&world.request(), &mut object).await.unwrap();
        assert_eq!(object["data"]["count"], count, "{second}");
    }
}

#[tokio::test(start_paused = true)]
async fn dry_runs_call_only_the_harmless() {
    let world = World::new(vec![], vec![hook("/allow", json!({"sideEffects": "Some"}))]);
    let request = Request {
        dry_run: true,
        ..world.request()
    };
    let error = world.both(&request, &mut map()).await.unwrap_err();
    assert_eq!(
        (error.code, error.message.as_str()),
        (400, "admission webhook \"x.example.com\" does not support dry run")
    );
    let configurations = Gvk::new("admissionregistration.k8s.io", "v1", "ValidatingWebhookConfiguration");
    let all = json!([{"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*"]}]);
    let world = World::new(vec![], vec![hook("/deny", json!({"rules": all}))]);
    let request = Request {
        gvk: &configurations,
        plural: "validatingwebhookconfigurations",
        namespace: "",
        ..world.request()
    };
    assert!(world.both(&request, &mut map()).await.is_ok());
}

#[test]
fn configurations_get_defaults() {
    let mut configuration = json!({"kind": "MutatingWebhookConfiguration", "webhooks": [hook("/x", json!({}))]});
    default_configuration(&mut configuration);
    let got = &configuration["webhooks"][0];
    let want = json!({"failurePolicy": "Fail", "matchPolicy": "Equivalent", "namespaceSelector": {}, "objectSelector": {},
        "timeoutSeconds": 10, "reinvocationPolicy": "Never"});
    for (key, value) in want.as_object().unwrap() {
        assert_eq!(&got[key], value);
    }
    assert_eq!(got["rules"][0]["scope"], "*");
    assert_eq!(got["clientConfig"]["service"]["port"], 443);
}
