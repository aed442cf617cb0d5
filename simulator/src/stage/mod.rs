//! The stages beyond virtual time: a real kube-apiserver, to which the simulated cloud is attached from outside.
//!
//! Must not know: what a scenario says.

pub mod control_plane;
