//! `ci`: format, lints, then every test, with the seconds that each step took.

use std::time::Duration;

use anyhow::Result;

use crate::shell::{cargo, run as run_command, say};
use crate::test;

type Step = (&'static str, fn() -> Result<()>);

const STEPS: &[Step] = &[
    ("format", || run_command(&mut cargo(&["fmt", "--all", "--check"]))),
    ("lints", || {
        run_command(&mut cargo(&[
            "clippy",
            "--workspace",
            "--all-targets",
            "--locked",
            "--",
            "-D",
            "warnings",
        ]))
    }),
    ("tests", || test::run(&test::Args { level: None })),
];

/// Runs all steps and stops at the first that fails.
pub(crate) fn run() -> Result<()> {
    let mut times = Vec::new();
    for (name, step) in STEPS {
        let seconds = timed(*step)?.as_secs();
        times.push(format!("{name} {seconds} s"));
    }
    say(format!("ci: {}", times.join(", ")));
    Ok(())
}

#[allow(
    clippy::disallowed_methods,
    reason = "the person who waits wants wall time, and no virtual clock runs here"
)]
fn timed(step: fn() -> Result<()>) -> Result<Duration> {
    let started = std::time::Instant::now();
    step()?;
    Ok(started.elapsed())
}
