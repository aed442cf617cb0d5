//! One simulated world: time, entropy, trace and the services that live in it.

pub mod arm;
pub mod clock;
pub mod cluster;
pub mod control;
pub mod entropy;
pub mod kube;
pub mod nodes;
pub mod rehearsal;
pub mod run;
pub mod scenario;
pub mod trace;
