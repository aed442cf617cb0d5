//! Defaults of volumes, claims and storage classes.

use serde_json::{Value, json};

use super::super::json::{Object, ensure, fill, fill_absent};
use super::{round_amounts, volumes};

pub(super) fn claim(root: &mut Object) {
    if let Some(spec) = ensure(root, "spec") {
        claim_spec(spec);
    }
    if let Some(status) = ensure(root, "status") {
        fill(status, "phase", "Pending");
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
