//! The controllers: each observes, asks for a plan, and has it carried out.
//!
//! Knows: which objects a controller reads and what wakes it. Must not know: what is decided (that is
//! `operator-plan`), or how a step is taken (that is `execute`).

pub mod nodeclaim;
mod retry;
pub mod workspace;
