//! `tuning`: what to tune, on which data, and where the result goes.

use super::{DataSource, PresetSpec};
use crate::{
    kind::is_default,
    schemaless::{Schemaless, VolumeSource},
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// TuningSpec says what to tune.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = crate::cel::tuning()))]
pub struct TuningSpec {
    /// The model to tune. It can't be changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-validations" = crate::cel::fixed_preset("Preset cannot be changed", true)))]
    pub preset: Option<PresetSpec>,
    /// How to tune: lora or qlora (upper and lower case are the same). It can't be changed.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    #[schemars(extend("maxLength" = 64))]
    pub method: String,
    /// Name of a ConfigMap in this namespace whose key training_config.yaml configures the training.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub config: String,
    /// The training data: exactly one of urls, image and volumeSource.
    #[serde(default, skip_serializing_if = "is_default")]
    #[schemars(extend("x-required" = true, "x-kubernetes-validations" = crate::cel::input()))]
    pub input: Option<DataSource>,
    /// Where the result goes: exactly one of image and volumeSource.
    #[serde(default, skip_serializing_if = "is_default")]
    #[schemars(extend("x-required" = true, "x-kubernetes-validations" = crate::cel::output()))]
    pub output: Option<DataDestination>,
}

impl TuningSpec {
    /// The method, if it is one that we know.
    pub fn parsed_method(&self) -> Option<TuningMethod> {
        match self.method.to_ascii_lowercase().as_str() {
            "lora" => Some(TuningMethod::Lora),
            "qlora" => Some(TuningMethod::Qlora),
            _ => None,
        }
    }
}

/// How a model is tuned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TuningMethod {
    /// Low-rank adapters on the unquantised model.
    Lora,
    /// Low-rank adapters on a model quantised to 4 or 8 bits.
    Qlora,
}

/// DataDestination says where the result goes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DataDestination {
    /// A volume to write to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume_source: Option<Schemaless<VolumeSource>>,
    /// An image (registry/repository:tag) to push.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub image: String,
    /// Name of the Secret (type kubernetes.io/dockerconfigjson) that may push that image.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub image_push_secret: String,
}
