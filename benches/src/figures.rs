//! Figures that are taken once: memory of many objects, a large cluster, and many Workspaces under virtual time. Times are times on the
//! processor.
//!
//! `cargo run --release -p benches -- [memory|cluster|workspaces]`; without a word, all of them.
#![allow(clippy::print_stdout, reason = "this program's output is what it is for")]

mod workspaces;

use std::time::Duration;

use anyhow::{Context, Result};
use benches::objects::Sample;
use benches::{OnCpu, Room, text_of};
use serde_json::{Value, json};
use simulator::world::cluster::{Cluster, ClusterConfig};
use simulator::world::kube::auth::UserInfo;
use simulator::world::kube::server::{Door, ServerConfig};
use simulator::world::nodes::NodeShape;
use simulator::world::run::World;

/// Objects whose memory is taken.
const OBJECTS: usize = 100_000;
/// Nodes and pods of the large cluster.
const NODES: u32 = 5_000;
const PODS: u32 = 10_000;
/// Between two heartbeats of a node: those of thousands of nodes are not what is measured.
const HEARTBEAT: Duration = Duration::from_secs(300);
/// Virtual time between two looks.
const LOOK_EVERY: Duration = Duration::from_secs(1);

fn main() -> Result<()> {
    let wanted = std::env::args().nth(1);
    let is_wanted = |name: &str| wanted.as_ref().is_none_or(|wanted| wanted == name);
    if is_wanted("memory") {
        memory()?;
    }
    if is_wanted("cluster") {
        cluster()?;
    }
    if is_wanted("workspaces") {
        workspaces::figures()?;
    }
    Ok(())
}

fn memory() -> Result<()> {
    for sample in Sample::ALL {
        let (room, before) = (Room::new(), resident_kib()?);
        let start = OnCpu::now();
        for index in 0..OBJECTS {
            room.create(sample, text_of(sample, &format!("stored-{index:06}"), 0));
        }
        let grown = resident_kib()?.saturating_sub(before) / 1024;
        let took = start.elapsed().as_secs_f64();
        println!(
            "memory/{}: {OBJECTS} objects take {grown} MiB (made in {took:.1} s)",
            sample.name()
        );
    }
    Ok(())
}

/// Memory that this process has in RAM.
fn resident_kib() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status").context("only Linux tells a process its memory")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line
        .and_then(|line| line.split_whitespace().next())
        .context("no VmRSS")?;
    number.parse().context("VmRSS is no number")
}

fn cluster() -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()?;
    runtime.block_on(async {
        let world = World::new(1, 1.0);
        let config = ClusterConfig {
            heartbeat: HEARTBEAT,
            ..ClusterConfig::new(ServerConfig::new(world.clone()))
        };
        let cluster = Cluster::start(config);
        let door = |plural: &str| -> Result<Door> {
            Ok(cluster
                .server
                .door(UserInfo::admin(), cluster.server.resource("", "v1", plural)?))
        };
        let (nodes, pods) = (door("nodes")?, door("pods")?);

        let (start, began) = (OnCpu::now(), world.clock.elapsed());
        cluster.add_plain_nodes(NODES, &NodeShape::default()).await?;
        let is_ready = |node: &Value| condition(node, "Ready");
        until(&nodes, NODES, is_ready).await?;
        report(
            "cluster/nodes ready",
            NODES,
            start,
            world.clock.elapsed().saturating_sub(began),
        );

        let (start, began) = (OnCpu::now(), world.clock.elapsed());
        for index in 0..PODS {
            pods.create(pod(index)).await?;
        }
        until(&pods, PODS, |pod| pod["status"]["phase"] == "Running").await?;
        report(
            "cluster/pods running",
            PODS,
            start,
            world.clock.elapsed().saturating_sub(began),
        );
        Ok(())
    })
}

fn report(what: &str, count: u32, start: OnCpu, virtual_time: Duration) {
    let (took, passed) = (start.elapsed().as_secs_f64(), virtual_time.as_secs());
    println!("{what}: {count} in {took:.2} s ({passed} s of virtual time)");
}

fn condition(object: &Value, kind: &str) -> bool {
    let conditions = object["status"]["conditions"].as_array().into_iter().flatten();
    conditions
        .into_iter()
        .any(|c| c["type"] == kind && c["status"] == "True")
}

async fn until(door: &Door, count: u32, is_there: impl Fn(&Value) -> bool) -> Result<()> {
    for _ in 0..3_600 {
        tokio::time::sleep(LOOK_EVERY).await;
        let there = door.list("")?.iter().filter(|object| is_there(object)).count();
        if there == usize::try_from(count)? {
            return Ok(());
        }
    }
    anyhow::bail!("an hour of virtual time was not enough")
}

fn pod(index: u32) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod",
        "metadata": { "name": format!("pod-{index:05}"), "namespace": "default", "labels": { "app": "many" } },
        "spec": {
            "containers": [{
                "name": "main", "image": "registry.example.com/app:1",
                "resources": { "requests": { "cpu": "100m", "memory": "64Mi" } },
            }],
        },
    })
}
