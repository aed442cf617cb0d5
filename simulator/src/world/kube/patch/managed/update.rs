//! What creates, updates and patches that are no applies leave in managedFields.
//!
//! Knows entries and field sets; must not know how the new object came about.

use serde_json::Value;

use super::entries::{self, Entries, Entry};
use super::fields::{Changes, compare};
use super::fresh::fields_of_new;
use super::set::Set;
use super::{Stamp, reset};
use crate::world::kube::schema::TypeSchema;

/// Rewrites `metadata.managedFields` of an object that is about to be stored: the writer owns what it added or
/// changed, the others lose what it changed or removed. `old` is None on create.
///
/// An object whose managedFields were cleared is no longer tracked until it is applied to.
pub fn update(schema: &TypeSchema, old: Option<&Value>, new: &mut Value, stamp: &Stamp<'_>) {
    let sent = entries::take(new);
    let kept = old.and_then(entries::stored);
    let trusted = sent
        .as_ref()
        .filter(|_| stamp.subresource.is_empty() && sent.as_ref() != kept);
    let trusted = trusted.filter(|fields| entries::are_well_formed(Some(fields)));
    let reset = stamp.subresource.is_empty() && entries::is_reset(sent.as_ref());
    let before = if reset {
        Vec::new()
    } else {
        match entries::read(trusted) {
            Some(entries) if !entries.is_empty() => entries,
            _ => entries::read(kept).unwrap_or_default(),
        }
    };
    if before.is_empty() && old.is_some() {
        return;
    }
    if before.is_empty() && stamp.subresource.is_empty() {
        let fields = fields_of_new(schema, new);
        if !fields.is_empty() {
            let entry = Entry::new(stamp.manager, false, stamp, Set::default());
            let entry = entry.write_with(Value::Object(fields));
            entries::put(new, Some(Value::Array(vec![entry])));
        }
        return;
    }
    let fields = {
        let zero = schema.zero();
        let changes = compare(schema, old.unwrap_or(zero), new);
        let after = record(schema, before, changes, stamp, stamp.manager);
        entries::write(after)
    };
    entries::put(new, fields);
}

/// The entries after an update by `manager` that made `changes`.
pub(super) fn record<'a>(
    schema: &TypeSchema,
    mut before: Entries<'a>,
    changes: Changes<'a>,
    stamp: &Stamp<'a>,
    manager: &'a str,
) -> Entries<'a> {
    if changes.is_empty() {
        return before;
    }
    let written = reset::filtered(schema, stamp, changes.modified.union(changes.added));
    if !before.is_empty() {
        let removed = reset::filtered(schema, stamp, changes.removed);
        before.retain_mut(|entry| lose(entry, &written, &removed));
    }
    let own = written.difference(reset::always());
    if !own.is_empty() {
        let mut entry = Entry::new(manager, false, stamp, own);
        match before.iter_mut().find(|other| other.is_same_manager(&entry)) {
            Some(same) => {
                let both = entry.take_set().union(same.take_set());
                entry.set_to(both);
                *same = entry;
            }
            None => before.push(entry),
        }
    }
    entries::cap(&mut before);
    before
}

/// Takes from an entry what another manager wrote or removed. Whether anything is left.
pub(super) fn lose(entry: &mut Entry<'_>, written: &Set<'_>, removed: &Set<'_>) -> bool {
    let set = entry.set();
    if set.meets(written) || set.meets(removed) {
        let left = entry.take_set().difference(written).difference(removed);
        entry.set_to(left);
    }
    !entry.set().is_empty()
}
