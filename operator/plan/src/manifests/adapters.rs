//! LoRA adapters beside a model: pulled from images by init containers, or mounted from volumes.

use operator_api::workspace::{AdapterSpec, DataSource};
use serde_json::{Value, json};

use super::Settings;
use super::pod::{self, DOCKER, Pod, docker_config, mount, security};

/// Where adapters are found, a folder each.
pub(super) const ADAPTERS: &str = "/mnt/adapter";
/// Volume for adapters that are pulled.
const VOLUME: &str = "adapter-volume";

/// Adds the adapters to a pod; the mounts are for the runtime's container.
pub(super) fn add(pod: &mut Pod, adapters: &[AdapterSpec], settings: &Settings) -> (Vec<Value>, Vec<Value>) {
    let (mut mounts, mut env) = (Vec::new(), Vec::new());
    for AdapterSpec { source, strength } in adapters {
        let Some(source) = source else { continue };
        if let Some(volume) = &source.volume_source {
            let volume_name = pod::label(format!("adapter-volume-{}", source.name));
            pod.volume(&volume_name, volume.raw().clone());
            mounts.push(mount(&volume_name, &format!("{ADAPTERS}/{}", source.name), true));
        } else if !source.image.is_empty() {
            pull(pod, source, settings);
        }
        // A variable that the runtime itself knows is not an adapter's to set.
        if let Some(strength) = strength.as_ref().filter(|_| source.name != pod::TOKEN) {
            env.push(json!({ "name": source.name, "value": strength }));
        }
    }
    if adapters
        .iter()
        .any(|adapter| adapter.source.as_ref().is_some_and(|source| !source.image.is_empty()))
    {
        // Adapters of volumes are mounted inside of it.
        mounts.insert(0, mount(VOLUME, ADAPTERS, false));
    }
    (mounts, env)
}

/// Pulls an adapter's image into its folder before the runtime starts.
pub(super) fn pull(pod: &mut Pod, source: &DataSource, settings: &Settings) {
    pod.volume(VOLUME, json!({ "emptyDir": {} }));
    let mut mounts = vec![mount(VOLUME, ADAPTERS, false)];
    let mut args = vec![
        json!("image"),
        json!("pull"),
        json!(source.image),
        json!("--output-dir"),
        json!(format!("{ADAPTERS}/{}", source.name)),
    ];
    for (index, secret) in source.image_pull_secrets.iter().enumerate() {
        let volume = pod::label(format!("docker-config-{}-{index}", source.name));
        let path = format!("{DOCKER}/{index}");
        pod.volume(&volume, docker_config(secret));
        mounts.push(mount(&volume, &path, true));
        args.extend([json!("--docker-config"), json!(path)]);
    }
    pod.init.push(json!({
        "name": pod::label(format!("puller-{}", source.name)),
        "image": settings.runtime_image,
        "command": ["drydock-runtime"],
        "args": args,
        "securityContext": security(),
        "volumeMounts": mounts,
    }));
}

/// Mounts for a pod whose adapters were all pulled.
pub(super) fn pulled() -> Value {
    mount(VOLUME, ADAPTERS, false)
}
