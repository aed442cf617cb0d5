//! `inference` of a new Workspace, and the rules about adapters that updates share.

use super::{Context, Facts, Fault, ModelFact, Runtime, Verdict, Version, annotation, config, placeholder, text};
use crate::{
    Workspace, labels, presets,
    workspace::{AccessMode, AdapterSpec, InferenceSpec, PresetSpec},
};
use std::collections::BTreeSet;

/// Most adapters that one workload may load.
pub(super) const MAX_ADAPTERS: usize = 10;

/// The model that a preset's name means. A name that the caller knows as a model counts, whatever it looks like.
pub(super) fn resolve(version: Version, name: &str, facts: &Facts) -> Option<String> {
    let known = match version {
        Version::V1alpha1 => presets::resolve_seed(name),
        Version::V1beta1 => presets::resolve(name),
    };
    known.or_else(|| Some(name.to_lowercase()).filter(|name| facts.models.contains_key(name)))
}

pub(super) fn create(
    version: Version,
    new: &Workspace,
    inference: &InferenceSpec,
    runtime: Runtime,
    context: Context<'_>,
    verdict: &mut Verdict,
) {
    match (&inference.preset, &inference.template) {
        (None, None) => verdict.fault(Fault::missing("inference", "Preset or Template must be specified")),
        (Some(_), Some(_)) => {
            verdict.fault(Fault::generic(
                "inference",
                "Preset and Template cannot be set at the same time",
            ));
        }
        (Some(_), None) | (None, Some(_)) => {}
    }
    let mut model = None;
    if let Some(preset) = &inference.preset {
        let Some(name) = resolve(version, &preset.name, context.facts) else {
            let name = &preset.name;
            verdict.fault(Fault::invalid(
                "inference.preset.name",
                format!("Unsupported inference preset name {name}"),
            ));
            return;
        };
        if version == Version::V1alpha1 {
            private_image(preset, verdict);
        }
        model = match context.facts.models.get(&name) {
            Some(Ok(model)) => Some(model),
            Some(Err(reason)) => {
                verdict.fault(Fault::generic(
                    "inference.preset.name",
                    format!("failed to get model preset: {reason}"),
                ));
                return;
            }
            None => None,
        };
        runtime_rules(version, &name, model, inference, runtime, verdict);
        if let Some(model) = model {
            token(preset, model, verdict);
        }
        streaming(new, runtime, context, verdict);
    }
    adapters(inference, verdict);
    if runtime == Runtime::Vllm && !inference.config.is_empty() {
        config::inference(version, new, inference, model, context, verdict);
    }
}

/// 2024's models whose image the user brings.
fn private_image(preset: &PresetSpec, verdict: &mut Verdict) {
    if presets::private_image_only(&preset.name) && preset.access_mode != AccessMode::Private {
        verdict.fault(Fault::generic(
            "inference.preset.accessMode",
            "This preset only supports private AccessMode, AccessMode must be private to continue",
        ));
    }
    if preset.access_mode == AccessMode::Private && preset.preset_options.image.is_empty() {
        verdict.fault(Fault::generic(
            "inference.preset.presetOptions.image",
            "When AccessMode is private, an image must be provided in PresetOptions",
        ));
    }
}

fn runtime_rules(
    version: Version,
    name: &str,
    model: Option<&ModelFact>,
    inference: &InferenceSpec,
    runtime: Runtime,
    verdict: &mut Verdict,
) {
    let refuse = |reason: String| Fault::generic("inference", format!("Runtime validation: {reason}"));
    match runtime {
        // v1alpha1 is older than the table: its models of 2024 all ran on transformers.
        Runtime::Transformers if version == Version::V1beta1 => {
            if !presets::TRANSFORMERS.contains(&presets::short(name)) {
                verdict.fault(refuse(format!(
                    "preset {name} does not support inference with Huggingface Transformers runtime"
                )));
            }
        }
        Runtime::Transformers => {}
        Runtime::Vllm => {
            if !inference.adapters.is_empty() && model.and_then(|model| model.adapters) == Some(false) {
                verdict.fault(refuse(format!("preset {name} does not support adapters with vLLM")));
            }
            let strength = inference.adapters.iter().any(|adapter| adapter.strength.is_some());
            match (strength, version) {
                (true, Version::V1beta1) => verdict.fault(refuse("vLLM does not support adapter strength".to_owned())),
                (true, Version::V1alpha1) => {
                    verdict.warn("inference.adapters: vLLM does not support adapter strength; it has no effect");
                }
                (false, _) => {}
            }
        }
    }
}

/// A gated model needs a token, and only a model that is downloaded at run time can use one.
fn token(preset: &PresetSpec, model: &ModelFact, verdict: &mut Verdict) {
    let path = "inference.preset.presetOptions.modelAccessSecret";
    let given = !preset.preset_options.model_access_secret.is_empty();
    match (model.downloads_at_runtime, model.needs_token, given) {
        (Some(true), Some(true), false) => verdict.fault(Fault::generic(
            path,
            "This preset requires a modelAccessSecret with HF_TOKEN key under presetOptions to download the model",
        )),
        (Some(false), _, true) => verdict.fault(Fault::generic(
            path,
            "This preset does not require a modelAccessSecret with HF_TOKEN key under presetOptions",
        )),
        _ => {}
    }
}

/// Streaming reads weights through a CSI driver of the cloud.
fn streaming(new: &Workspace, runtime: Runtime, context: Context<'_>, verdict: &mut Verdict) {
    let opted_out = annotation(new.metadata.annotations.as_ref(), labels::MODEL_STREAMING) == Some("disabled");
    if !context.settings.gates.model_streaming || runtime != Runtime::Vllm || opted_out {
        return;
    }
    match context.settings.cloud {
        crate::sku::Cloud::Azure => {
            let Some(drivers) = &context.facts.csi_drivers else {
                return;
            };
            if !drivers.contains(AZURE_BLOB_DRIVER) {
                verdict.fault(Fault::generic(
                    "inference.preset",
                    format!("model streaming needs the CSI driver {AZURE_BLOB_DRIVER}, which is not installed"),
                ));
            }
        }
        other => {
            let cloud = format!("{other:?}").to_lowercase();
            verdict.fault(Fault::generic(
                "inference.preset",
                format!("unsupported cloud provider {cloud:?} for model streaming"),
            ));
        }
    }
}

const AZURE_BLOB_DRIVER: &str = "blob.csi.azure.com";

/// Adapters of a new Workspace.
fn adapters(inference: &InferenceSpec, verdict: &mut Verdict) {
    if inference.adapters.len() > MAX_ADAPTERS {
        verdict.fault(Fault::generic("inference.adapters", crate::text::TOO_MANY_ADAPTERS));
    }
    duplicates(&inference.adapters, verdict);
    for (index, adapter) in inference.adapters.iter().enumerate() {
        self::adapter(index, adapter, verdict);
    }
}

/// No two adapters may carry the same name.
pub(super) fn duplicates(adapters: &[AdapterSpec], verdict: &mut Verdict) {
    let mut names = BTreeSet::new();
    let sources = adapters
        .iter()
        .enumerate()
        .filter_map(|(index, adapter)| Some((index, adapter.source.as_ref()?)));
    for (index, source) in sources {
        if !source.name.is_empty() && !names.insert(&source.name) {
            verdict.fault(Fault::generic(
                format!("inference.adapters[{index}].source.name"),
                format!("Duplicate adapter source name found: {}", source.name),
            ));
        }
    }
}

/// What every adapter must say.
pub(super) fn adapter(index: usize, adapter: &AdapterSpec, verdict: &mut Verdict) {
    let path = format!("inference.adapters[{index}]");
    let Some(source) = &adapter.source else {
        verdict.fault(Fault::missing(format!("{path}.source"), ""));
        return;
    };
    let before = verdict.faults.len();
    for fault in placeholder::in_source(source, &format!("{path}.source")) {
        verdict.fault(fault);
    }
    let replaced = verdict.faults.len() == before;
    if source.name.is_empty() {
        verdict.fault(Fault::missing(
            format!("{path}.source.name"),
            "Name of Adapter field must be specified",
        ));
    } else if let Some(reason) = text::dns_subdomain(&source.name) {
        verdict.fault(Fault::invalid(format!("{path}.source.name"), reason));
    }
    if !source.urls.is_empty() {
        verdict.fault(Fault::forbidden(format!("{path}.source.urls")));
    }
    if source.image.is_empty() && source.volume_source.is_none() {
        verdict.fault(Fault::missing(
            format!("{path}.source"),
            "Image or Volume of Adapter field must be specified",
        ));
    } else if replaced
        && !source.image.is_empty()
        && let Err(reason) = text::image(&source.image)
    {
        verdict.fault(Fault::invalid(
            format!("{path}.source.image"),
            format!("Invalid image format, require full input image URL: {reason}"),
        ));
    }
    strength(&path, &source.name, adapter.strength.as_deref(), verdict);
}

fn strength(path: &str, name: &str, strength: Option<&str>, verdict: &mut Verdict) {
    let Some(written) = strength.filter(|strength| !strength.is_empty()) else {
        return;
    };
    let path = format!("{path}.strength");
    match written.parse::<f64>() {
        Ok(number) if (0.0..=1.0).contains(&number) => {}
        Ok(_) => verdict.fault(Fault::generic(
            path,
            format!("Strength value for Adapter '{name}' must be between 0 and 1"),
        )),
        Err(_) => verdict.fault(Fault::generic(
            path,
            format!("Invalid strength value for Adapter '{name}': {written:?} is not a number"),
        )),
    }
}
