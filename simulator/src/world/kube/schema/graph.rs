//! Types as a graph in one arena: cheap to share, recursive types welcome.
//!
//! Knows what a type may hold and how it merges; must not know where schemas come from.

use serde_json::Value;

use super::facts::GoField;

/// Index of a type in its arena.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TypeId(pub(crate) u32);

/// Any JSON, merged as one value.
pub(crate) const UNTYPED: TypeId = TypeId(0);
/// Any JSON, merged by what it is: maps key by key, lists and scalars as one value.
pub(crate) const DEDUCED: TypeId = TypeId(1);

/// What scalars a type takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scalar {
    /// Numbers.
    Numeric,
    /// Texts.
    Text,
    /// `true` and `false`.
    Boolean,
    /// Any of them.
    Untyped,
}

/// What a value of the type may be. More than one may be set: the value then decides.
#[derive(Clone, Debug, Default)]
pub(crate) struct Atom {
    pub(crate) scalar: Option<Scalar>,
    pub(crate) list: Option<ListType>,
    pub(crate) map: Option<MapType>,
    /// How the decoder names a struct of this type: `PodSpec`; empty where it is none.
    pub(crate) struct_name: Box<str>,
    /// Values that need reading beyond their JSON type.
    pub(crate) format: Format,
}

/// Values whose text has a form.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Format {
    /// Nothing to add.
    #[default]
    None,
    /// 32-bit integer.
    Int32,
    /// 64-bit integer.
    Int64,
    /// Floating point.
    Double,
    /// Base64 text.
    Bytes,
    /// RFC 3339 time.
    Time,
    /// `resource.Quantity`.
    Quantity,
    /// `intstr.IntOrString`.
    IntOrString,
    /// Held as it comes (`RawExtension`, `JSON`, `FieldsV1`).
    Raw,
}

/// How a list merges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ListRelation {
    /// As one value.
    Atomic,
    /// As a set of scalars.
    Set,
    /// By the keys of its items.
    Map,
}

/// A list.
#[derive(Clone, Debug)]
pub(crate) struct ListType {
    pub(crate) element: TypeId,
    pub(crate) relation: ListRelation,
    /// Keys of the items, sorted by name.
    pub(crate) keys: Vec<ListKey>,
}

/// One key of a list map.
#[derive(Clone, Debug)]
pub(crate) struct ListKey {
    pub(crate) name: Box<str>,
    /// Value for items that leave the key out.
    pub(crate) default: Option<Value>,
}

/// A map or a struct.
#[derive(Clone, Debug, Default)]
pub(crate) struct MapType {
    /// Declared fields, sorted by name.
    pub(crate) fields: Vec<Field>,
    /// Type of other keys; None forbids them.
    pub(crate) element: Option<TypeId>,
    /// Whether it merges as one value.
    pub(crate) atomic: bool,
}

impl MapType {
    /// A declared field.
    pub(crate) fn field(&self, name: &str) -> Option<&Field> {
        let at = self.fields.binary_search_by(|field| (*field.name).cmp(name)).ok()?;
        self.fields.get(at)
    }

    /// The type of what `name` holds.
    pub(crate) fn type_of(&self, name: &str) -> Option<TypeId> {
        self.field(name).map(|field| field.kind).or(self.element)
    }
}

/// How a strategic merge patch treats a field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct PatchRule {
    /// Lists merge item by item.
    pub(crate) merge: bool,
    /// Keys that the patch does not name are dropped.
    pub(crate) retain_keys: bool,
    /// The whole value is replaced.
    pub(crate) replace: bool,
    /// Key of the items of a merged list.
    pub(crate) merge_key: Option<Box<str>>,
}

/// A declared field.
#[derive(Clone, Debug)]
pub(crate) struct Field {
    pub(crate) name: Box<str>,
    pub(crate) kind: TypeId,
    pub(crate) patch: PatchRule,
    pub(crate) go: GoField,
}

/// All types of one kind, or of all built-in kinds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Arena {
    pub(crate) atoms: Vec<Atom>,
}

impl Arena {
    /// An arena with the two open types in place.
    pub(crate) fn new() -> Self {
        let open = |element: TypeId, atomic: bool| Atom {
            scalar: Some(Scalar::Untyped),
            list: Some(ListType {
                element: UNTYPED,
                relation: ListRelation::Atomic,
                keys: Vec::new(),
            }),
            map: Some(MapType {
                fields: Vec::new(),
                element: Some(element),
                atomic,
            }),
            struct_name: Box::default(),
            format: Format::Raw,
        };
        Self {
            atoms: vec![open(UNTYPED, true), open(DEDUCED, false)],
        }
    }

    /// Adds a type.
    pub(crate) fn push(&mut self, atom: Atom) -> TypeId {
        let id = TypeId(u32::try_from(self.atoms.len()).unwrap_or(u32::MAX));
        self.atoms.push(atom);
        id
    }
}
