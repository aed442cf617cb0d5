//! The one place where the `drydock` program speaks to a person: results on stdout, progress and errors on stderr.
#![allow(clippy::print_stdout, clippy::print_stderr)]

use std::fmt::Display;

/// A result that scripts may read.
pub fn result(text: impl Display) {
    println!("{text}");
}

/// Progress or advice for the person who watches.
pub fn note(text: impl Display) {
    eprintln!("{text}");
}
