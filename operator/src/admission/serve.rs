//! The webhook on a TLS socket. The caller brings the listener and the certificate.

use axum::Router;
use futures::FutureExt;
use hyper_util::{
    rt::{TokioExecutor, TokioIo},
    server::conn::auto::Builder,
    service::TowerToHyperService,
};
use rustls::ServerConfig;
use std::{future::Future, io, pin::pin, sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    time::{sleep, timeout},
};
use tokio_rustls::TlsAcceptor;

/// Connections at one time. The API server keeps a few open for each of its replicas.
const CONNECTIONS: usize = 256;
/// A client that has not shaken hands by then is let go.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// Pause after a failed accept (no file descriptors left): without it the loop would spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves until `shutdown` is ready. Connections that are open then are finished by their own tasks.
pub async fn serve(
    listener: TcpListener,
    tls: Arc<ServerConfig>,
    router: Router,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let acceptor = TlsAcceptor::from(tls);
    let slots = Arc::new(Semaphore::new(CONNECTIONS));
    let mut shutdown = pin!(shutdown.fuse());
    loop {
        let accepted = async {
            // The semaphore is never closed, so waiting for a slot can't fail.
            let slot = Arc::clone(&slots).acquire_owned().await.ok();
            (slot, listener.accept().await)
        };
        let (slot, stream) = tokio::select! {
            () = &mut shutdown => return Ok(()),
            accepted = accepted => accepted,
        };
        let (acceptor, router) = (acceptor.clone(), router.clone());
        match stream {
            Ok((stream, _)) => {
                tokio::spawn(async move {
                    if let Err(error) = connection(stream, acceptor, router).await {
                        tracing::debug!(%error, "a connection to the webhook ended early");
                    }
                    drop(slot);
                });
            }
            Err(error) => {
                tracing::warn!(%error, "a connection to the webhook can't be accepted");
                sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

async fn connection(stream: TcpStream, acceptor: TlsAcceptor, router: Router) -> io::Result<()> {
    let stream = timeout(HANDSHAKE, acceptor.accept(stream)).await??;
    let service = TowerToHyperService::new(router);
    let served = Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(stream), service)
        .await;
    served.map_err(io::Error::other)
}
