//! The files of the repository that are made from the code, and the check that they are up to date.

use crate::{
    admission::{WebhookService, configurations},
    yaml::to_yaml,
};
use anyhow::Context;
use operator_api::{crd::Definition, docs};
use std::{fs, path::Path};

/// One generated file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Generated {
    /// Path below the root of the repository.
    pub path: &'static str,
    /// What the file holds.
    pub content: String,
}

const NOTE: &str = "Made from the code by `drydock-operator generate`; do not edit.";

/// Every generated file of the operator.
pub fn files() -> anyhow::Result<Vec<Generated>> {
    let mut files = Vec::new();
    for definition in Definition::ALL {
        files.push(Generated {
            path: definition.chart_path(),
            content: definition_yaml(definition)?,
        });
    }
    files.push(Generated {
        path: "operator/chart/templates/webhooks.yaml",
        content: webhooks_yaml()?,
    });
    files.push(Generated {
        path: "operator/docs/errors.md",
        content: docs::errors(NOTE),
    });
    Ok(files)
}

/// One CustomResourceDefinition as YAML.
pub fn definition_yaml(definition: Definition) -> anyhow::Result<String> {
    let yaml = to_yaml(&definition.object()).with_context(|| format!("print {}", definition.name()))?;
    Ok(format!("# {NOTE}\n{yaml}"))
}

/// The webhook configurations as a chart template. The certificate authority is filled in while the operator runs.
fn webhooks_yaml() -> anyhow::Result<String> {
    let service = WebhookService {
        name: "{{ .Release.Name }}-webhook",
        namespace: "{{ .Release.Namespace }}",
        port: WEBHOOK_PORT,
        ca_bundle: None,
    };
    let mut out = format!("# {NOTE}\n");
    for configuration in configurations(&service) {
        out.push_str("---\n");
        out.push_str(&to_yaml(&configuration).context("print the webhook configurations")?);
    }
    Ok(out)
}

/// Port of the webhook's Service.
const WEBHOOK_PORT: u16 = 9443;

/// Writes every file below `root`.
pub fn write(root: &Path) -> anyhow::Result<()> {
    for Generated { path, content } in files()? {
        write_file(&root.join(path), &content)?;
    }
    Ok(())
}

/// Paths of the files below `root` that are missing or differ from what the code makes.
pub fn stale(root: &Path) -> anyhow::Result<Vec<&'static str>> {
    let files = files()?;
    let differs =
        |file: &Generated| fs::read_to_string(root.join(file.path)).map_or(true, |found| found != file.content);
    Ok(files.into_iter().filter(differs).map(|file| file.path).collect())
}

/// Writes one file, and the folder that it lies in.
pub fn write_file(path: &Path, content: &str) -> anyhow::Result<()> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("can't create the folder {}", folder.display()))?;
    }
    fs::write(path, content).with_context(|| format!("can't write {}", path.display()))
}
