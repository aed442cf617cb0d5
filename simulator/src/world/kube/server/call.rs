//! One call on a resource, on its way through a verb.

use std::sync::Arc;

use bytes::Bytes;
use serde_json::Value;

use super::options::Options;
use crate::world::kube::api_error::ApiError;
use crate::world::kube::auth::UserInfo;
use crate::world::kube::resources::{ResourceType, Subresource};
use crate::world::kube::store::Key;

/// Who wants what of which resource. The verb is the function that gets it.
#[derive(Clone, Debug)]
pub(super) struct Call {
    pub(super) user: UserInfo,
    pub(super) resource: Arc<ResourceType>,
    pub(super) sub: Option<Subresource>,
    /// Empty for cluster-scoped resources and for all namespaces.
    pub(super) namespace: String,
    /// Empty for collections.
    pub(super) name: String,
    pub(super) options: Options,
    /// Default field manager: what the User-Agent says.
    pub(super) agent: String,
}

/// What a write did.
#[derive(Debug)]
pub(super) struct Written {
    /// The object as it is now (or was last), in the version of the call.
    pub(super) object: Value,
    /// The object's text where it is at hand, so that it need not be written once more.
    pub(super) text: Option<Bytes>,
    /// 200, or 201 when it is new.
    pub(super) code: u16,
    /// `Warning` headers.
    pub(super) warnings: Vec<String>,
}

impl Call {
    /// `plural[/subresource] namespace/name`, for the trace.
    pub(super) fn shown(&self) -> String {
        let sub = self.sub.map_or_else(String::new, |sub| format!("/{}", sub.as_str()));
        let slash = if self.namespace.is_empty() { "" } else { "/" };
        format!("{}{sub} {}{slash}{}", self.resource.plural, self.namespace, self.name)
    }

    pub(super) fn key(&self) -> Key {
        Key::new(&self.namespace, &self.name)
    }

    pub(super) fn group(&self) -> &str {
        &self.resource.gvk.group
    }

    /// Who owns the fields that this call writes.
    pub(super) fn manager(&self) -> &str {
        self.options.get("fieldManager").unwrap_or(&self.agent)
    }

    pub(super) fn not_found(&self) -> ApiError {
        ApiError::not_found(self.group(), &self.resource.plural, &self.name)
    }

    pub(super) fn modified(&self) -> ApiError {
        ApiError::modified(self.group(), &self.resource.plural, &self.name)
    }

    /// 409 for an object that is there under another uid, with the place where the real server keeps it.
    pub(super) fn other_uid(&self, wanted: &str, actual: &str) -> ApiError {
        let place = match (self.group(), self.resource.plural.as_str()) {
            ("", "services") => "services/specs".to_owned(),
            ("", "endpoints") => "services/endpoints".to_owned(),
            ("", "nodes") => "minions".to_owned(),
            ("networking.k8s.io", "ingresses") => "ingress".to_owned(),
            (group, plural) if self.resource.is_custom() => format!("{group}/{plural}"),
            (_, plural) => plural.to_owned(),
        };
        let slash = if self.namespace.is_empty() { "" } else { "/" };
        self.conflict(&format!(
            "StorageError: invalid object, Code: 4, Key: /registry/{place}/{}{slash}{}, ResourceVersion: 0, \
             AdditionalErrorMsg: Precondition failed: UID in precondition: {wanted}, UID in object meta: {actual}",
            self.namespace, self.name
        ))
    }

    pub(super) fn conflict(&self, why: &str) -> ApiError {
        ApiError::conflict(self.group(), &self.resource.plural, &self.name, why)
    }
}

/// A text under `metadata`; empty when absent.
pub(super) fn meta<'a>(object: &'a Value, field: &str) -> &'a str {
    object["metadata"][field].as_str().unwrap_or_default()
}

/// Sets a field under `metadata`, or removes it for None.
pub(super) fn set_meta(object: &mut Value, field: &str, value: Option<Value>) {
    let Some(object) = object.as_object_mut() else { return };
    let metadata = object
        .entry("metadata")
        .or_insert_with(|| Value::Object(serde_json::Map::new()));
    let Some(metadata) = metadata.as_object_mut() else {
        return;
    };
    match value {
        Some(value) => metadata.insert(field.to_owned(), value),
        None => metadata.remove(field),
    };
}

/// `metadata.finalizers`.
pub(super) fn finalizers(object: &Value) -> Vec<&str> {
    object["metadata"]["finalizers"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect()
}

/// Whether the object is being deleted.
pub(super) fn is_deleting(object: &Value) -> bool {
    !meta(object, "deletionTimestamp").is_empty()
}
