//! The HTTP interface: what is served where, and what every answer has in common.

mod chat;
mod openai;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use axum::Router;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, State};
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Json, Response};
use axum::routing::{get, post};
use preset_engine::{Completion, Engine, EngineError, Request};
use serde_json::{Value, json};

use crate::args::Pipeline;

/// Longest request body, in bytes.
pub(crate) const MAX_BODY_BYTES: usize = 4 << 20;

/// What is served.
pub(crate) struct Served {
    /// Hugging Face id.
    pub(crate) model: String,
    /// Name for clients.
    pub(crate) name: String,
    /// Adapters, each a model of its own for clients.
    pub(crate) adapters: Vec<String>,
    /// What `/chat` takes.
    pub(crate) pipeline: Pipeline,
    /// Prompt and answer together have at most so many tokens.
    pub(crate) context_tokens: u32,
    /// When it was started, Unix seconds.
    pub(crate) created: i64,
    /// Unix seconds now.
    pub(crate) now: fn() -> i64,
    /// What answers.
    pub(crate) engine: Arc<dyn Engine>,
}

/// All that handlers need.
pub(crate) type Shared = State<Arc<Served>>;
/// A body, or why there is none.
pub(crate) type Body = Result<axum::body::Bytes, BytesRejection>;

impl Served {
    /// Generates, on a thread for that.
    pub(crate) async fn generate(&self, request: Request) -> Result<Completion, EngineError> {
        let engine = Arc::clone(&self.engine);
        let generated = tokio::task::spawn_blocking(move || engine.generate(&request)).await;
        generated.unwrap_or_else(|error| Err(EngineError::Failed(error.to_string())))
    }
}

/// Everything.
pub(crate) fn router(served: Arc<Served>) -> Router {
    let healthy = || async { Json(json!({ "status": "Healthy" })) };
    Router::new()
        .route("/", get(|| async { Json(json!({ "message": "Server is running" })) }))
        .route("/healthz", get(healthy))
        .route("/health", get(healthy))
        .route(
            "/version",
            get(|| async { Json(json!({ "version": env!("CARGO_PKG_VERSION") })) }),
        )
        .route("/chat", post(chat::chat))
        .route("/v1/models", get(openai::models))
        .route("/v1/chat/completions", post(openai::chat_completions))
        .route("/v1/completions", post(openai::completions))
        .fallback(|uri: Uri| async move { refused(&uri, StatusCode::NOT_FOUND, "Not Found") })
        .method_not_allowed_fallback(|uri: Uri| async move {
            refused(&uri, StatusCode::METHOD_NOT_ALLOWED, "Method Not Allowed")
        })
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .with_state(served)
}

/// A refusal in the shape that clients of that path know.
fn refused(uri: &Uri, code: StatusCode, text: &str) -> Response {
    match uri.path().starts_with("/v1/") {
        true => openai::Refusal::new(code, format!("{text}: {}", uri.path())).into_response(),
        false => detail(code, text),
    }
}

/// A refusal as FastAPI shapes it.
pub(crate) fn detail(code: StatusCode, detail: impl Into<Value>) -> Response {
    (code, Json(json!({ "detail": detail.into() }))).into_response()
}
