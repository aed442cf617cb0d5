//! The operator as a whole: its controllers, side by side.

use kube::Client;
use operator_api::validate::Provisioner;
use operator_plan::Plan;
use operator_plan::manifests::Settings;
use operator_plan::{nodeclaim as claim_plan, workspace as workspace_plan};

use crate::azure::Arm;
use crate::controllers::{nodeclaim, workspace};
use crate::execute::Now;

/// What decides. Tests hand in wrong ones, to see that they are noticed.
#[derive(Clone, Copy, Debug)]
pub struct Planners {
    /// About a Workspace.
    pub workspace: fn(&workspace_plan::Observed, &Settings) -> Plan,
    /// About a NodeClaim.
    pub nodeclaim: fn(&claim_plan::Observed) -> Plan,
}

impl Default for Planners {
    fn default() -> Self {
        Self {
            workspace: workspace_plan::plan,
            nodeclaim: claim_plan::plan,
        }
    }
}

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
    /// What decides.
    pub planners: Planners,
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
            planners,
        } = self;
        let with_claims = settings.provisioner != Provisioner::Byo;
        let workspaces = workspace::run(client.clone(), settings, with_claims, now.clone(), planners);
        let claims = async {
            match arm {
                Some(arm) if with_claims => nodeclaim::run(client, arm, now, planners).await,
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
