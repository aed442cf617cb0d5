//! Workload controllers: how many are wanted, there, ready.

use serde_json::Value;

use super::cell::{age, containers, items, labels, name, number, plain_selector, selector, string};
use super::column::{AGE, CONTAINERS, IMAGES, NAME, integer, text};
use super::{Printer, printer};

pub(super) const REPLICATION_CONTROLLER: Printer = printer(
    &[
        NAME,
        integer("Desired", "@io.k8s.api.core.v1.ReplicationControllerSpec#replicas"),
        integer("Current", "@io.k8s.api.core.v1.ReplicationControllerStatus#replicas"),
        integer("Ready", "@io.k8s.api.core.v1.ReplicationControllerStatus#readyReplicas"),
        AGE,
        CONTAINERS.wide(),
        IMAGES.wide(),
        text("Selector", "@io.k8s.api.core.v1.ReplicationControllerSpec#selector").wide(),
    ],
    |object, now| {
        let mut cells = replicas(object, age(object, now));
        cells.push(labels(&object["spec"]["selector"]).into());
        cells
    },
);

pub(super) const REPLICA_SET: Printer = printer(
    &[
        NAME,
        integer("Desired", "@io.k8s.api.apps.v1.ReplicaSetSpec#replicas"),
        integer("Current", "@io.k8s.api.apps.v1.ReplicaSetStatus#replicas"),
        integer("Ready", "@io.k8s.api.apps.v1.ReplicaSetStatus#readyReplicas"),
        AGE,
        CONTAINERS.wide(),
        IMAGES.wide(),
        text("Selector", "@io.k8s.api.apps.v1.ReplicaSetSpec#selector").wide(),
    ],
    |object, now| {
        let mut cells = replicas(object, age(object, now));
        cells.push(selector(&object["spec"]["selector"]).into());
        cells
    },
);

pub(super) const DEPLOYMENT: Printer = printer(
    &[
        NAME,
        text("Ready", "Number of the pod with ready state"),
        text("Up-to-date", "@io.k8s.api.apps.v1.DeploymentStatus#updatedReplicas"),
        text("Available", "@io.k8s.api.apps.v1.DeploymentStatus#availableReplicas"),
        AGE,
        CONTAINERS.wide(),
        IMAGES.wide(),
        text("Selector", "@io.k8s.api.apps.v1.DeploymentSpec#selector").wide(),
    ],
    |object, now| {
        let status = &object["status"];
        let mut cells = vec![
            name(object),
            ready_of_wanted(object),
            number(&status["updatedReplicas"]).into(),
            number(&status["availableReplicas"]).into(),
            age(object, now),
        ];
        cells.extend(containers(template_containers(object)));
        cells.push(plain_selector(&object["spec"]["selector"]).into());
        cells
    },
);

pub(super) const STATEFUL_SET: Printer = printer(
    &[
        NAME,
        text("Ready", "Number of the pod with ready state"),
        AGE,
        CONTAINERS.wide(),
        IMAGES.wide(),
    ],
    |object, now| {
        let mut cells = vec![name(object), ready_of_wanted(object), age(object, now)];
        cells.extend(containers(template_containers(object)));
        cells
    },
);

pub(super) const DAEMON_SET: Printer = printer(
    &[
        NAME,
        integer("Desired", "@io.k8s.api.apps.v1.DaemonSetStatus#desiredNumberScheduled"),
        integer("Current", "@io.k8s.api.apps.v1.DaemonSetStatus#currentNumberScheduled"),
        integer("Ready", "@io.k8s.api.apps.v1.DaemonSetStatus#numberReady"),
        integer(
            "Up-to-date",
            "@io.k8s.api.apps.v1.DaemonSetStatus#updatedNumberScheduled",
        ),
        integer("Available", "@io.k8s.api.apps.v1.DaemonSetStatus#numberAvailable"),
        text("Node Selector", "@io.k8s.api.core.v1.PodSpec#nodeSelector"),
        AGE,
        CONTAINERS.wide(),
        IMAGES.wide(),
        text("Selector", "@io.k8s.api.apps.v1.DaemonSetSpec#selector").wide(),
    ],
    |object, now| {
        let fields = [
            "desiredNumberScheduled",
            "currentNumberScheduled",
            "numberReady",
            "updatedNumberScheduled",
            "numberAvailable",
        ];
        let mut cells = vec![name(object)];
        cells.extend(
            fields
                .iter()
                .map(|field| Value::from(number(&object["status"][*field]))),
        );
        cells.push(labels(&object["spec"]["template"]["spec"]["nodeSelector"]).into());
        cells.push(age(object, now));
        cells.extend(containers(template_containers(object)));
        cells.push(selector(&object["spec"]["selector"]).into());
        cells
    },
);

pub(super) const CONTROLLER_REVISION: Printer = printer(
    &[
        NAME,
        text("Controller", "Controller of the object"),
        text("Revision", "@io.k8s.api.apps.v1.ControllerRevision#revision"),
        AGE,
    ],
    |object, now| {
        let owners = items(&object["metadata"]["ownerReferences"]);
        let controller = owners.iter().find(|owner| owner["controller"] == true).map(owner_name);
        let controller = controller.unwrap_or_else(|| "<none>".into());
        vec![
            name(object),
            controller.into(),
            number(&object["revision"]).into(),
            age(object, now),
        ]
    },
);

/// `statefulset.apps/name`, or `kind/name` for the core group.
fn owner_name(owner: &Value) -> String {
    let kind = string(&owner["kind"]);
    let kind = match string(&owner["apiVersion"]).split_once('/') {
        Some((group, _)) => format!("{kind}.{group}"),
        None => kind.to_owned(),
    };
    format!("{}/{}", kind.to_lowercase(), string(&owner["name"]))
}

fn template_containers(object: &Value) -> &Value {
    &object["spec"]["template"]["spec"]["containers"]
}

fn ready_of_wanted(object: &Value) -> Value {
    let (ready, wanted) = (
        number(&object["status"]["readyReplicas"]),
        number(&object["spec"]["replicas"]),
    );
    format!("{ready}/{wanted}").into()
}

fn replicas(object: &Value, age: Value) -> Vec<Value> {
    let status = &object["status"];
    let mut cells = vec![
        name(object),
        number(&object["spec"]["replicas"]).into(),
        number(&status["replicas"]).into(),
        number(&status["readyReplicas"]).into(),
        age,
    ];
    cells.extend(containers(template_containers(object)));
    cells
}
