//! The definition itself: its defaults, whether it is acceptable, and the status that says so.
//!
//! Field paths are those of the server's internal form: what all versions share is spoken of once, under `spec.validation`,
//! `spec.subresources` and `spec.additionalPrinterColumns`.

mod defaults;
mod names;
mod openapi;
mod rules;
mod spec;
mod status;
mod structural;
mod update;

use serde_json::Value;

use super::formats;
use crate::world::kube::api_error::FieldError;

pub use defaults::{default_definition, prepare_definition};
pub use status::{accepted_status, installing, is_established};

/// Everything that is wrong with a definition; `old` on update.
#[must_use]
pub fn validate_definition(crd: &Value, old: Option<&Value>) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if old.is_none() {
        names::check_object_name(crd, &mut errors);
    }
    spec::check(crd, old, &mut errors);
    if let Some(old) = old {
        update::check_immutable(crd, old, &mut errors);
    }
    update::check_stored_versions(crd, &mut errors);
    names::check_approval(crd, old, &mut errors);
    spec::check_preserve(crd, old, &mut errors);
    errors
}

/// The list of versions.
fn versions(crd: &Value) -> &[Value] {
    let list = crd.pointer("/spec/versions").and_then(Value::as_array);
    list.map(Vec::as_slice).unwrap_or_default()
}

/// A string at a JSON pointer; empty when absent.
fn text_at<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// What the server says beside the result: formats that it will not check.
#[must_use]
pub fn definition_warnings(crd: &Value) -> Vec<String> {
    let mut said = Vec::new();
    for version in versions(crd) {
        note_formats(
            version.pointer("/schema/openAPIV3Schema").unwrap_or(&Value::Null),
            &mut said,
        );
    }
    said
}

fn note_formats(schema: &Value, said: &mut Vec<String>) {
    if let Some(format) = schema.get("format").and_then(Value::as_str)
        && schema.get("type").is_some_and(Value::is_string)
        && !formats::is_known(format)
    {
        let text = format!("unrecognized format {format:?}");
        if !said.contains(&text) {
            said.push(text);
        }
    }
    let below = match schema {
        Value::Object(fields) => fields.values().collect::<Vec<_>>(),
        Value::Array(items) => items.iter().collect(),
        _ => Vec::new(),
    };
    for value in below {
        note_formats(value, said);
    }
}
