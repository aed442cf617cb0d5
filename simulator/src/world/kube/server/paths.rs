//! Paths that are no resource: health, version, discovery, OpenAPI.

use bytes::Bytes;
use http::{HeaderMap, Method, Response, header};
use serde_json::Value;

use super::ApiServer;
use super::body::Body;
use super::negotiate::Encoding;
use super::respond;
use crate::world::kube::api_error::ApiError;
use crate::world::kube::auth::{Attributes, UserInfo, check};
use crate::world::kube::surface::discovery;
use crate::world::kube::surface::openapi::{self, OpenApi};

impl ApiServer {
    /// Answers a GET of a path.
    pub(super) fn answer_path(
        &self,
        user: &UserInfo,
        method: &Method,
        attributes: &Attributes,
        headers: &HeaderMap,
    ) -> Result<Response<Body>, ApiError> {
        check(&*self.state(), user, attributes)?;
        let is_health = ["/healthz", "/livez", "/readyz"].contains(&attributes.path.as_str());
        if *method != Method::GET && *method != Method::HEAD && !is_health {
            return Err(ApiError::method_not_allowed());
        }
        let accept = headers
            .get(header::ACCEPT)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default();
        let registry = self.state().registry.clone();
        let segments: Vec<&str> = attributes
            .path
            .split('/')
            .filter(|segment| !segment.is_empty())
            .collect();
        let value = match segments.as_slice() {
            ["healthz" | "livez" | "readyz"] | ["healthz" | "livez" | "readyz", "ping" | "etcd" | "log"] => {
                return Ok(respond::with_type(
                    200,
                    "text/plain; charset=utf-8",
                    Bytes::from_static(b"ok"),
                ));
            }
            ["version"] => discovery::version(),
            [] => discovery::root_paths(&registry),
            [root @ ("api" | "apis")] => return self.discover(*root == "api", accept),
            ["apis", _] if discovery::aggregated_form(accept) != Some(discovery::DiscoveryForm::Legacy) => {
                return Err(only_listed());
            }
            ["openapi", rest @ ..] => return self.openapi(rest, &attributes.path, accept),
            ["api", version] => found(discovery::api_resources(&registry, "", version))?,
            ["apis", group, ..] if !registry.iter().any(|resource| resource.gvk.group == *group) => {
                return Ok(respond::page_not_found());
            }
            ["apis", group] => found(discovery::api_group(&registry, group))?,
            ["apis", group, version]
                if !registry
                    .iter()
                    .any(|one| one.gvk.group == *group && (one.gvk.version == *version || !one.is_custom())) =>
            {
                return Ok(respond::page_not_found());
            }
            ["apis", group, version] => found(discovery::api_resources(&registry, group, version))?,
            ["api", "v1", ..] | ["apis", _, _, ..] => return Err(ApiError::no_such_path()),
            _ => return Ok(respond::page_not_found()),
        };
        Ok(respond::value(200, &value, Encoding::Json))
    }
}

impl ApiServer {
    /// `/api` and `/apis`.
    fn discover(&self, is_core: bool, accept: &str) -> Result<Response<Body>, ApiError> {
        let registry = self.state().registry.clone();
        let form = discovery::aggregated_form(accept).ok_or_else(only_listed)?;
        if form == discovery::DiscoveryForm::Aggregated {
            let text = Bytes::from(discovery::aggregated(&registry, is_core).to_string());
            return Ok(respond::with_type(200, discovery::AGGREGATED_MEDIA_TYPE, text));
        }
        let value = if is_core {
            discovery::api_versions(&self.shared.address)
        } else {
            discovery::api_groups(&registry)
        };
        Ok(respond::value(200, &value, Encoding::Json))
    }

    /// `/openapi/v2` and below `/openapi/v3`.
    fn openapi(&self, rest: &[&str], path: &str, accept: &str) -> Result<Response<Body>, ApiError> {
        let documents = self.documents();
        match rest {
            ["v2"] => {
                let not_acceptable = || ApiError::not_acceptable("no form of the document that is accepted is served");
                Ok(match openapi::v2_form(accept).ok_or_else(not_acceptable)? {
                    openapi::V2Form::Json => respond::json_text(200, documents.v2_json().body),
                    openapi::V2Form::Protobuf => {
                        respond::with_type(200, openapi::V2_PROTOBUF_MEDIA_TYPE, documents.v2_protobuf().body)
                    }
                })
            }
            ["v3"] if !path.ends_with('/') => {
                let index = documents.index().body;
                Ok(respond::with_type(200, "text/plain; charset=utf-8", index))
            }
            ["v3", rest @ ..] => Ok(match documents.document(&rest.join("/")) {
                Some(document) => respond::json_text(200, document.body),
                None => respond::empty(404),
            }),
            _ => Ok(respond::page_not_found()),
        }
    }

    /// The OpenAPI documents of what is served now; made anew when a CRD changed.
    fn documents(&self) -> std::sync::Arc<OpenApi> {
        let mut state = self.state();
        let generation = state.registry_generation;
        if let Some((made, documents)) = &state.documents
            && *made == generation
        {
            return documents.clone();
        }
        let documents = std::sync::Arc::new(OpenApi::new(&state.registry));
        state.documents = Some((generation, documents.clone()));
        documents
    }
}

/// 406, whatever of them the path serves.
fn only_listed() -> ApiError {
    ApiError::not_acceptable(
        "only the following media types are accepted: application/json, application/yaml, application/vnd.kubernetes.protobuf",
    )
}

fn found(value: Option<Value>) -> Result<Value, ApiError> {
    value.ok_or_else(ApiError::no_such_path)
}
