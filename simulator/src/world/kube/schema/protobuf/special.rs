//! Structs that Go writes in JSON in a way of their own: times, quantities, raw values, wrappers.

use jiff::Timestamp;
use serde_json::{Map, Value};

use super::tables::{Shape, named};
use super::wire::{Reader, Wire};
use crate::world::clock::{rfc3339_micros, rfc3339_secs};
use crate::world::kube::builtin::base64 as encoding;

/// A struct with a JSON form of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Special {
    /// Seconds and nanoseconds, shown in seconds.
    Time,
    /// Seconds and nanoseconds, shown in microseconds.
    MicroTime,
    /// A text.
    Quantity,
    /// A number or a text.
    IntOrString,
    /// JSON as bytes.
    Raw,
    /// A list of texts.
    Texts,
    /// A schema or a truth.
    SchemaOrBool,
    /// A schema or schemas.
    SchemaOrArray,
    /// A schema or texts.
    SchemaOrTexts,
}

/// Bytes as JSON has them.
pub(super) fn base64(bytes: &[u8]) -> Value {
    encoding::encode(bytes).into()
}

/// What a map's value is when its entry says nothing.
pub(super) fn zero(shape: &Shape) -> Value {
    match shape {
        Shape::Integer => 0.into(),
        Shape::Float => 0.0.into(),
        Shape::Truth => false.into(),
        Shape::Struct(_) | Shape::Inline(_) | Shape::Map(_) => Value::Object(Map::new()),
        Shape::List(_) => Value::Array(Vec::new()),
        Shape::Special(Special::Texts) => Value::Array(Vec::new()),
        Shape::Special(Special::Quantity) => "0".into(),
        Shape::Special(_) => Value::Null,
        Shape::Text | Shape::Bytes => "".into(),
    }
}

impl Special {
    /// By its Go name.
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "Time" => Self::Time,
            "MicroTime" => Self::MicroTime,
            "Quantity" => Self::Quantity,
            "IntOrString" => Self::IntOrString,
            "RawExtension" | "FieldsV1" | "JSON" => Self::Raw,
            "ExtraValue" | "Verbs" => Self::Texts,
            "JSONSchemaPropsOrBool" => Self::SchemaOrBool,
            "JSONSchemaPropsOrArray" => Self::SchemaOrArray,
            "JSONSchemaPropsOrStringArray" => Self::SchemaOrTexts,
            _ => return None,
        })
    }

    /// Its JSON form; `depth` counts the structs around it.
    pub(super) fn decode(self, bytes: &[u8], depth: usize) -> Result<Value, String> {
        match self {
            Self::Time => time(bytes, rfc3339_secs),
            Self::MicroTime => time(bytes, rfc3339_micros),
            Self::Quantity => text(bytes),
            Self::IntOrString => int_or_string(bytes),
            Self::Raw => raw(bytes),
            Self::Texts => texts(bytes, 1),
            Self::SchemaOrBool => {
                let schema = schemas(bytes, 2, depth)?.pop();
                Ok(match schema {
                    Some(schema) => schema,
                    None => (number(bytes, 1)? != 0).into(),
                })
            }
            Self::SchemaOrArray => {
                let many = schemas(bytes, 2, depth)?;
                if many.is_empty() {
                    return Ok(schemas(bytes, 1, depth)?.pop().unwrap_or_default());
                }
                Ok(many.into())
            }
            Self::SchemaOrTexts => match schemas(bytes, 1, depth)?.pop() {
                Some(schema) => Ok(schema),
                None => texts(bytes, 2),
            },
        }
    }
}

/// Calls `take` with every value of field `wanted`.
fn each<'a>(bytes: &'a [u8], wanted: u64, mut take: impl FnMut(Wire<'a>) -> Result<(), String>) -> Result<(), String> {
    let mut reader = Reader::new(bytes);
    while let Some((number, wire)) = reader.next()? {
        if number == wanted {
            take(wire)?;
        }
    }
    Ok(())
}

fn time(bytes: &[u8], show: fn(Timestamp) -> String) -> Result<Value, String> {
    if bytes.is_empty() {
        return Ok(Value::Null);
    }
    let (secs, nanos) = (number(bytes, 1)?, number(bytes, 2)?);
    let nanos = i32::try_from(nanos).map_err(|_| "a time is out of range")?;
    let at = Timestamp::new(secs, nanos).map_err(|_| "a time is out of range")?;
    Ok(show(at).into())
}

/// Field `wanted` as a number; 0 when absent.
fn number(bytes: &[u8], wanted: u64) -> Result<i64, String> {
    let mut found = 0;
    each(bytes, wanted, |wire| {
        found = wire.integer("value")?;
        Ok(())
    })?;
    Ok(found)
}

fn text(bytes: &[u8]) -> Result<Value, String> {
    let mut found = "";
    each(bytes, 1, |wire| {
        found = wire.text("string")?;
        Ok(())
    })?;
    Ok(found.into())
}

fn texts(bytes: &[u8], wanted: u64) -> Result<Value, String> {
    let mut found = Vec::new();
    each(bytes, wanted, |wire| {
        found.push(Value::from(wire.text("items")?));
        Ok(())
    })?;
    Ok(found.into())
}

fn schemas(bytes: &[u8], wanted: u64, depth: usize) -> Result<Vec<Value>, String> {
    let mut found = Vec::new();
    each(bytes, wanted, |wire| {
        let mut schema = Map::new();
        if let Some(message) = named("apiextensions.v1.JSONSchemaProps") {
            super::fill(message, wire.bytes("schema")?, &mut schema, depth + 1)?;
        }
        found.push(schema.into());
        Ok(())
    })?;
    Ok(found)
}

/// Type 0 is a number in field 2, type 1 a text in field 3.
fn int_or_string(bytes: &[u8]) -> Result<Value, String> {
    let mut string = "";
    each(bytes, 3, |wire| {
        string = wire.text("strVal")?;
        Ok(())
    })?;
    Ok(match number(bytes, 1)? {
        0 => number(bytes, 2)?.into(),
        _ => string.into(),
    })
}

/// JSON inside protobuf; none at all is null.
fn raw(bytes: &[u8]) -> Result<Value, String> {
    let mut found: &[u8] = &[];
    each(bytes, 1, |wire| {
        found = wire.bytes("raw")?;
        Ok(())
    })?;
    if found.is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_slice(found).map_err(|error| format!("raw JSON inside the body: {error}"))
}
