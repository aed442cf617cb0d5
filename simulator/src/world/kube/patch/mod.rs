//! The five ways to change an object: JSON patch, merge patch, strategic merge patch, server-side apply, and
//! the managedFields that updates and applies leave behind.
//!
//! Knows values and type schemas; must not know requests, stores, admission or time (it is told the time).

mod go_text;
mod json_patch;
pub mod managed;
mod merge_patch;
mod strategic;

pub use go_text::plain as go_text;
pub use json_patch::{json_kind, json_patch, unknown_fields};
pub use merge_patch::merge_patch;
pub use strategic::strategic_merge;
