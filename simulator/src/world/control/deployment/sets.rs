//! The ReplicaSets of one Deployment as the controller works on them: what they are and what they shall become.
//!
//! Must not know: strategies.

use std::sync::Arc;

use serde_json::{Value, json};

use super::super::hash::template_hash;
use super::super::object::{annotation, count, int, is_deleting, name, owned_by, put, same, text, uid};
use super::super::pods::clip;
use super::super::{Kind, Write};

pub(super) const HASH_LABEL: &str = "pod-template-hash";
pub(super) const REVISION: &str = "deployment.kubernetes.io/revision";
const REVISION_HISTORY: &str = "deployment.kubernetes.io/revision-history";
const DESIRED: &str = "deployment.kubernetes.io/desired-replicas";
const MAX: &str = "deployment.kubernetes.io/max-replicas";
/// Annotations of a Deployment that its ReplicaSets do not get.
const NOT_COPIED: [&str; 6] = [
    "kubectl.kubernetes.io/last-applied-configuration",
    REVISION,
    REVISION_HISTORY,
    DESIRED,
    MAX,
    "deprecated.deployment.rollback.to",
];
/// `maxRevHistoryLengthInChars`
const MAX_HISTORY_CHARS: usize = 2000;

/// One ReplicaSet.
pub(super) struct Set {
    object: Arc<Value>,
    edited: Option<Value>,
    created: bool,
    /// `spec.replicas`, as it shall become.
    pub(super) replicas: i64,
    /// `status.replicas`
    pub(super) actual: i64,
    /// `status.readyReplicas`
    pub(super) ready: i64,
    /// `status.availableReplicas`
    pub(super) available: i64,
}

impl Set {
    pub(super) fn new(object: Arc<Value>) -> Self {
        Self {
            replicas: int(&object, "/spec/replicas").unwrap_or(1),
            actual: count(&object, "/status/replicas"),
            ready: count(&object, "/status/readyReplicas"),
            available: count(&object, "/status/availableReplicas"),
            object,
            edited: None,
            created: false,
        }
    }

    /// A ReplicaSet that does not exist yet.
    pub(super) fn planned(object: Value) -> Self {
        let mut set = Self::new(Arc::new(object));
        set.created = true;
        set
    }

    pub(super) fn object(&self) -> &Value {
        self.edited.as_ref().unwrap_or(&self.object)
    }

    fn edit(&mut self) -> &mut Value {
        self.edited.get_or_insert_with(|| (*self.object).clone())
    }

    pub(super) fn name(&self) -> &str {
        name(&self.object)
    }

    pub(super) fn uid(&self) -> &str {
        uid(&self.object)
    }

    /// `status.terminatingReplicas`; `Some(0)` for a set that has no status yet.
    pub(super) fn terminating(&self) -> Option<i64> {
        let unseen = count(&self.object, "/status/observedGeneration") == 0;
        int(&self.object, "/status/terminatingReplicas").or(unseen.then_some(0))
    }

    pub(super) fn revision(&self) -> i64 {
        let revision = annotation(self.object(), REVISION);
        revision.and_then(|revision| revision.parse().ok()).unwrap_or(0)
    }

    pub(super) fn revision_text(&self) -> &str {
        annotation(self.object(), REVISION).unwrap_or_default()
    }

    fn number(&self, key: &str) -> Option<i64> {
        let number: u32 = annotation(self.object(), key)?.parse().ok()?;
        Some(i64::from(number))
    }

    pub(super) fn desired(&self) -> Option<i64> {
        self.number(DESIRED)
    }

    pub(super) fn max(&self) -> Option<i64> {
        self.number(MAX)
    }

    /// Whether the set is empty, seen by its controller and not being deleted, so that history may drop it.
    pub(super) fn is_spent(&self) -> bool {
        let seen = count(&self.object, "/status/observedGeneration") >= count(&self.object, "/metadata/generation");
        self.actual == 0 && self.replicas == 0 && seen && !is_deleting(&self.object)
    }

    pub(super) fn is_deleting(&self) -> bool {
        is_deleting(&self.object)
    }

    /// Sets the size and the two annotations that go with it.
    pub(super) fn resize(&mut self, replicas: i64, desired: i64, max: i64) {
        let notes = [(DESIRED, desired.to_string()), (MAX, max.to_string())];
        let same_notes = notes
            .iter()
            .all(|(key, value)| annotation(self.object(), key) == Some(value));
        if self.replicas == replicas && same_notes {
            return;
        }
        self.replicas = replicas;
        let object = self.edit();
        put(object, &["spec", "replicas"], replicas.into());
        for (key, value) in notes {
            put(object, &["metadata", "annotations", key], value.into());
        }
    }

    /// Makes this the newest set: annotations of the Deployment, its revision, `minReadySeconds`.
    pub(super) fn refresh(&mut self, deployment: &Value, revision: i64) {
        let annotations = deployment.pointer("/metadata/annotations").and_then(Value::as_object);
        for (key, value) in annotations.into_iter().flatten() {
            let value = value.as_str().unwrap_or_default();
            if !NOT_COPIED.contains(&key.as_str()) && annotation(self.object(), key) != Some(value) {
                put(self.edit(), &["metadata", "annotations", key], value.into());
            }
        }
        let before = self.revision_text().to_owned();
        if self.revision() < revision && (before.is_empty() || before.parse::<i64>().is_ok()) {
            put(
                self.edit(),
                &["metadata", "annotations", REVISION],
                revision.to_string().into(),
            );
            if !before.is_empty() {
                let history = annotation(self.object(), REVISION_HISTORY).unwrap_or_default();
                let history = extended(history, &before);
                put(
                    self.edit(),
                    &["metadata", "annotations", REVISION_HISTORY],
                    history.into(),
                );
            }
        }
        let min_ready_secs = count(deployment, "/spec/minReadySeconds");
        if count(self.object(), "/spec/minReadySeconds") != min_ready_secs {
            put(self.edit(), &["spec", "minReadySeconds"], min_ready_secs.into());
        }
    }

    /// The write that makes it so, if one is needed.
    pub(super) fn write(self) -> Option<Write> {
        let kind = Kind::REPLICA_SET;
        match (self.created, self.edited) {
            (true, edited) => {
                let object = edited.unwrap_or_else(|| (*self.object).clone());
                Some(Write::Create { kind, object })
            }
            (false, Some(object)) => Some(Write::Update { kind, object }),
            (false, None) => None,
        }
    }
}

fn extended(history: &str, revision: &str) -> String {
    let mut revisions: Vec<&str> = history.split(',').filter(|text| !text.is_empty()).collect();
    revisions.push(revision);
    while revisions.len() > 1 && revisions.iter().map(|text| text.len() + 1).sum::<usize>() > MAX_HISTORY_CHARS {
        revisions.remove(0);
    }
    revisions.join(",")
}

/// Whether a ReplicaSet is of the Deployment's pod template.
pub(super) fn has_template(set: &Value, deployment: &Value) -> bool {
    let template = |object: &Value| {
        let mut template = object.pointer("/spec/template").cloned().unwrap_or_default();
        super::super::object::drop_key(&mut template, "/metadata/labels", HASH_LABEL);
        template
    };
    same(&template(set), &template(deployment))
}

/// The empty ReplicaSet for the Deployment's template.
pub(super) fn for_template(deployment: &Value) -> Value {
    let mut template = deployment.pointer("/spec/template").cloned().unwrap_or_default();
    let hash = template_hash(&template, int(deployment, "/status/collisionCount"));
    put(&mut template, &["metadata", "labels", HASH_LABEL], hash.as_str().into());
    let mut selector = deployment.pointer("/spec/selector").cloned().unwrap_or_default();
    put(&mut selector, &["matchLabels", HASH_LABEL], hash.as_str().into());
    let mut spec = json!({"replicas": 0, "selector": selector, "template": template});
    let min_ready_secs = count(deployment, "/spec/minReadySeconds");
    if min_ready_secs != 0 {
        put(&mut spec, &["minReadySeconds"], min_ready_secs.into());
    }
    // 253 is the longest name of an object.
    let base = clip(name(deployment), 253 - 1 - hash.len());
    json!({
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": format!("{base}-{hash}"),
            "namespace": text(deployment, "/metadata/namespace"),
            "labels": spec["template"]["metadata"]["labels"].clone(),
            "ownerReferences": [owned_by(Kind::DEPLOYMENT, deployment)],
        },
        "spec": spec,
    })
}
