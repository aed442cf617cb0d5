//! What is plugged into the server from outside: logs, proxied programs, webhooks. Until then it answers as a
//! server does whose nodes do not.

use std::fmt;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use futures::future::BoxFuture;
use serde_json::Value;

use crate::world::kube::admission::WebhookCaller;
use crate::world::kube::api_error::ApiError;

/// Which lines of a container's log are asked for.
#[derive(Clone, Debug, Default)]
pub struct LogQuery {
    /// Container; empty for the only one.
    pub container: String,
    /// Of the instance before the last restart.
    pub previous: bool,
    /// Each line with its time.
    pub timestamps: bool,
    /// The last so many lines alone.
    pub tail_lines: Option<usize>,
    /// Lines of the last so many seconds alone.
    pub since_secs: Option<i64>,
}

/// Answers `pods/<name>/log`.
pub trait LogSource: Send + Sync {
    /// The log's text.
    ///
    /// # Errors
    /// As the kubelet answers: no such container, not started yet.
    fn log(&self, pod: &Value, query: &LogQuery) -> Result<Bytes, ApiError>;
}

/// What a proxied program answers.
#[derive(Clone, Debug)]
pub struct ProxyAnswer {
    /// HTTP status code.
    pub code: u16,
    /// `Content-Type`.
    pub content_type: String,
    /// Body.
    pub body: Bytes,
}

/// A request that goes through the API server to a pod.
#[derive(Clone, Debug)]
pub struct ProxyRequest {
    /// HTTP method.
    pub method: http::Method,
    /// Path with query, from the slash.
    pub path: String,
    /// Body.
    pub body: Bytes,
    /// Port of the pod.
    pub port: u16,
}

/// Answers `…/proxy/…`.
pub trait ProxyTarget: Send + Sync {
    /// The answer of the program in `pod`; None when nothing listens there.
    fn request(&self, pod: &Value, request: ProxyRequest) -> BoxFuture<'static, Option<ProxyAnswer>>;
}

/// The sockets; each takes one plug.
#[derive(Default)]
pub struct Plugs {
    logs: OnceLock<Arc<dyn LogSource>>,
    proxy: OnceLock<Arc<dyn ProxyTarget>>,
    webhooks: OnceLock<Arc<dyn WebhookCaller>>,
}

impl fmt::Debug for Plugs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plugs").finish_non_exhaustive()
    }
}

impl Plugs {
    /// Plugs logs in; a second plug is ignored.
    pub fn set_logs(&self, source: Arc<dyn LogSource>) {
        let _ = self.logs.set(source);
    }

    /// Plugs the pods' programs in; a second plug is ignored.
    pub fn set_proxy(&self, target: Arc<dyn ProxyTarget>) {
        let _ = self.proxy.set(target);
    }

    /// Plugs the way to webhooks in; a second plug is ignored.
    pub fn set_webhooks(&self, caller: Arc<dyn WebhookCaller>) {
        let _ = self.webhooks.set(caller);
    }

    pub(super) fn webhooks(&self) -> Option<&Arc<dyn WebhookCaller>> {
        self.webhooks.get()
    }

    pub(super) fn logs(&self) -> Option<&Arc<dyn LogSource>> {
        self.logs.get()
    }

    pub(super) fn proxy(&self) -> Option<&Arc<dyn ProxyTarget>> {
        self.proxy.get()
    }
}
