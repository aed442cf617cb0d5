//! Deployments, ReplicaSets, StatefulSets, DaemonSets, ReplicationControllers and their revisions.

use serde_json::Value;

use super::super::selectors::LabelSelector;
use super::super::{formats, json};
use super::problems::{Path, Problems};
use super::{go, pod, ranges, scheduling, storage};

const SPEC: Path<'static> = Path::new("spec");

/// Words that differ between the kinds.
struct Words {
    /// Name in "empty selector is invalid for …".
    kind: &'static str,
    /// Whether a missing selector is refused.
    selector_required: bool,
    /// Name in "activeDeadlineSeconds in … is not Supported".
    deadline: &'static str,
    /// What a selector that does not parse is told, besides its own problems; None for nothing.
    unparsed: Option<&'static str>,
}

pub(super) fn deployment(problems: &mut Problems, object: &Value) {
    let spec = json::get(object, "spec");
    problems.non_negative(&SPEC, spec, "replicas");
    let words = Words {
        kind: "deployment",
        selector_required: true,
        deadline: "ReplicaSet",
        unparsed: Some("invalid label selector"),
    };
    if selector(problems, spec, &words) {
        template(problems, spec, json::get(spec, "template"), &words);
    }
    deployment_strategy(problems, &SPEC.child("strategy"), json::get(spec, "strategy"));
    problems.non_negative(&SPEC, spec, "minReadySeconds");
    problems.non_negative(&SPEC, spec, "revisionHistoryLimit");
    problems.non_negative(&SPEC, spec, "progressDeadlineSeconds");
    let ready = json::int(spec, "minReadySeconds").unwrap_or(0);
    if let Some(secs) = json::int(spec, "progressDeadlineSeconds").filter(|secs| *secs <= ready) {
        let path = SPEC.child("progressDeadlineSeconds");
        problems.invalid(&path, &secs.into(), "must be greater than minReadySeconds");
    }
}

fn deployment_strategy(problems: &mut Problems, path: &Path<'_>, strategy: &Value) {
    let rolling = json::get(strategy, "rollingUpdate");
    let at = path.child("rollingUpdate");
    match json::text(strategy, "type") {
        "Recreate" => {
            if !rolling.is_null() {
                problems.forbidden(&at, "may not be specified when strategy `type` is 'Recreate'");
            }
        }
        "RollingUpdate" if rolling.is_null() => {
            problems.required(&at, "this should be defaulted and never be nil");
        }
        "RollingUpdate" => {
            let (surge, unavailable) = (json::get(rolling, "maxSurge"), json::get(rolling, "maxUnavailable"));
            ranges::count_or_percent(problems, &at.child("maxUnavailable"), unavailable);
            ranges::count_or_percent(problems, &at.child("maxSurge"), surge);
            if ranges::is_nothing(unavailable) && ranges::is_nothing(surge) {
                let detail = "may not be 0 when `maxSurge` is 0";
                problems.invalid(&at.child("maxUnavailable"), unavailable, detail);
            }
            ranges::at_most_all(problems, &at.child("maxUnavailable"), unavailable);
        }
        _ => {
            let shown = go::internal(strategy, &[("Type", "type"), ("RollingUpdate", "rollingUpdate")]);
            problems.unsupported_shown(path, shown, &["Recreate", "RollingUpdate"]);
        }
    }
}

pub(super) fn replica_set(problems: &mut Problems, object: &Value) {
    let spec = json::get(object, "spec");
    problems.non_negative(&SPEC, spec, "replicas");
    problems.non_negative(&SPEC, spec, "minReadySeconds");
    let words = Words {
        kind: "deployment",
        selector_required: true,
        deadline: "ReplicaSet",
        unparsed: Some("invalid label selector"),
    };
    if selector(problems, spec, &words) {
        template(problems, spec, json::get(spec, "template"), &words);
    }
}

/// Checks `spec.selector` and that it picks the template; false when it does not parse.
fn selector(problems: &mut Problems, spec: &Value, words: &Words) -> bool {
    let (path, given) = (SPEC.child("selector"), json::get(spec, "selector"));
    if given.is_null() {
        if words.selector_required {
            problems.required(&path, "");
        }
    } else {
        scheduling::label_selector(problems, &path, given);
        let terms = json::entries(given, "matchLabels").count() + json::list(given, "matchExpressions").len();
        if terms == 0 {
            let detail = format!("empty selector is invalid for {}", words.kind);
            problems.invalid_shown(&path, go::selector(given), &detail);
        }
    }
    let labels = json::at(spec, &["template", "metadata", "labels"]);
    match LabelSelector::from_object(given) {
        Ok(parsed) => {
            if !parsed.is_everything() && !parsed.matches(labels) {
                let detail = "`selector` does not match template `labels`";
                problems.invalid(&SPEC.child("template.metadata.labels"), labels, detail);
            }
            true
        }
        Err(_) => {
            if let Some(detail) = words.unparsed {
                problems.invalid_shown(&path, go::selector(given), detail);
            }
            false
        }
    }
}

/// A pod template that must always restart its pods.
fn template(problems: &mut Problems, spec: &Value, checked: &Value, words: &Words) {
    let path = SPEC.child("template");
    pod::template(problems, &path, checked);
    let given = json::at(spec, &["template", "spec"]);
    let policy = json::get(given, "restartPolicy");
    if policy != "Always" {
        problems.unsupported(&path.child("spec.restartPolicy"), policy, &["Always"]);
    }
    if json::has(given, "activeDeadlineSeconds") {
        let detail = format!("activeDeadlineSeconds in {} is not Supported", words.deadline);
        problems.forbidden(&path.child("spec.activeDeadlineSeconds"), &detail);
    }
}

pub(super) fn stateful_set(problems: &mut Problems, object: &Value, update: bool) {
    let spec = json::get(object, "spec");
    let policy = json::get(spec, "podManagementPolicy");
    if !matches!(policy.as_str(), Some("OrderedReady" | "Parallel")) {
        let detail = "must be 'OrderedReady' or 'Parallel'";
        problems.invalid(&SPEC.child("podManagementPolicy"), policy, detail);
    }
    stateful_strategy(problems, json::get(spec, "updateStrategy"));
    let retention = json::get(spec, "persistentVolumeClaimRetentionPolicy");
    for key in ["whenDeleted", "whenScaled"] {
        let path = SPEC.child("persistentVolumeClaimRetentionPolicy");
        problems.one_of(&path, retention, key, &["Retain", "Delete"], false);
    }
    let templates = json::list(spec, "volumeClaimTemplates");
    if !update {
        let list = SPEC.child("volumeClaimTemplates");
        for (index, claim) in templates.iter().enumerate() {
            storage::claim_spec(problems, &list.index(index).child("spec"), json::get(claim, "spec"));
        }
    }
    problems.non_negative(&SPEC, spec, "replicas");
    problems.non_negative(&SPEC, spec, "minReadySeconds");
    problems.non_negative(&SPEC.child("ordinals"), json::get(spec, "ordinals"), "start");
    let service = json::text(spec, "serviceName");
    if !update && !service.is_empty() {
        problems.format(&SPEC.child("serviceName"), service, formats::dns1123_label);
    }
    let words = Words {
        kind: "statefulset",
        selector_required: true,
        deadline: "StatefulSet",
        unparsed: Some(""),
    };
    if selector(problems, spec, &words) {
        template(
            problems,
            spec,
            &with_claims(json::get(spec, "template"), templates),
            &words,
        );
    }
}

/// The template as its pods will be: the claims' volumes first, no host name of its own.
fn with_claims(template: &Value, claims: &[Value]) -> Value {
    let mut template = template.clone();
    let name_of = |claim: &Value| json::at(claim, &["metadata", "name"]).clone();
    let Some(spec) = template.get_mut("spec").and_then(Value::as_object_mut) else {
        return template;
    };
    spec.remove("hostname");
    spec.remove("subdomain");
    if !claims.is_empty() {
        let claimed = |volume: &Value| claims.iter().any(|claim| name_of(claim) == *json::get(volume, "name"));
        let mut volumes: Vec<Value> = claims
            .iter()
            .map(|claim| serde_json::json!({"name": name_of(claim), "persistentVolumeClaim": {"claimName": name_of(claim)}}))
            .collect();
        let own = spec.get("volumes").and_then(Value::as_array).into_iter().flatten();
        volumes.extend(own.filter(|volume| !claimed(volume)).cloned());
        spec.insert("volumes".to_owned(), volumes.into());
    }
    template
}

fn stateful_strategy(problems: &mut Problems, strategy: &Value) {
    let path = SPEC.child("updateStrategy");
    let (rolling, at) = (json::get(strategy, "rollingUpdate"), path.child("rollingUpdate"));
    match json::text(strategy, "type") {
        "" => problems.required(&path, ""),
        "OnDelete" => {
            if !rolling.is_null() {
                let fields = [("Partition", "partition"), ("MaxUnavailable", "maxUnavailable")];
                let detail = "only allowed for updateStrategy 'RollingUpdate'";
                problems.invalid_shown(&at, go::internal(rolling, &fields), detail);
            }
        }
        "RollingUpdate" => {
            problems.non_negative(&at, rolling, "partition");
            let most = json::get(rolling, "maxUnavailable");
            if !most.is_null() {
                let at = at.child("maxUnavailable");
                ranges::count_or_percent(problems, &at, most);
                if ranges::is_nothing(most) {
                    problems.invalid(&at, most, "cannot be 0");
                }
                ranges::at_most_all(problems, &at, most);
            }
        }
        _ => {
            let shown = go::internal(strategy, &[("Type", "type"), ("RollingUpdate", "rollingUpdate")]);
            problems.invalid_shown(&path, shown, "must be 'RollingUpdate' or 'OnDelete'");
        }
    }
}

/// The fields of a StatefulSet's spec that may change.
const STATEFUL_MUTABLE: [&str; 7] = [
    "replicas",
    "template",
    "updateStrategy",
    "minReadySeconds",
    "ordinals",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
];

pub(super) fn stateful_set_update(problems: &mut Problems, new: &Value, old: &Value) {
    let (new, old) = (json::get(new, "spec"), json::get(old, "spec"));
    let fixed = |spec: &Value| {
        let mut spec = spec.clone();
        if let Some(fields) = spec.as_object_mut() {
            fields.retain(|key, _| !STATEFUL_MUTABLE.contains(&key.as_str()));
        }
        spec
    };
    if !json::same(&fixed(new), &fixed(old)) {
        let detail = "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', \
                      'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and \
                      'minReadySeconds' are forbidden";
        problems.forbidden(&SPEC, detail);
    }
}

pub(super) fn daemon_set(problems: &mut Problems, object: &Value) {
    let spec = json::get(object, "spec");
    let words = Words {
        kind: "daemonset",
        selector_required: false,
        deadline: "DaemonSet",
        unparsed: None,
    };
    selector(problems, spec, &words);
    template(problems, spec, json::get(spec, "template"), &words);
    problems.non_negative(&SPEC, spec, "minReadySeconds");
    daemon_strategy(problems, json::get(spec, "updateStrategy"));
    problems.non_negative(&SPEC, spec, "revisionHistoryLimit");
}

fn daemon_strategy(problems: &mut Problems, strategy: &Value) {
    let path = SPEC.child("updateStrategy");
    let (rolling, at) = (json::get(strategy, "rollingUpdate"), path.child("rollingUpdate"));
    match json::text(strategy, "type") {
        "OnDelete" => {}
        "RollingUpdate" => {
            let (surge, unavailable) = (json::get(rolling, "maxSurge"), json::get(rolling, "maxUnavailable"));
            ranges::count_or_percent(problems, &at.child("maxUnavailable"), unavailable);
            ranges::count_or_percent(problems, &at.child("maxSurge"), surge);
            ranges::at_most_all(problems, &at.child("maxUnavailable"), unavailable);
            ranges::at_most_all(problems, &at.child("maxSurge"), surge);
            match (ranges::is_nothing(unavailable), ranges::is_nothing(surge)) {
                (false, false) => {
                    let detail = "may not be set when maxUnavailable is non-zero";
                    problems.invalid(&at.child("maxSurge"), surge, detail);
                }
                (true, true) => {
                    problems.required(&at.child("maxUnavailable"), "cannot be 0 when maxSurge is 0");
                }
                _ => {}
            }
        }
        _ => {
            let shown = go::internal(strategy, &[("Type", "type"), ("RollingUpdate", "rollingUpdate")]);
            problems.unsupported_shown(&path, shown, &["RollingUpdate", "OnDelete"]);
        }
    }
}

/// The selector of a Deployment, ReplicaSet or DaemonSet never changes.
pub(super) fn same_selector(problems: &mut Problems, new: &Value, old: &Value) {
    let selector = |object| json::at(object, &["spec", "selector"]);
    let (after, before) = (selector(new), selector(old));
    if !json::same(after, before) {
        let path = SPEC.child("selector");
        problems.invalid_shown(&path, go::selector(after), super::problems::IMMUTABLE);
    }
}

pub(super) fn replication_controller(problems: &mut Problems, object: &Value) {
    let spec = json::get(object, "spec");
    problems.non_negative(&SPEC, spec, "minReadySeconds");
    let wanted = json::get(spec, "selector");
    if json::entries(spec, "selector").next().is_none() {
        problems.required(&SPEC.child("selector"), "");
    }
    problems.non_negative(&SPEC, spec, "replicas");
    if !json::has(spec, "template") {
        return problems.required(&SPEC.child("template"), "");
    }
    let labels = json::at(spec, &["template", "metadata", "labels"]);
    if !LabelSelector::from_map(wanted).matches(labels) {
        let detail = "`selector` does not match template `labels`";
        problems.invalid(&SPEC.child("template.metadata.labels"), labels, detail);
    }
    let words = Words {
        kind: "",
        selector_required: true,
        deadline: "ReplicationController",
        unparsed: None,
    };
    template(problems, spec, json::get(spec, "template"), &words);
}

pub(super) fn controller_revision(problems: &mut Problems, object: &Value) {
    problems.non_negative(&Path::ROOT, object, "revision");
    let path = Path::new("data");
    match json::get(object, "data") {
        Value::Null => problems.required(&path, "data is mandatory"),
        Value::Object(_) => {}
        _ => problems.required(&path, "data must be a valid JSON object"),
    }
}

/// Status counts: none negative, none above `replicas`.
pub(super) fn status(problems: &mut Problems, object: &Value, counts: &[&str], ready: &str) {
    let (path, status) = (Path::new("status"), json::get(object, "status"));
    for key in ["replicas"].iter().chain(counts) {
        problems.non_negative(&path, status, key);
    }
    let count = |key: &str| json::int(status, key).unwrap_or(0);
    for key in counts {
        if count(key) > count("replicas") {
            let detail = "cannot be greater than status.replicas";
            problems.invalid(&path.child(key), &count(key).into(), detail);
        }
    }
    if count("availableReplicas") > count("readyReplicas") {
        let detail = format!("cannot be greater than {ready}");
        let available = count("availableReplicas");
        problems.invalid(&path.child("availableReplicas"), &available.into(), &detail);
    }
}
