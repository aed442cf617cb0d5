//! Scenarios: the tests that run the operator in the simulated world. The files live beside this crate, one behaviour a file.
