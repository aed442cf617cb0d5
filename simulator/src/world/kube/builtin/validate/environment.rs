//! Environment variables and the fields of the pod that they, and downward API files, can show.

use serde_json::Value;

use super::super::{formats, json};
use super::containers::Scope;
use super::problems::{Path, Problems};

/// Pod fields that a variable can take its value from.
const VARIABLE_FIELDS: [&str; 9] = [
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
    "spec.nodeName",
    "spec.serviceAccountName",
    "status.hostIP",
    "status.hostIPs",
    "status.podIP",
    "status.podIPs",
];
/// Pod fields that a downward API file can show.
pub(super) const FILE_FIELDS: [&str; 5] = [
    "metadata.annotations",
    "metadata.labels",
    "metadata.name",
    "metadata.namespace",
    "metadata.uid",
];
const RESOURCES: [&str; 6] = [
    "limits.cpu",
    "limits.ephemeral-storage",
    "limits.memory",
    "requests.cpu",
    "requests.ephemeral-storage",
    "requests.memory",
];

pub(super) fn variables(problems: &mut Problems, list: &Path<'_>, container: &Value, scope: &Scope<'_>) {
    for (index, variable) in json::list(container, "env").iter().enumerate() {
        let path = list.index(index);
        let name = json::text(variable, "name");
        if name.is_empty() {
            problems.required(&path.child("name"), "");
        } else {
            problems.format(&path.child("name"), name, formats::env_name);
        }
        let source = json::get(variable, "valueFrom");
        if !source.is_null() {
            value_from(problems, &path.child("valueFrom"), variable, source, scope);
        }
    }
}

fn value_from(problems: &mut Problems, path: &Path<'_>, variable: &Value, source: &Value, scope: &Scope<'_>) {
    let mut sources = 0;
    if json::has(source, "fieldRef") {
        sources += 1;
        field(
            problems,
            &path.child("fieldRef"),
            json::get(source, "fieldRef"),
            &VARIABLE_FIELDS,
        );
    }
    if json::has(source, "resourceFieldRef") {
        sources += 1;
        resource(
            problems,
            &path.child("resourceFieldRef"),
            json::get(source, "resourceFieldRef"),
            false,
        );
    }
    for name in ["configMapKeyRef", "secretKeyRef"] {
        let reference = json::get(source, name);
        if !reference.is_null() {
            sources += 1;
            let path = path.child(name);
            problems.format(
                &path.child("name"),
                json::text(reference, "name"),
                formats::dns1123_subdomain,
            );
            match json::text(reference, "key") {
                "" => problems.required(&path.child("key"), ""),
                key => problems.format(&path.child("key"), key, formats::config_key),
            }
        }
    }
    let file = json::get(source, "fileKeyRef");
    if !file.is_null() {
        sources += 1;
        file_key(problems, &path.child("fileKeyRef"), file, scope);
    }
    if sources == 0 {
        let detail =
            "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`";
        problems.invalid_text(path, "", detail);
    } else if !json::text(variable, "value").is_empty() {
        problems.invalid_text(path, "", "may not be specified when `value` is not empty");
    } else if sources > 1 {
        problems.invalid_text(path, "", "may not have more than one field specified at a time");
    }
}

fn file_key(problems: &mut Problems, path: &Path<'_>, file: &Value, scope: &Scope<'_>) {
    for key in ["key", "volumeName", "path"] {
        if json::text(file, key).is_empty() {
            problems.required(&path.child(key), "");
        }
    }
    let volume = json::text(file, "volumeName");
    match scope.volumes.get(volume) {
        None => problems.not_found(&path.child("volumeName"), volume, ""),
        Some(source) if !json::has(source, "emptyDir") => {
            let detail = "referenced volume must be of type emptyDir";
            problems.invalid_text(&path.child("volumeName"), volume, detail);
        }
        Some(_) => {}
    }
}

/// A `fieldRef` that must be one of `supported`, or a label or annotation by name.
pub(super) fn field(problems: &mut Problems, path: &Path<'_>, reference: &Value, supported: &[&str]) {
    for key in ["apiVersion", "fieldPath"] {
        if json::text(reference, key).is_empty() {
            return problems.required(&path.child(key), "");
        }
    }
    let given = json::text(reference, "fieldPath");
    let (field, subscript) = split_subscript(given);
    if json::text(reference, "apiVersion") != "v1" {
        let version = json::text(reference, "apiVersion");
        let detail = format!("error converting fieldPath: unsupported pod version: {version}");
        return problems.invalid_text(&path.child("fieldPath"), given, &detail);
    }
    let convertible = match subscript {
        Some(_) => matches!(field, "metadata.annotations" | "metadata.labels"),
        None => is_pod_field(field),
    };
    if !convertible {
        let detail = match subscript {
            Some(_) => format!("error converting fieldPath: field label does not support subscript: {given}"),
            None => format!("error converting fieldPath: field label not supported: {given}"),
        };
        return problems.invalid_text(&path.child("fieldPath"), given, &detail);
    }
    match subscript {
        Some(key) => {
            let key = if field == "metadata.annotations" {
                key.to_lowercase()
            } else {
                key.to_owned()
            };
            problems.format(path, &key, formats::qualified_name);
        }
        None if !supported.contains(&field) => {
            problems.unsupported(&path.child("fieldPath"), &field.into(), supported);
        }
        None => {}
    }
}

/// Fields that can be shown at all, in variables or files.
fn is_pod_field(field: &str) -> bool {
    VARIABLE_FIELDS.contains(&field)
        || FILE_FIELDS.contains(&field)
        || matches!(
            field,
            "spec.restartPolicy" | "spec.schedulerName" | "status.phase" | "spec.host"
        )
}

/// `metadata.labels['key']` into the field and the key.
fn split_subscript(text: &str) -> (&str, Option<&str>) {
    let inner = text.strip_suffix("']").and_then(|rest| rest.split_once("['"));
    match inner {
        Some((field, key)) if !field.is_empty() => (field, Some(key)),
        _ => (text, None),
    }
}

/// A `resourceFieldRef`; files must name the container.
pub(super) fn resource(problems: &mut Problems, path: &Path<'_>, reference: &Value, in_file: bool) {
    let name = json::text(reference, "resource");
    if in_file && json::text(reference, "containerName").is_empty() {
        return problems.required(&path.child("containerName"), "");
    }
    if name.is_empty() {
        return problems.required(&path.child("resource"), "");
    }
    let huge = name.starts_with("limits.hugepages-") || name.starts_with("requests.hugepages-");
    if !huge && !RESOURCES.contains(&name) {
        return problems.unsupported(&path.child("resource"), &name.into(), &RESOURCES);
    }
    let divisor = json::text(reference, "divisor");
    if matches!(divisor, "" | "0") {
        return;
    }
    let bytes = [
        "1", "1k", "1M", "1G", "1T", "1P", "1E", "1Ki", "1Mi", "1Gi", "1Ti", "1Pi", "1Ei",
    ];
    let cpu = name.ends_with(".cpu");
    let fits = if cpu {
        matches!(divisor, "1" | "1m")
    } else {
        bytes.contains(&divisor)
    };
    if fits {
        return;
    }
    let detail = match name {
        _ if cpu => "only divisor's values 1m and 1 are supported with the cpu resource".to_owned(),
        _ => {
            let what = match name {
                "limits.memory" | "requests.memory" => "memory",
                _ if huge => "hugepages",
                _ => "local ephemeral storage",
            };
            format!(
                "only divisor's values {} are supported with the {what} resource",
                bytes.join(", ")
            )
        }
    };
    problems.invalid_text(&path.child("divisor"), name, &detail);
}

pub(super) fn sources(problems: &mut Problems, list: &Path<'_>, container: &Value) {
    for (index, source) in json::list(container, "envFrom").iter().enumerate() {
        let path = list.index(index);
        let prefix = json::text(source, "prefix");
        if !prefix.is_empty() {
            problems.format(&path.child("prefix"), prefix, formats::env_name);
        }
        let mut given = 0;
        for kind in ["configMapRef", "secretRef"] {
            if json::has(source, kind) {
                given += 1;
                let path = path.child(kind);
                match json::text(json::get(source, kind), "name") {
                    "" => problems.required(&path.child("name"), ""),
                    name => problems.format(&path.child("name"), name, formats::dns1123_subdomain),
                }
            }
        }
        match given {
            0 => problems.invalid_text(list, "", "must specify one of: `configMapRef` or `secretRef`"),
            1 => {}
            _ => problems.invalid_text(list, "", "may not have more than one field specified at a time"),
        }
    }
}
