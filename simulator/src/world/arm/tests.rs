//! The recorded protocol, refusals, machines: under virtual time.

use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use serde_json::{Value, json};
use tower::ServiceExt;

use super::{Aks, AksConfig, ArmFault, MachineFault, Policy, Rule};
use crate::world::cluster::{Cluster, ClusterConfig};
use crate::world::kube::auth::UserInfo;
use crate::world::kube::server::ServerConfig;
use crate::world::run::{World, run};

const POOLS: &str = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/drydock/providers/Microsoft.ContainerService/managedClusters/simulated/agentPools";

fn start(world: World, config: AksConfig) -> (Aks, Cluster) {
    let cluster = Cluster::start(ClusterConfig::new(ServerConfig::new(world)));
    (Aks::start(config, &cluster), cluster)
}

async fn call(aks: &Aks, method: &str, path: &str, body: Value) -> (u16, Value, Response<Bytes>) {
    let glue = if path.contains('?') {
        ""
    } else {
        "?api-version=2025-02-01"
    };
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    let request = Request::builder()
        .method(method)
        .uri(format!("https://management.azure.com{path}{glue}"))
        .header("authorization", "Bearer t")
        .body(Bytes::from(body))
        .unwrap();
    let response = aks.service().oneshot(request).await.unwrap();
    let json = serde_json::from_slice(response.body()).unwrap_or(Value::Null);
    (response.status().as_u16(), json, response)
}

fn pool(size: &str) -> Value {
    json!({ "properties": { "count": 1, "vmSize": size, "nodeLabels": { "kaito.sh/workspace": "w" }, "nodeTaints": ["sku=gpu:NoSchedule"] } })
}

fn operation(response: &Response<Bytes>) -> String {
    let url = response.headers()["azure-asyncoperation"].to_str().unwrap();
    url.strip_prefix("https://management.azure.com").unwrap().to_owned()
}

async fn wait(aks: &Aks, secs: u64) {
    aks.world.clock.sleep(Duration::from_secs(secs)).await;
}

fn node(cluster: &Cluster, name: &str) -> Option<Value> {
    let nodes = cluster.server.resource("", "v1", "nodes").unwrap();
    cluster.server.door(UserInfo::admin(), nodes).get("", name).ok()
}

#[test]
fn a_pool_is_made_becomes_a_node_with_gpus_and_goes() {
    run(1, |world| async move {
        let (aks, cluster) = start(world, AksConfig::default());
        let path = format!("{POOLS}/ws1");
        let (code, body, response) = call(&aks, "PUT", &path, pool("standard_nc6s_v3")).await;
        assert_eq!(
            (code, body["properties"]["provisioningState"].as_str()),
            (201, Some("Creating"))
        );
        assert_eq!(
            body["properties"]["vmSize"], "standard_nc6s_v3",
            "echoed as it was sent"
        );
        assert!(!response.headers().contains_key("location"));
        let operation = operation(&response);
        assert_eq!(
            call(&aks, "GET", &operation, Value::Null).await.1["status"],
            "InProgress"
        );
        let (code, busy, _) = call(&aks, "PUT", &path, pool("standard_nc6s_v3")).await;
        assert_eq!((code, busy["code"].as_str()), (409, Some("OperationNotAllowed")));
        wait(&aks, 233).await;
        assert_eq!(
            call(&aks, "GET", &operation, Value::Null).await.1["status"],
            "Succeeded"
        );
        let name = aks.pools()[0].node.clone().unwrap();
        assert!(name.starts_with("aks-ws1-") && name.ends_with("-vmss000000"));
        let before = node(&cluster, &name).unwrap();
        assert_eq!(
            before["status"]["allocatable"].get("nvidia.com/gpu"),
            None,
            "the device plugin comes later"
        );
        assert_eq!(before["spec"]["taints"][0]["key"], "sku");
        wait(&aks, 60).await;
        let after = node(&cluster, &name).unwrap();
        assert_eq!(after["status"]["allocatable"]["nvidia.com/gpu"], "1");
        assert_eq!(after["metadata"]["labels"]["kaito.sh/workspace"], "w");
        let (code, _, response) = call(&aks, "DELETE", &path, Value::Null).await;
        assert!(code == 202 && response.body().is_empty() && response.headers().contains_key("location"));
        wait(&aks, 30).await;
        let (code, missing, _) = call(&aks, "GET", &path, Value::Null).await;
        assert_eq!(code, 404);
        assert!(
            missing["message"].as_str().unwrap().contains("Agent Pool not found"),
            "{missing}"
        );
        assert!(node(&cluster, &name).is_none() && aks.pools().is_empty());
        let paid = aks.gpu_node_time();
        assert!(
            paid > Duration::from_secs(90) && paid < Duration::from_secs(110),
            "{paid:?}"
        );
    })
    .unwrap();
}

#[test]
fn lists_have_a_last_page_that_is_empty() {
    run(1, |world| async move {
        let (aks, _) = start(world, AksConfig::default());
        assert_eq!(call(&aks, "GET", POOLS, Value::Null).await.1, json!({ "value": [] }));
        call(&aks, "PUT", &format!("{POOLS}/ws1"), pool("Standard_NC6s_v3")).await;
        let (_, page, _) = call(&aks, "GET", POOLS, Value::Null).await;
        let next = page["nextLink"]
            .as_str()
            .unwrap()
            .strip_prefix("https://management.azure.com")
            .unwrap();
        assert_eq!(
            (
                page["value"].as_array().unwrap().len(),
                call(&aks, "GET", next, Value::Null).await.1
            ),
            (1, json!({ "value": [] }))
        );
    })
    .unwrap();
}

#[test]
fn refusals_are_in_azures_words() {
    run(1, |world| async move {
        let config = AksConfig {
            quota: [("standardNCSv3Family".to_owned(), 6)].into(),
            unavailable: vec!["Standard_NC24ads_A100_v4".into()],
            ..AksConfig::default()
        };
        let (aks, _) = start(world, config);
        let put = |name: &str, body: Value| {
            let path = format!("{POOLS}/{name}");
            let aks = aks.clone();
            async move { call(&aks, "PUT", &path, body).await }
        };
        assert_eq!(put("ws1", pool("Standard_NC6s_v3")).await.0, 201);
        let (code, quota, _) = put("ws2", pool("Standard_NC6s_v3")).await;
        assert_eq!((code, quota["code"].as_str()), (400, Some("QuotaExceeded")));
        let said = quota["message"].as_str().unwrap();
        assert!(
            said.contains(
                "Current Limit: 6, Current Usage: 6, Additional Required: 6, (Minimum) New Limit Required: 12"
            ),
            "{said}"
        );
        aks.set_quota("STANDARDncsV3Family", 12);
        assert_eq!(put("ws2", pool("Standard_NC6s_v3")).await.0, 201);
        let labelled =
            json!({ "properties": { "vmSize": "Standard_NC6s_v3", "nodeLabels": { "kubernetes.azure.com/x": "y" } } });
        let cases = [
            ("UPPER", pool("Standard_NC6s_v3"), "InvalidParameter"),
            ("waytoolongname", pool("Standard_NC6s_v3"), "InvalidParameter"),
            ("a1", pool("Standard_NC24ads_A100_v4"), "VMSizeNotSupported"),
            ("a1", pool("Standard_Nothing"), "VMSizeNotSupported"),
            ("a1", labelled, "BadRequest"),
            ("a1", json!({}), "InvalidParameter"),
        ];
        for (name, body, reason) in cases {
            let (code, answer, _) = put(name, body.clone()).await;
            assert_eq!((code, answer["code"].as_str()), (400, Some(reason)), "{name} {body}");
        }
        let elsewhere = POOLS.replace("simulated", "other");
        let (code, missing, response) = call(&aks, "GET", &elsewhere, Value::Null).await;
        assert_eq!(
            (code, missing["error"]["code"].as_str()),
            (404, Some("ResourceNotFound"))
        );
        assert_eq!(response.headers()["x-ms-failure-cause"], "gateway");
        let (code, old, _) = call(
            &aks,
            "GET",
            &format!("{POOLS}?api-version=2023-01-02-preview"),
            Value::Null,
        )
        .await;
        assert_eq!(
            (code, old["error"]["code"].as_str()),
            (400, Some("InvalidApiVersionParameter"))
        );
    })
    .unwrap();
}

#[test]
fn faults_strike_where_they_are_planted() {
    run(1, |world| async move {
        let config = AksConfig {
            policy: Policy::Preempt,
            ..AksConfig::default()
        };
        let (aks, cluster) = start(world, config);
        let rule = |prefix: &str| Rule {
            method: "PUT".into(),
            pool_prefix: prefix.into(),
            skip: 0,
            times: 1,
        };
        let failed = ArmFault::Failed {
            code: "AllocationFailed".into(),
            message: "no capacity".into(),
        };
        aks.plant(failed, rule("fail"));
        aks.plant(ArmFault::Throttled(37), rule("slow"));
        aks.plant(ArmFault::Stuck, rule("stuck"));
        aks.plant_machine(MachineFault::NeverJoins, "lost");
        aks.plant_machine(MachineFault::NoGpus, "dark");
        let (code, _, response) = call(&aks, "PUT", &format!("{POOLS}/slow"), pool("Standard_NC6s_v3")).await;
        assert_eq!((code, response.headers()["retry-after"].to_str().unwrap()), (429, "37"));
        let mut operations = Vec::new();
        for name in ["fail", "stuck", "lost", "dark"] {
            let (code, _, response) = call(&aks, "PUT", &format!("{POOLS}/{name}"), pool("Standard_NC6s_v3")).await;
            assert_eq!(code, 201, "{name}");
            operations.push(operation(&response));
        }
        wait(&aks, 600).await;
        let states: Vec<(String, String)> = aks.pools().into_iter().map(|pool| (pool.name, pool.state)).collect();
        let expected = [
            ("dark", "Succeeded"),
            ("fail", "Failed"),
            ("lost", "Succeeded"),
            ("stuck", "Creating"),
        ];
        assert_eq!(
            states,
            expected.map(|(name, state)| (name.to_owned(), state.to_owned()))
        );
        assert_eq!(
            call(&aks, "GET", &operations[0], Value::Null).await.1["error"]["code"],
            "AllocationFailed"
        );
        let dark = aks.pools()[0].node.clone().unwrap();
        let gpus = |cluster: &Cluster| {
            node(cluster, &dark).unwrap()["status"]["allocatable"]
                .get("nvidia.com/gpu")
                .cloned()
        };
        assert_eq!(gpus(&cluster), None);
        aks.heal();
        wait(&aks, 1).await;
        assert_eq!(gpus(&cluster), Some(json!("1")));
        // A delete takes the place of an operation that never ends.
        assert_eq!(
            call(&aks, "DELETE", &format!("{POOLS}/stuck"), Value::Null).await.0,
            202
        );
        assert_eq!(
            call(&aks, "GET", &operations[1], Value::Null).await.1["status"],
            "Canceled"
        );
        aks.evict("dark").await;
        assert!(node(&cluster, &dark).is_none());
    })
    .unwrap();
}
