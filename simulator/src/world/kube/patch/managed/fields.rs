//! Which fields an object has, and which differ between two objects.
//!
//! Knows types and values; must not know managers.

use serde_json::{Map, Value};

use super::check::fits;
use super::set::{Elem, Node, Set};
use super::shape::{Shape, element, is_hollow, shape, type_at};
use crate::world::kube::schema::TypeSchema;
use crate::world::kube::schema::graph::{DEDUCED, ListType, MapType, TypeId};

/// The fields of an object: scalars, list items, map keys, and what holds nothing.
pub(super) fn field_set<'v>(schema: &TypeSchema, object: &'v Value) -> Set<'v> {
    field_set_of(schema, object).0
}

/// The fields of an applied configuration, and whether it fits its type as far as can be seen on the way.
pub(super) fn field_set_of<'v>(schema: &TypeSchema, config: &'v Value) -> (Set<'v>, bool) {
    let mut walk = FieldWalk { schema, fits: true };
    let (_, set) = walk.value(schema.root(), config);
    (set, walk.fits)
}

struct FieldWalk<'s> {
    schema: &'s TypeSchema,
    fits: bool,
}

impl<'s> FieldWalk<'s> {
    /// Whether the value itself is a member, and the members below it.
    fn value<'v>(&mut self, id: TypeId, value: &'v Value) -> (bool, Set<'v>) {
        let schema: &'s TypeSchema = self.schema;
        match (shape(schema, id, value), value) {
            (Shape::Leaf, _) => {
                self.fits = self.fits && fits(schema, id, value);
                (true, Set::default())
            }
            (Shape::Map(map), Value::Object(fields)) => {
                let mut nodes = Vec::with_capacity(fields.len());
                for (name, value) in fields {
                    let field = map.field(name);
                    let known = field.map(|field| field.kind).or(map.element);
                    self.fits = self.fits && known.is_some();
                    let (leaf, children) = self.value(known.unwrap_or(DEDUCED), value);
                    let hollow = value.is_null() || value.as_object().is_some_and(Map::is_empty);
                    nodes.push(Node {
                        elem: Elem::Field(name.as_str().into()),
                        member: leaf || hollow || field.is_none(),
                        children,
                    });
                }
                (false, Set::from_nodes(nodes))
            }
            (Shape::List(list), Value::Array(items)) => {
                let set = items_of(list, items, |item| self.value(list.element, item).1);
                self.fits = self.fits && set.nodes().len() == items.len();
                (false, set)
            }
            (_, other) => {
                self.fits = self.fits && other.is_null();
                (false, Set::default())
            }
        }
    }
}

/// One node for each item; items of the same name give one node with nothing below it.
fn items_of<'v>(list: &ListType, items: &'v [Value], mut below: impl FnMut(&'v Value) -> Set<'v>) -> Set<'v> {
    let mut named: Vec<(Elem<'v>, &'v Value)> = items
        .iter()
        .filter_map(|item| element(list, item).ok().map(|elem| (elem, item)))
        .collect();
    named.sort_by(|a, b| a.0.cmp(&b.0));
    let mut nodes: Vec<Node<'v>> = Vec::with_capacity(named.len());
    for (elem, item) in named {
        match nodes.last_mut() {
            Some(last) if last.elem == elem => last.children = Set::default(),
            _ => nodes.push(Node {
                elem,
                member: true,
                children: below(item),
            }),
        }
    }
    Set::from_nodes(nodes)
}

/// What changed from one object to another.
#[derive(Debug, Default)]
pub(super) struct Changes<'v> {
    pub(super) added: Set<'v>,
    pub(super) modified: Set<'v>,
    pub(super) removed: Set<'v>,
}

impl Changes<'_> {
    pub(super) fn is_empty(&self) -> bool {
        self.added.is_empty() && self.modified.is_empty() && self.removed.is_empty()
    }
}

/// Nodes of the three sets of one level, while they are being gathered.
#[derive(Default)]
struct Gathered<'v> {
    added: Vec<Node<'v>>,
    modified: Vec<Node<'v>>,
    removed: Vec<Node<'v>>,
}

impl<'v> Gathered<'v> {
    fn add(&mut self, elem: &Elem<'v>, (marks, changes): (Marks, Changes<'v>)) {
        let lists = [
            (&mut self.added, marks.added, changes.added),
            (&mut self.modified, marks.modified, changes.modified),
            (&mut self.removed, marks.removed, changes.removed),
        ];
        for (list, member, children) in lists {
            if member || !children.is_empty() {
                list.push(Node {
                    elem: elem.clone(),
                    member,
                    children,
                });
            }
        }
    }

    fn finish(self) -> Changes<'v> {
        Changes {
            added: Set::from_nodes(self.added),
            modified: Set::from_nodes(self.modified),
            removed: Set::from_nodes(self.removed),
        }
    }
}

/// What happened to a value itself. An item whose name stops being shared is both removed and added.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Marks {
    added: bool,
    modified: bool,
    removed: bool,
}

impl Marks {
    const NONE: Self = Self {
        added: false,
        modified: false,
        removed: false,
    };
    const ADDED: Self = Self {
        added: true,
        ..Self::NONE
    };
    const REMOVED: Self = Self {
        removed: true,
        ..Self::NONE
    };

    fn modified(modified: bool) -> Self {
        Self { modified, ..Self::NONE }
    }
}

/// Compares two objects; `metadata.managedFields` is left out.
pub(super) fn compare<'v>(schema: &TypeSchema, old: &'v Value, new: &'v Value) -> Changes<'v> {
    let Shape::Map(root) = shape(schema, schema.root(), new) else {
        return Changes::default();
    };
    let (Value::Object(old), Value::Object(new)) = (old, new) else {
        return Changes::default();
    };
    let mut out = Gathered::default();
    zip_keys(old, new, |name, old, new| {
        let id = type_at(root, name);
        let result = match (name, old, new) {
            ("metadata", Some(Value::Object(old)), Some(Value::Object(new))) => match shape(schema, id, &Value::Null) {
                Shape::Map(meta) => (
                    Marks::NONE,
                    compare_maps(schema, meta, Some(old), Some(new), "managedFields"),
                ),
                _ => (Marks::NONE, Changes::default()),
            },
            _ => differences(schema, id, old, new),
        };
        out.add(&Elem::Field(name.into()), result);
    });
    out.finish()
}

fn differences<'v>(
    schema: &TypeSchema,
    id: TypeId,
    old: Option<&'v Value>,
    new: Option<&'v Value>,
) -> (Marks, Changes<'v>) {
    let (old, new) = match (old, new) {
        (Some(old), Some(new)) => (old, new),
        (None, Some(new)) => {
            let added = everything(schema, id, new);
            return (
                Marks::ADDED,
                Changes {
                    added,
                    ..Changes::default()
                },
            );
        }
        (Some(old), None) => {
            let removed = everything(schema, id, old);
            return (
                Marks::REMOVED,
                Changes {
                    removed,
                    ..Changes::default()
                },
            );
        }
        (None, None) => return (Marks::NONE, Changes::default()),
    };
    let (was, is) = (shape(schema, id, old), shape(schema, id, new));
    let modified = |differ: bool| (Marks::modified(differ), Changes::default());
    if !was.same_kind(is) {
        let changes = Changes {
            added: everything(schema, id, new),
            removed: everything(schema, id, old),
            modified: Set::default(),
        };
        let leaf = matches!(was, Shape::Leaf) || matches!(is, Shape::Leaf);
        return (Marks::modified(leaf), changes);
    }
    if is_hollow(was, Some(old)) && is_hollow(is, Some(new)) {
        return modified(old != new);
    }
    match is {
        Shape::Leaf => modified(old != new),
        Shape::Map(map) => (
            Marks::NONE,
            compare_maps(schema, map, old.as_object(), new.as_object(), ""),
        ),
        Shape::List(list) => {
            let none: &[Value] = &[];
            let items = |value: &'v Value| value.as_array().map_or(none, Vec::as_slice);
            (Marks::NONE, compare_lists(schema, list, items(old), items(new)))
        }
    }
}

/// Whether a value itself was added or changed, and what was below it.
pub(super) fn added_or_modified<'v>(
    schema: &TypeSchema,
    id: TypeId,
    old: &'v Value,
    new: &'v Value,
) -> (bool, Set<'v>) {
    let (marks, changes) = differences(schema, id, Some(old), Some(new));
    (marks.added || marks.modified, changes.added.union(changes.modified))
}

/// Every field below a value that is there as a whole or not at all.
fn everything<'v>(schema: &TypeSchema, id: TypeId, value: &'v Value) -> Set<'v> {
    match (shape(schema, id, value), value) {
        (Shape::Map(map), Value::Object(fields)) => {
            let nodes = fields.iter().map(|(name, value)| Node {
                elem: Elem::Field(name.as_str().into()),
                member: true,
                children: everything(schema, type_at(map, name), value),
            });
            Set::from_nodes(nodes.collect())
        }
        (Shape::List(list), Value::Array(items)) => {
            items_of(list, items, |item| everything(schema, list.element, item))
        }
        _ => Set::default(),
    }
}

fn compare_maps<'v>(
    schema: &TypeSchema,
    map: &MapType,
    old: Option<&'v Map<String, Value>>,
    new: Option<&'v Map<String, Value>>,
    skipped: &str,
) -> Changes<'v> {
    let mut out = Gathered::default();
    let mut visit = |name: &'v str, old: Option<&'v Value>, new: Option<&'v Value>| {
        if name != skipped {
            let result = differences(schema, type_at(map, name), old, new);
            if result.0 != Marks::NONE || !result.1.is_empty() {
                out.add(&Elem::Field(name.into()), result);
            }
        }
    };
    match (old, new) {
        (Some(old), Some(new)) => zip_keys(old, new, visit),
        (Some(old), None) => old.iter().for_each(|(name, value)| visit(name, Some(value), None)),
        (None, Some(new)) => new.iter().for_each(|(name, value)| visit(name, None, Some(value))),
        (None, None) => {}
    }
    out.finish()
}

/// Walks two objects key by key, in order.
fn zip_keys<'v>(
    old: &'v Map<String, Value>,
    new: &'v Map<String, Value>,
    mut visit: impl FnMut(&'v str, Option<&'v Value>, Option<&'v Value>),
) {
    let (mut left, mut right) = (old.iter().peekable(), new.iter().peekable());
    loop {
        let order = match (left.peek(), right.peek()) {
            (None, None) => return,
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (Some((a, _)), Some((b, _))) => a.cmp(b),
        };
        let old = if order.is_le() { left.next() } else { None };
        let new = if order.is_ge() { right.next() } else { None };
        let Some((name, _)) = old.or(new) else { return };
        visit(name, old.map(|(_, value)| value), new.map(|(_, value)| value));
    }
}

fn compare_lists<'v>(schema: &TypeSchema, list: &ListType, old: &'v [Value], new: &'v [Value]) -> Changes<'v> {
    if old == new {
        return Changes::default();
    }
    let mut items: Vec<(Elem<'v>, bool, &'v Value)> = Vec::with_capacity(old.len() + new.len());
    let name = |is_new: bool| move |item: &'v Value| element(list, item).ok().map(|elem| (elem, is_new, item));
    items.extend(old.iter().filter_map(name(false)));
    items.extend(new.iter().filter_map(name(true)));
    // Stable: old items stay before new ones of the same name, each in their order.
    items.sort_by(|a, b| a.0.cmp(&b.0));
    let mut out = Gathered::default();
    for group in items.chunk_by(|a, b| a.0 == b.0) {
        let Some((elem, ..)) = group.first() else { continue };
        let side = |wanted: bool| {
            let values = group.iter().filter(|(_, is_new, _)| *is_new == wanted);
            values.map(|(_, _, value)| *value).collect::<Vec<&'v Value>>()
        };
        out.add(elem, compare_items(schema, list.element, &side(false), &side(true)));
    }
    out.finish()
}

/// Items of one name. Items that share a name are looked at as one value.
fn compare_items<'v>(schema: &TypeSchema, id: TypeId, old: &[&'v Value], new: &[&'v Value]) -> (Marks, Changes<'v>) {
    match (old, new) {
        ([], [one]) => differences(schema, id, None, Some(one)),
        ([one], []) => differences(schema, id, Some(one), None),
        ([old], [new]) => differences(schema, id, Some(old), Some(new)),
        ([_, _, ..], [_, _, ..]) => (Marks::modified(old != new), Changes::default()),
        ([_, _, ..], rest) => {
            let added = rest
                .first()
                .map_or_else(Set::default, |one| everything(schema, id, one));
            let marks = Marks {
                added: !rest.is_empty(),
                ..Marks::REMOVED
            };
            (
                marks,
                Changes {
                    added,
                    ..Changes::default()
                },
            )
        }
        (rest, _) => {
            let removed = rest
                .first()
                .map_or_else(Set::default, |one| everything(schema, id, one));
            let marks = Marks {
                removed: !rest.is_empty(),
                ..Marks::ADDED
            };
            (
                marks,
                Changes {
                    removed,
                    ..Changes::default()
                },
            )
        }
    }
}
