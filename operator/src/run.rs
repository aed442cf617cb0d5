//! The operator as a whole: its controllers, side by side.

use kube::Client;
use operator_api::validate::Provisioner;
use operator_plan::manifests::Settings;

use crate::azure::Arm;
use crate::controllers::{nodeclaim, workspace};
use crate::execute::Now;

/// Everything that the controllers need from outside.
pub struct Operator {
    /// The cluster.
    pub client: Client,
    /// The AKS cluster whose agent pools become nodes; None leaves NodeClaims to another provisioner.
    pub arm: Option<Arm>,
    /// The time of day.
    pub now: Now,
    /// How objects are made.
    pub settings: Settings,
}

/// Why the operator ended.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Controllers run until they are stopped from outside; this one did not.
    #[error("a controller ended by itself: a bug of the operator")]
    Ended,
}

impl Operator {
    /// Runs the controllers for ever; dropping the future stops them between any two requests.
    ///
    /// # Errors
    /// When a controller ends.
    pub async fn run(self) -> Result<(), RunError> {
        let Self {
            client,
            arm,
            now,
            settings,
        } = self;
        let with_claims = settings.provisioner != Provisioner::Byo;
        let workspaces = workspace::run(client.clone(), settings, with_claims, now.clone());
        let claims = async {
            match arm {
                Some(arm) if with_claims => nodeclaim::run(client, arm, now).await,
                Some(_) | None => std::future::pending().await,
            }
        };
        tokio::select! {
            // In this order, so that a rehearsal is the same in every process: tokio's own order comes from a counter of
            // the process.
            biased;
            () = workspaces => {}
            () = claims => {}
        }
        Err(RunError::Ended)
    }
}
