//! `drydock`: runs the simulated world.

use std::ffi::OsString;
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
    #[command(flatten)]
    World(WorldVerb),
    /// The GPU runtime, as `drydock up` starts it for pods
    #[command(name = simulator::RUNTIME_VERB, hide = true, disable_help_flag = true)]
    Runtime {
        /// Its own command line
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<OsString>,
    },
}

#[derive(Subcommand)]
enum WorldVerb {
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
    let Args { verb } = Args::parse();
    match verb {
        Verb::World(verb) => world(verb),
        // A program of its own, with its own log and its own threads.
        Verb::Runtime { arguments } => preset_runtime::run(std::iter::once("drydock-runtime".into()).chain(arguments)),
    }
}

fn world(verb: WorldVerb) -> ExitCode {
    let filter = tracing_subscriber::EnvFilter::builder()
        .with_env_var("DRYDOCK_LOG")
        .from_env_lossy();
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&error.into()),
    };
    let outcome = match verb {
        WorldVerb::Up(args) => runtime.block_on(serve::up::run(args)),
        WorldVerb::Run(args) => rehearse::run(&args),
        WorldVerb::Check(args) => rehearse::check(&args),
        WorldVerb::Schema => rehearse::print_schema(),
    };
    outcome.map_or_else(|error| failed(&error), |()| ExitCode::SUCCESS)
}

fn failed(error: &anyhow::Error) -> ExitCode {
    ui::note(format!("error: {error:#}"));
    ExitCode::FAILURE
}
