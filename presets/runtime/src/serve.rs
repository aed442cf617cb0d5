//! `serve`: checks what it was given, listens, ends gracefully.

use std::future::Future;
use std::io::Read;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result};
use preset_engine::fake::FakeEngine;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::adapters;
use crate::api::{self, Served};
use crate::args::Serve;

/// Requests that are still being answered have so long after SIGTERM; pods have 30 s.
const DRAINS_WITHIN: Duration = Duration::from_secs(20);
/// Longest configuration, in bytes: a ConfigMap holds no more.
const MAX_CONFIG_BYTES: u64 = 1 << 20;
/// Context of a model that the catalogue does not know, in tokens.
const USUAL_CONTEXT_TOKENS: u32 = 2_048;

/// Serves until SIGTERM or SIGINT.
pub(crate) fn run(args: Serve) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let outcome = runtime.block_on(listen(args));
    // A read of standard input cannot be called off, and an engine's call need not be waited for.
    runtime.shutdown_background();
    outcome
}

async fn listen(args: Serve) -> Result<()> {
    let stopped = stopped(args.until_stdin_closes)?;
    let address = SocketAddr::new(args.listen, args.port);
    let served = Arc::new(served(args)?);
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("cannot listen on {address}; choose another port with --port"))?;
    tracing::info!(
        model = served.model,
        "no model runs here: the engine is a declared fake"
    );
    tracing::info!("listening on {}", listener.local_addr()?);
    let (stop, mut draining) = watch::channel(false);
    let serving = axum::serve(listener, api::router(served)).with_graceful_shutdown(async move {
        stopped.await;
        tracing::info!("ending: answering what was asked already");
        let _ = stop.send(true);
    });
    tokio::select! {
        outcome = serving => outcome.context("serving"),
        () = async {
            let _ = draining.wait_for(|draining| *draining).await;
            tokio::time::sleep(DRAINS_WITHIN).await;
        } => { tracing::warn!("some requests were not answered in time"); Ok(()) }
    }
}

/// What the flags say, checked.
fn served(args: Serve) -> Result<Served> {
    let Serve {
        model,
        served_model_name,
        port: _,
        listen: _,
        pipeline,
        config,
        adapters_dir,
        weights_dir: _,
        tensor_parallel: _,
        pipeline_parallel: _,
        peers_service: _,
        until_stdin_closes: _,
    } = args;
    if let Some(path) = config {
        let mut text = String::new();
        let file = std::fs::File::open(&path).with_context(|| format!("--config {}", path.display()))?;
        let read = file.take(MAX_CONFIG_BYTES).read_to_string(&mut text);
        read.with_context(|| format!("--config {}", path.display()))?;
        tracing::info!(path = %path.display(), "the fake engine takes no configuration: not used");
    }
    let known = preset_catalog::find(&model);
    if known.is_none() {
        tracing::warn!(model, "the catalogue does not know this model");
    }
    let context_tokens = known.map(|known| u32::try_from(known.context_tokens).unwrap_or(u32::MAX));
    let short = model.rsplit('/').next().unwrap_or(&model).to_owned();
    Ok(Served {
        name: served_model_name.unwrap_or(short),
        adapters: adapters_dir.map_or_else(|| Ok(Vec::new()), |folder| adapters::names(&folder))?,
        model,
        pipeline,
        context_tokens: context_tokens.unwrap_or(USUAL_CONTEXT_TOKENS),
        created: unix_now(),
        now: unix_now,
        engine: Arc::new(FakeEngine),
    })
}

/// Waits for SIGTERM, SIGINT, or the end of standard input.
fn stopped(until_stdin_closes: bool) -> Result<impl Future<Output = ()> + Send + 'static> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    Ok(async move {
        let orphaned = async {
            match until_stdin_closes {
                true => while tokio::io::stdin().read(&mut [0; 64]).await.is_ok_and(|read| read > 0) {},
                false => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            () = orphaned => {}
        }
    })
}

#[allow(
    clippy::disallowed_methods,
    reason = "clients are told by the wall's clock when an answer was made"
)]
fn unix_now() -> i64 {
    jiff::Timestamp::now().as_second()
}
