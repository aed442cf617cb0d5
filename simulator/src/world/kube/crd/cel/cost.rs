//! What an expression costs at most, from the sizes that its types allow: the model of cel-go and of Kubernetes' libraries.
//!
//! Only the upper ends of the model's ranges are kept; nothing here depends on the lower ones but the length of literals.

use super::ast::{Expr, Fold, FoldKind, Kind, Literal};
use super::check::{Checked, takes};
use super::functions::{Overload, T};
use super::types::{Decl, Type};

/// Per character of a string that is gone through once.
pub(crate) const STRING_FACTOR: f64 = 0.1;
/// Per character of a pattern.
pub(crate) const REGEX_FACTOR: f64 = 0.25;
pub(crate) const LIST_COST: u64 = 10;
pub(crate) const MAP_COST: u64 = 30;
/// A size or cost without bound.
const UNKNOWN: u64 = u64::MAX;

/// The most that a checked expression can cost. `root` is the declaration of `self`.
pub(crate) fn estimate(checked: &Checked, root: Option<&Decl>) -> u64 {
    let mut coster = Coster {
        checked,
        root,
        scopes: Vec::new(),
    };
    coster.expr(&checked.root).cost
}

/// Where a value comes from in the schema.
#[derive(Clone, Debug)]
enum Origin {
    /// Not from a variable.
    None,
    /// From a variable, at a declared place.
    Decl(Decl),
    /// From a variable, at a place without declaration.
    Lost,
}

/// What is known of one expression.
#[derive(Clone, Debug)]
struct Estimate {
    cost: u64,
    size: Option<u64>,
    origin: Origin,
    /// Size of items or values, where the expression builds a collection.
    entry: Option<u64>,
}

struct Coster<'c> {
    checked: &'c Checked,
    root: Option<&'c Decl>,
    scopes: Vec<(String, Estimate)>,
}

impl Coster<'_> {
    fn ty(&self, expr: &Expr) -> &Type {
        self.checked.types.get(expr.id).unwrap_or(&Type::Dyn)
    }

    fn expr(&mut self, expr: &Expr) -> Estimate {
        let mut estimate = match &expr.kind {
            Kind::Literal(literal) => Estimate {
                size: Some(literal_size(literal)),
                ..plain(0)
            },
            Kind::Ident(name) => self.ident(name),
            Kind::Select { operand, field } => {
                let inner = self.expr(operand);
                let selectable = matches!(self.ty(operand), Type::Map(..) | Type::Object(_) | Type::Named(_));
                Estimate {
                    cost: add(inner.cost, u64::from(selectable)),
                    origin: field_of(&inner.origin, field),
                    size: None,
                    entry: None,
                }
            }
            Kind::Has { operand, .. } => plain(self.expr(operand).cost),
            Kind::OptionalSelect { operand, .. } => plain(add(self.expr(operand).cost, 1)),
            Kind::Call { target, name, args } => self.call(expr, target.as_deref(), name, args),
            Kind::And(terms) | Kind::Or(terms) => plain(terms.iter().map(|term| self.expr(term).cost).fold(0, add)),
            Kind::List(items) => self.collection(items.iter().map(|item| (item, true)), LIST_COST, items.len()),
            Kind::Map(entries) => {
                let parts = entries.iter().flat_map(|(key, value)| [(key, false), (value, true)]);
                self.collection(parts, MAP_COST, entries.len())
            }
            Kind::Fold(fold) => self.fold(fold),
            Kind::OptionalMap { target, var, body, .. } => {
                let target = self.expr(target);
                self.scopes.push((var.clone(), Estimate { cost: 1, ..plain(1) }));
                let body = self.expr(body);
                self.scopes.pop();
                plain(add(add(target.cost, body.cost), 5))
            }
        };
        if estimate.size.is_none() {
            estimate.size = match &estimate.origin {
                Origin::Decl(decl) => Some(decl.max_elements),
                _ if self.ty(expr).is_scalar() => Some(1),
                _ => None,
            };
        }
        estimate
    }

    fn ident(&self, name: &str) -> Estimate {
        if let Some((_, known)) = self.scopes.iter().rev().find(|(known, _)| known == name) {
            return Estimate {
                cost: 1,
                ..known.clone()
            };
        }
        let origin = match self.root {
            Some(root) if matches!(name, "self" | "oldSelf") => Origin::Decl(root.clone()),
            _ => Origin::Lost,
        };
        Estimate { origin, ..plain(1) }
    }

    fn collection<'e>(&mut self, parts: impl Iterator<Item = (&'e Expr, bool)>, base: u64, count: usize) -> Estimate {
        let (mut cost, mut entry) = (base, 0);
        for (part, counts) in parts {
            let part = self.expr(part);
            cost = add(cost, part.cost);
            if counts {
                entry = entry.max(part.size.unwrap_or(UNKNOWN));
            }
        }
        Estimate {
            cost,
            size: u64::try_from(count).ok(),
            origin: Origin::None,
            entry: Some(entry),
        }
    }

    fn fold(&mut self, fold: &Fold) -> Estimate {
        let range = self.expr(&fold.range);
        let map = matches!(self.ty(&fold.range), Type::Map(..));
        let before = self.scopes.len();
        let item = |values: bool| Estimate {
            cost: 1,
            size: if values { range.entry } else { None },
            origin: part_of(&range.origin, values, self.root),
            entry: None,
        };
        let value = Estimate {
            origin: part_of(&range.origin, true, self.root),
            ..item(true)
        };
        match &fold.var2 {
            None => self.scopes.push((fold.var.clone(), item(!map))),
            Some(second) => {
                let key = if map {
                    item(false)
                } else {
                    Estimate {
                        size: Some(1),
                        origin: Origin::Lost,
                        ..plain(1)
                    }
                };
                self.scopes.push((fold.var.clone(), key));
                self.scopes.push((second.clone(), value));
            }
        }
        let filter = fold.filter.as_ref().map_or(0, |filter| self.expr(filter).cost);
        let body = self.expr(&fold.body);
        self.scopes.truncate(before);
        let count = range.size.unwrap_or(UNKNOWN);
        // One round of the loop that the macro stands for, and what is done once around it.
        let (round, once) = match fold.kind {
            FoldKind::All => (3, 1),
            FoldKind::Exists => (4, 1),
            FoldKind::ExistsOne => (2, 2),
            FoldKind::Map | FoldKind::TransformList => (12, 1 + LIST_COST),
            FoldKind::Filter => (13, 1 + LIST_COST),
            FoldKind::TransformMap => (MAP_COST + 2, 1 + MAP_COST),
            FoldKind::SortBy => (14, 1 + LIST_COST),
        };
        let round = add(add(body.cost, filter), round);
        let builds = !matches!(fold.kind, FoldKind::All | FoldKind::Exists | FoldKind::ExistsOne);
        let entry = match fold.kind {
            FoldKind::Filter | FoldKind::SortBy => range.entry.or(decl_entry(&range.origin)),
            _ => Some(body.size.unwrap_or(UNKNOWN)),
        };
        Estimate {
            cost: add(add(range.cost, count.saturating_mul(round)), once),
            size: Some(if builds { count } else { 1 }),
            origin: Origin::None,
            entry: entry.filter(|_| builds),
        }
    }

    fn call(&mut self, expr: &Expr, target: Option<&Expr>, name: &str, args: &[Expr]) -> Estimate {
        let overloads = self.checked.overloads.get(expr.id).cloned().unwrap_or_default();
        let Some(first) = overloads.first() else {
            return plain(0);
        };
        let target = target.filter(|_| first.member).map(|target| self.expr(target));
        let estimates: Vec<Estimate> = args.iter().map(|arg| self.expr(arg)).collect();
        let args_cost = estimates.iter().map(|arg| arg.cost).fold(0, add);
        let receiver_cost = target.as_ref().map_or(0, |target| target.cost);
        if name == "_?_:_" {
            return conditional(&estimates);
        }
        if name == "dyn" {
            let inner = estimates.into_iter().next().unwrap_or_else(|| plain(0));
            return Estimate {
                cost: add(inner.cost, 1),
                ..inner
            };
        }
        let sizes: Vec<u64> = target
            .iter()
            .chain(&estimates)
            .map(|one| one.size.unwrap_or(UNKNOWN))
            .collect();
        let call = Call {
            name: first.name,
            sizes: &sizes,
            args,
            item: target
                .as_ref()
                .map(|target| target.entry.or(decl_entry(&target.origin)).unwrap_or(UNKNOWN)),
        };
        let (mut cost, mut size) = (0, None);
        for overload in &overloads {
            let (one, result) = call.price(overload);
            cost = cost.max(one);
            size = size.max(result);
        }
        let (mut origin, mut entry) = (Origin::None, None);
        if let ("_[_]", Some(collection)) = (name, estimates.first()) {
            origin = part_of(&collection.origin, true, self.root);
            size = collection.entry;
        }
        if name == "_+_" {
            let entries: Vec<Option<u64>> = estimates.iter().map(|one| one.entry).collect();
            entry = entries
                .iter()
                .copied()
                .collect::<Option<Vec<u64>>>()
                .and_then(|all| all.into_iter().max());
        }
        Estimate {
            cost: add(add(args_cost, receiver_cost), cost),
            size,
            origin,
            entry,
        }
    }
}

fn plain(cost: u64) -> Estimate {
    Estimate {
        cost,
        size: None,
        origin: Origin::None,
        entry: None,
    }
}

fn conditional(args: &[Estimate]) -> Estimate {
    let [condition, yes, no] = args else { return plain(0) };
    Estimate {
        cost: add(condition.cost, yes.cost.max(no.cost)),
        size: Some(yes.size.unwrap_or(UNKNOWN).max(no.size.unwrap_or(UNKNOWN))),
        origin: Origin::None,
        entry: yes.entry.zip(no.entry).map(|(yes, no)| yes.max(no)),
    }
}

fn field_of(origin: &Origin, field: &str) -> Origin {
    match origin {
        Origin::Decl(decl) => decl.fields.get(field).cloned().map_or(Origin::Lost, Origin::Decl),
        _ => Origin::Lost,
    }
}

/// Items, values or keys of a collection. Those of a collection that no variable holds are looked up at the root, as the
/// real server does.
fn part_of(origin: &Origin, values: bool, root: Option<&Decl>) -> Origin {
    let part = match origin {
        Origin::Decl(decl) if values => decl.elem.clone(),
        Origin::Decl(decl) => decl.key.clone(),
        Origin::None => root.cloned(),
        Origin::Lost => None,
    };
    part.map_or(Origin::Lost, Origin::Decl)
}

fn decl_entry(origin: &Origin) -> Option<u64> {
    match origin {
        Origin::Decl(decl) => decl.elem.as_ref().map(|elem| elem.max_elements),
        _ => None,
    }
}

fn literal_size(literal: &Literal) -> u64 {
    let length = match literal {
        Literal::String(text) => text.chars().count(),
        Literal::Bytes(bytes) => bytes.len(),
        _ => 1,
    };
    u64::try_from(length).unwrap_or(UNKNOWN)
}

fn add(a: u64, b: u64) -> u64 {
    a.saturating_add(b)
}

/// A size times a factor, rounded up.
pub(crate) fn times(size: u64, factor: f64) -> u64 {
    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "the model is defined in floating point; the cast saturates"
    )]
    let product = (size as f64 * factor).ceil() as u64;
    product
}

/// One call, with receiver and arguments in one row.
struct Call<'c> {
    name: &'static str,
    sizes: &'c [u64],
    args: &'c [Expr],
    /// Size of the receiver's items.
    item: Option<u64>,
}

impl Call<'_> {
    fn size(&self, place: usize) -> u64 {
        self.sizes.get(place).copied().unwrap_or(UNKNOWN)
    }

    /// Cost and size of the result, for one overload.
    fn price(&self, overload: &Overload) -> (u64, Option<u64>) {
        self.price_operator(overload)
            .or_else(|| self.price_text(overload))
            .or_else(|| self.price_library(overload))
            .unwrap_or((1, None))
    }

    fn price_operator(&self, overload: &Overload) -> Option<(u64, Option<u64>)> {
        let (first, second) = (self.size(0), self.size(1));
        let texts = takes(overload, 0, T::Str) || takes(overload, 0, T::Bytes);
        Some(match self.name {
            "@in" if takes(overload, 1, T::List) => (second, None),
            "_+_" if takes(overload, 0, T::List) => (1, Some(add(first, second))),
            "_+_" if texts => {
                let size = add(first, second);
                (times(size, STRING_FACTOR), Some(size))
            }
            "_==_" | "_!=_" => (times(first.min(second), STRING_FACTOR), None),
            "_<_" | "_<=_" | "_>_" | "_>=_" if texts => (times(first.min(second), STRING_FACTOR), None),
            _ => return None,
        })
    }

    fn price_text(&self, overload: &Overload) -> Option<(u64, Option<u64>)> {
        let (first, second) = (self.size(0), self.size(1));
        let once = times(first, STRING_FACTOR);
        let twice = times(first, 2.0 * STRING_FACTOR);
        Some(match self.name {
            "url" | "jsonpatch.escapeKey" | "lowerAscii" | "upperAscii" | "substring" | "trim" => (once, Some(first)),
            "replace" => (twice, Some(self.replaced())),
            "split" => (twice, Some(self.literal(1).unwrap_or(first))),
            "join" => {
                let separators = if self.sizes.len() > 1 { second } else { 0 };
                let text = first.saturating_mul(self.item.unwrap_or(UNKNOWN));
                let size = add(text, separators.saturating_mul(first.saturating_sub(1)));
                (times(size, STRING_FACTOR), Some(size))
            }
            "find" | "findAll" | "matches" => {
                let text = times(add(first, 1), STRING_FACTOR);
                let pattern = times(second, REGEX_FACTOR);
                (text.saturating_mul(pattern), (self.name != "matches").then_some(first))
            }
            "contains" => (once.saturating_mul(times(second, STRING_FACTOR)), None),
            "startsWith" | "endsWith" => (times(second, STRING_FACTOR), None),
            "format" => (once, None),
            "bytes" if takes(overload, 0, T::Str) => (once, Some(first.saturating_mul(4))),
            "string" if takes(overload, 0, T::Bytes) => (once, Some(first)),
            "strings.quote" => (once, Some(add(first.saturating_mul(2), 2))),
            _ => return None,
        })
    }

    fn price_library(&self, overload: &Overload) -> Option<(u64, Option<u64>)> {
        let (first, second) = (self.size(0), self.size(1));
        let once = times(first, STRING_FACTOR);
        let parsed = if takes(overload, 1, T::Str) {
            times(second, STRING_FACTOR)
        } else {
            0
        };
        Some(match self.name {
            "isSorted" | "sum" | "min" | "max" | "indexOf" | "lastIndexOf" if takes(overload, 0, T::Str) => {
                (once, None)
            }
            "isSorted" | "sum" | "min" | "max" | "indexOf" | "lastIndexOf" => {
                let texts = takes(overload, 0, T::ListStr) || takes(overload, 0, T::ListBytes);
                let one = if texts {
                    add(1, times(self.item.unwrap_or(UNKNOWN), STRING_FACTOR))
                } else {
                    1
                };
                (first.saturating_mul(one), None)
            }
            "ip" if overload.member => (1, None),
            "cidr" | "isIP" | "isCIDR" | "ip" | "quantity" | "isQuantity" | "semver" | "isSemver" => (once, None),
            "ip.isCanonical" => (times(first, 2.0 * STRING_FACTOR), None),
            // Addresses take 16 bytes at most.
            "containsIP" => (add(4, parsed), None),
            "containsCIDR" => (add(7, parsed), None),
            "validate" => (times(times(second, STRING_FACTOR), 128.0 * REGEX_FACTOR), None),
            "sets.contains" | "sets.intersects" => (add(first.saturating_mul(second), 1), None),
            "sets.equivalent" => (add(first.saturating_mul(second).saturating_mul(2), 1), None),
            "distinct" | "sort" => (first.saturating_mul(first), Some(first)),
            "reverse" | "slice" | "flatten" => (first, Some(first)),
            "lists.range" => {
                let count = self.literal(0).unwrap_or(UNKNOWN);
                (count, Some(count))
            }
            _ => return None,
        })
    }

    /// A literal integer among the arguments (the receiver is none of them).
    fn literal(&self, argument: usize) -> Option<u64> {
        match self.args.get(argument).map(|arg| &arg.kind) {
            Some(Kind::Literal(Literal::Int(value))) => Some(u64::try_from(*value).unwrap_or(UNKNOWN)),
            _ => None,
        }
    }

    /// The longest text that replacing can make.
    fn replaced(&self) -> u64 {
        let (text, with) = (self.size(0), self.size(2));
        let from = match self.args.first().map(|arg| &arg.kind) {
            Some(Kind::Literal(literal)) => literal_size(literal),
            _ => 0,
        };
        if from == 0 {
            add(add(text, 1).saturating_mul(with), text)
        } else if with <= from {
            text
        } else {
            text.div_ceil(from).saturating_mul(with)
        }
    }
}

/// What one call costs, with the sizes that its values really have.
pub(crate) fn actual(
    overload: &Overload,
    sizes: &[u64],
    args: &[Expr],
    receiver: Option<&super::value::Val<'_>>,
) -> u64 {
    let item = || {
        let items = receiver.and_then(super::value::Val::items)?.ok()?;
        items.iter().map(super::value::Val::size).max()
    };
    let needs_item = matches!(overload.params.first(), Some(T::ListStr | T::ListBytes));
    let call = Call {
        name: overload.name,
        sizes,
        args,
        item: if needs_item { Some(item().unwrap_or(0)) } else { None },
    };
    call.price(overload).0
}
