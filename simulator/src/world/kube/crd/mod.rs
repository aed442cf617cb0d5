//! CustomResourceDefinitions: structural schemas, pruning, defaulting, validation, CEL, printer columns, versions.
//!
//! Knows definitions and the objects they define, as JSON. Must not know the store, requests, users or the clock.
//! `definition` judges the definition itself, `compile` turns it into resources, the rest works on custom objects;
//! `cel` is the expression language with its cost model, also used by `admission`.

pub(crate) mod cel;
mod check;
mod columns;
mod compile;
mod definition;
mod formats;
mod lists;
mod objects;
mod path;
mod pattern;
mod prune;
mod structural;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use serde_json::Value;

use super::api_error::{FieldError, FieldErrorKind};
use super::resources::{Gvk, Subresource};
use super::schema::TypeSchema;
use structural::Node;

pub use columns::Column;
pub use compile::{compile, convert};
pub use definition::{
    accepted_status, default_definition, definition_warnings, installing, is_established, prepare_definition,
    validate_definition,
};
pub use objects::ScalePaths;

/// Said in place of the CEL rules where the types that they rely on are not in order.
const NOT_CHECKED: &str = "some validation rules were not checked because the object was invalid; correct the existing errors to complete validation";

/// One served version of a CRD, ready to use.
#[derive(Debug)]
pub struct CompiledVersion {
    /// `spec.versions[].schema.openAPIV3Schema` as written.
    pub openapi: Value,
    /// What server-side apply needs to know of it.
    pub merge: TypeSchema,
    /// Whether `status` is a subresource.
    pub has_status: bool,
    /// The `Warning` header for requests to a deprecated version.
    pub warning: Option<String>,
    /// Group, version and kind of the objects.
    pub gvk: Gvk,
    root: Node,
    columns: Vec<Column>,
    scale: Option<ScalePaths>,
    selectable: Vec<String>,
    /// The version in which objects are stored, where that is another.
    stored: Option<Arc<CompiledVersion>>,
}

impl CompiledVersion {
    /// What storing an object in another version makes of it: unknown fields go, that version's defaults come.
    pub fn store(&self, object: &mut Value) {
        if let Some(stored) = &self.stored {
            stored.prune(object);
            stored.default(object);
        }
    }

    /// Fields that lists can be selected by besides the common ones.
    #[must_use]
    pub fn selectable(&self) -> &[String] {
        &self.selectable
    }

    /// Drops fields that the schema does not declare; gives their paths, sorted.
    pub fn prune(&self, object: &mut Value) -> Vec<String> {
        prune::prune(&self.root, object)
    }

    /// Fills in defaults; nulls where none are allowed count as absent.
    pub fn default(&self, object: &mut Value) {
        prune::fill(&self.root, object);
    }

    /// What a create changes by itself: no status where that is a subresource, generation 1.
    pub fn prepare_create(&self, object: &mut Value) {
        objects::prepare_create(object, self.has_status);
    }

    /// What an update changes by itself: each subresource keeps what belongs to the others; the generation counts.
    pub fn prepare_update(&self, sub: Option<Subresource>, new: &mut Value, old: &Value) {
        if sub == Some(Subresource::Status) {
            objects::prepare_status_update(new, old);
        } else {
            objects::prepare_update(new, old, self.has_status);
        }
    }

    /// Everything that is wrong with an object: schema first, then (when that leaves types in order) the CEL rules.
    /// `metadata` is judged elsewhere.
    #[must_use]
    pub fn validate(&self, sub: Option<Subresource>, new: &Value, old: Option<&Value>) -> Vec<FieldError> {
        let status_only = sub == Some(Subresource::Status);
        let mut errors = if status_only {
            match (self.root.field("status"), new.get("status")) {
                (Some(node), Some(status)) => {
                    check::check(node, status, old.and_then(|old| old.get("status")), "status")
                }
                _ => Vec::new(),
            }
        } else {
            check::check(&self.root, new, old, "")
        };
        if let Some(scale) = &self.scale {
            errors.extend(scale.check(new, !status_only));
        }
        if !status_only {
            errors.extend(objects::check_embedded(&self.root, new));
        }
        // Double entries that were there before are left alone.
        if self.root.has.keyed_lists && old.is_none_or(|old| lists::check(&self.root, old).is_empty()) {
            errors.extend(lists::check(&self.root, new));
        }
        if self.root.has.rules {
            let blocking = |error: &FieldError| {
                use FieldErrorKind::{NotSupported, Required, TooLong, TooMany, TypeInvalid};
                matches!(error.kind, NotSupported | Required | TooLong | TooMany | TypeInvalid)
            };
            if errors.iter().any(blocking) {
                errors.push(FieldError::invalid("<nil>", &Value::Null, NOT_CHECKED));
            } else {
                errors.extend(cel::rules::validate(&self.root, new, old));
            }
        }
        errors
    }

    /// Printer columns, without the name.
    #[must_use]
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Where the scale subresource finds its numbers.
    #[must_use]
    pub fn scale_paths(&self) -> Option<&ScalePaths> {
        self.scale.as_ref()
    }
}
