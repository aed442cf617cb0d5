//! What to look up in the cluster before the rules are asked: only what they will use.

use super::{
    Context, Facts, ObjectName, Provisioner, Runtime, Settings, Version, Wanted, inferenceset, selector, text,
};
use crate::{InferenceSet, Workspace};

/// What the rules will ask about a new Workspace. Updates and deletions need nothing.
pub fn wanted(version: Version, new: &Workspace, settings: &Settings) -> Wanted {
    let mut wanted = Wanted::default();
    if new.metadata.deletion_timestamp.is_some() {
        return wanted;
    }
    let namespace = new.metadata.namespace.as_deref().unwrap_or("default");
    let mut config_map = |name: &str| {
        // A name that is none is refused; it must not find its way into the address of a request.
        if text::dns_subdomain(name).is_none() {
            wanted.config_maps.insert(ObjectName {
                namespace: namespace.to_owned(),
                name: name.to_owned(),
            });
        }
    };
    let runtime = super::runtime(new.metadata.annotations.as_ref(), settings.gates);
    if let Some(tuning) = &new.tuning {
        config_map(&tuning.config);
    }
    let Some(inference) = &new.inference else { return wanted };
    if runtime == Runtime::Vllm {
        config_map(&inference.config);
    }
    if let Some(preset) = &inference.preset {
        wanted.model = Some(preset.name.clone());
        wanted.csi_drivers = settings.gates.model_streaming && runtime == Runtime::Vllm;
        if version == Version::V1beta1 && settings.provisioner == Provisioner::Byo {
            wanted.node_labels = Some(selector::node_labels(new.resource.label_selector.as_ref()));
        }
    }
    wanted
}

/// What the rules will ask about a new InferenceSet.
pub fn wanted_by_set(version: Version, new: &InferenceSet, settings: &Settings) -> Wanted {
    match version {
        Version::V1alpha1 => Wanted::default(),
        Version::V1beta1 if new.metadata.deletion_timestamp.is_some() => Wanted::default(),
        Version::V1beta1 => wanted(version, &inferenceset::child(new), settings),
    }
}

impl<'a> Context<'a> {
    /// Settings and facts together.
    pub fn new(settings: &'a Settings, facts: &'a Facts) -> Self {
        Self { settings, facts }
    }
}
