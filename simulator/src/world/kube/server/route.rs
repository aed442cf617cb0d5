//! A request's way: who, what, may they, how shown; then its verb.

use std::panic::AssertUnwindSafe;

use bytes::Bytes;
use futures::FutureExt;
use http::{Request, Response, header};
use serde_json::Value;

use super::ApiServer;
use super::body::Body;
use super::call::{Call, Written};
use super::delete::Deleted;
use super::faults::Fault;
use super::modify::Change;
use super::negotiate::{self, Accepted};
use super::options::{FieldValidation, Options};
use super::request::{ResourcePath, Target, Verb, parse_target, verb_of};
use super::subresources::scale_of;
use super::{respond, rules};
use crate::world::kube::api_error::ApiError;
use crate::world::kube::auth::{Attributes, UserInfo, check};
use crate::world::kube::resources::{Flavor, ResourceType, Subresource};

/// A request for a resource, with what its verb needs.
struct Incoming {
    call: Call,
    verb: Verb,
    method: http::Method,
    accepted: Accepted,
    media_type: String,
    query: String,
    rest: String,
    body: Bytes,
}

impl ApiServer {
    /// Answers one request; whatever happens inside is answered as a Status.
    pub(super) async fn handle(&self, user: Option<UserInfo>, request: Request<Bytes>) -> Response<Body> {
        let what = format!("{} {}", request.method(), request.uri());
        let work = AssertUnwindSafe(self.answer(user, request)).catch_unwind();
        let outcome = work.await.unwrap_or_else(|_| {
            tracing::error!(request = %what, "a handler panicked: a bug of the simulator");
            Err(ApiError::internal("a handler panicked"))
        });
        outcome.unwrap_or_else(|error| respond::error(&error))
    }

    async fn answer(&self, user: Option<UserInfo>, request: Request<Bytes>) -> Result<Response<Body>, ApiError> {
        let (head, body) = request.into_parts();
        let query = head.uri.query().unwrap_or_default().to_owned();
        let path = match parse_target(head.uri.path()) {
            Target::Path(path) => {
                let attributes = Attributes::path(&head.method.as_str().to_lowercase(), &path);
                let user = self.requestor(user, &head.headers, &attributes)?;
                return self.answer_path(&user, &head.method, &attributes, &head.headers);
            }
            Target::Resource(path) => path,
        };
        let mut options = Options::parse(&query);
        let verb = verb_of(
            &head.method,
            &path,
            options.flag("watch") || head.uri.path().contains("/watch/"),
        )
        .ok_or_else(ApiError::method_not_allowed)?;
        let attributes = attributes(&path, verb);
        let user = self.requestor(user, &head.headers, &attributes)?;
        if !user.is_master() {
            check(&*self.state(), &user, &attributes)?;
        }
        let resource = match self.resource(&path.group, &path.version, &path.plural) {
            Err(_) if !self.serves_group(&path.group) => return Ok(respond::page_not_found()),
            found => found?,
        };
        let sub = subresource(&resource, &path.subresource)?;
        let header_text = |name| head.headers.get(name).and_then(|value| value.to_str().ok());
        if verb == Verb::Delete || verb == Verb::DeleteCollection {
            let media_type = negotiate::media_type(header_text(header::CONTENT_TYPE));
            merge_delete_options(&mut options, media_type, &body)?;
        }
        let agent = manager_of(header_text(header::USER_AGENT));
        let proxied = sub == Some(Subresource::Proxy) || sub == Some(Subresource::Log);
        let accepted = if proxied {
            Accepted::PLAIN
        } else {
            negotiate::accept(header_text(header::ACCEPT))?
        };
        let namespace = if resource.namespaced {
            path.namespace.clone()
        } else {
            String::new()
        };
        check_scope(&resource, &path, verb)?;
        let call = Call {
            user,
            resource,
            sub,
            namespace,
            name: path.name.clone(),
            options,
            agent,
        };
        let media_type = negotiate::media_type(header_text(header::CONTENT_TYPE)).to_owned();
        let method = head.method.clone();
        self.dispatch(Incoming {
            call,
            verb,
            method,
            accepted,
            media_type,
            query,
            rest: path.rest,
            body,
        })
        .await
    }

    async fn dispatch(&self, incoming: Incoming) -> Result<Response<Body>, ApiError> {
        let (call, verb) = (&incoming.call, incoming.verb);
        self.faults().before(call, verb)?;
        let mut response = self.perform(&incoming).await?;
        if let Flavor::Custom(version) = &call.resource.flavor {
            respond::warn(&mut response, version.warning.as_slice());
        }
        match self.faults().after(call, verb) {
            None => Ok(response),
            Some(Fault::LostReply) => {
                *response.body_mut() = Body::Lost;
                // A length that was promised would be told before the connection breaks.
                response.headers_mut().remove(http::header::CONTENT_LENGTH);
                Ok(response)
            }
            Some(_) => Err(ApiError::internal(
                "etcdserver: request timed out, possibly due to connection lost",
            )),
        }
    }

    async fn perform(&self, incoming: &Incoming) -> Result<Response<Body>, ApiError> {
        let Incoming {
            call, verb, accepted, ..
        } = incoming;
        let now = self.world().clock.now();
        match (call.sub, verb) {
            (Some(Subresource::Proxy), _) => {
                let (method, body) = (incoming.method.clone(), incoming.body.clone());
                self.proxy(call, method, &incoming.rest, &incoming.query, body).await
            }
            (Some(Subresource::Log), Verb::Get) => Ok(respond::with_type(200, "text/plain", self.log(call)?)),
            (Some(Subresource::Scale), Verb::Get) => respond::object(
                call,
                200,
                &scale_of(&call.resource, &self.read_one(call)?),
                *accepted,
                now,
            ),
            (Some(Subresource::Binding | Subresource::Eviction | Subresource::Token), Verb::Create) => {
                self.act_on(incoming).await
            }
            (_, Verb::Get) => respond::object(call, 200, &self.read_one(call)?, *accepted, now),
            (None, Verb::List) => respond::page(call, &self.list(call)?, *accepted, now),
            (None, Verb::Watch) => self.open_watch(call, *accepted),
            (None, Verb::Create) => {
                let (object, warnings) = decode_body(incoming)?;
                if matches!(call.resource.flavor, Flavor::Review) {
                    return Ok(respond::value(201, &self.review(call, &object)?, accepted.encoding));
                }
                respond::written(call, &self.create(call, object, warnings).await?, *accepted, now)
            }
            (_, Verb::Update | Verb::Patch) => respond::written(call, &self.change(incoming).await?, *accepted, now),
            (None, Verb::Delete) => self.delete_one(call, *accepted).await,
            (None, Verb::DeleteCollection) => self.delete_all(call, *accepted).await,
            _ => Err(ApiError::method_not_allowed()),
        }
    }

    /// The object of a GET.
    fn read_one(&self, call: &Call) -> Result<Value, ApiError> {
        if matches!(call.resource.flavor, Flavor::Review) {
            return Err(ApiError::method_not_allowed());
        }
        let place = call.resource.group_resource();
        let state = self.state();
        let stale = self
            .faults()
            .staleness(call, Verb::Get)
            .map(|writes| state.store.revision().saturating_sub(writes));
        let snapshot = stale.and_then(|revision| state.store.snapshot(&place, revision).ok());
        let found = match snapshot {
            Some(snapshot) => snapshot
                .get(&call.key())
                .and_then(|text| serde_json::from_slice(text).ok()),
            None => state.read(&place, &call.key()).map(|(object, _)| object),
        };
        let mut object = found.ok_or_else(|| call.not_found())?;
        rules::from_storage(&call.resource, &mut object);
        Ok(object)
    }

    fn open_watch(&self, call: &Call, accepted: Accepted) -> Result<Response<Body>, ApiError> {
        let stream = self.watch(call.clone(), accepted)?;
        let mut response = respond::json_text(200, Bytes::new());
        *response.body_mut() = Body::Stream(stream);
        Ok(response)
    }

    async fn act_on(&self, incoming: &Incoming) -> Result<Response<Body>, ApiError> {
        let call = &incoming.call;
        let body = negotiate::decode(&incoming.media_type, &incoming.body, "Binding")?.value;
        let answer = match call.sub {
            Some(Subresource::Binding) => self.bind_pod(call, &body).await?,
            Some(Subresource::Eviction) => self.evict_pod(call, &body).await?,
            _ => self.issue_token(call, &body)?,
        };
        Ok(respond::value(201, &answer, incoming.accepted.encoding))
    }

    async fn change(&self, incoming: &Incoming) -> Result<Written, ApiError> {
        let call = &incoming.call;
        let mut warnings = Vec::new();
        let change = match incoming.verb {
            Verb::Update if call.sub == Some(Subresource::Scale) => {
                Change::Replace(negotiate::decode(&incoming.media_type, &incoming.body, "Scale")?.value)
            }
            Verb::Update => {
                let (object, told) = decode_body(incoming)?;
                warnings = told;
                Change::Replace(object)
            }
            _ => patch_of(incoming)?,
        };
        if call.sub == Some(Subresource::Scale) {
            return self.rescale(call, &change).await;
        }
        self.modify(call, change, warnings).await
    }

    async fn delete_one(&self, call: &Call, accepted: Accepted) -> Result<Response<Body>, ApiError> {
        let mut warnings = Vec::new();
        let deleted = self.delete(call, &mut warnings).await?;
        let answer = match &deleted {
            Deleted::Gone(object) => respond::deleted(call, object),
            Deleted::Taken(object) | Deleted::Waits(object) => object.clone(),
        };
        let mut response = respond::value(200, &answer, accepted.encoding);
        respond::warn(&mut response, &warnings);
        Ok(response)
    }

    async fn delete_all(&self, call: &Call, accepted: Accepted) -> Result<Response<Body>, ApiError> {
        let page = self.list(call)?;
        let mut items = Vec::new();
        for text in &page.items {
            let Ok(object) = serde_json::from_slice::<Value>(text) else {
                continue;
            };
            let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default().to_owned();
            let one = Call {
                name: text("name"),
                namespace: text("namespace"),
                ..call.clone()
            };
            match self.delete(&one, &mut Vec::new()).await {
                Ok(deleted) => items.push(deleted.object().clone()),
                Err(error) if error.code == 404 => {}
                Err(error) => return Err(error),
            }
        }
        let list = serde_json::json!({
            "apiVersion": call.resource.gvk.api_version(), "kind": call.resource.list_kind,
            "metadata": { "resourceVersion": page.revision.to_string() }, "items": items,
        });
        Ok(respond::value(200, &list, accepted.encoding))
    }

    fn serves_group(&self, group: &str) -> bool {
        self.state().registry.iter().any(|resource| resource.gvk.group == group)
    }
}

fn attributes(path: &ResourcePath, verb: Verb) -> Attributes {
    let mut attributes = Attributes::resource(verb.as_str(), &path.group, &path.plural, &path.namespace, &path.name);
    attributes.version.clone_from(&path.version);
    attributes.subresource.clone_from(&path.subresource);
    attributes
}

fn subresource(resource: &ResourceType, text: &str) -> Result<Option<Subresource>, ApiError> {
    if text.is_empty() {
        return Ok(None);
    }
    let found = resource.subresources.iter().find(|sub| sub.as_str() == text);
    found.map(|sub| Some(*sub)).ok_or_else(ApiError::no_such_path)
}

/// Only the verbs of the resource, and namespaced resources are written in a namespace.
fn check_scope(resource: &ResourceType, path: &ResourcePath, verb: Verb) -> Result<(), ApiError> {
    if path.subresource.is_empty() && !resource.verbs.contains(&verb.as_str()) {
        return Err(ApiError::method_not_allowed());
    }
    if resource.namespaced != path.namespace.is_empty() {
        return Ok(());
    }
    match verb {
        Verb::List | Verb::Watch if resource.namespaced => Ok(()),
        Verb::Create if resource.namespaced && path.name.is_empty() && !matches!(resource.flavor, Flavor::Review) => {
            Err(ApiError::method_not_allowed())
        }
        _ => Err(ApiError::no_such_path()),
    }
}

/// The field manager of a client that names none: its program's name.
fn manager_of(user_agent: Option<&str>) -> String {
    let program = user_agent.and_then(|agent| agent.split('/').next());
    program.unwrap_or("unknown").to_owned()
}

fn merge_delete_options(options: &mut Options, media_type: &str, body: &Bytes) -> Result<(), ApiError> {
    if !body.is_empty() {
        let value = negotiate::decode(media_type, body, "DeleteOptions")?.value;
        options.merge_delete_body(&value);
    }
    Ok(())
}

/// The object of a POST or PUT, in its kind's form.
fn decode_body(incoming: &Incoming) -> Result<(Value, Vec<String>), ApiError> {
    let call = &incoming.call;
    if matches!(call.resource.flavor, Flavor::Custom(_)) {
        negotiate::refuse_protobuf(&incoming.media_type)?;
    }
    let decoded = negotiate::decode(&incoming.media_type, &incoming.body, &call.resource.gvk.kind)?;
    let mut object = decoded.value;
    rules::check_type(&call.resource, &object)?;
    let mut warnings = Vec::new();
    let validation = call.options.field_validation()?;
    rules::decode(
        &call.resource,
        &mut object,
        &decoded.duplicates,
        validation,
        &mut warnings,
    )?;
    Ok((object, warnings))
}

fn patch_of(incoming: &Incoming) -> Result<Change, ApiError> {
    let Incoming { call, body, .. } = incoming;
    let json = || {
        serde_json::from_slice::<Value>(body)
            .map_err(|error| ApiError::bad_request(format!("error decoding patch: {error}")))
    };
    let custom = matches!(call.resource.flavor, Flavor::Custom(_));
    match incoming.media_type.as_str() {
        "application/json-patch+json" => Ok(Change::Json(body.clone())),
        "application/merge-patch+json" => json().map(Change::Merge),
        "application/strategic-merge-patch+json" if !custom => json().map(Change::Strategic),
        "application/apply-patch+yaml" => {
            if call.options.get("fieldManager").is_none() {
                let error =
                    crate::world::kube::api_error::FieldError::required("fieldManager", "is required for apply patch");
                return Err(ApiError::invalid("meta.k8s.io", "PatchOptions", "", &[error]));
            }
            let mut config = negotiate::decode_yaml(body)?;
            if !matches!(call.resource.flavor, Flavor::Custom(_))
                || call.options.field_validation()? == FieldValidation::Strict
            {
                rules::probe(&call.resource, &config, call.options.field_validation()?)?;
            }
            if !config.is_object() {
                config = Value::Object(serde_json::Map::new());
            }
            Ok(Change::Apply {
                config,
                force: call.options.flag("force"),
            })
        }
        _ => {
            let mut accepted = vec!["application/json-patch+json", "application/merge-patch+json"];
            if !custom {
                accepted.push("application/strategic-merge-patch+json");
            }
            accepted.push("application/apply-patch+yaml");
            Err(ApiError::unsupported_media_type(format!(
                "the body of the request was in an unknown format - accepted media types include: {}",
                accepted.join(", ")
            )))
        }
    }
}
