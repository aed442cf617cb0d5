//! What the server knows of a kind's fields: types for decoding, list and map kinds for merging.

/// Types and merge rules of one kind.
#[derive(Clone, Debug, Default)]
pub struct TypeSchema {}
