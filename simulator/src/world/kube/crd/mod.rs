//! CustomResourceDefinitions: structural schemas, pruning, defaulting, validation, CEL, printer columns, versions.

use serde_json::Value;

use super::schema::TypeSchema;

/// One served version of a CRD, ready to use.
#[derive(Debug)]
pub struct CompiledVersion {
    /// `spec.versions[].schema.openAPIV3Schema` as written.
    pub openapi: Value,
    /// What server-side apply needs to know of it.
    pub merge: TypeSchema,
}
