//! Strategic merge patch: a merge patch that knows which lists merge item by item, with directives for the rest.
//!
//! Knows types' patch rules; must not know ownership or defaults.

mod lists;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::go_text::plain;
use crate::world::kube::api_error::ApiError;
use crate::world::kube::schema::TypeSchema;
use crate::world::kube::schema::graph::{Field, TypeId};

/// In a map: what to do with it as a whole.
const DIRECTIVE: &str = "$patch";
/// In a map: the keys that may stay.
const RETAIN_KEYS: &str = "$retainKeys";
/// Before a list's name: the order of its items.
const ORDER: &str = "$setElementOrder";
/// Before a list's name: scalars to take out of it.
const DELETE: &str = "$deleteFromPrimitiveList";

/// Applies a strategic merge patch to an object of a built-in kind.
///
/// # Errors
/// As the real server: 400 for malformed directives, 422 for lists of lists, 500 for what does not fit the type.
pub fn strategic_merge(schema: &TypeSchema, doc: &Value, patch: &Value) -> Result<Value, ApiError> {
    let patch = match patch {
        Value::Null => return Ok(doc.clone()),
        Value::Object(fields) => fields.clone(),
        other => {
            let kind = match other {
                Value::Array(_) => "array",
                Value::String(_) => "string",
                Value::Number(_) => "number",
                _ => "bool",
            };
            let text = format!("json: cannot unmarshal {kind} into Go value of type map[string]interface {{}}");
            return Err(ApiError::bad_request(text));
        }
    };
    let mut original = doc.as_object().cloned().unwrap_or_default();
    Merger { schema }.map(&mut original, patch, Some(schema.root()))?;
    Ok(Value::Object(original))
}

/// What does not fit: a plain error inside the real server, which answers 500 with its text.
fn misfit(text: impl Into<String>) -> ApiError {
    ApiError::other(500, "", text)
}

fn bad_order() -> ApiError {
    ApiError::bad_request("invalid patch format of setElementOrder list")
}

fn no_merge_key(item: &Value, key: &str) -> ApiError {
    misfit(format!(
        "map: {} does not contain declared merge key: {key}",
        plain(item)
    ))
}

fn unknown_directive(directive: &Value, map: Map<String, Value>) -> ApiError {
    let map = plain(&Value::Object(map));
    misfit(format!("unknown patch type: {} in map: {map}", plain(directive)))
}

/// How a list is to be merged.
struct ListRule<'s> {
    merges: bool,
    key: Option<&'s str>,
    item: Option<TypeId>,
    holder: &'s str,
}

struct Merger<'s> {
    schema: &'s TypeSchema,
}

impl<'s> Merger<'s> {
    /// Merges `patch` into `original`, whose type is `id`, where it is known.
    fn map(
        &self,
        original: &mut Map<String, Value>,
        mut patch: Map<String, Value>,
        id: Option<TypeId>,
    ) -> Result<(), ApiError> {
        if let Some(directive) = patch.get(DIRECTIVE).cloned() {
            *original = match directive.as_str() {
                Some("replace") => {
                    patch.remove(DIRECTIVE);
                    patch
                }
                Some("delete") => Map::new(),
                _ => return Err(unknown_directive(&directive, patch)),
            };
            return Ok(());
        }
        retain_keys(original, &mut patch)?;
        self.ordered_lists(original, &mut patch, id)?;
        for (name, change) in patch {
            if name.starts_with(DELETE) {
                let list = listed(&name, DELETE)
                    .ok_or_else(|| ApiError::bad_request("invalid patch format of primitive list"))?;
                if let (Some(Value::Array(items)), Value::Array(gone)) = (original.get_mut(list), change) {
                    lists::delete_scalars(items, &gone);
                }
                continue;
            }
            self.field(original, name, change, id)?;
        }
        Ok(())
    }

    fn field(
        &self,
        original: &mut Map<String, Value>,
        name: String,
        mut change: Value,
        id: Option<TypeId>,
    ) -> Result<(), ApiError> {
        if change.is_null() {
            original.remove(&name);
            return Ok(());
        }
        match (original.get_mut(&name), change) {
            (Some(Value::Object(fields)), Value::Object(changes)) => {
                let field = self.declared(id, &name)?;
                if field.is_some_and(|field| field.patch.replace) {
                    *fields = changes;
                } else {
                    let below = field.map(|field| field.kind).or_else(|| self.element_of(id));
                    self.map(fields, changes, below)?;
                }
                return Ok(());
            }
            (Some(Value::Array(items)), Value::Array(changes)) => {
                let rule = self.list_rule(id, &name)?;
                if rule.merges {
                    self.list(items, changes, &rule)?;
                } else {
                    *items = changes;
                }
                return Ok(());
            }
            (_, rest) => change = rest,
        }
        discard_nulls(&mut change);
        match without_directives(change) {
            Some(value) => original.insert(name, value),
            None => original.remove(&name),
        };
        Ok(())
    }

    /// The declared field of a struct; None in maps and where no type is known.
    fn declared(&self, id: Option<TypeId>, name: &str) -> Result<Option<&'s Field>, ApiError> {
        let schema: &'s TypeSchema = self.schema;
        let Some(atom) = id.map(|id| schema.atom(id)) else {
            return Ok(None);
        };
        let Some(map) = &atom.map else { return Ok(None) };
        match map.field(name) {
            Some(field) => Ok(Some(field)),
            None if map.element.is_some() => Ok(None),
            None => {
                let holder = &atom.struct_name;
                let text = format!("unable to find api field in struct {holder} for the json field {name:?}");
                Err(misfit(text))
            }
        }
    }

    fn element_of(&self, id: Option<TypeId>) -> Option<TypeId> {
        self.schema.atom(id?).map.as_ref()?.element
    }

    fn list_rule(&self, id: Option<TypeId>, name: &str) -> Result<ListRule<'s>, ApiError> {
        let field = self.declared(id, name)?;
        let schema: &'s TypeSchema = self.schema;
        let list = field.and_then(|field| schema.atom(field.kind).list.as_ref());
        Ok(ListRule {
            merges: field.is_some_and(|field| field.patch.merge),
            key: field.and_then(|field| field.patch.merge_key.as_deref()),
            item: list.map(|list| list.element),
            holder: list.map_or("", |list| &schema.atom(list.element).struct_name),
        })
    }

    /// Lists whose order the patch gives: they are merged here, with their changes, and put in that order.
    fn ordered_lists(
        &self,
        original: &mut Map<String, Value>,
        patch: &mut Map<String, Value>,
        id: Option<TypeId>,
    ) -> Result<(), ApiError> {
        let names: Vec<String> = patch.keys().filter(|name| name.starts_with(ORDER)).cloned().collect();
        for directive in names {
            let order = match patch.remove(&directive) {
                Some(Value::Array(order)) => order,
                Some(other) => return Err(bad_kind("[]interface {}", &other)),
                None => continue,
            };
            let name = listed(&directive, ORDER).ok_or_else(bad_order)?;
            let live = original.get(name).map(array).transpose()?.cloned();
            let changes = patch.get(name).map(array).transpose()?.cloned();
            let rule = self.list_rule(id, name)?;
            lists::check_order(changes.as_deref().unwrap_or_default(), &order, rule.key)?;
            let merged = match (live.clone(), changes) {
                (None, None) => continue,
                (Some(items), None) => items,
                (None, Some(changes)) => changes.into_iter().filter_map(without_directives).collect(),
                (Some(mut items), Some(changes)) if rule.merges => {
                    self.list(&mut items, changes, &rule)?;
                    items
                }
                (Some(_), Some(changes)) => changes,
            };
            let sorted = lists::in_order(merged, &order, &live.unwrap_or_default(), rule.key)?;
            original.insert(name.to_owned(), Value::Array(sorted));
            patch.remove(name);
        }
        Ok(())
    }
}

/// The list that a directive is about: `$setElementOrder/containers` -> `containers`.
fn listed<'n>(name: &'n str, directive: &str) -> Option<&'n str> {
    name.strip_prefix(directive)?.strip_prefix('/')
}

fn array(value: &Value) -> Result<&Vec<Value>, ApiError> {
    value.as_array().ok_or_else(|| bad_kind("[]interface {}", value))
}

fn bad_kind(expected: &str, found: &Value) -> ApiError {
    let found = match found {
        Value::Null => "%!s(<nil>)",
        Value::Bool(_) => "bool",
        Value::Number(number) if number.is_f64() => "float64",
        Value::Number(_) => "int64",
        Value::String(_) => "string",
        Value::Array(_) => "[]interface {}",
        Value::Object(_) => "map[string]interface {}",
    };
    misfit(format!("expected a {expected}, but received a {found}"))
}

fn retain_keys(original: &mut Map<String, Value>, patch: &mut Map<String, Value>) -> Result<(), ApiError> {
    let Some(keys) = patch.remove(RETAIN_KEYS) else {
        return Ok(());
    };
    let bad = || ApiError::bad_request("invalid patch format of retainKeys");
    let keys = keys.as_array().ok_or_else(bad)?;
    let keys: BTreeSet<&str> = keys.iter().filter_map(Value::as_str).collect();
    let named = |(name, value): (&String, &Value)| {
        value.is_null() || name.starts_with(DELETE) || name.starts_with(ORDER) || keys.contains(name.as_str())
    };
    if !patch.iter().all(named) {
        return Err(bad());
    }
    original.retain(|name, _| keys.contains(name.as_str()));
    Ok(())
}

/// The value without the maps that carry a directive; None when it is one.
fn without_directives(value: Value) -> Option<Value> {
    match value {
        Value::Object(fields) if fields.contains_key(DIRECTIVE) => None,
        Value::Object(fields) => {
            let kept = fields
                .into_iter()
                .filter_map(|(name, value)| without_directives(value).map(|value| (name, value)));
            Some(Value::Object(kept.collect()))
        }
        Value::Array(items) => Some(Value::Array(items.into_iter().filter_map(without_directives).collect())),
        scalar => Some(scalar),
    }
}

fn discard_nulls(value: &mut Value) {
    match value {
        Value::Object(fields) => fields.retain(|_, value| {
            discard_nulls(value);
            !value.is_null()
        }),
        Value::Array(items) => items.iter_mut().for_each(discard_nulls),
        _ => {}
    }
}
