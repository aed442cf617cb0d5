//! What lies below a pod: binding, eviction, log.

use bytes::Bytes;
use serde_json::{Value, json};

use super::super::ApiServer;
use super::super::call::{Call, is_deleting, meta};
use super::super::delete::Deleted;
use super::super::modify::Change;
use super::super::plugs::LogQuery;
use super::super::request::Verb;
use crate::world::kube::api_error::{ApiError, Cause, FieldError};
use crate::world::kube::builtin::selectors::LabelSelector;
use crate::world::kube::resources::{GroupResource, Subresource};

impl ApiServer {
    /// POST of a Binding that names its pod itself.
    pub(in crate::world::kube::server) async fn bind_named(
        &self,
        call: &Call,
        binding: &Value,
    ) -> Result<Value, ApiError> {
        let name = meta(binding, "name").to_owned();
        if name.is_empty() {
            return Err(ApiError::bad_request("Name parameter required."));
        }
        let (resource, sub) = (self.resource("", "v1", "pods")?, Some(Subresource::Binding));
        let call = Call {
            resource,
            sub,
            name,
            ..call.clone()
        };
        self.bind_pod(&call, binding).await
    }

    /// POST of a Binding: the pod goes to a node.
    pub(in crate::world::kube::server) async fn bind_pod(
        &self,
        call: &Call,
        binding: &Value,
    ) -> Result<Value, ApiError> {
        let target = |name: &str| binding["target"][name].as_str().unwrap_or_default();
        if !matches!(target("kind"), "" | "Node") {
            let error = FieldError::not_supported("target.kind", &target("kind").into(), &["Node", "<empty>"]);
            return Err(ApiError::other(500, "", error.to_string()));
        }
        let node = target("name");
        if node.is_empty() {
            return Err(ApiError::other(500, "", "target.name: Required value"));
        }
        let binds = |why: &str| ApiError::conflict("", "pods/binding", &call.name, why);
        let mut call = call.clone();
        call.sub = None;
        let found = self.state().read(&call.resource.group_resource(), &call.key());
        let Some((mut pod, _)) = found else {
            return Err(call.not_found());
        };
        let uid = meta(binding, "uid");
        if !uid.is_empty() && uid != meta(&pod, "uid") {
            let actual = meta(&pod, "uid");
            return Err(call.other_uid(uid, actual));
        }
        if is_deleting(&pod) {
            return Err(binds(&format!(
                "pod {} is being deleted, cannot be assigned to a host",
                call.name
            )));
        }
        let assigned = pod["spec"]["nodeName"].as_str().unwrap_or_default();
        if !assigned.is_empty() {
            return Err(binds(&format!(
                "pod {} is already assigned to node {assigned:?}",
                call.name
            )));
        }
        pod["spec"]["nodeName"] = node.into();
        for field in ["annotations", "labels"] {
            for (name, value) in binding["metadata"][field].as_object().into_iter().flatten() {
                pod["metadata"][field][name] = value.clone();
            }
        }
        let now = self.now();
        set_condition(&mut pod, "PodScheduled", &now);
        let outcome = self.commit_binding(&call, pod);
        call.sub = Some(Subresource::Binding);
        self.trace(&call, Verb::Create, &outcome);
        outcome?;
        Ok(json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201 }))
    }

    fn commit_binding(&self, call: &Call, mut pod: Value) -> Result<(), ApiError> {
        if call.options.is_dry_run() {
            return Ok(());
        }
        let mut state = self.state();
        let revision = meta(&pod, "resourceVersion").to_owned();
        let stored = state.store.get(&call.resource.group_resource(), &call.key());
        if stored.is_none_or(|stored| stored.revision.to_string() != revision) {
            return Err(call.modified());
        }
        state.write(&call.resource, &call.key(), &mut pod);
        Ok(())
    }

    /// POST of an Eviction: a deletion that PodDisruptionBudgets may refuse.
    pub(in crate::world::kube::server) async fn evict_pod(
        &self,
        call: &Call,
        eviction: &Value,
    ) -> Result<Value, ApiError> {
        let name = meta(eviction, "name");
        if !name.is_empty() && name != call.name {
            return Err(ApiError::bad_request(
                "name in URL does not match name in Eviction object",
            ));
        }
        let mut call = call.clone();
        call.sub = None;
        call.options.merge_delete_body(&eviction["deleteOptions"]);
        let found = self.state().read(&call.resource.group_resource(), &call.key());
        let Some((pod, _)) = found else {
            return Err(call.not_found());
        };
        let ended = matches!(
            pod["status"]["phase"].as_str(),
            Some("Succeeded" | "Failed" | "Pending")
        );
        if !ended && !is_deleting(&pod) {
            self.spend_budget(&call, &pod).await?;
        }
        let reason = json!({
            "type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI",
            "message": "Eviction API: evicting", "lastTransitionTime": self.now(), "lastProbeTime": null,
        });
        if !call.options.is_dry_run() {
            let mut marked = pod.clone();
            mark(&mut marked, reason);
            self.commit_binding(&call, marked)?;
        }
        match self.delete(&call, &mut Vec::new()).await? {
            Deleted::Gone(_) | Deleted::Taken(_) | Deleted::Waits(_) => {
                Ok(json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201 }))
            }
        }
    }

    /// Takes one disruption from the pod's budget, or says that there is none left.
    async fn spend_budget(&self, call: &Call, pod: &Value) -> Result<(), ApiError> {
        let budgets = self.budgets_of(call, pod);
        let Some(budget) = budgets.first() else { return Ok(()) };
        if budgets.len() > 1 {
            return Err(ApiError::internal(
                "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.",
            ));
        }
        let name = meta(budget, "name").to_owned();
        let allowed = budget["status"]["disruptionsAllowed"].as_i64().unwrap_or(0);
        if allowed <= 0 {
            return Err(refused(&name, budget));
        }
        let Some(resource) = self
            .state()
            .registry
            .get("policy", "v1", "poddisruptionbudgets")
            .cloned()
        else {
            return Ok(());
        };
        let mut spending = call.clone();
        (spending.resource, spending.name) = (resource, name);
        spending.sub = Some(Subresource::Status);
        let mut spent = budget.clone();
        spent["status"]["disruptionsAllowed"] = (allowed - 1).into();
        spent["status"]["disruptedPods"][call.name.as_str()] = self.now().into();
        self.modify(&spending, Change::Replace(spent), Vec::new())
            .await
            .map(|_| ())
    }

    fn budgets_of(&self, call: &Call, pod: &Value) -> Vec<Value> {
        let place = GroupResource {
            group: "policy".into(),
            plural: "poddisruptionbudgets".into(),
        };
        let state = self.state();
        let all = state.store.list(&place, Some(&call.namespace), None);
        let all = all.filter_map(|(_, stored)| serde_json::from_slice::<Value>(&stored.json).ok());
        let mine = all.filter(|budget| {
            let selector = LabelSelector::from_object(&budget["spec"]["selector"]);
            selector.is_ok_and(|selector| selector.matches(&pod["metadata"]["labels"]))
        });
        mine.collect()
    }

    /// GET of a log.
    pub(in crate::world::kube::server) fn log(&self, call: &Call) -> Result<Option<Bytes>, ApiError> {
        let found = self.state().read(&call.resource.group_resource(), &call.key());
        let Some((pod, _)) = found else {
            return Err(call.not_found());
        };
        check_log_options(call)?;
        let container = chosen_container(call, &pod)?;
        let count = |name: &str| {
            call.options
                .number(name)
                .map(|n| n.and_then(|n| usize::try_from(n).ok()))
        };
        let query = LogQuery {
            container,
            previous: call.options.flag("previous"),
            timestamps: call.options.flag("timestamps"),
            tail_lines: count("tailLines")?,
            since_secs: call.options.number("sinceSeconds")?,
        };
        if pod["spec"]["nodeName"].as_str().is_none_or(str::is_empty) {
            return Ok(None);
        }
        let source = self
            .shared
            .plugs
            .logs()
            .ok_or_else(|| ApiError::internal("no kubelet answers for this node"))?;
        source.log(&pod, &query).map(Some)
    }

    /// `exec`, `attach` and `portforward`: everything up to the stream, which is not served.
    pub(in crate::world::kube::server) fn refuse_stream(&self, call: &Call) -> ApiError {
        let Some((pod, _)) = self.state().read(&call.resource.group_resource(), &call.key()) else {
            return call.not_found();
        };
        if call.sub != Some(Subresource::PortForward)
            && let Err(error) = chosen_container(call, &pod)
        {
            return error;
        }
        if pod["spec"]["nodeName"].as_str().is_none_or(str::is_empty) {
            let text = format!("pod {} does not have a host assigned", call.name);
            return ApiError::bad_request(text);
        }
        ApiError::method_not_allowed()
    }
}

fn check_log_options(call: &Call) -> Result<(), ApiError> {
    let mut errors = Vec::new();
    if let Some(lines @ ..0) = call.options.number("tailLines")? {
        let detail = "must be greater than or equal to 0";
        errors.push(FieldError::invalid("tailLines", &lines.into(), detail));
    }
    if let Some(secs @ ..1) = call.options.number("sinceSeconds")? {
        errors.push(FieldError::invalid(
            "sinceSeconds",
            &secs.into(),
            "must be greater than 0",
        ));
    }
    if errors.is_empty() {
        return Ok(());
    }
    Err(ApiError::invalid("", "PodLogOptions", &call.name, &errors))
}

fn chosen_container(call: &Call, pod: &Value) -> Result<String, ApiError> {
    let names = |field: &str| -> Vec<String> {
        let containers = pod["spec"][field].as_array().into_iter().flatten();
        containers
            .filter_map(|container| container["name"].as_str().map(str::to_owned))
            .collect()
    };
    let (mut main, init) = (names("containers"), names("initContainers"));
    main.extend(names("ephemeralContainers"));
    match call.options.get("container") {
        Some(name) if main.iter().chain(&init).any(|other| other == name) => Ok(name.to_owned()),
        Some(name) => Err(ApiError::bad_request(format!(
            "container {name} is not valid for pod {}",
            call.name
        ))),
        None => match main.as_slice() {
            [one] => Ok(one.clone()),
            many => {
                let mut text = format!(
                    "a container name must be specified for pod {}, choose one of: [{}]",
                    call.name,
                    many.join(" ")
                );
                if !init.is_empty() {
                    text = format!("{text} or one of the init containers: [{}]", init.join(" "));
                }
                Err(ApiError::bad_request(text))
            }
        },
    }
}

fn set_condition(pod: &mut Value, kind: &str, now: &str) {
    let condition = json!({ "type": kind, "status": "True", "lastProbeTime": null, "lastTransitionTime": now });
    let Some(status) = pod["status"].as_object_mut() else {
        pod["status"] = json!({ "phase": "Pending", "conditions": [condition] });
        return;
    };
    let conditions = status.entry("conditions").or_insert_with(|| json!([]));
    let Some(conditions) = conditions.as_array_mut() else {
        return;
    };
    conditions.retain(|other| other["type"] != kind);
    conditions.push(condition);
}

/// Puts one condition in, in place of another of its type.
fn mark(pod: &mut Value, condition: Value) {
    let conditions = &mut pod["status"]["conditions"];
    if !conditions.is_array() {
        *conditions = json!([]);
    }
    if let Some(conditions) = conditions.as_array_mut() {
        conditions.retain(|other| other["type"] != condition["type"]);
        conditions.push(condition);
    }
}

/// 429 with the budget's numbers.
fn refused(name: &str, budget: &Value) -> ApiError {
    let mut error = ApiError::too_many_requests("Cannot evict pod as it would violate the pod's disruption budget.", 0);
    let seen = budget["status"]["observedGeneration"].as_i64().unwrap_or(0);
    if seen < budget["metadata"]["generation"].as_i64().unwrap_or(0) {
        let mut error = ApiError::too_many_requests(error.message, 10);
        if let Some(details) = &mut error.details {
            details.causes = vec![Cause {
                reason: "DisruptionBudget".into(),
                message: format!("The disruption budget {name} is still being processed by the server."),
                field: String::new(),
            }];
        }
        return error;
    }
    let (desired, healthy) = (&budget["status"]["desiredHealthy"], &budget["status"]["currentHealthy"]);
    if let Some(details) = &mut error.details {
        details.causes = vec![Cause {
            reason: "DisruptionBudget".into(),
            message: format!(
                "The disruption budget {name} needs {} healthy pods and has {} currently",
                desired.as_i64().unwrap_or(0),
                healthy.as_i64().unwrap_or(0)
            ),
            field: String::new(),
        }];
    }
    error
}
