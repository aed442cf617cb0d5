//! The query of a request, read once into typed options.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::world::kube::api_error::ApiError;

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
}

impl Options {
    /// From the raw query; a key that comes twice keeps its last value.
    #[must_use]
    pub fn parse(query: &str) -> Self {
        Self {
            query: form_urlencoded::parse(query.as_bytes()).into_owned().collect(),
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

    /// Whether nothing shall be stored.
    ///
    /// # Errors
    /// When `dryRun` is neither absent nor `All`.
    pub fn is_dry_run(&self) -> Result<bool, ApiError> {
        match self.get("dryRun") {
            None => Ok(false),
            Some("All") => Ok(true),
            Some(other) => Err(option_error("dryRun", other, &["All"])),
        }
    }

    /// `fieldValidation`; Warn when absent.
    ///
    /// # Errors
    /// When it is none of the three.
    pub fn field_validation(&self) -> Result<FieldValidation, ApiError> {
        match self.get("fieldValidation") {
            None | Some("Warn") => Ok(FieldValidation::Warn),
            Some("Ignore") => Ok(FieldValidation::Ignore),
            Some("Strict") => Ok(FieldValidation::Strict),
            Some(other) => Err(option_error("fieldValidation", other, &["Ignore", "Strict", "Warn"])),
        }
    }

    /// `propagationPolicy`, also from the older `orphanDependents`.
    ///
    /// # Errors
    /// When it is none of the three.
    pub fn propagation(&self) -> Result<Option<Propagation>, ApiError> {
        match self.get("propagationPolicy") {
            Some("Background") => Ok(Some(Propagation::Background)),
            Some("Foreground") => Ok(Some(Propagation::Foreground)),
            Some("Orphan") => Ok(Some(Propagation::Orphan)),
            Some(other) => Err(option_error(
                "propagationPolicy",
                other,
                &["Background", "Foreground", "Orphan"],
            )),
            None => Ok(self.get("orphanDependents").map(|orphan| match orphan {
                "true" => Propagation::Orphan,
                _ => Propagation::Background,
            })),
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

    /// Takes what a DeleteOptions body says; the body wins over the query, as in the real server.
    pub fn merge_delete_body(&mut self, body: &Value) {
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
        if let Some(first) = body["dryRun"].get(0).and_then(Value::as_str) {
            self.set("dryRun", first);
        }
    }
}

/// 422 on an option, as the server words it.
fn option_error(name: &str, value: &str, supported: &[&str]) -> ApiError {
    use crate::world::kube::api_error::FieldError;
    let errors = [FieldError::not_supported(name, &value.into(), supported)];
    ApiError::invalid("meta.k8s.io", "Options", "", &errors)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_typed() {
        let options = Options::parse("watch=1&dryRun=All&fieldValidation=Strict&limit=5&labelSelector=a%3Db%2Cc");
        assert!(options.flag("watch") && !options.flag("force"));
        assert_eq!(options.is_dry_run(), Ok(true));
        assert_eq!(options.field_validation(), Ok(FieldValidation::Strict));
        assert_eq!(options.number("limit"), Ok(Some(5)));
        assert_eq!(options.get("labelSelector"), Some("a=b,c"));
        assert!(Options::parse("dryRun=Some").is_dry_run().is_err());
        assert!(Options::parse("limit=x").number("limit").is_err());
        assert!(!Options::parse("watch=false").flag("watch"));
    }
}
