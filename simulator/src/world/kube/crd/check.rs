//! The schema checks on a value, in the order and with the words of the real validator.
//!
//! On an update a value that has not changed passes whatever the schema says now (ratcheting).

use serde_json::{Number, Value};

use super::formats::Format;
use super::path::{Path, Segment};
use super::structural::{Additional, Kind, ListKind, Node, same};
use crate::world::kube::api_error::{FieldError, FieldErrorKind};

/// What one schema said of one value.
#[derive(Debug, Default)]
struct Outcome {
    errors: Vec<FieldError>,
    /// Checks that were made; the alternative of `anyOf`/`oneOf` that came furthest explains the failure.
    matches: u32,
}

impl Outcome {
    fn merge(&mut self, other: Outcome) {
        self.matches += other.matches;
        if self.errors.is_empty() {
            self.errors = other.errors;
        } else {
            self.errors.extend(other.errors);
        }
    }
}

/// Checks a value. `prefix` is the field under which messages are filed while their text starts below it (`status`).
pub(super) fn check(node: &Node, value: &Value, old: Option<&Value>, prefix: &str) -> Vec<FieldError> {
    let mut errors = Checker { prefix }.node(node, value, old, &Path::root()).errors;
    if errors.len() > 1 {
        let mut seen = std::collections::BTreeSet::new();
        errors.retain(|error| seen.insert(error.to_string()));
    }
    errors
}

struct Checker<'p> {
    prefix: &'p str,
}

impl Checker<'_> {
    fn node(&self, node: &Node, value: &Value, old: Option<&Value>, path: &Path<'_>) -> Outcome {
        let mut out = Outcome::default();
        self.kind(node, value, path, &mut out);
        if value.is_null() {
            self.enumeration(node, value, path, &mut out);
        } else {
            self.junctors(node, value, old, path, &mut out);
            match value {
                Value::String(text) => self.text(node, text, path, &mut out),
                Value::Number(number) => self.number(node, number, path, &mut out),
                Value::Array(list) => self.list(node, list, old, path, &mut out),
                _ => {}
            }
            self.enumeration(node, value, path, &mut out);
            if let Value::Object(_) = value {
                self.object(node, value, old, path, &mut out);
            }
            out.matches += 1;
        }
        if !out.errors.is_empty() && old.is_some_and(|old| same(old, value)) {
            out.errors.clear();
        }
        out
    }

    /// The field that a message is filed under.
    fn file(&self, path: &Path<'_>) -> String {
        let dotted = path.dotted();
        match (self.prefix, dotted.as_str()) {
            ("", "") => "<nil>".into(),
            ("", _) => dotted,
            (prefix, "") => prefix.into(),
            (prefix, _) if dotted.starts_with('[') => format!("{prefix}.{dotted}"),
            (prefix, _) => format!("{prefix}.{dotted}"),
        }
    }

    /// Messages of whole constructs carry no field of their own.
    fn general(&self, text: String) -> FieldError {
        let path = if self.prefix.is_empty() { "<nil>" } else { self.prefix };
        FieldError::invalid(path, &Value::String(String::new()), text)
    }

    fn wrong_type(&self, path: &Path<'_>, wanted: &str, got: &str) -> FieldError {
        let detail = format!("{} in body must be of type {wanted}: {got:?}", path.dotted());
        let shown = Value::String(got.to_owned()).to_string();
        FieldError::new(FieldErrorKind::TypeInvalid, self.file(path), Some(shown), detail)
    }

    fn invalid(&self, path: &Path<'_>, value: &Value, rest: &str) -> FieldError {
        FieldError::invalid(self.file(path), value, format!("{} in body {rest}", path.dotted()))
    }

    fn kind(&self, node: &Node, value: &Value, path: &Path<'_>, out: &mut Outcome) {
        let format = node.limits.format.name();
        if node.kind == Kind::Any && format.is_empty() {
            return;
        }
        let (actual, actual_format) = type_of(value);
        if value.is_null() {
            if node.kind != Kind::Any && !node.nullable {
                out.errors.push(self.wrong_type(path, node.kind.names(), "null"));
            }
            return;
        }
        out.matches += 2;
        let fits = admits(node.kind, value, actual);
        let scalar = !matches!(value, Value::String(_) | Value::Array(_));
        if scalar && !format.is_empty() && !fits && actual_format != format {
            out.errors.push(self.wrong_type(path, format, actual_format));
        } else if !scalar && !format.is_empty() && matches!(node.kind, Kind::Any | Kind::String) {
            // The format's own check speaks for strings; lists slip through here on the real server, too.
        } else if !fits {
            out.errors.push(self.wrong_type(path, node.kind.names(), actual));
        }
    }

    fn junctors(&self, node: &Node, value: &Value, old: Option<&Value>, path: &Path<'_>, out: &mut Outcome) {
        let limits = &node.limits;
        out.matches += 2;
        if !limits.any_of.is_empty() {
            self.any_of(&limits.any_of, value, old, path, out);
        }
        if !limits.one_of.is_empty() {
            self.one_of(&limits.one_of, value, old, path, out);
        }
        if !limits.all_of.is_empty() {
            let mut valid = 0;
            for schema in &limits.all_of {
                let result = self.node(schema, value, old, path);
                valid += usize::from(result.errors.is_empty());
                out.merge(result);
            }
            if valid != limits.all_of.len() {
                let more = if valid == 0 { ". None validated" } else { "" };
                let text = format!("{:?} must validate all the schemas (allOf){more}", path.dotted());
                out.errors.push(self.general(text));
            }
        }
        if let Some(schema) = &limits.not
            && self.node(schema, value, old, path).errors.is_empty()
        {
            out.errors
                .push(self.general(format!("{:?} must not validate the schema (not)", path.dotted())));
        }
    }

    fn any_of(&self, schemas: &[Node], value: &Value, old: Option<&Value>, path: &Path<'_>, out: &mut Outcome) {
        let mut best: Option<Outcome> = None;
        for schema in schemas {
            let result = self.node(schema, value, old, path);
            if result.errors.is_empty() {
                out.merge(result);
                return;
            }
            if best.as_ref().is_none_or(|best| result.matches > best.matches) {
                best = Some(result);
            }
        }
        let text = format!("{:?} must validate at least one schema (anyOf)", path.dotted());
        out.errors.push(self.general(text));
        out.merge(best.unwrap_or_default());
    }

    fn one_of(&self, schemas: &[Node], value: &Value, old: Option<&Value>, path: &Path<'_>, out: &mut Outcome) {
        let (mut valid, mut first, mut best) = (0, None, None::<Outcome>);
        for schema in schemas {
            let result = self.node(schema, value, old, path);
            if result.errors.is_empty() {
                valid += 1;
                best = None;
                first.get_or_insert(result);
            } else if valid == 0 && best.as_ref().is_none_or(|best| result.matches > best.matches) {
                best = Some(result);
            }
        }
        if valid == 1 {
            out.merge(first.unwrap_or_default());
            return;
        }
        let found = if valid == 0 {
            "Found none valid".into()
        } else {
            format!("Found {valid} valid alternatives")
        };
        let text = format!(
            "{:?} must validate one and only one schema (oneOf). {found}",
            path.dotted()
        );
        out.errors.push(self.general(text));
        out.merge(best.unwrap_or_default());
    }

    fn text(&self, node: &Node, text: &str, path: &Path<'_>, out: &mut Outcome) {
        let limits = &node.limits;
        out.matches += 2;
        let shown = || Value::String(text.to_owned());
        // The count of bytes bounds the count of characters, which is what the limits mean.
        let length = || i64::try_from(text.chars().count()).unwrap_or(i64::MAX);
        let bytes = i64::try_from(text.len()).unwrap_or(i64::MAX);
        if let Some(most) = limits.max_length.filter(|most| bytes > *most && length() > *most) {
            let unit = if most == 1 { "byte" } else { "bytes" };
            let detail = format!("may not be more than {most} {unit}");
            out.errors
                .push(FieldError::new(FieldErrorKind::TooLong, self.file(path), None, detail));
        } else if let Some(least) = limits.min_length.filter(|least| length() < *least) {
            let rest = format!("should be at least {least} chars long");
            out.errors.push(self.invalid(path, &shown(), &rest));
        } else if let Some(pattern) = &limits.pattern {
            let rest = match &pattern.regex {
                Ok(regex) if regex.is_match(text) => None,
                Ok(_) => Some(format!("should match '{}'", pattern.text)),
                Err(error) => Some(format!(
                    "should match '{}, but pattern is invalid: {error}'",
                    pattern.text
                )),
            };
            out.errors.extend(rest.map(|rest| self.invalid(path, &shown(), &rest)));
        }
        if let Format::Text(name, _) = &limits.format
            && !limits.format.accepts(text)
        {
            let error = self.wrong_type(path, name, text);
            out.errors.push(error);
        }
    }

    fn number(&self, node: &Node, number: &Number, path: &Path<'_>, out: &mut Outcome) {
        let limits = &node.limits;
        out.matches += 2;
        let value = number.as_f64().unwrap_or_default();
        let whole = number.as_i64();
        let json = Value::Number(number.clone());
        self.range(node, value, whole, "Checked", path, out);
        if let Some(factor) = limits.multiple_of {
            let (wrong, factor) = multiple(value, whole, factor);
            self.range(node, factor, None, "MultipleOf", path, out);
            match wrong {
                Multiple::Fits => {}
                Multiple::Not => {
                    let rest = format!("should be a multiple of {factor}");
                    out.errors.push(self.invalid(path, &json, &rest));
                }
                Multiple::BadFactor => {
                    let detail = format!(
                        "factor MultipleOf declared for {} must be positive: {factor}",
                        path.dotted()
                    );
                    let shown = serde_json::Number::from_f64(factor).map_or(Value::Null, Value::Number);
                    let shown = if whole.is_some() { Value::from(0) } else { shown };
                    out.errors.push(FieldError::invalid(self.file(path), &shown, detail));
                }
            }
        }
        // Integers are compared with the limit cut to an integer, as the real server does.
        let limit = |limit: f64| if whole.is_some() { limit.trunc() } else { limit };
        let beyond = |least: f64, exclusive: bool, sign: f64| {
            let (value, least) = (value * sign, limit(least) * sign);
            if exclusive { value <= least } else { value < least }
        };
        if let Some(least) = limits
            .minimum
            .filter(|least| beyond(*least, limits.exclusive_minimum, 1.0))
        {
            let words = if limits.exclusive_minimum {
                "greater than"
            } else {
                "greater than or equal to"
            };
            let rest = format!("should be {words} {}", limit(least));
            out.errors.push(self.invalid(path, &json, &rest));
        }
        if let Some(most) = limits
            .maximum
            .filter(|most| beyond(*most, limits.exclusive_maximum, -1.0))
        {
            let words = if limits.exclusive_maximum {
                "less than"
            } else {
                "less than or equal to"
            };
            let rest = format!("should be {words} {}", limit(most));
            out.errors.push(self.invalid(path, &json, &rest));
        }
    }

    /// Whether a number fits its declared type and format.
    fn range(&self, node: &Node, value: f64, whole: Option<i64>, what: &str, path: &Path<'_>, out: &mut Outcome) {
        let format = &node.limits.format;
        let integral = whole.is_some() || (value.trunc() == value && value.abs() < 9.223_372_036_854_775e18);
        let (fits, kind) = match (node.kind, format) {
            (Kind::Integer, Format::Int32) => (
                integral && (f64::from(i32::MIN)..=f64::from(i32::MAX)).contains(&value),
                "integer",
            ),
            (Kind::Integer, _) => (integral, "integer"),
            (Kind::Number, Format::Float) => (value.abs() <= f64::from(f32::MAX), "number"),
            _ => return,
        };
        if !fits {
            let how = match format.name() {
                "" => "(default format)".into(),
                name => format!("with format {name}"),
            };
            out.errors.push(self.general(format!(
                "{what} value must be of type {kind} {how} in {}",
                path.dotted()
            )));
        }
    }

    fn list(&self, node: &Node, list: &[Value], old: Option<&Value>, path: &Path<'_>, out: &mut Outcome) {
        let limits = &node.limits;
        out.matches += 2;
        if let Some(items) = node.items.as_deref() {
            let old = old.and_then(Value::as_array);
            for (at, item) in list.iter().enumerate() {
                let before = old.and_then(|old| correlated(&node.list, old, item));
                out.merge(self.node(items, item, before, &path.child(Segment::Index(at))));
            }
        }
        let size = i64::try_from(list.len()).unwrap_or(i64::MAX);
        if let Some(least) = limits.min_items.filter(|least| size < *least) {
            let rest = format!("should have at least {least} items");
            out.errors.push(self.invalid(path, &Value::from(size), &rest));
        }
        if let Some(most) = limits.max_items.filter(|most| size > *most) {
            out.errors.push(self.too_many(path, size, most));
        }
        if limits.unique_items && (1..list.len()).any(|at| list.iter().take(at).any(|x| Some(x) == list.get(at))) {
            let detail = format!("{} in body shouldn't contain duplicates", path.dotted());
            out.errors.push(FieldError::invalid(
                self.file(path),
                &Value::String(String::new()),
                detail,
            ));
        }
    }

    fn too_many(&self, path: &Path<'_>, size: i64, most: i64) -> FieldError {
        let unit = if most == 1 { "item" } else { "items" };
        let detail = format!("must have at most {most} {unit}");
        FieldError::new(FieldErrorKind::TooMany, self.file(path), Some(size.to_string()), detail)
    }

    fn enumeration(&self, node: &Node, value: &Value, path: &Path<'_>, out: &mut Outcome) {
        let allowed = &node.limits.enumeration;
        out.matches += 1;
        if allowed.is_empty() || (!value.is_null() && allowed.iter().any(|one| same(one, value))) {
            return;
        }
        let texts: Vec<String> = allowed
            .iter()
            .map(|one| one.as_str().map_or_else(|| one.to_string(), str::to_owned))
            .collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        out.errors
            .push(FieldError::not_supported(self.file(path), value, &texts));
    }

    fn object(&self, node: &Node, value: &Value, old: Option<&Value>, path: &Path<'_>, out: &mut Outcome) {
        let Some(map) = value.as_object() else { return };
        let limits = &node.limits;
        out.matches += 1;
        let size = i64::try_from(map.len()).unwrap_or(i64::MAX);
        if let Some(least) = limits.min_properties.filter(|least| size < *least) {
            let rest = format!("should have at least {least} properties");
            out.errors.push(self.invalid(path, &Value::from(size), &rest));
        }
        if let Some(most) = limits.max_properties.filter(|most| size > *most) {
            out.errors.push(self.too_many(path, size, most));
        }
        let old = if node.atomic_map {
            None
        } else {
            old.and_then(Value::as_object)
        };
        for (key, value) in map {
            let child = match (node.properties.get(key), &node.additional) {
                (Some(child), _) => child,
                (None, Additional::Schema(child)) => child,
                (None, Additional::Forbidden) => {
                    let detail = format!("{}.{key} in body is a forbidden property", path.dotted());
                    out.errors
                        .push(FieldError::invalid(self.file(path), &Value::from(key.as_str()), detail));
                    continue;
                }
                _ => continue,
            };
            let before = old.and_then(|old| old.get(key));
            out.merge(self.node(child, value, before, &path.child(Segment::Field(key))));
        }
        for key in limits.required.iter().filter(|key| !map.contains_key(*key)) {
            let file = self.file(&path.child(Segment::Field(key)));
            out.errors.push(FieldError::required(file, ""));
        }
    }
}

/// JSON type and Go's format of it.
fn type_of(value: &Value) -> (&'static str, &'static str) {
    match value {
        Value::Null => ("null", ""),
        Value::Bool(_) => ("boolean", ""),
        Value::Number(number) if number.is_i64() => ("integer", "int64"),
        Value::Number(_) => ("number", "float64"),
        Value::String(_) => ("string", ""),
        Value::Array(_) => ("array", ""),
        Value::Object(_) => ("object", ""),
    }
}

fn admits(kind: Kind, value: &Value, actual: &str) -> bool {
    let whole = |value: &Value| {
        value
            .as_f64()
            .is_some_and(|number| number.trunc() == number && number.abs() < 9.1e15)
    };
    match kind {
        Kind::IntOrString => matches!(actual, "integer" | "string") || whole(value),
        Kind::Integer => actual == "integer" || whole(value),
        Kind::Number => value.is_number(),
        Kind::Any => false,
        other => other.names() == actual,
    }
}

enum Multiple {
    Fits,
    Not,
    BadFactor,
}

/// Whether a number is a multiple, and the factor that the check used.
fn multiple(value: f64, whole: Option<i64>, factor: f64) -> (Multiple, f64) {
    if let Some(value) = whole {
        // The factor is cut to an integer for integers: 0.5 becomes 0, which is refused.
        #[expect(clippy::cast_possible_truncation, reason = "saturates, as intended")]
        let cut = factor as i64;
        let verdict = match value.checked_rem(cut) {
            _ if cut <= 0 => Multiple::BadFactor,
            Some(0) => Multiple::Fits,
            _ => Multiple::Not,
        };
        #[expect(clippy::cast_precision_loss, reason = "only shown")]
        return (verdict, cut as f64);
    }
    let verdict = if factor <= 0.0 {
        Multiple::BadFactor
    } else {
        let times = if factor < 1.0 {
            1.0 / factor * value
        } else {
            value / factor
        };
        if (times - times.round()).abs() <= 1e-9 * times.abs().max(1.0) {
            Multiple::Fits
        } else {
            Multiple::Not
        }
    };
    (verdict, factor)
}

/// The item of the old list that is the same entry: by its keys in a map, none in other lists.
pub(super) fn correlated<'o>(kind: &ListKind, old: &'o [Value], item: &Value) -> Option<&'o Value> {
    let ListKind::Map(keys) = kind else { return None };
    let item = item.as_object()?;
    old.iter().find(|other| {
        let other = other.as_object();
        other.is_some_and(|other| keys.iter().all(|key| other.get(key) == item.get(key)))
    })
}
