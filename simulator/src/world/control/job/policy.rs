//! Pod failure policies and success policies: rules in, verdicts out.
//!
//! Must not know: how verdicts are carried out.

use serde_json::Value;

use super::super::object::{int, list, name, namespace, text};
use super::indexes::Indexes;

/// What a failed pod means for its Job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It counts towards the back-off limit.
    Count,
    /// It does not count.
    Ignore,
    /// Its index has failed.
    FailIndex,
    /// The Job has failed, with this message.
    FailJob(String),
}

/// Judges a failed pod by `spec.podFailurePolicy`; the first rule that matches decides.
pub(super) fn judge(job: &Value, pod: &Value) -> Verdict {
    for (index, rule) in list(job, "/spec/podFailurePolicy/rules").iter().enumerate() {
        let action = text(rule, "/action");
        let what = if let Some(wanted) = rule.get("onExitCodes").filter(|wanted| wanted.is_object()) {
            matching_exit(pod, wanted).map(|(container, code)| {
                let (namespace, pod) = (namespace(pod), name(pod));
                format!("Container {container} for pod {namespace}/{pod} failed with exit code {code}")
            })
        } else {
            matching_condition(pod, list(rule, "/onPodConditions"))
                .map(|condition| format!("Pod {}/{} has condition {condition}", namespace(pod), name(pod)))
        };
        if let Some(what) = what {
            return match action {
                "Ignore" => Verdict::Ignore,
                "FailIndex" => Verdict::FailIndex,
                "FailJob" => Verdict::FailJob(format!("{what} matching {action} rule at index {index}")),
                _ => Verdict::Count,
            };
        }
    }
    Verdict::Count
}

fn matching_exit<'a>(pod: &'a Value, wanted: &Value) -> Option<(&'a str, i64)> {
    let statuses = ["/status/containerStatuses", "/status/initContainerStatuses"];
    let mut statuses = statuses.into_iter().flat_map(|pointer| list(pod, pointer));
    statuses.find_map(|status| {
        let code = int(status, "/state/terminated/exitCode").filter(|code| *code != 0)?;
        let container = text(status, "/name");
        let asked = text(wanted, "/containerName");
        let listed = list(wanted, "/values").iter().any(|value| value.as_i64() == Some(code));
        let fits = match text(wanted, "/operator") {
            "In" => listed,
            "NotIn" => !listed,
            _ => false,
        };
        (fits && (asked.is_empty() || asked == container)).then_some((container, code))
    })
}

fn matching_condition<'a>(pod: &'a Value, wanted: &[Value]) -> Option<&'a str> {
    let mut conditions = list(pod, "/status/conditions").iter();
    let found = conditions.find(|have| {
        let fits = |wanted: &Value| {
            let status = Some(text(wanted, "/status"))
                .filter(|status| !status.is_empty())
                .unwrap_or("True");
            text(wanted, "/type") == text(have, "/type") && status == text(have, "/status")
        };
        wanted.iter().any(fits)
    });
    found.map(|have| text(have, "/type"))
}

/// The message of the first rule of `spec.successPolicy` that these indexes fulfil.
pub(super) fn succeeded(job: &Value, completions: i64, done: &Indexes) -> Option<String> {
    if done.total() == 0 {
        return None;
    }
    let rules = list(job, "/spec/successPolicy/rules").iter();
    let met = |rule: &Value| {
        let wanted_count = int(rule, "/succeededCount");
        let Some(wanted) = rule.get("succeededIndexes").and_then(Value::as_str) else {
            return wanted_count.is_some_and(|wanted| done.total() >= wanted);
        };
        let wanted = Indexes::parse(wanted, completions);
        let common = done.common(&wanted);
        wanted.total() > 0 && (common == wanted.total() || wanted_count.is_some_and(|wanted| common >= wanted))
    };
    let place = rules.into_iter().position(met)?;
    Some(format!("Matched rules at index {place}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_first_matching_rule_decides() {
        let job = json!({"spec": {"podFailurePolicy": {"rules": [
            {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
            {"action": "FailJob", "onExitCodes": {"containerName": "main", "operator": "In", "values": [42]}},
            {"action": "FailIndex", "onExitCodes": {"operator": "NotIn", "values": [1]}},
        ]}}});
        let pod = |container: &str, code: i64, condition: &str| {
            json!({
                "metadata": {"namespace": "d", "name": "p"},
                "status": {
                    "containerStatuses": [{"name": container, "state": {"terminated": {"exitCode": code}}}],
                    "conditions": [{"type": condition, "status": "True"}],
                },
            })
        };
        let told = "Container main for pod d/p failed with exit code 42 matching FailJob rule at index 1";
        let cases = [
            (pod("main", 42, "DisruptionTarget"), Verdict::Ignore),
            (pod("main", 42, "Other"), Verdict::FailJob(told.into())),
            (pod("side", 42, "Other"), Verdict::FailIndex),
            (pod("main", 1, "Other"), Verdict::Count),
            (pod("main", 0, "Other"), Verdict::Count),
        ];
        for (pod, wanted) in cases {
            assert_eq!(judge(&job, &pod), wanted, "{pod}");
        }
    }

    #[test]
    fn success_needs_the_named_indexes() {
        let job = json!({"spec": {"successPolicy": {"rules": [
            {"succeededIndexes": "0,2-3", "succeededCount": 2},
            {"succeededCount": 4},
        ]}}});
        let cases = [("0,1", None), ("0,3", Some(0)), ("1,4-6", Some(1))];
        for (done, wanted) in cases {
            let wanted = wanted.map(|place: usize| format!("Matched rules at index {place}"));
            assert_eq!(succeeded(&job, 8, &Indexes::parse(done, 8)), wanted, "{done}");
        }
    }
}
