//! The admission cases of `operator/tests/admission/*.yaml`, ready to be sent.
//!
//! Knows: how a case file is read. Must not know: who judges the cases; the operator's own tests ask the webhook, the
//! scenarios ask a whole API server.

use operator_api::{
    sku::Cloud,
    validate::{Gates, ModelFact, Provisioner, Settings},
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{collections::BTreeMap, fs, path::PathBuf};

/// One case.
#[derive(Debug)]
pub(crate) struct Case {
    /// File and name, for messages.
    pub(crate) title: String,
    /// How the operator is set up.
    pub(crate) settings: Settings,
    /// The object before, when the case is an update.
    pub(crate) old: Option<Value>,
    /// The object to judge.
    pub(crate) new: Value,
    /// The object before was stored by an older release, past today's rules.
    pub(crate) stored: bool,
    /// What the API server's schema says. None: it accepts.
    pub(crate) schema: Option<String>,
    /// What strict field validation says. None: nothing.
    pub(crate) strict: Option<String>,
    /// One text for each fault that the webhook finds. Empty: it accepts.
    pub(crate) webhook: Vec<String>,
    /// Texts of the warnings.
    pub(crate) warns: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: String,
    base: String,
    #[serde(default)]
    with: Value,
    change: Option<Value>,
    #[serde(default)]
    stored: bool,
    #[serde(default)]
    deleting: bool,
    /// Shorthand for that many good adapters.
    #[serde(default)]
    adapters: usize,
    #[serde(default)]
    settings: WrittenSettings,
    schema: Option<String>,
    strict: Option<String>,
    #[serde(default)]
    webhook: Vec<String>,
    #[serde(default)]
    warns: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenSettings {
    provisioner: Option<String>,
    cloud: Option<String>,
    #[serde(default)]
    gates: Vec<String>,
}

/// What the webhook finds when it looks.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Cluster {
    models: BTreeMap<String, WrittenModel>,
    /// Names of the CSI drivers.
    pub(crate) csi_drivers: Vec<String>,
    /// Nodes.
    pub(crate) nodes: Vec<WrittenNode>,
    /// ConfigMaps of the namespace `team`, by name.
    pub(crate) config_maps: BTreeMap<String, BTreeMap<String, String>>,
}

/// A node.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct WrittenNode {
    /// Its name.
    pub(crate) name: String,
    /// Its labels.
    pub(crate) labels: BTreeMap<String, String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenModel {
    weight_gib: Option<f64>,
    context: Option<u64>,
    downloads: Option<bool>,
    token: Option<bool>,
    adapters: Option<bool>,
    failure: Option<String>,
}

fn folder() -> PathBuf {
    PathBuf::from("../operator/tests/admission")
}

fn read<T: serde::de::DeserializeOwned>(file: &str) -> T {
    let text = fs::read_to_string(folder().join(file)).unwrap();
    serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{file}: {error}"))
}

/// Files with cases.
const FILES: [&str; 6] = [
    "workspace_create.yaml",
    "tuning_create.yaml",
    "workspace_update.yaml",
    "v1alpha1.yaml",
    "inferenceset.yaml",
    "field_reports.yaml",
];

/// Every case that the webhook judges.
pub(crate) fn all() -> Vec<Case> {
    read_cases(&FILES)
}

/// Cases that only the schema judges.
pub(crate) fn schema_only() -> Vec<Case> {
    read_cases(&["nodeclaims.yaml"])
}

fn read_cases(files: &[&str]) -> Vec<Case> {
    let bases: BTreeMap<String, Value> = read("bases.yaml");
    let mut cases = Vec::new();
    for file in files {
        let written: Vec<Written> = read(file);
        cases.extend(written.into_iter().map(|written| case(file, &bases, written)));
    }
    cases
}

fn case(file: &str, bases: &BTreeMap<String, Value>, written: Written) -> Case {
    let Written {
        name,
        base,
        with,
        change,
        stored,
        deleting,
        adapters,
        settings,
        schema,
        strict,
        webhook,
        warns,
    } = written;
    let mut object = bases
        .get(&base)
        .unwrap_or_else(|| panic!("{name}: no base {base}"))
        .clone();
    merge(&mut object, &with);
    if adapters > 0 {
        let adapter = |n| json!({"source": {"name": format!("a{n}"), "image": "r.io/a:1"}});
        object["inference"]["adapters"] = (0..adapters).map(adapter).collect();
    }
    if deleting {
        object["metadata"]["finalizers"] = json!(["workspace.finalizer.kaito.sh"]);
        object["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
    }
    let (old, new) = match change {
        None => (None, object),
        Some(change) => {
            let mut new = object.clone();
            merge(&mut new, &change);
            (Some(object), new)
        }
    };
    let title = format!("{file}: {name}");
    Case {
        title,
        settings: settings.read(),
        old,
        new,
        stored,
        schema,
        strict,
        webhook,
        warns,
    }
}

impl WrittenSettings {
    fn read(self) -> Settings {
        let mut gates = Gates::default();
        for gate in &self.gates {
            match gate.as_str() {
                "mig" => gates.mig = true,
                "accelerator" => gates.accelerator = true,
                "streaming" => gates.model_streaming = true,
                "no-vllm" => gates.vllm = false,
                other => panic!("no gate {other}"),
            }
        }
        let provisioner = match self.provisioner.as_deref() {
            None => Provisioner::AzureGpu,
            Some("karpenter") => Provisioner::Karpenter,
            Some("byo") => Provisioner::Byo,
            Some(other) => panic!("no provisioner {other}"),
        };
        let cloud = self.cloud.map_or(Cloud::Azure, |cloud| cloud.parse().unwrap());
        let (release_namespace, node_classes) = ("drydock".to_owned(), vec!["gpu-default".to_owned()]);
        Settings {
            provisioner,
            cloud,
            gates,
            release_namespace,
            node_classes,
        }
    }
}

/// What the webhook finds when it looks.
pub(crate) fn cluster() -> Cluster {
    read("cluster.yaml")
}

impl Cluster {
    /// The models, as the webhook is told of them.
    pub(crate) fn models(&self) -> BTreeMap<String, Result<ModelFact, String>> {
        let fact = |model: &WrittenModel| match &model.failure {
            Some(failure) => Err(failure.clone()),
            None => Ok(ModelFact {
                weight_bytes: model.weight_gib.map(|gib| (gib * f64::from(1u32 << 30)).ceil() as u64),
                context_length: model.context,
                downloads_at_runtime: model.downloads,
                needs_token: model.token,
                adapters: model.adapters,
            }),
        };
        self.models
            .iter()
            .map(|(name, model)| (name.clone(), fact(model)))
            .collect()
    }

    /// The nodes as objects.
    pub(crate) fn node_objects(&self) -> Vec<Value> {
        let node = |node: &WrittenNode| json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": node.name, "labels": node.labels}});
        self.nodes.iter().map(node).collect()
    }

    /// The ConfigMaps as objects.
    pub(crate) fn config_map_objects(&self) -> Vec<Value> {
        let object = |(name, data): (&String, &BTreeMap<String, String>)| {
            json!({
                "apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "team"}, "data": data,
            })
        };
        self.config_maps.iter().map(object).collect()
    }
}

/// RFC 7386.
fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else { return };
    if !target.is_object() {
        *target = json!({});
    }
    let Value::Object(target) = target else { return };
    for (key, value) in patch {
        match value {
            Value::Null => {
                target.remove(key);
            }
            Value::Object(_) => merge(target.entry(key.clone()).or_insert(Value::Null), value),
            other => {
                target.insert(key.clone(), other.clone());
            }
        }
    }
}
