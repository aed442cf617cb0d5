//! `drydock-operator`: reads the command line and hands over.

use anyhow::bail;
use clap::Parser;
use operator::{
    args::{Cli, CrdsArgs, GenerateArgs, Verb},
    generate,
};
use operator_api::crd::Definition;
use std::{
    io::{ErrorKind, Write},
    path::Path,
    process::ExitCode,
};

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // The chain of causes is printed here and nowhere else. A closed stderr leaves nothing to be done.
            let _ = writeln!(std::io::stderr(), "error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(cli: Cli) -> anyhow::Result<()> {
    match cli.verb {
        Verb::Crds(CrdsArgs { out }) => crds(out.as_deref()),
        Verb::Generate(GenerateArgs { out, check: false }) => generate::write(&out),
        Verb::Generate(GenerateArgs { out, check: true }) => match generate::stale(&out)?.as_slice() {
            [] => Ok(()),
            stale => bail!(
                "not up to date (run `drydock-operator generate --out .`): {}",
                stale.join(", ")
            ),
        },
    }
}

fn crds(out: Option<&Path>) -> anyhow::Result<()> {
    let mut printed = String::new();
    for definition in Definition::ALL {
        let yaml = generate::definition_yaml(definition)?;
        match out {
            Some(folder) => generate::write_file(&folder.join(format!("{}.yaml", definition.name())), &yaml)?,
            None => printed.push_str(&format!("---\n{yaml}")),
        }
    }
    match std::io::stdout().write_all(printed.as_bytes()) {
        // The reader (`| head`) has seen enough.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        result => Ok(result?),
    }
}
