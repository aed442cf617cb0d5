//! Jobs and CronJobs.

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::selectors::LabelSelector;
use super::super::{formats, json};
use super::problems::{Path, Problems};
use super::{cron, go, pod, scheduling};

const SPEC: Path<'static> = Path::new("spec");
/// Most pods of an indexed Job at a time.
const INDEXED_PARALLELISM_MAX: i64 = 100_000;
/// Longest `managedBy`, bytes.
const MANAGED_BY_MAX: usize = 63;

pub(super) fn job(problems: &mut Problems, object: &Value) {
    let (metadata, spec) = (json::get(object, "metadata"), json::get(object, "spec"));
    generated_selector(problems, metadata, spec);
    whole_spec(problems, spec);
    let completions = json::int(spec, "completions").unwrap_or(0);
    if json::text(spec, "completionMode") == "Indexed" && completions > 0 {
        let name = json::text(metadata, "name");
        let last = format!("{name}-{}", completions - 1);
        if !formats::dns1123_label(&last).is_empty() {
            let detail = format!("will not able to create pod with invalid DNS label: {last}");
            problems.invalid_text(&Path::new("metadata.name"), name, &detail);
        }
    }
}

fn whole_spec(problems: &mut Problems, spec: &Value) {
    job_spec(problems, &SPEC, spec);
    let selector = json::get(spec, "selector");
    if selector.is_null() {
        problems.required(&SPEC.child("selector"), "");
    } else {
        scheduling::label_selector(problems, &SPEC.child("selector"), selector);
    }
    let labels = json::at(spec, &["template", "metadata", "labels"]);
    if LabelSelector::from_object(selector).is_ok_and(|parsed| !parsed.matches(labels)) {
        let detail = "`selector` does not match template `labels`";
        problems.invalid(&SPEC.child("template.metadata.labels"), labels, detail);
    }
}

/// The labels and the selector that the server generates must not be contradicted.
fn generated_selector(problems: &mut Problems, metadata: &Value, spec: &Value) {
    if json::flag(spec, "manualSelector") || !json::has(spec, "selector") {
        return;
    }
    let labels = json::at(spec, &["template", "metadata", "labels"]);
    let (name, uid) = (json::get(metadata, "name"), json::get(metadata, "uid"));
    let expected = [
        ("controller-uid", uid),
        ("job-name", name),
        ("batch.kubernetes.io/controller-uid", uid),
        ("batch.kubernetes.io/job-name", name),
    ];
    let path = SPEC.child("template.metadata.labels");
    for (key, value) in expected {
        match json::get(labels, key) {
            Value::Null => {
                let detail = format!("must be '{}'", value.as_str().unwrap_or_default());
                problems.required(&path.key(key), &detail);
            }
            given if given != value => {
                let detail = format!("must be '{}'", value.as_str().unwrap_or_default());
                problems.invalid(&path.key(key), labels, &detail);
            }
            _ => {}
        }
    }
    let own: serde_json::Map<String, Value> = expected
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).clone()))
        .collect();
    let selector = json::get(spec, "selector");
    if LabelSelector::from_object(selector).is_ok_and(|parsed| !parsed.matches(&own.clone().into())) {
        problems.invalid_shown(
            &SPEC.child("selector"),
            go::selector(selector),
            "`selector` not auto-generated",
        );
    }
}

/// A Job's spec, in a Job or in a CronJob.
fn job_spec(problems: &mut Problems, path: &Path<'_>, spec: &Value) {
    let counts = [
        "parallelism",
        "completions",
        "activeDeadlineSeconds",
        "backoffLimit",
        "ttlSecondsAfterFinished",
        "backoffLimitPerIndex",
        "maxFailedIndexes",
    ];
    for key in counts {
        problems.non_negative(path, spec, key);
    }
    if json::has(spec, "maxFailedIndexes") && !json::has(spec, "backoffLimitPerIndex") {
        problems.required(
            &path.child("backoffLimitPerIndex"),
            "when maxFailedIndexes is specified",
        );
    }
    managed_by(problems, &path.child("managedBy"), spec);
    problems.one_of(path, spec, "completionMode", &["NonIndexed", "Indexed"], false);
    match json::text(spec, "completionMode") {
        "Indexed" => indexed(problems, path, spec),
        "" | "NonIndexed" => {
            for key in ["backoffLimitPerIndex", "maxFailedIndexes"] {
                if json::has(spec, key) {
                    let detail = "requires indexed completion mode";
                    problems.invalid(&path.child(key), json::get(spec, key), detail);
                }
            }
        }
        _ => {}
    }
    if json::has(spec, "podFailurePolicy") {
        failure_policy(problems, &path.child("podFailurePolicy.rules"), spec);
    }
    success_policy(problems, &path.child("successPolicy"), spec);
    let replaced: &[&str] = if json::has(spec, "podFailurePolicy") {
        &["Failed"]
    } else {
        &["Failed", "TerminatingOrFailed"]
    };
    problems.one_of(path, spec, "podReplacementPolicy", replaced, false);
    pod::template(problems, &path.child("template"), json::get(spec, "template"));
    restart_policy(problems, &path.child("template.spec.restartPolicy"), spec);
}

fn restart_policy(problems: &mut Problems, path: &Path<'_>, spec: &Value) {
    let policy = json::at(spec, &["template", "spec", "restartPolicy"]);
    match policy.as_str().unwrap_or_default() {
        "" | "Always" => problems.required(path, "valid values: \"OnFailure\", \"Never\""),
        "Never" => {}
        "OnFailure" => {
            if json::has(spec, "podFailurePolicy") {
                let detail = "only \"Never\" is supported when podFailurePolicy is specified";
                problems.invalid(path, policy, detail);
            }
        }
        _ => problems.unsupported(path, policy, &["OnFailure", "Never"]),
    }
}

fn managed_by(problems: &mut Problems, path: &Path<'_>, spec: &Value) {
    let Some(name) = json::get(spec, "managedBy").as_str() else {
        return;
    };
    domain_prefixed_path(problems, path, name);
    if name.len() > MANAGED_BY_MAX {
        problems.too_long(&path.to_string(), MANAGED_BY_MAX);
    }
}

/// `acme.io/foo`
pub(super) fn domain_prefixed_path(problems: &mut Problems, path: &Path<'_>, text: &str) {
    if text.is_empty() {
        return problems.required(path, "");
    }
    match text.split_once('/') {
        Some((domain, rest)) if !domain.is_empty() && !rest.is_empty() => {
            problems.format(path, domain, formats::dns1123_subdomain);
            let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"/-._~%!$&'()*+,;=:".contains(&byte);
            if !rest.bytes().all(fits) {
                let detail = "Invalid path (regex used for validation is '[A-Za-z0-9/\\-._~%!$&'()*+,;=:]+')";
                problems.invalid_text(path, rest, detail);
            }
        }
        _ => problems.invalid_text(path, text, "must be a domain-prefixed path (such as \"acme.io/foo\")"),
    }
}

fn indexed(problems: &mut Problems, path: &Path<'_>, spec: &Value) {
    let number = |key: &str| json::int(spec, key);
    if number("completions").is_none() {
        problems.required(&path.child("completions"), "when completion mode is Indexed");
    }
    if let Some(pods) = number("parallelism").filter(|pods| *pods > INDEXED_PARALLELISM_MAX) {
        let detail = format!("must be less than or equal to {INDEXED_PARALLELISM_MAX} when completion mode is Indexed");
        problems.invalid(&path.child("parallelism"), &pods.into(), &detail);
    }
    let Some(failed) = number("maxFailedIndexes") else {
        if number("completions").is_some_and(|all| all > 100_000) && json::has(spec, "backoffLimitPerIndex") {
            let detail = "must be specified when completions is above 100000";
            problems.required(&path.child("maxFailedIndexes"), detail);
        }
        return;
    };
    if number("completions").is_some_and(|all| failed > all) {
        let detail = "must be less than or equal to completions";
        problems.invalid(&path.child("maxFailedIndexes"), &failed.into(), detail);
    }
    if failed > 100_000 {
        let detail = "must be less than or equal to 100000";
        problems.invalid(&path.child("maxFailedIndexes"), &failed.into(), detail);
    }
}

fn success_policy(problems: &mut Problems, path: &Path<'_>, spec: &Value) {
    let policy = json::get(spec, "successPolicy");
    if policy.is_null() {
        return;
    }
    let rules = json::list(policy, "rules");
    if json::text(spec, "completionMode") != "Indexed" {
        let shown: Vec<String> = rules
            .iter()
            .map(|rule| {
                go::internal(
                    rule,
                    &[
                        ("SucceededIndexes", "succeededIndexes"),
                        ("SucceededCount", "succeededCount"),
                    ],
                )
            })
            .collect();
        let shown = format!("{{\"Rules\":[{}]}}", shown.join(","));
        return problems.invalid_shown(path, shown, "requires indexed completion mode");
    }
    let list = path.child("rules");
    if rules.is_empty() {
        let detail = "at least one rules must be specified when the successPolicy is specified";
        problems.required(&list, detail);
    }
    for (index, rule) in rules.iter().enumerate() {
        if !json::has(rule, "succeededCount") && !json::has(rule, "succeededIndexes") {
            let detail = "at least one of succeededCount or succeededIndexes must be specified";
            problems.required(&list.index(index), detail);
        }
        problems.non_negative(&list.index(index), rule, "succeededCount");
    }
}

fn failure_policy(problems: &mut Problems, list: &Path<'_>, spec: &Value) {
    let template = json::at(spec, &["template", "spec"]);
    let names: BTreeSet<&str> = ["containers", "initContainers"]
        .iter()
        .flat_map(|key| json::list(template, key))
        .map(|container| json::text(container, "name"))
        .collect();
    for (index, rule) in json::list(json::get(spec, "podFailurePolicy"), "rules")
        .iter()
        .enumerate()
    {
        let path = list.index(index);
        let action = json::get(rule, "action");
        let supported = ["Count", "FailIndex", "FailJob", "Ignore"];
        match action.as_str().unwrap_or_default() {
            "" => {
                let detail = "valid values: [\"Count\" \"FailIndex\" \"FailJob\" \"Ignore\"]";
                problems.required(&path.child("action"), detail);
            }
            "FailIndex" if !json::has(spec, "backoffLimitPerIndex") => {
                let detail = "requires the backoffLimitPerIndex to be set";
                problems.invalid(&path.child("action"), action, detail);
            }
            text if !supported.contains(&text) => problems.unsupported(&path.child("action"), action, &supported),
            _ => {}
        }
        let (codes, conditions) = (json::get(rule, "onExitCodes"), json::list(rule, "onPodConditions"));
        if !codes.is_null() {
            exit_codes(problems, &path.child("onExitCodes"), codes, &names);
        }
        let at = path.child("onPodConditions");
        for (index, pattern) in conditions.iter().enumerate() {
            let path = at.index(index);
            problems.format(
                &path.child("type"),
                json::text(pattern, "type"),
                formats::qualified_name,
            );
            problems.one_of(&path, pattern, "status", &["False", "True", "Unknown"], false);
        }
        match (codes.is_null(), conditions.is_empty()) {
            (false, false) => {
                let detail = "specifying both OnExitCodes and OnPodConditions is not supported";
                problems.invalid_bare(&path, detail);
            }
            (true, true) => {
                let detail = "specifying one of OnExitCodes and OnPodConditions is required";
                problems.invalid_bare(&path, detail);
            }
            _ => {}
        }
    }
}

fn exit_codes(problems: &mut Problems, path: &Path<'_>, codes: &Value, names: &BTreeSet<&str>) {
    match json::text(codes, "operator") {
        "" => problems.required(&path.child("operator"), "valid values: [\"In\" \"NotIn\"]"),
        _ => problems.one_of(path, codes, "operator", &["In", "NotIn"], false),
    }
    if let Some(name) = json::get(codes, "containerName")
        .as_str()
        .filter(|name| !names.contains(name))
    {
        let detail = "must be one of the container or initContainer names in the pod template";
        problems.invalid_text(&path.child("containerName"), name, detail);
    }
    let (list, values) = (path.child("values"), json::list(codes, "values"));
    if values.is_empty() {
        problems.invalid(&list, &Value::Array(Vec::new()), "at least one value is required");
    }
    let mut seen = BTreeSet::new();
    for (index, value) in values.iter().enumerate() {
        if json::text(codes, "operator") == "In" && value == 0 {
            problems.invalid(&list.index(index), value, "must not be 0 for the In operator");
        }
        if !seen.insert(value.as_i64()) {
            problems.duplicate(&list.index(index), value);
        }
    }
    let numbers: Vec<Option<i64>> = values.iter().map(Value::as_i64).collect();
    if !numbers.is_sorted() {
        problems.invalid(&list, &values.to_vec().into(), "must be ordered");
    }
}

pub(super) fn job_update(problems: &mut Problems, new: &Value, old: &Value) {
    let (finished_start, new_spec, old_spec) = (
        json::at(old, &["status", "startTime"]),
        json::get(new, "spec"),
        json::get(old, "spec"),
    );
    whole_spec(problems, new_spec);
    completions(problems, new_spec, old_spec);
    let same = |problems: &mut Problems, key: &str| {
        problems.immutable(&SPEC.child(key), json::get(new_spec, key), json::get(old_spec, key));
    };
    same(problems, "selector");
    // A Job that waits and has never run may still be told where and with what to run.
    let loose = json::flag(old_spec, "suspend") && finished_start.is_null();
    let (after, before) = (json::get(new_spec, "template"), json::get(old_spec, "template"));
    if !json::same(&fixed_template(after, loose), &fixed_template(before, loose)) {
        if loose {
            let (path, spec) = (SPEC.child("template.spec"), json::get(after, "spec"));
            problems.immutable(&path, spec, &Value::Null);
        } else {
            problems.immutable(&SPEC.child("template"), after, before);
        }
    }
    for key in [
        "completionMode",
        "podFailurePolicy",
        "backoffLimitPerIndex",
        "managedBy",
        "successPolicy",
    ] {
        same(problems, key);
    }
}

/// The template without what a suspended Job may change.
fn fixed_template(template: &Value, loose: bool) -> Value {
    let mut template = template.clone();
    if !loose {
        return template;
    }
    if let Some(metadata) = template.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove("labels");
        metadata.remove("annotations");
    }
    if let Some(spec) = template.get_mut("spec").and_then(Value::as_object_mut) {
        for key in ["nodeSelector", "tolerations", "schedulingGates", "affinity"] {
            spec.remove(key);
        }
        for list in ["containers", "initContainers"] {
            for container in json::each(spec, list) {
                container.remove("resources");
            }
        }
    }
    template
}

fn completions(problems: &mut Problems, new: &Value, old: &Value) {
    let (after, before) = (json::get(new, "completions"), json::get(old, "completions"));
    let path = SPEC.child("completions");
    if json::text(new, "completionMode") != "Indexed" {
        problems.immutable(&path, after, before);
    } else if after != before && !after.is_null() && after != json::get(new, "parallelism") {
        problems.invalid(&path, after, "can only be modified in tandem with spec.parallelism");
    }
}

pub(super) fn cron_job(problems: &mut Problems, object: &Value, old: Option<&Value>) {
    let spec = json::get(object, "spec");
    let schedule = json::text(spec, "schedule");
    let path = SPEC.child("schedule");
    if schedule.is_empty() {
        problems.required(&path, "");
    } else {
        if let Err(why) = cron::check(schedule) {
            problems.invalid_text(&path, schedule, &why);
        }
        let had_zone = old.is_some_and(|old| json::text(json::get(old, "spec"), "schedule").contains("TZ"));
        if schedule.contains("TZ") && !had_zone {
            let detail = "cannot use TZ or CRON_TZ in schedule, use timeZone field instead";
            problems.invalid_text(&path, schedule, detail);
        }
    }
    problems.non_negative(&SPEC, spec, "startingDeadlineSeconds");
    let zone = json::get(spec, "timeZone");
    let kept = old.is_some_and(|old| json::at(old, &["spec", "timeZone"]) == zone);
    if let Some(name) = zone.as_str().filter(|_| !kept) {
        time_zone(problems, &SPEC.child("timeZone"), name);
    }
    problems.one_of(&SPEC, spec, "concurrencyPolicy", &["Allow", "Forbid", "Replace"], true);
    let template = SPEC.child("jobTemplate.spec");
    let job = json::at(spec, &["jobTemplate", "spec"]);
    job_spec(problems, &template, job);
    if json::has(job, "selector") {
        let shown = go::selector(json::get(job, "selector"));
        problems.invalid_shown(&template.child("selector"), shown, "`selector` will be auto-generated");
    }
    if json::flag(job, "manualSelector") {
        problems.unsupported(&template.child("manualSelector"), &true.into(), &["nil", "false"]);
    }
    problems.non_negative(&SPEC, spec, "successfulJobsHistoryLimit");
    problems.non_negative(&SPEC, spec, "failedJobsHistoryLimit");
    let name = json::at(object, &["metadata", "name"]).as_str().unwrap_or_default();
    // Eleven characters are kept for what the controller appends to the Job's name.
    if old.is_none() && name.len() > formats::LABEL_MAX - 11 {
        problems.invalid_text(&Path::new("metadata.name"), name, "must be no more than 52 characters");
    }
}

/// The shape of an IANA time zone name. There is no zone table here: a well-formed name of a known region is taken.
fn time_zone(problems: &mut Problems, path: &Path<'_>, name: &str) {
    const REGIONS: [&str; 16] = [
        "Africa",
        "America",
        "Antarctica",
        "Arctic",
        "Asia",
        "Atlantic",
        "Australia",
        "Europe",
        "Indian",
        "Pacific",
        "Etc",
        "US",
        "Canada",
        "Brazil",
        "Chile",
        "Mexico",
    ];
    if name.is_empty() {
        return problems.invalid_text(path, name, "timeZone must be nil or non-empty string");
    }
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._-+".contains(&byte);
    let part_fits = |part: &str| {
        !matches!(part, "" | "." | "..") && part.len() <= 14 && !part.starts_with('-') && part.bytes().all(fits)
    };
    let known = name.split_once('/').is_none_or(|(region, _)| REGIONS.contains(&region));
    if !name.split('/').all(part_fits) || !known {
        return problems.invalid_text(path, name, &format!("unknown time zone {name}"));
    }
    if name.eq_ignore_ascii_case("local") {
        let detail = "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones";
        problems.invalid_text(path, name, detail);
    }
}

/// Bounds that a Job's status keeps.
pub(super) fn job_status(problems: &mut Problems, new: &Value, old: &Value) {
    let (path, status) = (Path::new("status"), json::get(new, "status"));
    for key in ["active", "succeeded", "failed", "ready", "terminating"] {
        problems.non_negative(&path, status, key);
    }
    let count = |object: &Value, key: &str| json::int(json::get(object, "status"), key).unwrap_or(0);
    let holds = |object: &Value, kind: &str| {
        let conditions = json::list(json::get(object, "status"), "conditions");
        conditions
            .iter()
            .any(|one| json::text(one, "type") == kind && json::text(one, "status") == "True")
    };
    for (end, before) in [("Complete", "SuccessCriteriaMet"), ("Failed", "FailureTarget")] {
        if holds(new, end) && !holds(old, end) {
            if !holds(new, before) {
                let detail = format!("cannot set {end}=True condition without the {before}=true condition");
                problems.invalid_shown(&path.child("conditions"), String::new(), &detail);
            }
            if !json::has(status, "startTime") {
                problems.required(&path.child("startTime"), "startTime is required for finished job");
            }
            if count(new, "active") > 0 {
                let detail = "active>0 is invalid for finished job";
                problems.invalid(&path.child("active"), &count(new, "active").into(), detail);
            }
        }
    }
    if count(new, "ready") > count(new, "active") {
        let detail = "cannot set more ready pods than active";
        problems.invalid(&path.child("ready"), &count(new, "ready").into(), detail);
    }
    for key in ["failed", "succeeded"] {
        if count(new, key) < count(old, key) {
            let detail = format!("cannot decrease the {key} counter");
            problems.invalid(&path.child(key), &count(new, key).into(), &detail);
        }
    }
}
