//! Puts the world's services on loopback sockets, for `drydock up`. Knows sockets, TLS and files; no Kubernetes rule.

pub mod arm;
mod behaviours;
pub mod credentials;
pub mod files;
pub mod listen;
pub mod programs;
pub mod up;
pub mod webhooks;
