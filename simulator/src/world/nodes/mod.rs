//! Nodes: the scheduler that gives pods to them and the kubelets that run pods, as stage machines.
//!
//! Both are controllers on the types of `control`; must not know the store, HTTP or tokio. GPUs and what AKS adds to
//! a node are not here.

pub mod kubelet;
mod node;
pub mod scheduler;

pub use self::node::{IS_SIMULATED, NodeShape, plain_node};
