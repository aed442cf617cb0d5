//! The status of a definition: which names it got, and whether it is served.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::names::{Approval, approval, approval_text, is_protected};
use super::{text_at, versions};

/// The status that the server's controllers arrive at: names that no other definition of the group holds are accepted,
/// and a definition whose names are all accepted is established. `now` stamps conditions that turned.
#[must_use]
pub fn accepted_status(crd: &Value, other_crds: &[Value], now: &str) -> Value {
    let group = text_at(crd, "/spec/group");
    let uid = |crd: &Value| {
        (
            text_at(crd, "/metadata/name").to_owned(),
            text_at(crd, "/metadata/uid").to_owned(),
        )
    };
    let others = other_crds
        .iter()
        .filter(|other| text_at(other, "/spec/group") == group && uid(other) != uid(crd));
    let (resources, kinds) = taken(others);
    let (names, problem) = accept(crd, &resources, &kinds);
    let mut status = crd
        .get("status")
        .and_then(Value::as_object)
        .cloned()
        .unwrap_or_default();
    let mut conditions = status
        .remove("conditions")
        .and_then(|list| list.as_array().cloned())
        .unwrap_or_default();
    note_approval(crd, &mut conditions, now);
    match problem {
        None => {
            set(
                &mut conditions,
                "NamesAccepted",
                "True",
                "NoConflicts",
                "no conflicts found",
                now,
            );
            let message = "the initial names have been accepted";
            if !holds(&conditions, "Established") {
                set(
                    &mut conditions,
                    "Established",
                    "True",
                    "InitialNamesAccepted",
                    message,
                    now,
                );
            }
        }
        Some((reason, message)) => {
            set(&mut conditions, "NamesAccepted", "False", reason, &message, now);
            if !conditions.iter().any(|one| text_at(one, "/type") == "Established") {
                set(
                    &mut conditions,
                    "Established",
                    "False",
                    "NotAccepted",
                    "not all names are accepted",
                    now,
                );
            }
        }
    }
    status.insert("conditions".into(), conditions.into());
    status.insert("acceptedNames".into(), names.into());
    let storage = versions(crd)
        .iter()
        .find(|version| version.get("storage") == Some(&Value::Bool(true)));
    if let (Some(storage), false) = (storage, status.contains_key("storedVersions")) {
        status.insert("storedVersions".into(), json!([text_at(storage, "/name")]));
    }
    Value::Object(status)
}

/// Whether the definition's resources are served.
#[must_use]
pub fn is_established(crd: &Value) -> bool {
    let conditions = crd.pointer("/status/conditions").and_then(Value::as_array);
    conditions.is_some_and(|conditions| holds(conditions, "Established"))
}

/// The status on the way to one that is established: the names are accepted, and the resources not served yet.
#[must_use]
pub fn installing(established: &Value) -> Option<Value> {
    let mut status = established.clone();
    let conditions = status.get_mut("conditions")?.as_array_mut()?;
    let condition = conditions
        .iter_mut()
        .find(|one| text_at(one, "/type") == "Established" && text_at(one, "/status") == "True")?;
    condition["status"] = "False".into();
    condition["reason"] = "Installing".into();
    Some(status)
}

/// Groups of the community also say whether their API is approved.
fn note_approval(crd: &Value, conditions: &mut Vec<Value>, now: &str) {
    if !is_protected(text_at(crd, "/spec/group")) {
        return;
    }
    let (state, message) = approval(approval_text(crd));
    let (value, reason) = match state {
        Approval::Missing => ("False", "MissingAnnotation"),
        Approval::Invalid => ("False", "InvalidAnnotation"),
        Approval::Bypassed => ("False", "UnapprovedAnnotation"),
        Approval::Approved => ("True", "ApprovedAnnotation"),
    };
    set(
        conditions,
        "KubernetesAPIApprovalPolicyConformant",
        value,
        reason,
        &message,
        now,
    );
}

/// Names that other definitions of the group hold: of resources, of kinds.
fn taken<'c>(others: impl Iterator<Item = &'c Value>) -> (BTreeSet<String>, BTreeSet<String>) {
    let (mut resources, mut kinds) = (BTreeSet::new(), BTreeSet::new());
    for other in others {
        let get = |key: &str| text_at(other, &format!("/status/acceptedNames/{key}")).to_owned();
        resources.extend([get("plural"), get("singular")]);
        let short = other
            .pointer("/status/acceptedNames/shortNames")
            .and_then(Value::as_array);
        resources.extend(short.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned));
        kinds.extend([get("kind"), get("listKind")]);
    }
    resources.remove("");
    kinds.remove("");
    (resources, kinds)
}

/// The names that can be accepted, and the last conflict as reason and message.
fn accept(
    crd: &Value,
    resources: &BTreeSet<String>,
    kinds: &BTreeSet<String>,
) -> (Map<String, Value>, Option<(&'static str, String)>) {
    let asked = crd
        .pointer("/spec/names")
        .and_then(Value::as_object)
        .cloned()
        .unwrap_or_default();
    let held = crd
        .pointer("/status/acceptedNames")
        .and_then(Value::as_object)
        .cloned()
        .unwrap_or_default();
    // Fields of the accepted names that are always written, even when empty.
    let mut names = Map::from_iter([("plural".to_owned(), json!("")), ("kind".to_owned(), json!(""))]);
    names.extend(held.clone());
    let mut problem = None;
    let in_use = |name: &str| format!("{name:?} is already in use");
    let single = [
        ("plural", "PluralConflict", resources),
        ("singular", "SingularConflict", resources),
    ];
    let late = [("kind", "KindConflict", kinds), ("listKind", "ListKindConflict", kinds)];
    let mut take = |key: &str, reason: &'static str, used: &BTreeSet<String>| {
        let Some(name) = asked.get(key).and_then(Value::as_str) else {
            return;
        };
        if held.get(key).and_then(Value::as_str) != Some(name) && used.contains(name) {
            problem = Some((reason, in_use(name)));
        } else {
            names.insert(key.into(), name.into());
        }
    };
    for (key, reason, used) in single {
        take(key, reason, used);
    }
    let strings = |map: &Map<String, Value>| super::super::structural::strings(map, "shortNames");
    let ours = strings(&held);
    let clashes: Vec<String> = strings(&asked)
        .iter()
        .filter(|name| !ours.contains(name) && resources.contains(*name))
        .map(|name| in_use(name))
        .collect();
    for (key, reason, used) in late {
        take(key, reason, used);
    }
    let kind_problem = problem.clone().filter(|(reason, _)| reason.ends_with("KindConflict"));
    match clashes.as_slice() {
        [] => copy(&asked, &mut names, "shortNames"),
        [one] => problem = kind_problem.or_else(|| Some(("ShortNamesConflict", one.clone()))),
        many => problem = kind_problem.or_else(|| Some(("ShortNamesConflict", format!("[{}]", many.join(", "))))),
    }
    copy(&asked, &mut names, "categories");
    (names, problem)
}

fn copy(from: &Map<String, Value>, to: &mut Map<String, Value>, key: &str) {
    match from.get(key) {
        Some(value) => to.insert(key.into(), value.clone()),
        None => to.remove(key),
    };
}

fn holds(conditions: &[Value], kind: &str) -> bool {
    conditions
        .iter()
        .any(|one| text_at(one, "/type") == kind && text_at(one, "/status") == "True")
}

fn set(conditions: &mut Vec<Value>, kind: &str, status: &str, reason: &str, message: &str, now: &str) {
    let mut condition = json!({
        "type": kind, "status": status, "lastTransitionTime": now, "reason": reason, "message": message,
    });
    match conditions.iter_mut().find(|one| text_at(one, "/type") == kind) {
        Some(existing) => {
            if text_at(existing, "/status") == status {
                condition["lastTransitionTime"] = existing["lastTransitionTime"].take();
            }
            *existing = condition;
        }
        None => conditions.push(condition),
    }
}
