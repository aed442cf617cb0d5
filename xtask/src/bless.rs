//! `bless`: what the tests print now becomes what they should print. Read the diff before you commit it.

use anyhow::Result;

use crate::shell::{cargo, run as run_command, say};
use crate::{kube_bins, test};

/// Rewrites snapshots, traces, the expected outputs of the kubectl script, and the parity table where there is a real
/// kube-apiserver.
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
    if let Some(binaries) = kube_bins::at_hand() {
        test::real(&binaries, &[("DRYDOCK_BLESS", "1")])?;
    }
    say("blessed; `git diff` shows what changed");
    Ok(())
}
