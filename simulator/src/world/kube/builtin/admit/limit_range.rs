//! What the LimitRanges of a namespace fill into new Pods, and what they refuse. (`LimitRanger` of 1.36.)
//!
//! Knows LimitRange objects as stored, Pods and PersistentVolumeClaims; knows no store and no other plug-in: the caller
//! looks the ranges up, and puts `… is forbidden: ` before the text of a refusal.

use serde_json::Value;

use super::super::json::{self, Object, child, each, ensure};
use super::super::quantity::Quantity;
use super::super::totals::{self, Amounts, amounts};

/// Says what was filled in.
const ANNOTATION: &str = "kubernetes.io/limit-ranger";

/// Fills the ranges' defaults into the containers of a new pod.
pub fn fill_in(pod: &mut Value, ranges: &[Value]) {
    for range in ranges {
        fill_in_one(pod, range);
    }
}

fn fill_in_one(pod: &mut Value, range: &Value) {
    let (mut requests, mut limits) = (Object::new(), Object::new());
    for limit in limits_of(range, "Container") {
        let pairs = |key| json::entries(limit, key).map(|(name, value)| (name.clone(), value.clone()));
        requests.extend(pairs("defaultRequest"));
        limits.extend(pairs("default"));
    }
    let Some(root) = pod.as_object_mut() else { return };
    let Some(spec) = child(root, "spec") else { return };
    let mut notes = Vec::new();
    for (list, title) in [("containers", "container"), ("initContainers", "init container")] {
        for container in each(spec, list) {
            let name = container.get("name").and_then(Value::as_str).unwrap_or_default();
            let name = name.to_owned();
            let Some(resources) = ensure(container, "resources") else {
                continue;
            };
            for (key, what, defaults) in [("requests", "request", &requests), ("limits", "limit", &limits)] {
                let set = fill_list(resources, key, defaults);
                if !set.is_empty() {
                    notes.push(format!("{} {what} for {title} {name}", set.join(", ")));
                }
            }
        }
    }
    if notes.is_empty() {
        return;
    }
    let annotations = ensure(root, "metadata").and_then(|metadata| ensure(metadata, "annotations"));
    if let Some(annotations) = annotations {
        let text = format!("LimitRanger plugin set: {}", notes.join("; "));
        annotations.insert(ANNOTATION.to_owned(), text.into());
    }
}

/// Adds what a resource list lacks; the answer names what was added, in order.
fn fill_list(resources: &mut Object, key: &str, defaults: &Object) -> Vec<String> {
    let mut set = Vec::new();
    let given = |resources: &Object, name: &str| resources.get(key).is_some_and(|list| json::has(list, name));
    for (name, value) in defaults {
        if given(resources, name) {
            continue;
        }
        if let Some(list) = ensure(resources, key) {
            list.insert(name.clone(), value.clone());
            set.push(name.clone());
        }
    }
    set.sort();
    set
}

/// Why the ranges refuse a new object; the first range that does speaks for all.
#[must_use]
pub fn refusal(plural: &str, object: &Value, ranges: &[Value]) -> Option<String> {
    ranges.iter().find_map(|range| {
        let mut problems = Vec::new();
        match plural {
            "pods" => pod_problems(&mut problems, object, range),
            "persistentvolumeclaims" => claim_problems(&mut problems, object, range),
            _ => {}
        }
        aggregate(problems)
    })
}

fn limits_of<'a>(range: &'a Value, kind: &'a str) -> impl Iterator<Item = &'a Value> {
    let limits = json::list(json::get(range, "spec"), "limits").iter();
    limits.filter(move |limit| json::text(limit, "type") == kind)
}

/// As Go's aggregates: one text as it is, several in brackets, none twice.
fn aggregate(problems: Vec<String>) -> Option<String> {
    let mut texts: Vec<String> = Vec::new();
    for text in problems {
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
    match texts.as_slice() {
        [] => None,
        [one] => Some(one.clone()),
        many => Some(format!("[{}]", many.join(", "))),
    }
}

fn pod_problems(problems: &mut Vec<String>, pod: &Value, range: &Value) {
    let spec = json::get(pod, "spec");
    // In the order of the range: an entry for pods may come before one for containers.
    for limit in json::list(json::get(range, "spec"), "limits") {
        match json::text(limit, "type") {
            "Container" => {
                let lists = ["containers", "initContainers"];
                for container in lists.iter().flat_map(|list| json::list(spec, list)) {
                    let of = |key: &str| amounts(json::at(container, &["resources", key]));
                    bounds(problems, limit, &of("requests"), &of("limits"));
                }
            }
            "Pod" => {
                let of = |key: &str| {
                    let mut sum = json::get(pod, "spec")
                        .as_object()
                        .map_or_else(Amounts::new, |spec| totals::containers(spec, key));
                    sum.extend(amounts(json::at(spec, &["resources", key])));
                    sum
                };
                bounds(problems, limit, &of("requests"), &of("limits"));
            }
            _ => {}
        }
    }
}

fn claim_problems(problems: &mut Vec<String>, claim: &Value, range: &Value) {
    let requests = amounts(json::at(claim, &["spec", "resources", "requests"]));
    for limit in limits_of(range, "PersistentVolumeClaim") {
        for (name, least) in &amounts(json::get(limit, "min")) {
            problems.extend(below(limit, name, *least, &requests, &Amounts::new()));
        }
        // A claim has no limits: what it requests must stay below the maximum.
        for (name, most) in &amounts(json::get(limit, "max")) {
            let lead = format!("maximum {name} usage per PersistentVolumeClaim is {most}");
            match requests.get(name) {
                None => problems.push(format!("{lead}.  No request is specified")),
                Some(request) if exceeds(*request, *most) => {
                    problems.push(format!("{lead}, but request is {request}"));
                }
                Some(_) => {}
            }
        }
    }
}

fn bounds(problems: &mut Vec<String>, limit: &Value, requests: &Amounts, limits: &Amounts) {
    for (name, least) in &amounts(json::get(limit, "min")) {
        problems.extend(below(limit, name, *least, requests, limits));
    }
    for (name, most) in &amounts(json::get(limit, "max")) {
        problems.extend(above(limit, name, *most, requests, limits));
    }
    for (name, ratio) in &amounts(json::get(limit, "maxLimitRequestRatio")) {
        problems.extend(apart(limit, name, *ratio, requests, limits));
    }
}

/// Compared in whole thousandths, as the server does.
fn exceeds(one: Quantity, other: Quantity) -> bool {
    one.rounded_to_milli() > other.rounded_to_milli()
}

fn below(limit: &Value, name: &str, least: Quantity, requests: &Amounts, limits: &Amounts) -> Option<String> {
    let lead = format!("minimum {name} usage per {} is {least}", json::text(limit, "type"));
    let Some(request) = requests.get(name) else {
        return Some(format!("{lead}.  No request is specified"));
    };
    if exceeds(least, *request) {
        return Some(format!("{lead}, but request is {request}"));
    }
    let given = limits.get(name).filter(|given| exceeds(least, **given))?;
    Some(format!("{lead}, but limit is {given}"))
}

fn above(limit: &Value, name: &str, most: Quantity, requests: &Amounts, limits: &Amounts) -> Option<String> {
    let lead = format!("maximum {name} usage per {} is {most}", json::text(limit, "type"));
    let Some(given) = limits.get(name) else {
        return Some(format!("{lead}.  No limit is specified"));
    };
    if exceeds(*given, most) {
        return Some(format!("{lead}, but limit is {given}"));
    }
    let request = requests.get(name).filter(|request| exceeds(**request, most))?;
    Some(format!("{lead}, but request is {request}"))
}

fn apart(limit: &Value, name: &str, most: Quantity, requests: &Amounts, limits: &Amounts) -> Option<String> {
    let kind = json::text(limit, "type");
    let lead = format!("{name} max limit to request ratio per {kind} is {most}");
    let Some(request) = requests.get(name).filter(|request| !request.is_zero()) else {
        return Some(format!("{lead}, but no request is specified or request is 0"));
    };
    let Some(given) = limits.get(name).filter(|given| !given.is_zero()) else {
        return Some(format!("{lead}, but no limit is specified or limit is 0"));
    };
    // Go's floats: the text shows six decimals.
    #[allow(clippy::cast_precision_loss)]
    let ratio = given.milli() as f64 / request.milli() as f64;
    #[allow(clippy::cast_precision_loss)]
    let allowed = most.milli() as f64;
    (ratio * 1000.0 > allowed).then(|| format!("{lead}, but provided ratio is {ratio:.6}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn ranges(limits: Value) -> Vec<Value> {
        vec![json!({"spec": {"limits": limits}})]
    }

    fn pod(containers: Value) -> Value {
        json!({"metadata": {"name": "p"}, "spec": {"containers": containers}})
    }

    #[test]
    fn defaults_are_filled_in_and_noted() {
        let ranges = ranges(
            json!([{"type": "Container", "default": {"cpu": "500m", "memory": "256Mi"},
            "defaultRequest": {"cpu": "100m", "memory": "256Mi"}}]),
        );
        let mut pod = pod(json!([{"name": "c"}, {"name": "d", "resources": {"limits": {"cpu": "1"}}}]));
        fill_in(&mut pod, &ranges);
        let limits = json!({"cpu": "500m", "memory": "256Mi"});
        assert_eq!(pod["spec"]["containers"][0]["resources"]["limits"], limits);
        assert_eq!(pod["spec"]["containers"][1]["resources"]["limits"]["cpu"], "1");
        assert_eq!(
            pod["metadata"]["annotations"][ANNOTATION],
            "LimitRanger plugin set: cpu, memory request for container c; cpu, memory limit for container c; \
             cpu, memory request for container d; memory limit for container d"
        );
    }

    #[test]
    fn nothing_to_fill_in_leaves_a_pod_alone() {
        let mut one = pod(json!([{"name": "c", "resources": {}}]));
        fill_in(&mut one, &ranges(json!([{"type": "Pod", "max": {"cpu": "1"}}])));
        assert_eq!(one, pod(json!([{"name": "c", "resources": {}}])));
    }

    #[test]
    fn containers_out_of_bounds_are_refused() {
        let ranges = ranges(json!([{"type": "Container", "max": {"cpu": "2"}, "min": {"cpu": "50m"}}]));
        let pod = pod(json!([
            {"resources": {"limits": {"cpu": "3"}, "requests": {"cpu": "3"}}},
            {"resources": {"limits": {"cpu": "500m"}, "requests": {"cpu": "10m"}}},
        ]));
        assert_eq!(
            refusal("pods", &pod, &ranges).as_deref(),
            Some(
                "[maximum cpu usage per Container is 2, but limit is 3, minimum cpu usage per Container is 50m, but \
                 request is 10m]"
            )
        );
    }

    #[test]
    fn what_must_be_said_and_is_not() {
        let ranges = ranges(json!([{"type": "Pod", "max": {"cpu": "2"}, "min": {"memory": "1Gi"},
            "maxLimitRequestRatio": {"memory": "2"}}]));
        assert_eq!(
            refusal("pods", &pod(json!([{"name": "c"}])), &ranges).as_deref(),
            Some(
                "[minimum memory usage per Pod is 1Gi.  No request is specified, maximum cpu usage per Pod is 2.  No \
                 limit is specified, memory max limit to request ratio per Pod is 2, but no request is specified or \
                 request is 0]"
            )
        );
    }

    #[test]
    fn ratios_are_kept() {
        let ranges = ranges(json!([{"type": "Container", "maxLimitRequestRatio": {"cpu": "2"}}]));
        let of = |limit: &str| pod(json!([{"resources": {"limits": {"cpu": limit}, "requests": {"cpu": "1"}}}]));
        assert_eq!(refusal("pods", &of("2"), &ranges), None);
        assert_eq!(
            refusal("pods", &of("2500m"), &ranges).as_deref(),
            Some("cpu max limit to request ratio per Container is 2, but provided ratio is 2.500000")
        );
    }

    #[test]
    fn claims_are_bounded_by_what_they_request() {
        let ranges = ranges(json!([{"type": "PersistentVolumeClaim", "max": {"storage": "5Gi"}}]));
        let claim = json!({"spec": {"resources": {"requests": {"storage": "10Gi"}}}});
        assert_eq!(
            refusal("persistentvolumeclaims", &claim, &ranges).as_deref(),
            Some("maximum storage usage per PersistentVolumeClaim is 5Gi, but request is 10Gi")
        );
    }
}
