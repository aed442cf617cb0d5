//! Azure Resource Manager, as far as agent pools go.
//!
//! Knows: requests, answers and errors of AKS' agent pools, and tokens. Must not know: what a pool is wanted for.
//! Nothing here waits for a long-running operation: a request is sent, and its operation is looked at later.
//!
//! Requests are made by `azure_mgmt_containerservice` over a transport of our own, see decision 0006.

mod credential;
mod error;
mod pool;
mod wire;

use std::sync::Arc;

use azure_core::{RetryOptions, TransportOptions};
use azure_mgmt_containerservice::package_preview_2023_01 as aks;
use futures::StreamExt;
use http::{Method, StatusCode};
use serde_json::Value;

pub use credential::{Credential, Federated};
pub use error::ArmError;
pub use pool::{Operation, OperationStatus, Pool};
pub use wire::Transport;

use crate::execute::Now;
use wire::{Answer, Nobody, Wire};

/// Which AKS cluster, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ArmConfig {
    /// Base address, e.g. `https://management.azure.com`.
    pub endpoint: String,
    /// Id of the subscription.
    pub subscription: String,
    /// Resource group of the cluster.
    pub resource_group: String,
    /// Name of the cluster.
    pub cluster: String,
    /// Version of the API that is asked for.
    pub api_version: String,
}

/// Version of the agent pool API that this client was written for.
pub const API_VERSION: &str = "2025-02-01";

/// What Azure answered to a request that it takes its time for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// Where the operation can be looked at.
    pub operation_url: Option<String>,
}

/// A client for the agent pools of one cluster. Cheap to clone.
#[derive(Clone)]
pub struct Arm {
    config: Arc<ArmConfig>,
    wire: Wire,
}

impl Arm {
    /// A client over a transport.
    pub fn new(config: ArmConfig, transport: Transport, credential: Credential, now: Now) -> Self {
        let config = Arc::new(config);
        Self {
            wire: Wire::new(config.api_version.clone(), transport, credential, now),
            config,
        }
    }

    /// One pool; None when the cluster is there and the pool is not.
    ///
    /// # Errors
    /// As Azure answers. That the cluster or its resource group is gone is an error, and not an absent pool.
    pub async fn get_pool(&self, name: &str) -> Result<Option<Pool>, ArmError> {
        let (client, answers) = self.client(None);
        let request = client.agent_pools_client().get(
            &self.config.subscription,
            &self.config.resource_group,
            &self.config.cluster,
            name,
        );
        let outcome = request.send().await.map(|_| ());
        match answers.last(outcome)?.checked() {
            Ok(answer) => Ok(Some(answer.json().and_then(|body| Pool::read(&body))?)),
            Err(error) if error.is_missing_pool() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Every pool of the cluster.
    ///
    /// # Errors
    /// As Azure answers; a list that was cut off is an error, never a shorter list.
    pub async fn list_pools(&self) -> Result<Vec<Pool>, ArmError> {
        let (client, answers) = self.client(None);
        let request = client.agent_pools_client().list(
            &self.config.subscription,
            &self.config.resource_group,
            &self.config.cluster,
        );
        let mut pages = request.into_stream();
        let mut pools = Vec::new();
        while let Some(page) = pages.next().await {
            let body = answers.last(page.map(|_| ()))?.checked()?.json()?;
            for item in body.pointer("/value").and_then(Value::as_array).into_iter().flatten() {
                pools.push(Pool::read(item)?);
            }
        }
        Ok(pools)
    }

    /// Asks for a pool: `{"properties": …}`.
    ///
    /// # Errors
    /// As Azure answers: what it refuses at once it says at once.
    pub async fn put_pool(&self, name: &str, body: &Value) -> Result<Accepted, ArmError> {
        // The crate's model is of 2023 and would drop newer fields: the body itself is what goes over the wire.
        let (client, answers) = self.client(Some(body.to_string()));
        let model: aks::models::AgentPool = serde_json::from_value(body.clone()).unwrap_or_default();
        let request = client.agent_pools_client().create_or_update(
            &self.config.subscription,
            &self.config.resource_group,
            &self.config.cluster,
            name,
            model,
        );
        let outcome = request.send().await.map(|_| ());
        Ok(answers.last(outcome)?.checked()?.accepted())
    }

    /// Asks for a pool to be removed. One that is not there is removed already.
    ///
    /// # Errors
    /// As Azure answers.
    pub async fn delete_pool(&self, name: &str) -> Result<Accepted, ArmError> {
        let (client, answers) = self.client(None);
        let request = client.agent_pools_client().delete(
            &self.config.subscription,
            &self.config.resource_group,
            &self.config.cluster,
            name,
        );
        let outcome = request.send().await.map(|_| ());
        match answers.last(outcome)?.checked() {
            Ok(answer) => Ok(answer.accepted()),
            Err(error) if error.is_missing_pool() => Ok(Accepted { operation_url: None }),
            Err(error) => Err(error),
        }
    }

    /// What has become of an operation. None when Azure has forgotten it.
    ///
    /// # Errors
    /// As Azure answers; an address outside this client's endpoint is refused, so that a token goes nowhere else.
    pub async fn operation(&self, url: &str) -> Result<Option<Operation>, ArmError> {
        let inside = url.strip_prefix(self.config.endpoint.trim_end_matches('/'));
        if !inside.is_some_and(|path| path.starts_with('/')) {
            return Err(ArmError::foreign(url));
        }
        let answer = self.wire.send(Method::GET, url, None).await?;
        if answer.status == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        Ok(Some(Operation::read(&answer.checked()?.json()?)))
    }

    /// The crate's client for one request, and the place where its answers can be read with everything in them.
    fn client(&self, body: Option<String>) -> (aks::Client, wire::Answers) {
        let (transport, answers) = self.wire.recorded(body);
        let endpoint = self.config.endpoint.trim_end_matches('/').to_owned();
        let client = aks::Client::builder(Arc::new(Nobody))
            .endpoint(endpoint)
            .retry(RetryOptions::none())
            .transport(TransportOptions::new(Arc::new(transport)))
            .build();
        (client, answers)
    }
}

impl Answer {
    fn accepted(&self) -> Accepted {
        let header = |name: &str| {
            self.headers
                .get(name)
                .and_then(|value| value.to_str().ok())
                .map(str::to_owned)
        };
        Accepted {
            operation_url: header("azure-asyncoperation").or_else(|| header("operation-location")),
        }
    }
}
