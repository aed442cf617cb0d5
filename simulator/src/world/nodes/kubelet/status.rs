//! A pod's status as its kubelet reports it: phase, conditions, container statuses.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::container::{Container, Ended, State, go_duration, pull_error_text};
use super::pods::PodRun;
use crate::world::control::object::{self, condition, int, list, name, namespace, stamp, uid};

/// Conditions that kubelets write; the others belong to somebody else and stay.
const OURS: [&str; 4] = ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady"];

/// The status that the run shows now.
pub(super) fn of(pod: &Value, run: &PodRun, now: Timestamp) -> Value {
    if let Some(refused) = &run.refused {
        return json!({
            "phase": "Failed", "reason": refused.reason, "message": refused.message,
            "startTime": stamp(run.started), "observedGeneration": generation(pod),
        });
    }
    let phase = phase(run);
    let mut status = json!({
        "phase": phase,
        "conditions": conditions(pod, run, phase, now),
        "hostIP": run.host_ip, "hostIPs": [{ "ip": run.host_ip }],
        "startTime": stamp(run.started),
        "qosClass": pod["status"]["qosClass"],
        "observedGeneration": generation(pod),
        "containerStatuses": statuses(pod, run, &run.main, now, false),
    });
    if !run.pod_ip.is_empty() {
        status["podIP"] = run.pod_ip.as_str().into();
        status["podIPs"] = json!([{ "ip": run.pod_ip }]);
    }
    if let Some(ended) = &run.ended {
        status["reason"] = ended.reason.into();
        status["message"] = ended.message.as_str().into();
    }
    if !run.init.is_empty() {
        status["initContainerStatuses"] = statuses(pod, run, &run.init, now, true).into();
    }
    status
}

fn generation(pod: &Value) -> i64 {
    int(pod, "/metadata/generation").unwrap_or(1)
}

fn phase(run: &PodRun) -> &'static str {
    if run.ended.is_some() {
        return "Failed";
    }
    let all_done = run.main.iter().all(|container| container.state == State::Done);
    let any_failed = |list: &[Container]| list.iter().any(|c| c.state == State::Done && !c.has_succeeded());
    let plain_init: Vec<Container> = run
        .init
        .iter()
        .filter(|container| !is_sidecar(container))
        .cloned()
        .collect();
    if any_failed(&plain_init) || (all_done && any_failed(&run.main)) {
        return "Failed";
    }
    if all_done && !run.main.is_empty() {
        return "Succeeded";
    }
    let has_started = |container: &Container| container.last.is_some() || container.is_running();
    if run.is_initialized() && run.main.iter().all(has_started) {
        "Running"
    } else {
        "Pending"
    }
}

pub(super) fn is_sidecar(container: &Container) -> bool {
    container.spec["restartPolicy"] == "Always"
}

fn conditions(pod: &Value, run: &PodRun, phase: &str, now: Timestamp) -> Vec<Value> {
    let is_over = matches!(phase, "Succeeded" | "Failed");
    let initialized = run.is_initialized() || phase == "Succeeded";
    let unready: Vec<&str> = run
        .main
        .iter()
        .filter(|c| !c.is_ready(now))
        .map(Container::name)
        .collect();
    let waiting: Vec<&str> = run
        .init
        .iter()
        .filter(|c| !init_done(c, now))
        .map(Container::name)
        .collect();
    let ready = initialized && unready.is_empty() && !is_over && !run.is_cut_off;
    let reason = match phase {
        "Succeeded" => ("PodCompleted".to_owned(), String::new()),
        "Failed" => ("PodFailed".to_owned(), String::new()),
        _ => (
            "ContainersNotReady".into(),
            format!("containers with unready status: [{}]", unready.join(" ")),
        ),
    };
    let init_reason = (
        "ContainersNotInitialized".to_owned(),
        format!("containers with incomplete status: [{}]", waiting.join(" ")),
    );
    let gates = list(pod, "/spec/readinessGates")
        .iter()
        .filter_map(|gate| gate["conditionType"].as_str());
    let closed: Vec<&str> = gates.filter(|gate| !object::is_true(pod, gate)).collect();
    let pod_ready = ready && closed.is_empty();
    let gate_reason = (
        "ReadinessGatesNotReady".to_owned(),
        closed
            .iter()
            .map(|gate| format!("corresponding condition of pod readiness gate {gate:?} does not exist."))
            .collect::<Vec<_>>()
            .join(", "),
    );
    let completed = (phase == "Succeeded").then(|| ("PodCompleted".to_owned(), String::new()));
    let wanted = [
        ("PodReadyToStartContainers", !run.pod_ip.is_empty() && !is_over, None),
        (
            "Initialized",
            initialized,
            if initialized { completed } else { Some(init_reason) },
        ),
        (
            "Ready",
            pod_ready,
            Some(if ready { gate_reason } else { reason.clone() }),
        ),
        ("ContainersReady", ready, Some(reason)),
    ];
    let mut conditions: Vec<Value> = list(pod, "/status/conditions")
        .iter()
        .filter(|c| !OURS.iter().any(|ours| c["type"] == *ours))
        .cloned()
        .collect();
    for (kind, is_true, why) in wanted {
        let why = if is_true && kind != "Initialized" { None } else { why };
        conditions.push(one_condition(pod, kind, is_true, why, now));
    }
    conditions
}

fn one_condition(pod: &Value, kind: &str, is_true: bool, why: Option<(String, String)>, now: Timestamp) -> Value {
    let status = if is_true { "True" } else { "False" };
    let before = condition(pod, kind).filter(|before| before["status"] == status);
    let since = before.map_or_else(|| stamp(now), |before| before["lastTransitionTime"].clone());
    let mut out = json!({
        "type": kind, "status": status, "lastProbeTime": null, "lastTransitionTime": since,
        "observedGeneration": generation(pod),
    });
    if let Some((reason, message)) = why {
        out["reason"] = reason.into();
        if !message.is_empty() {
            out["message"] = message.into();
        }
    }
    out
}

/// Whether the pod may go on to what comes after an init container.
pub(super) fn init_done(container: &Container, now: Timestamp) -> bool {
    if is_sidecar(container) {
        container.has_started(now)
    } else {
        container.has_succeeded()
    }
}

fn statuses(pod: &Value, run: &PodRun, containers: &[Container], now: Timestamp, is_init: bool) -> Vec<Value> {
    let mut statuses: Vec<Value> = containers
        .iter()
        .map(|one| status_of(pod, run, one, now, is_init))
        .collect();
    if !is_init {
        statuses.sort_by(|a, b| a["name"].as_str().cmp(&b["name"].as_str()));
    }
    statuses
}

fn status_of(pod: &Value, run: &PodRun, container: &Container, now: Timestamp, is_init: bool) -> Value {
    let ready = if is_init && !is_sidecar(container) {
        container.has_succeeded()
    } else {
        container.is_ready(now)
    };
    let state = match &container.state {
        State::Running { since, .. } => json!({ "running": { "startedAt": stamp(*since) } }),
        State::Done => container
            .last
            .as_ref()
            .map_or_else(|| json!({}), |last| json!({ "terminated": ended(last) })),
        other => json!({ "waiting": waiting(pod, run, container, other) }),
    };
    let shown_last = container.state != State::Done;
    let last = container.last.as_ref().filter(|_| shown_last);
    let id = match (&container.state, &container.last) {
        (State::Running { id, .. }, _) => format!("containerd://{id}"),
        (_, Some(last)) => format!("containerd://{}", last.id),
        _ => String::new(),
    };
    let mut out = json!({
        "name": container.name(),
        "image": container.image(),
        "imageID": if id.is_empty() { String::new() } else { image_id(container.image()) },
        "ready": ready && !run.is_cut_off,
        "started": (!is_init || is_sidecar(container)) && container.has_started(now),
        "restartCount": container.restarts,
        "state": state,
        "lastState": last.map_or_else(|| json!({}), |last| json!({ "terminated": ended(last) })),
    });
    if !id.is_empty() {
        out["containerID"] = id.into();
    }
    out
}

fn waiting(pod: &Value, run: &PodRun, container: &Container, state: &State) -> Value {
    if let Some(why) = run.unconfigurable.get(container.name()) {
        return json!({ "reason": "CreateContainerConfigError", "message": why });
    }
    match state {
        State::PullFailed {
            error,
            backs_off: false,
            ..
        } => {
            json!({ "reason": "ErrImagePull", "message": pull_error_text(container.image(), *error) })
        }
        State::PullFailed { error, .. } => {
            let (image, why) = (container.image(), pull_error_text(container.image(), *error));
            json!({ "reason": "ImagePullBackOff", "message": format!("Back-off pulling image {image:?}: ErrImagePull: {why}") })
        }
        State::BackOff { wait, .. } => {
            let wait = go_duration(*wait);
            let wait = if wait == "60s" { "1m0s".to_owned() } else { wait };
            let pod_label = pod_label(pod);
            json!({
                "reason": "CrashLoopBackOff",
                "message": format!("back-off {wait} restarting failed container={} pod={pod_label}", container.name()),
            })
        }
        _ if run.is_initialized() || !run.main.iter().any(|main| main.name() == container.name()) => {
            json!({ "reason": if run.init.is_empty() || run.is_initialized() { "ContainerCreating" } else { "PodInitializing" } })
        }
        _ => json!({ "reason": "PodInitializing" }),
    }
}

fn ended(last: &Ended) -> Value {
    let mut out = json!({
        "exitCode": last.code, "reason": last.reason, "startedAt": stamp(last.started), "finishedAt": stamp(last.at),
        "containerID": format!("containerd://{}", last.id),
    });
    if !last.message.is_empty() {
        out["message"] = last.message.as_str().into();
    }
    out
}

/// `name_namespace(uid)`, as kubelets name pods in messages.
pub(super) fn pod_label(pod: &Value) -> String {
    format!("{}_{}({})", name(pod), namespace(pod), uid(pod))
}

/// A digest that depends on the image's name alone (FNV-1a, repeated): the same image has the same one everywhere.
fn image_id(image: &str) -> String {
    let hash = image.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let repository = image.rsplit_once(':').map_or(image, |(repository, _)| repository);
    let rotated = [hash, hash.rotate_left(16), hash.rotate_left(32), hash.rotate_left(48)];
    let digest: String = rotated.iter().map(|part| format!("{part:016x}")).collect();
    format!("{repository}@sha256:{digest}")
}
