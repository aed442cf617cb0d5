//! What KAITO hashes: the parts of a Workspace as Go's JSON encoder writes its structs.
//!
//! Knows: the order of the fields of those structs, and which of them are left out when they are empty. Must not know:
//! what the fields mean. A Workspace that KAITO ran keeps its revision's name when Drydock takes over. Pod templates and
//! volume sources are written with their keys in alphabetical order, which is Go's order for a volume of one claim,
//! but not for every template.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};
use operator_api::Workspace;
use operator_api::workspace::{
    AccessMode, AdapterSpec, DataDestination, DataSource, InferenceSpec, PartitionSpec, PresetOptions, PresetSpec,
    ResourceSpec, TuningSpec,
};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// `resource`, `inference` and `tuning`, one a line.
pub(super) fn lines(workspace: &Workspace) -> String {
    let resource = Resource::from(&workspace.resource);
    let inference = workspace.inference.as_ref().map(Inference::from);
    let tuning = workspace.tuning.as_ref().map(Tuning::from);
    format!("{}\n{}\n{}\n", encode(&resource), encode(&inference), encode(&tuning))
}

/// JSON with the characters escaped that Go escapes for the sake of HTML.
fn encode<T: Serialize>(part: &T) -> String {
    let text = serde_json::to_string(part).unwrap_or_default();
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => escaped.push_str(&format!("\\u{:04x}", u32::from(character))),
            other => escaped.push(other),
        }
    }
    escaped
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Resource<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    count: Option<i64>,
    #[serde(skip_serializing_if = "str::is_empty")]
    instance_type: &'a str,
    label_selector: Option<Selector<'a>>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    preferred_nodes: &'a [String],
    #[serde(skip_serializing_if = "Option::is_none")]
    partition: Option<&'a PartitionSpec>,
}

impl<'a> From<&'a ResourceSpec> for Resource<'a> {
    fn from(spec: &'a ResourceSpec) -> Self {
        let ResourceSpec {
            count,
            instance_type,
            label_selector,
            preferred_nodes,
            partition,
        } = spec;
        Self {
            count: *count,
            instance_type,
            label_selector: label_selector.as_ref().map(Selector::from),
            preferred_nodes,
            partition: partition.as_ref(),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Selector<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    match_labels: Option<&'a BTreeMap<String, String>>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    match_expressions: &'a [LabelSelectorRequirement],
}

impl<'a> From<&'a LabelSelector> for Selector<'a> {
    fn from(selector: &'a LabelSelector) -> Self {
        let LabelSelector {
            match_expressions,
            match_labels,
        } = selector;
        Self {
            match_labels: match_labels.as_ref().filter(|labels| !labels.is_empty()),
            match_expressions: match_expressions.as_deref().unwrap_or_default(),
        }
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Preset<'a> {
    name: &'a str,
    access_mode: AccessMode,
    // A struct is never empty to Go's encoder: `{}` is written.
    preset_options: &'a PresetOptions,
}

impl<'a> From<&'a PresetSpec> for Preset<'a> {
    fn from(spec: &'a PresetSpec) -> Self {
        let PresetSpec {
            name,
            access_mode,
            preset_options,
        } = spec;
        Self {
            name,
            access_mode: *access_mode,
            preset_options,
        }
    }
}

#[derive(Serialize)]
struct Inference<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    preset: Option<Preset<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    template: Option<&'a Value>,
    #[serde(skip_serializing_if = "str::is_empty")]
    config: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    adapters: &'a [AdapterSpec],
}

impl<'a> From<&'a InferenceSpec> for Inference<'a> {
    fn from(spec: &'a InferenceSpec) -> Self {
        let InferenceSpec {
            preset,
            template,
            config,
            adapters,
        } = spec;
        Self {
            preset: preset.as_ref().map(Preset::from),
            template: template.as_ref().map(|template| template.raw()),
            config,
            adapters,
        }
    }
}

#[derive(Serialize)]
struct Tuning<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    preset: Option<Preset<'a>>,
    #[serde(skip_serializing_if = "str::is_empty")]
    method: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    config: &'a str,
    input: Option<&'a DataSource>,
    output: Option<&'a DataDestination>,
}

impl<'a> From<&'a TuningSpec> for Tuning<'a> {
    fn from(spec: &'a TuningSpec) -> Self {
        let TuningSpec {
            preset,
            method,
            config,
            input,
            output,
        } = spec;
        Self {
            preset: preset.as_ref().map(Preset::from),
            method,
            config,
            input: input.as_ref(),
            output: output.as_ref(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::workspace_hash;
    use super::*;
    use serde_json::json;

    /// The hashes were computed by a Go program with structs of the same fields.
    #[test]
    fn hashes_are_those_of_go() {
        let cases = [
            (
                json!({
                    "resource": {
                        "count": 1, "instanceType": "Standard_NC6s_v3",
                        "labelSelector": { "matchLabels": { "app": "tuning-phi-3" } },
                    },
                    "tuning": {
                        "preset": { "name": "phi-3-mini-128k-instruct", "accessMode": "public" },
                        "method": "qlora",
                        "input": { "urls": ["https://example.com/d?a=1&b=<2>"] },
                        "output": { "image": "r.example.com/a:1", "imagePushSecret": "s" },
                    },
                }),
                "f9ad0dccf2c6903c47005707b7c1009d85e96896930bcdb52a9c7880ccc30a5a",
            ),
            (
                json!({
                    "resource": {
                        "labelSelector": {
                            "matchLabels": { "b": "2", "a": "1" },
                            "matchExpressions": [{ "key": "k", "operator": "In", "values": ["v"] }],
                        },
                        "preferredNodes": ["n"],
                    },
                    "inference": {
                        "preset": {
                            "name": "phi-4", "accessMode": "private",
                            "presetOptions": { "image": "i", "imagePullSecrets": ["p"], "modelAccessSecret": "m" },
                        },
                        "config": "c",
                        "adapters": [
                            { "source": { "name": "a", "image": "x", "imagePullSecrets": ["q"] }, "strength": "0.5" },
                            { "source": { "name": "v", "volumeSource": { "emptyDir": {} } } },
                        ],
                    },
                }),
                "9a454b12af48df9637438878437b488bbd9c4de0111d1f01a0d43c5e7424de78",
            ),
            (
                json!({}),
                "48a1db91c0629f61826a1b7df06343a076d3004257ddd660315f37f1ed0f7bdb",
            ),
        ];
        for (mut workspace, hash) in cases {
            workspace["apiVersion"] = json!("kaito.sh/v1beta1");
            workspace["kind"] = json!("Workspace");
            let workspace: Workspace = serde_json::from_value(workspace).unwrap();
            assert_eq!(workspace_hash(&workspace), hash, "{}", lines(&workspace));
        }
    }

    #[test]
    fn html_is_escaped_as_go_does() {
        assert_eq!(encode(&"a<b>&\u{2028}"), r#""a\u003cb\u003e\u0026\u2028""#);
        assert_eq!(encode(&None::<u8>), "null");
    }
}
