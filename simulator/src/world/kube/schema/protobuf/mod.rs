//! Protobuf bodies of built-in kinds, as typed Go clients (kubectl among them) send them, into JSON values.
//!
//! `messages.txt` says how structs lie in protobuf; `messages.py` wrote it from the tags of the Go types. Must not know
//! kinds' rules: zero values that Go would leave out are left to `TypeSchema::normalize`.

mod special;
mod tables;
#[cfg(test)]
mod tests;
mod wire;

use serde_json::{Map, Value};

use self::tables::{Field, Shape, Struct};
use self::wire::{Reader, Wire};

/// What every protobuf body of the API begins with.
const MAGIC: &[u8] = b"k8s\0";
/// Structs inside structs; the deepest built-in kind but the schemas of CustomResourceDefinitions has about 20.
const MAX_DEPTH: usize = 100;

/// Why a body cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// It does not even say what it is of.
    Unrecognized(String),
    /// No struct is known of what it says it is of.
    Unregistered {
        /// E.g. `apps/v1`.
        api_version: String,
        /// E.g. `Deployment`.
        kind: String,
    },
    /// The object in it is broken.
    Broken {
        /// E.g. `apps/v1`.
        api_version: String,
        /// E.g. `Deployment`.
        kind: String,
        /// What is wrong.
        why: String,
    },
}

/// Reads a body; the group and version in it choose the struct.
///
/// # Errors
/// What is wrong with it.
pub fn decode(body: &[u8]) -> Result<Value, Problem> {
    let envelope = Envelope::read(body).map_err(Problem::Unrecognized)?;
    let (api_version, kind) = (envelope.api_version.to_owned(), envelope.kind.to_owned());
    let Some(message) = tables::of_kind(&api_version, &kind) else {
        return Err(Problem::Unregistered { api_version, kind });
    };
    let mut object = Map::new();
    object.insert("apiVersion".into(), envelope.api_version.into());
    object.insert("kind".into(), envelope.kind.into());
    match fill(message, envelope.raw, &mut object, 0) {
        Ok(()) => Ok(Value::Object(object)),
        Err(why) => Err(Problem::Broken { api_version, kind, why }),
    }
}

/// What lies around the object (`runtime.Unknown`). Its fields 3 and 4, content encoding and type, are never used.
#[derive(Default)]
struct Envelope<'a> {
    api_version: &'a str,
    kind: &'a str,
    raw: &'a [u8],
}

impl<'a> Envelope<'a> {
    fn read(body: &'a [u8]) -> Result<Self, String> {
        let rest = body
            .strip_prefix(MAGIC)
            .ok_or("provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]")?;
        if rest.is_empty() {
            return Err("empty body".into());
        }
        let mut envelope = Self::default();
        let mut reader = Reader::new(rest);
        while let Some((number, wire)) = reader.next()? {
            match number {
                1 => envelope.read_type(wire.bytes("typeMeta")?)?,
                2 => envelope.raw = wire.bytes("raw")?,
                _ => {}
            }
        }
        Ok(envelope)
    }

    fn read_type(&mut self, bytes: &'a [u8]) -> Result<(), String> {
        let mut reader = Reader::new(bytes);
        while let Some((number, wire)) = reader.next()? {
            match number {
                1 => self.api_version = wire.text("apiVersion")?,
                2 => self.kind = wire.text("kind")?,
                _ => {}
            }
        }
        Ok(())
    }
}

/// Reads a struct's fields into an object. A struct that comes twice is merged.
fn fill(message: &Struct, bytes: &[u8], object: &mut Map<String, Value>, depth: usize) -> Result<(), String> {
    if depth > MAX_DEPTH {
        return Err(format!("the body is nested deeper than {MAX_DEPTH} structs"));
    }
    let mut reader = Reader::new(bytes);
    while let Some((number, wire)) = reader.next()? {
        if let Some(field) = message.field(number) {
            put(field, &wire, object, depth)?;
        }
    }
    Ok(())
}

fn put(field: &Field, wire: &Wire<'_>, object: &mut Map<String, Value>, depth: usize) -> Result<(), String> {
    let name = field.name;
    match &field.shape {
        Shape::Inline(id) => {
            let bytes = wire.bytes(name)?;
            id.get().map_or(Ok(()), |inner| fill(inner, bytes, object, depth + 1))
        }
        Shape::List(item) => {
            let list = object.entry(name).or_insert_with(|| Value::Array(Vec::new()));
            list.as_array_mut()
                .map_or(Ok(()), |list| push(item, name, wire, list, depth))
        }
        Shape::Map(item) => {
            let (key, held) = entry(item, name, wire, depth)?;
            let map = object.entry(name).or_insert_with(|| Value::Object(Map::new()));
            if let Some(map) = map.as_object_mut() {
                map.insert(key, held);
            }
            Ok(())
        }
        Shape::Struct(id) => {
            let bytes = wire.bytes(name)?;
            let slot = object.entry(name).or_insert_with(|| Value::Object(Map::new()));
            match (id.get(), slot.as_object_mut()) {
                (Some(inner), Some(slot)) => fill(inner, bytes, slot, depth + 1),
                _ => Ok(()),
            }
        }
        shape => {
            object.insert(name.to_owned(), value(shape, name, wire, depth)?);
            Ok(())
        }
    }
}

/// Adds an item to a list. Numbers may come packed, many in one field.
fn push(item: &Shape, name: &str, wire: &Wire<'_>, list: &mut Vec<Value>, depth: usize) -> Result<(), String> {
    if let (Shape::Integer | Shape::Truth, Wire::Bytes(bytes)) = (item, wire) {
        let mut reader = Reader::new(bytes);
        while let Some(number) = reader.packed()? {
            list.push(value(item, name, &number, depth)?);
        }
        return Ok(());
    }
    list.push(value(item, name, wire, depth)?);
    Ok(())
}

/// An entry of a map: key and value.
fn entry(item: &Shape, name: &str, wire: &Wire<'_>, depth: usize) -> Result<(String, Value), String> {
    let (mut key, mut held) = ("", None);
    let mut reader = Reader::new(wire.bytes(name)?);
    while let Some((number, wire)) = reader.next()? {
        match number {
            1 => key = wire.text(name)?,
            2 => held = Some(value(item, name, &wire, depth)?),
            _ => {}
        }
    }
    Ok((key.to_owned(), held.unwrap_or_else(|| special::zero(item))))
}

fn value(shape: &Shape, name: &str, wire: &Wire<'_>, depth: usize) -> Result<Value, String> {
    Ok(match shape {
        Shape::Text => wire.text(name)?.into(),
        Shape::Integer => wire.integer(name)?.into(),
        Shape::Truth => (wire.integer(name)? != 0).into(),
        Shape::Float => wire.float(name)?.into(),
        Shape::Bytes => special::base64(wire.bytes(name)?),
        Shape::Special(special) => special.decode(wire.bytes(name)?, depth)?,
        Shape::Struct(id) | Shape::Inline(id) => {
            let mut object = Map::new();
            if let Some(message) = id.get() {
                fill(message, wire.bytes(name)?, &mut object, depth + 1)?;
            }
            Value::Object(object)
        }
        Shape::List(_) | Shape::Map(_) => return Err("a list of lists cannot be".into()),
    })
}
