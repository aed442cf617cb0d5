//! `metadata`: names, labels, annotations, owners, finalizers, and what an update may not change.

use serde_json::Value;

use super::super::kind::NameRule;
use super::super::{formats, json};
use super::problems::{IMMUTABLE, Path, Problems};
use crate::world::kube::api_error::FieldError;

/// The most that all annotations of an object may weigh together (256 KiB).
const ANNOTATIONS_MAX_BYTES: usize = 256 * 1024;

const METADATA: Path<'static> = Path::new("metadata");

/// Checks `metadata` of a new object, built-in or custom.
#[must_use]
pub fn validate_object_meta(namespaced: bool, meta: &Value, rule: NameRule) -> Vec<FieldError> {
    let mut problems = Problems::default();
    object_meta(&mut problems, namespaced, meta, rule);
    problems.into_errors()
}

/// Checks `metadata` of an updated object against the stored one.
#[must_use]
pub fn validate_object_meta_update(new: &Value, old: &Value) -> Vec<FieldError> {
    let mut problems = Problems::default();
    object_meta_update(&mut problems, new, old);
    problems.into_errors()
}

pub(super) fn object_meta(problems: &mut Problems, namespaced: bool, meta: &Value, rule: NameRule) {
    let (name, prefix) = (json::text(meta, "name"), json::text(meta, "generateName"));
    for problem in generated(prefix).as_deref().map(name_check(rule)).unwrap_or_default() {
        problems.invalid_text(&METADATA.child("generateName"), prefix, &problem);
    }
    if name.is_empty() {
        problems.required(&METADATA.child("name"), "name or generateName is required");
    } else {
        problems.format(&METADATA.child("name"), name, name_check(rule));
    }
    let namespace = json::text(meta, "namespace");
    match (namespaced, namespace.is_empty()) {
        (true, true) => problems.required(&METADATA.child("namespace"), ""),
        (true, false) => problems.format(&METADATA.child("namespace"), namespace, formats::dns1123_label),
        (false, false) => problems.forbidden(&METADATA.child("namespace"), "not allowed on this type"),
        (false, true) => {}
    }
    problems.non_negative(&METADATA, meta, "generation");
    changeable(problems, meta);
    finalizers(problems, meta);
}

/// A prefix as it is checked: a dash at its end will not be the end of the name.
fn generated(prefix: &str) -> Option<String> {
    match prefix.strip_suffix('-') {
        _ if prefix.is_empty() => None,
        Some(rest) if !rest.is_empty() => {
            let kept: String = rest.chars().take(rest.chars().count() - 1).collect();
            Some(format!("{kept}a"))
        }
        _ => Some(prefix.to_owned()),
    }
}

/// Checks names by rule.
fn name_check(rule: NameRule) -> super::problems::Format {
    match rule {
        NameRule::Subdomain => formats::dns1123_subdomain,
        NameRule::Label => formats::dns1123_label,
        NameRule::Label1035 => formats::dns1035_label,
        NameRule::PathSegment => formats::path_segment,
    }
}

/// What is checked on create and on update alike.
fn changeable(problems: &mut Problems, meta: &Value) {
    labels(problems, &METADATA.child("labels"), json::get(meta, "labels"));
    annotations(problems, &METADATA.child("annotations"), json::get(meta, "annotations"));
    owners(problems, meta);
}

/// A map of labels.
pub(super) fn labels(problems: &mut Problems, path: &Path<'_>, labels: &Value) {
    for (key, value) in labels.as_object().into_iter().flatten() {
        problems.format(path, key, formats::qualified_name);
        problems.format(path, value.as_str().unwrap_or_default(), formats::label_value);
    }
}

/// A map of annotations: keys in any case, values of any kind, a limit on the whole.
pub(super) fn annotations(problems: &mut Problems, path: &Path<'_>, annotations: &Value) {
    let mut size = 0_usize;
    for (key, value) in annotations.as_object().into_iter().flatten() {
        for problem in formats::qualified_name(&key.to_lowercase()) {
            problems.invalid_text(path, key, &problem);
        }
        size += key.len() + value.as_str().map_or(0, str::len);
    }
    if size > ANNOTATIONS_MAX_BYTES {
        problems.too_long(&path.to_string(), ANNOTATIONS_MAX_BYTES);
    }
}

fn owners(problems: &mut Problems, meta: &Value) {
    let path = METADATA.child("ownerReferences");
    let mut controller: Option<String> = None;
    for owner in json::list(meta, "ownerReferences") {
        let (version, kind) = (json::text(owner, "apiVersion"), json::text(owner, "kind"));
        if version.is_empty() || version.matches('/').count() > 1 {
            problems.invalid_text(&path.child("apiVersion"), version, "version must not be empty");
        }
        for key in ["kind", "name", "uid"] {
            if json::text(owner, key).is_empty() {
                problems.invalid_text(&path.child(key), "", "must not be empty");
            }
        }
        if (version, kind) == ("v1", "Event") {
            let detail = "/v1, Kind=Event is disallowed from being an owner";
            problems.invalid_shown(&path, shown_owner(owner), detail);
        }
        if json::flag(owner, "controller") {
            let this = format!("{kind}/{}", json::text(owner, "name"));
            match &controller {
                None => controller = Some(this),
                Some(first) => {
                    let all: Vec<String> = json::list(meta, "ownerReferences").iter().map(shown_owner).collect();
                    let detail = format!(
                        "Only one reference can have Controller set to true. Found \"true\" in references for {first} and {this}"
                    );
                    problems.invalid_shown(&path, format!("[{}]", all.join(",")), &detail);
                }
            }
        }
    }
}

/// An owner as Go writes it: its fields in the order of the type.
fn shown_owner(owner: &Value) -> String {
    let order = ["apiVersion", "kind", "name", "uid", "controller", "blockOwnerDeletion"];
    super::go::object(owner, &order)
}

fn finalizers(problems: &mut Problems, meta: &Value) {
    let path = METADATA.child("finalizers");
    let given = json::list(meta, "finalizers");
    for finalizer in given {
        problems.format(&path, finalizer.as_str().unwrap_or_default(), formats::qualified_name);
    }
    let has = |name: &str| given.iter().any(|finalizer| finalizer == name);
    if has("orphan") && has("foregroundDeletion") {
        let detail = "finalizer orphan and foregroundDeletion cannot be both set";
        problems.invalid(&path, &Value::from(given.to_vec()), detail);
    }
}

/// Finalizers of built-in kinds must be qualified by a domain or be one of the server's own.
pub(super) fn builtin_finalizers(problems: &mut Problems, meta: &Value) {
    let path = METADATA.child("finalizers");
    for (index, finalizer) in json::list(meta, "finalizers").iter().enumerate() {
        let name = finalizer.as_str().unwrap_or_default();
        if !is_known_finalizer(name) {
            let detail = "name is neither a standard finalizer name nor is it fully qualified";
            problems.invalid(&path.index(index), finalizer, detail);
        }
    }
}

/// Whether a finalizer without a domain is one that the server knows.
pub(super) fn is_known_finalizer(name: &str) -> bool {
    name.contains('/') || matches!(name, "kubernetes" | "orphan" | "foregroundDeletion")
}

pub(super) fn object_meta_update(problems: &mut Problems, new: &Value, old: &Value) {
    if json::has(old, "deletionTimestamp") {
        let before = json::list(old, "finalizers");
        let mut added: Vec<&str> = json::list(new, "finalizers")
            .iter()
            .filter(|finalizer| !before.contains(finalizer))
            .filter_map(Value::as_str)
            .collect();
        added.sort_unstable();
        if !added.is_empty() {
            let shown: Vec<String> = added.iter().map(|name| format!("{name:?}")).collect();
            let detail = format!(
                "no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
                shown.join(", ")
            );
            problems.forbidden(&METADATA.child("finalizers"), &detail);
        }
    }
    if json::text(new, "resourceVersion").is_empty() {
        problems.invalid_text(
            &METADATA.child("resourceVersion"),
            "",
            "must be specified for an update",
        );
    }
    let generation = |meta| json::int(meta, "generation").unwrap_or(0);
    if generation(new) < generation(old) {
        let path = METADATA.child("generation");
        problems.invalid(&path, &generation(new).into(), "must not be decremented");
    }
    for key in [
        "name",
        "namespace",
        "uid",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
    ] {
        let (after, before) = (json::get(new, key), json::get(old, key));
        let blank = |value: &Value| value.is_null() || *value == "";
        if after != before && !(blank(after) && blank(before)) {
            problems.invalid(&METADATA.child(key), after, IMMUTABLE);
        }
    }
    changeable(problems, new);
}
