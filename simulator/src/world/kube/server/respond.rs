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
use crate::world::kube::resources::ResourceType;
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
    let mut response = json_text(error.code, Bytes::from(error.to_status().to_string()));
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
        Shape::Metadata => tables::partial_object(object),
        Shape::Table => {
            let include = IncludeObject::parse(call.options.get("includeObject"))?;
            let list_meta = json!({ "resourceVersion": object["metadata"]["resourceVersion"] });
            tables::table(&call.resource, &[object], &list_meta, now, include)
        }
    };
    Ok(value(code, &shaped, accepted.encoding))
}

/// A collection. The plain form joins texts; nothing is parsed.
pub(super) fn page(call: &Call, page: &Page, accepted: Accepted, now: Timestamp) -> Result<Response<Body>, ApiError> {
    let mut list_meta = Map::new();
    list_meta.insert("resourceVersion".into(), page.revision.to_string().into());
    if !page.next.is_empty() {
        list_meta.insert("continue".into(), page.next.as_str().into());
    }
    if let Some(remaining) = page.remaining {
        list_meta.insert("remainingItemCount".into(), remaining.into());
    }
    let list_meta = Value::Object(list_meta);
    if accepted.shape == Shape::Plain && accepted.encoding == Encoding::Json {
        return Ok(json_text(200, joined(&call.resource, page, &list_meta)));
    }
    let objects: Vec<Value> = page
        .items
        .iter()
        .filter_map(|text| serde_json::from_slice(text).ok())
        .collect();
    let shaped = match accepted.shape {
        Shape::Plain => json!({
            "apiVersion": call.resource.gvk.api_version(), "kind": call.resource.list_kind,
            "metadata": list_meta, "items": objects,
        }),
        Shape::Metadata => json!({
            "apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadataList", "metadata": list_meta,
            "items": objects.iter().map(tables::partial_object).collect::<Vec<_>>(),
        }),
        Shape::Table => {
            let include = IncludeObject::parse(call.options.get("includeObject"))?;
            let objects: Vec<&Value> = objects.iter().collect();
            tables::table(&call.resource, &objects, &list_meta, now, include)
        }
    };
    Ok(value(200, &shaped, accepted.encoding))
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
        out.put(text.as_ref());
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
        Shape::Metadata => tables::partial_object(object),
        Shape::Table => {
            let include = IncludeObject::parse(include).unwrap_or_default();
            tables::watch_table(resource, object, now, include, is_first)
        }
    }
}

/// `Status: Success` of a deletion.
pub(super) fn deleted(call: &Call, object: &Value) -> Value {
    json!({
        "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success",
        "details": {
            "name": call.name, "group": call.group(), "kind": call.resource.plural,
            "uid": object["metadata"]["uid"],
        },
    })
}
