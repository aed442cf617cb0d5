//! managedFields: who set which field. Server-side apply with its conflicts, and what other writes leave behind.
//!
//! Knows types, values and field sets; must not know requests, stores, defaults or the clock (it is told the time).
//! The rules are those of structured-merge-diff and of the API server's field managers.

mod apply;
mod check;
mod entries;
mod fields;
mod fresh;
mod merge;
mod reset;
mod set;
mod shape;
#[cfg(test)]
mod tests;
mod update;

pub use self::apply::{apply, apply_changes, unchanged_but_for_times};
pub use self::update::update;

/// Who writes, through what, and when.
#[derive(Clone, Copy, Debug)]
pub struct Stamp<'a> {
    /// Field manager: `fieldManager`, or the user agent up to the first `/`.
    pub manager: &'a str,
    /// Subresource written through; empty for the resource itself.
    pub subresource: &'a str,
    /// `apiVersion` of the request, e.g. `apps/v1`.
    pub api_version: &'a str,
    /// Kind of the request, e.g. `Deployment`.
    pub kind: &'a str,
    /// Now, as RFC 3339 in UTC with whole seconds: `2026-01-02T03:04:05Z`.
    pub time: &'a str,
}
