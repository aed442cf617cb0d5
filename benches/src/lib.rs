//! Benchmarks of the simulator; see README.md beside this crate for figures.
//!
//! This library is what the benches share: a server in a runtime of its own, requests, and objects of 2 KiB.

mod cpu;
pub mod objects;
mod room;

pub use cpu::OnCpu;
pub use room::{Room, Watchers, text_of};

/// As in the `drydock` program: most of the API server's time goes into small allocations.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
