//! Whatever a client sends gets an answer in the API's own form, and the server goes on.
#![allow(clippy::unwrap_used, reason = "helpers of tests: a panic is a failed test")]

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt, Full};
use proptest::prelude::*;
use serde_json::{Value, json};
use simulator::world::kube::auth::UserInfo;
use simulator::world::kube::server::{ApiServer, ServerConfig};
use simulator::world::run::World;
use tower::ServiceExt;

/// What one request got: its code, and its body if it ends.
async fn send(server: &ApiServer, request: Request<Full<Bytes>>) -> (u16, Bytes) {
    let Ok(response) = server.service_as(UserInfo::admin()).oneshot(request).await;
    let code = response.status().as_u16();
    // A watch goes on; what is there at once is enough. Time is paused: the limit passes when nothing else happens.
    let body = tokio::time::timeout(Duration::from_secs(1), response.into_body().collect()).await;
    (
        code,
        body.map_or_else(
            |_| Bytes::new(),
            |body| body.map(|body| body.to_bytes()).unwrap_or_default(),
        ),
    )
}

fn request(method: &Method, uri: &str, headers: &[(&str, String)], body: Vec<u8>) -> Option<Request<Full<Bytes>>> {
    let mut builder = Request::builder().method(method.clone()).uri(uri);
    for (name, value) in headers {
        builder = builder.header(*name, value.as_bytes());
    }
    builder.body(Full::new(Bytes::from(body))).ok()
}

/// Sends one request to a fresh server and says what is wrong with the answer.
fn misbehaviour(method: &Method, uri: &str, headers: &[(&str, String)], body: Vec<u8>) -> Option<String> {
    let request = request(method, uri, headers, body)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let server = ApiServer::new(ServerConfig::new(World::new(1, 1.0)));
        let (code, body) = send(&server, request).await;
        let text = String::from_utf8_lossy(&body);
        if code == 500 && text.contains("panicked") {
            return Some(format!("a handler panicked: {text}"));
        }
        let status: Option<Value> = serde_json::from_slice(&body).ok();
        let is_status = status.is_some_and(|status| status["kind"] == "Status" && status["code"] == code);
        if code >= 400
            && !is_status
            && !text.contains("404 page not found")
            && !text.contains("kind: Status")
            && !body.is_empty()
        {
            return Some(format!("{code} without a Status: {text}"));
        }
        let map = json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "after" } }).to_string();
        let maps = "/api/v1/namespaces/default/configmaps";
        let probe = self::request(&Method::POST, maps, &[], map.into_bytes())?;
        let (code, text) = send(&server, probe).await;
        (code != 201 && code != 409)
            .then(|| format!("the server does not go on: {code} {}", String::from_utf8_lossy(&text)))
    })
}

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-z0-9./:$-]{0,12}".prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 40, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(field_name(), inner, 0..6).prop_map(|map| map.into_iter().collect()),
        ]
    })
}

/// Names that the server knows are more dangerous than others.
fn field_name() -> impl Strategy<Value = String> {
    let known = [
        "metadata",
        "name",
        "namespace",
        "labels",
        "annotations",
        "finalizers",
        "ownerReferences",
        "managedFields",
        "resourceVersion",
        "uid",
        "generateName",
        "spec",
        "status",
        "template",
        "selector",
        "matchLabels",
        "matchExpressions",
        "containers",
        "initContainers",
        "volumes",
        "env",
        "ports",
        "resources",
        "limits",
        "requests",
        "replicas",
        "strategy",
        "versions",
        "schema",
        "openAPIV3Schema",
        "properties",
        "items",
        "x-kubernetes-validations",
        "rule",
        "pattern",
        "default",
        "enum",
        "data",
        "$patch",
        "$setElementOrder/containers",
        "fieldsV1",
        "f:spec",
        "manager",
    ];
    prop_oneof![4 => prop::sample::select(known.to_vec()).prop_map(str::to_owned), 1 => "\\PC{0,10}"]
}

fn any_path() -> impl Strategy<Value = String> {
    let starts = [
        "/api/v1/namespaces/default/pods",
        "/api/v1/namespaces/default/configmaps/a",
        "/api/v1/nodes",
        "/api/v1/namespaces",
        "/apis/apps/v1/namespaces/default/deployments",
        "/apis/apps/v1/namespaces/default/deployments/a/scale",
        "/apis/apiextensions.k8s.io/v1/customresourcedefinitions",
        "/apis/batch/v1/jobs",
        "/api/v1/watch/pods",
        "/apis/rbac.authorization.k8s.io/v1/clusterroles/admin",
        "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
        "/api/v1/namespaces/default/pods/a/log",
        "/api/v1/namespaces/default/services/kubernetes/proxy",
        "/openapi/v3",
        "/apis",
        "/",
        "/api/v1/namespaces/default/serviceaccounts/default/token",
        "/api/v1/namespaces/default/pods/a/eviction",
    ];
    (prop::sample::select(starts.to_vec()), "(/[a-zA-Z0-9%._:~-]{0,12}){0,3}")
        .prop_map(|(start, tail)| format!("{start}{tail}"))
}

fn any_query() -> impl Strategy<Value = String> {
    let keys = [
        "labelSelector",
        "fieldSelector",
        "limit",
        "continue",
        "resourceVersion",
        "resourceVersionMatch",
        "watch",
        "timeoutSeconds",
        "allowWatchBookmarks",
        "sendInitialEvents",
        "dryRun",
        "fieldManager",
        "fieldValidation",
        "force",
        "propagationPolicy",
        "gracePeriodSeconds",
        "tailLines",
        "container",
        "includeObject",
    ];
    let values = prop_oneof![
        "[a-z0-9=!,()%-]{0,16}",
        "-?[0-9]{1,20}",
        Just("true".to_owned()),
        Just("All".to_owned()),
        Just("Exact".to_owned())
    ];
    prop::collection::vec((prop::sample::select(keys.to_vec()), values), 0..4).prop_map(|pairs| {
        pairs
            .into_iter()
            .map(|(key, value)| format!("{key}={value}"))
            .collect::<Vec<_>>()
            .join("&")
    })
}

fn any_headers() -> impl Strategy<Value = Vec<(&'static str, String)>> {
    let kinds = [
        "application/json",
        "application/yaml",
        "application/json-patch+json",
        "application/merge-patch+json",
        "application/strategic-merge-patch+json",
        "application/apply-patch+yaml",
        "application/vnd.kubernetes.protobuf",
        "text/html",
    ];
    let accepts = [
        "application/json",
        "application/yaml",
        "application/json;as=Table;v=v1;g=meta.k8s.io",
        "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io",
        "application/vnd.kubernetes.protobuf",
        "*/*",
        "x",
    ];
    (
        prop::sample::select(kinds.to_vec()),
        prop::sample::select(accepts.to_vec()),
        "[a-z:]{0,12}",
    )
        .prop_map(|(kind, accept, user)| {
            let mut headers = vec![("content-type", kind.to_owned()), ("accept", accept.to_owned())];
            if !user.is_empty() {
                headers.push(("impersonate-user", user));
            }
            headers
        })
}

fn any_body() -> impl Strategy<Value = Vec<u8>> {
    let kinds = [
        "Pod",
        "Deployment",
        "CustomResourceDefinition",
        "Job",
        "Service",
        "ConfigMap",
    ];
    let typed = (prop::sample::select(kinds.to_vec()), any_json(), any_json()).prop_map(|(kind, metadata, spec)| {
        let api = match kind {
            "Deployment" => "apps/v1",
            "Job" => "batch/v1",
            "CustomResourceDefinition" => "apiextensions.k8s.io/v1",
            _ => "v1",
        };
        json!({ "apiVersion": api, "kind": kind, "metadata": metadata, "spec": spec })
            .to_string()
            .into_bytes()
    });
    let patch = prop::collection::vec(
        (
            "(add|remove|replace|move|copy|test)",
            "(/[a-z0-9~-]{0,8}){0,5}",
            any_json(),
        ),
        0..5,
    )
    .prop_map(|steps| {
        let steps = steps
            .into_iter()
            .map(|(op, path, value)| json!({ "op": op, "path": path, "from": "/spec", "value": value }));
        Value::from_iter(steps).to_string().into_bytes()
    });
    prop_oneof![
        3 => typed,
        2 => any_json().prop_map(|value| value.to_string().into_bytes()),
        1 => patch,
        1 => prop::collection::vec(any::<u8>(), 0..200),
        1 => "(\\[|\\{|: |- |&a |\\*a |\n|[a-z]){0,60}".prop_map(String::into_bytes),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 384, max_shrink_iters: 200, ..ProptestConfig::default() })]
    #[test]
    fn every_request_is_answered(
        method in prop::sample::select(&["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"][..]),
        path in any_path(),
        query in any_query(),
        headers in any_headers(),
        body in any_body(),
    ) {
        let method: Method = method.parse().unwrap();
        let wrong = misbehaviour(&method, &format!("{path}?{query}"), &headers, body);
        prop_assert!(wrong.is_none(), "{}", wrong.unwrap_or_default());
    }
}

/// Sends a body to a path; answers the code and the message.
fn answer(method: &Method, uri: &str, content_type: &str, body: Vec<u8>) -> (u16, String) {
    let headers = [("content-type", content_type.to_owned())];
    let request = request(method, uri, &headers, body).unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let server = ApiServer::new(ServerConfig::new(World::new(1, 1.0)));
        let (code, body) = send(&server, request).await;
        let status: Value = serde_json::from_slice(&body).unwrap_or_default();
        (code, status["message"].as_str().unwrap_or_default().to_owned())
    })
}

#[test]
fn the_usual_attacks_get_the_real_servers_codes() {
    let maps = "/api/v1/namespaces/default/configmaps";
    let huge = vec![b'a'; 4 << 20];
    let deep = format!("{}1{}", "[".repeat(100_000), "]".repeat(100_000)).into_bytes();
    // Each line stands for nine of the line before.
    let level = |i: usize| {
        let before = if i == 0 {
            "*a".to_owned()
        } else {
            format!("*b{}", i - 1)
        };
        format!("b{i}: &b{i} [{}]\n", vec![before; 9].join(", "))
    };
    let bomb = format!("a: &a [x, x]\n{}", (0..30).map(level).collect::<String>());
    type Case = (&'static Method, &'static str, &'static str, Vec<u8>, u16, &'static str);
    let cases: [Case; 9] = [
        (
            &Method::POST,
            maps,
            "application/json",
            huge,
            413,
            "Request entity too large: limit is 3145728",
        ),
        (
            &Method::POST,
            maps,
            "application/json",
            deep.clone(),
            400,
            "json parse error",
        ),
        (&Method::POST, maps, "application/yaml", deep, 400, ""),
        (&Method::POST, maps, "application/yaml", bomb.into_bytes(), 400, ""),
        (
            &Method::POST,
            maps,
            "application/json",
            b"{".to_vec(),
            400,
            "json parse error",
        ),
        (&Method::POST, maps, "text/html", b"{}".to_vec(), 415, "unknown format"),
        (
            &Method::POST,
            "/api/v1/namespaces/default/things",
            "application/json",
            b"{}".to_vec(),
            404,
            "could not find",
        ),
        (
            &Method::GET,
            "/api/v1/pods?labelSelector=a%20in%20(",
            "application/json",
            vec![],
            400,
            "unable to parse requirement",
        ),
        (
            &Method::GET,
            "/api/v1/pods?continue=%00%ff",
            "application/json",
            vec![],
            400,
            "continue key is not valid",
        ),
    ];
    for (method, uri, content_type, body, code, text) in cases {
        let (actual, message) = answer(method, uri, content_type, body);
        assert_eq!(actual, code, "{uri}: {message}");
        assert!(message.contains(text), "{uri}: {message}");
    }
}
