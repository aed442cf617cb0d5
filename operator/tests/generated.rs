//! The committed files are those that the code makes, and the check notices when they are not.

use operator::generate::{self, Generated};
use operator_api::crd::Definition;
use std::{fs, path::PathBuf, process::Command};

fn repository() -> PathBuf {
    PathBuf::from("..")
}

#[test]
fn committed_files_are_up_to_date() {
    assert_eq!(
        generate::stale(&repository()).unwrap(),
        Vec::<&str>::new(),
        "run `cargo xtask codegen`"
    );
}

/// Helm reads chart templates; a definition must come through it unchanged.
#[test]
fn definitions_hold_nothing_that_helm_would_read() {
    for definition in Definition::ALL {
        let yaml = generate::definition_yaml(definition).unwrap();
        assert!(!yaml.contains("{{"), "{}", definition.name());
    }
}

#[test]
fn a_changed_or_missing_file_is_noticed() {
    let root = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("generated");
    generate::write(&root).unwrap();
    let program = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_drydock-operator"));
        command.args(["generate", "--check", "--out"]).arg(&root);
        command.output().unwrap()
    };
    assert!(program().status.success());
    let Generated { path, .. } = &generate::files().unwrap()[0];
    fs::write(root.join(path), "changed").unwrap();
    let refused = program();
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&refused.stderr).contains(path));
    fs::remove_file(root.join(path)).unwrap();
    assert_eq!(program().status.code(), Some(1));
}

#[test]
fn a_folder_that_cannot_be_written_is_one_clear_message() {
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("a-file");
    fs::write(&file, "").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_drydock-operator"))
        .args(["crds", "--out"])
        .arg(&file)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.contains("can't"), "{text}");
}
