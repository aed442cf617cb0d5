//! How the operator sees a cluster: one watch a kind, kept in an index by owner.
//!
//! Knows: watches and what is kept of them. Must not know: what a controller decides from it.

mod cache;

pub use cache::{Cache, Key};
