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
/// Structs inside structs; the deepest built-in kind has about 20.
const MAX_DEPTH: usize = 64;

/// Reads a body; the group and version in it choose the struct.
///
/// # Errors
/// What is wrong with it, for people.
pub fn decode(body: &[u8]) -> Result<Value, String> {
    let envelope = body
        .strip_prefix(MAGIC)
        .ok_or("the body lacks the prefix of Kubernetes' protobuf")?;
    let (mut api_version, mut kind, mut raw) = (String::new(), String::new(), &[][..]);
    let mut reader = Reader::new(envelope);
    while let Some((number, wire)) = reader.next()? {
        match (number, wire) {
            (1, Wire::Bytes(type_meta)) => {
                let mut reader = Reader::new(type_meta);
                while let Some((number, wire)) = reader.next()? {
                    match number {
                        1 => api_version = wire.text()?.to_owned(),
                        2 => kind = wire.text()?.to_owned(),
                        _ => {}
                    }
                }
            }
            (2, Wire::Bytes(bytes)) => raw = bytes,
            _ => {}
        }
    }
    let message = tables::of_kind(&api_version, &kind)
        .ok_or_else(|| format!("no protobuf form is known of kind {kind:?} in {api_version:?}"))?;
    let mut object = Map::new();
    object.insert("apiVersion".into(), api_version.into());
    object.insert("kind".into(), kind.into());
    fill(message, raw, &mut object, 0)?;
    Ok(Value::Object(object))
}

/// Reads a struct's fields into an object.
fn fill(message: &Struct, bytes: &[u8], object: &mut Map<String, Value>, depth: usize) -> Result<(), String> {
    if depth > MAX_DEPTH {
        return Err("the body is nested too deeply".into());
    }
    let mut reader = Reader::new(bytes);
    while let Some((number, wire)) = reader.next()? {
        let Some(field) = message.field(number) else { continue };
        if field.is_inline {
            if let (Shape::Struct(name), Wire::Bytes(bytes)) = (&field.shape, &wire)
                && let Some(inner) = tables::named(name)
            {
                fill(inner, bytes, object, depth + 1)?;
            }
            continue;
        }
        put(field, &wire, object, depth)?;
    }
    Ok(())
}

fn put(field: &Field, wire: &Wire<'_>, object: &mut Map<String, Value>, depth: usize) -> Result<(), String> {
    match &field.shape {
        Shape::List(item) => {
            let list = object
                .entry(field.name.as_str())
                .or_insert_with(|| Value::Array(Vec::new()));
            if let Value::Array(list) = list {
                list.push(value(item, wire, depth)?);
            }
        }
        Shape::Map(item) => {
            let Wire::Bytes(entry) = wire else {
                return Err(wire::unexpected(&field.name));
            };
            let (mut key, mut held) = (String::new(), None);
            let mut reader = Reader::new(entry);
            while let Some((number, wire)) = reader.next()? {
                match number {
                    1 => key = wire.text()?.to_owned(),
                    2 => held = Some(value(item, &wire, depth)?),
                    _ => {}
                }
            }
            let map = object
                .entry(field.name.as_str())
                .or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(map) = map {
                map.insert(key, held.unwrap_or_else(|| special::zero(item)));
            }
        }
        shape => {
            object.insert(field.name.clone(), value(shape, wire, depth)?);
        }
    }
    Ok(())
}

fn value(shape: &Shape, wire: &Wire<'_>, depth: usize) -> Result<Value, String> {
    Ok(match shape {
        Shape::Text => wire.text()?.into(),
        Shape::Integer => wire.integer()?.into(),
        Shape::Truth => (wire.integer()? != 0).into(),
        Shape::Float => wire.float()?.into(),
        Shape::Bytes => special::base64(wire.bytes()?),
        Shape::Struct(name) => match special::decode(name, wire.bytes()?)? {
            Some(value) => value,
            None => {
                let message = tables::named(name).ok_or_else(|| format!("no protobuf form is known of {name}"))?;
                let mut object = Map::new();
                fill(message, wire.bytes()?, &mut object, depth + 1)?;
                Value::Object(object)
            }
        },
        Shape::List(_) | Shape::Map(_) => return Err("a list of lists cannot be".into()),
    })
}
