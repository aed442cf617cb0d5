//! What clients see beside the objects: discovery, OpenAPI, Tables.
//!
//! Pure functions of the registry and of objects that the caller passes in; must not know the store, the users, or
//! HTTP beyond media types.

pub mod builtin_resources;
mod definitions;
pub mod discovery;
pub mod duration;
pub mod jsonpath;
pub mod openapi;
pub mod tables;

pub use discovery::{
    DiscoveryForm, aggregated, aggregated_document, aggregated_form, api_group, api_groups, api_resources, api_versions,
};
pub use openapi::{Document, OpenApi, V2_PROTOBUF_MEDIA_TYPE, V2Form, v2_form};
pub use tables::{IncludeObject, partial_object, table, watch_table};
