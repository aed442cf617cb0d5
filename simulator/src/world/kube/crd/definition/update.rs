//! What an update of a definition may not change, and the versions that stored objects may still be in.

use serde_json::Value;

use super::{text_at, versions};
use crate::world::kube::api_error::FieldError;

/// Group and plural never change; kind and scope not once objects can exist.
pub(super) fn check_immutable(crd: &Value, old: &Value, errors: &mut Vec<FieldError>) {
    let mut fixed = |path: &str| {
        let pointer = format!("/{}", path.replace('.', "/"));
        if text_at(crd, &pointer) != text_at(old, &pointer) {
            let shown = Value::from(text_at(crd, &pointer));
            errors.push(FieldError::invalid(path, &shown, "field is immutable"));
        }
    };
    if is_true(old, "Established") {
        fixed("spec.scope");
        fixed("spec.names.kind");
    }
    fixed("spec.group");
    fixed("spec.names.plural");
}

/// Whether a condition of the status is True.
pub(super) fn is_true(crd: &Value, kind: &str) -> bool {
    let list = crd
        .pointer("/status/conditions")
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    list.filter(|one| text_at(one, "/type") == kind)
        .any(|one| text_at(one, "/status") == "True")
}

/// `status.storedVersions` must cover the storage version and must not outlive `spec.versions`.
pub(super) fn check_stored_versions(crd: &Value, errors: &mut Vec<FieldError>) {
    let path = "status.storedVersions";
    let storage = |version: &&Value| version.get("storage") == Some(&Value::Bool(true));
    let stored = crd
        .pointer(&format!("/{}", path.replace('.', "/")))
        .and_then(Value::as_array);
    let empty = Vec::new();
    // Before the server has noted anything, the storage version is what it will note.
    let stored = match stored {
        Some(list) if !list.is_empty() => list,
        _ if versions(crd).iter().any(|version| storage(&version)) => return,
        _ => &empty,
    };
    let shown = if stored.is_empty() {
        Value::Null
    } else {
        Value::Array(stored.clone())
    };
    if stored.is_empty() {
        errors.push(FieldError::invalid(
            path,
            &shown,
            "must have at least one stored version",
        ));
        return;
    }
    for version in versions(crd).iter().filter(storage) {
        let name = text_at(version, "/name");
        if !stored.iter().any(|one| one == name) {
            errors.push(FieldError::invalid(
                path,
                &shown,
                format!("must have the storage version {name}"),
            ));
        }
    }
    for (at, one) in stored.iter().enumerate() {
        if !versions(crd).iter().any(|version| version.get("name") == Some(one)) {
            let name = one.as_str().unwrap_or_default();
            let detail = format!(
                "missing from spec.versions; {name} was previously a storage version, and must remain in spec.versions until a storage migration ensures no data remains persisted in {name} and removes {name} from status.storedVersions"
            );
            errors.push(FieldError::invalid(format!("{path}[{at}]"), one, detail));
        }
    }
}
