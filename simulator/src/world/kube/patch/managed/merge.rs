//! Merging an applied configuration into an object, and taking fields out of one.
//!
//! Knows types, values and field sets; must not know managers.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::set::{Elem, Node, Set};
use super::shape::{Shape, element, is_hollow, is_same_element, shape, type_at};
use crate::world::kube::schema::TypeSchema;
use crate::world::kube::schema::graph::{ListType, TypeId};

/// Merges the configuration into the object.
pub(super) fn merge(schema: &TypeSchema, live: &mut Value, config: &Value) {
    merge_at(schema, schema.root(), live, config);
}

/// Whether merging the configuration would leave the object as it is. May say no where it would: then merging shows.
pub(super) fn changes_nothing(schema: &TypeSchema, live: &Value, config: &Value) -> bool {
    same_at(schema, schema.root(), live, config)
}

/// Lists with more pairs of items than this are merged rather than looked through.
const MAX_PAIRS: usize = 4096;

fn same_at(schema: &TypeSchema, id: TypeId, live: &Value, config: &Value) -> bool {
    match (shape(schema, id, config), live, config) {
        (Shape::Map(map), Value::Object(fields), Value::Object(wanted)) if !fields.is_empty() => {
            wanted.iter().all(|(name, value)| {
                fields
                    .get(name)
                    .is_some_and(|field| same_at(schema, type_at(map, name), field, value))
            })
        }
        (Shape::List(list), Value::Array(items), Value::Array(wanted)) if !items.is_empty() => {
            if items.len().saturating_mul(wanted.len()) > MAX_PAIRS {
                return items == wanted;
            }
            let mut left = wanted.iter().peekable();
            let in_place = items.iter().all(|item| match left.peek() {
                Some(next) if is_same_element(list, item, next) => {
                    let same = same_at(schema, list.element, item, next);
                    left.next();
                    same
                }
                _ => !wanted.iter().any(|other| is_same_element(list, item, other)),
            });
            in_place && left.peek().is_none()
        }
        (_, live, config) => live == config,
    }
}

fn merge_at(schema: &TypeSchema, id: TypeId, live: &mut Value, config: &Value) {
    let (was, is) = (shape(schema, id, live), shape(schema, id, config));
    if matches!(is, Shape::Leaf) || is_hollow(was, Some(live)) || !was.same_kind(is) {
        // A null or an empty list or map does not empty what is there: what it held is pruned when it was applied.
        if matches!(is, Shape::Leaf) || !is_hollow(is, Some(config)) || is_hollow(is, Some(live)) {
            live.clone_from(config);
        }
        return;
    }
    match (is, live, config) {
        (Shape::Map(map), Value::Object(fields), Value::Object(wanted)) => {
            for (name, value) in wanted {
                match fields.get_mut(name) {
                    Some(field) => merge_at(schema, type_at(map, name), field, value),
                    None => {
                        fields.insert(name.clone(), value.clone());
                    }
                }
            }
        }
        (Shape::List(list), Value::Array(items), Value::Array(wanted)) => merge_lists(schema, list, items, wanted),
        _ => {}
    }
}

/// Items of the configuration keep their order among themselves; items that only the object has keep their places
/// relative to the shared ones. Items of the object that share a name are replaced, not merged.
fn merge_lists(schema: &TypeSchema, list: &ListType, live: &mut Vec<Value>, config: &[Value]) {
    let wanted: Result<Vec<Elem<'_>>, String> = config.iter().map(|item| element(list, item)).collect();
    let there: Result<Vec<Elem<'static>>, String> = live
        .iter()
        .map(|item| element(list, item).map(Elem::into_owned))
        .collect();
    let (Ok(wanted), Ok(there)) = (wanted, there) else {
        return;
    };
    let mut merge = ListMerge {
        schema,
        item_type: list.element,
        first_there: first_places(&there),
        is_wanted: wanted.iter().collect(),
        old: std::mem::take(live).into_iter().map(Some).collect(),
        out: Vec::with_capacity(there.len().max(wanted.len())),
    };
    merge.run(&there, &wanted, config);
    *live = merge.out;
}

/// Where each name is first, and whether it comes again.
fn first_places<'n>(names: &'n [Elem<'static>]) -> BTreeMap<&'n Elem<'static>, (usize, bool)> {
    let mut places = BTreeMap::new();
    for (at, name) in names.iter().enumerate() {
        places
            .entry(name)
            .and_modify(|(_, shared)| *shared = true)
            .or_insert((at, false));
    }
    places
}

struct ListMerge<'m> {
    schema: &'m TypeSchema,
    item_type: TypeId,
    first_there: BTreeMap<&'m Elem<'static>, (usize, bool)>,
    is_wanted: BTreeSet<&'m Elem<'m>>,
    old: Vec<Option<Value>>,
    out: Vec<Value>,
}

impl<'m> ListMerge<'m> {
    fn run(&mut self, there: &'m [Elem<'static>], wanted: &'m [Elem<'m>], config: &[Value]) {
        let mut shared = wanted
            .iter()
            .filter(|name| self.first_there.contains_key(name))
            .collect::<Vec<_>>()
            .into_iter();
        let mut next_shared = shared.next();
        let mut merged: BTreeSet<&Elem<'m>> = BTreeSet::new();
        let (mut left, mut right) = (0, 0);
        while left < there.len() || right < wanted.len() {
            let (old, new) = (there.get(left), wanted.get(right));
            if let (Some(old), Some(new)) = (old, new) {
                if old == new {
                    merged.insert(new);
                    self.take_wanted(new, config.get(right));
                    left += 1;
                    right += 1;
                    next_shared = shared.next();
                    continue;
                }
                if self.is_wanted.contains(old) && next_shared.is_some_and(|next| next != old) {
                    left += 1;
                    continue;
                }
            }
            if let Some(old) = old {
                if !self.is_wanted.contains(old) {
                    self.take_old(left);
                    left += 1;
                    continue;
                }
                if merged.contains(old) {
                    left += 1;
                }
            }
            if let Some(new) = new {
                merged.insert(new);
                self.take_wanted(new, config.get(right));
                right += 1;
                if next_shared == Some(new) {
                    next_shared = shared.next();
                }
            }
        }
    }

    fn take_old(&mut self, at: usize) {
        if let Some(item) = self.old.get_mut(at).and_then(Option::take) {
            self.out.push(item);
        }
    }

    fn take_wanted(&mut self, name: &Elem<'m>, item: Option<&Value>) {
        let Some(item) = item else { return };
        let base = match self.first_there.get(name) {
            Some((at, false)) => self.old.get_mut(*at).and_then(Option::take),
            _ => None,
        };
        match base {
            Some(mut base) => {
                merge_at(self.schema, self.item_type, &mut base, item);
                self.out.push(base);
            }
            None => self.out.push(item.clone()),
        }
    }
}

/// Takes the members of `fields` out of the value. A list or map that ends up empty becomes null, as on the real
/// server (the encoder then leaves it out, or writes null where the field is always written).
pub(super) fn remove(schema: &TypeSchema, value: &mut Value, fields: &Set<'_>) {
    remove_at(schema, schema.root(), value, fields);
}

fn remove_at(schema: &TypeSchema, id: TypeId, value: &mut Value, fields: &Set<'_>) {
    match (shape(schema, id, value), &mut *value) {
        (Shape::Map(map), Value::Object(entries)) => {
            entries.retain(|name, entry| {
                let Some(node) = fields.get(&Elem::Field(name.as_str().into())) else {
                    return true;
                };
                if !node.member && !node.children.is_empty() {
                    remove_at(schema, type_at(map, name), entry, &node.children);
                }
                !node.member
            });
            if entries.is_empty() {
                *value = Value::Null;
            }
        }
        (Shape::List(list), Value::Array(items)) => {
            items.retain_mut(|item| {
                let node = element(list, item).ok().and_then(|elem| fields.get(&elem).cloned());
                let Some(node) = node else { return true };
                if !node.member && !node.children.is_empty() {
                    remove_at(schema, list.element, item, &node.children);
                }
                !node.member
            });
            if items.is_empty() {
                *value = Value::Null;
            }
        }
        (Shape::Leaf, Value::Object(_) | Value::Array(_)) => *value = Value::Null,
        _ => {}
    }
}

/// The set with the declared fields on the way to its members as members too: otherwise a set of `a.b` would not
/// name `a`.
pub(super) fn with_named_fields<'v>(schema: &TypeSchema, set: &Set<'v>) -> Set<'v> {
    named_at(schema, Some(schema.root()), set)
}

fn named_at<'v>(schema: &TypeSchema, id: Option<TypeId>, set: &Set<'v>) -> Set<'v> {
    let atom = id.map(|id| schema.atom(id));
    let nodes = set.nodes().iter().map(|node| {
        let map = atom.and_then(|atom| atom.map.as_ref());
        let (declared, below) = match &node.elem {
            Elem::Field(name) => {
                let field = map.and_then(|map| map.field(name));
                (field.is_some(), map.and_then(|map| map.type_of(name)))
            }
            _ => (false, atom.and_then(|atom| atom.list.as_ref()).map(|list| list.element)),
        };
        Node {
            elem: node.elem.clone(),
            member: node.member || declared && !node.children.is_empty(),
            children: named_at(schema, below, &node.children),
        }
    });
    Set::from_nodes(nodes.collect())
}
