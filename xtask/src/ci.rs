//! `ci`: format, lints, then every test, with the seconds that each step took.

use std::time::Duration;

use anyhow::Result;

use crate::shell::{cargo, run as run_command, say};
use crate::{kube_bins, test};

/// What to require.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Builds the Kubernetes binaries where they are missing (needs Go), instead of leaving the tests against them out
    #[arg(long)]
    kube: bool,
}

const CLIPPY: &[&str] = &[
    "clippy",
    "--workspace",
    "--all-targets",
    "--locked",
    "--",
    "-D",
    "warnings",
];

/// Runs all steps and stops at the first that fails.
pub(crate) fn run(args: &Args) -> Result<()> {
    let kube = args.kube;
    let mut times = Vec::new();
    let mut step = |name: &str, step: &dyn Fn() -> Result<()>| -> Result<()> {
        let seconds = timed(step)?.as_secs();
        times.push(format!("{name} {seconds} s"));
        Ok(())
    };
    step("format", &|| run_command(&mut cargo(&["fmt", "--all", "--check"])))?;
    step("lints", &|| run_command(&mut cargo(CLIPPY)))?;
    if kube {
        step("kubernetes", &|| kube_bins::ensure().map(drop))?;
    }
    step("tests", &|| test::run(&test::Args { level: None, kube }))?;
    say(format!("ci: {}", times.join(", ")));
    Ok(())
}

#[allow(
    clippy::disallowed_methods,
    reason = "the person who waits wants wall time, and no virtual clock runs here"
)]
fn timed(step: &dyn Fn() -> Result<()>) -> Result<Duration> {
    let started = std::time::Instant::now();
    step()?;
    Ok(started.elapsed())
}
