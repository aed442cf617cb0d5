//! Fields that a writer never comes to own: those that the server sets itself, and those that the endpoint resets.
//!
//! Knows field sets; must not know objects.

use std::sync::OnceLock;

use serde_json::{Map, Value, json};

use super::Stamp;
use super::set::Set;
use crate::world::kube::schema::TypeSchema;

/// A constant set, from FieldsV1.
fn constant(cell: &'static OnceLock<Set<'static>>, fields: impl FnOnce() -> Value) -> &'static Set<'static> {
    cell.get_or_init(|| Set::parse(&fields()).unwrap_or_default().into_owned())
}

/// Fields of `metadata` that no manager ever owns, beside `metadata` itself.
pub(super) const NEVER_OWNED_METADATA: &[&str] = &[
    "name",
    "namespace",
    "creationTimestamp",
    "selfLink",
    "uid",
    "clusterName",
    "generation",
    "managedFields",
    "resourceVersion",
];

/// What no manager ever owns.
pub(super) fn always() -> &'static Set<'static> {
    static SET: OnceLock<Set<'static>> = OnceLock::new();
    constant(&SET, || {
        let empty = || Value::Object(Map::new());
        let names = NEVER_OWNED_METADATA.iter().map(|name| (format!("f:{name}"), empty()));
        let metadata: Map<String, Value> = names.chain([(".".to_owned(), empty())]).collect();
        json!({"f:apiVersion": {}, "f:kind": {}, "f:metadata": metadata})
    })
}

/// Built-in kinds whose `status` endpoint resets all metadata too, as that of custom resources does.
const RESET_METADATA: &[&str] = &[
    "APIService",
    "CustomResourceDefinition",
    "FlowSchema",
    "PriorityLevelConfiguration",
    "ResourceClaim",
    "ServiceCIDR",
    "ValidatingAdmissionPolicy",
    "VolumeAttachment",
];

/// What the endpoint resets before it stores: `status` on the resource itself where the kind has a status
/// subresource, `spec` and what else the kind resets on `status`.
pub(super) fn filtered<'v>(schema: &TypeSchema, stamp: &Stamp<'_>, set: Set<'v>) -> Set<'v> {
    static STATUS: OnceLock<Set<'static>> = OnceLock::new();
    static SPEC: OnceLock<Set<'static>> = OnceLock::new();
    static SPEC_AND_METADATA: OnceLock<Set<'static>> = OnceLock::new();
    static DEPLOYMENT: OnceLock<Set<'static>> = OnceLock::new();
    static POD: OnceLock<Set<'static>> = OnceLock::new();
    let excluded = match (stamp.subresource, stamp.kind) {
        ("", _) if schema.resets_status() => constant(&STATUS, || json!({"f:status": {}})),
        ("status", "Deployment") => constant(&DEPLOYMENT, || json!({"f:spec": {}, "f:metadata": {"f:labels": {}}})),
        ("status", "Pod") => constant(
            &POD,
            || json!({"f:spec": {}, "f:metadata": {"f:deletionTimestamp": {}, "f:ownerReferences": {}}}),
        ),
        ("status", kind) if !schema.is_builtin() || RESET_METADATA.contains(&kind) => {
            constant(&SPEC_AND_METADATA, || json!({"f:spec": {}, "f:metadata": {}}))
        }
        ("status", _) => constant(&SPEC, || json!({"f:spec": {}})),
        _ => return set,
    };
    set.recursive_difference(excluded)
}
