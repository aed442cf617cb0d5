//! The tuning job: data in, trainer, result out, one after the other in one pod.
//!
//! Every stage but the last is an init container, so that a stage that fails ends the pod and nothing waits for a file
//! that will never be written.

use operator_api::Workspace;
use operator_api::labels::WORKSPACE_HASH;
use operator_api::workspace::{DataDestination, DataSource, TuningMethod};
use preset_catalog::Model;
use serde_json::{Value, json};

use super::pod::{self, CONFIG, DOCKER, Pod, WEIGHTS, mount};
use super::{Placement, Settings, name, owned, workspace_hash};
use crate::drift::stamped;

const DATA: &str = "/mnt/data";
const RESULTS: &str = "/mnt/results";
/// Times that a failed pod is replaced. Each costs GPU hours; a fault that a new pod does not heal is told early.
const BACKOFF_LIMIT: u32 = 3;

/// The Job.
pub fn tuning_job(
    workspace: &Workspace,
    model: &Model,
    method: TuningMethod,
    placement: &Placement,
    settings: &Settings,
) -> Value {
    let tuning = workspace.tuning.clone().unwrap_or_default();
    let output = tuning.output.unwrap_or_default();
    let mut pod = Pod::default();
    data(&mut pod, &tuning.input.unwrap_or_default(), settings);
    let results = output.volume_source.as_ref().map(|volume| volume.raw().clone());
    pod.volume("results-volume", results.unwrap_or_else(|| json!({ "emptyDir": {} })));
    let trainer = trainer(&mut pod, workspace, model, method, placement, settings);
    match output.image.is_empty() {
        true => pod.containers.push(trainer),
        false => {
            pod.init.push(trainer);
            let pusher = pusher(&mut pod, &output, settings);
            pod.containers.push(pusher);
        }
    }
    stamped(json!({
        "metadata": owned(workspace, &json!({ WORKSPACE_HASH: workspace_hash(workspace) })),
        "spec": {
            "backoffLimit": BACKOFF_LIMIT,
            "template": pod.template(workspace, placement, Some("Never")),
        },
    }))
}

/// Brings the data to [`DATA`].
fn data(pod: &mut Pod, input: &DataSource, settings: &Settings) {
    let volume = input.volume_source.as_ref().map(|volume| volume.raw().clone());
    let is_ready = volume.is_some();
    pod.volume("data-volume", volume.unwrap_or_else(|| json!({ "emptyDir": {} })));
    if is_ready {
        return;
    }
    let mut mounts = vec![mount("data-volume", DATA, false)];
    let mut args: Vec<String> = match input.image.as_str() {
        "" => ["data", "fetch"]
            .map(str::to_owned)
            .into_iter()
            .chain(input.urls.clone())
            .collect(),
        image => ["image", "pull", image].map(str::to_owned).to_vec(),
    };
    args.extend(["--output-dir".to_owned(), DATA.to_owned()]);
    for (index, secret) in input.image_pull_secrets.iter().enumerate() {
        let (volume, path) = (format!("docker-config-data-{index}"), format!("{DOCKER}/{index}"));
        pod.volume(&volume, pod::docker_config(secret));
        mounts.push(mount(&volume, &path, true));
        args.extend(["--docker-config".to_owned(), path]);
    }
    pod.init.push(container("data-downloader", &args, &mounts, settings));
}

fn trainer(
    pod: &mut Pod,
    workspace: &Workspace,
    model: &Model,
    method: TuningMethod,
    placement: &Placement,
    settings: &Settings,
) -> Value {
    let tuning = workspace.tuning.clone().unwrap_or_default();
    let method = match method {
        TuningMethod::Lora => "lora",
        TuningMethod::Qlora => "qlora",
    };
    let mut args: Vec<String> = [
        "tune",
        "--model",
        &model.name,
        "--method",
        method,
        "--data-dir",
        DATA,
        "--output-dir",
        RESULTS,
    ]
    .map(str::to_owned)
    .to_vec();
    args.extend(["--weights-dir".to_owned(), WEIGHTS.to_owned()]);
    pod.volume("dshm", pod::shared_memory());
    pod.volume("model-weights-volume", json!({ "emptyDir": {} }));
    let mut mounts = vec![
        mount("data-volume", DATA, true),
        mount("dshm", "/dev/shm", false),
        mount("model-weights-volume", WEIGHTS, false),
        mount("results-volume", RESULTS, false),
    ];
    if !tuning.config.is_empty() {
        args.extend(["--config".to_owned(), format!("{CONFIG}/training_config.yaml")]);
        pod.volume("config-volume", json!({ "configMap": { "name": tuning.config } }));
        mounts.push(mount("config-volume", CONFIG, true));
    }
    let preset = tuning.preset.as_ref();
    pod.pull_secrets.extend(
        preset
            .iter()
            .flat_map(|preset| preset.preset_options.image_pull_secrets.clone()),
    );
    let mut container = container(name(workspace), &args, &mounts, settings);
    if let Some(fields) = container.as_object_mut() {
        fields.insert("env".into(), json!(pod::token(preset)));
        fields.insert("ports".into(), pod::ports());
        fields.insert("resources".into(), pod::resources(workspace, placement));
    }
    container
}

fn pusher(pod: &mut Pod, output: &DataDestination, settings: &Settings) -> Value {
    let mut args: Vec<String> = ["image", "push", &output.image, "--input-dir", RESULTS]
        .map(str::to_owned)
        .to_vec();
    let mut mounts = vec![mount("results-volume", RESULTS, true)];
    if !output.image_push_secret.is_empty() {
        pod.volume("docker-config", pod::docker_config(&output.image_push_secret));
        mounts.push(mount("docker-config", DOCKER, true));
        args.extend(["--docker-config".to_owned(), DOCKER.to_owned()]);
    }
    container("pusher", &args, &mounts, settings)
}

fn container(name: &str, args: &[String], mounts: &[Value], settings: &Settings) -> Value {
    json!({
        "name": name,
        "image": settings.runtime_image,
        "command": ["drydock-runtime"],
        "args": args,
        "securityContext": pod::security(),
        "volumeMounts": mounts,
    })
}
