//! What the server knows of a kind's fields: types for decoding, list and map kinds for merging.
//!
//! Knows OpenAPI schemas, and facts on how the real server decodes, encodes and merges built-in types; must not
//! know requests, stored objects or defaults.

mod build;
mod decode;
mod encode;
mod facts;
pub(crate) mod graph;
mod json;
mod kinds;
pub mod protobuf;
mod quantity;
mod syntax;
#[cfg(test)]
mod tests;
mod time;

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use serde_json::Value;

use self::build::Builder;
use self::facts::Facts;
use self::graph::{Arena, Atom, DEDUCED, TypeId, UNTYPED};
use crate::world::kube::resources::Gvk;

pub use self::decode::DecodeProblems;
pub use self::json::{ParsedJson, parse_json};
pub use self::syntax::json_problem;

/// Types and merge rules of one kind. Cheap to clone.
#[derive(Clone, Debug)]
pub struct TypeSchema {
    arena: Arc<Arena>,
    root: TypeId,
    /// A built-in type: the server decodes it into a struct, and empty fields have a fixed form.
    builtin: bool,
    /// Writes of the object itself cannot set its status: there is a `status` subresource.
    resets_status: bool,
    /// The object with nothing set, as the real server encodes it.
    zero: Arc<OnceLock<Value>>,
}

impl Default for TypeSchema {
    /// A type of which nothing is known: maps merge key by key, everything else as one value.
    fn default() -> Self {
        Self::of(Arc::new(Arena::new()), DEDUCED, false)
    }
}

impl TypeSchema {
    fn of(arena: Arc<Arena>, root: TypeId, builtin: bool) -> Self {
        let mut schema = Self {
            arena,
            root,
            builtin,
            resets_status: false,
            zero: Arc::default(),
        };
        schema.resets_status = builtin && schema.has_field("status");
        schema
    }

    /// From a CustomResourceDefinition's `openAPIV3Schema`, with its `x-kubernetes-*` extensions.
    #[must_use]
    pub fn from_openapi(openapi: &Value) -> Self {
        let base = base();
        let mut builder = Builder::new(&base.definitions, &base.facts);
        let root = builder.custom(openapi);
        Self::of(Arc::new(builder.arena), root, false)
    }

    /// Says that a custom resource has a `status` subresource (built-in kinds with a status always have one).
    #[must_use]
    pub fn with_status_subresource(mut self, has: bool) -> Self {
        self.resets_status = has;
        self
    }

    /// Whether writes of the object itself cannot set its status.
    #[must_use]
    pub fn resets_status(&self) -> bool {
        self.resets_status
    }

    /// Whether the kind is built in.
    #[must_use]
    pub fn is_builtin(&self) -> bool {
        self.builtin
    }

    /// Whether the object has a top-level field of that name, e.g. `status`.
    #[must_use]
    pub fn has_field(&self, name: &str) -> bool {
        let map = self.atom(self.root).map.as_ref();
        map.is_some_and(|map| map.field(name).is_some())
    }

    pub(crate) fn root(&self) -> TypeId {
        self.root
    }

    /// The type behind an id; ids come only from the same arena, and an unknown one is an open type.
    pub(crate) fn atom(&self, id: TypeId) -> &Atom {
        static OPEN: OnceLock<Atom> = OnceLock::new();
        let atoms = &self.arena.atoms;
        let found = atoms.get(id.0 as usize).or_else(|| atoms.get(UNTYPED.0 as usize));
        found.unwrap_or_else(|| OPEN.get_or_init(Atom::default))
    }
}

struct Base {
    facts: Facts,
    definitions: BTreeMap<String, Value>,
    kinds: BTreeMap<Gvk, String>,
}

fn base() -> &'static Base {
    static BASE: OnceLock<Base> = OnceLock::new();
    BASE.get_or_init(|| {
        let facts = Facts::load();
        let definitions = kinds::definitions(&facts);
        Base {
            facts,
            definitions: definitions.schemas,
            kinds: definitions.kinds,
        }
    })
}

/// The types of a built-in kind.
#[must_use]
pub fn builtin(gvk: &Gvk) -> Option<Arc<TypeSchema>> {
    static BUILTIN: OnceLock<BTreeMap<Gvk, Arc<TypeSchema>>> = OnceLock::new();
    let all = BUILTIN.get_or_init(|| {
        let base = base();
        let mut builder = Builder::new(&base.definitions, &base.facts);
        let roots: Vec<(&Gvk, TypeId)> = base
            .kinds
            .iter()
            .map(|(gvk, name)| (gvk, builder.named(name)))
            .collect();
        let arena = Arc::new(builder.arena);
        let schema = |root| Arc::new(TypeSchema::of(Arc::clone(&arena), root, true));
        roots
            .into_iter()
            .map(|(gvk, root)| (gvk.clone(), schema(root)))
            .collect()
    });
    all.get(gvk).cloned()
}

/// OpenAPI schemas of the built-in types by definition name (`io.k8s.api.core.v1.Pod`), with merge extensions;
/// references read `#/components/schemas/NAME`.
#[must_use]
pub fn builtin_definitions() -> &'static BTreeMap<String, Value> {
    &base().definitions
}
