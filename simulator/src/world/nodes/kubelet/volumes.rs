//! What a pod's volumes and environment need before a container can start.

use serde_json::Value;

use crate::world::control::object::{flag, list, namespace, text};
use crate::world::control::{Kind, ObjectKey, View};

/// Why a pod's volumes cannot be mounted, as the kubelet's FailedMount event says it.
pub(super) fn unmountable(pod: &Value, view: &View) -> Option<String> {
    let here = namespace(pod);
    list(pod, "/spec/volumes").iter().find_map(|volume| {
        let name = text(volume, "/name");
        let refers = [
            (
                Kind::CONFIG_MAP,
                "configmap",
                text(volume, "/configMap/name"),
                "/configMap/optional",
            ),
            (
                Kind::SECRET,
                "secret",
                text(volume, "/secret/secretName"),
                "/secret/optional",
            ),
        ];
        let direct = refers.into_iter().find(|(kind, _, object, optional)| {
            !object.is_empty() && !flag(volume, optional) && view.get(*kind, &ObjectKey::new(here, *object)).is_none()
        });
        if let Some((_, word, object, _)) = direct {
            return Some(format!(
                "MountVolume.SetUp failed for volume {name:?} : {word} {object:?} not found"
            ));
        }
        list(volume, "/projected/sources").iter().find_map(|source| {
            let object = text(source, "/secret/name");
            let is_missing = !object.is_empty()
                && !flag(source, "/secret/optional")
                && view.get(Kind::SECRET, &ObjectKey::new(here, object)).is_none();
            is_missing.then(|| {
                format!("MountVolume.SetUp failed for volume {name:?} : references non-existent secret key: {object}")
            })
        })
    })
}

/// Why a container cannot be configured: an environment variable whose source is not there.
pub(super) fn unconfigurable(pod: &Value, container: &Value, view: &View) -> Option<String> {
    let here = namespace(pod);
    let missing = |kind: Kind, word: &str, name: &str, key: Option<&str>, optional: bool| {
        if name.is_empty() || optional {
            return None;
        }
        let Some(object) = view.get(kind, &ObjectKey::new(here, name)) else {
            return Some(format!("{word} {name:?} not found"));
        };
        let key = key.filter(|key| object["data"].get(*key).is_none() && object["binaryData"].get(*key).is_none())?;
        let title = if word == "secret" { "Secret" } else { "ConfigMap" };
        Some(format!("couldn't find key {key} in {title} {here}/{name}"))
    };
    let from_env = list(container, "/env").iter().find_map(|variable| {
        let source = |word: &str| {
            (
                text(variable, &format!("/valueFrom/{word}/name")),
                text(variable, &format!("/valueFrom/{word}/key")),
            )
        };
        let (map, map_key) = source("configMapKeyRef");
        let (secret, secret_key) = source("secretKeyRef");
        missing(
            Kind::CONFIG_MAP,
            "configmap",
            map,
            Some(map_key),
            flag(variable, "/valueFrom/configMapKeyRef/optional"),
        )
        .or_else(|| {
            missing(
                Kind::SECRET,
                "secret",
                secret,
                Some(secret_key),
                flag(variable, "/valueFrom/secretKeyRef/optional"),
            )
        })
    });
    from_env.or_else(|| {
        list(container, "/envFrom").iter().find_map(|source| {
            missing(
                Kind::CONFIG_MAP,
                "configmap",
                text(source, "/configMapRef/name"),
                None,
                flag(source, "/configMapRef/optional"),
            )
            .or_else(|| {
                missing(
                    Kind::SECRET,
                    "secret",
                    text(source, "/secretRef/name"),
                    None,
                    flag(source, "/secretRef/optional"),
                )
            })
        })
    })
}
