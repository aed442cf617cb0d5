//! What a pod asks for in sum, and the quality of service that follows from it.
//!
//! Knows pod specs; the scheduler and quota use it too.

use std::collections::BTreeMap;

use serde_json::Value;

use super::json::{self, Object};
use super::quantity::Quantity;

/// Amounts by resource name.
pub type Amounts = BTreeMap<String, Quantity>;

/// The amounts of a resource list (`limits`, `requests`, `allocatable`, …); entries that do not parse are left out.
#[must_use]
pub fn amounts(list: &Value) -> Amounts {
    let entries = list.as_object().into_iter().flatten();
    entries
        .filter_map(|(name, value)| Some((name.clone(), Quantity::from_value(value)?)))
        .collect()
}

/// What a whole pod requests: its containers, or the pod-level requests where given, plus its overhead.
#[must_use]
pub fn pod_requests(spec: &Value) -> Amounts {
    let Some(fields) = spec.as_object() else {
        return Amounts::new();
    };
    let mut total = containers(fields, "requests");
    total.extend(amounts(json::at(spec, &["resources", "requests"])));
    add(&mut total, &amounts(json::get(spec, "overhead")));
    total
}

/// The sum of the containers' `limits` or `requests`: all that run together, or one init container at a time with the
/// sidecars (init containers that restart) started before it, whichever is more.
#[must_use]
pub(crate) fn containers(spec: &Object, which: &str) -> Amounts {
    let list = |name: &str| spec.get(name).and_then(Value::as_array).into_iter().flatten();
    let of = |container: &Value| amounts(json::at(container, &["resources", which]));
    let mut together = Amounts::new();
    for container in list("containers") {
        add(&mut together, &of(container));
    }
    let (mut sidecars, mut peak) = (Amounts::new(), Amounts::new());
    for container in list("initContainers") {
        let own = of(container);
        if json::text(container, "restartPolicy") == "Always" {
            add(&mut together, &own);
            add(&mut sidecars, &own);
            max(&mut peak, &sidecars);
        } else {
            let mut at_once = sidecars.clone();
            add(&mut at_once, &own);
            max(&mut peak, &at_once);
        }
    }
    max(&mut together, &peak);
    together
}

fn add(total: &mut Amounts, more: &Amounts) {
    for (name, amount) in more {
        let sum = total.get(name).map_or(*amount, |have| have.plus(*amount));
        total.insert(name.clone(), sum);
    }
}

fn max(total: &mut Amounts, other: &Amounts) {
    for (name, amount) in other {
        let most = total.get(name).map_or(*amount, |have| (*have).max(*amount));
        total.insert(name.clone(), most);
    }
}

/// `status.qosClass` of a pod with this spec.
#[must_use]
pub fn qos_class(spec: &Value) -> &'static str {
    let pod_level = json::get(spec, "resources");
    let holders: Vec<&Value> = if json::has(pod_level, "requests") || json::has(pod_level, "limits") {
        vec![pod_level]
    } else {
        let lists = ["initContainers", "containers"];
        let containers = lists.iter().flat_map(|name| json::list(spec, name));
        containers.map(|container| json::get(container, "resources")).collect()
    };
    let compute = |list: &Value| -> Amounts {
        let mut found = amounts(list);
        found.retain(|name, amount| matches!(name.as_str(), "cpu" | "memory") && !amount.is_zero());
        found
    };
    let (mut requests, mut limits) = (Amounts::new(), Amounts::new());
    let mut all_limited = true;
    for holder in &holders {
        let own = compute(json::get(holder, "limits"));
        all_limited &= own.len() == 2;
        add(&mut limits, &own);
        add(&mut requests, &compute(json::get(holder, "requests")));
    }
    if requests.is_empty() && limits.is_empty() {
        return "BestEffort";
    }
    let covered = requests.iter().all(|(name, amount)| limits.get(name) == Some(amount));
    if all_limited && covered && requests.len() == limits.len() {
        "Guaranteed"
    } else {
        "Burstable"
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn quality_of_service() {
        let both = json!({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "1000m", "memory": "1Gi"}});
        for (resources, expected) in [
            (json!({}), "BestEffort"),
            (json!({"limits": {"nvidia.com/gpu": "1"}}), "BestEffort"),
            (json!({"requests": {"cpu": "1"}}), "Burstable"),
            (json!({"limits": {"cpu": "1"}, "requests": {"cpu": "1"}}), "Burstable"),
            (both, "Guaranteed"),
        ] {
            assert_eq!(qos_class(&json!({"containers": [{"resources": resources}]})), expected);
        }
    }

    #[test]
    fn sidecars_count_with_everything_after_them() {
        let of = |cpu: &str| json!({"resources": {"requests": {"cpu": cpu}}});
        let mut sidecar = of("2");
        sidecar["restartPolicy"] = "Always".into();
        let spec = json!({"initContainers": [of("1"), sidecar, of("5")], "containers": [of("1"), of("1")],
            "overhead": {"cpu": "100m"}});
        let total = pod_requests(&spec);
        assert_eq!(total.get("cpu").map(ToString::to_string).as_deref(), Some("7100m"));
    }
}
