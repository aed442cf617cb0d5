//! `drydock up`: a simulated cluster on loopback until Ctrl-C.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Result;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::arm::ArmSocket;
use super::behaviours;
use super::credentials::{self, Token};
use super::files::Files;
use super::listen;
use super::programs::{HostPrograms, Launch};
use super::webhooks::HttpsCaller;
use crate::ui;
use crate::world::arm::AksConfig;
use crate::world::cluster::{Cluster, ClusterConfig};
use crate::world::kube::auth::UserInfo;
use crate::world::kube::server::ServerConfig;
use crate::world::nodes::NodeShape;
use crate::world::rehearsal::{Rehearsal, RehearsalConfig};
use crate::world::run::World;

/// What `drydock up` takes.
#[derive(Clone, Debug, clap::Args)]
pub struct Args {
    /// Folder for `kubeconfig` and `endpoints.json`
    #[arg(long, default_value = "drydock")]
    dir: PathBuf,
    /// How many times as fast as the wall the world runs
    #[arg(long, default_value_t = 1.0, value_parser = speed)]
    speed: f64,
    /// Plain nodes to begin with
    #[arg(long, default_value_t = 1)]
    nodes: u32,
    /// Port of the Kubernetes API; 0 takes a free one
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// Address to listen on; beyond loopback others can reach this cluster
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    listen: IpAddr,
    /// HTTP without TLS (kubectl sends no token then; for clients that do)
    #[arg(long)]
    plain: bool,
    /// Only a Kubernetes API: no AKS, no operator, no definitions of ours
    #[arg(long)]
    bare: bool,
    /// Program that runs for containers of the GPU runtime's image; absent: the runtime inside this one
    #[arg(long, value_name = "PATH")]
    runtime: Option<PathBuf>,
    /// Seed of the world's randomness
    #[arg(long, default_value_t = 1)]
    seed: u64,
}

fn speed(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(speed) if speed.is_finite() && speed > 0.0 => Ok(speed),
        _ => Err("must be a number above 0".into()),
    }
}

/// Serves until SIGINT or SIGTERM.
///
/// # Errors
/// When the folder, the port or the certificate cannot be had; nothing is left behind then.
pub async fn run(args: Args) -> Result<()> {
    let Args {
        dir,
        speed,
        nodes,
        port,
        listen,
        plain,
        bare,
        runtime,
        seed,
    } = args;
    let launch = Launch::new(runtime)?;
    let files = Files::prepare(&dir)?;
    let listener = listen::bind(SocketAddr::new(listen, port)).await?;
    let address = listener.local_addr()?;
    let tls = if plain {
        None
    } else {
        Some(credentials::tls_for(&[
            listen.to_string(),
            "127.0.0.1".into(),
            "localhost".into(),
        ])?)
    };
    let token = Token::generate()?;
    let tokens = BTreeMap::from([(token.expose().to_owned(), UserInfo::admin())]);
    let world = World::starting_at(wall_clock(), seed, speed);
    let programs = HostPrograms::new(launch, world.clock, speed);
    let config = ServerConfig {
        tokens,
        address: address.to_string(),
        ..ServerConfig::new(world)
    };
    let (ca_pem, acceptor) = tls.map_or((None, None), |tls| (Some(tls.ca_pem), Some(tls.acceptor)));
    let mut config = ClusterConfig::new(config);
    config.root_ca_pem = ca_pem.clone().unwrap_or_default();
    config.behaviours = behaviours::live();
    config.programs = Some(Arc::new(programs.clone()));
    let (stop, stopped) = watch::channel(false);
    let mut serving = JoinSet::new();
    let (mut cluster, arm, rehearsal) = match bare {
        true => (bare_cluster(config), None, None),
        false => {
            let listener = listen::bind(SocketAddr::new(listen, 0)).await?;
            let (arm, rehearsal) = whole(config, listener, &mut serving, stopped.clone()).await?;
            (rehearsal.cluster.clone(), Some(arm), Some(rehearsal))
        }
    };
    cluster.add_plain_nodes(nodes, &NodeShape::default()).await?;
    cluster.controllers.until_settled(Duration::ZERO).await;

    serving.spawn(listen::serve(listener, acceptor, cluster.server.service(), stopped));
    let url = format!("{}://{address}", if plain { "http" } else { "https" });
    files.announce(&url, arm.as_deref(), ca_pem.as_deref(), token.expose())?;
    ui::result(format!("ready: export KUBECONFIG={}", files.kubeconfig().display()));

    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    files.remove();
    let _ = stop.send(true);
    drop(rehearsal);
    programs.shutdown().await;
    while serving.join_next().await.is_some() {}
    Ok(())
}

/// A Kubernetes API and no more.
fn bare_cluster(config: ClusterConfig) -> Cluster {
    let cluster = Cluster::start(config);
    cluster.server.plugs().set_webhooks(Arc::new(HttpsCaller));
    cluster
}

/// Cluster, AKS and operator; Azure Resource Manager answers on `listener`, whose address is given back.
async fn whole(
    config: ClusterConfig,
    listener: TcpListener,
    serving: &mut JoinSet<()>,
    stopped: watch::Receiver<bool>,
) -> Result<(String, Rehearsal)> {
    let arm = format!("http://{}", listener.local_addr()?);
    let rehearsal = Rehearsal::start(RehearsalConfig {
        aks: AksConfig {
            endpoint: arm.clone(),
            ..AksConfig::default()
        },
        webhooks: Some(Arc::new(HttpsCaller)),
        ..RehearsalConfig::new(config)
    })
    .await?;
    let socket = ArmSocket::new(rehearsal.aks.service());
    serving.spawn(listen::serve(listener, None, socket, stopped));
    Ok((arm, rehearsal))
}

/// kubectl tells ages by its own clock, so that a world that people look at begins now.
#[allow(
    clippy::disallowed_methods,
    reason = "the one place where a live world meets the wall clock"
)]
fn wall_clock() -> jiff::Timestamp {
    jiff::Timestamp::now()
}
