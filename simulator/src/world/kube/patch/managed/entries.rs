//! Entries of `metadata.managedFields`, read and written.
//!
//! Knows their form, their order and which entries are the same manager's; must not know how sets come about.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::set::Set;

/// Entries of updates that are kept apart; older ones are merged (`DefaultMaxUpdateManagers` of the real server).
const MAX_UPDATERS: usize = 10;
/// Under which name they are merged.
const ANCIENT: &str = "ancient-changes";

/// One manager's fields.
#[derive(Clone, Debug)]
pub(super) struct Entry<'a> {
    pub(super) manager: Cow<'a, str>,
    pub(super) is_apply: bool,
    pub(super) subresource: Cow<'a, str>,
    pub(super) api_version: Cow<'a, str>,
    pub(super) time: Cow<'a, str>,
    /// The fields, once they were looked at.
    set: Option<Set<'a>>,
    /// The entry as it is stored, while its fields are still the ones in it.
    stored: Option<&'a Value>,
}

impl<'a> Entry<'a> {
    pub(super) fn new(manager: &'a str, is_apply: bool, stamp: &super::Stamp<'a>, set: Set<'a>) -> Self {
        Self {
            manager: manager.into(),
            is_apply,
            subresource: stamp.subresource.into(),
            api_version: stamp.api_version.into(),
            time: stamp.time.into(),
            set: Some(set),
            stored: None,
        }
    }

    /// Its fields. Stored ones are read when they are first asked for: most writes touch one manager's only.
    pub(super) fn set(&mut self) -> &Set<'a> {
        let stored = self.stored;
        self.set.get_or_insert_with(|| {
            let fields = stored.and_then(|entry| entry.get("fieldsV1"));
            fields.and_then(Set::parse).unwrap_or_default()
        })
    }

    /// Its fields, to change them; whoever takes them puts others in their place.
    pub(super) fn take_set(&mut self) -> Set<'a> {
        self.set();
        self.set.take().unwrap_or_default()
    }

    /// Whether its fields are these.
    pub(super) fn owns_just(&mut self, set: &Set<'_>) -> bool {
        let fields = self.stored.and_then(|entry| entry.get("fieldsV1"));
        fields.is_some_and(|fields| set.is_written_as(fields)) || self.set() == set
    }

    fn read(entry: &'a Value) -> Option<Self> {
        let text = |name: &str| entry.get(name).and_then(Value::as_str).unwrap_or_default();
        let is_apply = match text("operation") {
            "Apply" => true,
            "Update" => false,
            _ => return None,
        };
        if text("apiVersion").is_empty() || text("fieldsType") != "FieldsV1" {
            return None;
        }
        Some(Self {
            manager: text("manager").into(),
            is_apply,
            subresource: text("subresource").into(),
            api_version: text("apiVersion").into(),
            time: text("time").into(),
            set: None,
            stored: Some(entry),
        })
    }

    /// Whether both are entries of one manager: an applier is one whatever the version, an updater is one a version.
    pub(super) fn is_same_manager(&self, other: &Entry<'_>) -> bool {
        self.is_apply == other.is_apply
            && self.manager == other.manager
            && self.subresource == other.subresource
            && (self.is_apply || self.api_version == other.api_version)
    }

    /// Puts another set in its place.
    pub(super) fn set_to(&mut self, set: Set<'a>) {
        self.set = Some(set);
        self.stored = None;
    }

    /// As conflicts name it: `"kubectl" using apps/v1`.
    pub(super) fn shown(&self) -> String {
        let mut out = format!("{:?}", self.manager);
        if !self.subresource.is_empty() {
            out.push_str(&format!(" with subresource {:?}", self.subresource));
        }
        if !self.is_apply {
            out.push_str(&format!(" using {}", self.api_version));
        }
        out
    }

    fn write(&self) -> Value {
        if let Some(stored) = self.stored {
            return stored.clone();
        }
        let fields = self.set.as_ref().map(Set::to_fields);
        self.write_with(fields.unwrap_or_else(|| Value::Object(Map::new())))
    }

    /// The entry with these fields.
    pub(super) fn write_with(&self, fields: Value) -> Value {
        let operation = if self.is_apply { "Apply" } else { "Update" };
        let texts = [
            ("apiVersion", self.api_version.as_ref()),
            ("manager", self.manager.as_ref()),
            ("operation", operation),
            ("subresource", self.subresource.as_ref()),
            ("time", self.time.as_ref()),
            ("fieldsType", "FieldsV1"),
        ];
        let mut out: Map<String, Value> = texts
            .into_iter()
            .filter(|(_, text)| !text.is_empty())
            .map(|(name, text)| (name.to_owned(), text.into()))
            .collect();
        out.insert("fieldsV1".to_owned(), fields);
        Value::Object(out)
    }

    /// The order in which entries are stored.
    fn sort_key(&self) -> (&str, &str, &str, &str, &str) {
        let operation = if self.is_apply { "Apply" } else { "Update" };
        (
            operation,
            &self.time,
            &self.manager,
            &self.api_version,
            &self.subresource,
        )
    }
}

/// The entries of an object.
pub(super) type Entries<'a> = Vec<Entry<'a>>;

/// `metadata.managedFields` of an object.
pub(super) fn stored(object: &Value) -> Option<&Value> {
    object
        .get("metadata")?
        .get("managedFields")
        .filter(|fields| !fields.is_null())
}

/// Reads managedFields; None when any entry is malformed.
pub(super) fn read(fields: Option<&Value>) -> Option<Entries<'_>> {
    match fields {
        None | Some(Value::Null) => Some(Vec::new()),
        Some(Value::Array(entries)) => {
            let mut out: Entries<'_> = Vec::with_capacity(entries.len());
            for entry in entries {
                let entry = Entry::read(entry)?;
                match out.iter_mut().find(|one| one.is_same_manager(&entry)) {
                    Some(same) => *same = entry,
                    None => out.push(entry),
                }
            }
            Some(out)
        }
        Some(_) => None,
    }
}

/// Whether a writer asks to forget who owns what: `[]` or `[{}]`.
pub(super) fn is_reset(fields: Option<&Value>) -> bool {
    let Some(Value::Array(entries)) = fields else {
        return false;
    };
    match entries.as_slice() {
        [] => true,
        [Value::Object(only)] => only.values().all(|value| value.is_null() || value == ""),
        _ => false,
    }
}

/// Writes entries in their order; None when there are none.
pub(super) fn write(mut entries: Entries<'_>) -> Option<Value> {
    if entries.is_empty() {
        return None;
    }
    entries.sort_by(|a, b| a.sort_key().cmp(&b.sort_key()));
    Some(entries.iter().map(Entry::write).collect())
}

/// Whether managedFields that a client sent can be read to the last field.
pub(super) fn are_well_formed(fields: Option<&Value>) -> bool {
    let entries = fields.and_then(Value::as_array).into_iter().flatten();
    let mut sets = entries
        .filter_map(|entry| entry.get("fieldsV1"))
        .filter(|fields| !fields.is_null());
    sets.all(|fields| Set::parse(fields).is_some())
}

/// Puts the entries into an object that has none.
pub(super) fn put(object: &mut Value, fields: Option<Value>) {
    let Some(fields) = fields else { return };
    let Some(object) = object.as_object_mut() else { return };
    let metadata = object.entry("metadata").or_insert_with(|| Value::Object(Map::new()));
    if let Some(metadata) = metadata.as_object_mut() {
        metadata.insert("managedFields".to_owned(), fields);
    }
}

/// Takes managedFields out of an object.
pub(super) fn take(object: &mut Value) -> Option<Value> {
    object.get_mut("metadata")?.as_object_mut()?.remove("managedFields")
}

/// Merges the oldest updaters of each version until no more than `MAX_UPDATERS` are left.
pub(super) fn cap(entries: &mut Entries<'_>) {
    let mut left = entries.iter().filter(|entry| !entry.is_apply).count();
    if left <= MAX_UPDATERS {
        return;
    }
    let (mut updaters, appliers): (Entries<'_>, Entries<'_>) =
        std::mem::take(entries).into_iter().partition(|e| !e.is_apply);
    updaters.sort_by(|a, b| (&a.time, a.sort_key()).cmp(&(&b.time, b.sort_key())));
    let mut bucket_of: BTreeMap<String, usize> = BTreeMap::new();
    let mut out: Entries<'_> = appliers;
    for mut entry in updaters {
        let version = entry.api_version.clone().into_owned();
        match bucket_of.get(&version).and_then(|at| out.get_mut(*at)) {
            Some(bucket) if left > MAX_UPDATERS => {
                let both = bucket.take_set().union(entry.take_set());
                bucket.set_to(both);
                bucket.manager = Cow::Borrowed(ANCIENT);
                bucket.subresource = Cow::Borrowed("");
                bucket.time = entry.time;
                left -= 1;
            }
            _ => {
                bucket_of.entry(version).or_insert(out.len());
                out.push(entry);
            }
        }
    }
    *entries = out;
}
