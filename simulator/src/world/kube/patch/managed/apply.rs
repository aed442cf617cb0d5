//! Server-side apply.
//!
//! Knows entries, field sets and merging; must not know defaults, validation or admission (they come after).

use serde_json::{Map, Value};

use super::check::typed_problems;
use super::entries::{self, Entries, Entry};
use super::fields::{Changes, compare, field_set, field_set_of};
use super::merge::{changes_nothing, merge, remove, with_named_fields};
use super::set::Set;
use super::update::{lose, record};
use super::{Stamp, reset};
use crate::world::kube::api_error::{ApiError, Cause};
use crate::world::kube::schema::TypeSchema;

/// Who owns what was there before anyone applied.
const BEFORE_FIRST_APPLY: &str = "before-first-apply";
/// The manager for which client-side and server-side apply are one.
const KUBECTL: &str = "kubectl";
/// Where client-side apply keeps what it applied.
const LAST_APPLIED: &str = "kubectl.kubernetes.io/last-applied-configuration";
/// Annotations of one object may hold this many bytes in all (`TotalAnnotationSizeLimitB`).
const MAX_ANNOTATION_BYTES: usize = 256 * 1024;

/// Applies a configuration: the new object with its managedFields. When nothing changes the result is the live
/// object. `live` is None on create.
///
/// # Errors
/// 400 for another kind or for managedFields in the configuration, 500 for one that does not fit its type (as the
/// real server does), 409 with one cause a field for conflicts.
pub fn apply(
    schema: &TypeSchema,
    live: Option<&Value>,
    config: &Value,
    stamp: &Stamp<'_>,
    force: bool,
) -> Result<Value, ApiError> {
    let applied = apply_changes(schema, live, config, stamp, force)?;
    Ok(applied.unwrap_or_else(|| live.cloned().unwrap_or_default()))
}

/// As `apply`, but None when nothing changes: the live object then need not be copied.
///
/// # Errors
/// As `apply`.
pub fn apply_changes(
    schema: &TypeSchema,
    live: Option<&Value>,
    config: &Value,
    stamp: &Stamp<'_>,
    force: bool,
) -> Result<Option<Value>, ApiError> {
    check_header(config, stamp)?;
    let (applied, fits) = field_set_of(schema, config);
    if !fits {
        check_type(schema, config)?;
    }
    let before = match live {
        None => Vec::new(),
        Some(object) => {
            let before = entries::read(entries::stored(object))
                .ok_or_else(|| ApiError::other(500, "", "failed to decode managed fields"))?;
            if before.is_empty() {
                let untracked = compare(schema, schema.zero(), object);
                record(schema, before, untracked, stamp, BEFORE_FIRST_APPLY)
            } else {
                before
            }
        }
    };
    let job = Apply {
        schema,
        live,
        config,
        stamp,
    };
    job.run(before, reset::filtered(schema, stamp, applied), force)
}

/// Whether two objects differ in nothing but the times of their managedFields: then the write is none.
#[must_use]
pub fn unchanged_but_for_times(old: &Value, new: &Value) -> bool {
    let (Some(old_fields), Some(new_fields)) = (old.as_object(), new.as_object()) else {
        return old == new;
    };
    old_fields.len() == new_fields.len()
        && old_fields
            .iter()
            .zip(new_fields)
            .all(|((old_name, old), (new_name, new))| {
                old_name == new_name
                    && if old_name == "metadata" {
                        same_metadata(old, new)
                    } else {
                        old == new
                    }
            })
}

fn same_metadata(old: &Value, new: &Value) -> bool {
    let (Some(old), Some(new)) = (old.as_object(), new.as_object()) else {
        return old == new;
    };
    let without = |name: &&String| name.as_str() != "managedFields";
    let rest = old.keys().filter(without).eq(new.keys().filter(without))
        && old
            .iter()
            .filter(|(name, _)| without(name))
            .all(|(name, value)| new.get(name) == Some(value));
    let entries = |fields: Option<&'_ Value>| fields.and_then(Value::as_array).cloned().unwrap_or_default();
    let timeless = |mut entry: Value| {
        if let Some(entry) = entry.as_object_mut() {
            entry.remove("time");
        }
        entry
    };
    let list = |fields: Option<&Value>| {
        let mut list: Vec<String> = entries(fields)
            .into_iter()
            .map(|entry| timeless(entry).to_string())
            .collect();
        list.sort();
        list
    };
    let (a, b) = (old.get("managedFields"), new.get("managedFields"));
    rest && (a == b || list(a) == list(b))
}

fn check_header(config: &Value, stamp: &Stamp<'_>) -> Result<(), ApiError> {
    let text = |name: &str| config.get(name).and_then(Value::as_str).unwrap_or_default();
    if text("apiVersion") != stamp.api_version || text("kind") != stamp.kind {
        return Err(ApiError::bad_request(format!(
            "invalid object type: {}",
            shown_type(config)
        )));
    }
    if entries::stored(config).is_some() {
        return Err(ApiError::bad_request("metadata.managedFields must be nil"));
    }
    Ok(())
}

/// `apps/v1, Kind=Deployment`
fn shown_type(config: &Value) -> String {
    let text = |name: &str| config.get(name).and_then(Value::as_str).unwrap_or_default();
    let (version, kind) = (text("apiVersion"), text("kind"));
    let slash = if version.contains('/') { "" } else { "/" };
    format!("{slash}{version}, Kind={kind}")
}

fn check_type(schema: &TypeSchema, config: &Value) -> Result<(), ApiError> {
    let problems = typed_problems(schema, config);
    let text = match problems.as_slice() {
        [] => return Ok(()),
        [one] => one.clone(),
        many => format!("errors:\n  {}", many.join("\n  ")),
    };
    let metadata = config.get("metadata");
    let meta = |name: &str| {
        metadata
            .and_then(|m| m.get(name))
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let what = format!("{}/{}; {}", meta("namespace"), meta("name"), shown_type(config));
    let text = format!("failed to create typed patch object ({what}): {text}");
    Err(ApiError::other(500, "", text))
}

/// One apply under way.
struct Apply<'a> {
    schema: &'a TypeSchema,
    live: Option<&'a Value>,
    config: &'a Value,
    stamp: &'a Stamp<'a>,
}

impl<'a> Apply<'a> {
    /// None when nothing changes.
    fn run(&self, mut before: Entries<'a>, applied: Set<'a>, force: bool) -> Result<Option<Value>, ApiError> {
        let own = Entry::new(self.stamp.manager, true, self.stamp, Set::default());
        let place = before.iter().position(|entry| entry.is_same_manager(&own));
        let mut last = place.map(|at| before.remove(at));
        let own_set = applied.difference(reset::always());
        let merges_in = self
            .live
            .is_none_or(|live| !changes_nothing(self.schema, live, self.config));
        let same_set = last
            .as_mut()
            .is_some_and(|last| last.api_version == self.stamp.api_version && last.owns_just(&own_set));
        if same_set && !merges_in && self.live.is_some_and(|live| entries::stored(live).is_some()) {
            return Ok(None);
        }

        let mut object = self
            .live
            .map_or_else(|| Value::Object(Map::new()), without_managed_fields);
        if merges_in {
            merge(self.schema, &mut object, self.config);
        }
        let mut pruned = false;
        let mut is_changed = self.live.is_none();
        if let Some(last) = &mut last
            && !same_set
            && !last.set().is_within(&own_set)
        {
            pruned = self.prune(&mut object, last.set(), &mut before);
        }
        if let Some(live) = self.live
            && (merges_in || pruned)
        {
            let changes = compare(self.schema, live, &object);
            // Other order of a list's items counts, although nobody owns an order.
            is_changed = !changes.is_empty() || without_managed_fields(live) != object;
            if !changes.is_empty() {
                self.settle(&mut before, changes, force)?;
            }
        }
        if !own_set.is_empty() {
            let mut own = Entry::new(self.stamp.manager, true, self.stamp, own_set);
            if !is_changed {
                // Who changes no value has no time, or keeps the one that it had.
                own.time = last.map(|last| last.time).unwrap_or_default();
            }
            before.push(own);
        }
        let fields = entries::write(before);
        entries::put(&mut object, fields);
        if self.stamp.manager == KUBECTL {
            note_last_applied(&mut object, self.config);
        }
        Ok(Some(object))
    }

    /// Conflicts, and what the others lose.
    fn settle(&self, others: &mut Entries<'a>, changes: Changes<'_>, force: bool) -> Result<(), ApiError> {
        let written = reset::filtered(self.schema, self.stamp, changes.modified.union(changes.added));
        let removed = reset::filtered(self.schema, self.stamp, changes.removed);
        if !force && others.iter_mut().any(|entry| entry.set().meets(&written)) {
            let allowed = self.allowed_by_last_applied().unwrap_or_default();
            let conflicts: Vec<(String, Vec<String>)> = others
                .iter_mut()
                .map(|entry| (entry.set().intersection(&written).difference(&allowed), entry))
                .filter(|(set, _)| !set.is_empty())
                .map(|(set, entry)| (entry.shown(), set.paths()))
                .collect();
            if !conflicts.is_empty() {
                return Err(conflict_error(conflicts));
            }
        }
        others.retain_mut(|entry| lose(entry, &written, &removed));
        Ok(())
    }

    /// Takes out what this manager applied last time, does not apply now, and nobody else owns.
    /// Whether it took out anything.
    fn prune(&self, merged: &mut Value, last: &Set<'a>, others: &mut Entries<'a>) -> bool {
        let last = with_named_fields(self.schema, last);
        let all = with_named_fields(self.schema, &field_set(self.schema, merged)).into_owned();
        let without = |fields: &Set<'_>| {
            let mut pruned = merged.clone();
            remove(self.schema, &mut pruned, fields);
            with_named_fields(self.schema, &field_set(self.schema, &pruned)).into_owned()
        };
        let left = without(&last);
        let applied = reset::filtered(self.schema, self.stamp, field_set(self.schema, self.config));
        let managed = others
            .iter_mut()
            .fold(applied, |sum, entry| sum.union(entry.set().clone()));
        let managed = with_named_fields(self.schema, &managed).into_owned();
        let left = without(&all.clone().difference(&left.union(managed)));
        let gone = all.difference(&left).intersection(&last);
        remove(self.schema, merged, &gone);
        !gone.is_empty()
    }

    /// For kubectl: fields that client-side apply set and that nobody changed since; kubectl's server-side apply
    /// takes them over without a conflict.
    fn allowed_by_last_applied(&self) -> Option<Set<'static>> {
        if self.stamp.manager != KUBECTL {
            return None;
        }
        let live = self.live?;
        let text = live.get("metadata")?.get("annotations")?.get(LAST_APPLIED)?.as_str()?;
        let last: Value = serde_json::from_str(text).ok()?;
        if last.get("apiVersion")?.as_str()? != self.stamp.api_version {
            return None;
        }
        let changes = compare(self.schema, &last, live);
        let set = field_set(self.schema, &last);
        let same = set
            .difference(&changes.modified)
            .difference(&changes.added)
            .difference(&changes.removed);
        Some(same.into_owned())
    }
}

/// A copy of an object without its managedFields, which are often its largest part.
fn without_managed_fields(object: &Value) -> Value {
    let Value::Object(fields) = object else {
        return object.clone();
    };
    let copy = |(name, value): (&String, &Value)| {
        let value = match value {
            Value::Object(metadata) if name == "metadata" => {
                let kept = metadata.iter().filter(|(name, _)| *name != "managedFields");
                Value::Object(kept.map(|(name, value)| (name.clone(), value.clone())).collect())
            }
            other => other.clone(),
        };
        (name.clone(), value)
    };
    Value::Object(fields.iter().map(copy).collect())
}

fn conflict_error(mut conflicts: Vec<(String, Vec<String>)>) -> ApiError {
    conflicts.sort();
    let count: usize = conflicts.iter().map(|(_, paths)| paths.len()).sum();
    let text = match conflicts.as_slice() {
        [(manager, paths)] if paths.len() == 1 => format!("1 conflict: conflict with {manager}: {}", paths.concat()),
        many => {
            let lines: Vec<String> = many
                .iter()
                .map(|(manager, paths)| format!("conflicts with {manager}:\n- {}", paths.join("\n- ")))
                .collect();
            format!("{count} conflicts: {}", lines.join("\n"))
        }
    };
    let causes = conflicts
        .iter()
        .flat_map(|(manager, paths)| {
            paths.iter().map(move |path| Cause {
                reason: "FieldManagerConflict".to_owned(),
                message: format!("conflict with {manager}"),
                field: path.clone(),
            })
        })
        .collect();
    ApiError::apply_conflict(format!("Apply failed with {text}"), causes)
}

/// Keeps client-side apply's annotation in step, where there is one.
fn note_last_applied(object: &mut Value, config: &Value) {
    let annotations = object
        .get_mut("metadata")
        .and_then(|m| m.get_mut("annotations"))
        .and_then(Value::as_object_mut);
    let Some(annotations) = annotations else { return };
    if annotations
        .get(LAST_APPLIED)
        .and_then(Value::as_str)
        .is_none_or(str::is_empty)
    {
        return;
    }
    let mut config = config.clone();
    if let Some(own) = config
        .get_mut("metadata")
        .and_then(|m| m.get_mut("annotations"))
        .and_then(Value::as_object_mut)
    {
        own.remove(LAST_APPLIED);
    }
    annotations.insert(LAST_APPLIED.to_owned(), format!("{config}\n").into());
    let bytes: usize = annotations
        .iter()
        .map(|(name, value)| name.len() + value.as_str().map_or(0, str::len))
        .sum();
    if bytes > MAX_ANNOTATION_BYTES {
        annotations.remove(LAST_APPLIED);
    }
}
