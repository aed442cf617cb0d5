//! Bearer tokens: a fixed list, and service-account tokens that carry their own claims under a signature.
//! Knows no clock: the time comes in as an argument.

use std::collections::BTreeMap;

use jiff::Timestamp;
use ring::hmac;
use serde_json::{Value, json};

use super::super::api_error::{ApiError, FieldError};
use super::UserInfo;
use super::reviews::AUDIENCE;

/// Least and most seconds that a client may ask a token to last, and what it gets without asking
/// (Kubernetes' TokenRequest validation and defaulting).
const SHORTEST_SECS: i64 = 600;
const LONGEST_SECS: i64 = 1 << 32;
const USUAL_SECS: i64 = 3600;

/// All tokens that the server knows.
pub struct Tokens {
    fixed: BTreeMap<String, UserInfo>,
    key: hmac::Key,
}

/// What a service-account token speaks for.
#[derive(Clone, Copy, Debug)]
pub struct Account<'a> {
    /// Namespace of the account.
    pub namespace: &'a str,
    /// Its name.
    pub name: &'a str,
    /// Its uid: a token dies with the account.
    pub uid: &'a str,
}

impl Tokens {
    /// Fixed tokens, and the secret under which service-account tokens are signed.
    #[must_use]
    pub fn new(fixed: BTreeMap<String, UserInfo>, secret: &[u8]) -> Self {
        Self {
            fixed,
            key: hmac::Key::new(hmac::HMAC_SHA256, secret),
        }
    }

    /// The user of a request by its `Authorization` header. `uid_of` looks up the uid of a service account by
    /// namespace and name.
    ///
    /// # Errors
    /// 401 for a bearer token that is not known, not ours, or no longer good.
    pub fn user_of(
        &self,
        authorization: Option<&str>,
        now: Timestamp,
        uid_of: &dyn Fn(&str, &str) -> Option<String>,
    ) -> Result<UserInfo, ApiError> {
        let header = authorization.unwrap_or_default().trim();
        let token = match header.split_once(' ') {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => token.trim(),
            _ => "",
        };
        if token.is_empty() {
            return Ok(UserInfo::anonymous());
        }
        self.authenticate(token, now, uid_of).ok_or_else(ApiError::unauthorized)
    }

    /// The user of a token.
    #[must_use]
    pub fn authenticate(
        &self,
        token: &str,
        now: Timestamp,
        uid_of: &dyn Fn(&str, &str) -> Option<String>,
    ) -> Option<UserInfo> {
        if let Some(user) = self.fixed.get(token) {
            return Some(user.clone());
        }
        let claims = self.verified(token)?;
        let now = now.as_second();
        if now >= claims["exp"].as_i64()? || now < claims["nbf"].as_i64()? {
            return None;
        }
        let own = &claims["kubernetes.io"];
        let (namespace, account) = (own["namespace"].as_str()?, &own["serviceaccount"]);
        let (name, uid) = (account["name"].as_str()?, account["uid"].as_str()?);
        if uid_of(namespace, name)? != uid {
            return None;
        }
        let mut user = UserInfo::service_account(namespace, name, uid);
        let mut extra = |key: &str, value: String| {
            user.extra
                .insert(format!("authentication.kubernetes.io/{key}"), vec![value]);
        };
        extra("credential-id", format!("JTI={}", claims["jti"].as_str()?));
        for (kind, field) in [("pod", "name"), ("pod", "uid"), ("node", "name"), ("node", "uid")] {
            if let Some(value) = own[kind][field].as_str() {
                extra(&format!("{kind}-{field}"), value.into());
            }
        }
        Some(user)
    }

    /// Answers a TokenRequest (the `token` subresource of a ServiceAccount); `id` is a fresh uuid.
    ///
    /// # Errors
    /// 422 for a lifetime out of range.
    pub fn request(&self, account: Account<'_>, body: &Value, id: &str, now: Timestamp) -> Result<Value, ApiError> {
        let spec = &body["spec"];
        let seconds = spec["expirationSeconds"].as_i64().unwrap_or(USUAL_SECS);
        let problem = if seconds < SHORTEST_SECS {
            Some("may not specify a duration less than 10 minutes")
        } else if seconds > LONGEST_SECS {
            Some("may not specify a duration larger than 2^32 seconds")
        } else {
            None
        };
        if let Some(problem) = problem {
            let error = FieldError::invalid("spec.expirationSeconds", &seconds.into(), problem);
            return Err(ApiError::invalid("authentication.k8s.io", "TokenRequest", "", &[error]));
        }
        let audiences = match spec["audiences"].as_array() {
            Some(list) if !list.is_empty() => json!(list),
            _ => json!([AUDIENCE]),
        };
        let end = now.as_second().saturating_add(seconds);
        let mut own = json!({
            "namespace": account.namespace, "serviceaccount": {"name": account.name, "uid": account.uid},
        });
        let bound = &spec["boundObjectRef"];
        if bound["kind"] == "Pod" || bound["kind"] == "Node" {
            let kind = bound["kind"].as_str().unwrap_or_default().to_ascii_lowercase();
            own[kind] = json!({"name": bound["name"], "uid": bound["uid"]});
        }
        let claims = json!({
            "aud": audiences, "exp": end, "iat": now.as_second(), "iss": AUDIENCE, "jti": id, "kubernetes.io": own,
            "nbf": now.as_second(),
            "sub": format!("system:serviceaccount:{}:{}", account.namespace, account.name),
        });
        let expires = Timestamp::from_second(end).unwrap_or(Timestamp::MAX).to_string();
        Ok(json!({
            "kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1",
            "metadata": {
                "name": account.name, "namespace": account.namespace, "uid": account.uid, "creationTimestamp": now.to_string(),
            },
            "spec": {"audiences": audiences, "expirationSeconds": seconds, "boundObjectRef": bound},
            "status": {"token": self.signed(&claims), "expirationTimestamp": expires},
        }))
    }

    fn signed(&self, claims: &Value) -> String {
        let head = base64url(br#"{"alg":"HS256","typ":"JWT"}"#);
        let text = format!("{head}.{}", base64url(claims.to_string().as_bytes()));
        let signature = hmac::sign(&self.key, text.as_bytes());
        format!("{text}.{}", base64url(signature.as_ref()))
    }

    fn verified(&self, token: &str) -> Option<Value> {
        let (text, signature) = token.rsplit_once('.')?;
        let (_, claims) = text.split_once('.')?;
        hmac::verify(&self.key, text.as_bytes(), &from_base64url(signature)?).ok()?;
        serde_json::from_slice(&from_base64url(claims)?).ok()
    }
}

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// Base64 for URLs without padding (RFC 4648, section 5), as JSON web tokens use it.
fn base64url(bytes: &[u8]) -> String {
    let mut out = String::new();
    for chunk in bytes.chunks(3) {
        let at = |index: usize| chunk.get(index).copied().map_or(0, u32::from);
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for position in 0..=chunk.len() {
            let index = bits >> (18 - 6 * position) & 63;
            out.extend(ALPHABET.get(index as usize).copied().map(char::from));
        }
    }
    out
}

fn from_base64url(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    for chunk in text.as_bytes().chunks(4) {
        let mut bits = 0_u32;
        for position in 0..4 {
            let value = match chunk.get(position) {
                Some(byte) => ALPHABET.iter().position(|letter| letter == byte)?,
                None => 0,
            };
            bits = bits << 6 | u32::try_from(value).ok()?;
        }
        let [_, bytes @ ..] = bits.to_be_bytes();
        out.extend(
            bytes
                .iter()
                .take(chunk.len().checked_sub(1).filter(|length| *length > 0)?),
        );
    }
    Some(out)
}
