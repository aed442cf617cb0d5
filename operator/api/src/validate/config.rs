//! The ConfigMaps that configure a runtime or a training. A ConfigMap that was not looked up is not judged; without a
//! name the built-in defaults hold, and nothing is looked up.

use super::{ConfigMapFact, Context, Document, Fault, ModelFact, ObjectName, Verdict, Version, text};
use crate::{
    Workspace, sku,
    workspace::{InferenceSpec, TuningMethod, TuningSpec},
};
use serde_json::{Map, Value};
use std::collections::BTreeMap;

pub(super) const INFERENCE_KEY: &str = "inference_config.yaml";
pub(super) const TRAINING_KEY: &str = "training_config.yaml";
/// Sections of a training configuration.
const SECTIONS: [&str; 6] = [
    "ModelConfig",
    "QuantizationConfig",
    "LoraConfig",
    "TrainingArguments",
    "DatasetConfig",
    "DataCollator",
];

/// The keys of a ConfigMap, or nothing when it is missing (which is a fault) or was not looked up (which is none).
fn data<'a>(
    name: &str,
    namespace: &str,
    path: &str,
    context: Context<'a>,
    verdict: &mut Verdict,
) -> Option<&'a BTreeMap<String, Document>> {
    if let Some(reason) = text::dns_subdomain(name) {
        verdict.fault(Fault::invalid(path, reason));
        return None;
    }
    let key = ObjectName {
        namespace: namespace.to_owned(),
        name: name.to_owned(),
    };
    match context.facts.config_maps.get(&key)? {
        ConfigMapFact::Found(data) => return Some(data),
        ConfigMapFact::NotFound => verdict.fault(Fault::generic(
            path,
            format!("ConfigMap '{name}' specified in 'config' not found in namespace '{namespace}'"),
        )),
        ConfigMapFact::Failed(reason) => verdict.fault(Fault::generic(
            path,
            format!("Failed to get ConfigMap '{name}' in namespace '{namespace}': {reason}"),
        )),
    }
    None
}

pub(super) fn inference(
    version: Version,
    new: &Workspace,
    inference: &InferenceSpec,
    model: Option<&ModelFact>,
    context: Context<'_>,
    verdict: &mut Verdict,
) {
    let path = "inference.config";
    let namespace = new.metadata.namespace.as_deref().unwrap_or("default");
    let Some(data) = data(&inference.config, namespace, path, context, verdict) else {
        return;
    };
    let document = match data.get(INFERENCE_KEY) {
        None => {
            verdict.fault(Fault::missing(path, format!("{INFERENCE_KEY} in ConfigMap")));
            return;
        }
        Some(Document::Broken(reason)) => {
            verdict.fault(Fault::generic(
                path,
                format!("Failed to parse {INFERENCE_KEY}: {reason}"),
            ));
            return;
        }
        Some(Document::Parsed(document)) => document,
    };
    let options = match vllm_options(document) {
        Ok(options) => options,
        Err(reason) => {
            verdict.fault(Fault::generic(
                path,
                format!("Failed to parse {INFERENCE_KEY}: {reason}"),
            ));
            return;
        }
    };
    let longest = options
        .get("max-model-len")
        .map(plain)
        .filter(|text| !text.trim().is_empty());
    match longest {
        Some(text) => context_length(text.trim(), model, verdict),
        None if version == Version::V1alpha1 && needs_length(new, context) => verdict.fault(Fault::missing(
            path,
            "max-model-len is required in the vllm section of inference_config.yaml when using multi-GPU instances \
             with <20GB of memory per GPU or distributed inference",
        )),
        None => {}
    }
}

/// `vllm:` holds plain values only: each becomes one command line option.
fn vllm_options(document: &Value) -> Result<Map<String, Value>, String> {
    let root = match document {
        Value::Null => return Ok(Map::new()),
        Value::Object(root) => root,
        _ => return Err("it must be a map".to_owned()),
    };
    let options = match root.get("vllm") {
        None | Some(Value::Null) => return Ok(Map::new()),
        Some(Value::Object(options)) => options,
        Some(_) => return Err("vllm must be a map".to_owned()),
    };
    match options.iter().find(|(_, value)| value.is_object() || value.is_array()) {
        Some((key, _)) => Err(format!("vllm.{key} must be a plain value, not a map or a list")),
        None => Ok(options.clone()),
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

fn context_length(text: &str, model: Option<&ModelFact>, verdict: &mut Verdict) {
    let path = "inference.config[max-model-len]";
    let Ok(length) = text.parse::<i64>() else {
        verdict.fault(Fault::invalid(
            path,
            format!("max-model-len must be an integer: {text:?}"),
        ));
        return;
    };
    let limit = model.and_then(|model| model.context_length).filter(|limit| *limit > 0);
    if let Some(limit) = limit
        && u64::try_from(length).is_ok_and(|length| length > limit)
    {
        verdict.fault(Fault::invalid(
            path,
            format!(
                "max-model-len {length} exceeds model's maximum supported context window {limit} (ModelTokenLimit)"
            ),
        ));
    }
}

/// Memory of one GPU under which several of them need the length said (v1alpha1).
const SMALL_GPU_GIB: u32 = 20;

fn needs_length(new: &Workspace, context: Context<'_>) -> bool {
    let small = sku::find(context.settings.cloud, &new.resource.instance_type)
        .is_some_and(|sku| sku.gpus > 1 && sku.gpu_memory_gib / sku.gpus < SMALL_GPU_GIB);
    small || new.resource.node_count() > 1
}

pub(super) fn tuning(
    new: &Workspace,
    tuning: &TuningSpec,
    method: Option<TuningMethod>,
    context: Context<'_>,
    verdict: &mut Verdict,
) {
    if tuning.config.is_empty() {
        return;
    }
    let path = "tuning.config";
    let namespace = new.metadata.namespace.as_deref().unwrap_or("default");
    let Some(data) = data(&tuning.config, namespace, path, context, verdict) else {
        return;
    };
    let name = &tuning.config;
    let root = match data.get(TRAINING_KEY) {
        None => {
            let text = format!("ConfigMap '{name}' does not contain '{TRAINING_KEY}' in namespace '{namespace}'");
            verdict.fault(Fault::generic(path, text));
            return;
        }
        Some(Document::Broken(reason)) => {
            verdict.fault(Fault::generic(
                path,
                format!("Failed to parse '{TRAINING_KEY}' in ConfigMap '{name}' in namespace '{namespace}': {reason}"),
            ));
            return;
        }
        Some(Document::Parsed(root)) => root,
    };
    let Some(Value::Object(sections)) = root.get("training_config") else {
        verdict.fault(Fault::invalid(path, "Expected 'training_config' key to contain a map"));
        return;
    };
    for section in sections.keys().filter(|section| !SECTIONS.contains(&section.as_str())) {
        verdict.fault(Fault::invalid(path, format!("Unrecognized section: {section}")));
    }
    for (section, _) in sections
        .iter()
        .filter(|(_, value)| !value.is_object() && !value.is_null())
    {
        verdict.fault(Fault::invalid(path, format!("Section {section} must be a map")));
    }
    quantization(name, sections.get("QuantizationConfig"), method, verdict);
    output_dir(name, namespace, sections.get("TrainingArguments"), verdict);
}

fn quantization(name: &str, section: Option<&Value>, method: Option<TuningMethod>, verdict: &mut Verdict) {
    let path = "tuning.config[QuantizationConfig]";
    let mut flag = |key: &str| match section.and_then(|section| section.get(key)) {
        None | Some(Value::Null) => false,
        Some(Value::Bool(on)) => *on,
        Some(_) => {
            verdict.fault(Fault::invalid(
                format!("{path}.{key}"),
                "value must be either nil or a boolean",
            ));
            false
        }
    };
    let (four, eight) = (flag("load_in_4bit"), flag("load_in_8bit"));
    let fault = match (four, eight, method) {
        (true, true, _) => Fault::generic(
            path,
            format!("Cannot set both 'load_in_4bit' and 'load_in_8bit' to true in ConfigMap '{name}'"),
        ),
        (true, _, Some(TuningMethod::Lora)) | (_, true, Some(TuningMethod::Lora)) => Fault::generic(
            path,
            format!("For method 'lora', 'load_in_4bit' or 'load_in_8bit' in ConfigMap '{name}' must not be true"),
        ),
        (false, false, Some(TuningMethod::Qlora)) => Fault::missing(
            path,
            format!("For method 'qlora', either 'load_in_4bit' or 'load_in_8bit' must be true in ConfigMap '{name}'"),
        ),
        _ => return,
    };
    verdict.fault(fault);
}

/// The result must land below /mnt, in a folder of its own.
fn output_dir(name: &str, namespace: &str, section: Option<&Value>, verdict: &mut Verdict) {
    let path = "tuning.config[TrainingArguments].output_dir";
    match section.and_then(|section| section.get("output_dir")) {
        None | Some(Value::Null) => {}
        Some(Value::String(folder)) => {
            if !below_mnt(folder) {
                verdict.fault(Fault::invalid(
                    path,
                    format!("Invalid output_dir specified: '{folder}', must be a directory"),
                ));
            }
        }
        Some(_) => verdict.fault(Fault::invalid(
            path,
            format!("output_dir is not a string in ConfigMap '{name}' in namespace '{namespace}'"),
        )),
    }
}

/// True when `folder`, taken relative to `/mnt`, stays strictly below `/mnt`. An absolute path counts as relative, as
/// it does for KAITO, unless it already begins with `/mnt`.
fn below_mnt(folder: &str) -> bool {
    let inner = folder
        .strip_prefix("/mnt")
        .filter(|rest| rest.is_empty() || rest.starts_with('/'))
        .unwrap_or(folder);
    let mut depth = 0usize;
    for part in inner.split('/') {
        match part {
            "" | "." => {}
            ".." => match depth.checked_sub(1) {
                Some(up) => depth = up,
                None => return false,
            },
            _ => depth += 1,
        }
    }
    depth > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_below_mnt() {
        for folder in ["/mnt/results", "results", "/mnt/a/../b", "/elsewhere", "/mntx", "é"] {
            assert!(below_mnt(folder), "{folder}");
        }
        for folder in [
            "",
            "/",
            "/mnt",
            "/mnt/",
            "..",
            "/mnt/../mntx",
            "/mnt/a/..",
            "../mnt/a",
            "./.",
        ] {
            assert!(!below_mnt(folder), "{folder}");
        }
    }
}
