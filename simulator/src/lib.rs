//! The simulator: a Kubernetes API, an AKS and GPU nodes in one process, under virtual time.
//!
//! This crate knows everything that is simulated and nothing of the operator's decisions: the operator
//! meets it only through tower services (`world::kube`, `world::arm`), the same it meets in production.
#![cfg_attr(
    test,
    allow(
        clippy::needless_pass_by_value,
        reason = "a test hands json! literals to its helpers; a & before each would only be noise"
    )
)]

/// Verb of `drydock` that is the GPU runtime: `drydock up` starts itself with it for the pods of that image.
pub const RUNTIME_VERB: &str = "runtime";

pub mod rehearse;
pub mod serve;
pub mod shim;
pub mod stage;
pub mod ui;
pub mod world;
