//! What users may adjust of the pods that we make (F18): tolerations, environment, node selector, CPU and memory. It is
//! merged into what we set, and never replaces it.

use std::collections::BTreeMap;

use operator_api::Workspace;
use operator_api::labels::POD_OVERRIDES;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::name;
use super::pod::TOKEN;

/// Resources that may be set; GPUs are counted by the Workspace's size.
const RESOURCES: [&str; 3] = ["cpu", "memory", "ephemeral-storage"];

/// The annotation's value.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Overrides {
    tolerations: Vec<Value>,
    env: Vec<Variable>,
    node_selector: BTreeMap<String, String>,
    resources: Resources,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Variable {
    name: String,
    value: String,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Resources {
    requests: BTreeMap<String, String>,
    limits: BTreeMap<String, String>,
}

/// Reads the annotation of a Workspace; nothing where there is none.
///
/// # Errors
/// When it is not understood, or sets what is ours to set; the text names the place.
pub fn overrides(workspace: &Workspace) -> Result<Overrides, String> {
    let annotations = workspace.metadata.annotations.as_ref();
    let Some(text) = annotations.and_then(|all| all.get(POD_OVERRIDES)) else {
        return Ok(Overrides::default());
    };
    let wrong = |what: &str| format!("metadata.annotations[{POD_OVERRIDES}]: {what}");
    let read: Overrides = serde_json::from_str(text).map_err(|error| wrong(&error.to_string()))?;
    let strengths = workspace.inference.iter().flat_map(|inference| &inference.adapters);
    let strengths = strengths.filter_map(|adapter| Some(adapter.source.as_ref()?.name.as_str()));
    let taken: Vec<&str> = strengths.chain([TOKEN]).collect();
    if let Some(variable) = read.env.iter().find(|variable| taken.contains(&variable.name.as_str())) {
        return Err(wrong(&format!("env: {} is set by the operator", variable.name)));
    }
    let selector = workspace.resource.label_selector.as_ref();
    let labels = selector.and_then(|selector| selector.match_labels.as_ref());
    let other = read.node_selector.iter().find(|(key, value)| {
        let own = labels.and_then(|labels| labels.get(*key));
        own.is_some_and(|own| own != *value)
    });
    if let Some((key, value)) = other {
        return Err(wrong(&format!(
            "nodeSelector: {key}={value} contradicts resource.labelSelector"
        )));
    }
    let amounts = read.resources.requests.keys().chain(read.resources.limits.keys());
    if let Some(resource) = amounts.into_iter().find(|key| !RESOURCES.contains(&key.as_str())) {
        let known = RESOURCES.join(", ");
        return Err(wrong(&format!("resources: {resource} cannot be set here; {known} can")));
    }
    Ok(read)
}

/// Merges what the user wants into a pod template of ours. What is not understood was refused before.
pub(super) fn apply(template: &mut Value, workspace: &Workspace) {
    let Ok(wanted) = overrides(workspace) else { return };
    let Some(spec) = template.get_mut("spec").and_then(Value::as_object_mut) else {
        return;
    };
    if let Some(tolerations) = spec.get_mut("tolerations").and_then(Value::as_array_mut) {
        for toleration in &wanted.tolerations {
            if !tolerations.contains(toleration) {
                tolerations.push(toleration.clone());
            }
        }
    }
    if !wanted.node_selector.is_empty() {
        spec.insert("nodeSelector".into(), json!(wanted.node_selector));
    }
    for list in ["containers", "initContainers"] {
        let containers = spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten();
        let main = containers.filter(|container| container["name"] == name(workspace));
        main.filter_map(Value::as_object_mut)
            .for_each(|container| adjust(container, &wanted));
    }
}

fn adjust(container: &mut Map<String, Value>, wanted: &Overrides) {
    if !wanted.env.is_empty() {
        let env = container.entry("env").or_insert_with(|| json!([]));
        if let Some(env) = env.as_array_mut() {
            env.extend(
                wanted
                    .env
                    .iter()
                    .map(|variable| json!({ "name": variable.name, "value": variable.value })),
            );
        }
    }
    for (side, amounts) in [
        ("requests", &wanted.resources.requests),
        ("limits", &wanted.resources.limits),
    ] {
        if amounts.is_empty() {
            continue;
        }
        let resources = container.entry("resources").or_insert_with(|| json!({}));
        let side = resources
            .as_object_mut()
            .map(|resources| resources.entry(side).or_insert_with(|| json!({})));
        if let Some(side) = side.and_then(Value::as_object_mut) {
            side.extend(amounts.iter().map(|(key, amount)| (key.clone(), json!(amount))));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn workspace(annotation: &str) -> Workspace {
        serde_json::from_value(json!({
            "apiVersion": "kaito.sh/v1beta1", "kind": "Workspace",
            "metadata": { "name": "w", "annotations": { POD_OVERRIDES: annotation } },
            "resource": { "labelSelector": { "matchLabels": { "app": "phi" } } },
            "inference": { "preset": { "name": "phi-4" }, "adapters": [{ "source": { "name": "a", "image": "x" }, "strength": "0.5" }] },
        }))
        .unwrap()
    }

    #[test]
    fn f18_conflicts_and_mistakes_are_refused_with_their_place() {
        for (annotation, said) in [
            ("{", "metadata.annotations[drydock.sh/pod-overrides]: "),
            (r#"{"volumes":[]}"#, "unknown field `volumes`"),
            (
                r#"{"env":[{"name":"HF_TOKEN","value":"x"}]}"#,
                "env: HF_TOKEN is set by the operator",
            ),
            (r#"{"env":[{"name":"a","value":"x"}]}"#, "env: a is set by the operator"),
            (
                r#"{"nodeSelector":{"app":"other"}}"#,
                "nodeSelector: app=other contradicts resource.labelSelector",
            ),
            (
                r#"{"resources":{"limits":{"nvidia.com/gpu":"2"}}}"#,
                "resources: nvidia.com/gpu cannot be set here",
            ),
        ] {
            let error = overrides(&workspace(annotation)).unwrap_err();
            assert!(error.contains(said), "{annotation}: {error}");
        }
        assert_eq!(overrides(&Workspace::default()), Ok(Overrides::default()));
    }

    #[test]
    fn f18_what_is_wanted_is_merged_into_what_is_there() {
        let annotation = r#"{"tolerations":[{"key":"team","operator":"Equal","value":"ml","effect":"NoSchedule"}],
            "env":[{"name":"HF_ENDPOINT","value":"https://mirror"}],"nodeSelector":{"zone":"1"},
            "resources":{"requests":{"cpu":"4"},"limits":{"memory":"64Gi"}}}"#;
        let limits = json!({ "nvidia.com/gpu": "1" });
        let mut template = json!({ "spec": {
            "tolerations": [{ "key": "sku" }],
            "containers": [{ "name": "w", "env": [{ "name": "A", "value": "1" }], "resources": { "limits": limits } }, { "name": "pusher" }],
        } });
        apply(&mut template, &workspace(annotation));
        let spec = &template["spec"];
        assert_eq!(
            (
                spec["tolerations"][1]["key"].as_str(),
                spec["nodeSelector"]["zone"].as_str()
            ),
            (Some("team"), Some("1"))
        );
        let main = &spec["containers"][0];
        assert_eq!(
            main["env"][1],
            json!({ "name": "HF_ENDPOINT", "value": "https://mirror" })
        );
        assert_eq!(
            main["resources"],
            json!({ "requests": { "cpu": "4" }, "limits": { "nvidia.com/gpu": "1", "memory": "64Gi" } })
        );
        assert_eq!(spec["containers"][1], json!({ "name": "pusher" }));
    }
}
