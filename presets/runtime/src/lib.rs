//! The program that a Workspace's pod runs: serves a model over HTTP.
//!
//! Knows: the command line, HTTP, the engine contract. Must not know: Kubernetes, or how an engine works.
//! Only the declared fake engine is there so far, and only `serve`.

mod adapters;
mod api;
mod args;
mod serve;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;

use self::args::{Args, Verb};

/// Runs the program with this command line (its own name first).
pub fn run(command_line: impl IntoIterator<Item = OsString>) -> ExitCode {
    let Args { verb } = match Args::try_parse_from(command_line) {
        Ok(args) => args,
        Err(error) => {
            // clap prints help on stdout and mistakes on stderr. Nothing is to be done when that is closed.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
    };
    let filter = tracing_subscriber::EnvFilter::builder()
        .with_default_directive(tracing::Level::INFO.into())
        .with_env_var("DRYDOCK_LOG")
        .from_env_lossy();
    let log = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(false)
        .with_writer(std::io::stderr);
    // A program around this one may have its own.
    let _ = log.try_init();
    let outcome = match verb {
        Verb::Serve(args) => serve::run(args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!("{error:#}");
            ExitCode::FAILURE
        }
    }
}
