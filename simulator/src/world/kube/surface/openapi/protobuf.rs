//! The version 2 document in the protobuf layout `openapi.v2.Document` (google/gnostic-models, OpenAPIv2.proto, v0.7).
//! Only what our documents hold is written.

use serde_json::{Map, Value};

/// How deep schemas nest at most.
const MAX_DEPTH: usize = 72;

/// A protobuf message in the making.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(u8::try_from(value & 0x7f).unwrap_or_default() | 0x80);
            value >>= 7;
        }
        self.0.push(u8::try_from(value).unwrap_or_default());
    }

    fn bytes(&mut self, field: u64, bytes: &[u8]) {
        self.varint(field << 3 | 2);
        self.varint(bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    fn message(&mut self, field: u64, message: &Self) {
        self.bytes(field, &message.0);
    }

    fn text(&mut self, field: u64, value: &Value) {
        if let Some(text) = value.as_str().filter(|text| !text.is_empty()) {
            self.bytes(field, text.as_bytes());
        }
    }

    fn texts(&mut self, field: u64, list: &Value) {
        for text in list.as_array().into_iter().flatten().filter_map(Value::as_str) {
            self.bytes(field, text.as_bytes());
        }
    }

    fn flag(&mut self, field: u64, value: &Value) {
        if value == true {
            self.varint(field << 3);
            self.varint(1);
        }
    }

    fn double(&mut self, field: u64, value: &Value) {
        if let Some(number) = value.as_f64().filter(|number| *number != 0.0) {
            self.varint(field << 3 | 1);
            self.0.extend_from_slice(&number.to_le_bytes());
        }
    }

    /// `repeated Named… { name = 1; value = 2 }`
    fn named(&mut self, field: u64, name: &str, value: &Self) {
        let mut entry = Self::default();
        entry.bytes(1, name.as_bytes());
        entry.message(2, value);
        self.message(field, &entry);
    }

    /// All `x-…` entries.
    fn extensions(&mut self, field: u64, map: &Map<String, Value>) {
        for (name, value) in map.iter().filter(|(name, _)| name.starts_with("x-")) {
            self.named(field, name, &any(value));
        }
    }
}

/// `Any`, whose second field is YAML; JSON is YAML too.
fn any(value: &Value) -> Message {
    let mut message = Message::default();
    message.bytes(2, value.to_string().as_bytes());
    message
}

pub(super) fn document(document: &Value) -> Vec<u8> {
    let mut out = Message::default();
    out.text(1, &document["swagger"]);
    let mut info = Message::default();
    info.text(1, &document["info"]["title"]);
    info.text(2, &document["info"]["version"]);
    out.message(2, &info);
    let mut paths = Message::default();
    for (path, item) in entries(&document["paths"]) {
        let mut message = Message::default();
        message.message(8, &operation(&item["patch"]));
        paths.named(2, path, &message);
    }
    out.message(8, &paths);
    let mut definitions = Message::default();
    for (name, definition) in entries(&document["definitions"]) {
        definitions.named(1, name, &schema(definition, 0));
    }
    out.message(9, &definitions);
    out.0
}

fn entries(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

fn operation(operation: &Value) -> Message {
    let mut out = Message::default();
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        let mut query = Message::default();
        query.text(2, &parameter["in"]);
        query.text(3, &parameter["description"]);
        query.text(4, &parameter["name"]);
        query.text(6, &parameter["type"]);
        query.flag(20, &parameter["uniqueItems"]);
        // ParametersItem.parameter, Parameter.non_body_parameter, NonBodyParameter.query_parameter_sub_schema.
        let item = wrapped(1, &wrapped(2, &wrapped(3, &query)));
        out.message(8, &item);
    }
    let mut responses = Message::default();
    for (code, response) in entries(&operation["responses"]) {
        let mut message = Message::default();
        message.text(1, &response["description"]);
        responses.named(1, code, &wrapped(1, &message));
    }
    out.message(9, &responses);
    if let Some(map) = operation.as_object() {
        out.extensions(13, map);
    }
    out
}

fn wrapped(field: u64, inner: &Message) -> Message {
    let mut out = Message::default();
    out.message(field, inner);
    out
}

fn schema(schema: &Value, depth: usize) -> Message {
    let mut out = Message::default();
    let Some(map) = schema.as_object().filter(|_| depth <= MAX_DEPTH) else {
        return out;
    };
    for (key, value) in map {
        match key.as_str() {
            "$ref" => out.text(1, value),
            "format" => out.text(2, value),
            "title" => out.text(3, value),
            "description" => out.text(4, value),
            "multipleOf" => out.double(6, value),
            "maximum" => out.double(7, value),
            "exclusiveMaximum" => out.flag(8, value),
            "minimum" => out.double(9, value),
            "exclusiveMinimum" => out.flag(10, value),
            "maxLength" => integer(&mut out, 11, value),
            "minLength" => integer(&mut out, 12, value),
            "pattern" => out.text(13, value),
            "maxItems" => integer(&mut out, 14, value),
            "minItems" => integer(&mut out, 15, value),
            "uniqueItems" => out.flag(16, value),
            "maxProperties" => integer(&mut out, 17, value),
            "minProperties" => integer(&mut out, 18, value),
            "required" => out.texts(19, value),
            "enum" => value
                .as_array()
                .into_iter()
                .flatten()
                .for_each(|entry| out.message(20, &any(entry))),
            "additionalProperties" => out.message(21, &additional(value, depth)),
            "type" => {
                let mut kind = Message::default();
                kind.text(1, value);
                out.message(22, &kind);
            }
            "items" => out.message(23, &wrapped(1, &self::schema(value, depth + 1))),
            "properties" => {
                let mut properties = Message::default();
                for (name, property) in entries(value) {
                    properties.named(1, name, &self::schema(property, depth + 1));
                }
                out.message(25, &properties);
            }
            _ => {}
        }
    }
    out.extensions(31, map);
    out
}

fn additional(value: &Value, depth: usize) -> Message {
    let mut out = Message::default();
    match value {
        Value::Bool(_) => out.flag(2, value),
        other => out.message(1, &schema(other, depth + 1)),
    }
    out
}

fn integer(out: &mut Message, field: u64, value: &Value) {
    if let Some(number) = value.as_u64().filter(|number| *number != 0) {
        out.varint(field << 3);
        out.varint(number);
    }
}
