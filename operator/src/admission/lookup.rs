//! The facts that the rules want, read from the cluster. What can't be read is left out, so that its check is skipped,
//! except a ConfigMap: its user is told why.

use futures::future::join_all;
use k8s_openapi::api::{
    core::v1::{ConfigMap, Node},
    storage::v1::CSIDriver,
};
use kube::{Api, Client, api::ListParams};
use operator_api::validate::{ConfigMapFact, Document, Facts, NodeFact, ObjectName, Wanted};
use serde_json::Value;
use std::{collections::BTreeMap, time::Duration};

/// The API server gives a webhook ten seconds; half of that is left for the rest.
const PATIENCE: Duration = Duration::from_secs(5);

/// Keys of a ConfigMap that the rules read. The others may hold anything.
const KEYS: [&str; 2] = ["inference_config.yaml", "training_config.yaml"];

/// Reads facts, or (without a client) knows none.
#[derive(Clone, Default)]
pub struct Lookup {
    client: Option<Client>,
}

impl Lookup {
    /// Reads through this client.
    pub fn new(client: Client) -> Self {
        Self { client: Some(client) }
    }

    /// Knows nothing: every rule that needs the cluster is skipped.
    pub fn blind() -> Self {
        Self::default()
    }

    /// What was asked for, as far as it could be had in time.
    pub(super) async fn facts(&self, wanted: &Wanted) -> Facts {
        let Some(client) = &self.client else {
            return Facts::default();
        };
        if *wanted
            == (Wanted {
                model: wanted.model.clone(),
                ..Wanted::default()
            })
        {
            return Facts::default();
        }
        tokio::time::timeout(PATIENCE, read(client, wanted))
            .await
            .unwrap_or_else(|_| {
                tracing::warn!("the API server did not answer in time; checks against the cluster are skipped");
                Facts::default()
            })
    }
}

async fn read(client: &Client, wanted: &Wanted) -> Facts {
    let maps = join_all(wanted.config_maps.iter().map(|name| config_map(client, name)));
    let nodes = async {
        match &wanted.node_labels {
            Some(labels) => nodes(client, labels).await,
            None => None,
        }
    };
    let drivers = async {
        match wanted.csi_drivers {
            true => csi_drivers(client).await,
            false => None,
        }
    };
    let (maps, nodes, csi_drivers) = futures::join!(maps, nodes, drivers);
    let config_maps: BTreeMap<ObjectName, ConfigMapFact> = wanted.config_maps.iter().cloned().zip(maps).collect();
    Facts {
        nodes,
        config_maps,
        csi_drivers,
        models: BTreeMap::new(),
    }
}

async fn config_map(client: &Client, name: &ObjectName) -> ConfigMapFact {
    let api: Api<ConfigMap> = Api::namespaced(client.clone(), &name.namespace);
    match api.get_opt(&name.name).await {
        Ok(None) => ConfigMapFact::NotFound,
        Ok(Some(map)) => ConfigMapFact::Found(documents(map.data.unwrap_or_default())),
        Err(error) => ConfigMapFact::Failed(error.to_string()),
    }
}

/// The keys that the rules read, as YAML. The parser bounds depth and aliases.
pub(super) fn documents(data: BTreeMap<String, String>) -> BTreeMap<String, Document> {
    let known = data.into_iter().filter(|(key, _)| KEYS.contains(&key.as_str()));
    known
        .map(|(key, text)| {
            let document = match serde_saphyr::from_str::<Value>(&text) {
                Ok(value) => Document::Parsed(value),
                Err(_) if text.trim().is_empty() => Document::Parsed(Value::Null),
                Err(error) => Document::Broken(first_line(&error.to_string())),
            };
            (key, document)
        })
        .collect()
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

async fn nodes(client: &Client, labels: &BTreeMap<String, String>) -> Option<Vec<NodeFact>> {
    let selector = labels
        .iter()
        .map(|(key, value)| format!("{key}={value}"))
        .collect::<Vec<_>>()
        .join(",");
    let api: Api<Node> = Api::all(client.clone());
    match api.list_metadata(&ListParams::default().labels(&selector)).await {
        Ok(list) => {
            let fact = |meta: kube::api::ObjectMeta| NodeFact {
                name: meta.name.unwrap_or_default(),
                labels: meta.labels.unwrap_or_default(),
            };
            Some(list.items.into_iter().map(|node| fact(node.metadata)).collect())
        }
        Err(error) => {
            tracing::warn!(%error, "nodes can't be listed; checks against them are skipped");
            None
        }
    }
}

async fn csi_drivers(client: &Client) -> Option<std::collections::BTreeSet<String>> {
    let api: Api<CSIDriver> = Api::all(client.clone());
    match api.list_metadata(&ListParams::default()).await {
        Ok(list) => Some(
            list.items
                .into_iter()
                .filter_map(|driver| driver.metadata.name)
                .collect(),
        ),
        Err(error) => {
            tracing::warn!(%error, "CSI drivers can't be listed; checks against them are skipped");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_read_as_yaml_or_reported_broken() {
        let data = [
            ("inference_config.yaml", "vllm:\n  max-model-len: 4096\n"),
            ("training_config.yaml", "a: [1"),
            ("notes.txt", "a: [1"),
        ];
        let documents = documents(data.map(|(key, text)| (key.to_owned(), text.to_owned())).into());
        assert_eq!(
            documents.get("inference_config.yaml"),
            Some(&Document::Parsed(serde_json::json!({"vllm": {"max-model-len": 4096}})))
        );
        assert!(matches!(
            documents.get("training_config.yaml"),
            Some(Document::Broken(_))
        ));
        assert_eq!(documents.len(), 2);
    }

    #[test]
    fn a_bomb_of_aliases_is_broken_and_not_expanded() {
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..30 {
            let before = format!("*a{}", level - 1);
            bomb.push_str(&format!("a{level}: &a{level} [{}]\n", [before.as_str(); 10].join(", ")));
        }
        let documents = documents([("inference_config.yaml".to_owned(), bomb)].into());
        assert!(matches!(
            documents.get("inference_config.yaml"),
            Some(Document::Broken(_))
        ));
    }
}
