//! The command line of `drydock-operator`.

use clap::{Args, Parser, Subcommand};
use std::path::PathBuf;

/// Runs and tunes language models on AKS GPU nodes.
#[derive(Clone, Debug, Parser)]
#[command(name = "drydock-operator", version, about)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub verb: Verb,
}

/// What the program can do.
#[derive(Clone, Debug, Subcommand)]
pub enum Verb {
    /// Print the CustomResourceDefinitions, ready for kubectl apply.
    Crds(CrdsArgs),
    /// Write every file of the repository that is made from the code: CRDs, webhook configuration, list of errors.
    Generate(GenerateArgs),
}

/// Arguments of `crds`.
#[derive(Clone, Debug, Args)]
pub struct CrdsArgs {
    /// Folder to write one file a definition to, instead of printing them.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
}

/// Arguments of `generate`.
#[derive(Clone, Debug, Args)]
pub struct GenerateArgs {
    /// Root of the repository (or of a copy) to write below.
    #[arg(long, value_name = "DIR")]
    pub out: PathBuf,
    /// Write nothing; exit with 1 and name the files that differ.
    #[arg(long)]
    pub check: bool,
}
