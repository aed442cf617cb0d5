//! Field paths that cost nothing until an error needs them, and the list of errors found.

use std::fmt;

use serde_json::Value;

use super::super::json;
use crate::world::kube::api_error::{FieldError, FieldErrorKind};

/// A field's place: a chain of steps on the stack, written out only when something is wrong.
#[derive(Clone, Copy)]
pub(super) struct Path<'a> {
    parent: Option<&'a Path<'a>>,
    step: Step<'a>,
}

#[derive(Clone, Copy)]
enum Step<'a> {
    Root,
    /// One name or several joined by dots.
    Field(&'a str),
    Index(usize),
    Key(&'a str),
}

impl<'a> Path<'a> {
    /// The object itself.
    pub(super) const ROOT: Path<'static> = Path {
        parent: None,
        step: Step::Root,
    };

    /// A top-level field.
    pub(super) const fn new(name: &'a str) -> Self {
        Self {
            parent: None,
            step: Step::Field(name),
        }
    }

    /// A field below this one; `name` may hold several joined by dots.
    pub(super) const fn child(&'a self, name: &'a str) -> Self {
        Self {
            parent: Some(self),
            step: Step::Field(name),
        }
    }

    /// `[index]`
    pub(super) const fn index(&'a self, index: usize) -> Self {
        Self {
            parent: Some(self),
            step: Step::Index(index),
        }
    }

    /// `[key]`
    pub(super) const fn key(&'a self, key: &'a str) -> Self {
        Self {
            parent: Some(self),
            step: Step::Key(key),
        }
    }
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut first = true;
        if let Some(parent) = self.parent {
            parent.fmt(f)?;
            first = matches!(parent.step, Step::Root);
        }
        match self.step {
            Step::Root => Ok(()),
            Step::Field(name) if first => f.write_str(name),
            Step::Field(name) => write!(f, ".{name}"),
            Step::Index(index) => write!(f, "[{index}]"),
            Step::Key(key) => write!(f, "[{key}]"),
        }
    }
}

/// A check of a text that answers what is wrong with it.
pub(super) type Format = fn(&str) -> Vec<String>;

/// The errors found so far.
#[derive(Default)]
pub(super) struct Problems(Vec<FieldError>);

impl Problems {
    /// The errors. One may say the same as an earlier one: it is one text and two causes.
    pub(super) fn into_errors(self) -> Vec<FieldError> {
        self.0
    }

    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    pub(super) fn required(&mut self, path: &Path<'_>, detail: &str) {
        self.0.push(FieldError::required(path.to_string(), detail));
    }

    pub(super) fn invalid(&mut self, path: &Path<'_>, value: &Value, detail: &str) {
        self.0.push(FieldError::invalid(path.to_string(), value, detail));
    }

    /// Invalid, with a text as the bad value.
    pub(super) fn invalid_text(&mut self, path: &Path<'_>, value: &str, detail: &str) {
        self.invalid(path, &Value::from(value), detail);
    }

    /// Invalid, with the bad value as Go prints its internal type.
    pub(super) fn invalid_shown(&mut self, path: &Path<'_>, shown: String, detail: &str) {
        let error = FieldError::new(FieldErrorKind::Invalid, path.to_string(), Some(shown), detail);
        self.0.push(error);
    }

    /// Invalid, without a value.
    pub(super) fn invalid_bare(&mut self, path: &Path<'_>, detail: &str) {
        let error = FieldError::new(FieldErrorKind::Invalid, path.to_string(), None, detail);
        self.0.push(error);
    }

    pub(super) fn unsupported(&mut self, path: &Path<'_>, value: &Value, supported: &[&str]) {
        self.0
            .push(FieldError::not_supported(path.to_string(), value, supported));
    }

    /// Unsupported, with the bad value as Go prints its internal type.
    pub(super) fn unsupported_shown(&mut self, path: &Path<'_>, shown: String, supported: &[&str]) {
        let mut error = FieldError::not_supported(path.to_string(), &Value::Null, supported);
        error.bad_value = Some(shown);
        self.0.push(error);
    }

    pub(super) fn duplicate(&mut self, path: &Path<'_>, value: &Value) {
        self.0.push(FieldError::duplicate(path.to_string(), value));
    }

    /// Duplicate, with the bad value as Go prints its internal type.
    pub(super) fn duplicate_shown(&mut self, path: &Path<'_>, shown: String, detail: &str) {
        let error = FieldError::new(FieldErrorKind::Duplicate, path.to_string(), Some(shown), detail);
        self.0.push(error);
    }

    pub(super) fn forbidden(&mut self, path: &Path<'_>, detail: &str) {
        self.0.push(FieldError::forbidden(path.to_string(), detail));
    }

    pub(super) fn not_found(&mut self, path: &Path<'_>, value: &str, detail: &str) {
        let shown = Some(Value::from(value).to_string());
        let error = FieldError::new(FieldErrorKind::NotFound, path.to_string(), shown, detail);
        self.0.push(error);
    }

    pub(super) fn too_long(&mut self, path: &str, max_bytes: usize) {
        let detail = format!("may not be more than {max_bytes} bytes");
        self.0
            .push(FieldError::new(FieldErrorKind::TooLong, path, None, detail));
    }

    /// Runs a check of a text.
    pub(super) fn format(&mut self, path: &Path<'_>, text: &str, check: Format) {
        for problem in check(text) {
            self.invalid_text(path, text, &problem);
        }
    }

    /// A number that is there must not be negative.
    pub(super) fn non_negative(&mut self, parent: &Path<'_>, object: &Value, key: &str) {
        if let Some(number) = json::int(object, key).filter(|number| *number < 0) {
            self.invalid(&parent.child(key), &number.into(), NEGATIVE);
        }
    }

    /// A text that must be one of a few; `required` says that it must be there too.
    pub(super) fn one_of(&mut self, parent: &Path<'_>, object: &Value, key: &str, supported: &[&str], required: bool) {
        let value = json::get(object, key);
        match value.as_str() {
            None | Some("") if required => self.required(&parent.child(key), ""),
            Some(text) if !text.is_empty() && !supported.contains(&text) => {
                self.unsupported(&parent.child(key), value, supported);
            }
            _ => {}
        }
    }

    /// A field that an update must not change.
    pub(super) fn immutable(&mut self, path: &Path<'_>, new: &Value, old: &Value) {
        if !json::same(new, old) {
            self.invalid(path, new, IMMUTABLE);
        }
    }
}

/// A number below 0.
pub(super) const NEGATIVE: &str = "must be greater than or equal to 0";
/// A change of what cannot change.
pub(super) const IMMUTABLE: &str = "field is immutable";
