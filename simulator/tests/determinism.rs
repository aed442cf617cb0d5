//! The same seed gives the same day: a kube-rs controller on a whole simulated cluster for 24 virtual hours, run twice in
//! two processes with one seed and once with another.
//!
//! No test harness: the program runs itself again with `--child SEED`, so that each run has a process of its own.
#![allow(
    clippy::print_stdout,
    clippy::print_stderr,
    clippy::expect_used,
    reason = "a program that is its own test harness: it prints, and a panic is a failed test"
)]

use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use kube::runtime::controller::{Action, Controller};
use kube::runtime::finalizer::{Event, finalizer};
use kube::runtime::watcher;
use kube::{Client, ResourceExt};
use serde_json::json;
use simulator::world::cluster::{Cluster, ClusterConfig};
use simulator::world::kube::auth::UserInfo;
use simulator::world::kube::server::ServerConfig;
use simulator::world::kube::server::faults::{Fault, Rule};
use simulator::world::nodes::NodeShape;
use simulator::world::run::{World, run};

/// Length of a run.
const HOURS: u64 = 24;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().collect();
    if let Some(seed) = words
        .iter()
        .position(|word| word == "--child")
        .and_then(|at| words.get(at + 1))
    {
        let seed = seed.parse().expect("a seed");
        for line in run(seed, day).expect("a run") {
            println!("{line}");
        }
        return ExitCode::SUCCESS;
    }
    let (one, two, other) = (child(7), child(7), child(8));
    let lines = one.lines().count();
    let failure = if one != two {
        let differing = one.lines().zip(two.lines()).position(|(a, b)| a != b).unwrap_or(0);
        let line = |text: &str| text.lines().nth(differing).unwrap_or_default().to_owned();
        Some(format!(
            "two runs of one seed differ at line {differing}:\n  {}\n  {}",
            line(&one),
            line(&two)
        ))
    } else if one == other {
        Some("another seed gives the same trace".to_owned())
    } else if lines < 500 {
        Some(format!("a day of only {lines} lines shows little"))
    } else {
        None
    };
    match failure {
        None => {
            println!(
                "test a_day_is_the_same_twice ... ok ({lines} lines)\n\ntest result: ok. 1 passed; 0 failed; 0 ignored; 0 measured; 0 filtered out"
            );
            ExitCode::SUCCESS
        }
        Some(text) => {
            eprintln!("{text}");
            println!("test result: FAILED. 0 passed; 1 failed; 0 ignored; 0 measured; 0 filtered out");
            ExitCode::FAILURE
        }
    }
}

fn child(seed: u64) -> String {
    let program = std::env::current_exe().expect("this program");
    let output = Command::new(program)
        .args(["--child", &seed.to_string()])
        .output()
        .expect("a child");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("a trace is text")
}

/// The trace of one day: users make, change and delete ConfigMaps at odd times, the controller turns each into a
/// Deployment, and now and then a watch breaks or a write fails.
async fn day(world: World) -> Vec<String> {
    // Leases every ten seconds would be most of the trace.
    let heartbeat = Duration::from_secs(300);
    let config = ClusterConfig {
        heartbeat,
        ..ClusterConfig::new(ServerConfig::new(world.clone()))
    };
    let cluster = Cluster::start(config);
    cluster.add_plain_nodes(3, &NodeShape::default()).await.expect("nodes");
    let client = cluster.server.client(UserInfo::system("system:operator"));
    tokio::spawn(operate(client));
    let users = Api::<ConfigMap>::default_namespaced(cluster.server.client(UserInfo::system("system:users")));
    let dice = world.entropy.stream("users");
    let ends = Duration::from_secs(HOURS * 3600);
    while world.clock.elapsed() < ends {
        world.clock.sleep(Duration::from_secs(60 + dice.below(3_600))).await;
        let name = format!("app-{}", dice.below(6));
        match dice.below(4) {
            0 => {
                let _ = users.delete(&name, &DeleteParams::default()).await;
            }
            1 => cluster.server.faults().plant(
                Fault::WatchDrop,
                Rule {
                    times: 1,
                    ..Rule::default()
                },
            ),
            2 => {
                let rule = Rule {
                    user: "system:operator".into(),
                    times: 1,
                    ..Rule::default()
                };
                cluster.server.faults().plant(Fault::ErrorAfterCommit, rule);
            }
            _ => {}
        }
        let map = json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": name },
            "data": { "replicas": dice.below(4).to_string() },
        });
        let _ = users
            .patch(&name, &PatchParams::apply("users").force(), &Patch::Apply(&map))
            .await;
    }
    world.trace.lines()
}

/// A controller as anybody writes one with kube-rs.
async fn operate(client: Client) {
    let maps = Api::<ConfigMap>::default_namespaced(client.clone());
    let deployments = Api::<Deployment>::default_namespaced(client.clone());
    let config = watcher::Config::default();
    Controller::new(maps, config.clone())
        .owns(deployments, config)
        .run(
            reconcile,
            |_, _, _| Action::requeue(Duration::from_secs(5)),
            Arc::new(client),
        )
        .for_each(|_| std::future::ready(()))
        .await;
}

#[derive(Debug, thiserror::Error)]
enum Failure {
    #[error("the API refused")]
    Kube(#[from] kube::Error),
    #[error("the finalizer failed")]
    Finalizer(#[source] Box<kube::runtime::finalizer::Error<kube::Error>>),
}

async fn reconcile(map: Arc<ConfigMap>, client: Arc<Client>) -> Result<Action, Failure> {
    if !map.name_any().starts_with("app-") {
        return Ok(Action::await_change());
    }
    let maps = Api::<ConfigMap>::default_namespaced((*client).clone());
    let deployments = Api::<Deployment>::default_namespaced((*client).clone());
    let events = Api::<k8s_openapi::api::core::v1::Event>::default_namespaced((*client).clone());
    finalizer(&maps, "example.com/operator", map, |event| async {
        match event {
            Event::Apply(map) => {
                let name = map.name_any();
                let replicas = map.data.iter().flatten().find(|(key, _)| *key == "replicas");
                let replicas: i32 = replicas.and_then(|(_, value)| value.parse().ok()).unwrap_or(1);
                let deployment = json!({
                    "apiVersion": "apps/v1", "kind": "Deployment",
                    "metadata": {
                        "name": name,
                        "ownerReferences": [{ "apiVersion": "v1", "kind": "ConfigMap", "name": name, "uid": map.uid(), "controller": true }],
                    },
                    "spec": {
                        "replicas": replicas, "selector": { "matchLabels": { "app": name } },
                        "template": {
                            "metadata": { "labels": { "app": name } },
                            "spec": { "containers": [{ "name": "main", "image": "app:1" }] },
                        },
                    },
                });
                deployments.patch(&name, &PatchParams::apply("operator").force(), &Patch::Apply(&deployment)).await?;
                Ok(Action::requeue(Duration::from_secs(1_800)))
            }
            Event::Cleanup(map) => {
                let note = json!({
                    "metadata": { "generateName": "gone-" }, "reason": "Gone", "message": map.name_any(), "type": "Normal",
                    "involvedObject": { "kind": "ConfigMap", "namespace": "default", "name": map.name_any() },
                });
                let note = serde_json::from_value(note).map_err(kube::Error::SerdeError)?;
                events.create(&PostParams::default(), &note).await?;
                Ok(Action::await_change())
            }
        }
    })
    .await
    .map_err(|error| Failure::Finalizer(Box::new(error)))
}
