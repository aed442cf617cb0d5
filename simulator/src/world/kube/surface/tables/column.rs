//! Column definitions as data. Descriptions that quote a field's documentation name the field instead of repeating it.

use serde_json::{Value, json};

/// One column of a built-in kind's table.
#[derive(Clone, Copy)]
pub(super) struct Column {
    name: &'static str,
    kind: &'static str,
    format: &'static str,
    priority: u8,
    description: &'static str,
}

/// Marks a description as `@definition#field`: the field's own documentation.
const FIELD: char = '@';

pub(super) const NAME: Column = text("Name", "@io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta#name").format("name");
pub(super) const AGE: Column = text("Age", CREATION);
pub(super) const CREATED_AT: Column = Column {
    kind: "date",
    ..text("Created At", CREATION)
};
pub(super) const CONTAINERS: Column = text("Containers", "Names of each container in the template.");
pub(super) const IMAGES: Column = text("Images", "Images referenced by each container in the template.");
const CREATION: &str = "@io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta#creationTimestamp";

pub(super) const fn text(name: &'static str, description: &'static str) -> Column {
    Column {
        name,
        kind: "string",
        format: "",
        priority: 0,
        description,
    }
}

pub(super) const fn integer(name: &'static str, description: &'static str) -> Column {
    Column {
        kind: "integer",
        ..text(name, description)
    }
}

pub(super) const fn boolean(name: &'static str, description: &'static str) -> Column {
    Column {
        kind: "boolean",
        ..text(name, description)
    }
}

impl Column {
    /// Shown with `-o wide` only.
    pub(super) const fn wide(self) -> Self {
        Self { priority: 1, ..self }
    }

    pub(super) const fn format(self, format: &'static str) -> Self {
        Self { format, ..self }
    }

    pub(super) fn definition(&self) -> Value {
        json!({
            "name": self.name, "type": self.kind, "format": self.format, "description": self.describe(),
            "priority": self.priority,
        })
    }

    fn describe(&self) -> &str {
        match self
            .description
            .strip_prefix(FIELD)
            .and_then(|path| path.split_once('#'))
        {
            // The columns were written before the field was said to be immutable.
            Some((definition, field)) => {
                field_description(definition, field).trim_end_matches(" This field is immutable.")
            }
            None => self.description,
        }
    }
}

/// The documentation of a field of a built-in type; empty where unknown.
pub(super) fn field_description(definition: &str, field: &str) -> &'static str {
    let schema = super::super::definitions::all().get(definition);
    schema
        .and_then(|schema| schema["properties"][field]["description"].as_str())
        .unwrap_or_default()
}
