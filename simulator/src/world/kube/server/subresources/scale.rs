//! `scale`: the replicas of anything that has them, as `autoscaling/v1` Scale.

use serde_json::{Value, json};

use super::super::ApiServer;
use super::super::call::{Call, Written, meta};
use super::super::create::other_name;
use super::super::modify::Change;
use super::super::rules;
use crate::world::kube::api_error::{ApiError, FieldError};
use crate::world::kube::builtin::selectors::{LabelSelector, Operator};
use crate::world::kube::patch;
use crate::world::kube::resources::{Flavor, ResourceType};

/// The Scale of an object.
pub(in crate::world::kube::server) fn scale_of(resource: &ResourceType, object: &Value) -> Value {
    if let Flavor::Custom(version) = &resource.flavor
        && let Some(paths) = version.scale_paths()
    {
        return paths.scale_of(object);
    }
    let metadata = &object["metadata"];
    let selector = LabelSelector::from_object(&object["spec"]["selector"])
        .map(|s| selector_text(&s))
        .unwrap_or_default();
    let replicas = object["spec"]["replicas"].as_i64().unwrap_or(0);
    json!({
        "kind": "Scale", "apiVersion": "autoscaling/v1",
        "metadata": {
            "name": metadata["name"], "namespace": metadata["namespace"], "uid": metadata["uid"],
            "resourceVersion": metadata["resourceVersion"], "creationTimestamp": metadata["creationTimestamp"],
        },
        // Zero is left out, as Go's `omitempty` does.
        "spec": if replicas == 0 { json!({}) } else { json!({ "replicas": replicas }) },
        "status": { "replicas": object["status"]["replicas"].as_i64().unwrap_or(0), "selector": selector },
    })
}

/// A selector in the form of list queries: `a=b,c in (x,y),!d`.
fn selector_text(selector: &LabelSelector) -> String {
    let texts = selector.requirements().iter().map(|one| {
        let (key, values) = (&one.key, one.values.join(","));
        match one.operator {
            Operator::In if one.values.len() == 1 => format!("{key}={values}"),
            Operator::In => format!("{key} in ({values})"),
            Operator::NotIn => format!("{key} notin ({values})"),
            Operator::Exists => key.clone(),
            Operator::DoesNotExist => format!("!{key}"),
            _ => format!("{key}={values}"),
        }
    });
    texts.collect::<Vec<_>>().join(",")
}

/// 400 for replicas that are no number.
fn no_number(value: &Value) -> ApiError {
    let kind = match value {
        Value::Bool(_) => "bool".to_owned(),
        Value::Number(number) => format!("number {number}"),
        Value::String(_) => "string".to_owned(),
        Value::Array(_) => "array".to_owned(),
        Value::Null | Value::Object(_) => "object".to_owned(),
    };
    ApiError::bad_request(format!(
        "Scale in version \"v1\" cannot be handled as a Scale: json: cannot unmarshal {kind} into Go struct field ScaleSpec.spec.replicas of type int32"
    ))
}

impl ApiServer {
    /// PUT or PATCH of a Scale: becomes a change of the object's replicas.
    pub(in crate::world::kube::server) async fn rescale(
        &self,
        call: &Call,
        change: &Change,
    ) -> Result<Written, ApiError> {
        let found = self.state().read(&call.resource.group_resource(), &call.key());
        let Some((mut object, _)) = found else {
            return Err(call.not_found());
        };
        rules::from_storage(&call.resource, &mut object);
        let old = scale_of(&call.resource, &object);
        let new = match change {
            Change::Replace(scale) => {
                let text = |name: &str| scale[name].as_str().unwrap_or_default();
                if !matches!(text("kind"), "" | "Scale") {
                    let (kind, version) = (text("kind"), text("apiVersion").rsplit('/').next().unwrap_or_default());
                    return Err(ApiError::bad_request(format!(
                        "{kind} in version {version:?} cannot be handled as a Scale: converting ({version}.{kind}) to \
                         (autoscaling.Scale): unknown conversion"
                    )));
                }
                scale.clone()
            }
            Change::Json(text) => patch::json_patch(&old, text)?,
            Change::Merge(parsed) | Change::Strategic(parsed) => patch::merge_patch(&old, &parsed.value),
            Change::Apply { config, force } => return self.apply_scale(call, config, *force).await,
        };
        if meta(&new, "name") != call.name {
            return Err(other_name(call, meta(&new, "name")));
        }
        let replicas = match &new["spec"]["replicas"] {
            Value::Null => 0,
            other => other.as_i64().ok_or_else(|| no_number(other))?,
        };
        if replicas < 0 && !call.resource.is_custom() {
            let detail = "must be greater than or equal to 0";
            let error = FieldError::invalid("spec.replicas", &replicas.into(), detail);
            return Err(ApiError::invalid("autoscaling", "Scale", &call.name, &[error]));
        }
        let version = meta(&new, "resourceVersion");
        if !version.is_empty() && version != meta(&object, "resourceVersion") {
            return Err(call.modified());
        }
        match &call.resource.flavor {
            Flavor::Custom(custom) => {
                if let Some(paths) = custom.scale_paths() {
                    paths.set_replicas(&mut object, replicas);
                }
            }
            Flavor::Builtin | Flavor::Review => object["spec"]["replicas"] = replicas.into(),
        }
        let mut written = self.modify(call, Change::Replace(object), Vec::new()).await?;
        written.object = scale_of(&call.resource, &written.object);
        written.text = None;
        Ok(written)
    }

    /// An apply of a Scale owns the replicas of the object that is scaled.
    async fn apply_scale(&self, call: &Call, config: &Value, force: bool) -> Result<Written, ApiError> {
        let text = |name: &str| config.get(name).and_then(Value::as_str).unwrap_or_default();
        if (text("apiVersion"), text("kind")) != (SCALE_VERSION, "Scale") {
            let slash = if text("apiVersion").contains('/') { "" } else { "/" };
            return Err(ApiError::bad_request(format!(
                "invalid object type: {slash}{}, Kind={}",
                text("apiVersion"),
                text("kind")
            )));
        }
        if call.resource.is_custom() {
            // The real server cannot do it: it takes the Scale for a version of the custom resource.
            return Err(ApiError::other(
                500,
                "",
                "failed to create manager for existing fields: failed to convert live object (/; autoscaling/v1, Kind=Scale) \
                 to proper version: request to convert CR to an invalid group/version: autoscaling/v1",
            ));
        }
        let gvk = &call.resource.gvk;
        let mut wanted = json!({ "apiVersion": gvk.api_version(), "kind": gvk.kind, "metadata": config["metadata"] });
        match (&config["spec"]["replicas"], &call.resource.flavor) {
            (Value::Null, _) => {}
            (replicas, Flavor::Custom(custom)) => {
                let count = replicas.as_i64().ok_or_else(|| no_number(replicas))?;
                if let Some(paths) = custom.scale_paths() {
                    paths.set_replicas(&mut wanted, count);
                }
            }
            (replicas, _) => wanted["spec"]["replicas"] = replicas.clone(),
        }
        let change = Change::Apply { config: wanted, force };
        let outcome = self.modify(call, change, Vec::new()).await;
        let mut written = outcome.map_err(|error| of_scale(error, &gvk.api_version()))?;
        written.object = scale_of(&call.resource, &written.object);
        written.text = None;
        Ok(written)
    }
}

const SCALE_VERSION: &str = "autoscaling/v1";

/// Conflicts as those of the Scale that was applied.
fn of_scale(mut error: ApiError, api_version: &str) -> ApiError {
    let renamed = |text: &str| text.replace(&format!("using {api_version}"), &format!("using {SCALE_VERSION}"));
    error.message = renamed(&error.message);
    for cause in error.details.iter_mut().flat_map(|details| &mut details.causes) {
        cause.message = renamed(&cause.message);
    }
    error
}
