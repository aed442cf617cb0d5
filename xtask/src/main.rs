//! `cargo xtask VERB`: a table of verbs, one file each. Knows the repository; links no product crate, it runs their binaries.

mod bless;
mod ci;
mod codegen;
mod demo;
mod kube_bins;
mod shell;
mod test;
mod tidy;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "Everything that is done to this repository")]
struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Runs the tests, from cheap to dear; with a level, that one alone
    Test(test::Args),
    /// Checks the house rules: dependency edges, file and function size, module docs, doc links, scenario traces
    Tidy,
    /// Writes the generated files, or with --check says which are stale
    Codegen(codegen::Args),
    /// Accepts what the tests now print as what they should print
    Bless,
    /// Shows the quick start: in virtual time, then live behind kubectl
    Demo,
    /// Builds etcd, the Kubernetes control plane, kubectl and kind, for the tests against the real thing
    KubeBins(kube_bins::Args),
    /// What the gate runs: format, lints, then every test
    Ci(ci::Args),
}

fn main() -> ExitCode {
    let outcome = match Args::parse().verb {
        Verb::Test(args) => test::run(&args),
        Verb::Tidy => tidy::run(),
        Verb::Codegen(args) => codegen::run(&args),
        Verb::Bless => bless::run(),
        Verb::Demo => demo::run(),
        Verb::KubeBins(args) => kube_bins::run(&args),
        Verb::Ci(args) => ci::run(&args),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            shell::say(format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
