//! The type checker: finds what an expression may not do, in the words of cel-go, and which overloads its calls have.

use super::ast::{Expr, Fold, FoldKind, Kind, Literal};
use super::functions::{self, Overload, T};
use super::parser::{self, Problem};
use super::types::{Declaration, Type};
use super::{duration, time};
use crate::world::kube::crd::pattern;

/// A checked expression.
#[derive(Debug)]
pub(crate) struct Checked {
    pub(crate) root: Expr,
    /// Type of each expression, by its number.
    pub(crate) types: Vec<Type>,
    /// Overloads that a call may have, by its number.
    pub(crate) overloads: Vec<Vec<&'static Overload>>,
}

impl Checked {
    /// The type of the whole.
    pub(crate) fn result(&self) -> &Type {
        self.types.get(self.root.id).unwrap_or(&Type::Dyn)
    }
}

/// Parses and checks a source; variables are given by name. The error is as cel-go prints it.
pub(crate) fn compile(source: &str, variables: &[(&str, Type)]) -> Result<Checked, String> {
    let (root, count) = parser::parse(source).map_err(|problem| show(source, &[problem]))?;
    let mut checker = Checker {
        types: vec![Type::Dyn; count],
        overloads: vec![Vec::new(); count],
        scopes: variables
            .iter()
            .map(|(name, ty)| ((*name).to_owned(), ty.clone()))
            .collect(),
        problems: Vec::new(),
        mixed: false,
    };
    checker.expr(&root);
    if checker.problems.is_empty() {
        Ok(Checked {
            root,
            types: checker.types,
            overloads: checker.overloads,
        })
    } else {
        Err(show(source, &checker.problems))
    }
}

/// Each problem with its place, the line and a mark below it.
fn show(source: &str, problems: &[Problem]) -> String {
    let one = |(at, text): &Problem| {
        let (mut line, mut column, mut start) = (1, 0, 0);
        for (position, c) in source.chars().enumerate().take(*at) {
            column += 1;
            if c == '\n' {
                (line, column, start) = (line + 1, 0, position + 1);
            }
        }
        let snippet: String = source.chars().skip(start).take_while(|c| *c != '\n').collect();
        let dots = ".".repeat(column);
        // Columns count from 1, marks from 0.
        format!("ERROR: <input>:{line}:{}: {text}\n | {snippet}\n | {dots}^", column + 1)
    };
    problems.iter().map(one).collect::<Vec<_>>().join("\n")
}

struct Checker {
    types: Vec<Type>,
    overloads: Vec<Vec<&'static Overload>>,
    scopes: Vec<(String, Type)>,
    problems: Vec<Problem>,
    /// Whether list literals may mix types, which only the arguments of `format` may.
    mixed: bool,
}

/// What stands for a type parameter.
type Bindings = [Option<Type>; 2];

impl Checker {
    fn problem(&mut self, at: usize, text: String) -> Type {
        self.problems.push((at, text));
        Type::Dyn
    }

    fn expr(&mut self, expr: &Expr) -> Type {
        let ty = self.infer(expr);
        if let Some(slot) = self.types.get_mut(expr.id) {
            *slot = ty.clone();
        }
        ty
    }

    fn infer(&mut self, expr: &Expr) -> Type {
        match &expr.kind {
            Kind::Literal(literal) => literal_type(literal),
            Kind::Ident(name) => self.ident(expr, name),
            Kind::Select { operand, field } => self.select(expr, operand, field),
            Kind::Has { operand, field } => {
                self.select(expr, operand, field);
                Type::Bool
            }
            Kind::OptionalSelect { operand, field } => match self.select(expr, operand, field) {
                already @ Type::Optional(_) => already,
                ty => Type::optional(ty),
            },
            Kind::Call { target, name, args } => self.call(expr, target.as_deref(), name, args),
            Kind::And(terms) | Kind::Or(terms) => {
                for term in terms {
                    let ty = self.expr(term);
                    if !matches!(ty, Type::Bool | Type::Dyn) {
                        self.problem(term.at, format!("expected type 'bool' but found '{ty}'"));
                    }
                }
                Type::Bool
            }
            Kind::List(items) => Type::list(self.joined(items.iter())),
            Kind::Map(entries) => {
                let key = self.joined(entries.iter().map(|(key, _)| key));
                let value = self.joined(entries.iter().map(|(_, value)| value));
                Type::map(key, value)
            }
            Kind::Fold(fold) => self.fold(fold),
            Kind::OptionalMap {
                target,
                var,
                body,
                flat,
            } => {
                let inner = match self.expr(target) {
                    Type::Optional(of) => (*of).clone(),
                    _ => Type::Dyn,
                };
                self.scopes.push((var.clone(), inner));
                let ty = self.expr(body);
                self.scopes.pop();
                if *flat { ty } else { Type::optional(ty) }
            }
        }
    }

    fn ident(&mut self, expr: &Expr, name: &str) -> Type {
        let found = self
            .scopes
            .iter()
            .rev()
            .find(|(known, _)| known == name)
            .map(|(_, ty)| ty.clone());
        if let Some(ty) = found {
            return ty;
        }
        const TYPES: [&str; 12] = [
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
            "dyn",
            "optional_type",
        ];
        if TYPES.contains(&name) {
            return Type::Meta;
        }
        self.problem(expr.at, format!("undeclared reference to '{name}' (in container '')"))
    }

    fn select(&mut self, expr: &Expr, operand: &Expr, field: &str) -> Type {
        let ty = self.expr(operand);
        self.field(expr, ty, field)
    }

    fn field(&mut self, expr: &Expr, ty: Type, field: &str) -> Type {
        match ty {
            Type::Object(decl) => match decl.fields.get(field) {
                Some(decl) => Declaration::of(decl),
                None => self.problem(expr.at, format!("undefined field '{field}'")),
            },
            Type::Map(_, value) => (*value).clone(),
            Type::Optional(of) => Type::optional(self.field(expr, (*of).clone(), field)),
            Type::Dyn => Type::Dyn,
            other => self.problem(expr.at, format!("type '{other}' does not support field selection")),
        }
    }

    /// The one type of several expressions.
    fn joined<'e>(&mut self, exprs: impl Iterator<Item = &'e Expr>) -> Type {
        let mut joined: Option<Type> = None;
        for expr in exprs {
            let ty = self.expr(expr);
            match &joined {
                None => joined = Some(ty),
                Some(Type::Dyn) => {}
                Some(first) if matches(first, &ty) => {}
                Some(_) if self.mixed => joined = Some(Type::Dyn),
                Some(first) => {
                    let text = format!("expected type '{first}' but found '{ty}'");
                    self.problem(expr.at, text);
                }
            }
        }
        joined.unwrap_or(Type::Dyn)
    }

    fn fold(&mut self, fold: &Fold) -> Type {
        let range = self.expr(&fold.range);
        let (key, value) = match &range {
            Type::List(of) => (Type::Int, (**of).clone()),
            Type::Map(key, value) => ((**key).clone(), (**value).clone()),
            Type::Dyn => (Type::Dyn, Type::Dyn),
            other => {
                let text = format!(
                    "expression of type '{other}' cannot be range of a comprehension (must be list, map, or dynamic)"
                );
                self.problem(fold.range.at, text);
                (Type::Dyn, Type::Dyn)
            }
        };
        let before = self.scopes.len();
        let single = if matches!(range, Type::Map(..)) {
            key.clone()
        } else {
            value.clone()
        };
        match &fold.var2 {
            None => self.scopes.push((fold.var.clone(), single.clone())),
            Some(second) => {
                self.scopes.push((fold.var.clone(), key.clone()));
                self.scopes.push((second.clone(), value));
            }
        }
        if let Some(filter) = &fold.filter {
            self.boolean(filter);
        }
        let result = match fold.kind {
            FoldKind::All | FoldKind::Exists | FoldKind::ExistsOne => {
                self.boolean(&fold.body);
                Type::Bool
            }
            FoldKind::Filter => {
                self.boolean(&fold.body);
                Type::list(single)
            }
            FoldKind::Map | FoldKind::TransformList => Type::list(self.expr(&fold.body)),
            FoldKind::TransformMap => Type::map(key, self.expr(&fold.body)),
            FoldKind::SortBy => {
                self.expr(&fold.body);
                Type::list(single)
            }
        };
        self.scopes.truncate(before);
        result
    }

    fn boolean(&mut self, expr: &Expr) {
        let ty = self.expr(expr);
        if !matches!(ty, Type::Bool | Type::Dyn) {
            self.problem(expr.at, format!("expected type 'bool' but found '{ty}'"));
        }
    }

    fn call(&mut self, expr: &Expr, target: Option<&Expr>, name: &str, args: &[Expr]) -> Type {
        // `sets.contains(a, b)` is a function with a dot in its name, unless `sets` is a variable.
        let qualified = target
            .and_then(|target| self.namespace(target))
            .map(|space| format!("{space}.{name}"));
        if let Some(full) = qualified.filter(|full| functions::exists(full)) {
            let types = args.iter().map(|arg| self.expr(arg)).collect();
            return self.resolve(expr, &full, false, types);
        }
        let mut types = Vec::with_capacity(args.len() + 1);
        types.extend(target.map(|target| self.expr(target)));
        let outer = std::mem::replace(&mut self.mixed, name == "format");
        types.extend(args.iter().map(|arg| self.expr(arg)));
        self.mixed = outer;
        if !functions::exists(name) {
            return self.problem(expr.at, format!("undeclared reference to '{name}' (in container '')"));
        }
        if let Some(Kind::Literal(Literal::String(text))) = args.last().map(|arg| &arg.kind) {
            let bad = match name {
                "matches" => pattern::compile(text).is_err(),
                "duration" => duration::parse(text).is_none(),
                "timestamp" => time::parse(text).is_none(),
                _ => false,
            };
            if bad {
                let at = args.last().map_or(expr.at, |arg| arg.at);
                self.problem(at, format!("invalid {name} argument"));
            }
        }
        self.resolve(expr, name, target.is_some(), types)
    }

    fn namespace<'e>(&self, target: &'e Expr) -> Option<&'e str> {
        match &target.kind {
            Kind::Ident(name) if !self.scopes.iter().any(|(known, _)| known == name) => Some(name),
            _ => None,
        }
    }

    fn resolve(&mut self, expr: &Expr, name: &str, member: bool, types: Vec<Type>) -> Type {
        let mut found = Vec::new();
        let mut result: Option<Type> = None;
        let optional = matches!(name, "_[_]" | "_[?_]")
            .then(|| types.first().cloned())
            .flatten();
        let (types, lifted) = match (optional, types) {
            (Some(Type::Optional(of)), mut types) => {
                if let Some(first) = types.first_mut() {
                    *first = (*of).clone();
                }
                (types, true)
            }
            (_, types) => (types, name == "_[?_]"),
        };
        for overload in functions::overloads(name, member) {
            let mut bindings = Bindings::default();
            let same = overload.params.len() == types.len();
            let fits = same
                && overload
                    .params
                    .iter()
                    .zip(&types)
                    .all(|(param, ty)| unify(&param.ty(), ty, &mut bindings));
            if !fits {
                continue;
            }
            found.push(overload);
            let ty = substitute(&overload.result.ty(), &bindings);
            result = Some(match result {
                Some(before) if before != ty => Type::Dyn,
                _ => ty,
            });
        }
        if let Some(slot) = self.overloads.get_mut(expr.id) {
            *slot = found;
        }
        match result {
            Some(already @ Type::Optional(_)) if lifted => already,
            Some(ty) if lifted => Type::optional(ty),
            Some(ty) => ty,
            None => {
                let mut shown: Vec<String> = types.iter().map(ToString::to_string).collect();
                let receiver = if member && !shown.is_empty() {
                    format!("{}.", shown.remove(0))
                } else {
                    String::new()
                };
                let text = format!(
                    "found no matching overload for '{name}' applied to '{receiver}({})'",
                    shown.join(", ")
                );
                self.problem(expr.at, text)
            }
        }
    }
}

fn literal_type(literal: &Literal) -> Type {
    match literal {
        Literal::Null => Type::Null,
        Literal::Bool(_) => Type::Bool,
        Literal::Int(_) => Type::Int,
        Literal::Uint(_) => Type::Uint,
        Literal::Double(_) => Type::Double,
        Literal::String(_) => Type::String,
        Literal::Bytes(_) => Type::Bytes,
    }
}

/// Whether two types can be the same.
fn matches(a: &Type, b: &Type) -> bool {
    unify(a, b, &mut Bindings::default())
}

/// Whether a value of type `ty` can stand where `wanted` is asked; binds type parameters.
fn unify(wanted: &Type, ty: &Type, bindings: &mut Bindings) -> bool {
    match (wanted, ty) {
        (Type::Param(index), _) => {
            let bound = bindings.get(usize::from(*index)).cloned().flatten();
            match bound {
                None | Some(Type::Dyn | Type::Null) => {
                    let null_fits = !matches!(bound, Some(Type::Null)) || nullable(ty) || *ty == Type::Null;
                    if let Some(slot) = bindings.get_mut(usize::from(*index)) {
                        *slot = Some(ty.clone());
                    }
                    null_fits
                }
                Some(bound) => {
                    let fits = unify(&bound, ty, bindings);
                    // The more general of the two is kept, e.g. list(dyn) before list(int).
                    if let (true, Some(slot)) = (fits && *ty == Type::Dyn, bindings.get_mut(usize::from(*index))) {
                        *slot = Some(Type::Dyn);
                    }
                    fits
                }
            }
        }
        (Type::Dyn, _) | (_, Type::Dyn) => true,
        (Type::List(a), Type::List(b)) | (Type::Optional(a), Type::Optional(b)) => unify(a, b, bindings),
        (Type::Map(a, x), Type::Map(b, y)) => unify(a, b, bindings) && unify(x, y, bindings),
        (a, Type::Null) | (Type::Null, a) => *a == Type::Null || nullable(a),
        (a, b) => a == b,
    }
}

/// Types that null can stand for.
fn nullable(ty: &Type) -> bool {
    matches!(
        ty,
        Type::Object(_) | Type::Duration | Type::Timestamp | Type::Named(_) | Type::Optional(_)
    )
}

fn substitute(ty: &Type, bindings: &Bindings) -> Type {
    match ty {
        Type::Param(index) => bindings
            .get(usize::from(*index))
            .cloned()
            .flatten()
            .unwrap_or(Type::Dyn),
        Type::List(of) => Type::list(substitute(of, bindings)),
        Type::Optional(of) => Type::optional(substitute(of, bindings)),
        Type::Map(key, value) => Type::map(substitute(key, bindings), substitute(value, bindings)),
        other => other.clone(),
    }
}

/// Whether an overload takes this parameter at this place.
pub(crate) fn takes(overload: &Overload, place: usize, param: T) -> bool {
    overload.params.get(place) == Some(&param)
}
