//! The Workspace controller.

use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt, stream};
use kube::runtime::controller::{Action, Config, Controller};
use kube::runtime::reflector::{ObjectRef, Store};
use kube::runtime::watcher;
use kube::{Api, Client};
use operator_api::Workspace;
use operator_plan::manifests::Settings;
use operator_plan::workspace::{ReferenceKind, Supply, references, supply};
use operator_plan::{Kind, Target, Wake};

use super::retry::Failures;
use crate::execute::{ExecuteError, Executor, Now, Written};
use crate::kube::{Key, controlled};
use crate::observe::{Caches, Woken, observe};
use crate::run::Planners;

/// Field manager of this controller.
pub const MANAGER: &str = "drydock-workspace";

/// Passes at one time. A pass waits for the API server most of the time.
const CONCURRENCY: u16 = 16;

struct Context {
    client: Client,
    caches: Caches,
    executor: Executor,
    settings: Settings,
    now: Now,
    failures: Failures,
    written: Written,
    planners: Planners,
}

/// Runs for ever.
pub async fn run(client: Client, settings: Settings, with_claims: bool, now: Now, planners: Planners) {
    let caches = Caches::new(with_claims);
    let (workspaces, store) = controlled(Api::<Workspace>::all(client.clone()), watcher::Config::default());
    let controller = Controller::for_stream(workspaces, store).with_config(Config::default().concurrency(CONCURRENCY));
    let woken = woken(caches.follow(&client), controller.store(), settings.clone());
    let context = Context {
        executor: Executor::new(client.clone(), None, MANAGER, now.clone()),
        client,
        caches,
        settings,
        now,
        failures: Failures::default(),
        written: Written::default(),
        planners,
    };
    controller
        .reconcile_on(woken)
        .run(reconcile, on_error, Arc::new(context))
        .for_each(|_| async {})
        .await;
}

/// The Workspaces that a change concerns.
fn woken(
    changes: impl Stream<Item = Woken> + Send + 'static,
    store: Store<Workspace>,
    settings: Settings,
) -> impl Stream<Item = ObjectRef<Workspace>> + Send + 'static {
    changes.flat_map(move |change| {
        let keys: Vec<Key> = match change {
            Woken::Workspace(key) => vec![key],
            Woken::Node => select(&store, |workspace| supply(workspace, &settings) == Supply::Byo),
            Woken::ConfigMap(map) => select(&store, |workspace| refers_to(workspace, &map)),
        };
        stream::iter(
            keys.into_iter()
                .map(|key| ObjectRef::new(&key.name).within(&key.namespace)),
        )
    })
}

fn select(store: &Store<Workspace>, wanted: impl Fn(&Workspace) -> bool) -> Vec<Key> {
    let mut keys: Vec<Key> = store
        .state()
        .iter()
        .filter(|workspace| wanted(workspace))
        .map(|workspace| Key::of(workspace.as_ref()))
        .collect();
    keys.sort();
    keys
}

fn refers_to(workspace: &Workspace, map: &Key) -> bool {
    workspace.metadata.namespace.as_ref() == Some(&map.namespace)
        && references(workspace)
            .iter()
            .any(|reference| reference.kind == ReferenceKind::ConfigMap && reference.name == map.name)
}

#[tracing::instrument(skip_all, fields(workspace = %ObjectRef::from_obj(workspace.as_ref())))]
async fn reconcile(workspace: Arc<Workspace>, context: Arc<Context>) -> Result<Action, ExecuteError> {
    let Context {
        client,
        caches,
        executor,
        settings,
        now,
        failures,
        written,
        planners,
    } = context.as_ref();
    caches.filled().await;
    let key = Key::of(workspace.as_ref());
    let target = Target::namespaced(Kind::Workspace, &key.namespace, &key.name);
    written.meet(&target, workspace.as_ref());
    if written.is_ahead_of(&target, workspace.as_ref()) {
        return Ok(Action::await_change());
    }
    let seen = observe(caches, client, &workspace, settings, now(), failures.message(&key))
        .await
        .map_err(|error| ExecuteError::observe(&target, error))?;
    let plan = (planners.workspace)(&seen, settings);
    executor.run(&target, &plan, written).await?;
    failures.forget(&key);
    Ok(match plan.wake {
        Wake::OnChange => Action::await_change(),
        Wake::At(at) => Action::requeue(Duration::try_from(at.duration_since(now())).unwrap_or(Duration::ZERO)),
    })
}

#[allow(clippy::needless_pass_by_value, reason = "the signature is kube's")]
fn on_error(workspace: Arc<Workspace>, error: &ExecuteError, context: Arc<Context>) -> Action {
    let wait = context.failures.note(&Key::of(workspace.as_ref()), error);
    tracing::warn!(error = %super::retry::chain(error), ?wait, "a pass failed");
    Action::requeue(wait)
}
