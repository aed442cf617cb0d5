//! `codegen [--check]`: asks each binary that owns generated files to write them, or to say which are stale.

use anyhow::{Result, bail};

use crate::shell::{cargo, root, say};

/// What to do.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Write nothing; fail when a committed file differs from what would be written
    #[arg(long)]
    pub(crate) check: bool,
}

/// Package and binary of everything that generates files. Each takes `generate --out ROOT [--check]`.
const GENERATORS: &[(&str, &str)] = &[("operator", "drydock-operator")];

/// Runs all generators.
pub(crate) fn run(args: &Args) -> Result<()> {
    let root = root();
    let root = root.to_string_lossy();
    for (package, binary) in GENERATORS {
        let mut words = vec![
            "run",
            "--quiet",
            "--locked",
            "--package",
            package,
            "--bin",
            binary,
            "--",
        ];
        words.extend(["generate", "--out", &root]);
        if args.check {
            words.push("--check");
        }
        let mut command = cargo(&words);
        say(format!("codegen: {binary}{}", if args.check { " --check" } else { "" }));
        if !command.status()?.success() {
            bail!("{binary}: generated files are stale or cannot be written; `cargo xtask codegen` writes them");
        }
    }
    Ok(())
}
