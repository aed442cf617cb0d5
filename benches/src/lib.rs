//! Benchmarks of the simulator and the operator; see README.md beside this crate for figures.
