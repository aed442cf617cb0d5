//! The operator: everything between the pure plans and the outside world.
//!
//! Knows: clients, sockets, files, the command line. Must not know: the simulator, or how a decision is made (that is
//! `operator-plan` and `operator-api`).

pub mod admission;
pub mod args;
pub mod azure;
pub mod controllers;
pub mod execute;
pub mod generate;
pub mod kube;
pub mod observe;
pub mod run;
pub mod yaml;

pub use run::{Operator, Planners, RunError};
