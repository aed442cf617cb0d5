//! Examples: programs that CI compiles, and manifests that the admission tests accept.
