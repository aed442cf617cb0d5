//! From a scenario's world to a rehearsal.

use std::time::Duration;

use operator_api::validate::Provisioner;
use operator_plan::manifests::Settings;
use serde_json::{Value, json};

use super::format::{ContainerSpec, FaultSpec, NodeSpec, PolicySpec, PullErrorSpec, Scenario, Span, Step, TimingsSpec};
use crate::world::arm::{AksConfig, Policy, Timings, size};
use crate::world::cluster::ClusterConfig;
use crate::world::kube::server::ServerConfig;
use crate::world::nodes::kubelet::behaviour::{Answer, Behaviour, Behaviours, PullError, Rule};
use crate::world::nodes::{NodeShape, plain_node};
use crate::world::rehearsal::RehearsalConfig;
use crate::world::run::World;

/// Heartbeats where no machine goes wrong: nobody is there to notice, and they would be most of a run's writes.
const UNNOTICED_HEARTBEAT: Duration = Duration::from_secs(300);

/// What a rehearsal of this scenario is made with.
pub(super) fn config(scenario: &Scenario, world: World) -> RehearsalConfig {
    let spec = &scenario.world;
    let mut cluster = ClusterConfig::new(ServerConfig::new(world));
    if !scenario.steps.iter().any(breaks_machines) {
        cluster.heartbeat = UNNOTICED_HEARTBEAT;
    }
    cluster.behaviours = Behaviours {
        rules: spec.containers.iter().map(rule).collect(),
    };
    RehearsalConfig {
        aks: AksConfig {
            quota: spec.quota.clone(),
            unavailable: spec.unavailable.clone(),
            timings: timings(spec.timings),
            policy: match spec.policy {
                PolicySpec::ParallelPools => Policy::ParallelPools,
                PolicySpec::SerialiseAll => Policy::SerialiseAll,
                PolicySpec::Preempt => Policy::Preempt,
            },
            ..AksConfig::default()
        },
        settings: Settings {
            provisioner: if spec.byo {
                Provisioner::Byo
            } else {
                Provisioner::AzureGpu
            },
            ..Settings::default()
        },
        karpenter: !spec.without_karpenter,
        ..RehearsalConfig::new(cluster)
    }
}

fn breaks_machines(step: &Step) -> bool {
    matches!(step.fault, Some(FaultSpec::Node(_) | FaultSpec::Machine(_)))
}

fn timings(spec: TimingsSpec) -> Timings {
    let usual = Timings::default();
    let or = |span: Option<Span>, usual| span.map_or(usual, |Span(span)| span);
    Timings {
        boot: or(spec.boot, usual.boot),
        settle: or(spec.settle, usual.settle),
        gpu: or(spec.gpu, usual.gpu),
        delete: or(spec.delete, usual.delete),
    }
}

fn rule(spec: &ContainerSpec) -> Rule {
    let millis = |span: Option<Span>| span.map(|Span(span)| u64::try_from(span.as_millis()).unwrap_or(u64::MAX));
    let answer = spec.answer.iter().map(|body| Answer {
        path: String::new(),
        code: 200,
        body: body.clone(),
        content_type: "application/json".into(),
    });
    Rule {
        image_prefix: spec.image.clone(),
        command_part: spec.command.clone(),
        behaviour: Behaviour {
            image_bytes: spec.image_bytes,
            pull_error: spec.pull_error.map(|error| match error {
                PullErrorSpec::NotFound => PullError::NotFound,
                PullErrorSpec::Unauthorized => PullError::Unauthorized,
            }),
            ready_after_millis: millis(spec.ready_after).unwrap_or(0),
            runs_for_millis: millis(spec.runs_for),
            exit_code: spec.exit_code,
            oom_killed: spec.oom_killed,
            fails_times: spec.fails_times,
            answers: answer.collect(),
            ..Behaviour::default()
        },
    }
}

/// A node that is there from the beginning.
pub(super) fn node(spec: &NodeSpec, index: u32) -> Value {
    let shape = NodeShape {
        instance_type: spec.size.clone(),
        ..NodeShape::default()
    };
    let mut node = plain_node(&spec.name, index, &shape);
    if let Some(labels) = node.pointer_mut("/metadata/labels").and_then(Value::as_object_mut) {
        labels.extend(spec.labels.iter().map(|(key, value)| (key.clone(), json!(value))));
    }
    if let Some(size) = size(&spec.size).filter(|_| spec.gpus > 0) {
        // What GPU feature discovery tells of the node.
        let labels = [
            ("nvidia.com/gpu.product", size.product.to_owned()),
            ("nvidia.com/gpu.count", spec.gpus.to_string()),
            ("nvidia.com/gpu.memory", size.gpu_memory_mib().to_string()),
        ];
        for (key, value) in labels {
            node["metadata"]["labels"][key] = json!(value);
        }
    }
    for place in ["/status/capacity", "/status/allocatable"] {
        if let Some(amounts) = node
            .pointer_mut(place)
            .and_then(Value::as_object_mut)
            .filter(|_| spec.gpus > 0)
        {
            amounts.insert("nvidia.com/gpu".into(), json!(spec.gpus.to_string()));
        }
    }
    node
}
