//! Benchmarks of the simulator; see README.md beside this crate for figures.
//!
//! This library is what the benches share: a server in a runtime of its own, requests, and objects of 2 KiB.

pub mod objects;
mod room;

pub use room::{Room, Watchers, text_of};
