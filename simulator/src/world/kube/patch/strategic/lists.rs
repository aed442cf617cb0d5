//! Lists that merge item by item, and the order of what comes out.
//!
//! Knows lists and merge keys; must not know types beyond them.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{DIRECTIVE, ListRule, Merger, bad_order, no_merge_key, unknown_directive};
use crate::world::kube::api_error::ApiError;
use crate::world::kube::patch::go_text::plain;

/// Where the items of a list are, by what names them.
type Places = BTreeMap<String, usize>;

/// What names an item: its merge key's value, or itself.
fn name_of(item: &Value, key: Option<&str>) -> Option<String> {
    match key {
        Some(key) => item.get(key).map(Value::to_string),
        None => Some(item.to_string()),
    }
}

fn places(items: &[Value], key: Option<&str>) -> Places {
    let mut out = Places::new();
    for (at, item) in items.iter().enumerate() {
        if let Some(name) = name_of(item, key) {
            out.entry(name).or_insert(at);
        }
    }
    out
}

/// Takes scalars out of a list.
pub(super) fn delete_scalars(items: &mut Vec<Value>, gone: &[Value]) {
    let gone: BTreeSet<String> = gone.iter().map(Value::to_string).collect();
    items.retain(|item| !gone.contains(&item.to_string()));
}

impl Merger<'_> {
    /// Merges `changes` into `items`.
    pub(super) fn list(
        &self,
        items: &mut Vec<Value>,
        changes: Vec<Value>,
        rule: &ListRule<'_>,
    ) -> Result<(), ApiError> {
        let Some(are_maps) = element_kind(items, &changes)? else {
            return Ok(());
        };
        let live = std::mem::take(items);
        if !are_maps {
            let mut seen = BTreeSet::new();
            let both = live.iter().chain(&changes);
            let merged = both.filter(|item| seen.insert(item.to_string())).cloned().collect();
            *items = in_order(merged, &changes, &live, None)?;
            return Ok(());
        }
        let Some(key) = rule.key else {
            let text = format!("cannot merge lists without merge key for {}", rule.holder);
            return Err(super::misfit(text));
        };
        let (live, changes) = without_special(live, changes, key)?;
        let mut merged = live.clone();
        let mut found = places(&merged, Some(key));
        for change in &changes {
            let name = name_of(change, Some(key)).ok_or_else(|| no_merge_key(change, key))?;
            match found.get(&name).and_then(|at| merged.get_mut(*at)) {
                Some(Value::Object(fields)) => {
                    let change = change.as_object().cloned().unwrap_or_default();
                    self.map(fields, change, rule.item)?;
                }
                _ => {
                    found.insert(name, merged.len());
                    merged.push(change.clone());
                }
            }
        }
        *items = in_order(merged, &changes, &live, Some(key))?;
        Ok(())
    }
}

/// Whether the items are maps; None when there are none.
fn element_kind(items: &[Value], changes: &[Value]) -> Result<Option<bool>, ApiError> {
    let kind = |value: &Value| match value {
        Value::Null => 0,
        Value::Bool(_) => 1,
        Value::Number(number) if number.is_f64() => 2,
        Value::Number(_) => 3,
        Value::String(_) => 4,
        Value::Array(_) => 5,
        Value::Object(_) => 6,
    };
    let mut all = items.iter().chain(changes);
    let Some(first) = all.next() else { return Ok(None) };
    if first.is_array() {
        let mut error = ApiError::other(
            422,
            "Invalid",
            "the server rejected our request due to an error in our request",
        );
        error.details = Some(Box::default());
        return Err(error);
    }
    if all.any(|item| kind(item) != kind(first)) {
        let both = Value::Array(vec![Value::Array(items.to_vec()), Value::Array(changes.to_vec())]);
        let text = format!("list element types are not identical: {}", plain(&both));
        return Err(super::misfit(text));
    }
    Ok(Some(first.is_object()))
}

/// Carries out the directives among the changes; what is left are plain items.
fn without_special(live: Vec<Value>, changes: Vec<Value>, key: &str) -> Result<(Vec<Value>, Vec<Value>), ApiError> {
    let mut plain_items = Vec::with_capacity(changes.len());
    let mut deleted: BTreeSet<String> = BTreeSet::new();
    let mut replaces = false;
    for change in changes {
        match change.get(DIRECTIVE).cloned() {
            None => plain_items.push(change),
            Some(directive) => match directive.as_str() {
                Some("delete") => {
                    let name = name_of(&change, Some(key)).ok_or_else(|| no_merge_key(&change, key))?;
                    deleted.insert(name);
                }
                Some("replace") => replaces = true,
                Some("merge") => return Err(super::misfit("merging lists cannot yet be specified in the patch")),
                _ => {
                    let map = change.as_object().cloned().unwrap_or_default();
                    return Err(unknown_directive(&directive, map));
                }
            },
        }
    }
    if replaces {
        return Ok((plain_items, Vec::new()));
    }
    let mut live = live;
    if !deleted.is_empty() {
        live.retain(|item| name_of(item, Some(key)).is_none_or(|name| !deleted.contains(&name)));
    }
    Ok((live, plain_items))
}

/// Puts merged items in order: those that `order` names in its order, the others in the order of `live`, and the two
/// woven together by where they were in `live`.
pub(super) fn in_order(
    merged: Vec<Value>,
    order: &[Value],
    live: &[Value],
    key: Option<&str>,
) -> Result<Vec<Value>, ApiError> {
    let (wanted, were) = (places(order, key), places(live, key));
    let mut named = Vec::with_capacity(merged.len());
    for item in merged {
        match (name_of(&item, key), key) {
            (Some(name), _) => named.push((name, item)),
            (None, key) => return Err(no_merge_key(&item, key.unwrap_or_default())),
        }
    }
    let (mut ours, mut others): (Vec<_>, Vec<_>) = named.into_iter().partition(|(name, _)| wanted.contains_key(name));
    ours.sort_by_key(|(name, _)| wanted.get(name).copied());
    others.sort_by_key(|(name, _)| were.get(name).copied());
    let mut out = Vec::with_capacity(ours.len() + others.len());
    let mut ours = ours.into_iter().peekable();
    for (name, item) in others {
        let place = were.get(&name).copied();
        // One of the others goes first only when both were there and it stood in front.
        while let Some((_, our)) = ours.next_if(|(our, _)| {
            let our = were.get(our).copied();
            !matches!((place, our), (Some(place), Some(our)) if place < our)
        }) {
            out.push(our);
        }
        out.push(item);
    }
    out.extend(ours.map(|(_, item)| item));
    Ok(out)
}

/// The changed items must come in the order that the patch itself asks for.
pub(super) fn check_order(changes: &[Value], order: &[Value], key: Option<&str>) -> Result<(), ApiError> {
    if order.is_empty() || changes.is_empty() {
        return Ok(());
    }
    let mut left = changes.iter().filter(|item| item.get(DIRECTIVE).is_none()).peekable();
    for expected in order {
        let Some(item) = left.peek() else { return Ok(()) };
        let (item_name, expected_name) = match key {
            None => (Some(item.to_string()), Some(expected.to_string())),
            Some(key) => {
                for one in [*item, expected] {
                    if !one.is_object() {
                        return Err(bad_order());
                    }
                    if one.get(key).is_none() {
                        return Err(no_merge_key(one, key));
                    }
                }
                (name_of(item, Some(key)), name_of(expected, Some(key)))
            }
        };
        if item_name == expected_name {
            left.next();
        }
    }
    if left.peek().is_none() {
        return Ok(());
    }
    let (changes, order) = (
        plain(&Value::Array(changes.to_vec())),
        plain(&Value::Array(order.to_vec())),
    );
    let text = format!("The order in patch list:\n{changes}\n doesn't match $setElementOrder list:\n{order}\n");
    Err(super::misfit(text))
}
