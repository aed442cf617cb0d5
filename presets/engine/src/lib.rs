//! The engine contract and its implementations. Empty so far; nothing depends on it yet.
