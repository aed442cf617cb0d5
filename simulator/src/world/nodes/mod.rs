//! Nodes: the scheduler that gives pods to them and the kubelets that run pods, as stage machines.
