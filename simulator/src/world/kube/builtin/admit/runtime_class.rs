//! What the RuntimeClass of a new Pod adds to it, and what it refuses. (`RuntimeClass` of 1.36.)
//!
//! Knows no store: the caller looks the class up, and puts `… is forbidden: ` before the text of a refusal.

use serde_json::Value;

use super::super::json::{self, Object, child, ensure};
use super::super::totals::amounts;

/// The RuntimeClass that a pod names; empty for none.
#[must_use]
pub fn name(pod: &Value) -> &str {
    json::text(json::get(pod, "spec"), "runtimeClassName")
}

/// Writes what the class adds to a new pod: overhead, node selector, tolerations. None is a class that does not exist.
pub fn apply(pod: &mut Value, class: Option<&Value>) -> Result<(), String> {
    let wanted = name(pod);
    if wanted.is_empty() {
        return Ok(());
    }
    let Some(class) = class else {
        return Err(format!("pod rejected: RuntimeClass {wanted:?} not found"));
    };
    let Some(spec) = pod.as_object_mut().and_then(|root| child(root, "spec")) else {
        return Ok(());
    };
    add_overhead(spec, class)?;
    let scheduling = json::get(class, "scheduling");
    select_nodes(spec, json::get(scheduling, "nodeSelector"))?;
    tolerate(spec, json::list(scheduling, "tolerations"));
    Ok(())
}

/// Why a pod whose overhead is none of its class's is refused.
#[must_use]
pub fn refusal(pod: &Value, class: Option<&Value>) -> Option<String> {
    let given = json::at(pod, &["spec", "overhead"]);
    let fixed = class.map_or(&json::NULL, |class| json::at(class, &["overhead", "podFixed"]));
    if given == fixed || amounts(given) == amounts(fixed) {
        None
    } else if amounts(fixed).is_empty() {
        Some("pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead".to_owned())
    } else {
        Some(OTHER_OVERHEAD.to_owned())
    }
}

const OTHER_OVERHEAD: &str = "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead";

fn add_overhead(spec: &mut Object, class: &Value) -> Result<(), String> {
    let fixed = json::at(class, &["overhead", "podFixed"]);
    if amounts(fixed).is_empty() {
        return Ok(());
    }
    let given = spec.get("overhead").filter(|given| !given.is_null());
    if given.is_some_and(|given| amounts(given) != amounts(fixed)) {
        return Err(OTHER_OVERHEAD.to_owned());
    }
    spec.insert("overhead".to_owned(), fixed.clone());
    Ok(())
}

fn select_nodes(spec: &mut Object, wanted: &Value) -> Result<(), String> {
    let Some(wanted) = wanted.as_object().filter(|wanted| !wanted.is_empty()) else {
        return Ok(());
    };
    let Some(selector) = ensure(spec, "nodeSelector") else {
        return Ok(());
    };
    for (key, value) in wanted {
        if let Some(other) = selector.get(key).filter(|other| *other != value) {
            return Err(format!(
                "conflict: runtimeClass.scheduling.nodeSelector[{key}] = {}; pod.spec.nodeSelector[{key}] = {}",
                value.as_str().unwrap_or_default(),
                other.as_str().unwrap_or_default()
            ));
        }
        selector.insert(key.clone(), value.clone());
    }
    Ok(())
}

/// Of two tolerations where one covers the other, the wider stays.
fn tolerate(spec: &mut Object, more: &[Value]) {
    if more.is_empty() {
        return;
    }
    let mut all = spec
        .get("tolerations")
        .and_then(Value::as_array)
        .cloned()
        .unwrap_or_default();
    all.extend(more.iter().cloned());
    let mut merged: Vec<Value> = Vec::new();
    for (index, one) in all.iter().enumerate() {
        let mut later = all.iter().skip(index + 1);
        if !merged.iter().any(|kept| covers(kept, one)) && !later.any(|other| other != one && covers(other, one)) {
            merged.push(one.clone());
        }
    }
    spec.insert("tolerations".to_owned(), merged.into());
}

fn covers(wide: &Value, one: &Value) -> bool {
    let (of_wide, of_one) = (|key| json::text(wide, key), |key| json::text(one, key));
    if wide == one {
        return true;
    }
    let any_key = of_wide("key").is_empty() && of_wide("operator") == "Exists";
    let any_effect = of_wide("effect").is_empty();
    if (of_one("key") != of_wide("key") && !any_key) || (of_one("effect") != of_wide("effect") && !any_effect) {
        return false;
    }
    if of_wide("effect") == "NoExecute"
        && let Some(most) = json::int(wide, "tolerationSeconds")
        && json::int(one, "tolerationSeconds").is_none_or(|secs| secs > most)
    {
        return false;
    }
    match of_wide("operator") {
        "Exists" => true,
        "Equal" | "" => of_one("operator") == "Equal" && of_one("value") == of_wide("value"),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod() -> Value {
        json!({"spec": {"runtimeClassName": "r", "nodeSelector": {"a": "b"},
            "tolerations": [{"key": "k", "operator": "Exists"}]}})
    }

    #[test]
    fn an_unknown_class_is_refused() {
        assert_eq!(
            apply(&mut pod(), None),
            Err("pod rejected: RuntimeClass \"r\" not found".to_owned())
        );
        assert_eq!(apply(&mut json!({"spec": {}}), None), Ok(()));
    }

    #[test]
    fn a_class_adds_what_it_needs() {
        let class = json!({"overhead": {"podFixed": {"cpu": "1"}}, "scheduling": {"nodeSelector": {"c": "d"},
            "tolerations": [{"key": "k", "operator": "Exists", "effect": "NoSchedule"},
                {"key": "l", "operator": "Exists"}]}});
        let mut pod = pod();
        assert_eq!(apply(&mut pod, Some(&class)), Ok(()));
        let expected = json!({"runtimeClassName": "r", "nodeSelector": {"a": "b", "c": "d"}, "overhead": {"cpu": "1"},
            "tolerations": [{"key": "k", "operator": "Exists"}, {"key": "l", "operator": "Exists"}]});
        assert_eq!(pod["spec"], expected);
        assert_eq!(refusal(&pod, Some(&class)), None);
        assert!(refusal(&pod, None).is_some());
    }

    #[test]
    fn selectors_must_not_disagree() {
        let class = json!({"scheduling": {"nodeSelector": {"a": "x"}}});
        assert_eq!(
            apply(&mut pod(), Some(&class)),
            Err("conflict: runtimeClass.scheduling.nodeSelector[a] = x; pod.spec.nodeSelector[a] = b".to_owned())
        );
    }
}
