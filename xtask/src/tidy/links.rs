//! Links in Markdown point at files that exist.

use std::path::{Component, Path, PathBuf};

use super::{Complaint, SourceFile};

/// Every relative link of a Markdown file whose target is not a tracked file or folder.
pub(crate) fn check(file: &SourceFile, paths: &[&str]) -> Vec<Complaint> {
    let folder = Path::new(&file.path).parent().unwrap_or(Path::new(""));
    let dead = targets(&file.text)
        .into_iter()
        .filter(|(_, target)| !exists(folder, target, paths));
    dead.map(|(line, target)| Complaint::new(format!("{}:{line}", file.path), format!("dead link: {target}")))
        .collect()
}

/// `](target)` outside code blocks, with its line number; web links and anchors inside the page are left out.
fn targets(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut in_code = false;
    for (index, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        if in_code {
            continue;
        }
        for part in line.split("](").skip(1) {
            let target = part.split(')').next().unwrap_or_default();
            let target = target.split('#').next().unwrap_or_default();
            if !target.is_empty() && !target.contains("://") && !target.starts_with("mailto:") {
                found.push((index + 1, target.to_owned()));
            }
        }
    }
    found
}

fn exists(folder: &Path, target: &str, paths: &[&str]) -> bool {
    let mut clean = PathBuf::new();
    for part in folder.join(target).components() {
        match part {
            Component::ParentDir if !clean.pop() => return false,
            Component::Normal(name) => clean.push(name),
            _ => {}
        }
    }
    let clean = clean.to_string_lossy();
    paths
        .iter()
        .any(|path| *path == clean || path.strip_prefix(&*clean).is_some_and(|rest| rest.starts_with('/')))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dead_links_are_named_and_live_ones_are_not() {
        let text =
            "[a](style.md#x) [b](../gone.md) [c](https://example.org) [d](#here)\n```\n[e](nope.md)\n```\n[f](../api/)";
        let file = SourceFile {
            path: "operator/docs/a.md".into(),
            text: text.into(),
        };
        let complaints = check(&file, &["operator/docs/style.md", "operator/api/src/lib.rs"]);
        assert_eq!(
            complaints,
            [Complaint::new("operator/docs/a.md:1", "dead link: ../gone.md")]
        );
    }
}
