//! The NodeClaim controller.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::StreamExt;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Node;
use kube::runtime::controller::{Action, Config, Controller};
use kube::runtime::reflector::ObjectRef;
use kube::runtime::watcher;
use kube::{Api, Client};
use operator_api::NodeClaim;
use operator_api::labels::{POOL_OPERATION, WORKSPACE};
use operator_plan::nodeclaim::{Held, Observed, PoolSeen};
use operator_plan::{Kind, Target, Wake};

use super::retry::Failures;
use crate::azure::Arm;
use crate::execute::{ExecuteError, Executor, Now, Written};
use crate::kube::{Cache, Key, controlled};
use crate::run::Planners;

/// Field manager of this controller.
pub const MANAGER: &str = "drydock-nodeclaim";
/// Label of a node with the name of its agent pool.
const POOL_LABEL: &str = "kubernetes.azure.com/agentpool";
/// Passes at one time: they wait for Azure most of the time, which allows some requests a second.
const CONCURRENCY: u16 = 16;

struct Context {
    arm: Arm,
    nodes: Cache<Node>,
    executor: Executor,
    now: Now,
    failures: Failures,
    written: Written,
    /// What Azure refused, by the uid of the claim, and how often. Lost at a restart, which costs one request more.
    refused: Mutex<BTreeMap<String, (Held, u32)>>,
    planners: Planners,
}

/// Runs for ever.
pub async fn run(client: Client, arm: Arm, now: Now, planners: Planners) {
    let nodes: Cache<Node> = Cache::new(pool_of, Some(crate::observe::node_digest));
    let woken = nodes.follow(Api::all(client.clone()), watcher::Config::default().labels(POOL_LABEL));
    let context = Context {
        executor: Executor::new(client.clone(), Some(arm.clone()), MANAGER, now.clone()),
        arm,
        nodes,
        now,
        failures: Failures::default(),
        written: Written::default(),
        refused: Mutex::default(),
        planners,
    };
    let labelled = watcher::Config::default().labels(WORKSPACE);
    let (claims, store) = controlled(Api::<NodeClaim>::all(client), labelled);
    Controller::for_stream(claims, store)
        .with_config(Config::default().concurrency(CONCURRENCY))
        .reconcile_on(woken.map(|key| ObjectRef::new(&key.name)))
        .run(reconcile, on_error, Arc::new(context))
        .for_each(|_| async {})
        .await;
}

#[tracing::instrument(skip_all, fields(claim = claim.metadata.name))]
async fn reconcile(claim: Arc<NodeClaim>, context: Arc<Context>) -> Result<Action, ExecuteError> {
    context.nodes.filled().await;
    let key = Key::of(claim.as_ref());
    let target = Target::cluster(Kind::NodeClaim, &key.name);
    context.written.meet(&target, claim.as_ref());
    if context.written.is_ahead_of(&target, claim.as_ref()) {
        return Ok(Action::await_change());
    }
    let seen = observe(&context, &claim, &key).await;
    let plan = (context.planners.nodeclaim)(&seen);
    let outcome = context.executor.run(&target, &plan, &context.written).await;
    context.remember(&claim, &outcome);
    if let Err(ExecuteError::Arm(_)) = outcome {
        // What Azure refused is told by the next pass, which knows of it.
        return Ok(Action::requeue(Duration::ZERO));
    }
    outcome?;
    context.failures.forget(&key);
    Ok(match plan.wake {
        Wake::OnChange => Action::await_change(),
        Wake::At(at) => {
            Action::requeue(Duration::try_from(at.duration_since((context.now)())).unwrap_or(Duration::ZERO))
        }
    })
}

async fn observe(context: &Context, claim: &NodeClaim, key: &Key) -> Observed {
    let pool = match context.arm.get_pool(&key.name).await {
        Ok(Some(pool)) => PoolSeen::Present(pool.view),
        Ok(None) => PoolSeen::Absent,
        Err(error) => PoolSeen::Unknown(error.refusal()),
    };
    let settled = matches!(&pool, PoolSeen::Present(pool) if pool.provisioning_state == "Succeeded");
    let url = claim
        .metadata
        .annotations
        .as_ref()
        .and_then(|all| all.get(POOL_OPERATION));
    let operation = match url {
        Some(url) if !settled && !matches!(pool, PoolSeen::Absent) => context.arm.operation(url).await.ok().flatten(),
        Some(_) | None => None,
    };
    let refused = context.refused.lock().unwrap_or_else(PoisonError::into_inner);
    Observed {
        pool,
        operation: operation.map(|operation| operation.view()),
        nodes: context.nodes.of(&Key {
            namespace: String::new(),
            name: key.name.clone(),
        }),
        held: refused.get(uid(claim)).map(|(held, _)| held.clone()),
        now: (context.now)(),
        claim: claim.clone(),
    }
}

impl Context {
    /// Notes what Azure refused, and how long it is left in peace.
    fn remember(&self, claim: &NodeClaim, outcome: &Result<(), ExecuteError>) {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        match outcome {
            Err(ExecuteError::Arm(error)) => {
                let times = refused.get(uid(claim)).map_or(0, |(_, times)| *times).saturating_add(1);
                let refusal = error.refusal();
                let wait = i64::try_from(refusal.class.wait_secs(times)).unwrap_or(i64::MAX);
                let until = (self.now)()
                    .saturating_add(SignedDuration::from_secs(wait))
                    .unwrap_or(Timestamp::MAX);
                refused.insert(uid(claim).to_owned(), (Held { refusal, until }, times));
            }
            Ok(()) => {
                let over = refused
                    .get(uid(claim))
                    .is_some_and(|(held, _)| held.until <= (self.now)());
                if over {
                    refused.remove(uid(claim));
                }
            }
            Err(_) => {}
        }
    }
}

fn uid(claim: &NodeClaim) -> &str {
    claim.metadata.uid.as_deref().unwrap_or_default()
}

fn pool_of(node: &Node) -> Vec<Key> {
    let pool = node.metadata.labels.as_ref().and_then(|labels| labels.get(POOL_LABEL));
    let has_machine = node.spec.as_ref().is_some_and(|spec| spec.provider_id.is_some());
    let key = |name: &String| Key {
        namespace: String::new(),
        name: name.clone(),
    };
    pool.filter(|_| has_machine).map(key).into_iter().collect()
}

#[allow(clippy::needless_pass_by_value, reason = "the signature is kube's")]
fn on_error(claim: Arc<NodeClaim>, error: &ExecuteError, context: Arc<Context>) -> Action {
    let wait = context.failures.note(&Key::of(claim.as_ref()), error);
    tracing::warn!(error = %super::retry::chain(error), ?wait, "a pass failed");
    Action::requeue(wait)
}
