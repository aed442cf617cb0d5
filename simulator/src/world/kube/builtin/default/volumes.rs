//! Defaults of volume sources, in pods and in PersistentVolumes.

use serde_json::{Value, json};

use super::super::json::{Object, child, each, ensure, fill, fill_absent};
use super::pod::pull_policy;
use super::storage;

/// 0644, the mode of projected files.
const FILE_MODE: i64 = 0o644;

/// One volume of a pod: without a source it is an `emptyDir`.
pub(super) fn pod_volume(volume: &mut Object) {
    let has_source = volume.iter().any(|(key, value)| key != "name" && !value.is_null());
    if !has_source {
        volume.insert("emptyDir".to_owned(), json!({}));
    }
    source(volume);
    if let Some(template) = child(volume, "ephemeral").and_then(|source| child(source, "volumeClaimTemplate")) {
        fill_absent(template, "metadata", json!({}));
        if let Some(spec) = ensure(template, "spec") {
            storage::claim_spec(spec);
        }
    }
    if let Some(image) = child(volume, "image") {
        let policy = pull_policy(image.get("reference").and_then(Value::as_str).unwrap_or_default());
        fill(image, "pullPolicy", policy);
    }
    if let Some(projected) = child(volume, "projected") {
        fill_absent(projected, "defaultMode", FILE_MODE);
        for source in each(projected, "sources") {
            projection(source);
        }
    }
}

fn projection(source: &mut Object) {
    if let Some(token) = child(source, "serviceAccountToken") {
        fill_absent(token, "expirationSeconds", 3600);
    }
    if let Some(downward) = child(source, "downwardAPI") {
        downward_items(downward);
    }
}

fn downward_items(downward: &mut Object) {
    for item in each(downward, "items") {
        field_references(item);
    }
}

/// `fieldRef` and `resourceFieldRef` of environment variables and downward API files.
pub(super) fn field_references(holder: &mut Object) {
    if let Some(field) = child(holder, "fieldRef") {
        fill(field, "apiVersion", "v1");
    }
    if let Some(resource) = child(holder, "resourceFieldRef") {
        fill(resource, "divisor", "0");
    }
}

/// The sources that pods and PersistentVolumes share.
pub(super) fn source(holder: &mut Object) {
    for name in ["secret", "configMap", "downwardAPI"] {
        if let Some(source) = child(holder, name) {
            fill_absent(source, "defaultMode", FILE_MODE);
            downward_items(source);
        }
    }
    if let Some(path) = child(holder, "hostPath") {
        fill_absent(path, "type", "");
    }
    if let Some(disk) = child(holder, "azureDisk") {
        fill_absent(disk, "cachingMode", "ReadWrite");
        fill_absent(disk, "fsType", "ext4");
        fill_absent(disk, "readOnly", false);
        fill_absent(disk, "kind", "Shared");
    }
    if let Some(iscsi) = child(holder, "iscsi") {
        fill(iscsi, "iscsiInterface", "default");
    }
    if let Some(rbd) = child(holder, "rbd") {
        fill(rbd, "pool", "rbd");
        fill(rbd, "user", "admin");
        fill(rbd, "keyring", "/etc/ceph/keyring");
    }
    if let Some(scale) = child(holder, "scaleIO") {
        fill(scale, "storageMode", "ThinProvisioned");
        fill(scale, "fsType", "xfs");
    }
}
