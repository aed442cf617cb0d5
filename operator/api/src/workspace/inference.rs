//! `inference`: what to serve, and the parts (preset, data source) that tuning shares.

use crate::{
    kind::is_default,
    schemaless::{Schemaless, VolumeSource},
};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// InferenceSpec says what to serve.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = crate::cel::inference()))]
pub struct InferenceSpec {
    /// A model that is known by name. Exactly one of preset and template is set. It can't be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-validations" = crate::cel::fixed_preset(crate::cel::IMMUTABLE, true)))]
    pub preset: Option<PresetSpec>,
    /// A pod template of your own, instead of a preset. It may change, but can't be added or removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub template: Option<Schemaless<PodTemplateSpec>>,
    /// Name of a ConfigMap in this namespace whose key inference_config.yaml configures the runtime.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub config: String,
    /// LoRA adapters to load beside the model, 10 at most.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("maxItems" = 100, "x-kubernetes-validations" = crate::cel::adapters()))]
    pub adapters: Vec<AdapterSpec>,
}

/// PresetSpec names a model.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PresetSpec {
    /// Hugging Face id (organisation/model) or one of the short names, for example phi-4-mini-instruct.
    pub name: String,
    /// Whether the model image is public or private.
    #[serde(default, skip_serializing_if = "is_default")]
    #[schemars(extend("x-default" = "public"))]
    pub access_mode: AccessMode,
    /// Where a private model comes from.
    #[serde(default, skip_serializing_if = "is_default")]
    pub preset_options: PresetOptions,
}

/// Whether a model image is public or private.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub enum AccessMode {
    /// Anyone may pull it.
    #[default]
    Public,
    /// The user gives the image (and perhaps pull secrets) in presetOptions.
    Private,
}

/// PresetOptions says where a private model comes from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct PresetOptions {
    /// Image that holds the model, needed when accessMode is private.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub image: String,
    /// Names of the pull secrets of that image.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub image_pull_secrets: Vec<String>,
    /// Name of a Secret in this namespace whose key HF_TOKEN opens a gated model.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub model_access_secret: String,
}

/// AdapterSpec is one LoRA adapter.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct AdapterSpec {
    /// Where the adapter comes from: an image or a volume.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<DataSource>,
    /// Weight of the adapter, a number from 0 to 1 (default 1.0). Only the transformers runtime uses it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("maxLength" = 64, "x-kubernetes-validations" = crate::cel::strength()))]
    pub strength: Option<String>,
}

/// DataSource says where data comes from.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DataSource {
    /// Name of the data. Adapters need one, and it must be unique among them.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(extend("maxLength" = 253))]
    pub name: String,
    /// Addresses (http or https) to download. Not for adapters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub urls: Vec<String>,
    /// A volume that holds the data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume_source: Option<Schemaless<VolumeSource>>,
    /// An image that holds the data.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub image: String,
    /// Names of the pull secrets of that image.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub image_pull_secrets: Vec<String>,
}
