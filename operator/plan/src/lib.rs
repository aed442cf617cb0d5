//! Planning: from what a controller observed to what it should do, as pure functions. Empty so far; it must never know a client, a runtime, time or randomness.
