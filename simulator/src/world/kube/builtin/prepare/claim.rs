//! The sources of a PersistentVolumeClaim.

use serde_json::Value;

use super::super::json::{Object, child, fill_absent};

/// The two names of a claim's source follow each other (the server's normalisation of data sources); nobody owns what
/// comes of it.
pub(super) fn follow_source(root: &mut Object) {
    let Some(spec) = child(root, "spec") else { return };
    drop_foreign_source(spec);
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
