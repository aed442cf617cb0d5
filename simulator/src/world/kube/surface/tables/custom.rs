//! Custom resources: the columns that a CRD's version declares.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::super::crd::Column;
use super::super::duration;
use super::cell;
use super::column::NAME;

/// Column definitions, the name first.
pub(super) fn definitions(columns: &[Column]) -> Value {
    let own = columns.iter().map(|column| {
        let description = if column.description.is_empty() {
            format!(
                "Custom resource definition column (in JSONPath format): {}",
                column.json_path
            )
        } else {
            column.description.clone()
        };
        json!({
            "name": column.name, "type": column.kind, "format": column.format, "description": description,
            "priority": column.priority,
        })
    });
    std::iter::once(NAME.definition()).chain(own).collect()
}

/// One row.
pub(super) fn cells(columns: &[Column], object: &Value, now: Timestamp) -> Vec<Value> {
    let own = columns.iter().map(|column| cell(column, object, now));
    std::iter::once(cell::name(object)).chain(own).collect()
}

fn cell(column: &Column, object: &Value, now: Timestamp) -> Value {
    let Some(found) = column.find(object) else {
        return Value::Null;
    };
    match column.kind.as_str() {
        "string" => shown(found),
        "integer" => whole(found),
        "number" => found.as_f64().map_or(Value::Null, go_float),
        "boolean" => found.as_bool().map_or(Value::Null, Value::from),
        "date" if found.is_string() => match duration::parse(found) {
            Some(at) => duration::human_duration(duration::seconds_between(at, now)).into(),
            None => "<invalid>".into(),
        },
        _ => Value::Null,
    }
}

/// A value in a text column: Go prints numbers and booleans plainly, lists and maps as JSON, and a null as templates
/// print a value that is missing.
fn shown(value: &Value) -> Value {
    match value {
        Value::String(_) => value.clone(),
        Value::Null => "<no value>".into(),
        other => other.to_string().into(),
    }
}

fn whole(value: &Value) -> Value {
    #[expect(clippy::cast_possible_truncation, reason = "what Go does with a fraction here")]
    let cut = value
        .as_i64()
        .or_else(|| value.as_f64().map(|fraction| fraction as i64));
    cut.map_or(Value::Null, Value::from)
}

/// A number as Go writes it in JSON: whole ones without a fraction.
fn go_float(number: f64) -> Value {
    /// Whole numbers up to here are exact in both forms.
    const EXACT: f64 = 9_007_199_254_740_992.0;
    #[expect(clippy::cast_possible_truncation, reason = "the bound above makes it exact")]
    let whole = (number.fract() == 0.0 && number.abs() < EXACT).then_some(number as i64);
    whole.map_or_else(|| Value::from(number), Value::from)
}
