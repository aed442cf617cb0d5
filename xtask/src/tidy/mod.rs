//! `tidy`: the house rules that a compiler cannot check. Each check is a pure function from texts to complaints.

mod edges;
mod links;
mod scenarios;
mod sizes;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::shell::{root, say};

/// One broken rule: where, and what to do.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Complaint {
    place: String,
    text: String,
}

impl Complaint {
    fn new(place: impl Into<String>, text: impl Into<String>) -> Self {
        Self {
            place: place.into(),
            text: text.into(),
        }
    }
}

/// A tracked file: its path from the root, with `/`, and its text.
pub(crate) struct SourceFile {
    path: String,
    text: String,
}

/// Checks the tree that is checked out.
pub(crate) fn run() -> Result<()> {
    let root = root();
    let files = read_tree(&root)?;
    let paths: Vec<&str> = files.iter().map(|file| file.path.as_str()).collect();
    let metadata = cargo_metadata::MetadataCommand::new()
        .current_dir(&root)
        .exec()
        .context("cargo metadata")?;

    let mut complaints = edges::check(&edges::from_metadata(&metadata));
    for file in &files {
        if file.path.ends_with(".rs") {
            complaints.extend(sizes::check(file));
        }
        if file.path.ends_with(".md") {
            complaints.extend(links::check(file, &paths));
        }
    }
    complaints.extend(scenarios::check(&paths));
    for complaint in &complaints {
        say(format!("{}: {}", complaint.place, complaint.text));
    }
    match complaints.len() {
        0 => {
            say(format!("tidy: {} files, nothing to complain about", files.len()));
            Ok(())
        }
        count => bail!("tidy: {count} complaints"),
    }
}

/// Every file that git tracks or would track, so that a fresh, uncommitted file is checked too.
fn read_tree(root: &Path) -> Result<Vec<SourceFile>> {
    let mut git = std::process::Command::new("git");
    git.args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(root);
    let listed = git.output().context("cannot run git ls-files")?;
    let listed = String::from_utf8(listed.stdout).context("a path is not UTF-8")?;
    let paths = listed.lines().filter(|path| root.join(path).is_file());
    Ok(paths
        .map(|path| SourceFile {
            path: path.to_owned(),
            text: read_text(&root.join(path)),
        })
        .collect())
}

/// A binary file has no text to check.
fn read_text(path: &PathBuf) -> String {
    std::fs::read_to_string(path).unwrap_or_default()
}
