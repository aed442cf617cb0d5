//! PUT and PATCH: an object that is there (or, for apply and a few kinds, is made).

use bytes::Bytes;
use serde_json::Value;

use super::ApiServer;
use super::call::{Call, Written, finalizers, is_deleting, meta, set_meta};
use super::create::{OTHER_NAMESPACE, address, other_name};
use super::request::Verb;
use super::rules;
use crate::world::kube::admission::Operation;
use crate::world::kube::api_error::{ApiError, FieldError};
use crate::world::kube::builtin;
use crate::world::kube::patch::{self, managed};
use crate::world::kube::resources::Subresource;
use crate::world::kube::schema::{ParsedJson, TypeSchema};

/// How often a write that lost a race is tried again on the newer object (`OptimisticLockRetries` are 5).
const RACE_ATTEMPTS: usize = 5;

/// What shall become of an object.
#[derive(Clone, Debug)]
pub(super) enum Change {
    /// PUT.
    Replace(Value),
    /// `application/json-patch+json`
    Json(Bytes),
    /// `application/merge-patch+json`
    Merge(ParsedJson),
    /// `application/strategic-merge-patch+json`
    Strategic(ParsedJson),
    /// `application/apply-patch+yaml`
    Apply {
        /// The applied configuration.
        config: Value,
        /// Whether conflicts are overruled.
        force: bool,
    },
}

impl ApiServer {
    /// Changes one object.
    pub(super) async fn modify(
        &self,
        call: &Call,
        mut change: Change,
        mut warnings: Vec<String>,
    ) -> Result<Written, ApiError> {
        let mut lost = call.modified();
        for _ in 0..RACE_ATTEMPTS {
            let found = self.state().read_stored(&call.resource.group_resource(), &call.key());
            let Some((mut old, stored)) = found else {
                return self.make(call, change, warnings).await;
            };
            let revision = stored.revision;
            rules::from_storage(&call.resource, &mut old);
            let schema = rules::merge_schema(&call.resource);
            let time = self.now();
            let Some(mut new) = changed(call, &mut change, &schema, (&old, &time), &mut warnings)? else {
                return Ok(Written {
                    object: old,
                    text: rules::text_as_served(&call.resource, stored),
                    code: 200,
                    warnings,
                });
            };
            guard(call, &change, &old, &new, revision)?;
            rules::default(&call.resource, &mut new);
            let when = match change {
                Change::Replace(_) => "",
                _ => " after mutating admission happens",
            };
            rules::unite_owners(&mut new, when, &mut warnings);
            if !matches!(change, Change::Apply { .. }) {
                let api_version = call.resource.gvk.api_version();
                managed::update(&schema, Some(&old), &mut new, &rules::stamp(call, &api_version, &time));
                if call.sub == Some(Subresource::Scale) {
                    rules::forget_scale(call, &mut new);
                }
            }
            // What the writer left out was lost to its owners by then.
            carry(&old, &mut new);
            self.check_grant(call, &new, Some(&old))?;
            self.admit_mutating(call, Operation::Update, &mut new, Some(&old), &mut warnings)
                .await?;
            rules::prepare_update(call, &mut new, &old);
            set_meta(&mut new, "resourceVersion", Some(revision.to_string().into()));
            if managed::unchanged_but_for_times(&old, &new) {
                return Ok(Written {
                    object: old,
                    text: rules::text_as_served(&call.resource, stored),
                    code: 200,
                    warnings,
                });
            }
            rules::validate_update(call, &new, &old)?;
            self.admit_validating(call, Operation::Update, Some(&new), Some(&old), &mut warnings)
                .await?;
            let outcome = self.commit_change(call, new, revision);
            self.trace(call, Verb::Update, &outcome);
            match outcome {
                Ok((object, text)) => {
                    warnings.extend(rules::warnings(&call.resource, &object));
                    return Ok(Written {
                        object,
                        text,
                        code: 200,
                        warnings,
                    });
                }
                // A PUT that named a revision has been checked against it: it lost for good.
                Err(error) if error.reason == "Conflict" && !names_revision(&change) => lost = error,
                Err(error) => return Err(error),
            }
        }
        Err(lost)
    }

    /// A change of what is not there: apply makes it, and so does PUT for a few kinds.
    async fn make(&self, call: &Call, change: Change, warnings: Vec<String>) -> Result<Written, ApiError> {
        if call.sub.is_some() {
            return Err(call.not_found());
        }
        match change {
            Change::Apply { config: mut object, .. } => {
                let (schema, time) = (rules::merge_schema(&call.resource), self.now());
                let api_version = call.resource.gvk.api_version();
                let stamp = rules::stamp(call, &api_version, &time);
                let config = object;
                object = managed::apply(&schema, None, &config, &stamp, false)?;
                rules::decode_applied(&call.resource, &config, &mut object)?;
                named(call, &object)?;
                let uid = meta(&object, "uid");
                if !uid.is_empty() {
                    return Err(call.conflict(&format!(
                        "uid mismatch: the provided object specified uid {uid}, and no existing object was found"
                    )));
                }
                address(call, &mut object)?;
                self.create_applied(call, object, warnings).await
            }
            Change::Replace(object) if builtin::allows_create_on_update(&call.resource.gvk) => {
                if !meta(&object, "uid").is_empty() || !meta(&object, "resourceVersion").is_empty() {
                    return Err(call.not_found());
                }
                self.create(call, object, warnings).await
            }
            _ => Err(call.not_found()),
        }
    }

    /// Stores the changed object, or takes it out when this was the last thing that held it.
    fn commit_change(&self, call: &Call, mut new: Value, revision: u64) -> Result<(Value, Option<Bytes>), ApiError> {
        let dry_run = call.options.is_dry_run();
        let mut state = self.state();
        let place = call.resource.group_resource();
        let Some(stored) = state.store.get(&place, &call.key()) else {
            return Err(call.not_found());
        };
        if stored.revision != revision {
            return Err(call.modified());
        }
        rules::allocate(&mut state, call, &mut new)?;
        if dry_run {
            return Ok((new, None));
        }
        rules::to_storage(&call.resource, &mut new);
        let stored = if is_deleting(&new) && nothing_holds(call, &new) {
            // Watchers see it as it was before its last finalizer was taken off.
            let before = state.read(&place, &call.key());
            let (mut last, _) = before.unwrap_or_else(|| (new.clone(), revision));
            state.erase(&call.resource, &call.key(), &mut last);
            None
        } else {
            Some(state.write(&call.resource, &call.key(), &mut new))
        };
        rules::settle(&mut state, call, &self.now());
        drop(state);
        rules::from_storage(&call.resource, &mut new);
        Ok((
            new,
            stored.and_then(|stored| rules::text_as_served(&call.resource, stored)),
        ))
    }
}

/// The object with the change done to it; None when the change is none.
fn changed(
    call: &Call,
    change: &mut Change,
    schema: &TypeSchema,
    (old, time): (&Value, &str),
    warnings: &mut Vec<String>,
) -> Result<Option<Value>, ApiError> {
    let new = match change {
        Change::Replace(object) => {
            let mut object = object.clone();
            rules::check_type(&call.resource, &object)?;
            if meta(&object, "name").is_empty() {
                return Err(other_name(call, ""));
            }
            address(call, &mut object)?;
            return Ok(Some(object));
        }
        Change::Json(text) => patch::json_patch(old, text)?,
        Change::Merge(parsed) => patch::merge_patch(old, &parsed.value),
        Change::Strategic(parsed) => patch::strategic_merge(schema, old, &parsed.value)?,
        Change::Apply { config, force } => {
            let api_version = call.resource.gvk.api_version();
            let stamp = rules::stamp(call, &api_version, time);
            let mut applied = managed::apply_changes(schema, Some(old), config, &stamp, *force)?;
            if let Some(new) = &mut applied {
                rules::decode_applied(&call.resource, config, new)?;
                named(call, new)?;
            }
            return Ok(applied);
        }
    };
    let mut new = decode_patched(call, change, old, new, warnings)?;
    let wrong = |field: &str| {
        let error = FieldError::invalid(field, &new[field], "field is immutable");
        (new[field] != old[field]).then_some(error)
    };
    let errors: Vec<FieldError> = ["kind", "apiVersion"].into_iter().filter_map(wrong).collect();
    if !errors.is_empty() {
        let kind = &call.resource.gvk.kind;
        return Err(ApiError::invalid(call.group(), kind, &call.name, &errors));
    }
    if meta(&new, "name") != call.name {
        return Err(other_name(call, meta(&new, "name")));
    }
    if meta(&new, "namespace").is_empty() {
        set_meta(&mut new, "namespace", old["metadata"].get("namespace").cloned());
    }
    if meta(&new, "namespace") != meta(old, "namespace") {
        return Err(ApiError::bad_request(OTHER_NAMESPACE));
    }
    Ok(Some(new))
}

/// Brings what came of a patch into the kind's form.
fn decode_patched(
    call: &Call,
    change: &Change,
    old: &Value,
    mut new: Value,
    warnings: &mut Vec<String>,
) -> Result<Value, ApiError> {
    if matches!(change, Change::Strategic(_)) {
        // It is applied to the typed object, which has no kind.
        for field in ["apiVersion", "kind"] {
            if rules::unknown_kind(&new).is_none() {
                new[field] = old[field].clone();
            }
        }
    }
    if let Some(why) = rules::unknown_kind(&new).filter(|_| !call.resource.is_custom()) {
        return Err(of_patch(call, change, old, ApiError::bad_request(why)));
    }
    let validation = call.options.field_validation();
    let duplicates: &[String] = match change {
        Change::Merge(parsed) | Change::Strategic(parsed) => &parsed.duplicates,
        _ => &[],
    };
    rules::other_kind(&call.resource, &new).map_err(|error| of_patch(call, change, old, error))?;
    if let Change::Json(text) = change {
        let unknown = patch::unknown_fields(text);
        rules::tell(&call.resource.gvk, unknown, validation, warnings)
            .map_err(|error| of_patch(call, change, old, error))?;
    }
    rules::decode(&call.resource, &mut new, duplicates, validation, warnings)
        .map_err(|error| of_patch(call, change, old, error))?;
    Ok(new)
}

/// What does not decode after a patch is the patch's fault: 422 on `patch`, with the object that came out of it.
fn of_patch(call: &Call, change: &Change, old: &Value, error: ApiError) -> ApiError {
    let lead = format!("cannot be handled as a {}: ", call.resource.gvk.kind);
    let why = match error.message.split_once(&lead) {
        Some((_, why)) => why,
        None if error.message.starts_with("no kind ") => &error.message,
        None => return error,
    };
    let (shown, why) = match change {
        Change::Json(text) => (
            patch::json_patch(old, text).unwrap_or_default().to_string(),
            why.to_owned(),
        ),
        Change::Merge(parsed) => (patch::merge_patch(old, &parsed.value).to_string(), why.to_owned()),
        Change::Strategic(parsed) => (patch::go_text(&parsed.value), conversion_problem(why)),
        _ => return error,
    };
    let invalid = FieldError::invalid("patch", &shown.into(), why);
    ApiError::invalid("", "", "", &[invalid])
}

/// A type error in the words of the converter that strategic patches go through, which knows Go's kinds for JSON's.
fn conversion_problem(why: &str) -> String {
    let Some((found, wanted)) = why
        .strip_prefix("json: cannot unmarshal ")
        .and_then(|rest| rest.split_once(" into Go struct field "))
        .and_then(|(found, rest)| Some((found, rest.split_once(" of type ")?.1)))
    else {
        return why.to_owned();
    };
    let kind = match found {
        "number" => "int64",
        "array" => "slice",
        "object" => "map",
        other => other.split(' ').next().unwrap_or(other),
    };
    if wanted.starts_with("map[") {
        format!("cannot restore map from {kind}")
    } else if wanted.starts_with("[]") {
        format!("cannot restore slice from {kind}")
    } else if wanted.contains('.') {
        format!("cannot restore struct from: {kind}")
    } else {
        format!("cannot convert {kind} to {wanted}")
    }
}

/// An applied object must have the name of the path, and may leave its namespace to it.
fn named(call: &Call, object: &Value) -> Result<(), ApiError> {
    let (name, namespace) = (meta(object, "name"), meta(object, "namespace"));
    if name != call.name {
        return Err(other_name(call, name));
    }
    if !namespace.is_empty() && namespace != call.namespace {
        return Err(ApiError::bad_request(OTHER_NAMESPACE));
    }
    Ok(())
}

/// Preconditions that the new object carries: its uid and its resourceVersion.
fn guard(call: &Call, change: &Change, old: &Value, new: &Value, revision: u64) -> Result<(), ApiError> {
    let (uid, old_uid) = (meta(new, "uid"), meta(old, "uid"));
    if !uid.is_empty() && uid != old_uid {
        if matches!(change, Change::Replace(_)) {
            return Err(call.other_uid(uid, old_uid));
        }
        let error = FieldError::invalid("metadata.uid", &uid.into(), "field is immutable");
        let kind = &call.resource.gvk.kind;
        return Err(ApiError::invalid(
            call.group(),
            kind,
            &call.name,
            &[error.clone(), error],
        ));
    }
    let version = meta(new, "resourceVersion");
    if version.is_empty() || version == "0" {
        let is_strict = call.resource.is_custom() || rules::is_crd(&call.resource);
        if is_strict || !builtin::allows_unconditional_update(&call.resource.gvk) {
            let error = FieldError::invalid("metadata.resourceVersion", &0.into(), "must be specified for an update");
            return Err(ApiError::invalid(
                call.group(),
                &call.resource.plural,
                &call.name,
                &[error],
            ));
        }
        return Ok(());
    }
    let Ok(wanted) = version.parse::<u64>() else {
        let text = format!("strconv.ParseUint: parsing {version:?}: invalid syntax");
        return Err(ApiError::other(500, "", text));
    };
    if wanted == revision {
        Ok(())
    } else {
        Err(call.modified())
    }
}

fn names_revision(change: &Change) -> bool {
    matches!(change, Change::Replace(object) if !matches!(meta(object, "resourceVersion"), "" | "0"))
}

/// Metadata that no writer may change.
fn carry(old: &Value, new: &mut Value) {
    for field in [
        "uid",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "generateName",
    ] {
        let kept = old["metadata"].get(field).cloned();
        if kept.is_some() || matches!(field, "uid" | "creationTimestamp") {
            set_meta(new, field, kept);
        }
    }
    set_meta(new, "selfLink", None);
}

/// Whether a deleting object may go: no finalizer, no grace left, and for a Namespace no spec finalizer.
pub(super) fn nothing_holds(call: &Call, object: &Value) -> bool {
    let grace = object["metadata"]["deletionGracePeriodSeconds"].as_i64().unwrap_or(0);
    let is_namespace = call.group().is_empty() && call.resource.plural == "namespaces";
    let namespace_held = is_namespace
        && object["spec"]["finalizers"]
            .as_array()
            .is_some_and(|list| !list.is_empty());
    finalizers(object).is_empty() && grace == 0 && !namespace_held
}
