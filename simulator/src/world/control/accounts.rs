//! What every namespace is given: its `default` ServiceAccount and the ConfigMap with the API server's certificate.
//!
//! Must not know: who uses them.

use serde_json::{Value, json};

use super::object::{is_deleting, key_of};
use super::{Change, Controller, Kind, ObjectKey, Outcome, Pass, View, Write};

/// Makes the ServiceAccount `default` in every namespace.
#[derive(Debug, Default)]
pub struct ServiceAccounts;

/// Makes the ConfigMap `kube-root-ca.crt` in every namespace.
#[derive(Debug, Default)]
pub struct RootCertificates {
    /// The certificates that clients in pods should trust, PEM.
    pub ca_pem: String,
}

const ROOT_CA: &str = "kube-root-ca.crt";

/// The namespace of a change: itself, or the one it is in when it bears `name`.
fn namespace_of(change: &Change, name: &str) -> Vec<ObjectKey> {
    match change.kind {
        Kind::NAMESPACE => vec![change.key.clone()],
        _ if change.key.name == name => vec![ObjectKey::new("", change.key.namespace.as_str())],
        _ => Vec::new(),
    }
}

fn live_namespace<'a>(key: &ObjectKey, view: &'a View) -> Option<&'a Value> {
    let namespace = view.named(Kind::NAMESPACE, &key.name)?;
    (!is_deleting(namespace)).then_some(&**namespace)
}

impl Controller for ServiceAccounts {
    fn name(&self) -> &'static str {
        "service-account-controller"
    }

    fn watches(&self) -> &'static [Kind] {
        &[Kind::NAMESPACE, Kind::SERVICE_ACCOUNT]
    }

    fn keys_for(&self, change: &Change, _view: &View) -> Vec<ObjectKey> {
        namespace_of(change, "default")
    }

    fn reconcile(&mut self, key: &ObjectKey, pass: &Pass<'_>) -> Outcome {
        let account = ObjectKey::new(key.name.as_str(), "default");
        if live_namespace(key, pass.view).is_none() || pass.view.get(Kind::SERVICE_ACCOUNT, &account).is_some() {
            return Outcome::nothing();
        }
        let object = json!({
            "apiVersion": "v1", "kind": "ServiceAccount",
            "metadata": {"name": "default", "namespace": key.name},
        });
        let kind = Kind::SERVICE_ACCOUNT;
        Outcome::writes(vec![Write::Create { kind, object }])
    }
}

impl Controller for RootCertificates {
    fn name(&self) -> &'static str {
        "root-ca-cert-publisher"
    }

    fn watches(&self) -> &'static [Kind] {
        &[Kind::NAMESPACE, Kind::CONFIG_MAP]
    }

    fn keys_for(&self, change: &Change, _view: &View) -> Vec<ObjectKey> {
        namespace_of(change, ROOT_CA)
    }

    fn reconcile(&mut self, key: &ObjectKey, pass: &Pass<'_>) -> Outcome {
        if live_namespace(key, pass.view).is_none() {
            return Outcome::nothing();
        }
        let data = json!({"ca.crt": self.ca_pem});
        let kind = Kind::CONFIG_MAP;
        let write = match pass.view.get(kind, &ObjectKey::new(key.name.as_str(), ROOT_CA)) {
            Some(have) if have.get("data") == Some(&data) => return Outcome::nothing(),
            Some(have) => Write::MergePatch {
                kind,
                key: key_of(have),
                status: false,
                patch: json!({"data": data}),
            },
            None => Write::Create {
                kind,
                object: json!({
                    "apiVersion": "v1", "kind": "ConfigMap",
                    "metadata": {
                        "name": ROOT_CA,
                        "namespace": key.name,
                        "annotations": {"kubernetes.io/description": "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters."},
                    },
                    "data": data,
                }),
            },
        };
        Outcome::writes(vec![write])
    }
}

#[cfg(test)]
mod tests {
    use super::super::harness::Cluster;
    use super::*;

    #[test]
    fn every_namespace_gets_both_and_gets_them_again() {
        let mut cluster = Cluster::new();
        let mut certificates = RootCertificates { ca_pem: "PEM".into() };
        let controllers: &mut [&mut dyn Controller] = &mut [&mut ServiceAccounts, &mut certificates];
        cluster.create(Kind::NAMESPACE, json!({"metadata": {"name": "mine"}}));
        cluster.settle(controllers);
        let (account, map) = (ObjectKey::new("mine", "default"), ObjectKey::new("mine", ROOT_CA));
        assert_eq!(cluster.get(Kind::CONFIG_MAP, &map)["data"]["ca.crt"], "PEM");
        cluster.delete(Kind::SERVICE_ACCOUNT, &account);
        cluster.edit(Kind::CONFIG_MAP, &map, |map| map["data"] = json!({"ca.crt": "forged"}));
        cluster.settle(controllers);
        assert!(cluster.view.get(Kind::SERVICE_ACCOUNT, &account).is_some());
        assert_eq!(cluster.get(Kind::CONFIG_MAP, &map)["data"]["ca.crt"], "PEM");
    }
}
