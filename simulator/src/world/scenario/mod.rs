//! Scenarios: a world, what happens in it and what must come of it, in a file; played under virtual time.
//!
//! `format` is the file as data, `parse` reads it and says what is wrong with it, `play` carries it out, `picture` keeps
//! what has been seen, `check` judges it, `audit` holds the invariants of every run, `report` draws it.

mod audit;
mod check;
pub mod format;
mod kinds;
pub mod parse;
mod picture;
mod play;
pub mod report;
mod world;

pub use audit::{INVARIANTS, Invariant};
pub use parse::{Diagnostic, parse};
pub use play::{Outcome, play};
