//! Defaults of volumes, claims and storage classes.

use serde_json::{Value, json};

use super::super::json::{Object, ensure, fill, fill_absent};
use super::{round_amounts, volumes};

pub(super) fn claim(root: &mut Object) {
    if let Some(spec) = ensure(root, "spec") {
        claim_spec(spec);
        drop_foreign_source(spec);
        // The two names of the source follow each other (the server's normalisation of data sources).
        if let Some(source) = spec.get("dataSource").cloned() {
            fill_absent(spec, "dataSourceRef", source);
        } else if let Some(source) = spec
            .get("dataSourceRef")
            .filter(|source| source.get("namespace").is_none())
        {
            let source = source.clone();
            spec.insert("dataSource".to_owned(), source);
        }
        for name in ["dataSource", "dataSourceRef"] {
            if let Some(source) = spec.get_mut(name).and_then(Value::as_object_mut) {
                fill_absent(source, "apiGroup", Value::Null);
            }
        }
    }
    if let Some(status) = ensure(root, "status") {
        fill(status, "phase", "Pending");
    }
}

/// The older field takes claims and snapshots only; anything else there is ignored, as it always was.
fn drop_foreign_source(spec: &mut Object) {
    if spec.contains_key("dataSourceRef") {
        return;
    }
    let known = spec.get("dataSource").is_none_or(|source| {
        let text = |key: &str| source.get(key).and_then(Value::as_str).unwrap_or_default();
        matches!(
            (text("apiGroup"), text("kind")),
            ("", "PersistentVolumeClaim") | ("snapshot.storage.k8s.io", "VolumeSnapshot")
        )
    });
    if !known {
        spec.remove("dataSource");
    }
}

pub(super) fn claim_spec(spec: &mut Object) {
    fill_absent(spec, "volumeMode", "Filesystem");
    if let Some(resources) = ensure(spec, "resources") {
        round_amounts(resources, &["limits", "requests"]);
    }
}

pub(super) fn volume(root: &mut Object) {
    if let Some(spec) = ensure(root, "spec") {
        fill(spec, "persistentVolumeReclaimPolicy", "Retain");
        fill_absent(spec, "volumeMode", "Filesystem");
        volumes::source(spec);
    }
    if let Some(status) = ensure(root, "status") {
        fill(status, "phase", "Pending");
    }
}

pub(super) fn class(root: &mut Object) {
    fill_absent(root, "reclaimPolicy", "Delete");
    fill_absent(root, "volumeBindingMode", "Immediate");
}

pub(super) fn csi_driver(root: &mut Object) {
    let Some(spec) = ensure(root, "spec") else { return };
    fill_absent(spec, "attachRequired", true);
    fill_absent(spec, "fsGroupPolicy", "ReadWriteOnceWithFSType");
    fill_absent(spec, "volumeLifecycleModes", json!(["Persistent"]));
    for name in ["podInfoOnMount", "storageCapacity", "requiresRepublish", "seLinuxMount"] {
        fill_absent(spec, name, false);
    }
}

pub(super) fn csi_node(root: &mut Object) {
    if let Some(spec) = ensure(root, "spec") {
        fill_absent(spec, "drivers", Value::Null);
    }
}
