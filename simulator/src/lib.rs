//! The simulator: a Kubernetes API, an AKS and GPU nodes in one process, under virtual time.
//!
//! This crate knows everything that is simulated and nothing of the operator's decisions: the operator
//! meets it only through tower services (`world::kube`, later `world::arm`), the same it meets in production.

pub mod serve;
pub mod shim;
pub mod ui;
pub mod world;
