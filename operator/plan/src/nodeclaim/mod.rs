//! The NodeClaim: one claim, one agent pool of one node, whose name is the claim's.
//!
//! `observed` is the input; `body` is what AKS is asked for; `plan` decides; `status` tells it. Must not know: how a
//! request reaches Azure.

mod body;
mod observed;
mod plan;
mod status;

pub use observed::{Held, Observed, OperationView, PoolSeen, PoolView, Refusal, RefusalClass};
pub use plan::plan;
