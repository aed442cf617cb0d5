//! What is wrong with the pods of a Workspace, in one reason and one sentence.

use std::fmt::Write;

use k8s_openapi::api::core::v1::{ContainerState, ContainerStateTerminated, ContainerStatus, Pod};
use operator_api::conditions::InferenceReady;

/// Longest message of a container or of the scheduler that is passed on, in characters.
const MAX_QUOTED_CHARS: usize = 512;

/// What keeps a pod from working.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    /// The word.
    pub reason: InferenceReady,
    /// Pod, container, exit code, restarts.
    pub message: String,
}

/// Waiting reasons of images that cannot be had.
const PULL: [&str; 6] = [
    "ErrImagePull",
    "ImagePullBackOff",
    "InvalidImageName",
    "ErrImageNeverPull",
    "ImageInspectError",
    "RegistryUnavailable",
];

/// Waiting reasons of containers that cannot be started.
const START: [&str; 4] = [
    "CreateContainerConfigError",
    "CreateContainerError",
    "RunContainerError",
    "PreCreateHookError",
];

/// The worst trouble of these pods, as KAITO ranks them: memory, image, start, crash, eviction, scheduling.
pub fn trouble(pods: &[&Pod]) -> Option<Trouble> {
    pods.iter()
        .filter_map(|pod| of_pod(pod))
        .min_by_key(|trouble| rank(trouble.reason))
}

fn rank(reason: InferenceReady) -> u8 {
    match reason {
        InferenceReady::ContainerOomKilled => 0,
        InferenceReady::ImagePullError => 1,
        InferenceReady::ContainerStartError => 2,
        InferenceReady::ContainerCrashLoopBackOff => 3,
        InferenceReady::NodeDiskPressure | InferenceReady::NodeMemoryPressure | InferenceReady::PodEvicted => 4,
        InferenceReady::Unschedulable => 5,
        _ => 6,
    }
}

fn of_pod(pod: &Pod) -> Option<Trouble> {
    let name = pod.metadata.name.as_deref().unwrap_or_default();
    let status = pod.status.as_ref()?;
    if status.reason.as_deref() == Some("Evicted") {
        return Some(evicted(name, status.message.as_deref().unwrap_or_default()));
    }
    let containers = status
        .init_container_statuses
        .iter()
        .chain(&status.container_statuses)
        .flatten();
    let worst = containers
        .filter_map(|container| of_container(name, container))
        .min_by_key(|trouble| rank(trouble.reason));
    worst.or_else(|| unschedulable(name, pod))
}

fn evicted(pod: &str, message: &str) -> Trouble {
    let lower = message.to_lowercase();
    let reason = if lower.contains("ephemeral-storage") || lower.contains("disk") {
        InferenceReady::NodeDiskPressure
    } else if lower.contains("memory") {
        InferenceReady::NodeMemoryPressure
    } else {
        InferenceReady::PodEvicted
    };
    Trouble {
        reason,
        message: format!("pod {pod} was evicted: {}", quoted(message)),
    }
}

fn unschedulable(name: &str, pod: &Pod) -> Option<Trouble> {
    let conditions = pod.status.as_ref()?.conditions.iter().flatten();
    let scheduled = conditions
        .into_iter()
        .find(|condition| condition.type_ == "PodScheduled")?;
    let says_no = scheduled.status == "False" && scheduled.reason.as_deref() == Some("Unschedulable");
    says_no.then(|| Trouble {
        reason: InferenceReady::Unschedulable,
        message: format!(
            "pod {name}: {}",
            quoted(scheduled.message.as_deref().unwrap_or_default())
        ),
    })
}

fn of_container(pod: &str, container: &ContainerStatus) -> Option<Trouble> {
    let state = container.state.as_ref();
    let waiting = state.and_then(|state| state.waiting.as_ref());
    let why = waiting
        .and_then(|waiting| waiting.reason.as_deref())
        .unwrap_or_default();
    let said = waiting
        .and_then(|waiting| waiting.message.as_deref())
        .unwrap_or_default();
    if PULL.contains(&why) {
        let image = &container.image;
        return Some(told(
            pod,
            container,
            InferenceReady::ImagePullError,
            &format!("image {image}: {why}"),
            said,
        ));
    }
    if START.contains(&why) {
        return Some(told(pod, container, InferenceReady::ContainerStartError, why, said));
    }
    if container.ready || container.started == Some(true) && state.is_some_and(is_well) {
        return None;
    }
    let end = last_end(container)?;
    if end.exit_code == 0 && end.reason.as_deref() != Some("OOMKilled") {
        return None;
    }
    let reason = match end.reason.as_deref() {
        Some("OOMKilled") => InferenceReady::ContainerOomKilled,
        Some("ContainerCannotRun" | "StartError") => InferenceReady::ContainerStartError,
        _ => InferenceReady::ContainerCrashLoopBackOff,
    };
    let ended = end.reason.as_deref().unwrap_or("Error");
    let text = format!("{ended}, exit code {}", end.exit_code);
    Some(told(
        pod,
        container,
        reason,
        &text,
        end.message.as_deref().unwrap_or_default(),
    ))
}

/// Runs, and has not just come back from a failure.
fn is_well(state: &ContainerState) -> bool {
    state.running.is_some()
}

fn last_end(container: &ContainerStatus) -> Option<&ContainerStateTerminated> {
    let now = container.state.as_ref().and_then(|state| state.terminated.as_ref());
    now.or_else(|| {
        container
            .last_state
            .as_ref()
            .and_then(|state| state.terminated.as_ref())
    })
}

fn told(pod: &str, container: &ContainerStatus, reason: InferenceReady, what: &str, said: &str) -> Trouble {
    let mut message = format!("pod {pod}, container {}: {what}", container.name);
    // Writing to a String cannot fail.
    let _ = match container.restart_count {
        0 => Ok(()),
        1 => write!(message, ", 1 restart"),
        restarts => write!(message, ", {restarts} restarts"),
    };
    if !said.is_empty() {
        let _ = write!(message, ": {}", quoted(said));
    }
    Trouble { reason, message }
}

fn quoted(text: &str) -> String {
    let text = text.trim();
    match text.char_indices().nth(MAX_QUOTED_CHARS) {
        None => text.to_owned(),
        Some(_) => text.chars().take(MAX_QUOTED_CHARS).chain(['…']).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn pod(status: Value) -> Pod {
        serde_json::from_value(json!({ "metadata": { "name": "w-0" }, "status": status })).unwrap()
    }

    fn container(state: Value, last: Value, ready: bool, restarts: i32) -> Value {
        json!({ "containerStatuses": [{
            "name": "w", "image": "x/y:1", "imageID": "", "ready": ready, "restartCount": restarts,
            "state": state, "lastState": last,
        }] })
    }

    #[test]
    fn each_trouble_has_its_reason_and_says_where() {
        let oom = json!({ "terminated": { "exitCode": 137, "reason": "OOMKilled" } });
        let crash = json!({ "terminated": { "exitCode": 1, "reason": "Error", "message": "no such file" } });
        let back_off = json!({ "waiting": { "reason": "CrashLoopBackOff" } });
        let running = json!({ "running": {} });
        let cases = [
            (
                container(back_off.clone(), oom.clone(), false, 3),
                Some((InferenceReady::ContainerOomKilled, "exit code 137, 3 restarts")),
            ),
            (
                container(back_off, crash.clone(), false, 1),
                Some((
                    InferenceReady::ContainerCrashLoopBackOff,
                    "exit code 1, 1 restart: no such file",
                )),
            ),
            (
                container(crash.clone(), json!({}), false, 0),
                Some((InferenceReady::ContainerCrashLoopBackOff, "pod w-0, container w: Error")),
            ),
            (
                container(running.clone(), crash.clone(), false, 2),
                Some((InferenceReady::ContainerCrashLoopBackOff, "2 restarts")),
            ),
            (container(running, crash, true, 2), None),
            (
                container(json!({ "terminated": { "exitCode": 0 } }), json!({}), false, 0),
                None,
            ),
            (
                container(
                    json!({ "waiting": { "reason": "ImagePullBackOff", "message": "Back-off" } }),
                    json!({}),
                    false,
                    0,
                ),
                Some((
                    InferenceReady::ImagePullError,
                    "image x/y:1: ImagePullBackOff: Back-off",
                )),
            ),
            (
                container(
                    json!({ "waiting": { "reason": "CreateContainerConfigError" } }),
                    json!({}),
                    false,
                    0,
                ),
                Some((InferenceReady::ContainerStartError, "CreateContainerConfigError")),
            ),
            (
                json!({ "reason": "Evicted", "message": "The node was low on resource: memory." }),
                Some((InferenceReady::NodeMemoryPressure, "low on resource")),
            ),
            (
                json!({ "conditions": [{ "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes" }] }),
                Some((InferenceReady::Unschedulable, "pod w-0: 0/1 nodes")),
            ),
            (json!({}), None),
        ];
        for (status, expected) in cases {
            let pod = pod(status.clone());
            let found = trouble(&[&pod]);
            assert_eq!(found.as_ref().map(|it| it.reason), expected.map(|it| it.0), "{status}");
            if let (Some(found), Some((_, part))) = (found, expected) {
                assert!(found.message.contains(part), "{} lacks {part}", found.message);
            }
        }
    }

    #[test]
    fn memory_outranks_scheduling() {
        let waiting = pod(json!({ "conditions": [
            { "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "" }
        ] }));
        let oom = pod(container(
            json!({ "terminated": { "exitCode": 137, "reason": "OOMKilled" } }),
            json!({}),
            false,
            0,
        ));
        assert_eq!(
            trouble(&[&waiting, &oom]).unwrap().reason,
            InferenceReady::ContainerOomKilled
        );
    }
}
