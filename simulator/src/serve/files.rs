//! The two files that tell other programs where the simulator listens.

use std::fs;
use std::io::Write;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use base64::Engine;
use serde_json::{Value, json};

/// Written once the world answers; removed when it ends.
#[derive(Debug)]
pub struct Files {
    folder: PathBuf,
}

impl Files {
    /// Makes the folder and checks that it can be written, before anything else is started.
    ///
    /// # Errors
    /// When the folder cannot be made or written.
    pub fn prepare(folder: &Path) -> Result<Self> {
        let advice = "choose another folder with --dir";
        fs::create_dir_all(folder).with_context(|| format!("cannot make the folder {}; {advice}", folder.display()))?;
        let files = Self {
            folder: folder.to_path_buf(),
        };
        files
            .write("kubeconfig", "")
            .with_context(|| format!("cannot write to {}; {advice}", folder.display()))?;
        files.remove();
        Ok(files)
    }

    /// Path of the kubeconfig.
    #[must_use]
    pub fn kubeconfig(&self) -> PathBuf {
        self.folder.join("kubeconfig")
    }

    /// Writes both files, the kubeconfig for its owner's eyes only. `endpoints.json` comes last: it says "ready".
    ///
    /// # Errors
    /// When a file cannot be written.
    pub fn announce(&self, server: &str, arm: Option<&str>, ca_pem: Option<&str>, token: &str) -> Result<()> {
        self.write("kubeconfig", &kubeconfig(server, ca_pem, token)?)?;
        let mut endpoints = json!({ "kubernetes": server });
        if let Some(arm) = arm {
            endpoints["arm"] = json!(arm);
        }
        self.write("endpoints.json", &format!("{endpoints:#}\n"))
    }

    /// Removes both files; what is already gone is no error.
    pub fn remove(&self) {
        for name in ["endpoints.json", "kubeconfig"] {
            let _ = fs::remove_file(self.folder.join(name));
        }
    }

    /// Through a temporary file and a rename, so that a reader never sees half a file.
    fn write(&self, name: &str, text: &str) -> Result<()> {
        let (path, draft) = (self.folder.join(name), self.folder.join(format!(".{name}.tmp")));
        let describe = || format!("cannot write {}", path.display());
        let mut options = fs::OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let mut file = options.open(&draft).with_context(describe)?;
        file.set_permissions(fs::Permissions::from_mode(0o600))
            .with_context(describe)?;
        file.write_all(text.as_bytes()).with_context(describe)?;
        fs::rename(&draft, &path).with_context(describe)
    }
}

/// A kubeconfig with one cluster, user and context, all named `drydock`. YAML is a superset of JSON.
fn kubeconfig(server: &str, ca_pem: Option<&str>, token: &str) -> Result<String> {
    let mut cluster = json!({ "server": server });
    if let Some(pem) = ca_pem {
        let encoded = base64::engine::general_purpose::STANDARD.encode(pem);
        cluster["certificate-authority-data"] = Value::String(encoded);
    }
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{ "name": "drydock", "cluster": cluster }],
        "users": [{ "name": "drydock", "user": { "token": token } }],
        "contexts": [{ "name": "drydock", "context": { "cluster": "drydock", "user": "drydock" } }],
        "current-context": "drydock",
    });
    serde_saphyr::to_string(&config).context("cannot write the kubeconfig as YAML")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kubeconfig_is_private_and_both_files_go() {
        let folder = std::env::temp_dir().join(format!("drydock-files-{}", std::process::id()));
        let files = Files::prepare(&folder).unwrap();
        files
            .announce("https://127.0.0.1:1", Some("http://127.0.0.1:2"), Some("PEM"), "secret")
            .unwrap();
        let mode = fs::metadata(files.kubeconfig()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let endpoints: Value = serde_json::from_slice(&fs::read(folder.join("endpoints.json")).unwrap()).unwrap();
        let expected = json!({ "kubernetes": "https://127.0.0.1:1", "arm": "http://127.0.0.1:2" });
        assert_eq!(endpoints, expected);
        files.remove();
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
        fs::remove_dir(&folder).unwrap();
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_named() {
        let error = Files::prepare(Path::new("/proc/drydock")).unwrap_err();
        assert!(
            format!("{error:#}").starts_with("cannot make the folder /proc/drydock; choose another folder with --dir")
        );
    }
}
