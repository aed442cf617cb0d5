//! A request's way: who, what, may they, how shown; then its verb.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

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
use super::negotiate::{self, Accepted, Encoding, Shape};
use super::options::{Of, Options};
use super::request::{ResourcePath, Target, Verb, parse_target, verb_of};
use super::subresources::scale_of;
use super::{respond, rules};
use crate::world::kube::api_error::{ApiError, FieldError};
use crate::world::kube::auth::{Attributes, UserInfo, check};
use crate::world::kube::patch;
use crate::world::kube::resources::{Flavor, ResourceType, Subresource};
use crate::world::kube::schema;
use crate::world::kube::surface::discovery::subresource_facts;

/// What a path names.
type Served = (Arc<ResourceType>, Option<Subresource>);

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
        let method = request.method().clone();
        let wants_yaml = request
            .headers()
            .get(header::ACCEPT)
            .is_some_and(|accept| accept == "application/yaml");
        let work = AssertUnwindSafe(self.answer(user, request)).catch_unwind();
        let is_head = method == http::Method::HEAD;
        let outcome = work.await.unwrap_or_else(|_| {
            tracing::error!(request = %what, "a handler panicked: a bug of the simulator");
            Err(ApiError::internal("a handler panicked"))
        });
        let mut response = outcome.unwrap_or_else(|error| respond::error_in(&error, wants_yaml));
        if is_head {
            *response.body_mut() = Body::from(Bytes::new());
        }
        response
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
        // The old paths of watches name an object too; the parameter is for collections.
        if head.method == http::Method::HEAD {
            return Err(ApiError::method_not_allowed());
        }
        let is_old_watch = head.uri.path().contains("/watch/");
        let verb = match verb_of(&head.method, &path, options.flag("watch") || is_old_watch) {
            Some(Verb::Get) if is_old_watch => Verb::Watch,
            found => found.ok_or_else(ApiError::method_not_allowed)?,
        };
        let attributes = attributes(&path, verb, &options);
        let user = self.requestor(user, &head.headers, &attributes)?;
        if !user.is_master() {
            check(&*self.state(), &user, &attributes)?;
        }
        let Some((resource, sub)) = self.served(&path, verb)? else {
            return Ok(respond::page_not_found());
        };
        let is_custom = resource.is_custom();
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
            negotiate::accept(header_text(header::ACCEPT), is_custom, verb == Verb::Watch)?
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

    /// The resource and the subresource of a path; None for what the real server knows no page of.
    fn served(&self, path: &ResourcePath, verb: Verb) -> Result<Option<Served>, ApiError> {
        let resource = match self.resource(&path.group, &path.version, &path.plural) {
            Err(_) if !self.serves_builtin(&path.group) => return Ok(None),
            found => found?,
        };
        let is_custom = resource.is_custom();
        let over_all = resource.namespaced && matches!(verb, Verb::List | Verb::Watch);
        if is_custom && !over_all && resource.namespaced == path.namespace.is_empty() {
            return Ok(None);
        }
        if !path.rest.is_empty() && path.subresource != Subresource::Proxy.as_str() {
            return Err(ApiError::no_such_path());
        }
        let sub = match subresource(&resource, &path.subresource) {
            Err(_) if is_custom => {
                return Err(ApiError::not_found(&path.group, &path.plural, &path.name));
            }
            found => found?,
        };
        if let Some(sub) = sub {
            check_subresource_verb(&resource, sub, verb)?;
        }
        Ok(Some((resource, sub)))
    }

    async fn dispatch(&self, incoming: Incoming) -> Result<Response<Body>, ApiError> {
        let (call, verb) = (&incoming.call, incoming.verb);
        if let Some(of) = options_of(&incoming)? {
            call.options.check(of)?;
        }
        self.faults().before(call, verb)?;
        let outcome = self.perform(&incoming).await;
        let failed = outcome.is_err();
        let is_yaml = incoming.accepted.encoding == Encoding::Yaml;
        let mut response = outcome.unwrap_or_else(|error| respond::error_in(&error, is_yaml));
        respond::warn(&mut response, rules::deprecation(&call.resource, verb).as_slice());
        if failed {
            return Ok(response);
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
            (Some(Subresource::Log), Verb::Get) => Ok(match self.log(call)? {
                Some(text) => respond::with_type(200, "text/plain", text),
                // Nothing runs, and so nothing was said.
                None => respond::empty(204),
            }),
            (Some(Subresource::Exec | Subresource::Attach | Subresource::PortForward), _) => {
                Err(self.refuse_stream(call))
            }
            (Some(Subresource::Scale), Verb::Get) => {
                let object = self.read_one(call)?;
                scale_is_there(&call.resource, &object)?;
                respond::object(call, 200, &scale_of(&call.resource, &object), *accepted, now)
            }
            (Some(Subresource::Binding | Subresource::Eviction | Subresource::Token), Verb::Create) => {
                self.act_on(incoming).await
            }
            (_, Verb::Get) => respond::object(call, 200, &self.read_one(call)?, *accepted, now),
            (None, Verb::List) => respond::page(call, &self.list(call)?, *accepted, now),
            (None, Verb::Watch) => self.open_watch(call, *accepted),
            (None, Verb::Create) => {
                let (mut object, warnings) = decode_body(incoming)?;
                if call.resource.plural == "bindings" {
                    let bound = self.bind_named(call, &object).await?;
                    return Ok(respond::value(201, &bound, accepted.encoding));
                }
                if matches!(call.resource.flavor, Flavor::Review) {
                    let (schema, time) = (rules::merge_schema(&call.resource), self.now());
                    let api_version = call.resource.gvk.api_version();
                    let stamp = rules::stamp(call, &api_version, &time);
                    if call.resource.gvk.kind != "SelfSubjectRulesReview" {
                        patch::managed::update(&schema, None, &mut object, &stamp);
                    }
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
        if call.options.flag("export") {
            let why = "the export parameter, deprecated since v1.14, is no longer supported";
            return Err(ApiError::bad_request(why));
        }
        if let Some(version) = call.options.get("resourceVersion") {
            super::list::parse_revision(version)?;
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
        // Nothing of a watch is a list: the real server sends nothing to who asks for one.
        if accepted.shape != Shape::MetadataList {
            *response.body_mut() = Body::Stream(stream);
        }
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
        let mut warnings: Vec<String> = Vec::new();
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
            let mut told = Vec::new();
            let outcome = self.delete(&one, &mut told).await;
            warnings.extend(
                told.into_iter()
                    .filter(|text| !warnings.contains(text))
                    .collect::<Vec<_>>(),
            );
            match outcome {
                Ok(_) => {}
                Err(error) if error.code == 404 => {}
                Err(error) => return Err(error),
            }
        }
        let mut response = respond::page(call, &page, accepted, self.world().clock.now())?;
        respond::warn(&mut response, &warnings);
        Ok(response)
    }

    /// Whether a group is one of the real server's own.
    fn serves_builtin(&self, group: &str) -> bool {
        let is_builtin = |resource: &&Arc<ResourceType>| resource.gvk.group == group && !resource.is_custom();
        self.state().registry.iter().any(|resource| is_builtin(&resource))
    }
}

/// What the options of this request must be like; a patch of a type that nobody knows has gone wrong already.
fn options_of(incoming: &Incoming) -> Result<Option<Of>, ApiError> {
    if incoming.call.sub == Some(Subresource::Proxy) {
        return Ok(None);
    }
    Ok(Some(match incoming.verb {
        Verb::Create => Of::Create,
        Verb::Update => Of::Update,
        Verb::Delete | Verb::DeleteCollection => Of::Delete,
        Verb::Patch => {
            refuse_patch_type(&incoming.call, &incoming.media_type)?;
            match incoming.media_type.as_str() {
                APPLY => Of::Apply,
                _ => Of::Patch,
            }
        }
        _ => return Ok(None),
    }))
}

const JSON_PATCH: &str = "application/json-patch+json";
const MERGE: &str = "application/merge-patch+json";
const STRATEGIC: &str = "application/strategic-merge-patch+json";
const APPLY: &str = "application/apply-patch+yaml";

/// 415, by the router for built-in kinds, and by the handler for custom ones, which have no strategic merge.
fn refuse_patch_type(call: &Call, media_type: &str) -> Result<(), ApiError> {
    let custom = matches!(call.resource.flavor, Flavor::Custom(_));
    match media_type {
        JSON_PATCH | MERGE | APPLY => Ok(()),
        STRATEGIC if !custom => Ok(()),
        _ if custom => Err(ApiError::unsupported_media_type(format!(
            "the body of the request was in an unknown format - accepted media types include: {JSON_PATCH}, {MERGE}, {APPLY}"
        ))),
        _ => Err(ApiError::unsupported_by_router()),
    }
}

/// The name that a field selector asks for.
fn only_name(options: &Options) -> Option<&str> {
    let mut terms = options.get("fieldSelector")?.split(',');
    terms.find_map(|term| Some(term.strip_prefix("metadata.name=")?.trim_start_matches('=')))
}

fn attributes(path: &ResourcePath, verb: Verb, options: &Options) -> Attributes {
    // A Namespace lies in itself, and a list that names one object is about that one.
    let is_namespace = path.group.is_empty() && path.plural == "namespaces" && !path.name.is_empty();
    let namespace = if is_namespace { &path.name } else { &path.namespace };
    let name = match verb {
        Verb::List | Verb::Watch | Verb::DeleteCollection => only_name(options).unwrap_or_default(),
        _ => &path.name,
    };
    let mut attributes = Attributes::resource(verb.as_str(), &path.group, &path.plural, namespace, name);
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

/// A custom resource may leave out what its scale would show.
fn scale_is_there(resource: &ResourceType, object: &Value) -> Result<(), ApiError> {
    let Flavor::Custom(version) = &resource.flavor else {
        return Ok(());
    };
    match version.scale_paths() {
        Some(paths) if paths.replicas(object).is_none() => Err(ApiError::internal(format!(
            "the spec replicas field {:?} does not exist",
            paths.spec_replicas
        ))),
        _ => Ok(()),
    }
}

/// 405 for what a subresource does not do.
fn check_subresource_verb(resource: &ResourceType, sub: Subresource, verb: Verb) -> Result<(), ApiError> {
    if subresource_facts(resource, sub).verbs.contains(&verb.as_str()) {
        return Ok(());
    }
    let kind = crate::world::kube::api_error::qualified(&resource.plural, &resource.gvk.group);
    Err(match (resource.is_custom(), verb) {
        (true, Verb::Create | Verb::Delete) => {
            let mut error = ApiError::method_not_allowed();
            error.message = format!("{} is not supported on resources of kind {kind:?}", verb.as_str());
            error.details = Some(Box::new(crate::world::kube::api_error::Details {
                group: resource.gvk.group.clone(),
                kind: resource.plural.clone(),
                ..Default::default()
            }));
            error
        }
        _ => ApiError::method_not_allowed(),
    })
}

/// Only the verbs of the resource, and namespaced resources are written in a namespace.
fn check_scope(resource: &ResourceType, path: &ResourcePath, verb: Verb) -> Result<(), ApiError> {
    if path.subresource.is_empty() && !resource.verbs.contains(&verb.as_str()) {
        return Err(ApiError::method_not_allowed());
    }
    let collection = path.name.is_empty();
    if path.subresource.is_empty()
        && (collection && matches!(verb, Verb::Update | Verb::Patch) || !collection && verb == Verb::Create)
        && !matches!(resource.flavor, Flavor::Custom(_))
    {
        return Err(ApiError::method_not_allowed());
    }
    if resource.namespaced != path.namespace.is_empty() {
        return Ok(());
    }
    match verb {
        Verb::List | Verb::Watch if resource.namespaced => Ok(()),
        Verb::DeleteCollection if resource.namespaced => Err(ApiError::method_not_allowed()),
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
        options.merge_delete_body(&negotiate::decode_delete_options(media_type, body)?);
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
    if matches!(call.resource.flavor, Flavor::Custom(_)) {
        check_custom_type(call, &object, &incoming.body)?;
    }
    rules::check_type(&call.resource, &object)?;
    let mut warnings = Vec::new();
    let validation = call.options.field_validation();
    rules::decode(
        &call.resource,
        &mut object,
        &decoded.duplicates,
        validation,
        &mut warnings,
    )?;
    Ok((object, warnings))
}

/// A custom resource says its kind and version itself.
fn check_custom_type(call: &Call, object: &Value, body: &[u8]) -> Result<(), ApiError> {
    let gvk = &call.resource.gvk;
    let text = |name: &str| object[name].as_str().unwrap_or_default();
    if text("kind").is_empty() {
        return Err(ApiError::bad_request(format!(
            "the object provided is unrecognized (must be of type {}): Object 'Kind' is missing in '{}' ({})",
            gvk.kind,
            String::from_utf8_lossy(body),
            negotiate::shown(body)
        )));
    }
    if text("apiVersion") != gvk.api_version() {
        return Err(ApiError::bad_request(format!(
            "the API version in the data ({}) does not match the expected API version ({})",
            text("apiVersion"),
            gvk.api_version()
        )));
    }
    if text("kind") != gvk.kind {
        let error = FieldError::invalid("kind", &text("kind").into(), format!("must be {}", gvk.kind));
        return Err(ApiError::invalid(
            &gvk.group,
            text("kind"),
            super::call::meta(object, "name"),
            &[error],
        ));
    }
    Ok(())
}

fn patch_of(incoming: &Incoming) -> Result<Change, ApiError> {
    let Incoming { call, body, .. } = incoming;
    let bad = |why: &str| ApiError::bad_request(format!("error decoding patch: {why}"));
    let parsed = || schema::parse_json(body).map_err(|_| bad(&schema::json_problem(body)));
    match incoming.media_type.as_str() {
        JSON_PATCH => Ok(Change::Json(body.clone())),
        MERGE => {
            let parsed = parsed()?;
            match &parsed.value {
                Value::Object(_) => Ok(Change::Merge(parsed)),
                Value::Null => Err(ApiError::bad_request("Invalid JSON Patch")),
                other => Err(bad(&format!(
                    "json: cannot unmarshal {} into Go value of type map[string]interface {{}}",
                    patch::json_kind(other)
                ))),
            }
        }
        STRATEGIC => schema::parse_json(body)
            .map(Change::Strategic)
            .map_err(|_| ApiError::bad_request(schema::json_problem(body))),
        _ => {
            let config = negotiate::decode_applied(body, call.options.field_validation())?;
            Ok(Change::Apply {
                config,
                force: call.options.flag("force"),
            })
        }
    }
}
