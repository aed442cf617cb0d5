//! Conversions between types.

use crate::world::kube::crd::cel::value::{Evaluated, Val, failed};
use crate::world::kube::crd::cel::{duration, time};

use super::{overflow, show_duration};

pub(super) fn to<'a>(name: &str, value: &Val<'a>) -> Evaluated<'a> {
    match name {
        "dyn" => Ok(value.clone()),
        "type" => Ok(Val::Type(value.type_name())),
        "int" => to_int(value),
        "uint" => to_uint(value),
        "double" => to_double(value),
        "string" => to_string(value),
        "bool" => match value {
            Val::Bool(_) => Ok(value.clone()),
            Val::String(text) => match text.as_ref() {
                "1" | "t" | "T" | "true" | "TRUE" | "True" => Ok(Val::Bool(true)),
                "0" | "f" | "F" | "false" | "FALSE" | "False" => Ok(Val::Bool(false)),
                _ => failed(format!("strconv.ParseBool: parsing {text:?}: invalid syntax")),
            },
            _ => failed("no such overload"),
        },
        "bytes" => match value {
            Val::Bytes(_) => Ok(value.clone()),
            Val::String(text) => Ok(Val::Bytes(text.as_bytes().into())),
            _ => failed("no such overload"),
        },
        "duration" => match value {
            Val::Duration(_) => Ok(value.clone()),
            Val::Int(nanos) => Ok(Val::Duration(*nanos)),
            Val::String(text) => match duration::parse(text) {
                Some(nanos) => Ok(Val::Duration(nanos)),
                None => failed(format!("time: invalid duration {text:?}")),
            },
            _ => failed("no such overload"),
        },
        _ => match value {
            Val::Timestamp(_) => Ok(value.clone()),
            Val::Int(seconds) => match jiff::Timestamp::from_second(*seconds) {
                Ok(at) => Ok(Val::Timestamp(at)),
                Err(_) => overflow("timestamp"),
            },
            Val::String(text) => match time::parse(text) {
                Some(at) => Ok(Val::Timestamp(at)),
                None => failed(format!("parsing time {text:?}: cannot parse as timestamp")),
            },
            _ => failed("no such overload"),
        },
    }
}

fn to_int<'a>(value: &Val<'a>) -> Evaluated<'a> {
    match value {
        Val::Int(_) => Ok(value.clone()),
        Val::Uint(number) => i64::try_from(*number).map_or_else(|_| overflow("integer"), |number| Ok(Val::Int(number))),
        #[expect(clippy::cast_possible_truncation, reason = "the range is checked")]
        Val::Double(number) if number.abs() < 9.2e18 => Ok(Val::Int(*number as i64)),
        Val::Double(_) => overflow("integer"),
        Val::Timestamp(at) => Ok(Val::Int(at.as_second())),
        Val::Duration(nanos) => Ok(Val::Int(*nanos)),
        Val::String(text) => match text.parse() {
            Ok(number) => Ok(Val::Int(number)),
            Err(_) => failed(format!("strconv.ParseInt: parsing {text:?}: invalid syntax")),
        },
        _ => failed("no such overload"),
    }
}

fn to_uint<'a>(value: &Val<'a>) -> Evaluated<'a> {
    let big = || overflow("unsigned integer");
    match value {
        Val::Uint(_) => Ok(value.clone()),
        Val::Int(number) => u64::try_from(*number).map_or_else(|_| big(), |number| Ok(Val::Uint(number))),
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "the range is checked"
        )]
        Val::Double(number) if (0.0..1.8e19).contains(number) => Ok(Val::Uint(*number as u64)),
        Val::Double(_) => big(),
        Val::String(text) => match text.parse() {
            Ok(number) => Ok(Val::Uint(number)),
            Err(_) => failed(format!("strconv.ParseUint: parsing {text:?}: invalid syntax")),
        },
        _ => failed("no such overload"),
    }
}

fn to_double<'a>(value: &Val<'a>) -> Evaluated<'a> {
    match value {
        Val::Double(_) => Ok(value.clone()),
        #[expect(clippy::cast_precision_loss, reason = "what the conversion means")]
        Val::Int(number) => Ok(Val::Double(*number as f64)),
        #[expect(clippy::cast_precision_loss, reason = "what the conversion means")]
        Val::Uint(number) => Ok(Val::Double(*number as f64)),
        Val::String(text) => match text.parse() {
            Ok(number) => Ok(Val::Double(number)),
            Err(_) => failed(format!("strconv.ParseFloat: parsing {text:?}: invalid syntax")),
        },
        _ => failed("no such overload"),
    }
}

fn to_string<'a>(value: &Val<'a>) -> Evaluated<'a> {
    Ok(match value {
        Val::String(_) => value.clone(),
        Val::Bool(value) => Val::text(value.to_string()),
        Val::Int(value) => Val::text(value.to_string()),
        Val::Uint(value) => Val::text(value.to_string()),
        Val::Double(value) => Val::text(value.to_string()),
        Val::Duration(nanos) => Val::text(show_duration(*nanos)),
        Val::Timestamp(at) => Val::text(at.to_string()),
        Val::Bytes(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => Val::text(text),
            Err(_) => return failed("invalid UTF-8 in bytes, cannot convert to string"),
        },
        Val::Foreign(_) => return super::foreign::call("string", false, std::slice::from_ref(value)),
        _ => return failed("no such overload"),
    })
}
