//! The ordered object store: revisions, history, watches. Knows keys and bytes, not Kubernetes' rules.
