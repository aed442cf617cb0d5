//! Structs that Go writes in JSON in a way of their own: times, quantities, raw values.

use jiff::Timestamp;
use serde_json::Value;

use super::tables::Shape;
use super::wire::Reader;
use crate::world::clock::{rfc3339_micros, rfc3339_secs};
use crate::world::kube::builtin::base64 as encoding;

/// Bytes as JSON has them.
pub(super) fn base64(bytes: &[u8]) -> Value {
    encoding::encode(bytes).into()
}

/// What a map's value is when its entry says nothing.
pub(super) fn zero(shape: &Shape) -> Value {
    match shape {
        Shape::Integer => 0.into(),
        Shape::Truth => false.into(),
        Shape::Struct(_) => Value::Object(serde_json::Map::new()),
        Shape::List(_) => Value::Array(Vec::new()),
        _ => "".into(),
    }
}

/// The value of a special struct; None for an ordinary one.
pub(super) fn decode(name: &str, bytes: &[u8]) -> Result<Option<Value>, String> {
    let value = match name {
        "Time" => time(bytes, rfc3339_secs)?,
        "MicroTime" => time(bytes, rfc3339_micros)?,
        "Duration" => format!("{}ns", number(bytes, 1)?).into(),
        "Quantity" => text(bytes)?.into(),
        "IntOrString" => int_or_string(bytes)?,
        "RawExtension" | "FieldsV1" => raw(bytes)?,
        "ExtraValue" | "Verbs" => texts(bytes)?,
        _ => return Ok(None),
    };
    Ok(Some(value))
}

fn time(bytes: &[u8], show: fn(Timestamp) -> String) -> Result<Value, String> {
    let (secs, nanos) = (number(bytes, 1)?, number(bytes, 2)?);
    if bytes.is_empty() {
        return Ok(Value::Null);
    }
    let nanos = i32::try_from(nanos).map_err(|_| "a time is out of range")?;
    let at = Timestamp::new(secs, nanos).map_err(|_| "a time is out of range")?;
    Ok(show(at).into())
}

/// Field `wanted` as a number; 0 when absent.
fn number(bytes: &[u8], wanted: u64) -> Result<i64, String> {
    let mut reader = Reader::new(bytes);
    let mut found = 0;
    while let Some((number, wire)) = reader.next()? {
        if number == wanted {
            found = wire.integer()?;
        }
    }
    Ok(found)
}

fn text(bytes: &[u8]) -> Result<String, String> {
    let mut reader = Reader::new(bytes);
    let mut found = String::new();
    while let Some((number, wire)) = reader.next()? {
        if number == 1 {
            wire.text()?.clone_into(&mut found);
        }
    }
    Ok(found)
}

fn texts(bytes: &[u8]) -> Result<Value, String> {
    let mut reader = Reader::new(bytes);
    let mut found = Vec::new();
    while let Some((number, wire)) = reader.next()? {
        if number == 1 {
            found.push(Value::from(wire.text()?));
        }
    }
    Ok(found.into())
}

/// Type 0 is a number in field 2, type 1 a text in field 3.
fn int_or_string(bytes: &[u8]) -> Result<Value, String> {
    let (kind, mut reader) = (number(bytes, 1)?, Reader::new(bytes));
    let (mut int, mut string) = (0, String::new());
    while let Some((number, wire)) = reader.next()? {
        match number {
            2 => int = wire.integer()?,
            3 => wire.text()?.clone_into(&mut string),
            _ => {}
        }
    }
    Ok(if kind == 0 { int.into() } else { string.into() })
}

/// JSON inside protobuf.
fn raw(bytes: &[u8]) -> Result<Value, String> {
    let mut reader = Reader::new(bytes);
    let mut found = Value::Null;
    while let Some((number, wire)) = reader.next()? {
        if number == 1 {
            found =
                serde_json::from_slice(wire.bytes()?).map_err(|error| format!("raw JSON inside the body: {error}"))?;
        }
    }
    Ok(found)
}
