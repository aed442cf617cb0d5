//! The query of a request, read once into typed options.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::world::kube::api_error::{ApiError, FieldError, FieldErrorKind};

/// How strictly unknown and duplicate fields are taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FieldValidation {
    /// Drop them silently.
    Ignore,
    /// Drop them and warn.
    #[default]
    Warn,
    /// Refuse the request.
    Strict,
}

/// The `propagationPolicy` of a deletion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Propagation {
    /// Dependents are deleted later.
    Background,
    /// The object goes after its dependents.
    Foreground,
    /// Dependents stay.
    Orphan,
}

/// How a `resourceVersion` on a list is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VersionMatch {
    /// Exactly that state.
    Exact,
    /// That state or a newer one.
    NotOlderThan,
}

/// Options of any request; each verb uses its part.
#[derive(Clone, Debug, Default)]
pub struct Options {
    query: BTreeMap<String, String>,
    /// All values of `dryRun`.
    dry_run: Vec<String>,
}

/// Longest field manager, in bytes (`FieldManagerMaxLength`).
const MANAGER_MAX_BYTES: usize = 128;

/// Whose options they are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    /// A POST.
    Create,
    /// A PUT.
    Update,
    /// A PATCH that is no apply.
    Patch,
    /// An apply.
    Apply,
    /// A DELETE.
    Delete,
}

impl Of {
    fn kind(self) -> &'static str {
        match self {
            Self::Create => "CreateOptions",
            Self::Update => "UpdateOptions",
            Self::Patch | Self::Apply => "PatchOptions",
            Self::Delete => "DeleteOptions",
        }
    }
}

impl Options {
    /// From the raw query; a key that comes twice keeps its last value.
    #[must_use]
    pub fn parse(query: &str) -> Self {
        let query = || form_urlencoded::parse(query.as_bytes()).into_owned();
        let dry_run = query().filter(|(name, _)| name == "dryRun");
        Self {
            query: query().collect(),
            dry_run: dry_run.map(|(_, value)| value).collect(),
        }
    }

    /// One option; None when absent or empty.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.query
            .get(name)
            .map(String::as_str)
            .filter(|value| !value.is_empty())
    }

    /// One option as it was given, empty or not.
    #[must_use]
    pub fn given(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str)
    }

    /// Sets one option, as if the query had it.
    pub fn set(&mut self, name: &str, value: impl Into<String>) {
        self.query.insert(name.to_owned(), value.into());
    }

    /// `watch`, `force`, …: present and not false.
    #[must_use]
    pub fn flag(&self, name: &str) -> bool {
        self.query
            .get(name)
            .is_some_and(|value| !matches!(value.as_str(), "0" | "false" | "False" | "FALSE" | "f" | "F"))
    }

    /// A number, 0 when absent.
    ///
    /// # Errors
    /// When it is none.
    pub fn number(&self, name: &str) -> Result<Option<i64>, ApiError> {
        let Some(text) = self.get(name) else { return Ok(None) };
        let wrong = |_| ApiError::bad_request(format!("strconv.ParseInt: parsing {text:?}: invalid syntax"));
        text.parse().map(Some).map_err(wrong)
    }

    /// The checks that every write's options go through before its body is looked at.
    ///
    /// # Errors
    /// 422 with all that is wrong.
    pub fn check(&self, of: Of) -> Result<(), ApiError> {
        let mut errors = Vec::new();
        if of == Of::Delete {
            errors.extend(self.propagation_errors());
        } else {
            match (of, self.get("force"), self.get("fieldManager")) {
                (Of::Patch, Some(_), _) => {
                    errors.push(FieldError::forbidden(
                        "force",
                        "may not be specified for non-apply patch",
                    ));
                }
                (Of::Apply, _, None) => {
                    errors.push(FieldError::required("fieldManager", "is required for apply patch"))
                }
                _ => {}
            }
            errors.extend(self.get("fieldManager").map(manager_errors).unwrap_or_default());
        }
        if self.dry_run.iter().any(|value| value != "All") {
            let given = Value::from(self.dry_run.clone());
            errors.push(FieldError::not_supported("dryRun", &given, &["All"]));
        }
        if let Some(other) = self.get("fieldValidation")
            && of != Of::Delete
            && !VALIDATIONS.contains(&other)
        {
            errors.push(FieldError::not_supported(
                "fieldValidation",
                &other.into(),
                &VALIDATIONS,
            ));
        }
        if errors.is_empty() {
            return Ok(());
        }
        Err(ApiError::invalid("meta.k8s.io", of.kind(), "", &errors))
    }

    fn propagation_errors(&self) -> Vec<FieldError> {
        match (self.get("propagationPolicy"), self.get("orphanDependents")) {
            (Some(policy), Some(_)) => {
                let detail = "orphanDependents and deletionPropagation cannot be both set";
                vec![FieldError::invalid("propagationPolicy", &policy.into(), detail)]
            }
            (Some(policy), None) if !PROPAGATIONS.contains(&policy) => {
                let supported = ["Foreground", "Background", "Orphan", "nil"];
                vec![FieldError::not_supported(
                    "propagationPolicy",
                    &policy.into(),
                    &supported,
                )]
            }
            _ => Vec::new(),
        }
    }

    /// Whether nothing shall be stored.
    #[must_use]
    pub fn is_dry_run(&self) -> bool {
        self.dry_run.iter().any(|value| !value.is_empty())
    }

    /// `fieldValidation`; Warn when absent.
    #[must_use]
    pub fn field_validation(&self) -> FieldValidation {
        match self.get("fieldValidation") {
            Some("Ignore") => FieldValidation::Ignore,
            Some("Strict") => FieldValidation::Strict,
            _ => FieldValidation::Warn,
        }
    }

    /// `propagationPolicy`, also from the older `orphanDependents`.
    #[must_use]
    pub fn propagation(&self) -> Option<Propagation> {
        match self.get("propagationPolicy") {
            Some("Background") => Some(Propagation::Background),
            Some("Foreground") => Some(Propagation::Foreground),
            Some("Orphan") => Some(Propagation::Orphan),
            _ => self.get("orphanDependents").map(|orphan| match orphan {
                "false" | "0" => Propagation::Background,
                _ => Propagation::Orphan,
            }),
        }
    }

    /// `resourceVersionMatch`.
    ///
    /// # Errors
    /// When it is unknown.
    pub fn version_match(&self) -> Result<Option<VersionMatch>, ApiError> {
        match self.get("resourceVersionMatch") {
            None => Ok(None),
            Some("Exact") => Ok(Some(VersionMatch::Exact)),
            Some("NotOlderThan") => Ok(Some(VersionMatch::NotOlderThan)),
            Some(other) => Err(option_error("resourceVersionMatch", other, &["Exact", "NotOlderThan"])),
        }
    }

    /// Takes what a DeleteOptions body says, in place of what the query says, as the real server does.
    pub fn merge_delete_body(&mut self, body: &Value) {
        self.dry_run.clear();
        for name in ["dryRun", "propagationPolicy", "gracePeriodSeconds", "orphanDependents"] {
            self.query.remove(name);
        }
        for name in ["propagationPolicy", "gracePeriodSeconds", "orphanDependents"] {
            match &body[name] {
                Value::String(text) => self.set(name, text.clone()),
                Value::Number(number) => self.set(name, number.to_string()),
                Value::Bool(flag) => self.set(name, flag.to_string()),
                _ => {}
            }
        }
        for name in ["uid", "resourceVersion"] {
            if let Some(text) = body["preconditions"][name].as_str() {
                self.set(&format!("preconditions.{name}"), text);
            }
        }
        let dry_run = body["dryRun"].as_array().into_iter().flatten();
        self.dry_run
            .extend(dry_run.filter_map(Value::as_str).map(str::to_owned));
    }
}

const VALIDATIONS: [&str; 4] = ["", "Ignore", "Strict", "Warn"];
const PROPAGATIONS: [&str; 3] = ["Background", "Foreground", "Orphan"];

fn manager_errors(manager: &str) -> Vec<FieldError> {
    let mut errors = Vec::new();
    if manager.len() > MANAGER_MAX_BYTES {
        let detail = format!("may not be more than {MANAGER_MAX_BYTES} bytes");
        errors.push(FieldError::new(FieldErrorKind::TooLong, "fieldManager", None, detail));
    }
    let unprintable = manager.char_indices().filter(|(_, char)| char.is_control());
    errors.extend(unprintable.map(|(at, char)| {
        let detail = format!("invalid character U+{:04X} (at position {at})", u32::from(char));
        FieldError::new(
            FieldErrorKind::Invalid,
            "fieldManager",
            Some(go_quoted(manager)),
            detail,
        )
    }));
    errors
}

/// As Go's `%q` writes the control characters that JSON has no letter for.
fn go_quoted(text: &str) -> String {
    let json = Value::from(text).to_string();
    json.replace("\\u0007", "\\a")
        .replace("\\u000b", "\\v")
        .replace("\\u00", "\\x")
}

/// 422 on an option, as the server words it.
fn option_error(name: &str, value: &str, supported: &[&str]) -> ApiError {
    let errors = [FieldError::not_supported(name, &value.into(), supported)];
    ApiError::invalid("meta.k8s.io", "ListOptions", "", &errors)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_typed() {
        let options = Options::parse("watch=1&dryRun=All&fieldValidation=Strict&limit=5&labelSelector=a%3Db%2Cc");
        assert!(options.flag("watch") && !options.flag("force"));
        assert!(options.is_dry_run());
        assert_eq!(options.field_validation(), FieldValidation::Strict);
        assert_eq!(options.number("limit"), Ok(Some(5)));
        assert_eq!(options.get("labelSelector"), Some("a=b,c"));
        assert!(Options::parse("dryRun=Some").check(Of::Create).is_err());
        assert!(Options::parse("fieldManager=%07").check(Of::Update).is_err());
        assert!(Options::parse("").check(Of::Apply).is_err());
        assert_eq!(options.check(Of::Patch), Ok(()));
        assert!(Options::parse("limit=x").number("limit").is_err());
        assert!(!Options::parse("watch=false").flag("watch"));
    }
}
