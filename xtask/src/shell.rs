//! Running other programs and speaking to the person who waits.
#![allow(clippy::print_stderr, reason = "this is the one place where xtask prints")]

use std::ffi::OsString;
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// One line for the person who waits.
pub(crate) fn say(text: impl Display) {
    eprintln!("{text}");
}

/// The repository's root folder, as cargo says it when it runs this program. (A path from the time of the build would be another checkout's
/// when two of them share one build folder.)
pub(crate) fn root() -> PathBuf {
    let here = variable("CARGO_MANIFEST_DIR").map(PathBuf::from);
    here.as_deref()
        .and_then(Path::parent)
        .map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}

/// A variable of the environment.
pub(crate) fn variable(wanted: &str) -> Option<OsString> {
    std::env::vars_os().find_map(|(name, value)| (name == wanted).then_some(value))
}

/// `cargo` in the repository's root.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let program = variable("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let mut command = Command::new(program);
    command.args(arguments).current_dir(root());
    command
}

/// Runs a command to its end and fails when it fails.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let shown = shown(command);
    say(format!("$ {shown}"));
    let status = command.status().with_context(|| format!("cannot start `{shown}`"))?;
    if !status.success() {
        bail!("`{shown}` ended with {status}");
    }
    Ok(())
}

fn shown(command: &Command) -> String {
    let program = Path::new(command.get_program())
        .file_name()
        .unwrap_or(command.get_program());
    let words = std::iter::once(program).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
