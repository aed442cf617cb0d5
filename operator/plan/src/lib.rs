//! Decisions: from what was observed to what is to be done, as data.
//!
//! Knows: the API types, the models, and what Kubernetes and AKS objects must look like. Must not know: a client, a
//! runtime, the time of day (it is observed like everything else) or randomness. The same input gives the same plan.
//!
//! Every controller has a room: `observed` (the input), `plan` (the decision), `status` (what is told). They share
//! `step` (what can be done), `target` (the kinds that are touched) and `drift` (whether an object must be written).
#![cfg_attr(
    test,
    allow(
        clippy::needless_pass_by_value,
        reason = "a test hands json! literals to its helpers; a & before each would only be noise"
    )
)]

pub mod conditions;
pub mod drift;
pub mod manifests;
pub mod nodeclaim;
pub mod step;
pub mod target;
pub mod workspace;

pub use step::{Event, Plan, Planned, Severity, Step, Wake};
pub use target::{Kind, Target};
