//! `serviceaccounts/<name>/token`, and who a bearer token is.

use http::{HeaderMap, header};
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::super::ApiServer;
use super::super::call::{Call, meta};
use crate::world::clock::rfc3339_secs;
use crate::world::kube::api_error::ApiError;
use crate::world::kube::auth::UserInfo;
use crate::world::kube::resources::GroupResource;
use crate::world::kube::store::Key;

/// Life of a token that names none, in seconds.
const DEFAULT_TOKEN_SECS: i64 = 3_600;
/// Start of the tokens that this server issues; the rest is namespace, name, uid and expiry.
const PREFIX: &str = "drydock-sa";

impl ApiServer {
    /// POST of a TokenRequest.
    pub(in crate::world::kube::server) fn issue_token(&self, call: &Call, request: &Value) -> Result<Value, ApiError> {
        let found = self.state().read(&call.resource.group_resource(), &call.key());
        let Some((account, _)) = found else { return Err(call.not_found()) };
        let secs = request["spec"]["expirationSeconds"].as_i64().unwrap_or(DEFAULT_TOKEN_SECS);
        let now = self.world().clock.now();
        let ends = now.checked_add(SignedDuration::from_secs(secs)).unwrap_or(now);
        let secret = self.world().entropy.stream("tokens").stream(meta(&account, "uid")).next_u64();
        let token =
            format!("{PREFIX}.{}.{}.{}.{secret:016x}", call.namespace, call.name.replace('.', "~"), ends.as_second());
        let mut answer = request.clone();
        answer["kind"] = "TokenRequest".into();
        answer["apiVersion"] = "authentication.k8s.io/v1".into();
        answer["metadata"] = json!({ "name": call.name, "namespace": call.namespace, "creationTimestamp": self.now() });
        answer["spec"]["expirationSeconds"] = secs.into();
        if answer["spec"]["audiences"].is_null() {
            answer["spec"]["audiences"] = json!(["https://kubernetes.default.svc"]);
        }
        answer["status"] = json!({ "token": token, "expirationTimestamp": rfc3339_secs(ends) });
        Ok(answer)
    }

    /// Who sends a request. No token: anonymous. A wrong one: 401.
    pub(in crate::world::kube::server) fn authenticate(&self, headers: &HeaderMap) -> Result<UserInfo, ApiError> {
        let Some(value) = headers.get(header::AUTHORIZATION) else { return Ok(UserInfo::anonymous()) };
        let text = value.to_str().map_err(|_| ApiError::unauthorized())?;
        let token = text.strip_prefix("Bearer ").ok_or_else(ApiError::unauthorized)?;
        self.user_of(token).ok_or_else(ApiError::unauthorized)
    }

    /// The user of a token.
    pub(in crate::world::kube::server) fn user_of(&self, token: &str) -> Option<UserInfo> {
        if let Some(user) = self.shared.tokens.get(token) {
            return Some(user.clone());
        }
        let mut parts = token.strip_prefix(PREFIX)?.strip_prefix('.')?.splitn(4, '.');
        let (namespace, name, ends, secret) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let name = name.replace('~', ".");
        if ends.parse::<i64>().ok()? <= self.world().clock.now().as_second() {
            return None;
        }
        let accounts = GroupResource { group: String::new(), plural: "serviceaccounts".into() };
        let (account, _) = self.state().read(&accounts, &Key::new(namespace, &name))?;
        let uid = meta(&account, "uid");
        let expected = self.world().entropy.stream("tokens").stream(uid).next_u64();
        (secret == format!("{expected:016x}")).then(|| UserInfo::service_account(namespace, &name, uid))
    }
}
