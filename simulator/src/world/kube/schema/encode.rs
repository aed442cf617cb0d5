//! The form in which the real server holds a built-in object: as its Go struct would be written back to JSON.
//!
//! Knows which fields are written when empty; must not know defaults (they depend on meaning).

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::TypeSchema;
use super::facts::WhenEmpty;
use super::graph::{Atom, Field, Format, MapType, Scalar, TypeId};

impl TypeSchema {
    /// The object of this kind with nothing set. Custom resources: an empty object.
    pub(crate) fn zero(&self) -> &Value {
        self.zero.get_or_init(|| {
            if self.is_builtin() {
                self.zero_of(self.atom(self.root()))
            } else {
                Value::Object(Map::new())
            }
        })
    }

    /// Brings a built-in object into the form that decoding and encoding it would give: unknown fields and empty
    /// optional fields are gone, structs and fields that are always written are there, quantities are canonical.
    /// Does nothing to custom resources. Values of the wrong type are left alone: `decode_problems` tells of them.
    pub fn normalize(&self, object: &mut Value) {
        if self.is_builtin() {
            self.normalize_value(self.root(), object);
        }
    }

    fn zero_of(&self, atom: &Atom) -> Value {
        let mut out = Map::new();
        if let Some(map) = &atom.map {
            for field in map.written() {
                if let Some(value) = self.zero_field(field) {
                    out.insert(field.name.as_ref().to_owned(), value);
                }
            }
        }
        Value::Object(out)
    }

    /// What stands for a field that is not set; None for fields that are then left out.
    fn zero_field(&self, field: &Field) -> Option<Value> {
        if field.go.when_empty == WhenEmpty::Omit {
            return None;
        }
        let kind = &*field.go.kind;
        let atom = self.atom(field.kind);
        if kind.starts_with(['*', '[']) || kind.starts_with("map[") {
            return Some(Value::Null);
        }
        match atom.format {
            Format::Raw | Format::Time | Format::MicroTime | Format::Bytes => return Some(Value::Null),
            Format::Quantity => return Some("0".into()),
            // Its zero is the number 0, which means "not set" wherever it occurs: defaults fill it in.
            Format::IntOrString => return None,
            _ => {}
        }
        match (atom.scalar, &atom.map) {
            (Some(Scalar::Text | Scalar::Untyped), _) => Some("".into()),
            (Some(Scalar::Numeric), _) => Some(0.into()),
            (Some(Scalar::Boolean), _) => Some(false.into()),
            (None, Some(map)) if map.element.is_none() => Some(self.zero_of(atom)),
            _ => Some(Value::Null),
        }
    }

    fn normalize_value(&self, id: TypeId, value: &mut Value) {
        let atom = self.atom(id);
        if atom.format == Format::Raw {
            return;
        }
        match value {
            Value::Object(object) => {
                if let Some(map) = &atom.map {
                    self.normalize_map(map, object);
                }
            }
            Value::Array(items) => {
                if let Some(list) = &atom.list {
                    items
                        .iter_mut()
                        .for_each(|item| self.normalize_value(list.element, item));
                }
            }
            Value::String(text) if atom.format == Format::Quantity => {
                if let Some(Cow::Owned(canonical)) = super::quantity::canonical(text) {
                    *text = canonical;
                }
            }
            Value::Number(number) if atom.format == Format::Quantity => {
                if let Some(canonical) = super::quantity::canonical(&number.to_string()) {
                    *value = canonical.into_owned().into();
                }
            }
            _ => {}
        }
    }

    fn normalize_map(&self, map: &MapType, object: &mut Map<String, Value>) {
        if let Some(element) = map.element {
            let text = self.atom(element).scalar == Some(Scalar::Text);
            for value in object.values_mut() {
                if value.is_null() && text {
                    *value = "".into();
                }
                self.normalize_value(element, value);
            }
            return;
        }
        object.retain(|name, value| {
            let Some(field) = map.field(name) else { return false };
            self.normalize_value(field.kind, value);
            field.go.when_empty == WhenEmpty::Write || !self.is_empty(field, value)
        });
        for field in map.written() {
            if object
                .get(&*field.name)
                .is_none_or(|value| value.is_null() || self.is_hollow(field, value))
                && let Some(zero) = self.zero_field(field)
            {
                object.insert(field.name.as_ref().to_owned(), zero);
            }
        }
    }

    /// Whether the value is a list or a map without entries: storage keeps no difference between that and none.
    fn is_hollow(&self, field: &Field, value: &Value) -> bool {
        !field.go.kind.is_empty() && (value.is_object() || value.is_array()) && self.is_empty(field, value)
    }

    /// Whether the encoder leaves the field out.
    fn is_empty(&self, field: &Field, value: &Value) -> bool {
        if field.go.kind.is_empty() || field.go.kind.starts_with('*') {
            return value.is_null();
        }
        match value {
            Value::Null => true,
            Value::Bool(set) => !set,
            Value::Number(number) => number.as_f64() == Some(0.0),
            Value::String(text) => text.is_empty(),
            Value::Array(items) => items.is_empty(),
            Value::Object(entries) => {
                let atom = self.atom(field.kind);
                let is_map = atom.map.as_ref().is_some_and(|map| map.element.is_some());
                entries.is_empty() && is_map && atom.format != Format::Raw
            }
        }
    }
}
