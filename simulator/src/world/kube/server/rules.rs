//! What a kind allows: asks `builtin` or `crd`, whichever the resource is of.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use serde_json::{Value, json};

use super::body;
use super::call::{Call, meta};
use super::options::FieldValidation;
use super::request::Verb;
use super::state::State;
use super::subresources::services;
use crate::world::kube::api_error::{ApiError, FieldError};
use crate::world::kube::patch::managed::{self, Stamp};
use crate::world::kube::resources::{Flavor, Gvk, ResourceType, Subresource};
use crate::world::kube::schema::{self, TypeSchema};
use crate::world::kube::store::Stored;
use crate::world::kube::{builtin, crd};

/// The body must be of the resource's kind and version; what it leaves out is filled in.
pub(super) fn check_type(resource: &ResourceType, object: &Value) -> Result<(), ApiError> {
    let gvk = &resource.gvk;
    let api_version = gvk.api_version();
    if !resource.is_custom()
        && object["apiVersion"].is_string()
        && let Some(why) = unknown_kind(object)
    {
        let (kind, version) = (object["kind"].as_str(), object["apiVersion"].as_str());
        let version = version
            .and_then(|version| version.rsplit('/').next())
            .unwrap_or_default();
        return Err(ApiError::bad_request(format!(
            "{} in version {version:?} cannot be handled as a {}: {why}",
            kind.unwrap_or_default(),
            gvk.kind
        )));
    }
    match object["apiVersion"].as_str() {
        Some(other) if other != api_version => Err(ApiError::bad_request(format!(
            "the API version in the data ({other}) does not match the expected API version ({api_version})"
        ))),
        _ => match object["kind"].as_str() {
            Some(other) if other != gvk.kind => {
                let version = &gvk.version;
                let inner = match gvk.group.split('.').next() {
                    None | Some("") => "core",
                    Some(first) => first,
                };
                Err(ApiError::bad_request(format!(
                    "{other} in version {version:?} cannot be handled as a {0}: converting ({version}.{other}) to ({inner}.{0}): unknown conversion",
                    gvk.kind
                )))
            }
            _ => Ok(()),
        },
    }
}

/// Brings a decoded body into the kind's form: fields that do not exist are dropped, and told of as `validation` says.
pub(super) fn decode(
    resource: &ResourceType,
    object: &mut Value,
    duplicates: &[String],
    validation: FieldValidation,
    warnings: &mut Vec<String>,
) -> Result<(), ApiError> {
    let gvk = &resource.gvk;
    if let Some(map) = object.as_object_mut() {
        map.entry("apiVersion").or_insert_with(|| gvk.api_version().into());
        map.entry("kind").or_insert_with(|| gvk.kind.as_str().into());
    }
    let unknown = match &resource.flavor {
        Flavor::Custom(version) => {
            let mut unknown = decode_metadata(gvk, object)?;
            unknown.extend(version.prune(object));
            whole_numbers(object);
            unknown
        }
        Flavor::Builtin | Flavor::Review => {
            let schema = merge_schema(resource);
            let mut unknown = unknown_fields(gvk, &schema, object)?;
            // Those of the object itself come last.
            unknown.sort_by_key(|path| !path.contains('.'));
            // An empty list, which is as none everywhere else, here asks to forget who owns what.
            let forgets = object["metadata"]["managedFields"]
                .as_array()
                .is_some_and(Vec::is_empty);
            schema.normalize(object);
            if forgets {
                object["metadata"]["managedFields"] = json!([]);
            }
            // Roles say that they have no rules.
            if matches!(gvk.kind.as_str(), "Role" | "ClusterRole") && object["rules"].is_null() {
                object["rules"] = Value::Null;
            }
            unknown
        }
    };
    tell_fields(gvk, &unknown, duplicates, validation, warnings)
}

/// `1.0` is `1`, as Go writes it.
fn whole_numbers(value: &mut Value) {
    match value {
        Value::Number(number) if number.is_f64() => {
            let float = number.as_f64().unwrap_or_default();
            if float.fract() == 0.0
                && float.abs() < MAX_EXACT
                && let Ok(whole) = format!("{float:.0}").parse::<i64>()
            {
                *value = whole.into();
            }
        }
        Value::Array(items) => items.iter_mut().for_each(whole_numbers),
        Value::Object(fields) => fields.values_mut().for_each(whole_numbers),
        _ => {}
    }
}

/// Beyond it not every whole number is a float.
const MAX_EXACT: f64 = 9_007_199_254_740_992.0;

/// Brings the metadata of a custom resource into form, as that of any kind; gives the paths of unknown fields.
fn decode_metadata(gvk: &Gvk, object: &mut Value) -> Result<Vec<String>, ApiError> {
    let Some(schema) = schema::builtin(&Gvk::new("", "v1", "ConfigMap")) else {
        return Ok(Vec::new());
    };
    let Some(metadata) = object.get_mut("metadata") else {
        return Ok(Vec::new());
    };
    let forgets = metadata["managedFields"].as_array().is_some_and(Vec::is_empty);
    let mut probe = json!({ "metadata": metadata.take() });
    let problems = schema.decode_problems(&probe);
    if let Some(why) = problems.wrong_type.first() {
        let why = why
            .replace("ConfigMap.metadata", "ObjectMeta")
            .replace("ObjectMeta.metadata", "ObjectMeta")
            .replace("Go struct field ObjectMeta of type", "Go value of type");
        return Err(cannot_be_handled(gvk, &why));
    }
    schema.normalize(&mut probe);
    *metadata = probe["metadata"].take();
    if forgets {
        metadata["managedFields"] = json!([]);
    }
    Ok(problems.unknown)
}

/// Why an object of a built-in group is of no kind at all.
pub(super) fn unknown_kind(object: &Value) -> Option<String> {
    let text = |name: &str| object[name].as_str().unwrap_or_default();
    let (group, version) = text("apiVersion").rsplit_once('/').unwrap_or(("", text("apiVersion")));
    // The scheme still knows the group that the first workloads were in.
    if text("kind").is_empty()
        || text("apiVersion").is_empty()
        || group == "extensions"
        || schema::builtin(&Gvk::new(group, version, text("kind"))).is_some()
    {
        return None;
    }
    Some(format!(
        "no kind {:?} is registered for version {:?} in scheme \"pkg/runtime/scheme.go:111\"",
        text("kind"),
        text("apiVersion")
    ))
}

/// An object that says it is of another kind is read as that, and cannot become one of this kind.
pub(super) fn other_kind(resource: &ResourceType, object: &Value) -> Result<(), ApiError> {
    let gvk = &resource.gvk;
    let kind = object["kind"].as_str().unwrap_or_default();
    if resource.is_custom() || kind == gvk.kind || object["apiVersion"] != gvk.api_version() {
        return Ok(());
    }
    if let Some(schema) = schema::builtin(&Gvk::new(&gvk.group, &gvk.version, kind)) {
        unknown_fields(gvk, &schema, object)?;
    }
    check_type(resource, object)
}

/// Of owners that are the same one is kept. `when` is what the server says of patches: it looks at them later.
pub(super) fn unite_owners(object: &mut Value, when: &str, warnings: &mut Vec<String>) {
    let owners = object
        .pointer_mut("/metadata/ownerReferences")
        .and_then(Value::as_array_mut);
    let Some(owners) = owners.filter(|owners| owners.len() > 1) else {
        return;
    };
    let (mut kept, mut twice) = (Vec::new(), Vec::new());
    for owner in std::mem::take(owners) {
        if kept.contains(&owner) {
            twice.push(owner["uid"].as_str().unwrap_or_default().to_owned());
        } else {
            kept.push(owner);
        }
    }
    *owners = kept;
    if !twice.is_empty() {
        warnings.push(format!(
            ".metadata.ownerReferences contains duplicate entries{when}; API server dedups owner references in 1.20+, and \
             may reject such requests as early as 1.24; please fix your requests; duplicate UID(s) observed: {}",
            twice.join(", ")
        ));
    }
}

/// For some kinds the server loses who scaled them.
pub(super) fn forget_scale(call: &Call, object: &mut Value) {
    let entries = object
        .pointer_mut("/metadata/managedFields")
        .and_then(Value::as_array_mut);
    if let (Some(entries), "ReplicaSet" | "StatefulSet") = (entries, &*call.resource.gvk.kind) {
        entries.retain(|entry| entry["subresource"] != "scale");
    }
}

/// Brings what came of an apply into the kind's form; `config` is what was applied.
pub(super) fn decode_applied(resource: &ResourceType, config: &Value, object: &mut Value) -> Result<(), ApiError> {
    if matches!(resource.flavor, Flavor::Custom(_)) {
        return Ok(());
    }
    let schema = merge_schema(resource);
    if let Some(why) = schema.decode_problems(object).wrong_type.first() {
        let gvk = &resource.gvk;
        let slash = if gvk.group.is_empty() { "/" } else { "" };
        let kind = format!("{slash}{}, Kind={}", gvk.api_version(), gvk.kind);
        let (namespace, name) = (meta(config, "namespace"), meta(config, "name"));
        let text = format!(
            "failed to convert new object ({namespace}/{name}; {kind}) to proper version: unable to convert unstructured \
             object to {kind}: error decoding from json: {why}"
        );
        return Err(ApiError::other(500, "", text));
    }
    schema.normalize(object);
    Ok(())
}

fn unknown_fields(gvk: &Gvk, schema: &TypeSchema, object: &Value) -> Result<Vec<String>, ApiError> {
    let problems = schema.decode_problems(object);
    match problems.wrong_type.first() {
        Some(text) => Err(cannot_be_handled(gvk, text)),
        None => Ok(problems.unknown),
    }
}

fn tell_fields(
    gvk: &Gvk,
    unknown: &[String],
    duplicates: &[String],
    validation: FieldValidation,
    warnings: &mut Vec<String>,
) -> Result<(), ApiError> {
    let unknown = unknown.iter().map(|path| format!("unknown field {path:?}"));
    let duplicates = duplicates.iter().map(|path| format!("duplicate field {path:?}"));
    let texts = if schema::builtin(gvk).is_some() {
        unknown.chain(duplicates).collect()
    } else {
        duplicates.chain(unknown).collect()
    };
    tell(gvk, texts, validation, warnings)
}

/// Refuses, warns of, or passes over what is wrong with a body that can be read.
pub(super) fn tell(
    gvk: &Gvk,
    texts: Vec<String>,
    validation: FieldValidation,
    warnings: &mut Vec<String>,
) -> Result<(), ApiError> {
    match validation {
        _ if texts.is_empty() => Ok(()),
        FieldValidation::Ignore => Ok(()),
        FieldValidation::Warn => {
            warnings.extend(texts);
            Ok(())
        }
        FieldValidation::Strict => Err(cannot_be_handled(
            gvk,
            &format!("strict decoding error: {}", texts.join(", ")),
        )),
    }
}

fn cannot_be_handled(gvk: &Gvk, why: &str) -> ApiError {
    ApiError::bad_request(format!(
        "{} in version {:?} cannot be handled as a {}: {why}",
        gvk.kind, gvk.version, gvk.kind
    ))
}

pub(super) fn default(resource: &ResourceType, object: &mut Value) {
    match &resource.flavor {
        Flavor::Custom(version) => version.default(object),
        Flavor::Builtin | Flavor::Review if is_crd(resource) => crd::default_definition(object),
        Flavor::Builtin | Flavor::Review => builtin::default(&resource.gvk, object),
    }
}

pub(super) fn prepare_create(resource: &ResourceType, object: &mut Value) {
    match &resource.flavor {
        Flavor::Custom(version) => version.prepare_create(object),
        Flavor::Builtin | Flavor::Review => {
            builtin::prepare_create(&resource.gvk, object);
            if is_crd(resource) {
                crd::prepare_definition(object, None);
            }
        }
    }
}

pub(super) fn prepare_update(call: &Call, new: &mut Value, old: &Value) {
    match &call.resource.flavor {
        Flavor::Custom(version) => version.prepare_update(call.sub, new, old),
        Flavor::Builtin | Flavor::Review if is_crd(&call.resource) && call.sub.is_none() => {
            crd::prepare_definition(new, Some(old));
        }
        Flavor::Builtin | Flavor::Review => builtin::prepare_update(&call.resource.gvk, call.sub, new, old),
    }
}

pub(super) fn validate_create(call: &Call, object: &Value) -> Result<(), ApiError> {
    let gvk = &call.resource.gvk;
    let errors = match &call.resource.flavor {
        Flavor::Custom(version) => {
            let rule = builtin::NameRule::Subdomain;
            let mut errors = builtin::validate_object_meta(call.resource.namespaced, &object["metadata"], rule);
            errors.extend(version.validate(call.sub, object, None));
            errors
        }
        Flavor::Builtin | Flavor::Review => {
            let mut errors = builtin::validate_create(gvk, object);
            if is_crd(&call.resource) {
                errors.extend(crd::validate_definition(object, None));
            }
            errors
        }
    };
    refuse(call, object, &errors)
}

pub(super) fn validate_update(call: &Call, new: &Value, old: &Value) -> Result<(), ApiError> {
    // The real server looks at metadata once for all kinds, and once more in each kind's own rules.
    let meta = || builtin::validate_object_meta_update(&new["metadata"], &old["metadata"]);
    let mut errors = meta();
    match &call.resource.flavor {
        Flavor::Custom(version) => {
            errors.extend(meta());
            errors.extend(version.validate(call.sub, new, Some(old)));
        }
        Flavor::Builtin | Flavor::Review => {
            errors.extend(builtin::validate_update(&call.resource.gvk, call.sub, new, old));
            if is_crd(&call.resource) && call.sub.is_none() {
                errors.extend(crd::validate_definition(new, Some(old)));
            }
        }
    }
    refuse(call, new, &errors)
}

fn refuse(call: &Call, object: &Value, errors: &[FieldError]) -> Result<(), ApiError> {
    if errors.is_empty() {
        return Ok(());
    }
    Err(ApiError::invalid(
        call.group(),
        &call.resource.gvk.kind,
        meta(object, "name"),
        errors,
    ))
}

/// What the server says beside the result.
pub(super) fn warnings(resource: &ResourceType, object: &Value) -> Vec<String> {
    match &resource.flavor {
        Flavor::Custom(_) => Vec::new(),
        Flavor::Builtin if is_crd(resource) => crd::definition_warnings(object),
        Flavor::Builtin | Flavor::Review => builtin::warnings(&resource.gvk, object),
    }
}

/// What is said of a deprecated resource whatever comes of the request.
pub(super) fn deprecation(resource: &ResourceType, verb: Verb) -> Option<String> {
    match &resource.flavor {
        Flavor::Custom(version) => version.warning.clone(),
        Flavor::Builtin
            if resource.gvk.group.is_empty() && resource.gvk.kind == "Endpoints" && verb != Verb::Delete =>
        {
            Some("v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice".to_owned())
        }
        Flavor::Builtin if resource.gvk.kind == "ComponentStatus" => {
            Some("v1 ComponentStatus is deprecated in v1.19+".to_owned())
        }
        Flavor::Builtin | Flavor::Review => None,
    }
}

/// Types for merging.
pub(super) fn merge_schema(resource: &ResourceType) -> Cow<'_, TypeSchema> {
    static UNTYPED: OnceLock<Arc<TypeSchema>> = OnceLock::new();
    match &resource.flavor {
        Flavor::Custom(version) => Cow::Borrowed(&version.merge),
        Flavor::Builtin | Flavor::Review => {
            let found = schema::builtin(&resource.gvk);
            let schema = found.unwrap_or_else(|| {
                UNTYPED
                    .get_or_init(|| Arc::new(TypeSchema::from_openapi(&json!({}))))
                    .clone()
            });
            Cow::Owned(TypeSchema::clone(&schema))
        }
    }
}

/// Who writes, for managedFields.
pub(super) fn stamp<'a>(call: &'a Call, api_version: &'a str, time: &'a str) -> Stamp<'a> {
    let subresource = call.sub.map_or("", Subresource::as_str);
    // The real server translates the entries of a Scale to those of its object, and loses the time on the way.
    let time = if call.sub == Some(Subresource::Scale) { "" } else { time };
    Stamp {
        manager: call.manager(),
        subresource,
        api_version,
        kind: &call.resource.gvk.kind,
        time,
    }
}

/// Fields beside the common ones that a field selector may name.
pub(super) fn selectable_fields(resource: &ResourceType) -> Vec<String> {
    match &resource.flavor {
        Flavor::Custom(version) => version.selectable().to_vec(),
        Flavor::Builtin | Flavor::Review => Vec::new(),
    }
}

/// What is given out under the lock, because no two objects may have it: Services' addresses and ports.
pub(super) fn allocate(state: &mut State, call: &Call, object: &mut Value) -> Result<(), ApiError> {
    if call.group().is_empty() && call.resource.plural == "services" && call.sub.is_none() {
        services::allocate(state, object)
    } else if is_crd(&call.resource) {
        // Names are accepted by a controller, right after the definition was written: see `settle`.
        if object["status"]["acceptedNames"].is_null() {
            object["status"]["conditions"] = Value::Null;
            object["status"]["acceptedNames"] = json!({ "plural": "", "kind": "" });
        }
        Ok(())
    } else {
        Ok(())
    }
}

/// What the real server's own controllers do with a definition as soon as it is written: its names are accepted, and
/// then it is served.
pub(super) fn settle(state: &mut State, call: &Call, now: &str) {
    if !is_crd(&call.resource) {
        return;
    }
    let (place, key) = (call.resource.group_resource(), call.key());
    let Some((mut old, _)) = state.read(&place, &key) else {
        return;
    };
    let others: Vec<Value> = super::state::crds(state)
        .filter(|other| meta(other, "name") != meta(&old, "name"))
        .collect();
    let wanted = crd::accepted_status(&old, &others, now);
    let schema = merge_schema(&call.resource);
    let api_version = call.resource.gvk.api_version();
    let stamp = Stamp {
        manager: "kube-apiserver",
        subresource: Subresource::Status.as_str(),
        api_version: &api_version,
        kind: &call.resource.gvk.kind,
        time: now,
    };
    let installing = (!crd::is_established(&old)).then(|| crd::installing(&wanted));
    for status in installing.flatten().into_iter().chain([wanted]) {
        if old["status"] == status {
            continue;
        }
        let mut new = old.clone();
        new["status"] = status;
        managed::update(&schema, Some(&old), &mut new, &stamp);
        state.write(&call.resource, &key, &mut new);
        old = new;
    }
}

/// Into the version in which objects are stored.
pub(super) fn to_storage(resource: &ResourceType, object: &mut Value) {
    if resource.gvk.group == "events.k8s.io" {
        super::subresources::events::to_core(object);
    } else if resource.storage_version != resource.gvk.version {
        let stored = Gvk::new(&resource.gvk.group, &resource.storage_version, &resource.gvk.kind);
        crd::convert(object, &stored.api_version());
        if let Flavor::Custom(version) = &resource.flavor {
            version.store(object);
        }
    }
}

/// From the version in which objects are stored into the one that was asked for.
pub(super) fn from_storage(resource: &ResourceType, object: &mut Value) {
    if resource.gvk.group == "events.k8s.io" {
        super::subresources::events::from_core(object);
    } else if resource.storage_version != resource.gvk.version {
        // Defaults are those of the version in which the object lies.
        if let Flavor::Custom(version) = &resource.flavor {
            version.store(object);
        }
        crd::convert(object, &resource.gvk.api_version());
        if let Flavor::Custom(version) = &resource.flavor {
            version.prune(object);
        }
    }
}

/// What is stored as the text that is served, where it is the same.
pub(super) fn text_as_served(resource: &ResourceType, stored: Stored) -> Option<Bytes> {
    is_served_as_stored(resource).then_some(stored.json)
}

/// Whether stored objects are served as they are.
fn is_served_as_stored(resource: &ResourceType) -> bool {
    resource.gvk.group != "events.k8s.io" && resource.storage_version == resource.gvk.version
}

/// The same for a text; nothing is parsed for what is stored as it is served.
pub(super) fn text_from_storage(resource: &ResourceType, text: &Bytes) -> Bytes {
    if is_served_as_stored(resource) {
        return text.clone();
    }
    let Ok(mut object) = serde_json::from_slice::<Value>(text) else {
        return text.clone();
    };
    from_storage(resource, &mut object);
    body::text(&object)
}

/// Whether the resource is CustomResourceDefinition itself.
pub(super) fn is_crd(resource: &ResourceType) -> bool {
    resource.gvk.group == "apiextensions.k8s.io" && resource.plural == "customresourcedefinitions"
}
