//! What a pass over a Workspace looks at.

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::apps::v1::{ControllerRevision, StatefulSet};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Node, Pod, Service};
use operator_api::workspace::{AdapterSpec, DataSource};
use operator_api::{NodeClaim, Workspace};

/// Everything that a decision about one Workspace rests on.
#[derive(Clone, Debug, Default)]
pub struct Observed {
    /// The Workspace.
    pub workspace: Workspace,
    /// The time of day.
    pub now: Timestamp,
    /// Its NodeClaims. For a Workspace that is being deleted they are read from the API server, not from a cache.
    pub claims: Vec<Arc<NodeClaim>>,
    /// The nodes that it may use.
    pub nodes: Vec<Arc<Node>>,
    /// Its pods.
    pub pods: Vec<Arc<Pod>>,
    /// Its inference workload.
    pub stateful_set: Option<Arc<StatefulSet>>,
    /// What serves beside it while a change rolls out.
    pub next: Option<Arc<StatefulSet>>,
    /// Its tuning job.
    pub job: Option<Arc<Job>>,
    /// Its Services.
    pub services: Vec<Arc<Service>>,
    /// Its history.
    pub revisions: Vec<Arc<ControllerRevision>>,
    /// What became of the objects that it refers to, see [`references`].
    pub references: Vec<(Reference, Found)>,
    /// Why the last pass failed, if it did.
    pub error: Option<String>,
}

/// A kind of object that users refer to by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ReferenceKind {
    /// ConfigMap.
    ConfigMap,
    /// Secret; its content is never read.
    Secret,
    /// PersistentVolumeClaim.
    VolumeClaim,
}

impl ReferenceKind {
    /// The kind's name.
    pub fn name(self) -> &'static str {
        match self {
            Self::ConfigMap => "ConfigMap",
            Self::Secret => "Secret",
            Self::VolumeClaim => "PersistentVolumeClaim",
        }
    }
}

/// An object in the Workspace's namespace that it refers to.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Reference {
    /// Its kind.
    pub kind: ReferenceKind,
    /// Its name.
    pub name: String,
    /// The field that names it, e.g. `tuning.output.imagePushSecret`.
    pub field: String,
}

/// What became of a reference.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// It exists; for ConfigMaps with its data.
    Yes(BTreeMap<String, String>),
    /// There is no such object.
    Missing,
    /// It could not be read; nothing is concluded from that.
    Unknown,
}

/// The objects that a Workspace refers to.
pub fn references(workspace: &Workspace) -> Vec<Reference> {
    let mut list = List::default();
    if let Some(inference) = &workspace.inference {
        list.add(ReferenceKind::ConfigMap, &inference.config, "inference.config");
        if let Some(preset) = &inference.preset {
            let options = &preset.preset_options;
            let at = "inference.preset.presetOptions";
            list.add(
                ReferenceKind::Secret,
                &options.model_access_secret,
                &format!("{at}.modelAccessSecret"),
            );
            list.secrets(&options.image_pull_secrets, at);
        }
        for (index, AdapterSpec { source, .. }) in inference.adapters.iter().enumerate() {
            list.source(source.as_ref(), &format!("inference.adapters[{index}].source"));
        }
    }
    if let Some(tuning) = &workspace.tuning {
        list.add(ReferenceKind::ConfigMap, &tuning.config, "tuning.config");
        if let Some(preset) = &tuning.preset {
            let options = &preset.preset_options;
            let at = "tuning.preset.presetOptions";
            list.add(
                ReferenceKind::Secret,
                &options.model_access_secret,
                &format!("{at}.modelAccessSecret"),
            );
            list.secrets(&options.image_pull_secrets, at);
        }
        list.source(tuning.input.as_ref(), "tuning.input");
        if let Some(output) = &tuning.output {
            list.add(
                ReferenceKind::Secret,
                &output.image_push_secret,
                "tuning.output.imagePushSecret",
            );
            let volume = output.volume_source.as_ref().map(|source| source.raw());
            list.volume(volume, "tuning.output.volumeSource");
        }
    }
    list.0
}

#[derive(Default)]
struct List(Vec<Reference>);

impl List {
    fn add(&mut self, kind: ReferenceKind, name: &str, field: &str) {
        if !name.is_empty() {
            self.0.push(Reference {
                kind,
                name: name.to_owned(),
                field: field.to_owned(),
            });
        }
    }

    fn secrets(&mut self, names: &[String], at: &str) {
        for (index, name) in names.iter().enumerate() {
            self.add(ReferenceKind::Secret, name, &format!("{at}.imagePullSecrets[{index}]"));
        }
    }

    fn source(&mut self, source: Option<&DataSource>, at: &str) {
        if let Some(source) = source {
            self.secrets(&source.image_pull_secrets, at);
            let volume = source.volume_source.as_ref().map(|source| source.raw());
            self.volume(volume, &format!("{at}.volumeSource"));
        }
    }

    fn volume(&mut self, volume: Option<&serde_json::Value>, at: &str) {
        let claim = volume.and_then(|volume| volume.pointer("/persistentVolumeClaim/claimName")?.as_str());
        let at = format!("{at}.persistentVolumeClaim.claimName");
        self.add(ReferenceKind::VolumeClaim, claim.unwrap_or_default(), &at);
    }
}

impl Observed {
    /// The data of the ConfigMap that configures the workload; None without one.
    pub fn config(&self) -> Option<&BTreeMap<String, String>> {
        self.references.iter().find_map(|(reference, found)| match found {
            Found::Yes(data) if reference.kind == ReferenceKind::ConfigMap => Some(data),
            _ => None,
        })
    }

    /// What is missing, one sentence each.
    pub fn missing(&self) -> Vec<String> {
        let missing = self.references.iter().filter(|(_, found)| *found == Found::Missing);
        let namespace = self.workspace.metadata.namespace.as_deref().unwrap_or_default();
        missing
            .map(|(Reference { kind, name, field }, _)| {
                format!("{field}: there is no {} {name} in namespace {namespace}", kind.name())
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_reference_is_found_with_its_field() {
        let workspace: Workspace = serde_json::from_value(json!({
            "apiVersion": "kaito.sh/v1beta1", "kind": "Workspace", "metadata": { "name": "w", "namespace": "n" },
            "resource": {},
            "tuning": {
                "config": "c", "preset": { "name": "phi-4" },
                "input": { "image": "x", "imagePullSecrets": ["p"] },
                "output": { "image": "y", "imagePushSecret": "s",
                    "volumeSource": { "persistentVolumeClaim": { "claimName": "v" } } },
            },
            "inference": { "adapters": [{ "source": { "name": "a", "imagePullSecrets": ["q"] } }] },
        }))
        .unwrap();
        let found: Vec<(String, String)> = references(&workspace)
            .into_iter()
            .map(|reference| (reference.field, reference.name))
            .collect();
        let expected = [
            ("inference.adapters[0].source.imagePullSecrets[0]", "q"),
            ("tuning.config", "c"),
            ("tuning.input.imagePullSecrets[0]", "p"),
            ("tuning.output.imagePushSecret", "s"),
            ("tuning.output.volumeSource.persistentVolumeClaim.claimName", "v"),
        ];
        assert_eq!(found, expected.map(|(field, name)| (field.to_owned(), name.to_owned())));
        let seen = Observed {
            references: vec![(references(&workspace).remove(3), Found::Missing)],
            workspace,
            ..Observed::default()
        };
        assert_eq!(
            seen.missing(),
            ["tuning.output.imagePushSecret: there is no Secret s in namespace n"]
        );
    }
}
