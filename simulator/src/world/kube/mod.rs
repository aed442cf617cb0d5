//! A Kubernetes API server as a tower service over an ordered in-memory store.
//!
//! Rooms: `api_error` and `resources` are the shared vocabulary; `schema`, `patch`, `crd`, `builtin`, `surface`
//! and `auth` are pure functions over JSON; `store` holds the objects; `server` joins them; `admission` calls out.

pub mod admission;
pub mod api_error;
pub mod auth;
pub mod builtin;
pub mod crd;
pub mod patch;
pub mod resources;
pub mod schema;
pub mod server;
pub mod store;
pub mod surface;
