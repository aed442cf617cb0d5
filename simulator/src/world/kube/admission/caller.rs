//! How a webhook is reached: `clientConfig` as data, and the trait that makes the call.

use std::fmt;
use std::time::Duration;

use futures::future::BoxFuture;
use serde_json::Value;

/// `clientConfig` of a webhook.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientConfig {
    /// Where to call.
    pub target: Target,
    /// PEM bundle that the server's certificate must be signed by, in base64 as configured; empty for the system's roots.
    pub ca_bundle: String,
}

/// Where a webhook lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// `url`
    Url(String),
    /// `service`
    Service {
        /// Namespace of the Service.
        namespace: String,
        /// Name of the Service.
        name: String,
        /// Path with its slash; empty for none.
        path: String,
        /// Port of the Service.
        port: u16,
    },
}

impl ClientConfig {
    /// Reads a `clientConfig`; None where it names neither a URL nor a service.
    #[must_use]
    pub fn parse(config: &Value) -> Option<Self> {
        let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
        let target = match (config.get("url").and_then(Value::as_str), config.get("service")) {
            (Some(url), _) => Target::Url(url.to_owned()),
            (None, Some(service @ Value::Object(_))) => Target::Service {
                namespace: text(service, "namespace"),
                name: text(service, "name"),
                path: text(service, "path"),
                port: service
                    .get("port")
                    .and_then(Value::as_u64)
                    .and_then(|port| port.try_into().ok())
                    .unwrap_or(443),
            },
            _ => return None,
        };
        Some(Self {
            target,
            ca_bundle: text(config, "caBundle"),
        })
    }

    /// The URL that is posted to, with the time-out as the real server adds it.
    #[must_use]
    pub fn url(&self, timeout: Duration) -> String {
        let base = match &self.target {
            Target::Url(url) => url.clone(),
            Target::Service {
                namespace,
                name,
                path,
                port,
            } => format!("https://{name}.{namespace}.svc:{port}{path}"),
        };
        let joint = if base.contains('?') { '&' } else { '?' };
        format!("{base}{joint}timeout={}s", timeout.as_secs().max(1))
    }
}

/// Why a call brought no answer to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallError {
    /// Nothing answered; what the network said, e.g. `dial tcp 10.0.0.1:443: connect: connection refused`.
    Unreachable(String),
    /// An answer with an error status, and its text if it was one.
    Status(u16, String),
    /// An answer that is not a review.
    Body(String),
    /// No answer in time.
    TimedOut,
}

impl CallError {
    /// The words for it, as they follow `failed to call webhook: `.
    #[must_use]
    pub fn text(&self, url: &str) -> String {
        match self {
            Self::Unreachable(reason) => format!("Post {url:?}: {reason}"),
            Self::TimedOut => format!("Post {url:?}: context deadline exceeded"),
            Self::Body(reason) => reason.clone(),
            Self::Status(code, body) => match code {
                400 => format!("the server rejected our request for an unknown reason{}", quoted(body)),
                401 => "the server has asked for the client to provide credentials".into(),
                403 => format!("forbidden{}", quoted(body)),
                404 => "the server could not find the requested resource".into(),
                405 => "the server does not allow this method on the requested resource".into(),
                429 => "the server has received too many requests and has asked us to try again later".into(),
                503 => "the server is currently unable to handle the request".into(),
                500.. => {
                    let body = if body.is_empty() { "unknown" } else { body };
                    format!("an error on the server ({body:?}) has prevented the request from succeeding")
                }
                _ => format!("the server responded with the status code {code} but did not return more information"),
            },
        }
    }
}

fn quoted(body: &str) -> String {
    if body.is_empty() {
        String::new()
    } else {
        format!(": {body}")
    }
}

/// Makes the call. `serve` puts one on the network; tests and in-process worlds use `InProcessCaller`.
pub trait WebhookCaller: Send + Sync + fmt::Debug {
    /// Posts a review and gives the answer. The time-out is kept by the one who calls; it is told for the URL.
    fn call<'a>(
        &'a self,
        config: &'a ClientConfig,
        review: Value,
        timeout: Duration,
    ) -> BoxFuture<'a, Result<Value, CallError>>;
}
