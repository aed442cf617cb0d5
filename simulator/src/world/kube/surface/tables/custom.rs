//! Custom resources: the columns that a CRD's version declares.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::super::crd::CompiledVersion;
use super::super::duration;
use super::super::jsonpath::JsonPath;
use super::cell;
use super::column::{NAME, field_description};

/// One `additionalPrinterColumns` entry, ready to use.
pub(super) struct CustomColumn {
    definition: Value,
    kind: Kind,
    path: Option<JsonPath>,
}

#[derive(Clone, Copy)]
enum Kind {
    Text,
    Integer,
    Number,
    Boolean,
    Date,
    Other,
}

/// The columns of a version; AGE alone where it declares none.
pub(super) fn columns_of(version: &CompiledVersion) -> Vec<CustomColumn> {
    let _ = version;
    vec![age_column()]
}

impl CustomColumn {
    /// From one entry of `additionalPrinterColumns`.
    pub(super) fn new(column: &Value) -> Self {
        let path = cell::string(&column["jsonPath"]);
        let described = cell::string(&column["description"]);
        let description = if described.is_empty() {
            format!("Custom resource definition column (in JSONPath format): {path}")
        } else {
            described.to_owned()
        };
        let kind = cell::string(&column["type"]);
        let definition = json!({
            "name": column["name"], "type": kind, "format": cell::string(&column["format"]),
            "description": description, "priority": cell::number(&column["priority"]),
        });
        let kind = match kind {
            "string" => Kind::Text,
            "integer" => Kind::Integer,
            "number" => Kind::Number,
            "boolean" => Kind::Boolean,
            "date" => Kind::Date,
            _ => Kind::Other,
        };
        Self {
            definition,
            kind,
            path: JsonPath::parse(path),
        }
    }

    fn cell(&self, object: &Value, now: Timestamp) -> Value {
        let Some(found) = self.path.as_ref().and_then(|path| path.first(object)) else {
            return Value::Null;
        };
        match self.kind {
            Kind::Text => match found {
                Value::String(_) => found.clone(),
                other => shown(other).into(),
            },
            Kind::Integer => found
                .as_i64()
                .or_else(|| found.as_f64().map(|f| f as i64))
                .map_or(Value::Null, Value::from),
            Kind::Number => found.as_f64().map_or(Value::Null, go_float),
            Kind::Boolean => found.as_bool().map_or(Value::Null, Value::from),
            Kind::Date if found.is_string() => match duration::parse(found) {
                Some(at) => duration::human_duration(duration::seconds_between(at, now)).into(),
                None => "<invalid>".into(),
            },
            Kind::Date | Kind::Other => Value::Null,
        }
    }
}

fn age_column() -> CustomColumn {
    let description = field_description("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta", "creationTimestamp");
    CustomColumn::new(&json!({
        "name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp", "description": description,
    }))
}

/// Column definitions, the name first.
pub(super) fn definitions(columns: &[CustomColumn]) -> Value {
    let own = columns.iter().map(|column| column.definition.clone());
    std::iter::once(NAME.definition()).chain(own).collect()
}

/// One row.
pub(super) fn cells(columns: &[CustomColumn], object: &Value, now: Timestamp) -> Vec<Value> {
    let own = columns.iter().map(|column| column.cell(object, now));
    std::iter::once(cell::name(object)).chain(own).collect()
}

/// A value that is not text in a text column: Go prints numbers and booleans plainly, lists and maps as JSON.
/// A null is what Go's templates print where a value is missing.
fn shown(value: &Value) -> String {
    if value.is_null() {
        "<no value>".into()
    } else {
        value.to_string()
    }
}

/// A float as Go writes it in JSON: whole numbers without a fraction.
fn go_float(number: f64) -> Value {
    /// Whole numbers up to here are exact in both forms.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    if number.fract() == 0.0 && number.abs() < EXACT {
        Value::from(number as i64)
    } else {
        Value::from(number)
    }
}
