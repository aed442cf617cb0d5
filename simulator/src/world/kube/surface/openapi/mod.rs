//! OpenAPI documents: version 3 by group version, and version 2 as a whole, in JSON and in protobuf.
//!
//! Built when first asked for and kept: those of built-in groups for the life of the program, the others as long as
//! the registry that they describe. Knows schemas and paths; must not know HTTP.

mod paths;
mod protobuf;
mod schemas;
#[cfg(test)]
mod tests;
mod v2;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use bytes::Bytes;
use ring::digest;
use serde_json::{Map, Value, json};

use super::super::resources::{Flavor, Registry, ResourceType, builtin_registry};

/// `Content-Type` of the version 2 document in protobuf. (Clients ask for it with `@` in place of the last dot but one,
/// which is no media type; the answer's name is one.)
pub const V2_PROTOBUF_MEDIA_TYPE: &str = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf";

/// In which form a client takes the version 2 document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum V2Form {
    /// `application/json`
    Json,
    /// [`V2_PROTOBUF_MEDIA_TYPE`]
    Protobuf,
}

/// What an `Accept` header asks of `/openapi/v2`: the first media range that can be met wins. None: 406 without a body.
#[must_use]
pub fn v2_form(accept: &str) -> Option<V2Form> {
    if accept.trim().is_empty() {
        return Some(V2Form::Json);
    }
    accept
        .split(',')
        .find_map(|range| match range.split(';').next().unwrap_or_default().trim() {
            "application/com.github.proto-openapi.spec.v2@v1.0+protobuf" | V2_PROTOBUF_MEDIA_TYPE => {
                Some(V2Form::Protobuf)
            }
            "application/json" | "application/*" | "*/*" => Some(V2Form::Json),
            _ => None,
        })
}

/// One document, ready to send. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Document {
    /// Its bytes.
    pub body: Bytes,
    /// Hash of the bytes, upper-case hexadecimal: the ETag (without quotes) and the `hash` parameter of its URL.
    pub hash: String,
}

impl Document {
    fn new(body: Vec<u8>) -> Self {
        let mut hash = String::new();
        for byte in digest::digest(&digest::SHA512, &body).as_ref() {
            // Writing to a String cannot fail.
            let _ = write!(hash, "{byte:02X}");
        }
        Self {
            body: body.into(),
            hash,
        }
    }

    pub(super) fn of_json(value: &Value) -> Self {
        Self::new(value.to_string().into_bytes())
    }
}

/// The documents that describe one state of the registry. Cheap to clone and, until something is asked for, to make.
#[derive(Clone, Debug)]
pub struct OpenApi {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    registry: Registry,
    custom: Mutex<BTreeMap<String, Document>>,
    index: OnceLock<Document>,
    v2_json: OnceLock<Document>,
    v2_protobuf: OnceLock<Document>,
}

impl OpenApi {
    /// For a registry; make a new one when the registry changes.
    #[must_use]
    pub fn new(registry: &Registry) -> Self {
        let inner = Inner {
            registry: registry.clone(),
            custom: Mutex::default(),
            index: OnceLock::new(),
            v2_json: OnceLock::new(),
            v2_protobuf: OnceLock::new(),
        };
        Self { inner: Arc::new(inner) }
    }

    /// `GET /openapi/v3`.
    #[must_use]
    pub fn index(&self) -> Document {
        let make = || {
            let entry = |path: String| {
                let hash = self
                    .group_version(&path)
                    .map(|document| document.hash)
                    .unwrap_or_default();
                let url = format!("/openapi/v3/{path}?hash={hash}");
                (path, json!({"serverRelativeURL": url}))
            };
            let paths: Map<String, Value> = self.group_version_paths().into_iter().map(entry).collect();
            Document::of_json(&json!({"paths": paths}))
        };
        self.inner.index.get_or_init(make).clone()
    }

    /// `GET /openapi/v3/<path>`, where path is `api/v1`, `apis/<group>/<version>`, `apis/<group>` or `version`; None where
    /// nothing is served.
    #[must_use]
    pub fn document(&self, path: &str) -> Option<Document> {
        let path = path.trim_matches('/');
        let is_group = |group: &str| self.inner.registry.iter().any(|resource| resource.gvk.group == group);
        let (operation, description) = match path.strip_prefix("apis/") {
            None if path == "version" => ("getCodeVersion", "get the version information for this server"),
            Some(group) if !group.is_empty() && is_group(group) => ("getAPIGroup", "get information of a group"),
            _ => return self.group_version(path),
        };
        let get = json!({
            "description": description, "operationId": operation,
            "responses": {"200": {"description": "OK", "content": {"application/json": {}}}},
        });
        let paths = Map::from_iter([(format!("/{path}/"), json!({"get": get}))]);
        Some(Document::of_json(&described(false, &paths.into(), &Map::new())))
    }

    fn group_version(&self, path: &str) -> Option<Document> {
        let (group, version) = match path.strip_prefix("apis/") {
            Some(rest) => rest.split_once('/')?,
            None => ("", path.strip_prefix("api/")?),
        };
        let resources = self.resources(group, version);
        if resources.is_empty() {
            return None;
        }
        if !resources
            .iter()
            .any(|resource| matches!(resource.flavor, Flavor::Custom(_)))
        {
            return builtin_documents().get(path).cloned();
        }
        let mut custom = self.inner.custom.lock().unwrap_or_else(PoisonError::into_inner);
        let document = custom.entry(path.to_owned());
        Some(
            document
                .or_insert_with(|| Document::of_json(&v3_document(&resources)))
                .clone(),
        )
    }

    /// `GET /openapi/v2` as JSON.
    #[must_use]
    pub fn v2_json(&self) -> Document {
        let make = || Document::of_json(&v2::document(&self.inner.registry));
        self.inner.v2_json.get_or_init(make).clone()
    }

    /// `GET /openapi/v2` as [`V2_PROTOBUF_MEDIA_TYPE`].
    #[must_use]
    pub fn v2_protobuf(&self) -> Document {
        let make = || Document::new(protobuf::document(&v2::document(&self.inner.registry)));
        self.inner.v2_protobuf.get_or_init(make).clone()
    }

    fn resources(&self, group: &str, version: &str) -> Vec<&Arc<ResourceType>> {
        let served = |resource: &&Arc<ResourceType>| resource.gvk.group == group && resource.gvk.version == version;
        self.inner.registry.iter().filter(served).collect()
    }

    fn group_version_paths(&self) -> BTreeSet<String> {
        self.inner.registry.iter().map(|resource| path_of(resource)).collect()
    }
}

/// `api/v1` or `apis/<group>/<version>`.
fn path_of(resource: &ResourceType) -> String {
    let (group, version) = (&resource.gvk.group, &resource.gvk.version);
    if group.is_empty() {
        format!("api/{version}")
    } else {
        format!("apis/{group}/{version}")
    }
}

/// Documents of the built-in group versions, by path.
fn builtin_documents() -> &'static BTreeMap<String, Document> {
    static ALL: OnceLock<BTreeMap<String, Document>> = OnceLock::new();
    ALL.get_or_init(|| {
        let registry = builtin_registry();
        let mut groups: BTreeMap<String, Vec<&Arc<ResourceType>>> = BTreeMap::new();
        for resource in registry.iter() {
            groups.entry(path_of(resource)).or_default().push(resource);
        }
        groups
            .into_iter()
            .map(|(path, list)| (path, Document::of_json(&v3_document(&list))))
            .collect()
    })
}

fn v3_document(resources: &[&Arc<ResourceType>]) -> Value {
    let mut paths = Map::new();
    for resource in resources {
        paths::add(&mut paths, resource);
    }
    let is_custom = resources.iter().any(|resource| resource.is_custom());
    let paths = Value::Object(paths);
    let schemas = schemas::closure(resources, &paths);
    described(is_custom, &paths, &schemas)
}

fn described(is_custom: bool, paths: &Value, schemas: &Map<String, Value>) -> Value {
    let info = if is_custom {
        json!({"title": "Kubernetes CRD Swagger", "version": "v0.1.0"})
    } else {
        json!({"title": "Kubernetes", "version": "1.36"})
    };
    json!({
        "openapi": "3.0.0",
        "info": info,
        "paths": paths,
        "components": {
            "schemas": schemas,
            "securitySchemes": {"BearerToken": bearer_token()},
        },
    })
}

fn bearer_token() -> Value {
    json!({
        "type": "apiKey", "description": "Bearer Token authentication", "name": "authorization", "in": "header",
    })
}
