//! What extends or steers the API server: webhooks, admission policies, flow control, devices.

use serde_json::Value;

use super::cell::{age, condition, count, name, plain_selector, scalar, string, string_or};
use super::column::{AGE, NAME, integer, text};
use super::{Printer, printer};

pub(super) const WEBHOOKS: Printer = printer(
    &[
        NAME,
        integer(
            "Webhooks",
            "Webhooks indicates the number of webhooks registered in this configuration",
        ),
        AGE,
    ],
    |object, now| vec![name(object), count(&object["webhooks"]).into(), age(object, now)],
);

pub(super) const VALIDATING_POLICY: Printer = printer(
    &[
        NAME,
        integer(
            "Validations",
            "Validations indicates the number of validation rules defined in this configuration",
        ),
        text(
            "ParamKind",
            "ParamKind specifies the kind of resources used to parameterize this policy",
        ),
        AGE,
    ],
    |object, now| {
        let rules = count(&object["spec"]["validations"]);
        vec![name(object), rules.into(), param_kind(object).into(), age(object, now)]
    },
);

pub(super) const MUTATING_POLICY: Printer = printer(
    &[
        NAME,
        integer(
            "Mutations",
            "Mutation indicates the number of mutations rules defined in this configuration",
        ),
        text(
            "ParamKind",
            "ParamKind specifies the kind of resources used to parameterize this policy",
        ),
        AGE,
    ],
    |object, now| {
        let rules = count(&object["spec"]["mutations"]);
        vec![name(object), rules.into(), param_kind(object).into(), age(object, now)]
    },
);

pub(super) const POLICY_BINDING: Printer = printer(
    &[
        NAME,
        text(
            "PolicyName",
            "PolicyName indicates the policy definition which the policy binding binded to",
        ),
        text(
            "ParamRef",
            "ParamRef indicates the param resource which sets the configuration param",
        ),
        AGE,
    ],
    |object, now| {
        let reference = &object["spec"]["paramRef"];
        let shown = if !string(&reference["name"]).is_empty() {
            format!(
                "{}/{}",
                string_or(&reference["namespace"], "*"),
                string(&reference["name"])
            )
        } else if reference["selector"].is_object() {
            plain_selector(&reference["selector"])
        } else {
            "<unset>".into()
        };
        vec![
            name(object),
            string(&object["spec"]["policyName"]).into(),
            shown.into(),
            age(object, now),
        ]
    },
);

pub(super) const API_SERVICE: Printer = printer(
    &[
        NAME,
        text("Service", "The reference to the service that hosts this API endpoint."),
        text("Available", "Whether this service is available."),
        AGE,
    ],
    |object, now| {
        let service = &object["spec"]["service"];
        let service = if service.is_null() {
            "Local".to_owned()
        } else {
            format!("{}/{}", string(&service["namespace"]), string(&service["name"]))
        };
        let available = match condition(object, "Available") {
            Some(found) if found["status"] == "True" => "True".to_owned(),
            Some(found) => format!("{} ({})", string(&found["status"]), string(&found["reason"])),
            None => "Unknown".to_owned(),
        };
        vec![name(object), service.into(), available.into(), age(object, now)]
    },
);

pub(super) const FLOW_SCHEMA: Printer = printer(
    &[
        NAME,
        text(
            "PriorityLevel",
            "@io.k8s.api.flowcontrol.v1.PriorityLevelConfigurationReference#name",
        ),
        text(
            "MatchingPrecedence",
            "@io.k8s.api.flowcontrol.v1.FlowSchemaSpec#matchingPrecedence",
        ),
        text(
            "DistinguisherMethod",
            "@io.k8s.api.flowcontrol.v1.FlowSchemaSpec#distinguisherMethod",
        ),
        AGE,
        text(
            "MissingPL",
            "references a broken or non-existent PriorityLevelConfiguration",
        ),
    ],
    |object, now| {
        let spec = &object["spec"];
        vec![
            name(object),
            string(&spec["priorityLevelConfiguration"]["name"]).into(),
            spec["matchingPrecedence"].as_i64().unwrap_or_default().into(),
            spec["distinguisherMethod"]["type"].as_str().unwrap_or("<none>").into(),
            age(object, now),
            condition(object, "Dangling")
                .map_or("?", |dangling| string(&dangling["status"]))
                .into(),
        ]
    },
);

pub(super) const PRIORITY_LEVEL: Printer = printer(
    &[
        NAME,
        text("Type", "@io.k8s.api.flowcontrol.v1.PriorityLevelConfigurationSpec#type"),
        text(
            "NominalConcurrencyShares",
            "@io.k8s.api.flowcontrol.v1.LimitedPriorityLevelConfiguration#nominalConcurrencyShares",
        ),
        text("Queues", "@io.k8s.api.flowcontrol.v1.QueuingConfiguration#queues"),
        text("HandSize", "@io.k8s.api.flowcontrol.v1.QueuingConfiguration#handSize"),
        text(
            "QueueLengthLimit",
            "@io.k8s.api.flowcontrol.v1.QueuingConfiguration#queueLengthLimit",
        ),
        AGE,
    ],
    |object, now| {
        let none = |value: &Value| {
            if value.is_null() {
                Value::from("<none>")
            } else {
                value.clone()
            }
        };
        let limited = &object["spec"]["limited"];
        let queuing = &limited["limitResponse"]["queuing"];
        vec![
            name(object),
            string(&object["spec"]["type"]).into(),
            none(&limited["nominalConcurrencyShares"]),
            none(&queuing["queues"]),
            none(&queuing["handSize"]),
            none(&queuing["queueLengthLimit"]),
            age(object, now),
        ]
    },
);

pub(super) const RESOURCE_CLAIM: Printer = printer(
    &[
        NAME,
        text(
            "State",
            "A summary of the current state (allocated, pending, reserved, etc.).",
        ),
        AGE,
    ],
    |object, now| {
        let deleted = !object["metadata"]["deletionTimestamp"].is_null();
        let allocated = !object["status"]["allocation"].is_null();
        let reserved = allocated && count(&object["status"]["reservedFor"]) > 0;
        let states = [
            (deleted, "deleted"),
            (!allocated && !deleted, "pending"),
            (allocated, "allocated"),
            (reserved, "reserved"),
        ];
        let states: Vec<&str> = states
            .iter()
            .filter(|(holds, _)| *holds)
            .map(|(_, state)| *state)
            .collect();
        vec![name(object), states.join(",").into(), age(object, now)]
    },
);

pub(super) const RESOURCE_SLICE: Printer = printer(
    &[
        NAME,
        text("Node", "@io.k8s.api.resource.v1.ResourceSliceSpec#nodeName"),
        text("Driver", "@io.k8s.api.resource.v1.ResourceSliceSpec#driver"),
        text("Pool", "@io.k8s.api.resource.v1.ResourcePool#name"),
        AGE,
    ],
    |object, now| {
        let spec = &object["spec"];
        vec![
            name(object),
            string(&spec["nodeName"]).into(),
            string(&spec["driver"]).into(),
            string(&spec["pool"]["name"]).into(),
            age(object, now),
        ]
    },
);

fn param_kind(object: &Value) -> String {
    let kind = &object["spec"]["paramKind"];
    if kind.is_null() {
        return "<unset>".into();
    }
    format!("{}/{}", scalar(&kind["apiVersion"]), scalar(&kind["kind"]))
}
