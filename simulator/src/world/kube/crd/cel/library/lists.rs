//! Functions on lists and sets.

use std::cmp::Ordering;
use std::rc::Rc;

use crate::world::kube::crd::cel::value::{EvalError, Evaluated, Val, failed};

use super::{length, operators};

/// Longest list that `lists.range` makes.
const MAX_RANGE: i64 = 1_000_000;

/// A function on a list; None where the name or the values are not its.
pub(super) fn call<'a>(name: &str, values: &[Val<'a>]) -> Option<Evaluated<'a>> {
    if let ("lists.range", [Val::Int(count)]) = (name, values) {
        return Some(if (0..=MAX_RANGE).contains(count) {
            Ok(Val::list((0..*count).map(Val::Int).collect()))
        } else {
            failed(format!("lists.range: size must be between 0 and {MAX_RANGE}"))
        });
    }
    let known = [
        "isSorted",
        "sum",
        "min",
        "max",
        "indexOf",
        "lastIndexOf",
        "slice",
        "flatten",
        "sort",
        "distinct",
        "reverse",
        "first",
        "last",
        "sets.contains",
        "sets.equivalent",
        "sets.intersects",
    ];
    if !known.contains(&name) {
        return None;
    }
    let (first, rest) = values.split_first()?;
    let items = match first.items()? {
        Ok(items) => items,
        Err(error) => return Some(Err(error)),
    };
    Some(on_list(name, items, rest))
}

fn on_list<'a>(name: &str, mut items: Vec<Val<'a>>, rest: &[Val<'a>]) -> Evaluated<'a> {
    match (name, rest) {
        ("isSorted", []) => Ok(Val::Bool(
            items.is_sorted_by(|a, b| a.order(b).is_some_and(Ordering::is_le)),
        )),
        ("sum", []) => sum(items),
        ("min" | "max", []) => extreme(items, name == "min"),
        ("indexOf", [item]) => Ok(Val::Int(
            items.iter().position(|one| one.equals(item)).map_or(-1, length),
        )),
        ("lastIndexOf", [item]) => Ok(Val::Int(
            items.iter().rposition(|one| one.equals(item)).map_or(-1, length),
        )),
        ("slice", [Val::Int(from), Val::Int(to)]) => {
            let bounds = usize::try_from(*from).ok().zip(usize::try_from(*to).ok());
            match bounds.and_then(|(from, to)| items.get(from..to)) {
                Some(part) => Ok(Val::list(part.to_vec())),
                None => failed(format!("cannot slice({from}, {to}), list is length {}", items.len())),
            }
        }
        ("flatten", []) => flatten(items, 1),
        ("flatten", [Val::Int(depth)]) => flatten(items, *depth),
        ("sort", []) => {
            items.sort_by(|a, b| a.order(b).unwrap_or(Ordering::Equal));
            Ok(Val::list(items))
        }
        ("distinct", []) => {
            let mut out: Vec<Val<'a>> = Vec::new();
            for item in items {
                if !out.iter().any(|one| one.equals(&item)) {
                    out.push(item);
                }
            }
            Ok(Val::list(out))
        }
        ("reverse", []) => {
            items.reverse();
            Ok(Val::list(items))
        }
        ("first", []) => Ok(Val::Optional(items.into_iter().next().map(Rc::new))),
        ("last", []) => Ok(Val::Optional(items.pop().map(Rc::new))),
        (_, [other]) => sets(name, &items, other),
        _ => failed("no such overload"),
    }
}

fn sets<'a>(name: &str, items: &[Val<'a>], other: &Val<'a>) -> Evaluated<'a> {
    let Some(others) = other.items() else {
        return failed("no such overload");
    };
    let others = others?;
    let within = |a: &[Val<'a>], b: &[Val<'a>]| a.iter().all(|a| b.iter().any(|b| a.equals(b)));
    Ok(Val::Bool(match name {
        "sets.contains" => within(&others, items),
        "sets.equivalent" => within(&others, items) && within(items, &others),
        _ => items.iter().any(|a| others.iter().any(|b| a.equals(b))),
    }))
}

fn sum(items: Vec<Val<'_>>) -> Evaluated<'_> {
    let mut items = items.into_iter();
    let Some(first) = items.next() else {
        return Ok(Val::Int(0));
    };
    items.try_fold(first, |total, item| operators::apply("_+_", &[total, item]))
}

fn extreme(items: Vec<Val<'_>>, lowest: bool) -> Evaluated<'_> {
    let better = |best: Val<'_>, item: Val<'_>| {
        let order = item.order(&best).unwrap_or(Ordering::Equal);
        order == if lowest { Ordering::Less } else { Ordering::Greater }
    };
    let best = items
        .into_iter()
        .reduce(|best, item| if better(best.clone(), item.clone()) { item } else { best });
    let name = if lowest { "min" } else { "max" };
    best.map_or_else(|| Err(EvalError::Failed(format!("{name} called on empty list"))), Ok)
}

fn flatten(items: Vec<Val<'_>>, depth: i64) -> Evaluated<'_> {
    if depth < 0 {
        return failed("level must be non-negative");
    }
    let mut items = items;
    // Each round opens one level; a list has no more levels than its JSON.
    for _ in 0..depth.min(128) {
        if !items.iter().any(|item| item.items().is_some()) {
            break;
        }
        let mut next = Vec::new();
        for item in items {
            match item.items() {
                Some(inner) => next.extend(inner?),
                None => next.push(item),
            }
        }
        items = next;
    }
    Ok(Val::list(items))
}
