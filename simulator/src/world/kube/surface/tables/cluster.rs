//! Nodes, namespaces, events, leases and classes of pods.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::super::duration::since;
use super::cell::{age, condition, items, name, number, sorted, string, string_or};
use super::column::{AGE, NAME, boolean, integer, text};
use super::{Printer, printer};

pub(super) const NODE: Printer = printer(
    &[
        NAME,
        text("Status", "The status of the node"),
        text("Roles", "The roles of the node"),
        AGE,
        text("Version", "@io.k8s.api.core.v1.NodeSystemInfo#kubeletVersion"),
        text("Internal-IP", "@io.k8s.api.core.v1.NodeStatus#addresses").wide(),
        text("External-IP", "@io.k8s.api.core.v1.NodeStatus#addresses").wide(),
        text("OS-Image", "@io.k8s.api.core.v1.NodeSystemInfo#osImage").wide(),
        text("Kernel-Version", "@io.k8s.api.core.v1.NodeSystemInfo#kernelVersion").wide(),
        text(
            "Container-Runtime",
            "@io.k8s.api.core.v1.NodeSystemInfo#containerRuntimeVersion",
        )
        .wide(),
    ],
    |object, now| {
        let info = &object["status"]["nodeInfo"];
        let mut kernel = string_or(&info["kernelVersion"], "<unknown>").to_owned();
        if !string(&info["architecture"]).is_empty() {
            kernel = format!("{kernel} ({})", string(&info["architecture"]));
        }
        vec![
            name(object),
            node_status(object).into(),
            node_roles(object).into(),
            age(object, now),
            string(&info["kubeletVersion"]).into(),
            node_address(object, "InternalIP").into(),
            node_address(object, "ExternalIP").into(),
            string_or(&info["osImage"], "<unknown>").into(),
            kernel.into(),
            string_or(&info["containerRuntimeVersion"], "<unknown>").into(),
        ]
    },
);

pub(super) const NAMESPACE: Printer = printer(
    &[NAME, text("Status", "The status of the namespace"), AGE],
    |object, now| {
        vec![
            name(object),
            string(&object["status"]["phase"]).into(),
            age(object, now),
        ]
    },
);

pub(super) const EVENT: Printer = printer(
    &[
        text("Last Seen", "@io.k8s.api.core.v1.Event#lastTimestamp"),
        text("Type", "@io.k8s.api.core.v1.Event#type"),
        text("Reason", "@io.k8s.api.core.v1.Event#reason"),
        text("Object", "@io.k8s.api.core.v1.Event#involvedObject"),
        text("Subobject", "@io.k8s.api.core.v1.ObjectReference#fieldPath").wide(),
        text("Source", "@io.k8s.api.core.v1.Event#source").wide(),
        text("Message", "@io.k8s.api.core.v1.Event#message"),
        text("First Seen", "@io.k8s.api.core.v1.Event#firstTimestamp").wide(),
        text("Count", "@io.k8s.api.core.v1.Event#count").wide(),
        NAME.wide(),
    ],
    event,
);

pub(super) const COMPONENT_STATUS: Printer = printer(
    &[
        NAME,
        text("Status", "Status of the component conditions"),
        text("Message", "Message of the component conditions"),
        text("Error", "Error of the component conditions"),
    ],
    |object, _| {
        let healthy = items(&object["conditions"])
            .iter()
            .find(|c| c["type"] == "Healthy")
            .unwrap_or(&Value::Null);
        let status = match healthy["status"].as_str() {
            None => "Unknown",
            Some("True") => "Healthy",
            Some(_) => "Unhealthy",
        };
        vec![
            name(object),
            status.into(),
            string(&healthy["message"]).into(),
            string(&healthy["error"]).into(),
        ]
    },
);

pub(super) const LEASE: Printer = printer(
    &[
        NAME,
        text("Holder", "@io.k8s.api.coordination.v1.LeaseSpec#holderIdentity"),
        AGE,
    ],
    |object, now| {
        vec![
            name(object),
            string(&object["spec"]["holderIdentity"]).into(),
            age(object, now),
        ]
    },
);

pub(super) const RUNTIME_CLASS: Printer = printer(&[NAME, text("Handler", ""), AGE], |object, now| {
    vec![name(object), string(&object["handler"]).into(), age(object, now)]
});

pub(super) const PRIORITY_CLASS: Printer = printer(
    &[
        NAME,
        integer("Value", "@io.k8s.api.scheduling.v1.PriorityClass#value"),
        boolean(
            "Global-Default",
            "@io.k8s.api.scheduling.v1.PriorityClass#globalDefault",
        ),
        AGE,
        text(
            "PreemptionPolicy",
            "@io.k8s.api.scheduling.v1.PriorityClass#preemptionPolicy",
        ),
    ],
    |object, now| {
        vec![
            name(object),
            number(&object["value"]).into(),
            (object["globalDefault"] == true).into(),
            age(object, now),
            string(&object["preemptionPolicy"]).into(),
        ]
    },
);

fn node_status(object: &Value) -> String {
    let ready = match condition(object, "Ready") {
        Some(ready) if ready["status"] == "True" => "Ready",
        Some(_) => "NotReady",
        None => "Unknown",
    };
    if object["spec"]["unschedulable"] == true {
        format!("{ready},SchedulingDisabled")
    } else {
        ready.into()
    }
}

fn node_roles(object: &Value) -> String {
    let roles: BTreeSet<&str> = sorted(&object["metadata"]["labels"])
        .filter_map(|(key, value)| match key.strip_prefix("node-role.kubernetes.io/") {
            Some(role) => Some(role),
            None => (key == "kubernetes.io/role").then(|| string(value)),
        })
        .filter(|role| !role.is_empty())
        .collect();
    if roles.is_empty() {
        "<none>".into()
    } else {
        roles.into_iter().collect::<Vec<_>>().join(",")
    }
}

fn node_address<'a>(object: &'a Value, kind: &str) -> &'a str {
    let found = items(&object["status"]["addresses"])
        .iter()
        .find(|address| address["type"] == kind);
    found.map_or("<none>", |address| string(&address["address"]))
}

/// Reads both shapes of an Event: core's, and that of events.k8s.io with `regarding`, `note` and `deprecated…` fields.
fn event(object: &Value, now: Timestamp) -> Vec<Value> {
    let either = |own: &str, other: &str| {
        if object[own].is_null() {
            &object[other]
        } else {
            &object[own]
        }
    };
    let involved = either("involvedObject", "regarding");
    let first = either("firstTimestamp", "deprecatedFirstTimestamp");
    let first_seen = since(if first.is_null() { &object["eventTime"] } else { first }, now);
    let series = &object["series"];
    let last = either("lastTimestamp", "deprecatedLastTimestamp");
    let last = if series.is_object() {
        &series["lastObservedTime"]
    } else {
        last
    };
    let last_seen = if last.is_null() && !series.is_object() {
        first_seen.clone()
    } else {
        since(last, now)
    };
    let count = match number(if series.is_object() {
        &series["count"]
    } else {
        either("count", "deprecatedCount")
    }) {
        0 if !series.is_object() => 1,
        count => count,
    };
    let kind = string(&involved["kind"]).to_lowercase();
    let target = match string(&involved["name"]) {
        "" => kind,
        name => format!("{kind}/{name}"),
    };
    let source = either("source", "deprecatedSource");
    let component = string_or(
        &source["component"],
        string(either("reportingComponent", "reportingController")),
    );
    let host = string_or(&source["host"], string(&object["reportingInstance"]));
    let source = if host.is_empty() {
        component.to_owned()
    } else {
        format!("{component}, {host}")
    };
    let cells = json!([
        last_seen,
        string(&object["type"]),
        string(&object["reason"]),
        target,
        string(&involved["fieldPath"]),
        source,
        string(either("message", "note")).trim(),
        first_seen,
        count,
        name(object),
    ]);
    items(&cells).to_vec()
}
