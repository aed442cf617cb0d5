//! Built-in kinds: defaults, validation, and what create and update may touch.

pub mod formats;
pub mod quantity;
pub mod selectors;
