//! Examples: programs beside this folder, each with a test that CI runs, and manifests that the admission tests accept.
