//! A whole simulated cluster in one process: apply a Deployment through kube-rs, let ten minutes pass, look at its pods.
//! Ten virtual minutes take well under a second. Run it: `cargo run -p examples --example simulated_cluster`.

use std::time::Duration;

use anyhow::Result;
use k8s_openapi::api::{apps::v1::Deployment, core::v1::Pod};
use kube::api::{Api, ListParams, Patch, PatchParams};
use simulator::ui;
use simulator::world::cluster::{Cluster, ClusterConfig};
use simulator::world::kube::auth::UserInfo;
use simulator::world::kube::server::ServerConfig;
use simulator::world::nodes::NodeShape;
use simulator::world::run::{World, run};

const MANIFEST: &str = include_str!("simulated_cluster.yaml");

fn main() -> Result<()> {
    for line in run(1, rehearse)?? {
        ui::result(line);
    }
    Ok(())
}

/// One line a pod, in order of name.
async fn rehearse(world: World) -> Result<Vec<String>> {
    let clock = world.clock;
    let cluster = Cluster::start(ClusterConfig::new(ServerConfig::new(world)));
    cluster.add_plain_nodes(2, &NodeShape::default()).await?;

    // An ordinary kube-rs client: nothing of kube is replaced, only the socket is left out.
    let client = cluster.server.client(UserInfo::admin());
    let deployment: Deployment = serde_saphyr::from_str(MANIFEST)?;
    let deployments = Api::<Deployment>::default_namespaced(client.clone());
    let params = PatchParams::apply("example");
    deployments.patch("web", &params, &Patch::Apply(&deployment)).await?;

    clock.sleep(Duration::from_secs(600)).await;
    let pods = Api::<Pod>::default_namespaced(client);
    let pods = pods.list(&ListParams::default().labels("app=web")).await?;
    Ok(pods.items.iter().map(describe).collect())
}

/// Node, phase, and how often each container was started again.
fn describe(pod: &Pod) -> String {
    let node = pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref());
    let status = pod.status.clone().unwrap_or_default();
    let containers = status.container_statuses.unwrap_or_default();
    let containers: Vec<String> = containers
        .iter()
        .map(|c| format!("{} restarted {} times, ready {}", c.name, c.restart_count, c.ready))
        .collect();
    format!(
        "{} on {}: {}; {}",
        pod.metadata.name.as_deref().unwrap_or_default(),
        node.unwrap_or("no node"),
        status.phase.unwrap_or_default(),
        containers.join("; ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_pods_run_and_their_behaviours_show() {
        let lines = run(1, rehearse).unwrap().unwrap();
        assert_eq!(lines.len(), 2, "{lines:?}");
        for line in &lines {
            let expected = "Running; flaky restarted 6 times, ready false; main restarted 0 times, ready true";
            assert!(line.ends_with(expected), "{line}");
        }
    }
}
