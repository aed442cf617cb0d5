//! `drydock`: runs the simulated world.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use simulator::{rehearse, serve, ui};

/// Most of a simulated API server's time goes into small allocations.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
#[command(name = "drydock", version, about = "Rehearses what Drydock does on a simulated AKS")]
struct Args {
    #[command(subcommand)]
    verb: Verb,
}

#[derive(Subcommand)]
enum Verb {
    /// Serves a simulated Kubernetes API on loopback until Ctrl-C
    Up(serve::up::Args),
    /// Plays scenario files under virtual time
    Run(rehearse::RunArgs),
    /// Reads a scenario file and says what is wrong with it
    Check(rehearse::CheckArgs),
    /// Prints the JSON schema of scenario files, for editors
    Schema,
}

fn main() -> ExitCode {
    let filter = tracing_subscriber::EnvFilter::builder()
        .with_env_var("DRYDOCK_LOG")
        .from_env_lossy();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    let Args { verb } = Args::parse();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.into()),
    };
    let outcome = match verb {
        Verb::Up(args) => runtime.block_on(serve::up::run(args)),
        Verb::Run(args) => rehearse::run(&args),
        Verb::Check(args) => rehearse::check(&args),
        Verb::Schema => rehearse::print_schema(),
    };
    outcome.map_or_else(|error| failed(&error), |()| ExitCode::SUCCESS)
}

fn failed(error: &anyhow::Error) -> ExitCode {
    ui::note(format!("error: {error:#}"));
    ExitCode::FAILURE
}
