//! The fact table `merge_facts.json`: what the published schemas of built-in types lack.
//!
//! Knows the table's words (see `merge_facts.py`); must not know the arena that is built from them.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

const TABLE: &str = include_str!("merge_facts.json");

/// Facts on every field of every built-in definition.
#[derive(Debug, Default)]
pub(super) struct Facts {
    table: BTreeMap<String, BTreeMap<String, String>>,
}

/// What the real server's encoder does with an empty field.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum WhenEmpty {
    /// Leaves it out.
    #[default]
    Omit,
    /// Writes the zero value: `null`, `""`, `0`, `false` or a zero struct.
    Write,
}

/// The Go side of a field: how the real server decodes and encodes it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct GoField {
    /// Type as the decoder names it, e.g. `*int32`, `[]v1.Container`; empty when not known.
    pub(crate) kind: Box<str>,
    /// What the encoder does with the empty field.
    pub(crate) when_empty: WhenEmpty,
}

impl Facts {
    /// Reads the table; a broken table gives no facts (a unit test guards the committed one).
    pub(super) fn load() -> Self {
        Self {
            table: serde_json::from_str(TABLE).unwrap_or_default(),
        }
    }

    /// The Go side of one field.
    pub(super) fn go_field(&self, definition: &str, field: &str) -> GoField {
        let Some(row) = self.table.get(definition).and_then(|fields| fields.get(field)) else {
            return GoField::default();
        };
        let mut words = row.split(' ');
        let kind = words.next().unwrap_or_default().trim_start_matches('?').into();
        let writes = words.any(|word| word == "always" || word == "zero");
        let when_empty = if writes { WhenEmpty::Write } else { WhenEmpty::Omit };
        GoField { kind, when_empty }
    }

    /// Adds the facts on `definition` to its schema as the extensions that the server publishes.
    pub(super) fn write_into(&self, definition: &str, schema: &mut Value) {
        let Some(fields) = self.table.get(definition) else {
            return;
        };
        let Some(object) = schema.as_object_mut() else { return };
        if let Some(row) = fields.get("") {
            extend(object, row);
        }
        let Some(Value::Object(properties)) = object.get_mut("properties") else {
            return;
        };
        for (name, property) in properties {
            if let (Some(row), Some(property)) = (fields.get(name), property.as_object_mut()) {
                extend(property, row);
            }
        }
    }
}

fn extend(schema: &mut Map<String, Value>, row: &str) {
    for word in row.split(' ') {
        let Some((name, value)) = word.split_once('=') else {
            continue;
        };
        match name {
            "list" => {
                let (kind, keys) = value.split_once(':').unwrap_or((value, ""));
                schema.insert("x-kubernetes-list-type".into(), kind.into());
                if !keys.is_empty() {
                    let keys: Vec<&str> = keys.split(',').collect();
                    schema.insert("x-kubernetes-list-map-keys".into(), json!(keys));
                }
            }
            "map" => {
                schema.insert("x-kubernetes-map-type".into(), value.into());
            }
            "patch" => {
                let (strategy, key) = value.split_once(':').unwrap_or((value, ""));
                if !strategy.is_empty() {
                    schema.insert("x-kubernetes-patch-strategy".into(), strategy.into());
                }
                if !key.is_empty() {
                    schema.insert("x-kubernetes-patch-merge-key".into(), key.into());
                }
            }
            "default" => {
                if let Ok(default) = serde_json::from_str(value) {
                    schema.insert("default".into(), default);
                }
            }
            _ => {}
        }
    }
}
