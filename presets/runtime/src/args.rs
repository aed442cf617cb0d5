//! The command line.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

#[derive(Debug, Parser)]
#[command(name = "drydock-runtime", version, about = "Serves a model in a pod")]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Serves a model over HTTP until SIGTERM
    Serve(Serve),
}

/// What `/chat` takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum Pipeline {
    /// A prompt
    #[default]
    TextGeneration,
    /// Messages
    Conversational,
}

/// Flags of `serve`, as the operator's manifests pass them.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Serve {
    /// Hugging Face id of the model
    #[arg(long)]
    pub(crate) model: String,
    /// Name that clients call it by; absent: the id without its organisation
    #[arg(long)]
    pub(crate) served_model_name: Option<String>,
    /// Port; 0 takes a free one
    #[arg(long, default_value_t = 5000)]
    pub(crate) port: u16,
    /// Address to listen on
    #[arg(long, default_value_t = IpAddr::V4(Ipv4Addr::UNSPECIFIED))]
    pub(crate) listen: IpAddr,
    /// What `POST /chat` takes
    #[arg(long, value_enum, default_value_t)]
    pub(crate) pipeline: Pipeline,
    /// Configuration of the engine, a file
    #[arg(long)]
    pub(crate) config: Option<PathBuf>,
    /// Folder with a folder for each adapter
    #[arg(long)]
    pub(crate) adapters_dir: Option<PathBuf>,
    /// Folder for the model's weights
    #[arg(long)]
    pub(crate) weights_dir: Option<PathBuf>,
    /// GPUs of a node that share the model
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(crate) tensor_parallel: u32,
    /// Nodes that share the model
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(crate) pipeline_parallel: u32,
    /// DNS name under which those nodes find each other
    #[arg(long)]
    pub(crate) peers_service: Option<String>,
    /// Ends when standard input does: whoever started it is gone then
    #[arg(long, hide = true)]
    pub(crate) until_stdin_closes: bool,
}
