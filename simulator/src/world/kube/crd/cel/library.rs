//! Operators and functions on values. What Kubernetes' own libraries do with URLs, addresses, quantities, versions and
//! named formats, and cel-go's string functions, comes from `kube-cel`; the rest is here.

mod convert;
mod foreign;
mod lists;
mod operators;

use super::functions::{Overload, T};
use super::value::{EvalError, Evaluated, Val, failed};
use super::{duration, time};
use crate::world::kube::crd::pattern;

/// Calls a function; `member`: the first value stood before the dot.
pub(crate) fn call<'a>(name: &str, member: bool, values: &[Val<'a>]) -> Evaluated<'a> {
    if name.starts_with(['_', '!', '-', '@']) {
        return operators::apply(name, values);
    }
    if let Some(result) = lists::call(name, values) {
        return result;
    }
    match (name, values) {
        ("size", [value]) => match value {
            Val::String(text) => Ok(Val::Int(length(text.chars().count()))),
            Val::Bytes(_) | Val::List(_) | Val::Map(_) | Val::Json(..) => {
                Ok(Val::Int(i64::try_from(value.size()).unwrap_or(i64::MAX)))
            }
            _ => failed("no such overload"),
        },
        ("contains", [Val::String(text), Val::String(part)]) => Ok(Val::Bool(text.contains(part.as_ref()))),
        ("startsWith", [Val::String(text), Val::String(part)]) => Ok(Val::Bool(text.starts_with(part.as_ref()))),
        ("endsWith", [Val::String(text), Val::String(part)]) => Ok(Val::Bool(text.ends_with(part.as_ref()))),
        ("matches", [Val::String(text), Val::String(source)]) => match pattern::compile(source) {
            Ok(regex) => Ok(Val::Bool(regex.is_match(text))),
            Err(error) => failed(error),
        },
        ("find" | "findAll", [Val::String(text), Val::String(source)]) => find(name, text, source, -1),
        ("findAll", [Val::String(text), Val::String(source), Val::Int(most)]) => find(name, text, source, *most),
        (
            "int" | "uint" | "double" | "string" | "bool" | "bytes" | "duration" | "timestamp" | "type" | "dyn",
            [value],
        ) => convert::to(name, value),
        (_, [Val::Timestamp(at)]) if name.starts_with("get") => part(time::part(*at, name, "")),
        (_, [Val::Timestamp(at), Val::String(zone)]) if name.starts_with("get") => part(time::part(*at, name, zone)),
        (_, [Val::Duration(nanos)]) => match name {
            "getHours" => Ok(Val::Int(nanos / 3_600_000_000_000)),
            "getMinutes" => Ok(Val::Int(nanos / 60_000_000_000)),
            "getSeconds" => Ok(Val::Int(nanos / 1_000_000_000)),
            "getMilliseconds" => Ok(Val::Int(nanos / 1_000_000 % 1_000)),
            _ => failed("no such overload"),
        },
        ("optional.of", [value]) => Ok(Val::Optional(Some(value.clone().into()))),
        ("optional.none", []) => Ok(Val::Optional(None)),
        ("optional.ofNonZeroValue", [value]) => Ok(Val::Optional((!is_zero(value)).then(|| value.clone().into()))),
        ("hasValue", [Val::Optional(value)]) => Ok(Val::Bool(value.is_some())),
        ("value", [Val::Optional(Some(value))]) => Ok(value.as_ref().clone()),
        ("value", [Val::Optional(None)]) => failed("optional.none() dereference"),
        ("or", [first @ Val::Optional(value), second]) => {
            Ok(if value.is_some() { first.clone() } else { second.clone() })
        }
        ("orValue", [Val::Optional(value), other]) => Ok(value
            .as_ref()
            .map_or_else(|| other.clone(), |value| value.as_ref().clone())),
        _ => foreign::call(name, member, values),
    }
}

/// The first match or none as an empty text; or at most `most` of them, all if that is negative, as Go counts.
fn find<'a>(name: &str, text: &str, source: &str, most: i64) -> Evaluated<'a> {
    let regex = match pattern::compile(source) {
        Ok(regex) => regex,
        Err(error) => return failed(error),
    };
    if name == "find" {
        return Ok(Val::text(regex.find(text).map_or("", |found| found.as_str())));
    }
    let most = usize::try_from(most).unwrap_or(usize::MAX);
    let found = regex.find_iter(text).take(most);
    Ok(Val::list(found.map(|found| Val::text(found.as_str())).collect()))
}

fn part<'a>(value: Option<i64>) -> Evaluated<'a> {
    value.map_or_else(|| failed("unknown time zone"), |value| Ok(Val::Int(value)))
}

fn length(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

fn is_zero(value: &Val<'_>) -> bool {
    match value {
        Val::Null | Val::Bool(false) | Val::Int(0) | Val::Uint(0) | Val::Duration(0) | Val::Optional(None) => true,
        Val::Double(value) => *value == 0.0,
        Val::String(_) | Val::Bytes(_) | Val::List(_) | Val::Map(_) | Val::Json(..) => value.size() == 0,
        _ => false,
    }
}

/// Whether values have the types of an overload, as far as the cost depends on it.
pub(crate) fn fits(overload: &Overload, values: &[Val<'_>]) -> bool {
    let fits = |(param, value): (&T, &Val<'_>)| match param {
        T::Str => matches!(value, Val::String(_)),
        T::Bytes => matches!(value, Val::Bytes(_)),
        T::Int => matches!(value, Val::Int(_)),
        T::Uint => matches!(value, Val::Uint(_)),
        T::Double => matches!(value, Val::Double(_)),
        T::Bool => matches!(value, Val::Bool(_)),
        T::List | T::ListStr | T::ListInt | T::ListDouble => value.type_name() == "list",
        T::Map => value.type_name() == "map",
        _ => true,
    };
    overload.params.len() == values.len() && overload.params.iter().zip(values).all(fits)
}

fn overflow<T>(kind: &str) -> Result<T, EvalError> {
    failed(format!("{kind} overflow"))
}

fn show_duration(nanos: i64) -> String {
    // CEL prints seconds only, e.g. `90.5s`.
    match duration::show(nanos) {
        text if text.contains(['h', 'm', 'µ', 'n']) => {
            let (whole, rest) = (nanos / 1_000_000_000, (nanos % 1_000_000_000).unsigned_abs());
            let fraction = format!("{rest:09}");
            let fraction = fraction.trim_end_matches('0');
            let sign = if nanos < 0 && whole == 0 { "-" } else { "" };
            if fraction.is_empty() {
                format!("{whole}s")
            } else {
                format!("{sign}{whole}.{fraction}s")
            }
        }
        text => text,
    }
}
