//! Validation of built-in kinds, with the real server's texts in the real server's order.
//!
//! Knows the rules of 1.36 for what users get wrong; checks of features that the simulator does not have are left
//! out. Objects must be defaulted and prepared first.

mod go;
mod meta;
mod problems;

use serde_json::Value;

use self::problems::Problems;
use super::json;
use super::kind::{Kind, NameRule};
use crate::world::kube::api_error::FieldError;
use crate::world::kube::resources::{Gvk, Subresource};

pub use meta::{validate_object_meta, validate_object_meta_update};

/// Checks a new object.
#[must_use]
pub fn validate_create(gvk: &Gvk, object: &Value) -> Vec<FieldError> {
    let Some(kind) = Kind::of(gvk) else { return Vec::new() };
    let mut problems = Problems::default();
    let metadata = json::get(object, "metadata");
    meta::object_meta(&mut problems, kind.is_namespaced(), metadata, kind.name_rule());
    if !kind.is_loose_about_finalizers() {
        meta::builtin_finalizers(&mut problems, metadata);
    }
    problems.into_errors()
}

/// Checks an updated object against the stored one.
#[must_use]
pub fn validate_update(gvk: &Gvk, sub: Option<Subresource>, new: &Value, old: &Value) -> Vec<FieldError> {
    let Some(kind) = Kind::of(gvk) else { return Vec::new() };
    let _ = (kind, sub);
    let mut problems = Problems::default();
    meta::object_meta_update(&mut problems, json::get(new, "metadata"), json::get(old, "metadata"));
    problems.into_errors()
}
