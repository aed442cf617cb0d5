//! Which adapters a folder holds.

use std::path::Path;

use anyhow::{Context, Result};

/// File that makes a folder an adapter (PEFT's).
const CONFIG: &str = "adapter_config.json";

/// Names of the folders in `folder` that hold an adapter, in order.
pub(crate) fn names(folder: &Path) -> Result<Vec<String>> {
    let entries = std::fs::read_dir(folder).with_context(|| format!("--adapters-dir {}", folder.display()))?;
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.with_context(|| format!("--adapters-dir {}", folder.display()))?;
        match entry.file_name().into_string() {
            Ok(name) if entry.path().join(CONFIG).is_file() => names.push(name),
            _ => tracing::warn!(path = %entry.path().display(), "no adapter: it has no {CONFIG}"),
        }
    }
    names.sort();
    Ok(names)
}
