//! The built-in types' OpenAPI schemas.

use std::collections::BTreeMap;

use serde_json::Value;

use super::super::schema::builtin_definitions;

/// All, by definition name.
pub(super) fn all() -> &'static BTreeMap<String, Value> {
    builtin_definitions()
}
