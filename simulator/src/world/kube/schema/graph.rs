//! Types as a graph in one arena: cheap to share, recursive types welcome.
//!
//! Knows what a type may hold and how it merges; must not know where schemas come from.

use serde_json::Value;

use super::facts::{GoField, WhenEmpty};

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
    /// RFC 3339 time with six digits below the second.
    MicroTime,
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
    fields: Vec<Field>,
    /// Where each field is, sorted by the hash of its name: lookups are most of the work on a small object, and
    /// comparing numbers is cheaper than comparing names.
    index: Vec<(u64, usize)>,
    /// Indexes of the fields that the encoder writes even when they are empty.
    written: Vec<usize>,
    /// Type of other keys; None forbids them.
    pub(crate) element: Option<TypeId>,
    /// Whether it merges as one value.
    pub(crate) atomic: bool,
}

/// The ends of a name and its length in one number. Names that share it are told apart by comparing them.
fn hash(name: &str) -> u64 {
    let bytes = name.as_bytes();
    let word = |chunk: Option<&[u8; 8]>| {
        chunk.map_or_else(
            || bytes.iter().fold(0, |word, byte| word << 8 | u64::from(*byte)),
            |chunk| u64::from_le_bytes(*chunk),
        )
    };
    let (head, tail) = (word(bytes.first_chunk()), word(bytes.last_chunk()));
    (head ^ tail.rotate_left(29)).wrapping_add(u64::try_from(bytes.len()).unwrap_or_default())
}

impl MapType {
    /// With these fields.
    pub(crate) fn new(mut fields: Vec<Field>, element: Option<TypeId>, atomic: bool) -> Self {
        fields.sort_by(|a, b| a.name.cmp(&b.name));
        let mut index: Vec<(u64, usize)> = fields.iter().enumerate().map(|(at, f)| (hash(&f.name), at)).collect();
        index.sort_unstable();
        let writes = |(at, field): (usize, &Field)| (field.go.when_empty == WhenEmpty::Write).then_some(at);
        Self {
            written: fields.iter().enumerate().filter_map(writes).collect(),
            fields,
            index,
            element,
            atomic,
        }
    }

    /// The same with more fields; one of the same name takes the other's place.
    pub(crate) fn with(self, more: Vec<Field>) -> Self {
        let mut fields = self.fields;
        fields.retain(|field| more.iter().all(|other| other.name != field.name));
        fields.extend(more);
        Self::new(fields, self.element, self.atomic)
    }

    /// The fields that the encoder writes even when they are empty.
    pub(crate) fn written(&self) -> impl Iterator<Item = &Field> {
        self.written.iter().filter_map(|at| self.fields.get(*at))
    }

    /// A declared field.
    pub(crate) fn field(&self, name: &str) -> Option<&Field> {
        if self.index.is_empty() {
            return None;
        }
        let wanted = hash(name);
        let from = self.index.partition_point(|(hash, _)| *hash < wanted);
        let same = self.index.iter().skip(from).take_while(|(hash, _)| *hash == wanted);
        let mut fields = same.filter_map(|(_, at)| self.fields.get(*at));
        fields.find(|field| *field.name == *name)
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
            map: Some(MapType::new(Vec::new(), Some(element), atomic)),
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
