//! Built-in kinds: defaults, validation, and what create and update may touch.
