//! Everything together: a cluster with our definitions and our webhook, an AKS beside it, and the operator.
//!
//! The operator is the production code: it meets the world only through the Kubernetes API and Azure Resource Manager.

use std::sync::Arc;

use operator::admission::{Admission, Lookup, WebhookService, configurations, router};
use operator::azure::{API_VERSION, Arm, ArmConfig, Credential, Transport};
use operator::{Operator, Planners, RunError};
use operator_api::crd::Definition;
use operator_api::validate;
use operator_plan::manifests::Settings;
use serde_json::Value;
use tokio::task::JoinHandle;
use tower::ServiceExt;

use super::arm::{Aks, AksConfig};
use super::cluster::{Cluster, ClusterConfig};
use super::kube::admission::{InProcessCaller, WebhookCaller};
use super::kube::api_error::ApiError;
use super::kube::auth::UserInfo;

/// User name of the operator.
pub const OPERATOR: &str = "system:serviceaccount:drydock-system:drydock-operator";

/// Where the webhook is found.
const HOOK: WebhookService<'static> = WebhookService {
    namespace: "drydock-system",
    name: "drydock-operator",
    port: 9443,
    ca_bundle: None,
};

/// What a rehearsal is made with.
pub struct RehearsalConfig {
    /// The cluster.
    pub cluster: ClusterConfig,
    /// The AKS.
    pub aks: AksConfig,
    /// How the operator is set up.
    pub settings: Settings,
    /// Whether the cluster knows NodeClaims.
    pub karpenter: bool,
    /// How webhooks of others are called.
    pub webhooks: Option<Arc<dyn WebhookCaller>>,
    /// What the operator decides with.
    pub planners: Planners,
}

impl RehearsalConfig {
    /// With a usual AKS and a usual operator.
    #[must_use]
    pub fn new(cluster: ClusterConfig) -> Self {
        Self {
            cluster,
            aks: AksConfig::default(),
            settings: Settings::default(),
            karpenter: true,
            webhooks: None,
            planners: Planners::default(),
        }
    }
}

/// A running rehearsal.
#[derive(Debug)]
pub struct Rehearsal {
    /// The cluster.
    pub cluster: Cluster,
    /// The AKS.
    pub aks: Aks,
    settings: Settings,
    planners: Planners,
    operator: Option<JoinHandle<Result<(), RunError>>>,
}

impl Rehearsal {
    /// Starts everything.
    ///
    /// # Errors
    /// When the cluster does not take our definitions or the webhook's configuration.
    pub async fn start(config: RehearsalConfig) -> Result<Self, ApiError> {
        let RehearsalConfig {
            cluster,
            aks,
            settings,
            karpenter,
            webhooks,
            planners,
        } = config;
        let cluster = Cluster::start(cluster);
        let aks = Aks::start(aks, &cluster);
        let mut rehearsal = Self {
            cluster,
            aks,
            settings,
            planners,
            operator: None,
        };
        for definition in Definition::ALL {
            if karpenter || definition != Definition::NodeClaim {
                let group = "apiextensions.k8s.io";
                rehearsal
                    .create(group, "v1", "customresourcedefinitions", definition.object())
                    .await?;
            }
        }
        rehearsal.judge(webhooks).await?;
        rehearsal.start_operator();
        Ok(rehearsal)
    }

    /// The operator stops between two requests, as in a crash, and starts anew with nothing in its memory.
    pub fn restart_operator(&mut self) {
        self.stop_operator();
        self.start_operator();
    }

    /// The operator stops.
    pub fn stop_operator(&mut self) {
        if let Some(operator) = self.operator.take() {
            operator.abort();
        }
    }

    /// Starts the operator.
    pub fn start_operator(&mut self) {
        let world = self.cluster.server.world().clone();
        let operator = Operator {
            client: self.cluster.server.client(UserInfo::system(OPERATOR)),
            arm: Some(self.arm()),
            now: Arc::new(move || world.clock.now()),
            settings: self.settings.clone(),
            planners: self.planners,
        };
        self.operator = Some(tokio::spawn(operator.run()));
    }

    fn arm(&self) -> Arm {
        let AksConfig {
            subscription,
            resource_group,
            cluster,
            endpoint,
            ..
        } = self.aks.config().clone();
        let config = ArmConfig {
            endpoint,
            subscription,
            resource_group,
            cluster,
            api_version: API_VERSION.into(),
        };
        let world = self.cluster.server.world().clone();
        let transport = Transport::new(self.aks.service().map_err(Into::into));
        Arm::new(
            config,
            transport,
            Credential::token("simulated"),
            Arc::new(move || world.clock.now()),
        )
    }

    /// Puts the admission webhook before the API server.
    async fn judge(&self, elsewhere: Option<Arc<dyn WebhookCaller>>) -> Result<(), ApiError> {
        let settings = validate::Settings {
            provisioner: self.settings.provisioner,
            cloud: self.settings.cloud,
            release_namespace: HOOK.namespace.into(),
            ..validate::Settings::default()
        };
        let lookup = Lookup::new(self.cluster.server.client(UserInfo::system(OPERATOR)));
        let admission = Admission::new(settings, std::collections::BTreeMap::new(), lookup);
        let caller = elsewhere.map_or_else(InProcessCaller::new, InProcessCaller::or);
        caller.add_service(HOOK.namespace, HOOK.name, router(admission));
        self.cluster.server.plugs().set_webhooks(Arc::new(caller));
        for configuration in configurations(&HOOK) {
            let group = "admissionregistration.k8s.io";
            self.create(group, "v1", "validatingwebhookconfigurations", configuration)
                .await?;
        }
        Ok(())
    }

    async fn create(&self, group: &str, version: &str, plural: &str, object: Value) -> Result<(), ApiError> {
        let server = &self.cluster.server;
        let door = server.door(UserInfo::admin(), server.resource(group, version, plural)?);
        door.create(object).await.map(|_| ())
    }
}

impl Drop for Rehearsal {
    fn drop(&mut self) {
        self.stop_operator();
    }
}
