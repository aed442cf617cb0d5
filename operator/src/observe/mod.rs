//! Gathering what a plan rests on.
//!
//! Knows: which objects belong to a Workspace. Must not know: what follows from them.

mod references;
mod workspace;

pub use workspace::{Caches, Woken, node_digest, observe};
