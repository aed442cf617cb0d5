//! The quick start, and many Workspaces with one operator.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use benches::OnCpu;
use operator::Planners;
use serde_json::{Value, json};
use simulator::world::arm::AksConfig;
use simulator::world::cluster::ClusterConfig;
use simulator::world::kube::auth::UserInfo;
use simulator::world::kube::server::{Door, ServerConfig};
use simulator::world::rehearsal::{Rehearsal, RehearsalConfig};
use simulator::world::run::{World, run};
use simulator::world::scenario::{parse, play};

/// Runs of the quick start.
const RUNS: u32 = 20;
/// Numbers of Workspaces.
const COUNTS: [u32; 3] = [100, 300, 1_000];
/// Between two heartbeats of a node.
const HEARTBEAT: Duration = Duration::from_secs(300);
/// Writes of a kind that watches can look back: a few for each Workspace.
const HISTORY: usize = 2_048;
/// Between two looks: each reads every Workspace.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// From an accepted request until a pod serves, with nothing of ours in it: boot, GPUs, pull.
const OTHERS_SHARE: Duration = Duration::from_millis(220_000 + 45_000 + 1_300);

pub(crate) fn figures() -> Result<()> {
    quick_start()?;
    for count in COUNTS {
        run(1, move |world| async move { many(count, world).await })??;
    }
    Ok(())
}

fn quick_start() -> Result<()> {
    let file = Path::new("scenarios/tuning/quick_start.yaml");
    let text = std::fs::read_to_string(file).context("run this in the repository's root")?;
    let mut scenario = parse("quick_start.yaml", &text)?;
    // Watching a settled world for half an hour is the test's business.
    scenario.expect.settled_within = None;
    let mut spent = Duration::ZERO;
    for seed in 1..=u64::from(RUNS) {
        let (scenario, folder) = (scenario.clone(), file.parent().unwrap_or(file).to_path_buf());
        let (outcome, took) = run(seed, move |world| async move {
            let start = OnCpu::now();
            (
                play(&scenario, world, &folder, Planners::default()).await,
                start.elapsed(),
            )
        })?;
        ensure!(
            outcome.faults.is_empty(),
            "the quick start failed: {:?}",
            outcome.faults
        );
        spent += took;
    }
    println!(
        "workspaces/quick start: {:.1} ms a run",
        spent.as_secs_f64() * 1000.0 / f64::from(RUNS)
    );
    Ok(())
}

async fn many(count: u32, world: World) -> Result<()> {
    let mut cluster = ClusterConfig::new(ServerConfig::new(World {
        trace: simulator::world::trace::Trace::default(),
        ..world
    }));
    cluster.heartbeat = HEARTBEAT;
    cluster.server.history = HISTORY;
    let clock = cluster.server.world.clock;
    let aks = AksConfig {
        most_pools: usize::try_from(count)?,
        ..AksConfig::default()
    };
    let rehearsal = Rehearsal::start(RehearsalConfig {
        aks,
        ..RehearsalConfig::new(cluster)
    })
    .await?;
    let server = &rehearsal.cluster.server;
    let door = |group: &str, version: &str, plural: &str| -> Result<Door> {
        Ok(server.door(UserInfo::admin(), server.resource(group, version, plural)?))
    };
    let workspaces = door("kaito.sh", "v1beta1", "workspaces")?;
    let (start, began) = (OnCpu::now(), clock.elapsed());
    for index in 0..count {
        workspaces.create(workspace(index)).await?;
    }
    // Nothing is ready before the cloud and the registry have done theirs; to look is not free.
    clock
        .sleep(OTHERS_SHARE.saturating_sub(clock.elapsed().saturating_sub(began)))
        .await;
    let mut late = Vec::new();
    while late.len() < usize::try_from(count)? {
        clock.sleep(LOOK_EVERY).await;
        let ready = workspaces
            .list("")?
            .iter()
            .filter(|workspace| super::condition(workspace, "Ready"))
            .count();
        let passed = clock.elapsed().saturating_sub(began).saturating_sub(OTHERS_SHARE);
        late.extend(std::iter::repeat_n(passed, ready.saturating_sub(late.len())));
        ensure!(
            clock.elapsed() < Duration::from_secs(7_200),
            "{ready} of {count} are ready after two hours"
        );
    }
    let took = start.elapsed().as_secs_f64();
    let ours = late.get(late.len() * 99 / 100).copied().unwrap_or_default();
    let memory = super::resident_kib()? / 1024;
    let before = state(&[
        &workspaces,
        &door("karpenter.sh", "v1", "nodeclaims")?,
        &door("apps", "v1", "statefulsets")?,
    ])?;
    let start = OnCpu::now();
    clock.sleep(Duration::from_secs(3_600)).await;
    let idle = start.elapsed().as_secs_f64();
    let after = state(&[
        &workspaces,
        &door("karpenter.sh", "v1", "nodeclaims")?,
        &door("apps", "v1", "statefulsets")?,
    ])?;
    ensure!(before == after, "an idle world was written to");
    println!(
        "workspaces/{count}: ready in {took:.2} s, {:.1} ms each; our share of the time to ready at the 99th percentile \
         {:.1} s; {memory} MiB for the whole world; an idle hour {:.2} % of a core for the whole world, no write",
        took * 1000.0 / f64::from(count),
        ours.as_secs_f64(),
        idle / 36.0,
    );
    Ok(())
}

/// Versions of all objects behind these doors.
fn state(doors: &[&Door]) -> Result<Vec<String>> {
    let mut versions = Vec::new();
    for door in doors {
        let objects = door.list("")?;
        versions.extend(
            objects
                .iter()
                .map(|object| object["metadata"]["resourceVersion"].to_string()),
        );
    }
    Ok(versions)
}

fn workspace(index: u32) -> Value {
    json!({
        "apiVersion": "kaito.sh/v1beta1", "kind": "Workspace",
        "metadata": { "name": format!("w-{index:04}"), "namespace": "default" },
        "resource": { "instanceType": "Standard_NC24ads_A100_v4", "labelSelector": { "matchLabels": { "app": format!("w-{index:04}") } } },
        "inference": { "preset": { "name": "phi-4-mini-instruct" } },
    })
}
