//! kube-rs on the simulated API server, in-process, under paused time: nothing of kube is replaced.
#![allow(clippy::unwrap_used, reason = "helpers of tests: a panic is a failed test")]

use std::collections::BTreeMap;
use std::time::Duration;

use futures::{StreamExt, TryStreamExt, pin_mut};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace, ServiceAccount};
use kube::api::{Api, DeleteParams, ListParams, ObjectMeta, Patch, PatchParams, PostParams, WatchEvent, WatchParams};
use kube::runtime::{WatchStreamExt, reflector, watcher};
use kube::{Client, ResourceExt};
use serde_json::json;
use simulator::world::kube::auth::UserInfo;
use simulator::world::kube::server::faults::{Fault, Rule};
use simulator::world::kube::server::{ApiServer, ServerConfig, Verb};
use simulator::world::run::World;

fn server() -> ApiServer {
    ApiServer::new(ServerConfig::new(World::new(1, 1.0)))
}

fn client(server: &ApiServer) -> Client {
    server.client(UserInfo::admin())
}

fn config_map(name: &str, value: &str) -> ConfigMap {
    ConfigMap {
        metadata: ObjectMeta {
            name: Some(name.into()),
            ..ObjectMeta::default()
        },
        data: Some(BTreeMap::from([("key".to_owned(), value.to_owned())])),
        ..ConfigMap::default()
    }
}

#[tokio::test(start_paused = true)]
async fn objects_come_change_and_go() {
    let maps: Api<ConfigMap> = Api::default_namespaced(client(&server()));
    let made = maps
        .create(&PostParams::default(), &config_map("a", "1"))
        .await
        .unwrap();
    assert!(made.uid().is_some() && made.resource_version().is_some());
    let error = maps
        .create(&PostParams::default(), &config_map("a", "1"))
        .await
        .unwrap_err();
    assert!(
        matches!(&error, kube::Error::Api(status) if status.reason == "AlreadyExists"),
        "{error}"
    );
    let mut changed = made.clone();
    changed.data = config_map("a", "2").data;
    let changed = maps.replace("a", &PostParams::default(), &changed).await.unwrap();
    let stale = maps.replace("a", &PostParams::default(), &made).await.unwrap_err();
    assert!(
        matches!(&stale, kube::Error::Api(status) if status.code == 409),
        "{stale}"
    );
    assert_ne!(made.resource_version(), changed.resource_version());
    let same = maps.replace("a", &PostParams::default(), &changed).await.unwrap();
    assert_eq!(
        same.resource_version(),
        changed.resource_version(),
        "a write that changes nothing is none"
    );
    maps.delete("a", &DeleteParams::default()).await.unwrap();
    assert!(maps.get_opt("a").await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn names_are_generated_and_dry_runs_leave_nothing() {
    let maps: Api<ConfigMap> = Api::default_namespaced(client(&server()));
    let mut nameless = config_map("", "1");
    nameless.metadata.name = None;
    nameless.metadata.generate_name = Some("web-".into());
    let made = maps.create(&PostParams::default(), &nameless).await.unwrap();
    assert!(made.name_any().starts_with("web-") && made.name_any().len() == 9);
    maps.create(
        &PostParams {
            dry_run: true,
            ..PostParams::default()
        },
        &config_map("dry", "1"),
    )
    .await
    .unwrap();
    assert!(maps.get_opt("dry").await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn pages_are_one_state() {
    let server = server();
    let maps: Api<ConfigMap> = Api::default_namespaced(client(&server));
    for index in 0..7 {
        maps.create(&PostParams::default(), &config_map(&format!("m{index}"), "1"))
            .await
            .unwrap();
    }
    let first = maps.list(&ListParams::default().limit(3)).await.unwrap();
    let token = first.metadata.continue_.clone().unwrap();
    assert_eq!(first.metadata.remaining_item_count, Some(4));
    maps.delete("m5", &DeleteParams::default()).await.unwrap();
    maps.create(&PostParams::default(), &config_map("m9", "1"))
        .await
        .unwrap();
    let rest = maps
        .list(&ListParams::default().limit(100).continue_token(&token))
        .await
        .unwrap();
    let names: Vec<String> = rest.iter().map(ResourceExt::name_any).collect();
    assert_eq!(names, ["m3", "m4", "m5", "m6"]);
    assert_eq!(rest.metadata.resource_version, first.metadata.resource_version);
}

#[tokio::test(start_paused = true)]
async fn a_watch_tells_of_entering_and_leaving_a_selection() {
    let maps: Api<ConfigMap> = Api::default_namespaced(client(&server()));
    let list = maps.list(&ListParams::default()).await.unwrap();
    let params = WatchParams::default().labels("tier=front").timeout(10);
    let watch = maps
        .watch(&params, &list.metadata.resource_version.unwrap())
        .await
        .unwrap();
    let label = |value: &str| Patch::Merge(json!({ "metadata": { "labels": { "tier": value } } }));
    maps.create(&PostParams::default(), &config_map("a", "1"))
        .await
        .unwrap();
    for value in ["front", "back"] {
        maps.patch("a", &PatchParams::default(), &label(value)).await.unwrap();
    }
    let events: Vec<WatchEvent<ConfigMap>> = watch.try_collect().await.unwrap();
    let kinds: Vec<&str> = events
        .iter()
        .map(|event| match event {
            WatchEvent::Added(_) => "added",
            WatchEvent::Modified(_) => "modified",
            WatchEvent::Deleted(_) => "deleted",
            WatchEvent::Bookmark(_) => "bookmark",
            WatchEvent::Error(_) => "error",
        })
        .collect();
    // Two seconds before its end a watch is told how far it has come.
    assert_eq!(kinds, ["added", "deleted", "bookmark"]);
}

#[tokio::test(start_paused = true)]
async fn a_reflector_recovers_from_compaction_and_broken_watches() {
    let server = ApiServer::new(ServerConfig {
        history: 4,
        ..ServerConfig::new(World::new(1, 1.0))
    });
    let maps: Api<ConfigMap> = Api::default_namespaced(client(&server));
    let (reader, writer) = reflector::store();
    let stream = reflector(writer, watcher(maps.clone(), watcher::Config::default())).default_backoff();
    let task = tokio::spawn(stream.for_each(|_| std::future::ready(())));
    reader.wait_until_ready().await.unwrap();
    for index in 0..5 {
        maps.create(&PostParams::default(), &config_map(&format!("a{index}"), "1"))
            .await
            .unwrap();
    }
    server.faults().plant(
        Fault::WatchDrop,
        Rule {
            verb: Some(Verb::Watch),
            times: 2,
            ..Rule::default()
        },
    );
    for index in 0..5 {
        maps.create(&PostParams::default(), &config_map(&format!("b{index}"), "1"))
            .await
            .unwrap();
    }
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert_eq!(reader.state().len(), 10);
    task.abort();
}

#[tokio::test(start_paused = true)]
async fn a_streaming_list_ends_with_its_bookmark() {
    let maps: Api<ConfigMap> = Api::default_namespaced(client(&server()));
    maps.create(&PostParams::default(), &config_map("a", "1"))
        .await
        .unwrap();
    let config = watcher::Config::default().streaming_lists();
    let events = watcher(maps.clone(), config).applied_objects();
    pin_mut!(events);
    assert_eq!(events.try_next().await.unwrap().unwrap().name_any(), "a");
    maps.create(&PostParams::default(), &config_map("b", "1"))
        .await
        .unwrap();
    assert_eq!(events.try_next().await.unwrap().unwrap().name_any(), "b");
}

#[tokio::test(start_paused = true)]
async fn server_side_apply_knows_owners() {
    let maps: Api<ConfigMap> = Api::default_namespaced(client(&server()));
    let apply = |value: &str| {
        Patch::Apply(
            json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "a" }, "data": { "key": value } }),
        )
    };
    let first = maps.patch("a", &PatchParams::apply("one"), &apply("1")).await.unwrap();
    let again = maps.patch("a", &PatchParams::apply("one"), &apply("1")).await.unwrap();
    assert_eq!(first.resource_version(), again.resource_version());
    let error = maps
        .patch("a", &PatchParams::apply("two"), &apply("2"))
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("conflict with \"one\": .data.key"),
        "{error}"
    );
    maps.patch("a", &PatchParams::apply("two").force(), &apply("2"))
        .await
        .unwrap();
    let owners = maps.get("a").await.unwrap().metadata.managed_fields.unwrap();
    assert_eq!(
        owners
            .iter()
            .map(|owner| owner.manager.clone().unwrap())
            .collect::<Vec<_>>(),
        ["two"]
    );
}

#[tokio::test(start_paused = true)]
async fn finalizers_hold_an_object_until_they_are_gone() {
    let maps: Api<ConfigMap> = Api::default_namespaced(client(&server()));
    let mut held = config_map("a", "1");
    held.metadata.finalizers = Some(vec!["example.com/hold".into()]);
    maps.create(&PostParams::default(), &held).await.unwrap();
    let deleted = maps.delete("a", &DeleteParams::default()).await.unwrap();
    assert!(deleted.left().unwrap().metadata.deletion_timestamp.is_some());
    let more = Patch::Merge(json!({ "metadata": { "finalizers": ["example.com/hold", "example.com/more"] } }));
    let error = maps.patch("a", &PatchParams::default(), &more).await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("no new finalizers can be added if the object is being deleted"),
        "{error}"
    );
    let free = Patch::Merge(json!({ "metadata": { "finalizers": null } }));
    maps.patch("a", &PatchParams::default(), &free).await.unwrap();
    assert!(maps.get_opt("a").await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_missing_namespace_and_a_missing_right_are_told() {
    let server = server();
    let nowhere: Api<ConfigMap> = Api::namespaced(client(&server), "nowhere");
    let error = nowhere
        .create(&PostParams::default(), &config_map("a", "1"))
        .await
        .unwrap_err();
    assert!(
        error.to_string().contains("namespaces \"nowhere\" not found: NotFound"),
        "{error}"
    );
    let alice = server.client(UserInfo::new("alice", &[]));
    let error = Api::<Namespace>::all(alice)
        .list(&ListParams::default())
        .await
        .unwrap_err();
    assert!(error.to_string().contains("namespaces is forbidden: User \"alice\" cannot list resource \"namespaces\" in API group \"\" at the cluster scope"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn faults_hit_the_requests_that_they_name() {
    let server = server();
    let maps: Api<ConfigMap> = Api::default_namespaced(client(&server));
    let rule = Rule {
        verb: Some(Verb::Create),
        plural: "configmaps".into(),
        times: 1,
        ..Rule::default()
    };
    server.faults().plant(Fault::ErrorAfterCommit, rule.clone());
    assert!(
        maps.create(&PostParams::default(), &config_map("a", "1"))
            .await
            .is_err()
    );
    assert!(maps.get_opt("a").await.unwrap().is_some(), "the write was done");
    server.faults().plant(Fault::ErrorBeforeCommit, rule);
    assert!(
        maps.create(&PostParams::default(), &config_map("b", "1"))
            .await
            .is_err()
    );
    assert!(maps.get_opt("b").await.unwrap().is_none());
    maps.create(&PostParams::default(), &config_map("b", "1"))
        .await
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn webhooks_are_asked_and_their_failures_obey_the_policy() {
    use axum::routing::post;
    use simulator::world::kube::admission::InProcessCaller;

    let server = server();
    let caller = InProcessCaller::new();
    let answer = |axum::Json(review): axum::Json<serde_json::Value>| async move {
        let allowed = review["request"]["object"]["data"]["key"] != "bad";
        axum::Json(json!({
            "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
            "response": {
                "uid": review["request"]["uid"], "allowed": allowed, "warnings": ["looked at"],
                "status": { "code": 400, "message": "bad is not welcome" },
            },
        }))
    };
    caller.add_service("ops", "guard", axum::Router::new().route("/check", post(answer)));
    server.plugs().set_webhooks(std::sync::Arc::new(caller));
    let hook = |name: &str, service: &str, policy: &str| {
        json!({
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "ValidatingWebhookConfiguration",
            "metadata": { "name": name },
            "webhooks": [{
                "name": format!("{name}.example.com"), "sideEffects": "None", "admissionReviewVersions": ["v1"],
                "failurePolicy": policy, "timeoutSeconds": 3,
                "clientConfig": { "service": { "namespace": "ops", "name": service, "path": "/check" } },
                "rules": [{ "apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["configmaps"] }],
            }],
        })
    };
    let hooks = server.door(
        UserInfo::admin(),
        server
            .resource("admissionregistration.k8s.io", "v1", "validatingwebhookconfigurations")
            .unwrap(),
    );
    hooks.create(hook("guard", "guard", "Fail")).await.unwrap();
    let maps: Api<ConfigMap> = Api::default_namespaced(client(&server));
    maps.create(&PostParams::default(), &config_map("good", "1"))
        .await
        .unwrap();
    let error = maps
        .create(&PostParams::default(), &config_map("bad", "bad"))
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("admission webhook \"guard.example.com\" denied the request: bad is not welcome"),
        "{error}"
    );
    hooks.create(hook("nobody", "nobody", "Ignore")).await.unwrap();
    maps.create(&PostParams::default(), &config_map("still-good", "1"))
        .await
        .unwrap();
    let rule = Rule {
        verb: Some(Verb::Create),
        times: 1,
        ..Rule::default()
    };
    server.faults().plant(Fault::WebhookTimeout, rule);
    let error = maps
        .create(&PostParams::default(), &config_map("late", "1"))
        .await
        .unwrap_err();
    assert!(
        error
            .to_string()
            .contains("failed calling webhook \"guard.example.com\""),
        "{error}"
    );
}

#[tokio::test(start_paused = true)]
async fn wait_sees_conditions_come_true() {
    use kube::runtime::wait::{await_condition, conditions};

    let maps: Api<ConfigMap> = Api::default_namespaced(client(&server()));
    let made = maps
        .create(&PostParams::default(), &config_map("a", "1"))
        .await
        .unwrap();
    let late = maps.clone();
    tokio::spawn(async move {
        tokio::time::sleep(Duration::from_secs(3_600)).await;
        late.delete("a", &DeleteParams::default()).await.unwrap();
    });
    let uid = made.uid().unwrap();
    let gone = await_condition(maps, "a", conditions::is_deleted(&uid));
    tokio::time::timeout(Duration::from_secs(4_000), gone)
        .await
        .unwrap()
        .unwrap();
}

/// Method, path, patch type, body, and what a real server answers: code and the start of the message. `@` is the
/// namespace's path.
const REFUSALS: &str = r#"
POST|@/configmaps||{"metadata":{"name":"b","resourceVersion":"5"}}|500|resourceVersion should not be set on objects to be created
PUT|@/configmaps/a||{}|400|the name of the object (a based on URL) was undeterminable: name must be provided
PUT|@/configmaps/a||{"metadata":{"name":"a","uid":"x"}}|409|Operation cannot be fulfilled on configmaps "a": StorageError: invalid object, Code: 4, Key: /registry/configmaps/default/a, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID in precondition: x, UID in object meta:
PUT|@/configmaps/a||{"metadata":{"name":"a","resourceVersion":"x"}}|500|strconv.ParseUint: parsing "x": invalid syntax
PUT|@/configmaps/a||{"kind":"Secret","metadata":{"name":"a"}}|400|Secret in version "v1" cannot be handled as a ConfigMap: converting (v1.Secret) to (core.ConfigMap): unknown conversion
PATCH|@/configmaps/a|merge|{"metadata":{"name":"z"}}|400|the name of the object (z) does not match the name on the URL (a)
PATCH|@/configmaps/a|merge|{"metadata":{"namespace":"z"}}|400|the namespace of the provided object does not match the namespace sent on the request
PATCH|@/configmaps/a|merge|{"metadata":{"uid":"z"}}|422|ConfigMap "a" is invalid: metadata.uid: Invalid value: "z": field is immutable
PATCH|@/configmaps/a|merge|{"data":{"key":1}}|422| "" is invalid: patch: Invalid value: "{
DELETE|@/configmaps/a||{"preconditions":{"uid":"x"}}|409|Operation cannot be fulfilled on ConfigMap "a": the UID in the precondition (x) does not match the UID in record (
DELETE|/api/v1/namespaces/kube-system||{}|403|namespaces "kube-system" is forbidden: this namespace may not be deleted
POST|@/serviceaccounts/default/token||{"spec":{"boundObjectRef":{"kind":"Pod","name":"none"}}}|404|pods "none" not found
"#;

#[tokio::test(start_paused = true)]
async fn refusals_are_worded_as_the_real_server_words_them() {
    let client = client(&server());
    let maps: Api<ConfigMap> = Api::default_namespaced(client.clone());
    maps.create(&PostParams::default(), &config_map("a", "1"))
        .await
        .unwrap();
    default_account(&client).await;
    for case in REFUSALS.lines().filter(|line| !line.is_empty()) {
        let [method, path, patch, body, code, message] = case.split('|').collect::<Vec<_>>()[..] else {
            panic!("six columns: {case}");
        };
        let content_type = if patch.is_empty() {
            "application/json"
        } else {
            "application/merge-patch+json"
        };
        let request = http::Request::builder()
            .method(method)
            .uri(path.replace('@', "/api/v1/namespaces/default"))
            .header("content-type", content_type)
            .body(body.to_owned().into_bytes())
            .unwrap();
        let error = client.request::<serde_json::Value>(request).await.unwrap_err();
        let kube::Error::Api(status) = error else {
            panic!("{case}: {error}");
        };
        assert_eq!(status.code.to_string(), code, "{case}: {}", status.message);
        assert!(status.message.starts_with(message), "{case}: {}", status.message);
    }
}

async fn default_account(client: &Client) {
    let accounts: Api<ServiceAccount> = Api::default_namespaced(client.clone());
    let account = json!({"metadata": {"name": "default"}});
    accounts
        .create(&PostParams::default(), &serde_json::from_value(account).unwrap())
        .await
        .unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_pod_is_marked_before_it_goes_and_is_the_answer() {
    use k8s_openapi::api::core::v1::Pod;

    let client = client(&server());
    default_account(&client).await;
    let pods: Api<Pod> = Api::default_namespaced(client.clone());
    let maps: Api<ConfigMap> = Api::default_namespaced(client);
    let pod = json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
    let made = pods
        .create(&PostParams::default(), &serde_json::from_value(pod).unwrap())
        .await
        .unwrap();
    let answer = pods.delete("p", &DeleteParams::default()).await.unwrap();
    let last = answer.left().expect("a pod is answered with itself");
    assert_eq!(last.metadata.deletion_grace_period_seconds, Some(0));
    let since = made.resource_version().unwrap();
    let stream = pods.watch(&WatchParams::default().timeout(1), &since).await.unwrap();
    let events: Vec<_> = stream.try_collect().await.unwrap();
    assert!(
        matches!(events.as_slice(), [WatchEvent::Modified(marked), WatchEvent::Deleted(_)] if marked.metadata.deletion_timestamp.is_some()),
        "{events:?}"
    );
    maps.create(&PostParams::default(), &config_map("a", "1"))
        .await
        .unwrap();
    let answer = maps.delete("a", &DeleteParams::default()).await.unwrap();
    assert!(answer.right().is_some(), "a ConfigMap is answered with a Status");
}

#[tokio::test(start_paused = true)]
async fn a_stale_list_shows_the_past_and_a_lost_reply_comes_after_the_write() {
    let server = server();
    let maps: Api<ConfigMap> = Api::default_namespaced(client(&server));
    for name in ["a", "b"] {
        maps.create(&PostParams::default(), &config_map(name, "1"))
            .await
            .unwrap();
    }
    let rule = |verb: Verb| Rule {
        verb: Some(verb),
        plural: "configmaps".into(),
        times: 1,
        ..Rule::default()
    };
    server.faults().plant(Fault::Stale(1), rule(Verb::List));
    let names = |list: kube::api::ObjectList<ConfigMap>| -> Vec<String> {
        list.items.iter().map(ResourceExt::name_any).collect()
    };
    assert_eq!(names(maps.list(&ListParams::default()).await.unwrap()), ["a"]);
    assert_eq!(names(maps.list(&ListParams::default()).await.unwrap()), ["a", "b"]);
    server.faults().plant(Fault::LostReply, rule(Verb::Create));
    let error = maps
        .create(&PostParams::default(), &config_map("c", "1"))
        .await
        .unwrap_err();
    assert!(
        !matches!(error, kube::Error::Api(_)),
        "no answer of the server: {error}"
    );
    assert_eq!(names(maps.list(&ListParams::default()).await.unwrap()), ["a", "b", "c"]);
}
