//! The HTTP surface: routes, checks, answers.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, header};
use serde_json::{Value, json};

use super::config::Policy;
use super::errors::{self, ArmRefusal, json_response};
use super::faults::ArmFault;
use super::pools::{Operation, Pool, Pools};
use super::{Aks, sizes};

/// Oldest version of the API that is served.
const OLDEST_API_VERSION: &str = "2024-01-01";
/// Label prefixes that AKS keeps to itself.
const SYSTEM_LABELS: &str = "kubernetes.azure.com/";

/// A reply that never came.
#[derive(Debug, thiserror::Error)]
#[error("connection reset by peer")]
pub struct Lost;

/// The HTTP surface as a tower service.
#[derive(Clone, Debug)]
pub struct ArmService {
    aks: Aks,
}

impl ArmService {
    pub(super) fn new(aks: Aks) -> Self {
        Self { aks }
    }
}

impl tower::Service<Request<Bytes>> for ArmService {
    type Response = Response<Bytes>;
    type Error = Lost;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Bytes>, Lost>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Lost>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Bytes>) -> Self::Future {
        let answer = self.aks.answer(&request);
        Box::pin(std::future::ready(answer))
    }
}

/// Where a path leads.
enum Route<'a> {
    Cluster,
    Pools,
    Pool(&'a str),
    Operation(&'a str),
    OperationResult(&'a str),
    Skus,
    Usages,
}

impl Aks {
    fn answer(&self, request: &Request<Bytes>) -> Result<Response<Bytes>, Lost> {
        let refused = |refusal: ArmRefusal| Ok(refusal.response());
        let path = request.uri().path();
        let query = request.uri().query().unwrap_or_default();
        if !request.headers().contains_key(header::AUTHORIZATION) {
            let text = "Authentication failed. The 'Authorization' header is missing.";
            return refused(errors::gateway(401, "AuthenticationFailed", text));
        }
        let route = match self.route(path) {
            Ok(route) => route,
            Err(refusal) => return refused(refusal),
        };
        if let Err(refusal) = version(query) {
            return refused(refusal);
        }
        let pool = match route {
            Route::Pool(name) => name,
            _ => "",
        };
        let fault = self.lock().faults.hit(request.method().as_str(), pool);
        if let Some(refusal) = at_once(fault.as_ref(), pool) {
            self.trace(request.method().as_str(), &format!("agentPool/{pool}"), refusal.code());
            return refused(refusal);
        }
        let answered = match (request.method(), route) {
            (&Method::GET, Route::Cluster) => Ok(self.cluster_body()),
            (&Method::GET, Route::Pools) => Ok(self.list(query)),
            (&Method::GET, Route::Pool(name)) => self.get(name),
            (&Method::PUT, Route::Pool(name)) => self.put(name, request.body(), fault.as_ref()),
            (&Method::DELETE, Route::Pool(name)) => self.delete(name),
            (&Method::GET, Route::Operation(id)) => self.operation(id),
            (&Method::GET, Route::OperationResult(id)) => self.operation_result(id),
            (&Method::GET, Route::Skus) => Ok(self.skus()),
            (&Method::GET, Route::Usages) => Ok(self.usages()),
            (method, _) => Err(errors::gateway(
                405,
                "MethodNotAllowed",
                format!("{method} is not allowed here"),
            )),
        };
        match (answered, fault) {
            (Ok(_), Some(ArmFault::LostReply)) => Err(Lost),
            (Ok(response), _) => Ok(response),
            (Err(refusal), _) => {
                if request.method() != Method::GET {
                    self.trace(request.method().as_str(), &format!("agentPool/{pool}"), refusal.code());
                }
                refused(refusal)
            }
        }
    }

    /// Paths compare without case, as in Azure.
    fn route<'a>(&self, path: &'a str) -> Result<Route<'a>, ArmRefusal> {
        let parts: Vec<&str> = path.split('/').skip(1).collect();
        let lower: Vec<String> = parts.iter().map(|part| part.to_lowercase()).collect();
        let lower: Vec<&str> = lower.iter().map(String::as_str).collect();
        let config = &self.config;
        match (lower.as_slice(), parts.as_slice()) {
            (["subscriptions", subscription, ..], _) if *subscription != config.subscription.to_lowercase() => {
                let text = format!("The subscription '{subscription}' could not be found.");
                Err(errors::gateway(404, "SubscriptionNotFound", text))
            }
            ([_, _, "resourcegroups", group, ..], _) if *group != config.resource_group.to_lowercase() => {
                let text = format!("Resource group '{group}' could not be found.");
                Err(errors::gateway(404, "ResourceGroupNotFound", text))
            }
            (
                [
                    _,
                    _,
                    _,
                    group,
                    "providers",
                    "microsoft.containerservice",
                    "managedclusters",
                    cluster,
                    ..,
                ],
                _,
            ) if *cluster != config.cluster.to_lowercase() => Err(errors::cluster_missing(cluster, group)),
            ([_, _, _, _, _, _, "managedclusters", _], _) => Ok(Route::Cluster),
            ([_, _, _, _, _, _, "managedclusters", _, "agentpools"], _) => Ok(Route::Pools),
            ([_, _, _, _, _, _, "managedclusters", _, "agentpools", _], [.., name]) => Ok(Route::Pool(name)),
            (
                [
                    _,
                    _,
                    "providers",
                    "microsoft.containerservice",
                    "locations",
                    _,
                    "operations",
                    _,
                ],
                [.., id],
            ) => Ok(Route::Operation(id)),
            (
                [
                    _,
                    _,
                    "providers",
                    "microsoft.containerservice",
                    "locations",
                    _,
                    "operationresults",
                    _,
                ],
                [.., id],
            ) => Ok(Route::OperationResult(id)),
            ([_, _, "providers", "microsoft.compute", "skus"], _) => Ok(Route::Skus),
            ([_, _, "providers", "microsoft.compute", "locations", _, "usages"], _) => Ok(Route::Usages),
            _ => Err(errors::gateway(
                404,
                "InvalidResourceType",
                format!("No resource type is found at '{path}'."),
            )),
        }
    }

    fn scope(&self) -> String {
        let config = &self.config;
        format!(
            "/subscriptions/{}/resourcegroups/{}/providers/Microsoft.ContainerService/managedClusters/{}",
            config.subscription, config.resource_group, config.cluster
        )
    }

    fn cluster_body(&self) -> Response<Bytes> {
        let config = &self.config;
        let body = json!({
            "id": self.scope(), "name": config.cluster, "location": config.location,
            "type": "Microsoft.ContainerService/ManagedClusters",
            "properties": {
                "provisioningState": "Succeeded", "powerState": { "code": "Running" },
                "kubernetesVersion": "1.36", "currentKubernetesVersion": "1.36.3", "maxAgentPools": config.most_pools,
                "nodeResourceGroup": self.node_resource_group(),
            },
        });
        json_response(200, &body)
    }

    pub(super) fn node_resource_group(&self) -> String {
        let config = &self.config;
        format!("MC_{}_{}_{}", config.resource_group, config.cluster, config.location)
    }

    /// A page with everything, a link to a page after it, and that page, which is empty: as recorded.
    fn list(&self, query: &str) -> Response<Bytes> {
        if query.contains("skipToken") {
            return json_response(200, &json!({ "value": [] }));
        }
        let shared = self.lock();
        let scope = self.scope();
        let all = shared.pools.by_name.iter();
        let value: Vec<Value> = all.map(|(name, pool)| shared.pools.body(name, pool, &scope)).collect();
        let mut body = json!({ "value": value });
        if !value.is_empty() {
            let next = format!(
                "{}{scope}/agentPools?%24skipToken=1&{query}&skipToken=1",
                self.config.endpoint
            );
            body["nextLink"] = json!(next);
        }
        json_response(200, &body)
    }

    fn get(&self, name: &str) -> Result<Response<Bytes>, ArmRefusal> {
        let shared = self.lock();
        let pool = shared
            .pools
            .by_name
            .get(name)
            .ok_or_else(|| errors::pool_missing(name))?;
        Ok(json_response(200, &shared.pools.body(name, pool, &self.scope())))
    }

    fn put(&self, name: &str, body: &[u8], fault: Option<&ArmFault>) -> Result<Response<Bytes>, ArmRefusal> {
        let properties = checked(name, body)?;
        let size = self.checked_size(&properties)?;
        let guid = self.world.entropy.uid();
        let now = self.world.clock.now_rfc3339();
        let body = {
            let mut shared = self.lock();
            let pools = &mut shared.pools;
            if let Some(pool) = pools.by_name.get(name) {
                if ["Creating", "Deleting"].contains(&pool.state) {
                    return Err(errors::busy(name, pool.state));
                }
                if pool.properties.get("vmSize") != properties.get("vmSize") {
                    let text = "Changing property 'properties.vmSize' is not allowed.";
                    return Err(errors::aks(400, "PropertyChangeNotAllowed", text));
                }
                return Ok(json_response(200, &pools.body(name, pool, &self.scope())));
            }
            self.serialised(pools, name)?;
            let most = self.config.most_pools;
            if pools.by_name.len() >= most {
                let text = format!("The cluster has {most} agent pools, which is the most that it may have.");
                return Err(errors::aks(400, "MaxAgentPoolCountReached", text));
            }
            let limit = pools
                .quota
                .get(&size.family.to_lowercase())
                .or_else(|| self.quota(size))
                .copied();
            let usage = pools.usage(size.family);
            if let Some(limit) = limit.filter(|limit| usage + size.vcpus > *limit) {
                return Err(errors::quota(
                    size.family,
                    &self.config.location,
                    limit,
                    usage,
                    size.vcpus,
                ));
            }
            pools.accepted_puts += 1;
            let pool = Pool {
                properties,
                state: "Creating",
                operation: guid.clone(),
                node: None,
                paid_since: None,
                gpus_held: false,
            };
            let body = pools.body(name, &pool, &self.scope());
            pools.by_name.insert(name.to_owned(), pool);
            pools.operations.insert(guid.clone(), begun(now));
            body
        };
        self.trace("PUT", &format!("agentPool/{name}"), "Creating");
        self.create(name, &guid, fault.cloned());
        let mut response = json_response(201, &body);
        self.point_to(&mut response, &guid, false);
        Ok(response)
    }

    /// Where the cluster takes one operation at a time: whether another pool is busy.
    fn serialised(&self, pools: &Pools, name: &str) -> Result<(), ArmRefusal> {
        let others = pools.by_name.iter().filter(|(other, _)| *other != name);
        let mut busy = others.filter(|(_, pool)| ["Creating", "Deleting"].contains(&pool.state));
        match busy.next() {
            Some((other, pool)) if self.config.policy == Policy::SerialiseAll => Err(errors::busy(other, pool.state)),
            Some(_) | None => Ok(()),
        }
    }

    fn quota(&self, size: &sizes::Size) -> Option<&u64> {
        let named = |name: &str| {
            let found = self.config.quota.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
            found.map(|(_, vcpus)| vcpus)
        };
        named(size.name).or_else(|| named(size.family))
    }

    fn checked_size(&self, properties: &Value) -> Result<&'static sizes::Size, ArmRefusal> {
        let config = &self.config;
        let name = properties.get("vmSize").and_then(Value::as_str).unwrap_or_default();
        let is_there = !config.unavailable.iter().any(|gone| gone.eq_ignore_ascii_case(name));
        let size = sizes::size(name).filter(|_| is_there);
        size.ok_or_else(|| errors::size_unknown(name, &config.subscription, &config.location))
    }

    fn delete(&self, name: &str) -> Result<Response<Bytes>, ArmRefusal> {
        let guid = self.world.entropy.uid();
        {
            let now = self.world.clock.now_rfc3339();
            let mut shared = self.lock();
            let pools = &mut shared.pools;
            if pools.by_name.contains_key(name) {
                self.serialised(pools, name)?;
            }
            let pool = pools.by_name.get_mut(name).ok_or_else(|| errors::pool_missing(name))?;
            match (pool.state, self.config.policy) {
                ("Deleting", _) | ("Creating", Policy::ParallelPools | Policy::SerialiseAll) => {
                    return Err(errors::busy(name, pool.state));
                }
                _ => {}
            }
            let before = std::mem::replace(&mut pool.operation, guid.clone());
            pool.state = "Deleting";
            if let Some(operation) = pools.operations.get_mut(&before).filter(|it| it.status == "InProgress") {
                let text = "This operation has been preempted by Deleting operation.";
                *operation = Operation {
                    status: "Canceled",
                    error: Some(("AKSOperationPreemptedByDelete".into(), text.into())),
                    ended: Some(now.clone()),
                    ..operation.clone()
                };
            }
            pools.operations.insert(guid.clone(), begun(now));
        }
        self.trace("DELETE", &format!("agentPool/{name}"), "Deleting");
        self.remove(name, &guid);
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = http::StatusCode::ACCEPTED;
        self.point_to(&mut response, &guid, true);
        Ok(response)
    }

    fn operation(&self, id: &str) -> Result<Response<Bytes>, ArmRefusal> {
        let shared = self.lock();
        let found = shared.pools.operations.get(id);
        let operation =
            found.ok_or_else(|| errors::gateway(404, "NotFound", format!("Operation {id} was not found.")))?;
        let mut body = json!({ "name": id, "status": operation.status, "startTime": operation.started });
        if let Some(ended) = &operation.ended {
            body["endTime"] = json!(ended);
        }
        if let Some((code, message)) = &operation.error {
            body["error"] = json!({ "code": code, "message": message });
        }
        Ok(json_response(200, &body))
    }

    fn operation_result(&self, id: &str) -> Result<Response<Bytes>, ArmRefusal> {
        let shared = self.lock();
        let operation = shared.pools.operations.get(id);
        let goes_on = operation.is_some_and(|operation| operation.status == "InProgress");
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = match goes_on {
            true => http::StatusCode::ACCEPTED,
            false => http::StatusCode::NO_CONTENT,
        };
        Ok(response)
    }

    fn skus(&self) -> Response<Bytes> {
        let location = &self.config.location;
        let value: Vec<Value> = sizes::all()
            .iter()
            .filter(|size| {
                !self
                    .config
                    .unavailable
                    .iter()
                    .any(|gone| gone.eq_ignore_ascii_case(size.name))
            })
            .map(|size| {
                let capability = |name: &str, value: String| json!({ "name": name, "value": value });
                json!({
                    "resourceType": "virtualMachines", "name": size.name, "family": size.family, "tier": "Standard",
                    "locations": [location], "restrictions": [],
                    "capabilities": [
                        capability("vCPUs", size.vcpus.to_string()),
                        capability("MemoryGB", size.memory_gib.to_string()),
                        capability("GPUs", size.gpus().to_string()),
                    ],
                })
            })
            .collect();
        json_response(200, &json!({ "value": value }))
    }

    fn usages(&self) -> Response<Bytes> {
        /// vCPUs of a family whose quota nobody has set.
        const PLENTY: u64 = 10_000;
        let shared = self.lock();
        let mut families: Vec<&str> = sizes::all().iter().map(|size| size.family).collect();
        families.dedup();
        let limit = |family: &str| {
            let own = shared.pools.quota.get(&family.to_lowercase()).copied();
            let given = self
                .config
                .quota
                .iter()
                .find(|(key, _)| key.eq_ignore_ascii_case(family));
            own.or(given.map(|(_, vcpus)| *vcpus)).unwrap_or(PLENTY)
        };
        let value: Vec<Value> = families
            .into_iter()
            .map(|family| {
                json!({
                    "unit": "Count", "currentValue": shared.pools.usage(family), "limit": limit(family),
                    "name": { "value": family, "localizedValue": family },
                })
            })
            .collect();
        json_response(200, &json!({ "value": value }))
    }

    fn point_to(&self, response: &mut Response<Bytes>, guid: &str, with_location: bool) {
        let config = &self.config;
        let address = |kind: &str| {
            let text = format!(
                "{}/subscriptions/{}/providers/Microsoft.ContainerService/locations/{}/{kind}/{guid}?api-version=2016-03-30&t=1&c=simulated&s=simulated&h=simulated",
                config.endpoint, config.subscription, config.location
            );
            HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""))
        };
        let headers = response.headers_mut();
        headers.insert("azure-asyncoperation", address("operations"));
        if with_location {
            headers.insert(header::LOCATION, address("operationresults"));
        }
    }
}

fn begun(at: String) -> Operation {
    Operation {
        status: "InProgress",
        error: None,
        started: at,
        ended: None,
    }
}

/// Faults that refuse a request before anything is done.
fn at_once(fault: Option<&ArmFault>, pool: &str) -> Option<ArmRefusal> {
    match fault? {
        ArmFault::Refused { status, code, message } => Some(errors::aks(*status, code, message.clone())),
        ArmFault::Throttled(secs) => Some(errors::throttled(*secs)),
        ArmFault::Busy => Some(errors::busy(pool, "Updating")),
        ArmFault::Failed { .. } | ArmFault::Stuck | ArmFault::LostReply => None,
    }
}

fn version(query: &str) -> Result<(), ArmRefusal> {
    let pairs = form_urlencoded::parse(query.as_bytes());
    let version = pairs
        .filter(|(key, _)| key == "api-version")
        .map(|(_, value)| value.into_owned())
        .next();
    match version {
        None => {
            let text = "The api-version query parameter (?api-version=) is required for all requests.";
            Err(errors::gateway(400, "MissingApiVersionParameter", text))
        }
        // Operations and compute have versions of their own.
        Some(version)
            if version.as_str() >= OLDEST_API_VERSION || version == "2016-03-30" || version == "2021-07-01" =>
        {
            Ok(())
        }
        Some(version) => {
            let text = format!(
                "The api-version '{version}' is invalid. The oldest supported version is '{OLDEST_API_VERSION}'."
            );
            Err(errors::gateway(400, "InvalidApiVersionParameter", text))
        }
    }
}

/// The properties of a pool that is asked for.
fn checked(name: &str, body: &[u8]) -> Result<Value, ArmRefusal> {
    let mut letters = name.chars();
    let begins = letters.next().is_some_and(|letter| letter.is_ascii_lowercase());
    let goes_on = letters.all(|letter| letter.is_ascii_lowercase() || letter.is_ascii_digit());
    if !begins || !goes_on || name.len() > 12 {
        return Err(errors::name_invalid());
    }
    let body: Value = serde_json::from_slice(body).map_err(|error| {
        errors::gateway(
            400,
            "InvalidRequestContent",
            format!("The request content was invalid and could not be deserialized: '{error}'."),
        )
    })?;
    let properties = body
        .get("properties")
        .filter(|it| it.is_object())
        .cloned()
        .ok_or_else(|| {
            errors::aks(
                400,
                "InvalidParameter",
                "Required parameter agentPoolProfile is missing (null).",
            )
        })?;
    let count = properties.get("count").and_then(Value::as_u64).unwrap_or(1);
    if count > 1000 {
        let text = format!("The value of parameter agentPoolProfile.count is {count}. It must be at most 1000.");
        return Err(errors::aks(400, "InvalidParameter", text));
    }
    let labels = properties
        .get("nodeLabels")
        .and_then(Value::as_object)
        .into_iter()
        .flatten();
    for (key, _) in labels {
        if key.starts_with(SYSTEM_LABELS) || key == "agentpool" {
            let text = format!(
                "Invalid node label key {key}. The 'kubernetes.azure.com' prefix is preserved by aks system labels"
            );
            return Err(errors::aks(400, "BadRequest", text));
        }
    }
    Ok(properties)
}
