//! The volumes of a StatefulSet's pods: one claim a template and ordinal, and who owns it.
//!
//! Must not know: how claims are bound.

use std::sync::Arc;

use serde_json::{Value, json};

use super::super::object::{is_deleting, list, list_mut, name, owned_by, put, same, text, uid};
use super::super::{Kind, Write};
use super::replicas::Work;
use super::{NAME, pod_name};

impl Work<'_> {
    fn claim_names(&self, ordinal: i64) -> Vec<(String, String, Value)> {
        let templates = list(self.set, "/spec/volumeClaimTemplates").iter();
        let named = templates.map(|template| {
            let volume = name(template).to_owned();
            let claim = format!("{volume}-{}", pod_name(self.set, ordinal));
            (volume, claim, template.clone())
        });
        named.collect()
    }

    /// Whether a claim of this ordinal is on its way out; its pod must wait for a new one.
    pub(super) fn has_stale_claim(&self, ordinal: i64) -> bool {
        let names = self.claim_names(ordinal);
        let mut claims = names
            .iter()
            .filter_map(|(_, claim, _)| self.pass.view.get(Kind::PVC, &self.key(claim)));
        claims.any(|claim| is_deleting(claim))
    }

    pub(super) fn create_claims(&mut self, ordinal: i64) {
        for (_, claim, template) in self.claim_names(ordinal) {
            if self.pass.view.get(Kind::PVC, &self.key(&claim)).is_some() {
                continue;
            }
            let mut object = template;
            put(&mut object, &["apiVersion"], "v1".into());
            put(&mut object, &["kind"], "PersistentVolumeClaim".into());
            put(&mut object, &["metadata", "name"], claim.as_str().into());
            put(
                &mut object,
                &["metadata", "namespace"],
                text(self.set, "/metadata/namespace").into(),
            );
            super::super::object::drop_key(&mut object, "", "status");
            let labels = self
                .set
                .pointer("/spec/selector/matchLabels")
                .and_then(Value::as_object);
            for (key, value) in labels.into_iter().flatten() {
                put(&mut object, &["metadata", "labels", key], value.clone());
            }
            if self.policy("whenDeleted") && (self.in_range(ordinal) || !self.policy("whenScaled")) {
                let owner = owned_by(Kind::STATEFUL_SET, self.set);
                put(&mut object, &["metadata", "ownerReferences"], json!([owner]));
            }
            let pod = pod_name(self.set, ordinal);
            let message = format!(
                "create Claim {claim} Pod {pod} in StatefulSet {} success",
                name(self.set)
            );
            let kind = Kind::PVC;
            self.writes.push(Write::Create { kind, object });
            self.writes.push(Write::normal(
                NAME,
                Kind::STATEFUL_SET,
                self.set,
                "SuccessfulCreate",
                message,
            ));
        }
    }

    /// Whether the retention policy says Delete for `whenDeleted` or `whenScaled`.
    fn policy(&self, when: &str) -> bool {
        let policy = self.set.pointer("/spec/persistentVolumeClaimRetentionPolicy");
        policy.and_then(|policy| policy.get(when)).and_then(Value::as_str) == Some("Delete")
    }

    /// Sets the owners of an ordinal's claims as the retention policy asks: the set, so that they go with it; the pod, so
    /// that they go with a scaled-down pod; or nobody.
    pub(super) fn fit_claims(&mut self, ordinal: i64, pod: Option<&Arc<Value>>) {
        let Some(pod) = pod else { return };
        let scaled_down = !self.in_range(ordinal);
        let (when_deleted, when_scaled) = (self.policy("whenDeleted"), self.policy("whenScaled"));
        let of_pod = when_scaled && scaled_down;
        let of_set = when_deleted && !of_pod;
        for (_, claim, _) in self.claim_names(ordinal) {
            let key = self.key(&claim);
            let Some(claim) = self.pass.view.get(Kind::PVC, &key) else {
                continue;
            };
            let owners = list(claim, "/metadata/ownerReferences");
            let foreign = owners.iter().any(|owner| {
                let ours = [uid(self.set), uid(pod)].contains(&text(owner, "/uid"));
                !ours && owner["controller"] == json!(true)
            });
            if foreign {
                continue;
            }
            let is_ours = |owner: &&Value| [uid(self.set), uid(pod)].contains(&text(owner, "/uid"));
            let mut wanted: Vec<Value> = owners.iter().filter(|owner| !is_ours(owner)).cloned().collect();
            if of_set {
                wanted.push(owned_by(Kind::STATEFUL_SET, self.set));
            }
            if of_pod {
                wanted.push(owned_by(Kind::POD, pod));
            }
            if !same(&Value::Array(wanted.clone()), &Value::Array(owners.to_vec())) {
                self.writes.push(Write::MergePatch {
                    kind: Kind::PVC,
                    key,
                    status: false,
                    patch: json!({"metadata": {"ownerReferences": wanted}}),
                });
            }
        }
    }

    /// The pod's volumes with its claims in place of volumes of the same names.
    pub(super) fn mount_claims(&self, pod: &mut Value, ordinal: i64) {
        let names = self.claim_names(ordinal);
        if names.is_empty() {
            return;
        }
        let Some(volumes) = list_mut(pod, &["spec", "volumes"]) else {
            return;
        };
        volumes.retain(|volume| !names.iter().any(|(name, _, _)| text(volume, "/name") == name));
        let mounts = names
            .into_iter()
            .map(|(volume, claim, _)| json!({"name": volume, "persistentVolumeClaim": {"claimName": claim}}));
        volumes.splice(0..0, mounts);
    }
}
