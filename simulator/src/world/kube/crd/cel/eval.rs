//! Runs a checked expression, and counts what it costs while it runs.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::rc::Rc;

use super::ast::{Expr, Fold, FoldKind, Kind, Literal};
use super::check::Checked;
use super::value::{EvalError, Evaluated, Key, Val, failed};
use super::{cost, functions, library};

/// Runs an expression on variables. Gives the value, and the cost even of a failure.
pub(crate) fn run<'a>(checked: &'a Checked, variables: Vec<(&'a str, Val<'a>)>, limit: u64) -> (Evaluated<'a>, u64) {
    let mut machine = Machine {
        checked,
        scopes: variables
            .into_iter()
            .map(|(name, value)| (Cow::Borrowed(name), value))
            .collect(),
        limit,
        spent: 0,
    };
    let result = machine.expr(&checked.root);
    (result, machine.spent)
}

struct Machine<'a> {
    checked: &'a Checked,
    scopes: Vec<(Cow<'a, str>, Val<'a>)>,
    limit: u64,
    spent: u64,
}

impl<'a> Machine<'a> {
    fn charge(&mut self, cost: u64) -> Result<(), EvalError> {
        self.spent = self.spent.saturating_add(cost);
        if self.spent > self.limit {
            Err(EvalError::Limit)
        } else {
            Ok(())
        }
    }

    fn expr(&mut self, expr: &'a Expr) -> Evaluated<'a> {
        match &expr.kind {
            Kind::Literal(literal) => Ok(literal_value(literal)),
            Kind::Ident(name) => self.ident(name),
            Kind::Select { operand, field } => {
                let value = self.expr(operand)?;
                self.charge(1)?;
                select(&value, field)
            }
            Kind::Has { operand, field } => {
                let value = self.expr(operand)?;
                let held = match &value {
                    Val::Optional(Some(inner)) => inner.field(field),
                    other => other.field(field),
                };
                Ok(Val::Bool(held.is_some()))
            }
            Kind::OptionalSelect { operand, field } => {
                let value = self.expr(operand)?;
                self.charge(1)?;
                let held = match &value {
                    Val::Optional(None) => None,
                    Val::Optional(Some(inner)) => inner.field(field),
                    other => other.field(field),
                };
                Ok(Val::Optional(held.transpose()?.map(Rc::new)))
            }
            Kind::Call { target, name, args } => self.call(expr, target.as_deref(), name, args),
            Kind::And(terms) => self.logic(terms, false),
            Kind::Or(terms) => self.logic(terms, true),
            Kind::List(items) => {
                self.charge(cost::LIST_COST)?;
                let items: Result<Vec<_>, _> = items.iter().map(|item| self.expr(item)).collect();
                Ok(Val::list(items?))
            }
            Kind::Map(entries) => self.map(entries),
            Kind::Fold(fold) => self.fold(fold),
            Kind::OptionalMap {
                target,
                var,
                body,
                flat,
            } => match self.expr(target)? {
                Val::Optional(Some(inner)) => {
                    self.scopes.push((Cow::Borrowed(var), inner.as_ref().clone()));
                    let value = self.expr(body);
                    self.scopes.pop();
                    if *flat {
                        value
                    } else {
                        value.map(|value| Val::Optional(Some(Rc::new(value))))
                    }
                }
                Val::Optional(None) => Ok(Val::Optional(None)),
                _ => failed("no such overload"),
            },
        }
    }

    fn ident(&mut self, name: &str) -> Evaluated<'a> {
        self.charge(1)?;
        if let Some((_, value)) = self.scopes.iter().rev().find(|(known, _)| known == name) {
            return Ok(value.clone());
        }
        const TYPES: [&str; 10] = [
            "bool",
            "int",
            "uint",
            "double",
            "string",
            "bytes",
            "list",
            "map",
            "null_type",
            "type",
        ];
        match TYPES.iter().find(|known| **known == name) {
            Some(name) => Ok(Val::Type(name)),
            None => failed(format!("no such attribute(s): {name}")),
        }
    }

    fn map(&mut self, entries: &'a [(Expr, Expr)]) -> Evaluated<'a> {
        self.charge(cost::MAP_COST)?;
        let mut map = BTreeMap::new();
        for (key, value) in entries {
            let key = self.expr(key)?;
            let Some(key) = key.as_key() else {
                return failed("unsupported key type");
            };
            let value = self.expr(value)?;
            if map.insert(key, value).is_some() {
                return failed("Failed with repeated key");
            }
        }
        Ok(Val::Map(Rc::new(map)))
    }

    /// `&&` and `||`: one deciding term is enough, whatever the others do.
    fn logic(&mut self, terms: &'a [Expr], deciding: bool) -> Evaluated<'a> {
        let mut error = None;
        for term in terms {
            match self.expr(term) {
                Ok(Val::Bool(value)) if value == deciding => return Ok(Val::Bool(value)),
                Ok(Val::Bool(_)) => {}
                Ok(_) => error = error.or(Some(EvalError::Failed("no such overload".into()))),
                Err(EvalError::Limit) => return Err(EvalError::Limit),
                Err(other) => error = error.or(Some(other)),
            }
        }
        error.map_or(Ok(Val::Bool(!deciding)), Err)
    }

    fn fold(&mut self, fold: &'a Fold) -> Evaluated<'a> {
        let range = self.expr(&fold.range)?;
        let mut rounds: Vec<(Val<'a>, Val<'a>)> = Vec::new();
        let single_key = if let Some(items) = range.items() {
            let numbered = (0i64..).map(Val::Int).zip(items?);
            rounds.extend(numbered);
            false
        } else if let Some(entries) = range.entries() {
            rounds.extend(entries?.into_iter().map(|(key, value)| (key_value(&key), value)));
            true
        } else {
            return failed("no such overload");
        };
        let mut state = Folded::new(fold.kind);
        for (key, value) in rounds {
            let before = self.scopes.len();
            let single = if single_key { key.clone() } else { value.clone() };
            match &fold.var2 {
                None => self.scopes.push((Cow::Borrowed(&fold.var), single.clone())),
                Some(second) => {
                    self.scopes.push((Cow::Borrowed(&fold.var), key.clone()));
                    self.scopes.push((Cow::Borrowed(second), value));
                }
            }
            let done = self.round(fold, &mut state, &key, single);
            self.scopes.truncate(before);
            if done? {
                break;
            }
        }
        self.charge(1)?;
        state.finish()
    }

    /// One round of a loop; true ends it early.
    fn round(
        &mut self,
        fold: &'a Fold,
        state: &mut Folded<'a>,
        key: &Val<'a>,
        single: Val<'a>,
    ) -> Result<bool, EvalError> {
        if let Some(filter) = &fold.filter {
            match self.expr(filter)? {
                Val::Bool(true) => {}
                Val::Bool(false) => return Ok(false),
                _ => return failed("no such overload"),
            }
        }
        let rate = match fold.kind {
            FoldKind::All => 3,
            FoldKind::Exists => 4,
            FoldKind::ExistsOne => 1,
            FoldKind::Map | FoldKind::TransformList | FoldKind::Filter | FoldKind::SortBy => 2 + cost::LIST_COST,
            FoldKind::TransformMap => 2 + cost::MAP_COST,
        };
        self.charge(rate)?;
        let value = match self.expr(&fold.body) {
            Err(EvalError::Failed(text)) if matches!(fold.kind, FoldKind::All | FoldKind::Exists) => {
                // A later item may still decide.
                state.error.get_or_insert(text);
                return Ok(false);
            }
            other => other?,
        };
        match (fold.kind, value) {
            (FoldKind::All, Val::Bool(value)) => {
                state.flag &= value;
                Ok(!value)
            }
            (FoldKind::Exists, Val::Bool(value)) => {
                state.flag |= value;
                Ok(value)
            }
            (FoldKind::ExistsOne, Val::Bool(value)) => {
                state.count += usize::from(value);
                Ok(false)
            }
            (FoldKind::Filter, Val::Bool(keep)) => {
                if keep {
                    state.list.push(single);
                }
                Ok(false)
            }
            (FoldKind::Map | FoldKind::TransformList, value) => {
                state.list.push(value);
                Ok(false)
            }
            (FoldKind::SortBy, value) => {
                state.keyed.push((value, single));
                Ok(false)
            }
            (FoldKind::TransformMap, value) => {
                let Some(key) = key.as_key() else {
                    return failed("unsupported key type");
                };
                state.map.insert(key, value);
                Ok(false)
            }
            _ => failed("no such overload"),
        }
    }

    fn call(&mut self, expr: &'a Expr, target: Option<&'a Expr>, name: &'a str, args: &'a [Expr]) -> Evaluated<'a> {
        if let ("_?_:_", [condition, yes, no]) = (name, args) {
            return match self.expr(condition)? {
                Val::Bool(true) => self.expr(yes),
                Val::Bool(false) => self.expr(no),
                _ => failed("no such overload"),
            };
        }
        let overloads = self
            .checked
            .overloads
            .get(expr.id)
            .map(Vec::as_slice)
            .unwrap_or_default();
        let member = overloads.first().is_some_and(|overload| overload.member);
        let full = overloads.first().map_or(name, |overload| overload.name);
        let target = target.filter(|_| member);
        let mut values = Vec::with_capacity(args.len() + 1);
        for part in target.into_iter().chain(args) {
            values.push(self.expr(part)?);
        }
        let fits = |overload: &&&'static functions::Overload| library::fits(overload, &values);
        let overload = overloads.iter().find(fits).or(overloads.first());
        if let Some(overload) = overload {
            let sizes: Vec<u64> = values.iter().map(Val::size).collect();
            self.charge(cost::actual(overload, &sizes, args, values.first()))?;
        }
        library::call(full, member, &values)
    }
}

fn select<'a>(value: &Val<'a>, field: &str) -> Evaluated<'a> {
    match value {
        Val::Optional(None) => Ok(Val::Optional(None)),
        Val::Optional(Some(inner)) => {
            let held = inner.field(field).transpose()?;
            Ok(Val::Optional(held.map(Rc::new)))
        }
        Val::Map(_) | Val::Json(..) => value
            .field(field)
            .unwrap_or_else(|| failed(format!("no such key: {field}"))),
        _ => failed("no such overload"),
    }
}

fn literal_value(literal: &Literal) -> Val<'_> {
    match literal {
        Literal::Null => Val::Null,
        Literal::Bool(value) => Val::Bool(*value),
        Literal::Int(value) => Val::Int(*value),
        Literal::Uint(value) => Val::Uint(*value),
        Literal::Double(value) => Val::Double(*value),
        Literal::String(text) => Val::String(Cow::Borrowed(text)),
        Literal::Bytes(bytes) => Val::Bytes(bytes.as_slice().into()),
    }
}

pub(crate) fn key_value<'a>(key: &Key) -> Val<'a> {
    match key {
        Key::Bool(value) => Val::Bool(*value),
        Key::Int(value) => Val::Int(*value),
        Key::Uint(value) => Val::Uint(*value),
        Key::String(text) => Val::text(text.clone()),
    }
}

/// What a loop has gathered.
struct Folded<'a> {
    kind: FoldKind,
    flag: bool,
    count: usize,
    list: Vec<Val<'a>>,
    keyed: Vec<(Val<'a>, Val<'a>)>,
    map: BTreeMap<Key, Val<'a>>,
    error: Option<String>,
}

impl<'a> Folded<'a> {
    fn new(kind: FoldKind) -> Self {
        Self {
            kind,
            flag: kind == FoldKind::All,
            count: 0,
            list: Vec::new(),
            keyed: Vec::new(),
            map: BTreeMap::new(),
            error: None,
        }
    }

    fn finish(mut self) -> Evaluated<'a> {
        let decided = match self.kind {
            FoldKind::All => !self.flag,
            FoldKind::Exists => self.flag,
            _ => true,
        };
        if let (false, Some(error)) = (decided, self.error) {
            return Err(EvalError::Failed(error));
        }
        Ok(match self.kind {
            FoldKind::All | FoldKind::Exists => Val::Bool(self.flag),
            FoldKind::ExistsOne => Val::Bool(self.count == 1),
            FoldKind::Map | FoldKind::Filter | FoldKind::TransformList => Val::list(self.list),
            FoldKind::TransformMap => Val::Map(Rc::new(self.map)),
            FoldKind::SortBy => {
                self.keyed
                    .sort_by(|(a, _), (b, _)| a.order(b).unwrap_or(std::cmp::Ordering::Equal));
                Val::list(self.keyed.into_iter().map(|(_, value)| value).collect())
            }
        })
    }
}
