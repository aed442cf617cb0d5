//! Tests of the kubelets.
