//! Pods and pod templates: STATUS is derived from phase, container states and deletion, as the real printer does.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::duration;
use super::cell::{age, condition, containers, is_true, items, labels, name, number, string, string_or};
use super::column::{AGE, CONTAINERS, IMAGES, NAME, text};
use super::{Printer, printer};

pub(super) const POD: Printer = printer(
    &[
        NAME,
        text(
            "Ready",
            "The aggregate readiness state of this pod for accepting traffic.",
        ),
        text("Status", "The aggregate status of the containers in this pod."),
        text(
            "Restarts",
            "The number of times the containers in this pod have been restarted and when the last container in this \
             pod has restarted.",
        ),
        AGE,
        text("IP", "@io.k8s.api.core.v1.PodStatus#podIP").wide(),
        text("Node", "@io.k8s.api.core.v1.PodSpec#nodeName").wide(),
        text("Nominated Node", "@io.k8s.api.core.v1.PodStatus#nominatedNodeName").wide(),
        text("Readiness Gates", "@io.k8s.api.core.v1.PodSpec#readinessGates").wide(),
    ],
    pod,
);

pub(super) const POD_TEMPLATE: Printer = printer(
    &[
        NAME,
        CONTAINERS,
        IMAGES,
        text("Pod Labels", "The labels for the pod template."),
    ],
    |object, _| {
        let [names, images] = containers(&object["template"]["spec"]["containers"]);
        vec![
            name(object),
            names,
            images,
            labels(&object["template"]["metadata"]["labels"]).into(),
        ]
    },
);

/// The row condition that marks a finished pod.
pub(super) fn row_conditions(object: &Value) -> Option<Value> {
    if object["kind"] != "Pod" {
        return None;
    }
    let (reason, message) = match string(&object["status"]["phase"]) {
        "Succeeded" => ("Succeeded", "The pod has completed successfully."),
        "Failed" => ("Failed", "The pod failed."),
        _ => return None,
    };
    Some(json!([{"type": "Completed", "status": "True", "reason": reason, "message": message}]))
}

fn pod(object: &Value, now: Timestamp) -> Vec<Value> {
    let (spec, status) = (&object["spec"], &object["status"]);
    let summary = Summary::of(object);
    let restarts = match summary.restarts.last {
        Some(at) if summary.restarts.count != 0 => {
            let ago = duration::human_duration(duration::seconds_between(at, now));
            format!("{} ({ago} ago)", summary.restarts.count)
        }
        _ => summary.restarts.count.to_string(),
    };
    let ip = string_or(&status["podIPs"][0]["ip"], "<none>");
    vec![
        name(object),
        format!("{}/{}", summary.ready, summary.total).into(),
        summary.status.into(),
        restarts.into(),
        age(object, now),
        ip.into(),
        string_or(&spec["nodeName"], "<none>").into(),
        string_or(&status["nominatedNodeName"], "<none>").into(),
        readiness_gates(object).into(),
    ]
}

fn readiness_gates(object: &Value) -> String {
    let gates = items(&object["spec"]["readinessGates"]);
    if gates.is_empty() {
        return "<none>".into();
    }
    let passed = gates
        .iter()
        .filter(|gate| is_true(object, string(&gate["conditionType"])))
        .count();
    format!("{passed}/{}", gates.len())
}

#[derive(Clone, Copy, Default)]
struct Restarts {
    count: i64,
    last: Option<Timestamp>,
}

impl Restarts {
    fn add(&mut self, container: &Value) {
        self.count = self.count.saturating_add(number(&container["restartCount"]));
        let finished = duration::parse(&container["lastState"]["terminated"]["finishedAt"]);
        self.last = self.last.max(finished);
    }
}

/// What the READY, STATUS and RESTARTS cells say.
struct Summary {
    status: String,
    ready: usize,
    total: usize,
    restarts: Restarts,
    /// Of init containers that restart (sidecars); they keep counting once the pod is initialized.
    sidecar_restarts: Restarts,
}

impl Summary {
    fn of(object: &Value) -> Self {
        let (spec, status) = (&object["spec"], &object["status"]);
        let sidecars = items(&spec["initContainers"]).iter().filter(|c| restartable(c)).count();
        let mut shown = string_or(&status["reason"], string(&status["phase"])).to_owned();
        if condition(object, "PodScheduled").is_some_and(|c| c["reason"] == "SchedulingGated") {
            shown = "SchedulingGated".into();
        }
        let mut summary = Self {
            status: shown,
            ready: 0,
            total: items(&spec["containers"]).len() + sidecars,
            restarts: Restarts::default(),
            sidecar_restarts: Restarts::default(),
        };
        let initializing = summary.read_init_containers(object);
        if !initializing || is_true(object, "Initialized") {
            summary.restarts = summary.sidecar_restarts;
            summary.read_containers(object);
        }
        summary.read_deletion(object);
        summary
    }

    /// Returns whether an init container still holds the pod up.
    fn read_init_containers(&mut self, object: &Value) -> bool {
        let declared = items(&object["spec"]["initContainers"]);
        for (index, container) in items(&object["status"]["initContainerStatuses"]).iter().enumerate() {
            let sidecar = declared
                .iter()
                .any(|c| c["name"] == container["name"] && restartable(c));
            self.restarts.add(container);
            if sidecar {
                self.sidecar_restarts.add(container);
            }
            let state = &container["state"];
            let (terminated, waiting) = (&state["terminated"], string(&state["waiting"]["reason"]));
            if terminated.is_object() && number(&terminated["exitCode"]) == 0 {
                continue;
            }
            if sidecar && container["started"] == true {
                self.ready += usize::from(container["ready"] == true);
                continue;
            }
            self.status = if terminated.is_object() {
                format!("Init:{}", exit_reason(terminated))
            } else if !waiting.is_empty() && waiting != "PodInitializing" {
                format!("Init:{waiting}")
            } else {
                format!("Init:{index}/{}", declared.len())
            };
            return true;
        }
        false
    }

    fn read_containers(&mut self, object: &Value) {
        let (mut running, mut error) = (false, None);
        // From the last to the first, so that the first container has the last word.
        for container in items(&object["status"]["containerStatuses"]).iter().rev() {
            self.restarts.add(container);
            let state = &container["state"];
            let (terminated, waiting) = (&state["terminated"], string(&state["waiting"]["reason"]));
            if !waiting.is_empty() {
                self.status = waiting.to_owned();
            } else if terminated.is_object() {
                self.status = exit_reason(terminated);
                if number(&terminated["exitCode"]) != 0 {
                    error = Some(self.status.clone());
                }
            } else if container["ready"] == true && state["running"].is_object() {
                running = true;
                self.ready += 1;
            }
        }
        if self.status == "Completed" {
            if running && is_true(object, "Ready") {
                self.status = "Running".into();
            } else if let Some(error) = error {
                self.status = error;
            } else if running {
                self.status = "NotReady".into();
            }
        }
    }

    fn read_deletion(&mut self, object: &Value) {
        let status = &object["status"];
        if object["metadata"]["deletionTimestamp"].is_null() {
            return;
        }
        if status["reason"] == "NodeLost" {
            self.status = "Unknown".into();
        } else if !matches!(string(&status["phase"]), "Failed" | "Succeeded") {
            self.status = "Terminating".into();
        }
    }
}

fn restartable(container: &Value) -> bool {
    container["restartPolicy"] == "Always"
}

fn exit_reason(terminated: &Value) -> String {
    let (reason, signal) = (string(&terminated["reason"]), number(&terminated["signal"]));
    if !reason.is_empty() {
        reason.to_owned()
    } else if signal != 0 {
        format!("Signal:{signal}")
    } else {
        format!("ExitCode:{}", number(&terminated["exitCode"]))
    }
}
