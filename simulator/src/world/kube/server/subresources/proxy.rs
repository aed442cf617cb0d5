//! `proxy`: a request through the API server to a pod, or to a ready pod behind a Service.

use bytes::Bytes;
use http::Response;
use serde_json::Value;

use super::super::ApiServer;
use super::super::body::Body;
use super::super::call::{Call, is_deleting};
use super::super::plugs::ProxyRequest;
use super::super::respond;
use crate::world::kube::api_error::ApiError;
use crate::world::kube::builtin::selectors::LabelSelector;
use crate::world::kube::resources::GroupResource;
use crate::world::kube::store::Key;

impl ApiServer {
    /// Passes a request on. `rest` is the path behind `proxy`.
    pub(in crate::world::kube::server) async fn proxy(
        &self,
        call: &Call,
        method: http::Method,
        rest: &str,
        query: &str,
        body: Bytes,
    ) -> Result<Response<Body>, ApiError> {
        let (name, port) = split_name(&call.name);
        let (pod, port) = match call.resource.plural.as_str() {
            "services" => self.behind_service(call, name, port)?,
            "pods" => self.pod_port(call, name, port)?,
            _ => return Err(self.no_kubelet(name)),
        };
        if pod["status"]["podIP"].as_str().is_none_or(str::is_empty) {
            return Err(ApiError::bad_request("address not allowed"));
        }
        let path = if rest.is_empty() { "/" } else { rest };
        let path = if query.is_empty() {
            path.to_owned()
        } else {
            format!("{path}?{query}")
        };
        let request = ProxyRequest {
            method,
            path,
            body,
            port,
        };
        let answer = match self.shared.plugs.proxy() {
            Some(target) => target.request(&pod, request).await,
            None => None,
        };
        let Some(answer) = answer else {
            let ip = pod["status"]["podIP"].as_str().unwrap_or("<none>");
            return Err(unreachable_error(&format!(
                "dial tcp {ip}:{port}: connect: connection refused"
            )));
        };
        Ok(respond::with_type(answer.code, &answer.content_type, answer.body))
    }

    fn no_kubelet(&self, node: &str) -> ApiError {
        let nodes = GroupResource {
            group: String::new(),
            plural: "nodes".into(),
        };
        match self.state().store.get(&nodes, &Key::new("", node)) {
            Some(_) => unreachable_error("no kubelet serves this path"),
            None => ApiError::not_found("", "nodes", node),
        }
    }

    fn pod_port(&self, call: &Call, name: &str, port: &str) -> Result<(Value, u16), ApiError> {
        let pods = GroupResource {
            group: String::new(),
            plural: "pods".into(),
        };
        let found = self.state().read(&pods, &Key::new(&call.namespace, name));
        let Some((pod, _)) = found else {
            return Err(ApiError::not_found("", "pods", name));
        };
        let first = &pod["spec"]["containers"][0]["ports"][0]["containerPort"];
        let port = if port.is_empty() {
            first.as_u64().and_then(|port| u16::try_from(port).ok())
        } else {
            port.parse().ok()
        };
        Ok((pod, port.unwrap_or(80)))
    }

    fn behind_service(&self, call: &Call, name: &str, port: &str) -> Result<(Value, u16), ApiError> {
        let place = |plural: &str| GroupResource {
            group: String::new(),
            plural: plural.into(),
        };
        let state = self.state();
        let found = state.read(&place("services"), &Key::new(&call.namespace, name));
        let Some((service, _)) = found else {
            return Err(ApiError::not_found("", "services", name));
        };
        let none = || {
            ApiError::other(
                503,
                "ServiceUnavailable",
                format!("no endpoints available for service {:?}", call.name),
            )
        };
        let ports = service["spec"]["ports"].as_array().ok_or_else(none)?;
        let wanted = ports.iter().find(|p| {
            port.is_empty() || p["name"] == port || p["port"].as_u64().is_some_and(|number| number.to_string() == port)
        });
        let wanted = wanted.ok_or_else(|| {
            ApiError::other(
                503,
                "ServiceUnavailable",
                format!("no service port {port:?} found for service {name:?}"),
            )
        })?;
        let selector = LabelSelector::from_map(&service["spec"]["selector"]);
        let pods = state.store.list(&place("pods"), Some(&call.namespace), None);
        let pods = pods.filter_map(|(_, stored)| serde_json::from_slice::<Value>(&stored.json).ok());
        let mut ready =
            pods.filter(|pod| !service["spec"]["selector"].is_null() && selector.matches(&pod["metadata"]["labels"]));
        let pod = ready.find(|pod| is_ready(pod) && !is_deleting(pod)).ok_or_else(none)?;
        let port = target_port(&pod, &wanted["targetPort"]).or_else(|| u16::try_from(wanted["port"].as_u64()?).ok());
        Ok((pod, port.unwrap_or(80)))
    }
}

/// `[https:]name[:port]`
fn split_name(text: &str) -> (&str, &str) {
    match text.split(':').collect::<Vec<_>>().as_slice() {
        [name, port] | [_, name, port] => (name, port),
        _ => (text, ""),
    }
}

fn is_ready(pod: &Value) -> bool {
    let conditions = pod["status"]["conditions"].as_array().into_iter().flatten();
    conditions
        .into_iter()
        .any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
}

/// A number, or the name of a container's port.
fn target_port(pod: &Value, target: &Value) -> Option<u16> {
    if let Some(number) = target.as_u64() {
        return u16::try_from(number).ok();
    }
    let containers = pod["spec"]["containers"].as_array()?.iter();
    let mut ports = containers.flat_map(|container| container["ports"].as_array().into_iter().flatten());
    let port = ports.find(|port| port["name"] == *target)?;
    u16::try_from(port["containerPort"].as_u64()?).ok()
}

fn unreachable_error(why: &str) -> ApiError {
    ApiError::other(
        503,
        "ServiceUnavailable",
        format!("error trying to reach service: {why}"),
    )
}
