//! Objects, collections and errors as responses: plain, as Tables, as metadata; JSON or YAML.

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderValue, Response, StatusCode, header};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::body::{self, Body};
use super::call::{Call, Written};
use super::list::Page;
use super::negotiate::{Accepted, Encoding, Shape};
use crate::world::kube::api_error::ApiError;
use crate::world::kube::resources::{ResourceType, Subresource};
use crate::world::kube::surface::tables::{self, IncludeObject};

/// A response with a JSON text.
pub(super) fn json_text(code: u16, text: Bytes) -> Response<Body> {
    with_type(code, "application/json", text)
}

/// A response with any text.
pub(super) fn with_type(code: u16, content_type: &str, text: Bytes) -> Response<Body> {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let value = HeaderValue::from_str(content_type).unwrap_or(HeaderValue::from_static("application/json"));
    response.headers_mut().insert(header::CONTENT_TYPE, value);
    response
        .headers_mut()
        .insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache, private"));
    response
}

/// A response with a value in the encoding that the client wants.
pub(super) fn value(code: u16, value: &Value, encoding: Encoding) -> Response<Body> {
    match encoding {
        Encoding::Json => json_text(code, body::text(value)),
        Encoding::Yaml => {
            let text = serde_saphyr::to_string(value).unwrap_or_else(|_| value.to_string());
            with_type(code, "application/yaml", Bytes::from(text))
        }
    }
}

/// A status code and nothing else.
pub(super) fn empty(code: u16) -> Response<Body> {
    let mut response = Response::new(Body::from(Bytes::new()));
    *response.status_mut() = StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    response
}

/// What is served for a path that nobody knows: no Status, as from the real server.
pub(super) fn page_not_found() -> Response<Body> {
    with_type(
        404,
        "text/plain; charset=utf-8",
        Bytes::from_static(b"404 page not found\n"),
    )
}

/// An error as a Status.
pub(super) fn error(error: &ApiError) -> Response<Body> {
    error_in(error, false)
}

/// An error as a Status, in YAML for those who ask for nothing else.
pub(super) fn error_in(error: &ApiError, as_yaml: bool) -> Response<Body> {
    let encoding = if as_yaml { Encoding::Yaml } else { Encoding::Json };
    let mut response = value(error.code, &error.to_status(), encoding);
    let retry = error.details.as_ref().map_or(0, |details| details.retry_after_secs);
    if retry > 0 {
        response
            .headers_mut()
            .insert(header::RETRY_AFTER, HeaderValue::from(retry));
    }
    response
}

/// `Warning: 299 - "…"` headers.
pub(super) fn warn(response: &mut Response<Body>, warnings: &[String]) {
    for warning in warnings {
        let quoted = warning.replace('\\', "\\\\").replace('"', "\\\"");
        if let Ok(value) = HeaderValue::from_str(&format!("299 - \"{quoted}\"")) {
            response.headers_mut().append(header::WARNING, value);
        }
    }
}

/// The result of a write.
pub(super) fn written(
    call: &Call,
    written: &Written,
    accepted: Accepted,
    now: Timestamp,
) -> Result<Response<Body>, ApiError> {
    let mut response = match &written.text {
        Some(text) if accepted == Accepted::PLAIN => json_text(written.code, text.clone()),
        _ => object(call, written.code, &written.object, accepted, now)?,
    };
    warn(&mut response, &written.warnings);
    Ok(response)
}

/// One object.
pub(super) fn object(
    call: &Call,
    code: u16,
    object: &Value,
    accepted: Accepted,
    now: Timestamp,
) -> Result<Response<Body>, ApiError> {
    let shaped = match accepted.shape {
        Shape::Plain => return Ok(value(code, object, accepted.encoding)),
        Shape::MetadataList => {
            return Err(ApiError::not_acceptable(format!(
                "you requested PartialObjectMetadataList, but the requested object is not a list ({})",
                go_type(&call.resource, &call.resource.gvk.kind)
            )));
        }
        Shape::Metadata => tables::partial_object(object),
        Shape::Table => {
            let include = IncludeObject::parse(call.options.get("includeObject"))?;
            let list_meta = json!({ "resourceVersion": object["metadata"]["resourceVersion"] });
            if call.sub == Some(Subresource::Scale) {
                tables::scale_table(object, &list_meta, now, include)
            } else {
                tables::table(&call.resource, &[object], &list_meta, now, include)
            }
        }
    };
    Ok(value(code, &versioned(shaped, accepted), accepted.encoding))
}

/// A Table or metadata in the version that was asked for.
fn versioned(mut shaped: Value, accepted: Accepted) -> Value {
    if accepted.is_beta {
        let beta = |value: &mut Value| {
            if value["apiVersion"] == "meta.k8s.io/v1" {
                value["apiVersion"] = "meta.k8s.io/v1beta1".into();
            }
        };
        beta(&mut shaped);
        for item in shaped
            .get_mut("items")
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
        {
            beta(item);
        }
        for row in shaped
            .get_mut("rows")
            .and_then(Value::as_array_mut)
            .into_iter()
            .flatten()
        {
            beta(&mut row["object"]);
        }
    }
    shaped
}

/// The real server's own type of a kind, as its errors name it.
fn go_type(resource: &ResourceType, kind: &str) -> String {
    if resource.is_custom() {
        let list = if kind == resource.list_kind { "List" } else { "" };
        return format!("*unstructured.Unstructured{list}");
    }
    let package = match resource.gvk.group.split('.').next() {
        None | Some("") => "core",
        Some(first) => first,
    };
    format!("*{package}.{kind}")
}

/// A collection. The plain form joins texts; nothing is parsed.
pub(super) fn page(call: &Call, page: &Page, accepted: Accepted, now: Timestamp) -> Result<Response<Body>, ApiError> {
    let mut list_meta = Map::new();
    list_meta.insert("resourceVersion".into(), page.revision.to_string().into());
    // A list of custom resources says that it is at its end; one of built-in kinds leaves it out.
    if !page.next.is_empty() || call.resource.is_custom() {
        list_meta.insert("continue".into(), page.next.as_str().into());
    }
    if let Some(remaining) = page.remaining {
        list_meta.insert("remainingItemCount".into(), remaining.into());
    }
    let list_meta = Value::Object(list_meta);
    if accepted.shape == Shape::Plain && accepted.encoding == Encoding::Json {
        return Ok(json_text(200, joined(&call.resource, page, &list_meta)));
    }
    let mut objects: Vec<Value> = page
        .items
        .iter()
        .filter_map(|text| serde_json::from_slice(text).ok())
        .collect();
    let shaped = match accepted.shape {
        Shape::Metadata => {
            return Err(ApiError::not_acceptable(format!(
                "you requested PartialObjectMetadata, but the requested object is a list ({})",
                go_type(&call.resource, &call.resource.list_kind)
            )));
        }
        Shape::Plain => json!({
            "apiVersion": call.resource.gvk.api_version(), "kind": call.resource.list_kind,
            "metadata": list_meta, "items": untyped(&call.resource, &mut objects),
        }),
        Shape::MetadataList => json!({
            "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadataList", "metadata": list_meta,
            "items": objects.iter().map(tables::partial_object).collect::<Vec<_>>(),
        }),
        Shape::Table => {
            let include = IncludeObject::parse(call.options.get("includeObject"))?;
            let objects: Vec<&Value> = objects.iter().collect();
            tables::table(&call.resource, &objects, &list_meta, now, include)
        }
    };
    Ok(value(200, &versioned(shaped, accepted), accepted.encoding))
}

/// Items of a list of a built-in kind do not say their kind.
fn untyped<'o>(resource: &ResourceType, objects: &'o mut Vec<Value>) -> &'o [Value] {
    if !resource.is_custom() {
        for fields in objects.iter_mut().filter_map(Value::as_object_mut) {
            fields.remove("apiVersion");
            fields.remove("kind");
        }
    }
    objects
}

fn joined(resource: &ResourceType, page: &Page, list_meta: &Value) -> Bytes {
    let head = format!(
        "{{\"apiVersion\":{},\"kind\":{},\"metadata\":{list_meta},\"items\":[",
        Value::from(resource.gvk.api_version()),
        Value::from(resource.list_kind.as_str()),
    );
    let size = page.items.iter().map(|text| text.len() + 1).sum::<usize>();
    let mut out = BytesMut::with_capacity(head.len() + size + 2);
    out.put(head.as_bytes());
    for (index, text) in page.items.iter().enumerate() {
        if index > 0 {
            out.put_u8(b',');
        }
        if resource.is_custom() {
            out.put(text.as_ref());
        } else {
            body::put_untyped(&mut out, text);
        }
    }
    out.put(&b"]}"[..]);
    out.freeze()
}

/// The object of a watch event in another shape; only the first Table of a watch has its columns.
pub(super) fn watch_object(
    resource: &ResourceType,
    shape: Shape,
    object: &Value,
    include: Option<&str>,
    now: Timestamp,
    is_first: bool,
) -> Value {
    match shape {
        Shape::Plain => object.clone(),
        Shape::Metadata | Shape::MetadataList => tables::partial_object(object),
        Shape::Table => {
            let include = IncludeObject::parse(include).unwrap_or_default();
            tables::watch_table(resource, object, now, include, is_first)
        }
    }
}

/// `Status: Success` of a deletion.
pub(super) fn deleted(call: &Call, object: &Value) -> Value {
    let mut status = json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
        "details": { "name": call.name, "kind": call.resource.plural, "uid": object["metadata"]["uid"] },
    });
    if !call.group().is_empty() {
        status["details"]["group"] = call.group().into();
    }
    status
}
