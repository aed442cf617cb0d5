//! The way of a request: token, version of the API, the transport, and the answer with its headers.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use azure_core::auth::{AccessToken, TokenCredential, TokenResponse};
use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};
use serde_json::Value;
use tower::util::BoxCloneSyncService;
use tower::{BoxError, ServiceExt};

use super::credential::{Credential, Tokens};
use super::error::ArmError;
use crate::execute::Now;

/// Sends requests and brings answers: a client on a socket in production, the simulated AKS itself in a rehearsal.
pub type Transport = BoxCloneSyncService<Request<Bytes>, Response<Bytes>, BoxError>;

/// An answer.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) headers: HeaderMap,
    body: Bytes,
}

impl Answer {
    /// The answer, unless it is a refusal.
    pub(super) fn checked(self) -> Result<Self, ArmError> {
        match self.status.is_success() {
            true => Ok(self),
            false => Err(ArmError::refused(self.status, &self.headers, &self.body)),
        }
    }

    pub(super) fn json(&self) -> Result<Value, ArmError> {
        serde_json::from_slice(&self.body).map_err(ArmError::unreadable)
    }
}

/// Sends requests with a token. Cheap to clone.
#[derive(Clone)]
pub(super) struct Wire {
    api_version: String,
    transport: Transport,
    tokens: Arc<Tokens>,
}

impl Wire {
    pub(super) fn new(api_version: String, transport: Transport, credential: Credential, now: Now) -> Self {
        let tokens = Arc::new(Tokens::new(credential, now));
        Self {
            api_version,
            transport,
            tokens,
        }
    }

    /// Sends one request; a token that is refused is renewed once.
    pub(super) async fn send(&self, method: Method, url: &str, body: Option<Bytes>) -> Result<Answer, ArmError> {
        let answer = self.send_once(&method, url, body.clone()).await?;
        if answer.status != StatusCode::UNAUTHORIZED {
            return Ok(answer);
        }
        self.tokens.forget().await;
        self.send_once(&method, url, body).await
    }

    async fn send_once(&self, method: &Method, url: &str, body: Option<Bytes>) -> Result<Answer, ArmError> {
        let token = self.tokens.get(&self.transport).await?;
        let mut request = Request::builder()
            .method(method.clone())
            .uri(url)
            .header(header::AUTHORIZATION, format!("Bearer {}", token.expose()))
            .header(header::ACCEPT, "application/json");
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let request = request.body(body.unwrap_or_default()).map_err(ArmError::transport)?;
        let response = self
            .transport
            .clone()
            .oneshot(request)
            .await
            .map_err(ArmError::transport)?;
        let (parts, body) = response.into_parts();
        Ok(Answer {
            status: parts.status,
            headers: parts.headers,
            body,
        })
    }

    /// This wire for one call of the crate's client, with the body that is to go over it.
    pub(super) fn recorded(&self, body: Option<String>) -> (Recorded, Answers) {
        let answers = Answers::default();
        let recorded = Recorded {
            wire: self.clone(),
            body: body.map(Bytes::from),
            answers: answers.clone(),
        };
        (recorded, answers)
    }
}

/// What was answered last: the crate drops headers of deletes and bodies of refusals.
#[derive(Clone, Default)]
pub(super) struct Answers {
    last: Arc<Mutex<Option<Result<Answer, ArmError>>>>,
}

impl Answers {
    /// The last answer. `outcome` is the crate's: it counts only when nothing went over the wire.
    pub(super) fn last(&self, outcome: azure_core::Result<()>) -> Result<Answer, ArmError> {
        let last = self.last.lock().unwrap_or_else(PoisonError::into_inner).take();
        match (last, outcome) {
            (Some(answer), _) => answer,
            (None, Err(error)) => Err(ArmError::transport(error)),
            (None, Ok(())) => Err(ArmError::transport("no request was sent")),
        }
    }
}

/// The crate's transport.
pub(super) struct Recorded {
    wire: Wire,
    body: Option<Bytes>,
    answers: Answers,
}

impl fmt::Debug for Recorded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorded").finish_non_exhaustive()
    }
}

#[async_trait::async_trait]
impl azure_core::HttpClient for Recorded {
    async fn execute_request(&self, request: &azure_core::Request) -> azure_core::Result<azure_core::Response> {
        let mut url = request.url().clone();
        versioned(&mut url, &self.wire.api_version);
        let method = Method::from_bytes(request.method().as_ref().as_bytes()).unwrap_or_default();
        let answer = self.wire.send(method, url.as_str(), self.body.clone()).await;
        let told = match &answer {
            Ok(answer) => Ok(response(answer)),
            Err(error) => Err(azure_core::Error::message(
                azure_core::error::ErrorKind::Io,
                error.to_string(),
            )),
        };
        *self.answers.last.lock().unwrap_or_else(PoisonError::into_inner) = Some(answer);
        told
    }
}

/// The crate asks for a preview of 2023; that version is replaced. An address that Azure gave for a next page keeps its own.
fn versioned(url: &mut azure_core::Url, version: &str) {
    let pairs: Vec<(String, String)> = url
        .query_pairs()
        .map(|(key, value)| match key.as_ref() {
            "api-version" if value.ends_with("-preview") => (key.into_owned(), version.to_owned()),
            _ => (key.into_owned(), value.into_owned()),
        })
        .collect();
    url.query_pairs_mut().clear().extend_pairs(pairs);
}

fn response(answer: &Answer) -> azure_core::Response {
    let status = azure_core::StatusCode::try_from(answer.status.as_u16());
    azure_core::Response::new(
        status.unwrap_or(azure_core::StatusCode::InternalServerError),
        azure_core::headers::Headers::new(),
        Box::pin(azure_core::BytesStream::new(answer.body.clone())),
    )
}

/// The crate wants a credential for each request; ours is put in by the wire.
pub(super) struct Nobody;

#[async_trait::async_trait]
impl TokenCredential for Nobody {
    async fn get_token(&self, _resource: &str) -> azure_core::Result<TokenResponse> {
        Ok(TokenResponse::new(
            AccessToken::new(""),
            time::OffsetDateTime::UNIX_EPOCH,
        ))
    }
}
