//! From OpenAPI schemas to the type graph.
//!
//! Knows OpenAPI and its `x-kubernetes-*` extensions; must not know values.

use std::collections::BTreeMap;

use serde_json::Value;

use super::facts::{Facts, GoField};
use super::graph::{
    Arena, Atom, DEDUCED, Field, Format, ListKey, ListRelation, ListType, MapType, PatchRule, Scalar, TypeId, UNTYPED,
};

/// Schemas nested deeper than this are taken as open; no published schema comes near.
const MAX_DEPTH: u32 = 100;
/// Types whose every value is held as it comes.
const RAW: &[&str] = &["RawExtension", "JSON", "FieldsV1"];
/// The definition that embedded and custom resources refer to.
const OBJECT_META: &str = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta";

/// Builds an arena, taking named definitions in as they are referred to.
pub(super) struct Builder<'a> {
    pub(super) arena: Arena,
    definitions: &'a BTreeMap<String, Value>,
    facts: &'a Facts,
    named: BTreeMap<String, TypeId>,
    depth: u32,
}

/// What a schema inherits from the ones around it.
#[derive(Clone, Copy)]
struct Around<'n> {
    /// Name of the definition, for the facts on its fields; empty for inline schemas.
    definition: &'n str,
    preserve_unknown: bool,
}

impl<'a> Builder<'a> {
    pub(super) fn new(definitions: &'a BTreeMap<String, Value>, facts: &'a Facts) -> Self {
        Self {
            arena: Arena::new(),
            definitions,
            facts,
            named: BTreeMap::new(),
            depth: 0,
        }
    }

    /// The type of a named definition; open when there is no such definition.
    pub(super) fn named(&mut self, name: &str) -> TypeId {
        if let Some(id) = self.named.get(name) {
            return *id;
        }
        let Some(schema) = self.definitions.get(name) else {
            return DEDUCED;
        };
        // The place is taken first, so that a recursive type finds itself.
        let id = self.arena.push(Atom::default());
        self.named.insert(name.to_owned(), id);
        let around = Around {
            definition: name,
            preserve_unknown: false,
        };
        let mut atom = self.atom(schema, around);
        let short = name.rsplit('.').next().unwrap_or_default();
        if atom.map.is_some() {
            atom.struct_name = short.into();
        }
        match short {
            "MicroTime" => atom.format = Format::MicroTime,
            "Quantity" => {
                atom.format = Format::Quantity;
                atom.scalar = Some(Scalar::Untyped);
            }
            "RawExtension" => atom = self.arena.atoms.first().cloned().unwrap_or_default(),
            _ => {}
        }
        if RAW.contains(&short) || atom.scalar.is_some() && atom.map.is_some() {
            atom.format = Format::Raw;
        }
        if let Some(place) = self.arena.atoms.get_mut(id.0 as usize) {
            *place = atom;
        }
        id
    }

    /// The root of a custom resource: its schema with `apiVersion`, `kind` and `metadata` as every object has them.
    pub(super) fn custom(&mut self, openapi: &Value) -> TypeId {
        let around = Around {
            definition: "",
            preserve_unknown: false,
        };
        let mut atom = self.atom(openapi, around);
        self.add_type_meta(&mut atom);
        self.arena.push(atom)
    }

    fn add_type_meta(&mut self, atom: &mut Atom) {
        let text = self.arena.push(scalar(Scalar::Text, Format::None));
        let meta = self.named(OBJECT_META);
        let field = |(name, kind): (&str, TypeId)| Field {
            name: name.into(),
            kind,
            patch: PatchRule::default(),
            go: GoField::default(),
        };
        let more = [("apiVersion", text), ("kind", text), ("metadata", meta)].map(field);
        atom.map = Some(atom.map.take().unwrap_or_default().with(more.into()));
    }

    /// A schema in place of a field or an item: a reference or an inline type.
    fn reference(&mut self, schema: &Value, around: Around<'_>) -> TypeId {
        let around = Around {
            definition: "",
            ..around
        };
        let Some(name) = referred(schema) else {
            if self.depth >= MAX_DEPTH {
                return DEDUCED;
            }
            self.depth += 1;
            let atom = self.atom(schema, around);
            self.depth -= 1;
            return self.arena.push(atom);
        };
        let id = self.named(name);
        let Some(kind) = schema.get("x-kubernetes-map-type").and_then(Value::as_str) else {
            return id;
        };
        // A field may merge its map otherwise than the referred type says: that is a type of its own.
        let mut atom = self.arena.atoms.get(id.0 as usize).cloned().unwrap_or_default();
        if let Some(map) = &mut atom.map {
            map.atomic = kind == "atomic";
        }
        self.arena.push(atom)
    }

    fn atom(&mut self, schema: &Value, around: Around<'_>) -> Atom {
        let preserves = schema.get("x-kubernetes-preserve-unknown-fields") == Some(&Value::Bool(true));
        let around = Around {
            preserve_unknown: around.preserve_unknown || preserves,
            ..around
        };
        let format = schema.get("format").and_then(Value::as_str).unwrap_or_default();
        let kind = schema.get("type").and_then(Value::as_str).unwrap_or_default();
        let mut atom = match kind {
            "object" => Atom {
                map: Some(self.map(schema, around)),
                ..Atom::default()
            },
            "array" => Atom {
                list: Some(self.list(schema, around)),
                ..Atom::default()
            },
            "integer" if format == "int64" => scalar(Scalar::Numeric, Format::Int64),
            "integer" => scalar(Scalar::Numeric, Format::Int32),
            "number" => scalar(Scalar::Numeric, Format::Double),
            "boolean" => scalar(Scalar::Boolean, Format::None),
            "string" => match format {
                "" => scalar(Scalar::Text, Format::None),
                "byte" => scalar(Scalar::Text, Format::Bytes),
                "int-or-string" => scalar(Scalar::Untyped, Format::IntOrString),
                "date-time" => scalar(Scalar::Untyped, Format::Time),
                _ => scalar(Scalar::Untyped, Format::None),
            },
            _ => Atom {
                scalar: Some(Scalar::Untyped),
                list: Some(self.list(schema, around)),
                map: Some(self.map(schema, around)),
                ..Atom::default()
            },
        };
        if schema.get("x-kubernetes-embedded-resource") == Some(&Value::Bool(true)) {
            self.add_type_meta(&mut atom);
        }
        atom
    }

    fn map(&mut self, schema: &Value, around: Around<'_>) -> MapType {
        let mut fields = Vec::new();
        if let Some(Value::Object(properties)) = schema.get("properties") {
            for (name, property) in properties {
                let go = self.facts.go_field(around.definition, name);
                fields.push(Field {
                    name: name.as_str().into(),
                    kind: self.reference(property, around),
                    patch: patch_rule(property),
                    go,
                });
            }
        }
        let element = match schema.get("additionalProperties") {
            None if around.preserve_unknown || fields.is_empty() => Some(DEDUCED),
            None | Some(Value::Bool(false)) => None,
            Some(Value::Object(inner)) if inner.is_empty() => Some(DEDUCED),
            Some(inner @ Value::Object(_)) => Some(self.reference(inner, around)),
            Some(_) => Some(DEDUCED),
        };
        let atomic = schema.get("x-kubernetes-map-type").and_then(Value::as_str) == Some("atomic");
        MapType::new(fields, element, atomic)
    }

    fn list(&mut self, schema: &Value, around: Around<'_>) -> ListType {
        let (relation, names) = list_relation(schema);
        let items = schema.get("items");
        let element = match items {
            Some(items) => self.reference(items, around),
            None => UNTYPED,
        };
        let mut keys: Vec<ListKey> = names
            .into_iter()
            .map(|name| ListKey {
                default: items.and_then(|items| self.key_default(items, name)),
                name: name.into(),
            })
            .collect();
        keys.sort_by(|a, b| a.name.cmp(&b.name));
        ListType {
            element,
            relation,
            keys,
        }
    }

    fn key_default(&self, items: &Value, key: &str) -> Option<Value> {
        let items = match referred(items) {
            Some(name) => self.definitions.get(name)?,
            None => items,
        };
        items.get("properties")?.get(key)?.get("default").cloned()
    }
}

fn scalar(kind: Scalar, format: Format) -> Atom {
    Atom {
        scalar: Some(kind),
        format,
        ..Atom::default()
    }
}

/// The definition that a schema refers to, directly or in an `allOf` of one.
fn referred(schema: &Value) -> Option<&str> {
    let direct = schema.get("$ref");
    let reference = direct.or_else(|| match schema.get("allOf")?.as_array()?.as_slice() {
        [only] => only.get("$ref"),
        _ => None,
    })?;
    reference.as_str()?.rsplit('/').next()
}

fn list_relation(schema: &Value) -> (ListRelation, Vec<&str>) {
    let text = |name: &str| schema.get(name).and_then(Value::as_str);
    match text("x-kubernetes-list-type") {
        Some("set") => (ListRelation::Set, Vec::new()),
        Some("map") => {
            let keys = schema.get("x-kubernetes-list-map-keys").and_then(Value::as_array);
            let keys = keys.into_iter().flatten().filter_map(Value::as_str).collect();
            (ListRelation::Map, keys)
        }
        Some(_) => (ListRelation::Atomic, Vec::new()),
        None => match (
            text("x-kubernetes-patch-strategy"),
            text("x-kubernetes-patch-merge-key"),
        ) {
            (Some("merge" | "merge,retainKeys"), Some(key)) => (ListRelation::Map, vec![key]),
            (Some("merge" | "merge,retainKeys"), None) => (ListRelation::Set, Vec::new()),
            _ => (ListRelation::Atomic, Vec::new()),
        },
    }
}

fn patch_rule(schema: &Value) -> PatchRule {
    let strategy = schema.get("x-kubernetes-patch-strategy").and_then(Value::as_str);
    let has = |word: &str| strategy.is_some_and(|list| list.split(',').any(|one| one == word));
    let merge_key = schema.get("x-kubernetes-patch-merge-key").and_then(Value::as_str);
    PatchRule {
        merge: has("merge"),
        retain_keys: has("retainKeys"),
        replace: has("replace"),
        merge_key: merge_key.map(Into::into),
    }
}
