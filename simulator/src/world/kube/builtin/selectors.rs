//! Label and field selectors: the text form of list queries and the object form inside specs.
//!
//! Knows the grammar, its error texts and how a selector matches; knows no store.

mod fields;
mod parse;

use serde_json::Value;

use super::formats;
use crate::world::kube::api_error::ApiError;

pub use fields::{FieldSelector, FieldTerm, parse_field_selector};
pub use parse::parse_label_selector;

/// How a requirement relates a label to its values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operator {
    /// The label is one of the values (also `=` and `==`).
    In,
    /// The label is absent or none of the values (also `!=`).
    NotIn,
    /// The label is there.
    Exists,
    /// The label is not there.
    DoesNotExist,
    /// The label is an integer above the value.
    Gt,
    /// The label is an integer below the value.
    Lt,
}

impl Operator {
    /// From the name that objects use: `In`, `NotIn`, `Exists`, `DoesNotExist`, `Gt`, `Lt`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "In" => Self::In,
            "NotIn" => Self::NotIn,
            "Exists" => Self::Exists,
            "DoesNotExist" => Self::DoesNotExist,
            "Gt" => Self::Gt,
            "Lt" => Self::Lt,
            _ => return None,
        })
    }
}

/// One condition on one label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Requirement {
    /// Label key.
    pub key: String,
    /// Relation.
    pub operator: Operator,
    /// Values; empty for `Exists` and `DoesNotExist`, one for `Gt` and `Lt`.
    pub values: Vec<String>,
}

impl Requirement {
    /// Whether `value`, the label's value or None when the label is absent, meets it.
    #[must_use]
    pub fn accepts(&self, value: Option<&str>) -> bool {
        let listed = |value: &str| self.values.iter().any(|wanted| wanted == value);
        match (self.operator, value) {
            (Operator::In, Some(value)) => listed(value),
            (Operator::NotIn, Some(value)) => !listed(value),
            (Operator::NotIn | Operator::DoesNotExist, None) | (Operator::Exists, Some(_)) => true,
            (Operator::Gt | Operator::Lt, Some(value)) => self.compares(value),
            (Operator::In | Operator::Exists | Operator::Gt | Operator::Lt, None)
            | (Operator::DoesNotExist, Some(_)) => false,
        }
    }

    fn compares(&self, value: &str) -> bool {
        let [wanted] = self.values.as_slice() else { return false };
        match (value.parse::<i64>(), wanted.parse::<i64>(), self.operator) {
            (Ok(value), Ok(wanted), Operator::Gt) => value > wanted,
            (Ok(value), Ok(wanted), _) => value < wanted,
            _ => false,
        }
    }
}

/// A label selector: all requirements must hold. With none it matches everything.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelSelector {
    requirements: Vec<Requirement>,
    nothing: bool,
}

impl LabelSelector {
    /// The selector that matches every object.
    #[must_use]
    pub fn everything() -> Self {
        Self::default()
    }

    /// The selector that matches no object.
    #[must_use]
    pub fn nothing() -> Self {
        Self {
            nothing: true,
            ..Self::default()
        }
    }

    pub(crate) fn of(requirements: Vec<Requirement>) -> Self {
        Self {
            requirements,
            nothing: false,
        }
    }

    /// From a `metav1.LabelSelector`; null matches nothing, `{}` everything.
    pub fn from_object(selector: &Value) -> Result<Self, ApiError> {
        let Some(fields) = selector.as_object() else {
            return Ok(Self::nothing());
        };
        let mut requirements = Vec::new();
        for (key, value) in fields
            .get("matchLabels")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
        {
            let values = vec![value.as_str().unwrap_or_default().to_owned()];
            requirements.push(checked(key, Operator::In, values)?);
        }
        let expressions = fields.get("matchExpressions").and_then(Value::as_array);
        for expression in expressions.into_iter().flatten() {
            let text = |name: &str| expression.get(name).and_then(Value::as_str).unwrap_or_default();
            let name = text("operator");
            let operator = Operator::from_name(name)
                .filter(|operator| !matches!(operator, Operator::Gt | Operator::Lt))
                .ok_or_else(|| ApiError::bad_request(format!("{name:?} is not a valid label selector operator")))?;
            let values = expression.get("values").and_then(Value::as_array).into_iter().flatten();
            let values = values.map(|value| value.as_str().unwrap_or_default().to_owned());
            requirements.push(checked(text("key"), operator, values.collect())?);
        }
        Ok(Self::of(requirements))
    }

    /// From a plain map of labels (a Service's or a ReplicationController's selector); null or `{}` matches everything.
    #[must_use]
    pub fn from_map(labels: &Value) -> Self {
        let entries = labels.as_object().into_iter().flatten();
        let equal = |(key, value): (&String, &Value)| Requirement {
            key: key.clone(),
            operator: Operator::In,
            values: vec![value.as_str().unwrap_or_default().to_owned()],
        };
        Self::of(entries.map(equal).collect())
    }

    /// Whether labels (`metadata.labels`, null when absent) meet every requirement.
    #[must_use]
    pub fn matches(&self, labels: &Value) -> bool {
        !self.nothing
            && self
                .requirements
                .iter()
                .all(|one| one.accepts(labels.get(&one.key).and_then(Value::as_str)))
    }

    /// Whether it has no requirement at all.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        !self.nothing && self.requirements.is_empty()
    }

    /// The requirements; empty for everything and for nothing.
    #[must_use]
    pub fn requirements(&self) -> &[Requirement] {
        &self.requirements
    }
}

/// A requirement whose key and values are checked; the error is the one text of the first problem found.
fn checked(key: &str, operator: Operator, values: Vec<String>) -> Result<Requirement, ApiError> {
    requirement_problems(key, operator, &values).map_or_else(
        || {
            Ok(Requirement {
                key: key.to_owned(),
                operator,
                values,
            })
        },
        |text| Err(ApiError::bad_request(text)),
    )
}

/// What is wrong with a requirement, as the server's aggregate prints it; None when nothing is.
fn requirement_problems(key: &str, operator: Operator, values: &[String]) -> Option<String> {
    let mut found = Vec::new();
    let key_problems = formats::qualified_name(key);
    if !key_problems.is_empty() {
        found.push(format!("key: Invalid value: {key:?}: {}", key_problems.join("; ")));
    }
    match operator {
        Operator::In | Operator::NotIn if values.is_empty() => {
            found.push("values: Invalid value: []: for 'in', 'notin' operators, values set can't be empty".to_owned());
        }
        Operator::Exists | Operator::DoesNotExist if !values.is_empty() => {
            let shown = Value::from(values.to_vec());
            found.push(format!(
                "values: Invalid value: {shown}: values set must be empty for exists and does not exist"
            ));
        }
        Operator::Gt | Operator::Lt => {
            let wrong = values
                .iter()
                .enumerate()
                .filter(|(_, value)| value.parse::<i64>().is_err());
            found.extend(wrong.map(|(index, value)| {
                format!(
                    "values[{index}]: Invalid value: {value:?}: for 'Gt', 'Lt' operators, the value must be an integer"
                )
            }));
        }
        _ => {}
    }
    for (index, value) in values.iter().enumerate() {
        let problems = formats::label_value(value);
        if !problems.is_empty() {
            found.push(format!(
                "values[{index}][{key}]: Invalid value: {value:?}: {}",
                problems.join("; ")
            ));
        }
    }
    match found.as_slice() {
        [] => None,
        [one] => Some(one.clone()),
        many => Some(format!("[{}]", many.join(", "))),
    }
}

#[cfg(test)]
mod tests;
