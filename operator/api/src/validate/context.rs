//! What the rules are told about the operator's settings and about the cluster. All of it is data: whoever calls
//! looks it up. A fact that is missing skips its check; it never refuses an object, and never panics.

use crate::sku::Cloud;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Everything that a rule may ask.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// How the operator is set up.
    pub settings: &'a Settings,
    /// What is known of the cluster.
    pub facts: &'a Facts,
}

/// How the operator is set up.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Who brings up nodes.
    pub provisioner: Provisioner,
    /// Where they come from.
    pub cloud: Cloud,
    /// What is switched on.
    pub gates: Gates,
    /// Namespace that the operator is installed in.
    pub release_namespace: String,
    /// NodeClasses that `kaito.sh/node-class-name` may name (karpenter only).
    pub node_classes: Vec<String>,
}

/// Who brings up nodes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Provisioner {
    /// NodeClaims of our own, fulfilled through AKS agent pools.
    #[default]
    AzureGpu,
    /// Karpenter's NodePools.
    Karpenter,
    /// Nobody: users bring their nodes.
    Byo,
}

/// What is switched on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gates {
    /// vLLM may be used; without it every workload runs on transformers.
    pub vllm: bool,
    /// `resource.partition` with mode mig.
    pub mig: bool,
    /// `resource.partition` with mode accelerator.
    pub accelerator: bool,
    /// Weights are streamed from a mirror.
    pub model_streaming: bool,
}

impl Default for Gates {
    fn default() -> Self {
        Self {
            vllm: true,
            mig: false,
            accelerator: false,
            model_streaming: false,
        }
    }
}

/// What is known of the cluster.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Facts {
    /// Nodes that match the object's labels. None: not looked up.
    pub nodes: Option<Vec<NodeFact>>,
    /// ConfigMaps that were looked up.
    pub config_maps: BTreeMap<ObjectName, ConfigMapFact>,
    /// Models by name (`organisation/model`, lower case), or why a model can't be resolved. A model that is not here
    /// is not known, which is no fault.
    pub models: BTreeMap<String, Result<ModelFact, String>>,
    /// Names of the CSI drivers. None: not looked up.
    pub csi_drivers: Option<BTreeSet<String>>,
}

/// Name of a namespaced object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectName {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// One node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NodeFact {
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
}

/// What a look-up of a ConfigMap gave.
#[derive(Clone, Debug, PartialEq)]
pub enum ConfigMapFact {
    /// There is none.
    NotFound,
    /// It can't be read; the text says why.
    Failed(String),
    /// Its keys, each read as YAML.
    Found(BTreeMap<String, Document>),
}

/// The text under one key of a ConfigMap.
#[derive(Clone, Debug, PartialEq)]
pub enum Document {
    /// What it holds.
    Parsed(Value),
    /// It is no YAML; the text says where.
    Broken(String),
}

/// What is known of a model. None, wherever it stands, means not known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ModelFact {
    /// Bytes of its weights.
    pub weight_bytes: Option<u64>,
    /// Longest context in tokens.
    pub context_length: Option<u64>,
    /// Its weights are downloaded when the workload starts.
    pub downloads_at_runtime: Option<bool>,
    /// The download needs a token.
    pub needs_token: Option<bool>,
    /// It takes LoRA adapters on vLLM.
    pub adapters: Option<bool>,
}

/// What to look up before the rules are asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// ConfigMaps.
    pub config_maps: BTreeSet<ObjectName>,
    /// Nodes with these labels. Empty map: all nodes. None: no nodes.
    pub node_labels: Option<BTreeMap<String, String>>,
    /// CSI drivers.
    pub csi_drivers: bool,
    /// Model, as the user wrote it.
    pub model: Option<String>,
}
