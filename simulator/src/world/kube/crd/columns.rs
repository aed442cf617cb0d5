//! Printer columns: where a table's cells come from. Knows JSONPath; must not know tables.

use serde_json::{Map, Value};

use super::super::schema::builtin_definitions;
use super::super::surface::jsonpath::JsonPath;

/// One column after the name.
#[derive(Clone, Debug, PartialEq)]
pub struct Column {
    /// Header.
    pub name: String,
    /// `integer`, `number`, `string`, `boolean` or `date`.
    pub kind: String,
    /// Format, e.g. `int32`; may be empty.
    pub format: String,
    /// Help text; may be empty.
    pub description: String,
    /// 0 for always, above for `-o wide` only.
    pub priority: i64,
    /// The path as written.
    pub json_path: String,
    /// The path as read; None for one that is no path, which finds nothing.
    path: Option<JsonPath>,
}

impl Column {
    /// The columns of a version; Age where it names none.
    pub(super) fn parse_all(version: &Value) -> Vec<Self> {
        let list = version.get("additionalPrinterColumns").and_then(Value::as_array);
        match list {
            Some(list) if !list.is_empty() => list.iter().filter_map(Value::as_object).map(Self::parse).collect(),
            _ => vec![Self::age()],
        }
    }

    fn parse(column: &Map<String, Value>) -> Self {
        let text = |key: &str| super::structural::text(column, key).to_owned();
        Self {
            name: text("name"),
            kind: text("type"),
            format: text("format"),
            description: text("description"),
            priority: column.get("priority").and_then(Value::as_i64).unwrap_or(0),
            json_path: text("jsonPath"),
            path: JsonPath::parse(&text("jsonPath")),
        }
    }

    /// The column of a version that declares none.
    fn age() -> Self {
        const PATH: &str = ".metadata.creationTimestamp";
        let meta = builtin_definitions().get("io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta");
        let help = meta.and_then(|meta| meta["properties"]["creationTimestamp"]["description"].as_str());
        Self {
            name: "Age".into(),
            kind: "date".into(),
            format: String::new(),
            description: help.unwrap_or_default().into(),
            priority: 0,
            json_path: PATH.into(),
            path: JsonPath::parse(PATH),
        }
    }

    /// The first value at the path.
    #[must_use]
    pub fn find<'v>(&'v self, object: &'v Value) -> Option<&'v Value> {
        self.path.as_ref()?.first(object)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn columns_find_their_values() {
        let version = json!({"additionalPrinterColumns": [
            {"name": "Ready", "type": "string", "jsonPath": ".status.conditions[?(@.type==\"Ready\")].status"},
            {"name": "Broken", "type": "string", "jsonPath": ".spec[", "priority": 1, "description": "d"},
        ]});
        let object = json!({
            "metadata": {"creationTimestamp": "2026-01-01T00:00:00Z"},
            "status": {"conditions": [{"type": "Other", "status": "False"}, {"type": "Ready", "status": "True"}]},
        });
        let columns = Column::parse_all(&version);
        let found: Vec<Option<&Value>> = columns.iter().map(|column| column.find(&object)).collect();
        assert_eq!(found, [Some(&json!("True")), None]);
        assert_eq!((columns[1].priority, columns[1].description.as_str()), (1, "d"));

        let age = Column::parse_all(&json!({}));
        assert_eq!(age.len(), 1);
        assert_eq!(age[0].find(&object), Some(&json!("2026-01-01T00:00:00Z")));
        assert!(age[0].description.starts_with("CreationTimestamp"));
    }
}
