//! Arithmetic, comparison, membership and indexing.

use std::rc::Rc;

use crate::world::kube::crd::cel::value::{Evaluated, Key, Val, failed};
use crate::world::kube::crd::structural::{ListKind, Node};

use super::overflow;

pub(super) fn apply<'a>(name: &str, values: &[Val<'a>]) -> Evaluated<'a> {
    match (name, values) {
        ("_==_", [a, b]) => Ok(Val::Bool(a.equals(b))),
        ("_!=_", [a, b]) => Ok(Val::Bool(!a.equals(b))),
        ("_<_" | "_<=_" | "_>_" | "_>=_", [a, b]) => compare(name, a, b),
        ("!_", [Val::Bool(value)]) => Ok(Val::Bool(!value)),
        ("-_", [Val::Int(value)]) => value
            .checked_neg()
            .map_or_else(|| overflow("integer"), |value| Ok(Val::Int(value))),
        ("-_", [Val::Double(value)]) => Ok(Val::Double(-value)),
        ("@in", [item, collection]) => contains(item, collection),
        ("_[_]", [collection, index]) => match collection {
            Val::Optional(Some(inner)) => Ok(Val::Optional(index_of(inner, index).ok().map(Rc::new))),
            Val::Optional(None) => Ok(Val::Optional(None)),
            _ => index_of(collection, index),
        },
        ("_[?_]", [collection, index]) => {
            let inner = match collection {
                Val::Optional(Some(inner)) => inner.as_ref(),
                Val::Optional(None) => return Ok(Val::Optional(None)),
                other => other,
            };
            Ok(Val::Optional(index_of(inner, index).ok().map(Rc::new)))
        }
        (_, [a, b]) => arithmetic(name, a, b),
        _ => failed("no such overload"),
    }
}

fn compare<'a>(name: &str, a: &Val<'a>, b: &Val<'a>) -> Evaluated<'a> {
    let nan = |value: &Val<'_>| matches!(value, Val::Double(value) if value.is_nan());
    let Some(order) = a.order(b) else {
        return if nan(a) || nan(b) {
            Ok(Val::Bool(false))
        } else {
            failed("no such overload")
        };
    };
    Ok(Val::Bool(match name {
        "_<_" => order.is_lt(),
        "_<=_" => order.is_le(),
        "_>_" => order.is_gt(),
        _ => order.is_ge(),
    }))
}

fn contains<'a>(item: &Val<'a>, collection: &Val<'a>) -> Evaluated<'a> {
    if let Some(items) = collection.items() {
        return Ok(Val::Bool(items?.iter().any(|one| one.equals(item))));
    }
    match (collection.type_name(), item.as_key()) {
        ("map", Some(key)) => Ok(Val::Bool(collection.get(&key).is_some())),
        _ => failed("no such overload"),
    }
}

fn index_of<'a>(collection: &Val<'a>, index: &Val<'a>) -> Evaluated<'a> {
    let Some(key) = index.as_key() else {
        return failed("no such overload");
    };
    match collection {
        Val::List(list) => {
            let found = place(&key).and_then(|at| list.get(at));
            found.cloned().map_or_else(|| out_of_bounds(&key), Ok)
        }
        Val::Json(serde_json::Value::Array(list), node, _) => {
            let items = node.and_then(|node| node.items.as_deref());
            let found = place(&key).and_then(|at| list.get(at));
            found.map_or_else(|| out_of_bounds(&key), |value| Val::json(value, items, false))
        }
        Val::Map(_) | Val::Json(..) => collection
            .get(&key)
            .unwrap_or_else(|| failed(format!("no such key: {}", show(&key)))),
        _ => failed("no such overload"),
    }
}

fn place(key: &Key) -> Option<usize> {
    match key {
        Key::Int(at) => usize::try_from(*at).ok(),
        Key::Uint(at) => usize::try_from(*at).ok(),
        _ => None,
    }
}

fn out_of_bounds<'a>(key: &Key) -> Evaluated<'a> {
    failed(format!("index out of bounds: {}", show(key)))
}

fn show(key: &Key) -> String {
    match key {
        Key::Bool(value) => value.to_string(),
        Key::Int(value) => value.to_string(),
        Key::Uint(value) => value.to_string(),
        Key::String(text) => text.clone(),
    }
}

fn arithmetic<'a>(name: &str, a: &Val<'a>, b: &Val<'a>) -> Evaluated<'a> {
    match (a, b) {
        (Val::Int(a), Val::Int(b)) => {
            let value = match name {
                "_+_" => a.checked_add(*b),
                "_-_" => a.checked_sub(*b),
                "_*_" => a.checked_mul(*b),
                "_/_" if *b == 0 => return failed("division by zero"),
                "_/_" => a.checked_div(*b),
                "_%_" if *b == 0 => return failed("modulus by zero"),
                "_%_" => a.checked_rem(*b),
                _ => return failed("no such overload"),
            };
            value.map_or_else(|| overflow("integer"), |value| Ok(Val::Int(value)))
        }
        (Val::Uint(a), Val::Uint(b)) => {
            let value = match name {
                "_+_" => a.checked_add(*b),
                "_-_" => a.checked_sub(*b),
                "_*_" => a.checked_mul(*b),
                "_/_" if *b == 0 => return failed("division by zero"),
                "_/_" => a.checked_div(*b),
                "_%_" if *b == 0 => return failed("modulus by zero"),
                "_%_" => a.checked_rem(*b),
                _ => return failed("no such overload"),
            };
            value.map_or_else(|| overflow("unsigned integer"), |value| Ok(Val::Uint(value)))
        }
        (Val::Double(a), Val::Double(b)) => match name {
            "_+_" => Ok(Val::Double(a + b)),
            "_-_" => Ok(Val::Double(a - b)),
            "_*_" => Ok(Val::Double(a * b)),
            "_/_" => Ok(Val::Double(a / b)),
            _ => failed("no such overload"),
        },
        (Val::String(a), Val::String(b)) if name == "_+_" => Ok(Val::text(format!("{a}{b}"))),
        (Val::Bytes(a), Val::Bytes(b)) if name == "_+_" => Ok(Val::Bytes(
            a.iter().chain(b.iter()).copied().collect::<Vec<u8>>().into(),
        )),
        (Val::Duration(_) | Val::Timestamp(_), _) => moments(name, a, b),
        _ if name == "_+_" => concat(a, b),
        _ => failed("no such overload"),
    }
}

fn moments<'a>(name: &str, a: &Val<'a>, b: &Val<'a>) -> Evaluated<'a> {
    let shift = |at: jiff::Timestamp, nanos: Option<i64>| {
        let span = nanos.map(jiff::SignedDuration::from_nanos);
        span.and_then(|span| at.checked_add(span).ok())
            .map_or_else(|| overflow("timestamp"), |at| Ok(Val::Timestamp(at)))
    };
    match (name, a, b) {
        ("_+_", Val::Duration(a), Val::Duration(b)) => a
            .checked_add(*b)
            .map_or_else(|| overflow("duration"), |nanos| Ok(Val::Duration(nanos))),
        ("_-_", Val::Duration(a), Val::Duration(b)) => a
            .checked_sub(*b)
            .map_or_else(|| overflow("duration"), |nanos| Ok(Val::Duration(nanos))),
        ("_+_", Val::Timestamp(at), Val::Duration(nanos)) | ("_+_", Val::Duration(nanos), Val::Timestamp(at)) => {
            shift(*at, Some(*nanos))
        }
        ("_-_", Val::Timestamp(at), Val::Duration(nanos)) => shift(*at, nanos.checked_neg()),
        ("_-_", Val::Timestamp(a), Val::Timestamp(b)) => {
            let nanos = i64::try_from(a.as_nanosecond() - b.as_nanosecond());
            nanos.map_or_else(|_| overflow("duration"), |nanos| Ok(Val::Duration(nanos)))
        }
        _ => failed("no such overload"),
    }
}

/// Lists: joined; sets keep entries once, maps let the second's entries take the place of the first's.
fn concat<'a>(a: &Val<'a>, b: &Val<'a>) -> Evaluated<'a> {
    let (Some(first), Some(second)) = (a.items(), b.items()) else {
        return failed("no such overload");
    };
    let (mut items, second) = (first?, second?);
    let node: Option<&Node> = match a {
        Val::Json(_, node, _) => *node,
        _ => None,
    };
    match node.map(|node| &node.list) {
        Some(ListKind::Set) => {
            for item in second {
                if !items.iter().any(|one| one.equals(&item)) {
                    items.push(item);
                }
            }
        }
        Some(ListKind::Map(keys)) => {
            let same = |a: &Val<'a>, b: &Val<'a>| {
                keys.iter().all(|key| {
                    let get = |value: &Val<'a>| value.get(&Key::String(key.clone())).and_then(Result::ok);
                    match (get(a), get(b)) {
                        (Some(a), Some(b)) => a.equals(&b),
                        (None, None) => true,
                        _ => false,
                    }
                })
            };
            for item in second {
                match items.iter_mut().find(|one| same(one, &item)) {
                    Some(slot) => *slot = item,
                    None => items.push(item),
                }
            }
        }
        _ => items.extend(second),
    }
    Ok(Val::list(items))
}
