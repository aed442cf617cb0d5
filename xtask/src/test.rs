//! `test [level]`: the test levels of operator/docs/architecture.md, cheapest first.

use std::path::Path;

use anyhow::Result;
use clap::ValueEnum;

use crate::shell::{cargo, run as run_command, say};
use crate::{codegen, kube_bins, tidy};

/// What to run.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// One level alone; without it, all of them
    pub(crate) level: Option<Level>,
    /// Builds the Kubernetes binaries where they are missing, instead of leaving the tests against them out
    #[arg(long)]
    pub(crate) kube: bool,
}

/// The test levels, from cheap to dear.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Level {
    /// House rules, generated files and xtask's own tests
    House,
    /// Level 1: pure functions
    Pure,
    /// Level 2: clients and executors against the simulator's services
    Wire,
    /// Level 3: scenarios under virtual time
    Virtual,
    /// Level 4: the Kubernetes API: kube-rs, kubectl, and the request corpus against a real kube-apiserver
    Apiserver,
}

/// Runs one level, or all of them; stops at the first failure.
///
/// All of them are one `cargo test`: packages that are selected one by one have other features switched on in what they
/// share, and cargo would build half of the dependencies again for each level.
pub(crate) fn run(args: &Args) -> Result<()> {
    if let Some(level) = args.level {
        return run_level(level);
    }
    tidy::run()?;
    say("test: all");
    // That the generated files are fresh is one of the operator's own tests.
    run_command(&mut cargo(&["test", "--locked", "--workspace"]))?;
    let binaries = if args.kube {
        Some(kube_bins::ensure()?)
    } else {
        kube_bins::at_hand()
    };
    match binaries {
        Some(folder) => real(&folder, &[]),
        None => {
            say(
                "test: left out: the tests against a real kube-apiserver; `cargo xtask kube-bins` builds one (needs Go)",
            );
            Ok(())
        }
    }
}

fn run_level(level: Level) -> Result<()> {
    match level {
        Level::House => {
            tidy::run()?;
            cargo_test(&["xtask"])?;
            codegen::run(&codegen::Args { check: true })
        }
        Level::Pure => cargo_test(&["operator-api", "operator-plan", "preset-catalog"]),
        Level::Wire => cargo_test(&["operator", "preset-engine", "preset-runtime", "examples", "benches"]),
        Level::Virtual => cargo_test(&["scenarios"]),
        Level::Apiserver => {
            cargo_test(&["simulator"])?;
            real(&kube_bins::ensure()?, &[])
        }
    }
}

/// The tests against a real kube-apiserver: those that `cargo test` ignores. All packages, for the sake of their features.
pub(crate) fn real(binaries: &Path, variables: &[(&str, &str)]) -> Result<()> {
    say("test: against a real kube-apiserver");
    let arguments = ["test", "--locked", "--workspace", "--test", "real", "--", "--ignored"];
    let mut command = cargo(&arguments);
    command
        .env("KUBEBUILDER_ASSETS", binaries)
        .envs(variables.iter().copied());
    run_command(&mut command)
}

fn cargo_test(packages: &[&str]) -> Result<()> {
    say(format!("test: {}", packages.join(", ")));
    let selected = packages.iter().flat_map(|package| ["--package", package]);
    let arguments: Vec<&str> = ["test", "--locked"].into_iter().chain(selected).collect();
    run_command(&mut cargo(&arguments))
}
