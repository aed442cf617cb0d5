//! A whole simulated cluster: API server, controllers, scheduler and kubelets, put together and started.

use std::sync::Arc;
use std::time::Duration;

use super::control::driver::{Driver, Handle, LocalApi, LocalFeed};
use super::control::{Controller, Settings, builtin_controllers};
use super::kube::api_error::ApiError;
use super::kube::auth::UserInfo;
use super::kube::server::{ApiServer, ServerConfig};
use super::nodes::kubelet::behaviour::Behaviours;
use super::nodes::kubelet::programs::Programs;
use super::nodes::kubelet::{KubeletView, Kubelets, NodeKubelet, PodKubelet};
use super::nodes::scheduler::Scheduler;
use super::nodes::{NodeShape, plain_node};

/// Heartbeats of a real kubelet.
pub const HEARTBEAT: Duration = Duration::from_secs(10);

/// Heartbeats that a node may miss before it counts as lost: 50 s of 10 s (`--node-monitor-grace-period`).
const GRACE_HEARTBEATS: u32 = 5;

/// What a cluster is made with.
pub struct ClusterConfig {
    /// Its API server.
    pub server: ServerConfig,
    /// What containers do.
    pub behaviours: Behaviours,
    /// Who runs real programs for containers; None: all of them are simulated.
    pub programs: Option<Arc<dyn Programs>>,
    /// How often kubelets renew their leases; longer for thousands of nodes.
    pub heartbeat: Duration,
    /// The certificates that clients in pods should trust, PEM.
    pub root_ca_pem: String,
}

impl ClusterConfig {
    /// With the usual behaviours and heartbeats.
    #[must_use]
    pub fn new(server: ServerConfig) -> Self {
        Self {
            server,
            behaviours: Behaviours::default(),
            programs: None,
            heartbeat: HEARTBEAT,
            root_ca_pem: String::new(),
        }
    }
}

/// A running cluster. Its parts run as tasks of the tokio runtime that it was started in, and end with it.
#[derive(Clone, Debug)]
pub struct Cluster {
    /// The API server.
    pub server: ApiServer,
    /// The kubelets, to break nodes.
    pub kubelets: Kubelets,
    /// What the controllers are about.
    pub controllers: Handle,
}

impl Cluster {
    /// Starts everything.
    #[must_use]
    pub fn start(config: ClusterConfig) -> Self {
        let ClusterConfig {
            server,
            behaviours,
            programs,
            heartbeat,
            root_ca_pem,
        } = config;
        let world = server.world.clone();
        let server = ApiServer::new(server);
        let kubelets = Kubelets::new(behaviours).with_programs(programs);
        let view = Arc::new(KubeletView::new(kubelets.clone(), world.clock));
        server.plugs().set_logs(view.clone());
        server.plugs().set_proxy(view);
        let controllers: Vec<Box<dyn Controller>> = control_plane(heartbeat, root_ca_pem)
            .into_iter()
            .chain([
                Box::new(Scheduler::default()) as Box<dyn Controller>,
                Box::new(NodeKubelet::new(kubelets.clone(), heartbeat)),
                Box::new(PodKubelet::new(kubelets.clone())),
            ])
            .collect();
        let driver = Driver::new(LocalApi::new(server.clone()), world.clock, &world.entropy, controllers);
        let controllers = driver.handle();
        tokio::spawn(driver.run(LocalFeed::new(server.clone())));
        Self {
            server,
            kubelets,
            controllers,
        }
    }

    /// Adds plain nodes `node-<index>`, as their kubelets would register them.
    ///
    /// # Errors
    /// As the API answers, e.g. when a name is taken.
    pub async fn add_plain_nodes(&self, count: u32, shape: &NodeShape) -> Result<(), ApiError> {
        let door = self.server.door(
            UserInfo::system("system:nodes:kubelet"),
            self.server.resource("", "v1", "nodes")?,
        );
        for index in 0..count {
            door.create(plain_node(&format!("node-{index}"), index, shape)).await?;
        }
        Ok(())
    }
}

/// kube-controller-manager's part, for kubelets with this heartbeat. Garbage collection and the deletion of namespaces belong to the driver itself.
#[must_use]
pub fn control_plane(heartbeat: Duration, root_ca_pem: String) -> Vec<Box<dyn Controller>> {
    builtin_controllers(Settings {
        node_grace: heartbeat * GRACE_HEARTBEATS,
        root_ca_pem,
    })
}
