//! The API server: requests in, responses out; joins store, rules and surface.
