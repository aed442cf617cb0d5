//! Webhooks that live in the same process: routers plugged in under the name of a Service or a URL.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use futures::FutureExt as _;
use futures::future::BoxFuture;
use http_body_util::{BodyExt as _, Limited};
use serde_json::Value;
use tower::ServiceExt as _;

use super::caller::{CallError, ClientConfig, Target, WebhookCaller};

/// Largest answer that is read, in bytes (3 MiB: an answer patches one object of at most that).
const MAX_ANSWER_BYTES: usize = 3 * 1024 * 1024;

/// Calls routers of this process. Cheap to clone; routers may be added while it is in use.
#[derive(Clone, Default)]
pub struct InProcessCaller {
    routes: Arc<RwLock<Routes>>,
    elsewhere: Option<Arc<dyn WebhookCaller>>,
}

#[derive(Default)]
struct Routes {
    services: BTreeMap<(String, String), Router>,
    /// By scheme and host, e.g. `https://127.0.0.1:9443`.
    urls: BTreeMap<String, Router>,
}

impl fmt::Debug for InProcessCaller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InProcessCaller").finish_non_exhaustive()
    }
}

impl InProcessCaller {
    /// A caller that knows nobody.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A caller that hands calls to others whom it does not know to `elsewhere`.
    #[must_use]
    pub fn or(elsewhere: Arc<dyn WebhookCaller>) -> Self {
        Self {
            elsewhere: Some(elsewhere),
            ..Self::default()
        }
    }

    /// Answers calls to a Service, on any port.
    pub fn add_service(&self, namespace: &str, name: &str, router: Router) {
        if let Ok(mut routes) = self.routes.write() {
            routes.services.insert((namespace.to_owned(), name.to_owned()), router);
        }
    }

    /// Answers calls to URLs that start with scheme and host.
    pub fn add_url(&self, scheme_and_host: &str, router: Router) {
        if let Ok(mut routes) = self.routes.write() {
            routes
                .urls
                .insert(scheme_and_host.trim_end_matches('/').to_owned(), router);
        }
    }

    fn find(&self, target: &Target) -> Result<Router, CallError> {
        let routes = self
            .routes
            .read()
            .map_err(|_| CallError::Unreachable("routes are not readable".into()))?;
        match target {
            Target::Service { namespace, name, .. } => {
                let found = routes.services.get(&(namespace.clone(), name.clone())).cloned();
                found.ok_or_else(|| CallError::Unreachable(format!("service {name:?} not found")))
            }
            Target::Url(url) => {
                let host = url.split('/').take(3).collect::<Vec<_>>().join("/");
                let authority = host.split("://").nth(1).unwrap_or_default();
                let refused = || CallError::Unreachable(format!("dial tcp {authority}: connect: connection refused"));
                routes.urls.get(&host).cloned().ok_or_else(refused)
            }
        }
    }
}

impl WebhookCaller for InProcessCaller {
    fn call<'a>(
        &'a self,
        config: &'a ClientConfig,
        review: Value,
        timeout: Duration,
    ) -> BoxFuture<'a, Result<Value, CallError>> {
        async move {
            let router = match (self.find(&config.target), &self.elsewhere) {
                (Ok(router), _) => router,
                (Err(_), Some(elsewhere)) => return elsewhere.call(config, review, timeout).await,
                (Err(error), None) => return Err(error),
            };
            let request = http::Request::post(config.url(timeout))
                .header("content-type", "application/json")
                .header("accept", "application/json, */*")
                .header("user-agent", "kube-apiserver-admission")
                .body(Body::from(review.to_string()))
                .map_err(|error| CallError::Unreachable(error.to_string()))?;
            let response = match router.oneshot(request).await {
                Ok(response) => response,
                Err(never) => match never {},
            };
            let (parts, body) = response.into_parts();
            let body = Limited::new(body, MAX_ANSWER_BYTES).collect().await;
            let body = body.map_err(|error| CallError::Body(error.to_string()))?.to_bytes();
            let kind = parts
                .headers
                .get("content-type")
                .and_then(|value| value.to_str().ok())
                .unwrap_or_default();
            if !parts.status.is_success() {
                let text = String::from_utf8_lossy(&body).trim().to_owned();
                let text = if kind.starts_with("text/") { text } else { String::new() };
                return Err(CallError::Status(parts.status.as_u16(), text));
            }
            serde_json::from_slice(&body)
                .map_err(|error| CallError::Body(format!("couldn't get version/kind; json parse error: {error}")))
        }
        .boxed()
    }
}
