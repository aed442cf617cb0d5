//! `test [level]`: the test levels of operator/docs/architecture.md, cheapest first.

use anyhow::Result;
use clap::ValueEnum;

use crate::shell::{cargo, run as run_command, say};
use crate::{codegen, tidy};

/// What to run.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// One level alone; without it, all of them
    pub(crate) level: Option<Level>,
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
    /// Level 4: the Kubernetes API: kube-rs, kubectl and the request corpus
    Apiserver,
}

const LEVELS: [Level; 5] = [Level::House, Level::Pure, Level::Wire, Level::Virtual, Level::Apiserver];

/// Runs one level or all of them; stops at the first failure.
pub(crate) fn run(args: &Args) -> Result<()> {
    LEVELS
        .into_iter()
        .filter(|level| args.level.is_none_or(|only| only == *level))
        .try_for_each(run_level)
}

fn run_level(level: Level) -> Result<()> {
    match level {
        Level::House => {
            tidy::run()?;
            cargo_test(&["xtask"])?;
            codegen::run(&codegen::Args { check: true })
        }
        Level::Pure => cargo_test(&["operator-api", "operator-plan", "preset-catalog"]),
        Level::Wire => cargo_test(&["operator", "preset-engine", "preset-runtime", "examples"]),
        Level::Virtual => cargo_test(&["scenarios"]),
        Level::Apiserver => {
            run_command(&mut cargo(&["build", "--locked", "--package", "simulator", "--bins"]))?;
            cargo_test(&["simulator"])
        }
    }
}

fn cargo_test(packages: &[&str]) -> Result<()> {
    say(format!("test: {}", packages.join(", ")));
    let selected = packages.iter().flat_map(|package| ["--package", package]);
    let arguments: Vec<&str> = ["test", "--locked"].into_iter().chain(selected).collect();
    run_command(&mut cargo(&arguments))
}
