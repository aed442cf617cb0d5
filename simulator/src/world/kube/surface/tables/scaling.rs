//! Autoscalers, disruption budgets and the scale subresource.

use serde_json::Value;

use super::cell::{age, name, number, quantity, scalar, string};
use super::column::{AGE, NAME, integer, text};
use super::{Printer, printer};

pub(super) const HORIZONTAL_POD_AUTOSCALER: Printer = printer(
    &[
        NAME,
        text(
            "Reference",
            "@io.k8s.api.autoscaling.v2.HorizontalPodAutoscalerSpec#scaleTargetRef",
        ),
        text(
            "Targets",
            "@io.k8s.api.autoscaling.v2.HorizontalPodAutoscalerSpec#metrics",
        ),
        text(
            "MinPods",
            "@io.k8s.api.autoscaling.v2.HorizontalPodAutoscalerSpec#minReplicas",
        ),
        text(
            "MaxPods",
            "@io.k8s.api.autoscaling.v2.HorizontalPodAutoscalerSpec#maxReplicas",
        ),
        text(
            "Replicas",
            "@io.k8s.api.autoscaling.v2.HorizontalPodAutoscalerStatus#currentReplicas",
        ),
        AGE,
    ],
    |object, now| {
        let (spec, status) = (&object["spec"], &object["status"]);
        let target = &spec["scaleTargetRef"];
        vec![
            name(object),
            format!("{}/{}", string(&target["kind"]), string(&target["name"])).into(),
            metrics(object).into(),
            spec["minReplicas"]
                .as_i64()
                .map_or_else(|| "<unset>".to_owned(), |least| least.to_string())
                .into(),
            number(&spec["maxReplicas"]).into(),
            number(&status["currentReplicas"]).into(),
            age(object, now),
        ]
    },
);

pub(super) const POD_DISRUPTION_BUDGET: Printer = printer(
    &[
        NAME,
        text("Min Available", "The minimum number of pods that must be available."),
        text("Max Unavailable", "The maximum number of pods that may be unavailable."),
        integer(
            "Allowed Disruptions",
            "Calculated number of pods that may be disrupted at this time.",
        ),
        AGE,
    ],
    |object, now| {
        let limit = |field: &str| match &object["spec"][field] {
            Value::Null => "N/A".to_owned(),
            limit => scalar(limit),
        };
        vec![
            name(object),
            limit("minAvailable").into(),
            limit("maxUnavailable").into(),
            number(&object["status"]["disruptionsAllowed"]).into(),
            age(object, now),
        ]
    },
);

pub(super) const SCALE: Printer = printer(
    &[
        text("Name", "@io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta#name"),
        integer("Desired", "@io.k8s.api.autoscaling.v1.ScaleSpec#replicas"),
        integer("Available", "@io.k8s.api.autoscaling.v1.ScaleStatus#replicas"),
        AGE,
    ],
    |object, now| {
        let replicas = |field: &str| Value::from(number(&object[field]["replicas"]));
        vec![name(object), replicas("spec"), replicas("status"), age(object, now)]
    },
);

/// `cpu: 20%/80%, memory: <unknown>/1Gi + 1 more...`
fn metrics(object: &Value) -> String {
    /// How many metrics the cell names before it counts the rest.
    const SHOWN: usize = 2;
    let spec = &object["spec"];
    let Some(wanted) = spec["metrics"].as_array().filter(|list| !list.is_empty()) else {
        return v1_metrics(object);
    };
    let current = &object["status"]["currentMetrics"];
    let all: Vec<String> = wanted
        .iter()
        .enumerate()
        .map(|(index, metric)| show(metric, &current[index]))
        .collect();
    let shown = all
        .iter()
        .take(SHOWN)
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(", ");
    if all.len() > SHOWN {
        format!("{shown} + {} more...", all.len() - SHOWN)
    } else {
        shown
    }
}

/// The one metric that autoscaling/v1 knows.
fn v1_metrics(object: &Value) -> String {
    let percent = |value: &Value| value.as_i64().map(|percent| format!("{percent}%"));
    let Some(target) = percent(&object["spec"]["targetCPUUtilizationPercentage"]) else {
        return "<none>".into();
    };
    let current = percent(&object["status"]["currentCPUUtilizationPercentage"]);
    format!("cpu: {}/{target}", current.as_deref().unwrap_or("<unknown>"))
}

fn show(metric: &Value, status: &Value) -> String {
    let field = match string(&metric["type"]) {
        "External" => "external",
        "Pods" => "pods",
        "Object" => "object",
        "Resource" => "resource",
        "ContainerResource" => "containerResource",
        _ => return "<unknown type>".into(),
    };
    let (wanted, current) = (&metric[field], &status[field]["current"]);
    let target = &wanted["target"];
    let known = |value: &Value| {
        if value.is_null() {
            "<unknown>".to_owned()
        } else {
            quantity(value)
        }
    };
    let average = target.get("averageValue");
    match field {
        "pods" => format!(
            "{}/{}",
            known(&current["averageValue"]),
            quantity(&target["averageValue"])
        ),
        "external" | "object" => match average {
            Some(average) => format!("{}/{} (avg)", known(&current["averageValue"]), quantity(average)),
            None => format!("{}/{}", known(&current["value"]), quantity(&target["value"])),
        },
        _ => {
            let resource = string(&wanted["name"]);
            let percent = |value: &Value| value.as_i64().map(|percent| format!("{percent}%"));
            match average {
                Some(average) => format!("{resource}: {}/{}", known(&current["averageValue"]), quantity(average)),
                None => {
                    let now = percent(&current["averageUtilization"]).unwrap_or_else(|| "<unknown>".into());
                    let goal = percent(&target["averageUtilization"]).unwrap_or_else(|| "<auto>".into());
                    format!("{resource}: {now}/{goal}")
                }
            }
        }
    }
}
