//! Webhooks on the way of a write: what they are told, and the call-out outside the state's lock.

use std::time::Duration;

use futures::future::BoxFuture;
use serde_json::{Value, json};

use super::ApiServer;
use super::call::Call;
use super::request::Verb;
use super::rules;
use crate::world::kube::admission::{CallError, ClientConfig, Dispatch, Operation, Outcome, Request, WebhookCaller};
use crate::world::kube::api_error::ApiError;
use crate::world::kube::resources::{GroupResource, Subresource};
use crate::world::kube::store::Key;

/// The caller of a server that nothing is plugged into.
#[derive(Debug)]
struct NoNetwork;

impl WebhookCaller for NoNetwork {
    fn call<'a>(&'a self, _: &'a ClientConfig, _: Value, _: Duration) -> BoxFuture<'a, Result<Value, CallError>> {
        let text = "dial tcp: connect: network is unreachable".to_owned();
        Box::pin(std::future::ready(Err(CallError::Unreachable(text))))
    }
}

/// The plugged-in caller, but for calls that a planted fault keeps waiting for ever.
#[derive(Debug)]
struct Faulty {
    server: ApiServer,
    call: Call,
    verb: Verb,
}

impl WebhookCaller for Faulty {
    fn call<'a>(
        &'a self,
        config: &'a ClientConfig,
        review: Value,
        timeout: Duration,
    ) -> BoxFuture<'a, Result<Value, CallError>> {
        if self.server.faults().webhook_times_out(&self.call, self.verb) {
            return Box::pin(std::future::pending());
        }
        match self.server.plugs().webhooks() {
            Some(caller) => caller.call(config, review, timeout),
            None => NoNetwork.call(config, review, timeout),
        }
    }
}

/// The options, labels and versions that a review speaks of, owned while it is on its way.
struct Told {
    options: Value,
    namespace_labels: Option<Value>,
    other_versions: Vec<String>,
    name: String,
}

impl ApiServer {
    /// Mutating webhooks.
    pub(super) async fn admit_mutating(
        &self,
        call: &Call,
        operation: Operation,
        object: &mut Value,
        old: Option<&Value>,
        warnings: &mut Vec<String>,
    ) -> Result<(), ApiError> {
        let webhooks = self.state().webhooks();
        if !webhooks.concern(call.group(), &call.resource.plural) {
            return Ok(());
        }
        let told = self.told(call, operation, Some(object));
        let request = told.request(call, operation)?;
        let caller = self.caller(call, operation);
        let uid = || self.world().entropy.uid();
        let dispatch = Dispatch {
            webhooks: &webhooks,
            caller: &caller,
            uid: &uid,
        };
        let default = |object: &mut Value| rules::default(&call.resource, object);
        let Outcome { warnings: said, .. } = dispatch.mutate(&request, Some(object), old, &default).await?;
        warnings.extend(said);
        Ok(())
    }

    /// Validating webhooks.
    pub(super) async fn admit_validating(
        &self,
        call: &Call,
        operation: Operation,
        object: Option<&Value>,
        old: Option<&Value>,
        warnings: &mut Vec<String>,
    ) -> Result<(), ApiError> {
        let webhooks = self.state().webhooks();
        if !webhooks.concern(call.group(), &call.resource.plural) {
            return Ok(());
        }
        let told = self.told(call, operation, object.or(old));
        let request = told.request(call, operation)?;
        let caller = self.caller(call, operation);
        let uid = || self.world().entropy.uid();
        let dispatch = Dispatch {
            webhooks: &webhooks,
            caller: &caller,
            uid: &uid,
        };
        let Outcome { warnings: said, .. } = dispatch.validate(&request, object, old).await?;
        warnings.extend(said);
        Ok(())
    }

    fn caller(&self, call: &Call, operation: Operation) -> Faulty {
        let verb = match operation {
            Operation::Create | Operation::Connect => Verb::Create,
            Operation::Update => Verb::Update,
            Operation::Delete => Verb::Delete,
        };
        Faulty {
            server: self.clone(),
            call: call.clone(),
            verb,
        }
    }

    fn told(&self, call: &Call, operation: Operation, object: Option<&Value>) -> Told {
        let kind = match operation {
            Operation::Create => "CreateOptions",
            Operation::Update => "UpdateOptions",
            Operation::Delete => "DeleteOptions",
            Operation::Connect => "ConnectOptions",
        };
        let mut options = json!({ "kind": kind, "apiVersion": "meta.k8s.io/v1" });
        if operation != Operation::Delete {
            options["fieldManager"] = call.manager().into();
        }
        let state = self.state();
        let namespaces = GroupResource {
            group: String::new(),
            plural: "namespaces".into(),
        };
        let namespace = state.read(&namespaces, &Key::new("", &call.namespace));
        let same = state
            .registry
            .iter()
            .filter(|r| r.gvk.group == call.group() && r.plural == call.resource.plural);
        let other_versions = same
            .map(|r| r.gvk.version.clone())
            .filter(|v| *v != call.resource.gvk.version)
            .collect();
        let own_name = object
            .and_then(|object| object["metadata"]["name"].as_str())
            .unwrap_or_default();
        Told {
            options,
            namespace_labels: namespace.map(|(namespace, _)| namespace["metadata"]["labels"].clone()),
            other_versions,
            name: if call.name.is_empty() {
                own_name.to_owned()
            } else {
                call.name.clone()
            },
        }
    }
}

impl Told {
    fn request<'a>(&'a self, call: &'a Call, operation: Operation) -> Result<Request<'a>, ApiError> {
        Ok(Request {
            gvk: &call.resource.gvk,
            plural: &call.resource.plural,
            subresource: call.sub.map_or("", Subresource::as_str),
            name: &self.name,
            namespace: &call.namespace,
            operation,
            user: &call.user,
            dry_run: call.options.is_dry_run(),
            options: &self.options,
            namespace_labels: self.namespace_labels.as_ref(),
            other_versions: &self.other_versions,
        })
    }
}
