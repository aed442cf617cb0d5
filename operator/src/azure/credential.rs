//! Tokens for Azure: given, or had for the identity of the operator's pod.

use std::fmt;
use std::path::PathBuf;

use bytes::Bytes;
use http::{Method, Request, header};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use tokio::sync::Mutex;
use tower::ServiceExt;

use super::error::ArmError;
use super::wire::Transport;
use crate::execute::Now;

/// What a token is asked for: everything that Azure Resource Manager manages.
const SCOPE: &str = "https://management.azure.com/.default";
/// A token is renewed so long before it ends.
const MARGIN: SignedDuration = SignedDuration::from_mins(5);

/// Text that is not to be seen in a log.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Hides a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself.
    pub(super) fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(secret)")
    }
}

/// How the operator proves who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Credential {
    /// A token that was given, for a simulated AKS.
    Static(Secret),
    /// Workload identity: the pod's service account token is exchanged.
    Federated(Federated),
}

impl Credential {
    /// A token that was given.
    pub fn token(token: impl Into<String>) -> Self {
        Self::Static(Secret::new(token))
    }
}

/// What the workload identity webhook tells a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Federated {
    /// Where tokens are issued, e.g. `https://login.microsoftonline.com/`.
    pub authority: String,
    /// Tenant of the identity.
    pub tenant: String,
    /// Client id of the identity.
    pub client: String,
    /// File with the service account token, which kubelet renews.
    pub token_file: PathBuf,
}

/// Tokens, kept while they are good.
pub(super) struct Tokens {
    credential: Credential,
    now: Now,
    kept: Mutex<Option<(Secret, Timestamp)>>,
}

#[derive(Deserialize)]
struct Issued {
    access_token: String,
    expires_in: i64,
}

impl Tokens {
    pub(super) fn new(credential: Credential, now: Now) -> Self {
        Self {
            credential,
            now,
            kept: Mutex::new(None),
        }
    }

    /// A token that is good for some minutes more.
    pub(super) async fn get(&self, transport: &Transport) -> Result<Secret, ArmError> {
        let federated = match &self.credential {
            Credential::Static(token) => return Ok(token.clone()),
            Credential::Federated(federated) => federated,
        };
        let mut kept = self.kept.lock().await;
        let now = (self.now)();
        if let Some((token, until)) = kept.as_ref()
            && now.saturating_add(MARGIN).is_ok_and(|soon| soon < *until)
        {
            return Ok(token.clone());
        }
        let Issued {
            access_token,
            expires_in,
        } = exchange(federated, transport).await?;
        let until = now.saturating_add(SignedDuration::from_secs(expires_in)).unwrap_or(now);
        let token = Secret::new(access_token);
        *kept = Some((token.clone(), until));
        Ok(token)
    }

    /// The token was refused.
    pub(super) async fn forget(&self) {
        *self.kept.lock().await = None;
    }
}

async fn exchange(federated: &Federated, transport: &Transport) -> Result<Issued, ArmError> {
    let Federated {
        authority,
        tenant,
        client,
        token_file,
    } = federated;
    let assertion = tokio::fs::read_to_string(token_file)
        .await
        .map_err(|error| ArmError::credential(format!("cannot read {}: {error}", token_file.display())))?;
    let form = form_urlencoded::Serializer::new(String::new())
        .append_pair("client_id", client)
        .append_pair("scope", SCOPE)
        .append_pair("grant_type", "client_credentials")
        .append_pair(
            "client_assertion_type",
            "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        )
        .append_pair("client_assertion", assertion.trim())
        .finish();
    let url = format!("{}/{tenant}/oauth2/v2.0/token", authority.trim_end_matches('/'));
    let request = Request::builder()
        .method(Method::POST)
        .uri(&url)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Bytes::from(form))
        .map_err(ArmError::transport)?;
    let response = transport.clone().oneshot(request).await.map_err(ArmError::transport)?;
    if !response.status().is_success() {
        let body: serde_json::Value = serde_json::from_slice(response.body()).unwrap_or_default();
        let said = body["error_description"].as_str().unwrap_or_default();
        return Err(ArmError::credential(format!(
            "{url} answered {}: {said}",
            response.status()
        )));
    }
    serde_json::from_slice(response.body()).map_err(ArmError::unreadable)
}
