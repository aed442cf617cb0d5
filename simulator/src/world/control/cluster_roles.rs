//! Aggregated ClusterRoles get the rules of the roles that they select.
//!
//! Must not know: what rules allow; that is `kube::auth`'s.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{Change, Controller, Kind, ObjectKey, Outcome, Pass, View, Write};
use crate::world::kube::auth::aggregated_rules;

/// Fills aggregated roles.
#[derive(Debug, Default)]
pub struct AggregatedRoles;

impl Controller for AggregatedRoles {
    fn name(&self) -> &'static str {
        "clusterrole-aggregation-controller"
    }

    fn watches(&self) -> &'static [Kind] {
        &[Kind::CLUSTER_ROLE]
    }

    fn keys_for(&self, _change: &Change, view: &View) -> Vec<ObjectKey> {
        let all = view.all(Kind::CLUSTER_ROLE);
        all.filter(|(_, role)| role.get("aggregationRule").is_some())
            .map(|(key, _)| key.clone())
            .collect()
    }

    fn reconcile(&mut self, key: &ObjectKey, pass: &Pass<'_>) -> Outcome {
        let Some(role) = pass.view.get(Kind::CLUSTER_ROLE, key) else {
            return Outcome::nothing();
        };
        let all: Vec<&Value> = pass
            .view
            .all(Kind::CLUSTER_ROLE)
            .map(|(_, role)| Arc::as_ref(role))
            .collect();
        let Some(rules) = aggregated_rules(role, &all).map(Value::Array) else {
            return Outcome::nothing();
        };
        let has = role
            .get("rules")
            .filter(|has| !has.is_null())
            .cloned()
            .unwrap_or_else(|| json!([]));
        if has == rules {
            return Outcome::nothing();
        }
        let patch = json!({ "rules": rules });
        Outcome::writes(vec![Write::MergePatch {
            kind: Kind::CLUSTER_ROLE,
            key: key.clone(),
            status: false,
            patch,
        }])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::control::harness::Cluster;

    #[test]
    fn a_role_gets_what_it_selects_and_loses_it_again() {
        let (mut cluster, mut roles) = (Cluster::new(), AggregatedRoles);
        let rule = json!({ "verbs": ["get"], "apiGroups": [""], "resources": ["pods"] });
        let key = cluster.create(
            Kind::CLUSTER_ROLE,
            json!({
                "metadata": { "name": "all" },
                "aggregationRule": { "clusterRoleSelectors": [{ "matchLabels": { "part": "yes" } }] },
            }),
        );
        let part = cluster.create(
            Kind::CLUSTER_ROLE,
            json!({ "metadata": { "name": "part", "labels": { "part": "yes" } }, "rules": [rule] }),
        );
        cluster.settle(&mut [&mut roles]);
        assert_eq!(cluster.get(Kind::CLUSTER_ROLE, &key)["rules"], json!([rule]));
        cluster.vanish(Kind::CLUSTER_ROLE, &part);
        cluster.settle(&mut [&mut roles]);
        assert_eq!(cluster.get(Kind::CLUSTER_ROLE, &key)["rules"], json!([]));
    }
}
