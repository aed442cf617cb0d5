//! What a kind allows: asks `builtin` or `crd`, whichever the resource is of.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use serde_json::{Value, json};

use super::body;
use super::call::{Call, meta};
use super::options::FieldValidation;
use super::state::State;
use super::subresources::services;
use crate::world::kube::api_error::{ApiError, FieldError};
use crate::world::kube::patch::managed::Stamp;
use crate::world::kube::resources::{Flavor, Gvk, ResourceType};
use crate::world::kube::schema::{self, TypeSchema};
use crate::world::kube::store::Stored;
use crate::world::kube::{builtin, crd};

/// The body must be of the resource's kind and version; what it leaves out is filled in.
pub(super) fn check_type(resource: &ResourceType, object: &Value) -> Result<(), ApiError> {
    let gvk = &resource.gvk;
    let api_version = gvk.api_version();
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
        Flavor::Custom(version) => version.prune(object),
        Flavor::Builtin | Flavor::Review => {
            let schema = merge_schema(resource);
            let unknown = unknown_fields(gvk, &schema, object)?;
            schema.normalize(object);
            unknown
        }
    };
    tell(gvk, &unknown, duplicates, validation, warnings)
}

/// Looks at an applied configuration as `decode` would; it is merged as it came.
pub(super) fn probe(resource: &ResourceType, config: &Value, validation: FieldValidation) -> Result<(), ApiError> {
    let unknown = match &resource.flavor {
        Flavor::Custom(version) => version.prune(&mut config.clone()),
        Flavor::Builtin | Flavor::Review => unknown_fields(&resource.gvk, &merge_schema(resource), config)?,
    };
    tell(&resource.gvk, &unknown, &[], validation, &mut Vec::new())
}

fn unknown_fields(gvk: &Gvk, schema: &TypeSchema, object: &Value) -> Result<Vec<String>, ApiError> {
    let problems = schema.decode_problems(object);
    match problems.wrong_type.first() {
        Some(text) => Err(cannot_be_handled(gvk, text)),
        None => Ok(problems.unknown),
    }
}

fn tell(
    gvk: &Gvk,
    unknown: &[String],
    duplicates: &[String],
    validation: FieldValidation,
    warnings: &mut Vec<String>,
) -> Result<(), ApiError> {
    if unknown.is_empty() && duplicates.is_empty() {
        return Ok(());
    }
    let texts = unknown.iter().map(|path| format!("unknown field {path:?}"));
    let texts: Vec<String> = texts
        .chain(duplicates.iter().map(|path| format!("duplicate field {path:?}")))
        .collect();
    match validation {
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
    let errors = match &call.resource.flavor {
        Flavor::Custom(version) => {
            let mut errors = builtin::validate_object_meta_update(&new["metadata"], &old["metadata"]);
            errors.extend(version.validate(call.sub, new, Some(old)));
            errors
        }
        Flavor::Builtin | Flavor::Review => {
            let mut errors = builtin::validate_update(&call.resource.gvk, call.sub, new, old);
            if is_crd(&call.resource) && call.sub.is_none() {
                errors.extend(crd::validate_definition(new, Some(old)));
            }
            errors
        }
    };
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
        Flavor::Builtin | Flavor::Review => builtin::warnings(&resource.gvk, object),
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
    let subresource = call.sub.map_or("", crate::world::kube::resources::Subresource::as_str);
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
        Flavor::Custom(version) => {
            let _ = version;
            Vec::new()
        }
        Flavor::Builtin | Flavor::Review => Vec::new(),
    }
}

/// What is given out under the lock, because no two objects may have it: Services' addresses and ports.
pub(super) fn allocate(state: &mut State, call: &Call, object: &mut Value) -> Result<(), ApiError> {
    if call.group().is_empty() && call.resource.plural == "services" && call.sub.is_none() {
        services::allocate(state, object)
    } else if is_crd(&call.resource) {
        let others: Vec<Value> = super::state::crds(state)
            .filter(|other| meta(other, "name") != meta(object, "name"))
            .collect();
        let now = meta(object, "creationTimestamp").to_owned();
        object["status"] = crd::accepted_status(object, &others, &now);
        Ok(())
    } else {
        Ok(())
    }
}

/// Into the version in which objects are stored.
pub(super) fn to_storage(resource: &ResourceType, object: &mut Value) {
    if resource.gvk.group == "events.k8s.io" {
        super::subresources::events::to_core(object);
    } else if resource.storage_version != resource.gvk.version {
        let stored = Gvk::new(&resource.gvk.group, &resource.storage_version, &resource.gvk.kind);
        crd::convert(object, &stored.api_version());
    }
}

/// From the version in which objects are stored into the one that was asked for.
pub(super) fn from_storage(resource: &ResourceType, object: &mut Value) {
    if resource.gvk.group == "events.k8s.io" {
        super::subresources::events::from_core(object);
    } else if resource.storage_version != resource.gvk.version {
        crd::convert(object, &resource.gvk.api_version());
        if let Flavor::Custom(version) = &resource.flavor {
            version.prune(object);
            version.default(object);
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
