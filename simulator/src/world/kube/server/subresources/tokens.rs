//! `serviceaccounts/<name>/token`, who a request comes from, and the reviews that ask what somebody may do.

use http::{HeaderMap, header};
use serde_json::Value;

use super::super::ApiServer;
use super::super::call::{Call, meta};
use crate::world::kube::api_error::ApiError;
use crate::world::kube::auth::{self, Account, Attributes, ReviewContext, UserInfo};
use crate::world::kube::resources::GroupResource;
use crate::world::kube::store::Key;

impl ApiServer {
    /// POST of a TokenRequest.
    pub(in crate::world::kube::server) fn issue_token(&self, call: &Call, request: &Value) -> Result<Value, ApiError> {
        let found = self.state().read(&call.resource.group_resource(), &call.key());
        let Some((account, _)) = found else {
            return Err(call.not_found());
        };
        self.check_bound(call, &request["spec"]["boundObjectRef"])?;
        let world = self.world();
        let account = Account {
            namespace: &call.namespace,
            name: &call.name,
            uid: meta(&account, "uid"),
        };
        self.shared
            .tokens
            .request(account, request, &world.entropy.uid(), world.clock.now())
    }

    /// A token may be bound to a pod, a Secret or a Node that is there.
    fn check_bound(&self, call: &Call, bound: &Value) -> Result<(), ApiError> {
        let (plural, namespace) = match bound["kind"].as_str() {
            Some("Pod") => ("pods", call.namespace.as_str()),
            Some("Secret") => ("secrets", call.namespace.as_str()),
            Some("Node") => ("nodes", ""),
            _ => return Ok(()),
        };
        let place = GroupResource {
            group: String::new(),
            plural: plural.to_owned(),
        };
        let name = bound["name"].as_str().unwrap_or_default();
        match self.state().store.get(&place, &Key::new(namespace, name)) {
            Some(_) => Ok(()),
            None => Err(ApiError::not_found("", plural, name)),
        }
    }

    /// Who sends a request, by its token and by the user that it acts for.
    pub(in crate::world::kube::server) fn requestor(
        &self,
        known: Option<UserInfo>,
        headers: &HeaderMap,
        request: &Attributes,
    ) -> Result<UserInfo, ApiError> {
        let user = match known {
            Some(user) => user,
            None => {
                let text = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
                self.shared
                    .tokens
                    .user_of(text, self.world().clock.now(), &|namespace, name| {
                        self.uid_of(namespace, name)
                    })?
            }
        };
        let texts = headers
            .iter()
            .filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
        match auth::impersonated(texts)? {
            None => Ok(user),
            Some(wanted) => auth::impersonate(&*self.state(), &user, &wanted, request),
        }
    }

    fn uid_of(&self, namespace: &str, name: &str) -> Option<String> {
        let accounts = GroupResource {
            group: String::new(),
            plural: "serviceaccounts".into(),
        };
        let (account, _) = self.state().read(&accounts, &Key::new(namespace, name))?;
        Some(meta(&account, "uid").to_owned())
    }

    /// POST of a kind that is answered and never stored.
    pub(in crate::world::kube::server) fn review(&self, call: &Call, body: &Value) -> Result<Value, ApiError> {
        let now = self.world().clock.now();
        let user_of_token = |token: &str| {
            self.shared
                .tokens
                .authenticate(token, now, &|ns, name| self.uid_of(ns, name))
        };
        // A TokenReview looks service accounts up, which takes the lock that roles are read under.
        let token_user = body["spec"]["token"].as_str().and_then(user_of_token);
        let state = self.state();
        let context = ReviewContext {
            source: &*state,
            user: &call.user,
            namespace: &call.namespace,
            now: &self.now(),
            authenticate: &|_| token_user.clone(),
        };
        auth::review(&call.resource.gvk.kind, body, &context)
    }
}
