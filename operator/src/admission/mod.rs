//! The admission webhook: the rules of `operator-api` behind HTTP, the same code in a test and in a cluster.
//!
//! Knows: AdmissionReview in and out, which facts the rules want, sockets. Must not know: the rules themselves, or
//! where certificates come from.

mod configuration;
mod lookup;
mod review;
mod serve;

pub use configuration::{WebhookService, configurations};
pub use lookup::Lookup;
pub use serve::serve;

use axum::{
    Router,
    body::Body,
    extract::State,
    http::{HeaderMap, Request, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use operator_api::validate::{ModelFact, Settings};
use std::{collections::BTreeMap, sync::Arc};

/// Largest request body in bytes. The API server takes objects of up to 3 MiB, and a review holds two of them.
const BODY_BYTES: usize = 8 << 20;

/// What the webhook works with.
#[derive(Clone)]
pub struct Admission {
    settings: Arc<Settings>,
    models: Arc<BTreeMap<String, Result<ModelFact, String>>>,
    lookup: Lookup,
}

impl Admission {
    /// `models` are those whose sizes are known, by `organisation/model` in lower case.
    pub fn new(settings: Settings, models: BTreeMap<String, Result<ModelFact, String>>, lookup: Lookup) -> Self {
        Self {
            settings: Arc::new(settings),
            models: Arc::new(models),
            lookup,
        }
    }
}

/// The webhook as a service.
pub fn router(admission: Admission) -> Router {
    Router::new()
        .route("/validate/workspace.kaito.sh", post(workspace))
        .route("/validate/inferenceset.kaito.sh", post(inference_set))
        .route("/healthz", get(|| async { "ok" }))
        .with_state(admission)
}

async fn workspace(State(admission): State<Admission>, request: Request<Body>) -> Response {
    answer(&admission, review::Target::Workspace, request).await
}

async fn inference_set(State(admission): State<Admission>, request: Request<Body>) -> Response {
    answer(&admission, review::Target::InferenceSet, request).await
}

async fn answer(admission: &Admission, target: review::Target, request: Request<Body>) -> Response {
    let (parts, body) = request.into_parts();
    if !is_json(&parts.headers) {
        return (StatusCode::UNSUPPORTED_MEDIA_TYPE, "the body must be application/json").into_response();
    }
    let Ok(body) = axum::body::to_bytes(body, BODY_BYTES).await else {
        let text = format!("the body is larger than {BODY_BYTES} bytes or was cut off");
        return (StatusCode::PAYLOAD_TOO_LARGE, text).into_response();
    };
    match review::answer(admission, target, &body).await {
        Ok(review) => axum::Json(review).into_response(),
        Err(reason) => (StatusCode::BAD_REQUEST, reason).into_response(),
    }
}

fn is_json(headers: &HeaderMap) -> bool {
    let content_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default();
    content_type
        .split(';')
        .next()
        .unwrap_or_default()
        .trim()
        .eq_ignore_ascii_case("application/json")
}
