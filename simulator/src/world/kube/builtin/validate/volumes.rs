//! Volumes of pods and where containers mount them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::super::quantity::Quantity;
use super::super::{formats, json};
use super::containers::Scope;
use super::environment;
use super::problems::{Path, Problems};

const FILE_MODE: &str = "must be a number between 0 and 0777 (octal), both inclusive";
const ONE_TYPE: &str = "may not specify more than 1 volume type";
const HOST_PATH_TYPES: [&str; 8] = [
    "",
    "BlockDevice",
    "CharDevice",
    "Directory",
    "DirectoryOrCreate",
    "File",
    "FileOrCreate",
    "Socket",
];
/// Volume sources in the order in which the server looks at them.
const SOURCES: [&str; 15] = [
    "emptyDir",
    "hostPath",
    "gitRepo",
    "secret",
    "nfs",
    "iscsi",
    "persistentVolumeClaim",
    "downwardAPI",
    "configMap",
    "azureFile",
    "azureDisk",
    "projected",
    "csi",
    "ephemeral",
    "image",
];

/// All volumes of a pod; those in order come back by name.
pub(super) fn volumes<'a>(
    problems: &mut Problems,
    list: &Path<'_>,
    spec: &'a Value,
    pod_name: Option<&str>,
) -> BTreeMap<&'a str, &'a Value> {
    let volumes = json::list(spec, "volumes");
    let mut good = BTreeMap::new();
    for (index, volume) in volumes.iter().enumerate() {
        let path = list.index(index);
        let before = problems.len();
        source(problems, &path, volume);
        let name = json::text(volume, "name");
        if name.is_empty() {
            problems.required(&path.child("name"), "");
        } else {
            problems.format(&path.child("name"), name, formats::dns1123_label);
        }
        if good.contains_key(name) {
            problems.duplicate(&path.child("name"), &name.into());
        }
        if problems.len() == before {
            good.insert(name, volume);
        }
        own_claim(problems, &path, volume, volumes, pod_name);
    }
    good
}

/// A claim that the pod itself will create cannot be mounted by name.
fn own_claim(problems: &mut Problems, path: &Path<'_>, volume: &Value, all: &[Value], pod_name: Option<&str>) {
    let claim = json::text(json::get(volume, "persistentVolumeClaim"), "claimName");
    let Some(pod) = pod_name.filter(|name| !name.is_empty() && !claim.is_empty()) else {
        return;
    };
    let creates =
        |other: &Value| json::has(other, "ephemeral") && format!("{pod}-{}", json::text(other, "name")) == claim;
    if all.iter().any(creates) {
        let detail = "must not reference a PVC that gets created for an ephemeral volume";
        problems.invalid_text(&path.child("persistentVolumeClaim.claimName"), claim, detail);
    }
}

fn source(problems: &mut Problems, path: &Path<'_>, volume: &Value) {
    let mut found = false;
    for name in SOURCES {
        let given = json::get(volume, name);
        if given.is_null() {
            continue;
        }
        let path = path.child(name);
        if std::mem::replace(&mut found, true) {
            problems.forbidden(&path, ONE_TYPE);
        } else {
            one_source(problems, &path, name, given);
        }
    }
    let other = volume.as_object().is_some_and(|fields| fields.len() > 1);
    if !found && !other {
        problems.required(path, "must specify a volume type");
    }
}

fn one_source(problems: &mut Problems, path: &Path<'_>, name: &str, given: &Value) {
    match name {
        "emptyDir" => {
            let limit = Quantity::from_value(json::get(given, "sizeLimit"));
            if limit.is_some_and(Quantity::is_negative) {
                let detail = "SizeLimit field must be a valid resource quantity";
                problems.forbidden(&path.child("sizeLimit"), detail);
            }
        }
        "hostPath" => host_path(problems, path, given),
        "secret" => keyed(problems, path, given, "secretName"),
        "configMap" => keyed(problems, path, given, "name"),
        "nfs" => nfs(problems, path, given),
        "persistentVolumeClaim" => require(problems, path, given, &["claimName"]),
        "downwardAPI" => {
            mode(problems, path, given, "defaultMode");
            for item in json::list(given, "items") {
                downward_file(problems, path, item);
            }
        }
        "projected" => projected(problems, path, given),
        "csi" => csi_driver(problems, &path.child("driver"), json::text(given, "driver")),
        "ephemeral" => ephemeral(problems, path, given),
        "azureDisk" => require(problems, path, given, &["diskName", "diskURI"]),
        "azureFile" => require(problems, path, given, &["secretName", "shareName"]),
        "gitRepo" => require(problems, path, given, &["repository"]),
        "iscsi" => require(problems, path, given, &["targetPortal", "iqn"]),
        _ => {}
    }
}

/// Fields that must not be empty.
pub(super) fn require(problems: &mut Problems, path: &Path<'_>, given: &Value, keys: &[&str]) {
    for key in keys {
        if json::text(given, key).is_empty() {
            problems.required(&path.child(key), "");
        }
    }
}

/// A directory of the host.
pub(super) fn host_path(problems: &mut Problems, path: &Path<'_>, given: &Value) {
    let directory = json::text(given, "path");
    if directory.is_empty() {
        return problems.required(&path.child("path"), "");
    }
    no_backsteps(problems, &path.child("path"), directory);
    let kind = json::get(given, "type");
    if kind.as_str().is_some_and(|kind| !HOST_PATH_TYPES.contains(&kind)) {
        problems.unsupported(&path.child("type"), kind, &HOST_PATH_TYPES);
    }
}

/// An NFS export.
pub(super) fn nfs(problems: &mut Problems, path: &Path<'_>, given: &Value) {
    require(problems, path, given, &["server", "path"]);
    let export = json::text(given, "path");
    if !export.starts_with('/') {
        problems.invalid_text(&path.child("path"), export, "must be an absolute path");
    }
}

/// A CSI driver's name.
pub(super) fn csi_driver(problems: &mut Problems, path: &Path<'_>, name: &str) {
    if name.is_empty() {
        return problems.required(path, "");
    }
    if name.len() > formats::LABEL_MAX {
        problems.too_long(&path.to_string(), formats::LABEL_MAX);
    }
    for problem in formats::dns1123_subdomain(&name.to_lowercase()) {
        problems.invalid_text(path, name, &problem);
    }
}

fn ephemeral(problems: &mut Problems, path: &Path<'_>, given: &Value) {
    let template = json::get(given, "volumeClaimTemplate");
    let path = path.child("volumeClaimTemplate");
    if template.is_null() {
        problems.required(&path, "");
    } else {
        super::storage::claim_spec(problems, &path.child("spec"), json::get(template, "spec"));
    }
}

fn mode(problems: &mut Problems, path: &Path<'_>, given: &Value, key: &str) {
    if let Some(bits) = json::int(given, key).filter(|bits| !(0..=0o777).contains(bits)) {
        problems.invalid(&path.child(key), &bits.into(), FILE_MODE);
    }
}

/// A Secret or ConfigMap as a directory.
fn keyed(problems: &mut Problems, path: &Path<'_>, given: &Value, name: &str) {
    require(problems, path, given, &[name]);
    mode(problems, path, given, "defaultMode");
    let items = path.child("items");
    for (index, item) in json::list(given, "items").iter().enumerate() {
        key_to_path(problems, &items.index(index), item);
    }
}

fn key_to_path(problems: &mut Problems, path: &Path<'_>, item: &Value) {
    require(problems, path, item, &["key", "path"]);
    local_path(problems, &path.child("path"), json::text(item, "path"));
    mode(problems, path, item, "mode");
}

fn downward_file(problems: &mut Problems, path: &Path<'_>, file: &Value) {
    require(problems, path, file, &["path"]);
    local_path(problems, &path.child("path"), json::text(file, "path"));
    let (field, resource) = (json::get(file, "fieldRef"), json::get(file, "resourceFieldRef"));
    match (field.is_null(), resource.is_null()) {
        (false, other) => {
            environment::field(problems, &path.child("fieldRef"), field, &environment::FILE_FIELDS);
            if !other {
                let detail = "fieldRef and resourceFieldRef can not be specified simultaneously";
                problems.invalid_text(path, "resource", detail);
            }
        }
        (true, false) => environment::resource(problems, &path.child("resourceFieldRef"), resource, true),
        (true, true) => problems.required(path, "one of fieldRef and resourceFieldRef is required"),
    }
    mode(problems, path, file, "mode");
}

fn projected(problems: &mut Problems, path: &Path<'_>, given: &Value) {
    mode(problems, path, given, "defaultMode");
    let list = path.child("sources");
    let mut paths = BTreeSet::new();
    for (index, source) in json::list(given, "sources").iter().enumerate() {
        let at = list.index(index);
        let mut kinds = 0;
        for kind in [
            "secret",
            "configMap",
            "downwardAPI",
            "serviceAccountToken",
            "clusterTrustBundle",
        ] {
            let part = json::get(source, kind);
            if part.is_null() {
                continue;
            }
            kinds += 1;
            let at = at.child(kind);
            match kind {
                "secret" | "configMap" => {
                    require(problems, &at, part, &["name"]);
                    let items = at.child("items");
                    for (index, item) in json::list(part, "items").iter().enumerate() {
                        key_to_path(problems, &items.index(index), item);
                        conflict(
                            problems,
                            path,
                            &mut paths,
                            json::text(item, "path"),
                            json::text(part, "name"),
                        );
                    }
                }
                "downwardAPI" => {
                    for item in json::list(part, "items") {
                        downward_file(problems, &at, item);
                        let file = json::text(item, "path");
                        conflict(problems, path, &mut paths, file, file);
                    }
                }
                "serviceAccountToken" => token(problems, path, &at, part),
                _ => require(problems, &at, part, &["path"]),
            }
        }
        if kinds > 1 {
            problems.forbidden(&at, "may not specify more than 1 volume type per source");
        }
    }
}

fn conflict<'a>(problems: &mut Problems, path: &Path<'_>, seen: &mut BTreeSet<&'a str>, file: &'a str, shown: &str) {
    if !file.is_empty() && !seen.insert(file) {
        problems.invalid_text(path, shown, "conflicting duplicate paths");
    }
}

fn token(problems: &mut Problems, volume: &Path<'_>, path: &Path<'_>, token: &Value) {
    let secs = json::int(token, "expirationSeconds").unwrap_or(0);
    let at = path.child("expirationSeconds");
    if secs < 600 {
        problems.invalid(&at, &secs.into(), "may not specify a duration less than 10 minutes");
    } else if secs > 1 << 32 {
        problems.invalid(&at, &secs.into(), "may not specify a duration larger than 2^32 seconds");
    }
    // The server reports the token's path at the volume, not at the source.
    match json::text(token, "path") {
        "" => problems.required(&volume.child("path"), ""),
        file => local_path(problems, &volume.child("path"), file),
    }
}

/// A relative path that stays below its root and is not one of the kubelet's own.
fn local_path(problems: &mut Problems, path: &Path<'_>, text: &str) {
    descending(problems, path, text);
    if text.starts_with("..") && !text.starts_with("../") {
        problems.invalid_text(path, text, "must not start with '..'");
    }
}

fn descending(problems: &mut Problems, path: &Path<'_>, text: &str) {
    if text.starts_with('/') {
        problems.invalid_text(path, text, "must be a relative path");
    }
    no_backsteps(problems, path, text);
}

fn no_backsteps(problems: &mut Problems, path: &Path<'_>, text: &str) {
    if text.split('/').any(|step| step == "..") {
        problems.invalid_text(path, text, "must not contain '..'");
    }
}

/// Where a container mounts volumes.
pub(super) fn mounts(problems: &mut Problems, list: &Path<'_>, container: &Value, scope: &Scope<'_>) {
    let devices = json::list(container, "volumeDevices");
    let mut taken = BTreeSet::new();
    for (index, mount) in json::list(container, "volumeMounts").iter().enumerate() {
        let path = list.index(index);
        let (name, place) = (json::text(mount, "name"), json::text(mount, "mountPath"));
        if name.is_empty() {
            problems.required(&path.child("name"), "");
        }
        if !scope.volumes.contains_key(name) {
            problems.not_found(&path.child("name"), name, "");
        }
        if place.is_empty() {
            problems.required(&path.child("mountPath"), "");
        }
        if !taken.insert(place) {
            problems.invalid_text(&path.child("mountPath"), place, "must be unique");
        }
        if devices.iter().any(|device| json::text(device, "name") == name) {
            problems.invalid_text(&path.child("name"), name, "must not already exist in volumeDevices");
        }
        if devices.iter().any(|device| json::text(device, "devicePath") == place) {
            let detail = "must not already exist as a path in volumeDevices";
            problems.invalid_text(&path.child("mountPath"), place, detail);
        }
        sub_paths(problems, list, &path, mount);
        propagation(problems, list, container, mount);
    }
}

fn sub_paths(problems: &mut Problems, list: &Path<'_>, path: &Path<'_>, mount: &Value) {
    let (sub, expression) = (json::text(mount, "subPath"), json::text(mount, "subPathExpr"));
    // The server reports these two at the list.
    if !sub.is_empty() {
        descending(problems, &list.child("subPath"), sub);
    }
    if !expression.is_empty() {
        if !sub.is_empty() {
            let detail = "subPathExpr and subPath are mutually exclusive";
            problems.invalid_text(&path.child("subPathExpr"), expression, detail);
        }
        descending(problems, &list.child("subPathExpr"), expression);
    }
}

fn propagation(problems: &mut Problems, list: &Path<'_>, container: &Value, mount: &Value) {
    let given = json::get(mount, "mountPropagation");
    let path = list.child("mountPropagation");
    let supported = ["Bidirectional", "HostToContainer", "None"];
    match given.as_str() {
        None => {}
        Some("Bidirectional") if !json::flag(json::get(container, "securityContext"), "privileged") => {
            problems.forbidden(
                &path,
                "Bidirectional mount propagation is available only to privileged containers",
            );
        }
        Some(text) if !supported.contains(&text) => problems.unsupported(&path, given, &supported),
        Some(_) => {}
    }
}

/// Raw block devices of a container.
pub(super) fn devices(problems: &mut Problems, list: &Path<'_>, container: &Value, scope: &Scope<'_>) {
    let (mut names, mut paths) = (BTreeSet::new(), BTreeSet::new());
    for (index, device) in json::list(container, "volumeDevices").iter().enumerate() {
        let path = list.index(index);
        let (name, place) = (json::text(device, "name"), json::text(device, "devicePath"));
        if name.is_empty() {
            problems.required(&path.child("name"), "");
        } else if !names.insert(name) {
            problems.invalid_text(&path.child("name"), name, "must be unique");
        }
        match scope.volumes.get(name) {
            None => problems.not_found(&path.child("name"), name, ""),
            Some(volume) if !json::has(volume, "persistentVolumeClaim") && !json::has(volume, "ephemeral") => {
                let detail = "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode";
                problems.invalid_text(&path.child("name"), name, detail);
            }
            Some(_) => {}
        }
        if place.is_empty() {
            problems.required(&path.child("devicePath"), "");
        }
        if place.split('/').any(|step| step == "..") {
            problems.invalid_text(&path.child("devicePath"), place, "can not contain backsteps ('..')");
        } else if !paths.insert(place) {
            problems.invalid_text(&path.child("devicePath"), place, "must be unique");
        }
    }
}
