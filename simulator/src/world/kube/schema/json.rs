//! JSON text to values, noting fields that come twice: the last one counts, and strict field validation names them.
//!
//! Knows JSON; must not know types.

use std::fmt::{self, Write as _};

use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// What a request body held.
#[derive(Clone, Debug, PartialEq)]
pub struct ParsedJson {
    /// The value; of a field that came twice, the last.
    pub value: Value,
    /// Paths of fields that came twice: `spec.replicas`, `spec.containers[0].name`.
    pub duplicates: Vec<String>,
}

impl From<Value> for ParsedJson {
    fn from(value: Value) -> Self {
        let duplicates = Vec::new();
        Self { value, duplicates }
    }
}

/// Reads one JSON document. Nesting is bounded by the parser (128 levels).
///
/// # Errors
/// When the text is not JSON.
pub fn parse_json(text: &[u8]) -> Result<ParsedJson, serde_json::Error> {
    let mut notes = Notes::default();
    let mut reader = serde_json::Deserializer::from_slice(text);
    let value = Seed(&mut notes).deserialize(&mut reader)?;
    reader.end()?;
    Ok(ParsedJson {
        value,
        duplicates: notes.duplicates,
    })
}

/// More are not noted: the message would only grow.
const MAX_DUPLICATES: usize = 100;

#[derive(Default)]
struct Notes {
    path: Vec<Step<String>>,
    duplicates: Vec<String>,
}

/// One step of a path to a value.
#[derive(Clone, Debug)]
pub(super) enum Step<T> {
    /// A field of a struct, or of an object of which no type is known.
    Key(T),
    /// A key of a map.
    MapKey(T),
    /// An item of a list.
    Index(usize),
}

impl<T: AsRef<str>> Step<T> {
    /// `spec.containers[0].name`
    pub(super) fn render(path: &[Self]) -> String {
        let mut out = String::new();
        for step in path {
            match step {
                Self::Key(name) | Self::MapKey(name) => {
                    if !out.is_empty() {
                        out.push('.');
                    }
                    out.push_str(name.as_ref());
                }
                Self::Index(at) => {
                    let _ = write!(out, "[{at}]");
                }
            }
        }
        out
    }
}

impl Notes {
    fn duplicate(&mut self, key: &str) {
        if self.duplicates.len() < MAX_DUPLICATES {
            self.path.push(Step::Key(key.to_owned()));
            self.duplicates.push(Step::render(&self.path));
            self.path.pop();
        }
    }
}

struct Seed<'a>(&'a mut Notes);

impl<'de> DeserializeSeed<'de> for Seed<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Seed<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON value")
    }

    fn visit_bool<E>(self, v: bool) -> Result<Value, E> {
        Ok(Value::Bool(v))
    }

    fn visit_i64<E>(self, v: i64) -> Result<Value, E> {
        Ok(Value::Number(v.into()))
    }

    fn visit_u64<E>(self, v: u64) -> Result<Value, E> {
        Ok(Value::Number(v.into()))
    }

    fn visit_f64<E>(self, v: f64) -> Result<Value, E> {
        Ok(Number::from_f64(v).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, v: &str) -> Result<Value, E> {
        Ok(Value::String(v.to_owned()))
    }

    fn visit_string<E>(self, v: String) -> Result<Value, E> {
        Ok(Value::String(v))
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut out = Vec::new();
        loop {
            self.0.path.push(Step::Index(out.len()));
            let item = items.next_element_seed(Seed(&mut *self.0))?;
            self.0.path.pop();
            match item {
                Some(item) => out.push(item),
                None => return Ok(Value::Array(out)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Value, A::Error> {
        let mut out = Map::new();
        while let Some(key) = entries.next_key::<String>()? {
            if out.contains_key(&key) {
                self.0.duplicate(&key);
            }
            self.0.path.push(Step::Key(key));
            let value = entries.next_value_seed(Seed(&mut *self.0))?;
            if let Some(Step::Key(key)) = self.0.path.pop() {
                out.insert(key, value);
            }
        }
        Ok(Value::Object(out))
    }
}
