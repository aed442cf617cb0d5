//! What a Workspace asks for, worked out: which model, on how many nodes of which size, and what is to run there now.

use k8s_openapi::api::batch::v1::Job;
use operator_api::conditions::Stalled;
use operator_api::validate::Provisioner;
use operator_api::workspace::{PartitionMode, TuningMethod, TuningSpec};
use operator_api::{Workspace, labels, presets, sku};
use preset_catalog::Model;

use super::nodes::Wanted;
use super::observed::Observed;
use crate::manifests::Settings;

/// What a Workspace comes to.
#[derive(Clone, Debug, PartialEq)]
pub struct Intent {
    /// What is to run.
    pub work: Work,
    /// The nodes that it wants.
    pub nodes: Wanted,
    /// Who brings them.
    pub supply: Supply,
}

/// What is to run now.
#[derive(Clone, Debug, PartialEq)]
pub enum Work {
    /// Serve a model of the catalogue.
    Preset(&'static Model),
    /// Serve with the user's own pod template.
    Template,
    /// Tune a model.
    Tune(&'static Model, TuningMethod),
    /// Tuning is done: serve its result.
    ServeTuned(&'static Model),
    /// Tuning is done: hold the nodes.
    Keep,
    /// Tuning is done: give the nodes back.
    Release,
}

/// Where the nodes come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Supply {
    /// NodeClaims of ours.
    Claims,
    /// The user's own.
    Byo,
}

/// Why nothing can be done about a Workspace until somebody changes something.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The word.
    pub reason: Stalled,
    /// The field, what is wrong with it, and what to do.
    pub message: String,
}

impl Refusal {
    fn invalid(message: impl Into<String>) -> Self {
        Self {
            reason: Stalled::InvalidSpec,
            message: message.into(),
        }
    }
}

/// What becomes of the nodes when tuning has succeeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum AfterTuning {
    Serve,
    Keep,
    Release,
}

/// Works the intent out.
///
/// # Errors
/// With the field that cannot be carried out.
pub fn intent(seen: &Observed, settings: &Settings) -> Result<Intent, Refusal> {
    let workspace = &seen.workspace;
    let supply = supply(workspace, settings);
    crate::manifests::overrides(workspace).map_err(Refusal::invalid)?;
    let size = size(workspace, settings, supply)?;
    let (work, count) = match (&workspace.inference, &workspace.tuning) {
        (Some(inference), _) if inference.template.is_some() => (Work::Template, asked(workspace)),
        (Some(inference), _) => {
            let name = inference.preset.as_ref().map(|preset| preset.name.as_str());
            let model = model(name.unwrap_or_default(), "inference.preset.name")?;
            (Work::Preset(model), node_count(seen, model, &size)?)
        }
        (None, Some(tuning)) => (tuning_work(seen, tuning)?, 1),
        (None, None) => return Err(Refusal::invalid("one of inference and tuning must be set")),
    };
    Ok(Intent {
        work,
        nodes: Wanted {
            count,
            gpus: size.gpus,
            instance_type: match supply {
                Supply::Claims => workspace.resource.instance_type.clone(),
                Supply::Byo => String::new(),
            },
        },
        supply,
    })
}

/// Who brings the nodes of a Workspace.
pub fn supply(workspace: &Workspace, settings: &Settings) -> Supply {
    match settings.provisioner {
        Provisioner::Byo => Supply::Byo,
        _ if workspace.resource.instance_type.is_empty() => Supply::Byo,
        Provisioner::AzureGpu | Provisioner::Karpenter => Supply::Claims,
    }
}

/// GPUs of one node and their memory.
struct Size {
    gpus: u32,
    gpu_memory_gib: Option<u32>,
}

fn size(workspace: &Workspace, settings: &Settings, supply: Supply) -> Result<Size, Refusal> {
    let name = &workspace.resource.instance_type;
    if let Some(partition) = workspace.resource.partition.as_ref().filter(|_| supply == Supply::Byo) {
        return Ok(Size {
            gpus: match partition.parsed_mode() {
                // A slice is a resource of its own.
                Some(PartitionMode::Mig) => 0,
                Some(PartitionMode::Accelerator) | None => {
                    partition.count.and_then(|count| u32::try_from(count).ok()).unwrap_or(1)
                }
            },
            gpu_memory_gib: None,
        });
    }
    if let Some(sku) = sku::find(settings.cloud, name) {
        return Ok(Size {
            gpus: sku.gpus,
            gpu_memory_gib: Some(sku.gpu_memory_gib),
        });
    }
    match (supply, sku::azure_family(name)) {
        // A size without GPUs, for workloads on CPUs.
        (Supply::Claims, Some('d')) => Ok(Size {
            gpus: 0,
            gpu_memory_gib: None,
        }),
        (Supply::Claims, Some(_)) | (Supply::Byo, _) => Ok(Size {
            gpus: 1,
            gpu_memory_gib: None,
        }),
        (Supply::Claims, None) => Err(Refusal::invalid(format!(
            "resource.instanceType: {name} is not a GPU size that is known; use one of {}",
            sku::supported(settings.cloud).join(", ")
        ))),
    }
}

fn model(name: &str, field: &str) -> Result<&'static Model, Refusal> {
    let id = presets::resolve_seed(name);
    let found = id.as_deref().and_then(preset_catalog::find);
    found.ok_or_else(|| Refusal {
        reason: Stalled::Unsupported,
        message: format!(
            "{field}: {name} is not in this operator's catalogue; choose another model or upgrade the operator"
        ),
    })
}

/// Number of nodes that the user asks for.
fn asked(workspace: &Workspace) -> u32 {
    u32::try_from(workspace.resource.node_count()).unwrap_or(1).max(1)
}

fn node_count(seen: &Observed, model: &Model, size: &Size) -> Result<u32, Refusal> {
    let Some(memory) = size.gpu_memory_gib.filter(|_| size.gpus > 0) else {
        return Ok(asked(&seen.workspace));
    };
    let needed = preset_catalog::nodes_needed(model, size.gpus, memory, context_tokens(seen));
    needed.map_err(|problem| Refusal {
        reason: Stalled::Unsupported,
        message: format!("resource.instanceType: {problem}"),
    })
}

/// `max-model-len` of the runtime's configuration, if it sets one.
fn context_tokens(seen: &Observed) -> Option<u64> {
    let text = seen.config()?.get("inference_config.yaml")?;
    let line = text
        .lines()
        .find_map(|line| line.trim().strip_prefix("max-model-len:"))?;
    line.trim()
        .trim_matches(['"', '\''])
        .parse()
        .ok()
        .filter(|tokens| *tokens > 0)
}

fn tuning_work(seen: &Observed, tuning: &TuningSpec) -> Result<Work, Refusal> {
    let name = tuning.preset.as_ref().map(|preset| preset.name.as_str());
    let model = model(name.unwrap_or_default(), "tuning.preset.name")?;
    if !model.tunable() {
        return Err(Refusal {
            reason: Stalled::Unsupported,
            message: format!("tuning.preset.name: {} cannot be tuned", model.name),
        });
    }
    let method = tuning.parsed_method().ok_or_else(|| {
        Refusal::invalid(format!(
            "tuning.method: {} is not a method; use lora or qlora",
            tuning.method
        ))
    })?;
    if !has_tuned(seen) {
        return Ok(Work::Tune(model, method));
    }
    Ok(match after_tuning(&seen.workspace)? {
        AfterTuning::Serve => Work::ServeTuned(model),
        AfterTuning::Keep => Work::Keep,
        AfterTuning::Release => Work::Release,
    })
}

fn after_tuning(workspace: &Workspace) -> Result<AfterTuning, Refusal> {
    let annotations = workspace.metadata.annotations.as_ref();
    match annotations
        .and_then(|all| all.get(labels::AFTER_TUNING))
        .map(String::as_str)
    {
        None | Some("serve") => Ok(AfterTuning::Serve),
        Some("keep") => Ok(AfterTuning::Keep),
        Some("release") => Ok(AfterTuning::Release),
        Some(other) => Err(Refusal::invalid(format!(
            "metadata.annotations[{}]: {other:?} is not understood; use serve, keep or release",
            labels::AFTER_TUNING
        ))),
    }
}

/// Whether the tuning that is asked for now has succeeded. Its job says so; when the job is gone, the status does, so
/// that a job that was cleaned up is not run, and paid for, again.
fn has_tuned(seen: &Observed) -> bool {
    let hash = crate::manifests::workspace_hash(&seen.workspace);
    match &seen.job {
        Some(job) => is_of(job, &hash) && has_condition(job, "Complete"),
        None => {
            let annotations = seen.workspace.metadata.annotations.as_ref();
            let same = annotations.and_then(|all| all.get(labels::WORKSPACE_HASH)) == Some(&hash);
            let conditions = seen.workspace.status.iter().flat_map(|status| &status.conditions);
            let mut succeeded = conditions.filter(|condition| condition.type_ == "WorkspaceSucceeded");
            same && succeeded.any(|condition| condition.status == "True")
        }
    }
}

/// Whether a job was made for this hash of the Workspace.
pub(super) fn is_of(job: &Job, hash: &str) -> bool {
    let annotations = job.metadata.annotations.as_ref();
    annotations
        .and_then(|all| all.get(labels::WORKSPACE_HASH))
        .map(String::as_str)
        == Some(hash)
}

/// Whether a job has a condition.
pub(super) fn has_condition(job: &Job, type_: &str) -> bool {
    let conditions = job.status.iter().flat_map(|status| status.conditions.iter().flatten());
    conditions
        .into_iter()
        .any(|condition| condition.type_ == type_ && condition.status == "True")
}
