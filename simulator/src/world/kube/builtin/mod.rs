//! Built-in kinds: defaults, validation, and what create and update may touch.
//!
//! Knows the rules of Kubernetes 1.36 for each kind, as pure functions over JSON; knows no store, no clock and no
//! randomness. Order on a write: [`default`], admission ([`admit`]), [`prepare_create`] or [`prepare_update`],
//! then [`validate_create`] or [`validate_update`].

pub mod admit;
pub mod base64;
mod default;
pub mod formats;
mod json;
mod kind;
mod prepare;
pub mod quantity;
pub mod selectors;
pub mod totals;
mod validate;
mod warnings;

pub use default::default;
pub use kind::NameRule;
pub use prepare::{allows_create_on_update, allows_unconditional_update, prepare_create, prepare_update};
pub use validate::{validate_create, validate_object_meta, validate_object_meta_update, validate_update};
pub use warnings::warnings;

#[cfg(test)]
mod tests;
