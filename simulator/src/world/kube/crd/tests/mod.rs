//! Definitions and objects through the whole room, with the texts that a real server gives.

mod definitions;
mod objects;
mod properties;
mod rules;
