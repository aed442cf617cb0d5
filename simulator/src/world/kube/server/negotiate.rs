//! Content negotiation: which media types come in, which representation goes out.

use std::fmt::Write as _;

use serde_json::Value;

use super::options::FieldValidation;
use crate::world::kube::api_error::ApiError;
use crate::world::kube::patch;
use crate::world::kube::resources::Gvk;
use crate::world::kube::schema;
use crate::world::kube::schema::protobuf::Problem;

/// How the client wants objects shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// As they are.
    Plain,
    /// As a Table.
    Table,
    /// Metadata alone, of one object.
    Metadata,
    /// Metadata alone, of a list.
    MetadataList,
}

/// The encoding of a response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// `application/json`
    Json,
    /// `application/yaml`
    Yaml,
}

/// What goes out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// The representation.
    pub shape: Shape,
    /// The encoding.
    pub encoding: Encoding,
    /// Whether Tables and metadata are wanted as `meta.k8s.io/v1beta1`.
    pub is_beta: bool,
}

impl Accepted {
    /// Objects as they are, in JSON.
    pub const PLAIN: Self = Self {
        shape: Shape::Plain,
        encoding: Encoding::Json,
        is_beta: false,
    };
}

/// What typed Go clients send for built-in kinds.
const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";
/// What a DELETE may carry.
const DELETE_OPTIONS: &str = "DeleteOptions";
/// How much of a binary body an error shows, in bytes (`transformDecodeError` of the generic API server).
const SHOWN_BYTES: usize = 30;

/// Largest body of a request, in bytes (`MaxRequestBodyBytes` of the generic API server).
pub const MAX_BODY_BYTES: usize = 3 * 1024 * 1024;

/// Chooses from an Accept header, by its order (kubectl and client-go list what they like best first).
///
/// # Errors
/// 406 when nothing listed can be served: by the router of the real server, which built-in kinds go through, or by the
/// handler.
pub fn accept(header: Option<&str>, is_custom: bool, is_watch: bool) -> Result<Accepted, ApiError> {
    let Some(header) = header.map(str::trim).filter(|header| !header.is_empty()) else {
        return Ok(Accepted::PLAIN);
    };
    if let Some(accepted) = header.split(',').find_map(|clause| accept_one(clause, is_custom)) {
        return Ok(accepted);
    }
    let media_types = "application/json, application/yaml, application/vnd.kubernetes.protobuf";
    let is_routed = |clause: &str| {
        let name = clause.split(';').next().unwrap_or_default().trim();
        name == "*/*" || media_types.split(", ").any(|media_type| media_type == name)
    };
    if is_custom || header.split(',').any(is_routed) {
        return Err(ApiError::not_acceptable(format!(
            "only the following media types are accepted: {media_types}"
        )));
    }
    let streams = if is_watch {
        ", application/json;stream=watch, application/vnd.kubernetes.protobuf;stream=watch"
    } else {
        ""
    };
    Err(ApiError::not_acceptable_by_router(format!(
        "406: Not Acceptable\n\nAvailable representations: {media_types}{streams}"
    )))
}

fn accept_one(clause: &str, is_custom: bool) -> Option<Accepted> {
    let mut parts = clause.split(';').map(str::trim);
    let encoding = match parts.next()? {
        "application/json" | "*/*" => Encoding::Json,
        "application/*" if is_custom => Encoding::Json,
        "application/yaml" => Encoding::Yaml,
        _ => return None,
    };
    let mut accepted = Accepted {
        encoding,
        ..Accepted::PLAIN
    };
    let (mut version, mut group) = ("", "");
    for parameter in parts {
        match parameter.split_once('=')? {
            ("as", "Table") => accepted.shape = Shape::Table,
            ("as", "PartialObjectMetadata") => accepted.shape = Shape::Metadata,
            ("as", "PartialObjectMetadataList") => accepted.shape = Shape::MetadataList,
            ("as", _) => return None,
            ("v", value) => version = value,
            ("g", value) => group = value,
            _ => {}
        }
    }
    let is_known = matches!(version, "v1" | "v1beta1") && group == "meta.k8s.io";
    accepted.is_beta = version == "v1beta1";
    (accepted.shape == Shape::Plain || is_known).then_some(accepted)
}

/// What stands for a Content-Type that cannot be read.
const MALFORMED: &str = "?";

/// The media type of a Content-Type header, without its parameters.
#[must_use]
pub fn media_type(header: Option<&str>) -> &str {
    let Some((name, parameters)) = header.map(|header| header.split_once(';').unwrap_or((header, ""))) else {
        return "";
    };
    // With a parameter that is none, the whole is no media type.
    if parameters.split(';').any(|one| one.trim().is_empty()) && parameters.contains(';') {
        return MALFORMED;
    }
    name.trim()
}

/// A request body as a value, with the fields that came twice.
#[derive(Debug)]
pub struct Decoded {
    /// The value.
    pub value: Value,
    /// Paths of fields that came twice.
    pub duplicates: Vec<String>,
}

/// Reads a JSON, YAML or protobuf body of a create or an update.
///
/// # Errors
/// 415 for another media type, 400 for what cannot be read.
pub fn decode(media_type: &str, body: &[u8], kind: &str) -> Result<Decoded, ApiError> {
    match media_type {
        "" | "application/json" => decode_json(body, kind),
        "application/yaml" => Ok(Decoded {
            value: decode_yaml(body).map_err(|error| unrecognized(kind, &error.message, body))?,
            duplicates: Vec::new(),
        }),
        PROTOBUF => decode_protobuf(body, kind),
        _ => Err(unsupported()),
    }
}

/// Custom resources have no protobuf form.
///
/// # Errors
/// 415 for protobuf.
pub fn refuse_protobuf(media_type: &str) -> Result<(), ApiError> {
    if media_type == PROTOBUF {
        return Err(unsupported());
    }
    Ok(())
}

fn unsupported() -> ApiError {
    ApiError::unsupported_media_type(
        "the body of the request was in an unknown format - accepted media types include: application/json, application/yaml, application/vnd.kubernetes.protobuf",
    )
}

/// A protobuf body in the form that its JSON would have: what Go always sends there and never in JSON is gone.
fn decode_protobuf(body: &[u8], expected: &str) -> Result<Decoded, ApiError> {
    let mut value = schema::protobuf::decode(body).map_err(|problem| protobuf_problem(problem, body, expected))?;
    let text = |name: &str| value[name].as_str().unwrap_or_default();
    let (group, version) = text("apiVersion").rsplit_once('/').unwrap_or(("", text("apiVersion")));
    if let Some(schema) = schema::builtin(&Gvk::new(group, version, text("kind"))) {
        schema.normalize(&mut value);
    }
    Ok(Decoded {
        value,
        duplicates: Vec::new(),
    })
}

/// The real server says less of the options of a deletion than of objects.
fn protobuf_problem(problem: Problem, body: &[u8], expected: &str) -> ApiError {
    let options = expected == DELETE_OPTIONS;
    let text = match problem {
        Problem::Unrecognized(why) if options => why,
        Problem::Unrecognized(why) => format!(
            "the object provided is unrecognized (must be of type {expected}): {why} ({})",
            hex(body)
        ),
        Problem::Unregistered { api_version, kind } => {
            let why = format!(
                "no kind {kind:?} is registered for version {api_version:?} in scheme \"pkg/runtime/scheme.go:111\""
            );
            cannot_be_handled(&api_version, &kind, expected, &why)
        }
        Problem::Broken { api_version, kind, why } => cannot_be_handled(&api_version, &kind, expected, &why),
    };
    ApiError::bad_request(text)
}

fn cannot_be_handled(api_version: &str, kind: &str, expected: &str, why: &str) -> String {
    if expected == DELETE_OPTIONS {
        return why.to_owned();
    }
    let version = api_version.rsplit('/').next().unwrap_or_default();
    format!("{kind} in version {version:?} cannot be handled as a {expected}: {why}")
}

/// The first bytes of a body.
fn hex(body: &[u8]) -> String {
    let mut out = String::new();
    for byte in body.iter().take(SHOWN_BYTES) {
        let _ = write!(out, "{byte:02x}");
    }
    if body.len() > SHOWN_BYTES {
        out.push_str(" ...");
    }
    out
}

fn decode_json(body: &[u8], kind: &str) -> Result<Decoded, ApiError> {
    let parsed = schema::parse_json(body)
        .map_err(|_| unrecognized(kind, &format!("{VERSION_KIND} {}", schema::json_problem(body)), body))?;
    let value = match parsed.value {
        Value::Null => Value::Object(serde_json::Map::new()),
        value => value,
    };
    if let Value::Object(fields) = &value {
        for name in ["apiVersion", "kind"] {
            if let Some(other) = fields.get(name).filter(|value| !value.is_string() && !value.is_null()) {
                let found = patch::json_kind(other);
                let why = format!(
                    "{VERSION_KIND} json: cannot unmarshal {found} into Go struct field .{name} of type string"
                );
                return Err(unrecognized(kind, &why, body));
            }
        }
        let version = fields.get("apiVersion").and_then(Value::as_str).unwrap_or_default();
        if version.matches('/').count() > 1 {
            return Err(unrecognized(
                kind,
                &format!("unexpected GroupVersion string: {version}"),
                body,
            ));
        }
    } else {
        let why = format!(
            "{VERSION_KIND} json: cannot unmarshal {} into Go value of type {TYPE_META}",
            patch::json_kind(&value)
        );
        return Err(unrecognized(kind, &why, body));
    }
    Ok(Decoded {
        value,
        duplicates: parsed.duplicates,
    })
}

const VERSION_KIND: &str = "couldn't get version/kind; json parse error:";
/// What Go reads kind and version into.
const TYPE_META: &str =
    "struct { APIVersion string \"json:\\\"apiVersion,omitempty\\\"\"; Kind string \"json:\\\"kind,omitempty\\\"\" }";

fn unrecognized(kind: &str, why: &str, body: &[u8]) -> ApiError {
    ApiError::bad_request(format!(
        "the object provided is unrecognized (must be of type {kind}): {why} ({})",
        shown(body)
    ))
}

/// The beginning of a body, for errors.
pub(super) fn shown(body: &[u8]) -> String {
    match body {
        [] => "<empty>".into(),
        [first, ..] if *first != b'{' => hex(body),
        _ if body.len() <= SHOWN_BYTES => String::from_utf8_lossy(body).into_owned(),
        _ => format!(
            "{} ...",
            String::from_utf8_lossy(body.get(..SHOWN_BYTES).unwrap_or_default())
        ),
    }
}

/// YAML (or JSON, which it contains), bounded in nodes and depth by the parser's budget.
///
/// # Errors
/// 400 for what cannot be read.
pub fn decode_yaml(body: &[u8]) -> Result<Value, ApiError> {
    // Most clients send JSON under this name too, and a JSON parser is ten times as fast. What it does not take, or
    // takes and YAML does not (a field that comes twice), the YAML parser judges.
    if let Ok(parsed) = schema::parse_json(body)
        && parsed.duplicates.is_empty()
    {
        return Ok(parsed.value);
    }
    let text = std::str::from_utf8(body).map_err(|_| ApiError::bad_request("yaml: invalid UTF-8"))?;
    serde_saphyr::from_str(text).map_err(|error| ApiError::bad_request(format!("yaml: {error}")))
}

/// The options of a deletion.
///
/// # Errors
/// 415 for another media type, 400 for what cannot be read or is nothing of the kind.
pub fn decode_delete_options(media_type: &str, body: &[u8]) -> Result<Value, ApiError> {
    let bad = |why: String| ApiError::bad_request(why);
    if matches!(media_type, "" | "application/json") && schema::parse_json(body).is_err() {
        let why = schema::json_problem(body);
        return Err(bad(format!("{VERSION_KIND} {why}")));
    }
    let value = match media_type {
        "" | "application/json" => serde_json::from_slice(body).unwrap_or_default(),
        _ => decode(media_type, body, DELETE_OPTIONS)?.value,
    };
    if !value.is_object() && !value.is_null() {
        let kind = patch::json_kind(&value);
        return Err(bad(format!(
            "{VERSION_KIND} json: cannot unmarshal {kind} into Go value of type {TYPE_META}"
        )));
    }
    let text = |name: &str| value[name].as_str().unwrap_or_default();
    if !matches!(text("kind"), "" | DELETE_OPTIONS) {
        let (kind, version) = (text("kind"), text("apiVersion"));
        return Err(bad(format!(
            "no kind {kind:?} is registered for version {version:?} in scheme \"pkg/runtime/scheme.go:111\""
        )));
    }
    let wrong = |field: &str, found: &Value, wanted: &str| {
        let found = patch::json_kind(found);
        let text =
            format!("json: cannot unmarshal {found} into Go struct field DeleteOptions.{field} of type {wanted}");
        Err(bad(text))
    };
    match &value {
        Value::Object(fields) => {
            for (field, found) in fields.iter().filter(|(_, found)| !found.is_null()) {
                match field.as_str() {
                    "dryRun" if !found.is_array() => return wrong(field, found, "[]string"),
                    "gracePeriodSeconds" if !found.is_i64() => return wrong(field, found, "int64"),
                    "orphanDependents" if !found.is_boolean() => return wrong(field, found, "bool"),
                    "propagationPolicy" if !found.is_string() => return wrong(field, found, "v1.DeletionPropagation"),
                    "preconditions" if !found.is_object() => return wrong(field, found, "v1.Preconditions"),
                    _ => {}
                }
            }
        }
        _ => return Ok(Value::Object(serde_json::Map::new())),
    }
    Ok(value)
}

/// An applied configuration.
///
/// # Errors
/// 400 for what is no YAML, no object, or (under strict validation) has a field twice.
pub fn decode_applied(body: &[u8], validation: FieldValidation) -> Result<Value, ApiError> {
    let bad = |why: &str| ApiError::bad_request(format!("error decoding YAML: {why}"));
    let config = match schema::parse_json(body) {
        Ok(parsed) if parsed.duplicates.is_empty() || validation != FieldValidation::Strict => parsed.value,
        Ok(parsed) => {
            let lines = parsed.duplicates.iter().map(|path| {
                let key = path.rsplit('.').next().unwrap_or_default();
                format!("\n  line 1: key {key:?} already set in map")
            });
            let lines: String = lines.collect();
            return Err(ApiError::bad_request(format!(
                "error strict decoding YAML: error converting YAML to JSON: yaml: unmarshal errors:{lines}"
            )));
        }
        Err(_) => {
            let text =
                std::str::from_utf8(body).map_err(|_| bad("error converting YAML to JSON: yaml: invalid UTF-8"))?;
            // Of a field that comes twice the last counts, as for JSON.
            let last_wins = serde_saphyr::options! { duplicate_keys: serde_saphyr::DuplicateKeyPolicy::LastWins };
            serde_saphyr::from_str_with_options(text, last_wins)
                .map_err(|error| bad(&format!("error converting YAML to JSON: yaml: {error}")))?
        }
    };
    match config {
        Value::Null => Ok(Value::Object(serde_json::Map::new())),
        Value::Object(_) => Ok(config),
        other => Err(bad(&format!(
            "error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {} into Go value of type map[string]interface {{}}",
            patch::json_kind(&other)
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accept_headers_of_real_clients() {
        let table = "application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json";
        assert_eq!(accept(Some(table), false, false).unwrap().shape, Shape::Table);
        let metadata = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";
        assert_eq!(accept(Some(metadata), false, false).unwrap().shape, Shape::Metadata);
        assert_eq!(
            accept(
                Some("application/vnd.kubernetes.protobuf,application/json"),
                false,
                false
            ),
            Ok(Accepted::PLAIN)
        );
        assert_eq!(
            accept(Some("application/yaml"), false, false).unwrap().encoding,
            Encoding::Yaml
        );
        assert_eq!(accept(None, false, false), Ok(Accepted::PLAIN));
        assert_eq!(accept(Some("text/html"), false, false).unwrap_err().code, 406);
        assert_eq!(media_type(Some("application/json; charset=utf-8")), "application/json");
    }

    #[test]
    fn bodies_are_json_or_yaml() {
        assert_eq!(decode("application/yaml", b"a: [1]", "Pod").unwrap().value["a"][0], 1);
        assert_eq!(decode("", b"{\"a\":1}", "Pod").unwrap().value["a"], 1);
        assert_eq!(decode("", b"{", "Pod").unwrap_err().code, 400);
        assert_eq!(decode("application/cbor", b"", "Pod").unwrap_err().code, 415);
        let deep = format!("{}{}", "[".repeat(10_000), "]".repeat(10_000));
        assert_eq!(decode("", deep.as_bytes(), "Pod").unwrap_err().code, 400);
        assert_eq!(
            decode("application/yaml", deep.as_bytes(), "Pod").unwrap_err().code,
            400
        );
    }
    #[test]
    fn protobuf_has_the_form_of_json() {
        let body = b"k8s\0\x0a\x0f\x0a\x02v1\x12\x09ConfigMap\x12\x07\x0a\x05\x0a\x01a\x1a\x00";
        let value = decode(PROTOBUF, body, "ConfigMap").unwrap().value;
        let shown = serde_json::json!({ "apiVersion": "v1", "kind": "ConfigMap", "metadata": { "name": "a" } });
        assert_eq!(value, shown);
        assert_eq!(refuse_protobuf(PROTOBUF).unwrap_err().code, 415);
        assert_eq!(refuse_protobuf("application/json"), Ok(()));
    }

    #[test]
    fn broken_protobuf_is_told_as_the_real_server_tells_it() {
        let prefix = "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]";
        let scheme = "is registered for version \"v1\" in scheme \"pkg/runtime/scheme.go:111\"";
        let nothing: &[u8] = b"k8s\0\x0a\x0d\x0a\x02v1\x12\x07Nothing";
        let short: &[u8] = b"k8s\0\x0a\x0f\x0a\x02v1\x12\x09ConfigMap\x12\x01\x0a";
        let long = [b"k8s\0".as_slice(), &[0xff; 30]].concat();
        let cases: [(&[u8], &str, String); 6] = [
            (
                b"garbage",
                "ConfigMap",
                format!("the object provided is unrecognized (must be of type ConfigMap): {prefix} (67617262616765)"),
            ),
            (
                &long,
                "ConfigMap",
                format!(
                    "the object provided is unrecognized (must be of type ConfigMap): proto: integer overflow (6b387300{} ...)",
                    "ff".repeat(26)
                ),
            ),
            (b"garb", DELETE_OPTIONS, prefix.to_owned()),
            (
                nothing,
                "ConfigMap",
                format!("Nothing in version \"v1\" cannot be handled as a ConfigMap: no kind \"Nothing\" {scheme}"),
            ),
            (nothing, DELETE_OPTIONS, format!("no kind \"Nothing\" {scheme}")),
            (
                short,
                "ConfigMap",
                "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: unexpected EOF".to_owned(),
            ),
        ];
        for (body, expected, told) in cases {
            let error = decode(PROTOBUF, body, expected).unwrap_err();
            assert_eq!((error.code, error.message), (400, told));
        }
    }
}
