//! The objects that a Workspace refers to by name: read when they are needed, since nothing else wakes for them.

use std::collections::BTreeMap;

use futures::future::join_all;
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Secret};
use kube::api::PartialObjectMeta;
use kube::{Api, Client, Resource};
use operator_plan::workspace::{Found, Reference, ReferenceKind};

/// Looks each of them up.
pub(super) async fn look_up(client: &Client, namespace: &str, wanted: Vec<Reference>) -> Vec<(Reference, Found)> {
    join_all(wanted.into_iter().map(|reference| async {
        let found = one(client, namespace, &reference).await;
        (reference, found)
    }))
    .await
}

async fn one(client: &Client, namespace: &str, reference: &Reference) -> Found {
    let Reference { kind, name, field } = reference;
    let found = match kind {
        ReferenceKind::ConfigMap => {
            let api: Api<ConfigMap> = Api::namespaced(client.clone(), namespace);
            let map = api.get_opt(name).await;
            map.map(|map| map.map(|map| map.data.unwrap_or_default()))
        }
        // Of these only the existence matters; what is in a Secret never reaches the operator.
        ReferenceKind::Secret => exists::<Secret>(client, namespace, name).await,
        ReferenceKind::VolumeClaim => exists::<PersistentVolumeClaim>(client, namespace, name).await,
    };
    match found {
        Ok(Some(data)) => Found::Yes(data),
        Ok(None) => Found::Missing,
        Err(error) => {
            tracing::warn!(namespace, name, field, %error, "a reference can't be looked up");
            Found::Unknown
        }
    }
}

async fn exists<K>(client: &Client, namespace: &str, name: &str) -> kube::Result<Option<BTreeMap<String, String>>>
where
    K: Resource<DynamicType = (), Scope = kube::core::NamespaceResourceScope>,
    K: Clone + std::fmt::Debug + serde::de::DeserializeOwned,
{
    let api: Api<K> = Api::namespaced(client.clone(), namespace);
    let meta: Option<PartialObjectMeta<K>> = api.get_metadata_opt(name).await?;
    Ok(meta.map(|_| BTreeMap::new()))
}
