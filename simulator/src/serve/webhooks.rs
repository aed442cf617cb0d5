//! Calls webhooks over HTTPS, for servers that live on a socket. Knows TLS and HTTP; not what a review says.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Request, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig as TlsConfig, RootCertStore};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::world::kube::admission::{CallError, ClientConfig, Target, WebhookCaller};

/// Longest answer that is read, in bytes: what the real server reads at most.
const MAX_ANSWER_BYTES: usize = 3 * 1024 * 1024;

/// Posts reviews to URLs. Services have no address here: their pods are simulated.
#[derive(Clone, Copy, Debug, Default)]
pub struct HttpsCaller;

impl WebhookCaller for HttpsCaller {
    fn call<'a>(
        &'a self,
        config: &'a ClientConfig,
        review: Value,
        timeout: Duration,
    ) -> BoxFuture<'a, Result<Value, CallError>> {
        Box::pin(async move {
            if let Target::Service { namespace, name, .. } = &config.target {
                let why =
                    format!("no program runs behind the simulated service {namespace}/{name}; use clientConfig.url");
                return Err(CallError::Unreachable(why));
            }
            let unreachable = |error: String| CallError::Unreachable(error);
            let uri: Uri = config
                .url(timeout)
                .parse()
                .map_err(|error| unreachable(format!("{error}")))?;
            let host = uri.host().unwrap_or_default().to_owned();
            let port = uri.port_u16().unwrap_or(443);
            let stream = TcpStream::connect((host.as_str(), port)).await;
            let stream = stream.map_err(|error| unreachable(format!("dial tcp {host}:{port}: connect: {error}")))?;
            let connector = TlsConnector::from(Arc::new(trusting(&config.ca_bundle)?));
            let name = ServerName::try_from(host.clone()).map_err(|error| unreachable(error.to_string()))?;
            let stream = connector.connect(name, stream).await;
            let stream = stream.map_err(|error| unreachable(format!("tls: failed to verify certificate: {error}")))?;
            post(TokioIo::new(stream), &uri, &host, &review).await
        })
    }
}

/// Trust in the configured bundle alone.
fn trusting(ca_bundle: &str) -> Result<TlsConfig, CallError> {
    let wrong = |error: String| CallError::Unreachable(format!("unable to load root certificates: {error}"));
    let pem = STANDARD.decode(ca_bundle).map_err(|error| wrong(error.to_string()))?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&pem) {
        let certificate = certificate.map_err(|error| wrong(error.to_string()))?;
        roots.add(certificate).map_err(|error| wrong(error.to_string()))?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = TlsConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| wrong(error.to_string()))?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

async fn post<S>(stream: TokioIo<S>, uri: &Uri, host: &str, review: &Value) -> Result<Value, CallError>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let broken = |error: &dyn std::fmt::Display| CallError::Unreachable(error.to_string());
    let (mut sender, connection) = http1::handshake(stream).await.map_err(|error| broken(&error))?;
    tokio::spawn(connection);
    let path = uri.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
    let request = Request::post(path)
        .header(header::HOST, host)
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::ACCEPT, "application/json")
        .body(Full::new(Bytes::from(review.to_string())))
        .map_err(|error| broken(&error))?;
    let response = sender.send_request(request).await.map_err(|error| broken(&error))?;
    let code = response.status().as_u16();
    let body = Limited::new(response.into_body(), MAX_ANSWER_BYTES).collect().await;
    let body = body.map_err(|error| CallError::Body(error.to_string()))?.to_bytes();
    if code != 200 {
        return Err(CallError::Status(code, String::from_utf8_lossy(&body).into_owned()));
    }
    serde_json::from_slice(&body).map_err(|error| CallError::Body(error.to_string()))
}
