//! Claims, volumes and storage classes.

use serde_json::Value;

use super::super::quantity::Quantity;
use super::super::{formats, json};
use super::problems::{Path, Problems};
use super::{scheduling, volumes};

const SPEC: Path<'static> = Path::new("spec");
const ACCESS_MODES: [&str; 4] = ["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"];
const VOLUME_MODES: [&str; 2] = ["Block", "Filesystem"];

/// A claim's spec, in a claim or in a template.
pub(super) fn claim_spec(problems: &mut Problems, path: &Path<'_>, spec: &Value) {
    let modes = json::list(spec, "accessModes");
    let modes_path = path.child("accessModes");
    if modes.is_empty() {
        problems.required(&modes_path, "at least 1 access mode is required");
    }
    if json::has(spec, "selector") {
        scheduling::label_selector(problems, &path.child("selector"), json::get(spec, "selector"));
    }
    access_modes(problems, &modes_path, modes);
    let storage = json::at(spec, &["resources", "requests", "storage"]);
    let at = path.child("resources");
    let at = at.key("storage");
    match Quantity::from_value(storage) {
        None => problems.required(&at, ""),
        Some(amount) if amount.nanos() <= 0 => {
            let shown = storage.as_str().map_or_else(|| amount.to_string(), ToOwned::to_owned);
            problems.invalid_text(&at, &shown, "must be greater than zero");
        }
        Some(_) => {}
    }
    let class = json::text(spec, "storageClassName");
    if !class.is_empty() {
        problems.format(&path.child("storageClassName"), class, formats::dns1123_subdomain);
    }
    problems.one_of(path, spec, "volumeMode", &VOLUME_MODES, false);
    for key in ["dataSource", "dataSourceRef"] {
        data_source(problems, &path.child(key), json::get(spec, key));
    }
}

fn data_source(problems: &mut Problems, path: &Path<'_>, source: &Value) {
    if source.is_null() {
        return;
    }
    volumes::require(problems, path, source, &["name", "kind"]);
    let (group, kind) = (json::text(source, "apiGroup"), json::text(source, "kind"));
    if group.is_empty() && kind != "PersistentVolumeClaim" {
        let detail = "must be 'PersistentVolumeClaim' when referencing the default apiGroup";
        problems.invalid_text(path, kind, detail);
    } else if !group.is_empty() {
        problems.format(&path.child("apiGroup"), group, formats::dns1123_subdomain);
    }
}

fn access_modes(problems: &mut Problems, path: &Path<'_>, modes: &[Value]) {
    let known = |mode: &Value| mode.as_str().is_some_and(|mode| ACCESS_MODES.contains(&mode));
    for mode in modes.iter().filter(|mode| !known(mode)) {
        problems.unsupported(path, mode, &ACCESS_MODES);
    }
    let alone = modes.iter().any(|mode| mode == "ReadWriteOncePod");
    if alone && modes.iter().any(|mode| known(mode) && mode != "ReadWriteOncePod") {
        problems.forbidden(path, "may not use ReadWriteOncePod with other access modes");
    }
}

pub(super) fn claim_update(problems: &mut Problems, new: &Value, old: &Value) {
    let bound = json::at(old, &["status", "phase"]) == "Bound";
    let (after, before) = (json::get(new, "spec"), json::get(old, "spec"));
    let mut fixed = after.clone();
    if let Some(fields) = fixed.as_object_mut() {
        let mut keep = |key: &str| match before.get(key) {
            Some(value) => drop(fields.insert(key.to_owned(), value.clone())),
            None => drop(fields.remove(key)),
        };
        // Binding names the volume once; a default class may still be filled in.
        if json::text(before, "volumeName").is_empty() {
            keep("volumeName");
        }
        if !json::has(before, "storageClassName") {
            keep("storageClassName");
        }
        if bound {
            keep("volumeAttributesClassName");
        }
    }
    let size = |spec: &Value| json::at(spec, &["resources", "requests", "storage"]).clone();
    if bound && let Some(place) = fixed.pointer_mut("/resources/requests/storage") {
        *place = size(before);
    }
    if !json::same(&fixed, before) {
        let detail =
            "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims";
        problems.forbidden(&SPEC, &format!("{detail}\n{}", difference(before, &fixed)));
    }
    let amount = |value: &Value| Quantity::from_value(value).unwrap_or(Quantity::ZERO);
    let granted = json::at(old, &["status", "capacity", "storage"]);
    if amount(&size(after)) < amount(&size(before)) && amount(&size(after)) <= amount(granted) {
        let detail = "field can not be less than status.capacity";
        problems.forbidden(&SPEC.child("resources.requests.storage"), detail);
    }
    problems.immutable(
        &Path::new("volumeMode"),
        json::get(after, "volumeMode"),
        json::get(before, "volumeMode"),
    );
}

/// The fields that differ. The real server prints Go's internal types here, which no client reads by machine.
fn difference(old: &Value, new: &Value) -> String {
    let mut lines = String::from("  core.PersistentVolumeClaimSpec{\n");
    for (key, before) in old.as_object().into_iter().flatten() {
        let after = json::get(new, key);
        if !json::same(before, after) {
            lines.push_str(&format!("- \t{key}: {before},\n+ \t{key}: {after},\n"));
        }
    }
    for (key, after) in new
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(key, _)| !json::has(old, key))
    {
        lines.push_str(&format!("+ \t{key}: {after},\n"));
    }
    lines.push_str("  }\n");
    lines
}

/// Volume sources of a PersistentVolume in the order in which the server looks at them.
const SOURCES: [&str; 12] = [
    "hostPath",
    "gcePersistentDisk",
    "awsElasticBlockStore",
    "glusterfs",
    "nfs",
    "rbd",
    "cephfs",
    "iscsi",
    "azureFile",
    "azureDisk",
    "local",
    "csi",
];

pub(super) fn volume(problems: &mut Problems, object: &Value) {
    let spec = json::get(object, "spec");
    let modes = json::list(spec, "accessModes");
    if modes.is_empty() {
        problems.required(&SPEC.child("accessModes"), "");
    }
    access_modes(problems, &SPEC.child("accessModes"), modes);
    capacity(problems, json::get(spec, "capacity"));
    let policies = ["Delete", "Recycle", "Retain"];
    problems.one_of(&SPEC, spec, "persistentVolumeReclaimPolicy", &policies, false);
    let affinity = json::get(spec, "nodeAffinity");
    if !affinity.is_null() {
        let path = SPEC.child("nodeAffinity.required");
        if json::has(affinity, "required") {
            scheduling::node_selector(problems, &path, json::get(affinity, "required"));
        } else {
            problems.required(&path, "must specify required node constraints");
        }
    }
    sources(problems, spec);
    let root = json::at(spec, &["hostPath", "path"]) == "/";
    if root && json::text(spec, "persistentVolumeReclaimPolicy") == "Recycle" {
        let detail = "may not be 'recycle' for a hostPath mount of '/'";
        problems.forbidden(&SPEC.child("persistentVolumeReclaimPolicy"), detail);
    }
    let class = json::text(spec, "storageClassName");
    if !class.is_empty() {
        problems.format(&SPEC.child("storageClassName"), class, formats::dns1123_subdomain);
    }
    problems.one_of(&SPEC, spec, "volumeMode", &VOLUME_MODES, false);
}

fn capacity(problems: &mut Problems, capacity: &Value) {
    let path = SPEC.child("capacity");
    let names: Vec<&String> = capacity
        .as_object()
        .into_iter()
        .flatten()
        .map(|(name, _)| name)
        .collect();
    if names.is_empty() {
        problems.required(&path, "");
    }
    if names != ["storage"] {
        problems.unsupported(&path, capacity, &["storage"]);
    }
    for (name, value) in capacity.as_object().into_iter().flatten() {
        let at = path.key(name);
        let Some(amount) = Quantity::from_value(value) else {
            continue;
        };
        if amount.is_negative() {
            problems.invalid(&at, &amount.units().into(), "must be a valid resource quantity");
        }
        if amount.nanos() <= 0 {
            problems.invalid_text(&at, &amount.to_string(), "must be greater than zero");
        }
    }
}

fn sources(problems: &mut Problems, spec: &Value) {
    let mut found = false;
    for name in SOURCES {
        let given = json::get(spec, name);
        if given.is_null() {
            continue;
        }
        let path = SPEC.child(name);
        if std::mem::replace(&mut found, true) {
            problems.forbidden(&path, "may not specify more than 1 volume type");
            continue;
        }
        match name {
            "hostPath" => volumes::host_path(problems, &path, given),
            "nfs" => volumes::nfs(problems, &path, given),
            "csi" => {
                volumes::csi_driver(problems, &path.child("driver"), json::text(given, "driver"));
                volumes::require(problems, &path, given, &["volumeHandle"]);
            }
            "local" => {
                volumes::require(problems, &path, given, &["path"]);
                if !json::has(spec, "nodeAffinity") {
                    problems.required(&SPEC.child("nodeAffinity"), "Local volume requires node affinity");
                }
            }
            _ => {}
        }
    }
    if !found {
        problems.required(&SPEC, "must specify a volume type");
    }
}

pub(super) fn volume_update(problems: &mut Problems, new: &Value, old: &Value) {
    let (after, before) = (json::get(new, "spec"), json::get(old, "spec"));
    if SOURCES
        .iter()
        .any(|name| !json::same(json::get(after, name), json::get(before, name)))
    {
        let detail = "spec.persistentvolumesource is immutable after creation\n";
        problems.forbidden(&SPEC.child("persistentvolumesource"), detail);
    }
    problems.immutable(
        &Path::new("volumeMode"),
        json::get(after, "volumeMode"),
        json::get(before, "volumeMode"),
    );
}

pub(super) fn class(problems: &mut Problems, object: &Value) {
    let path = Path::new("provisioner");
    let name = json::text(object, "provisioner");
    if name.is_empty() {
        problems.required(&path, "");
    } else {
        problems.format(&path, &name.to_lowercase(), formats::qualified_name);
    }
    if json::entries(object, "parameters").any(|(key, _)| key.is_empty()) {
        problems.invalid_text(&Path::new("parameters"), "", "field can not be empty.");
    }
    problems.one_of(&Path::ROOT, object, "reclaimPolicy", &["Delete", "Retain"], false);
    let modes = ["Immediate", "WaitForFirstConsumer"];
    problems.one_of(&Path::ROOT, object, "volumeBindingMode", &modes, true);
    let list = Path::new("allowedTopologies");
    for (index, term) in json::list(object, "allowedTopologies").iter().enumerate() {
        let path = list.index(index);
        let terms = path.child("matchLabelExpressions");
        for (index, term) in json::list(term, "matchLabelExpressions").iter().enumerate() {
            let path = terms.index(index);
            if json::list(term, "values").is_empty() {
                problems.required(&path.child("values"), "");
            }
            problems.format(&path.child("key"), json::text(term, "key"), formats::qualified_name);
        }
    }
}

pub(super) fn class_update(problems: &mut Problems, new: &Value, old: &Value) {
    for key in ["parameters", "provisioner", "reclaimPolicy", "volumeBindingMode"] {
        problems.immutable(&Path::new(key), json::get(new, key), json::get(old, key));
    }
}

pub(super) fn attachment(problems: &mut Problems, object: &Value) {
    let spec = json::get(object, "spec");
    volumes::csi_driver(problems, &SPEC.child("attacher"), json::text(spec, "attacher"));
    let source = json::get(spec, "source");
    if json::has(source, "inlineVolumeSpec") == json::has(source, "persistentVolumeName") {
        let detail = "must specify exactly one of inlineVolumeSpec and persistentVolumeName";
        problems.required(&SPEC.child("source"), detail);
    }
    problems.format(
        &SPEC.child("nodeName"),
        json::text(spec, "nodeName"),
        formats::dns1123_subdomain,
    );
}

pub(super) fn csi_node(problems: &mut Problems, object: &Value) {
    let list = SPEC.child("drivers");
    for (index, driver) in json::list(json::get(object, "spec"), "drivers").iter().enumerate() {
        let path = list.index(index);
        volumes::csi_driver(problems, &path.child("name"), json::text(driver, "name"));
        volumes::require(problems, &path, driver, &["nodeID"]);
    }
}

pub(super) fn csi_driver(problems: &mut Problems, object: &Value) {
    let policies = ["File", "None", "ReadWriteOnceWithFSType"];
    problems.one_of(&SPEC, json::get(object, "spec"), "fsGroupPolicy", &policies, true);
}
