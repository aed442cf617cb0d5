//! The Common Expression Language as Kubernetes uses it.

pub(crate) mod duration;
pub(crate) mod field_path;
