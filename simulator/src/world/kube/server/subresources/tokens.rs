//! `serviceaccounts/<name>/token`, who a request comes from, and the reviews that ask what somebody may do.

use http::{HeaderMap, header};
use serde_json::Value;

use super::super::ApiServer;
use super::super::call::{Call, meta};
use crate::world::kube::api_error::ApiError;
use crate::world::kube::auth::{self, Account, Attributes, ReviewContext, UserInfo};
use crate::world::kube::patch::managed::{self, Stamp};
use crate::world::kube::resources::{GroupResource, Gvk};
use crate::world::kube::schema;
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
        let tokens = &self.shared.tokens;
        let mut answer = tokens.request(account, request, &world.entropy.uid(), world.clock.now())?;
        let (gvk, time) = (Gvk::new("authentication.k8s.io", "v1", "TokenRequest"), self.now());
        if let Some(schema) = schema::builtin(&gvk) {
            let mut asked = request.clone();
            asked["metadata"] = answer["metadata"].clone();
            let stamp = Stamp {
                manager: call.manager(),
                subresource: "token",
                api_version: &gvk.api_version(),
                kind: &gvk.kind,
                time: &time,
            };
            schema.normalize(&mut asked);
            managed::update(&schema, None, &mut asked, &stamp);
            answer["metadata"]["managedFields"] = asked["metadata"]["managedFields"].take();
        }
        Ok(answer)
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
            Some(wanted) => {
                let mut state = self.state();
                let legacy_first = state.legacy_impersonators.contains(&user.username);
                let (acting, is_legacy) = auth::impersonate(&*state, &user, &wanted, request, legacy_first)?;
                if is_legacy {
                    state.legacy_impersonators.insert(user.username);
                }
                Ok(acting)
            }
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
