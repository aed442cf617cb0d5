//! `bless`: what the tests print now becomes what they should print. Read the diff before you commit it.

use anyhow::Result;

use crate::shell::{cargo, run as run_command, say};

/// Rewrites snapshots, traces and the expected outputs of the kubectl script.
pub(crate) fn run() -> Result<()> {
    run_command(
        cargo(&[
            "test",
            "--package",
            "operator-plan",
            "--package",
            "simulator",
            "--package",
            "scenarios",
        ])
        .env("DRYDOCK_BLESS", "1")
        .env("INSTA_UPDATE", "always"),
    )?;
    say("blessed; `git diff` shows what changed");
    Ok(())
}
