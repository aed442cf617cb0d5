//! What the server fills into a definition.

use serde_json::{Value, json};

use super::{text_at, versions};

/// `names.singular`, `names.listKind`, the conversion strategy and the port of its webhook.
pub fn default_definition(crd: &mut Value) {
    let kind = text_at(crd, "/spec/names/kind").to_owned();
    let Some(spec) = crd.get_mut("spec").and_then(Value::as_object_mut) else {
        return;
    };
    if let Some(names) = spec.get_mut("names").and_then(Value::as_object_mut) {
        let empty = |value: Option<&Value>| value.is_none_or(|value| value.is_null() || value == "");
        if empty(names.get("singular")) && !kind.is_empty() {
            names.insert("singular".into(), kind.to_lowercase().into());
        }
        if empty(names.get("listKind")) && !kind.is_empty() {
            names.insert("listKind".into(), format!("{kind}List").into());
        }
    }
    if spec.get("conversion").is_none_or(Value::is_null) {
        spec.insert("conversion".into(), json!({"strategy": "None"}));
    }
    if spec.get("preserveUnknownFields") == Some(&Value::Bool(false)) {
        spec.remove("preserveUnknownFields");
    }
    let service = spec
        .get_mut("conversion")
        .and_then(|conversion| conversion.pointer_mut("/webhook/clientConfig/service"));
    if let Some(service) = service.and_then(Value::as_object_mut) {
        service.entry("port").or_insert_with(|| 443.into());
    }
}

/// What a write of a definition changes by itself: status belongs to the server, the generation counts changes of the
/// spec, and the storage version is noted in `status.storedVersions`.
pub fn prepare_definition(new: &mut Value, old: Option<&Value>) {
    let generation = old
        .and_then(|old| old.pointer("/metadata/generation"))
        .and_then(Value::as_i64)
        .unwrap_or(0);
    let changed = old.is_none_or(|old| old.get("spec") != new.get("spec"));
    let mut status = old
        .and_then(|old| old.get("status"))
        .cloned()
        .unwrap_or_else(|| json!({}));
    let storage = versions(new)
        .iter()
        .find(|version| version.get("storage") == Some(&Value::Bool(true)));
    let storage = storage.map(|version| text_at(version, "/name").to_owned());
    if let (Some(storage), Some(map)) = (storage, status.as_object_mut()) {
        let stored = map.entry("storedVersions").or_insert_with(|| json!([]));
        if let Some(list) = stored
            .as_array_mut()
            .filter(|list| !list.iter().any(|one| *one == *storage))
        {
            list.push(storage.into());
        }
    }
    let Some(map) = new.as_object_mut() else { return };
    map.insert("status".into(), status);
    if let Some(meta) = map.get_mut("metadata").and_then(Value::as_object_mut) {
        meta.insert("generation".into(), (generation + i64::from(changed)).max(1).into());
    }
}
