//! Whether something holds.

use serde_json::Value;

use super::format::{Check, ObjectPath};
use super::picture::Picture;
use crate::world::arm::Aks;
use crate::world::control::object::{list, text};

/// What is wrong with a check: it says nothing, or only half.
pub(super) fn fault(check: &Check) -> Option<String> {
    let Check {
        object,
        absent,
        condition,
        reason,
        message,
        field,
        is,
        count,
        pools,
    } = check;
    let about_object = *absent || !condition.is_empty() || !field.is_empty();
    match (object.is_some(), count.is_some() || pools.is_some()) {
        (false, false) => Some("nothing is named".into()),
        (true, true) => Some("an object and a number in one check".into()),
        (false, true) if about_object => Some("a condition or field without an object".into()),
        (true, false) if condition.is_empty() && !(reason.is_empty() && message.is_empty()) => {
            Some("reason and message belong to a condition".into())
        }
        (true, false) if !condition.is_empty() && condition.split_once('=').is_none() => {
            Some(format!("condition {condition:?} must be written Type=Status"))
        }
        _ if field.is_empty() != is.is_none() => Some("field and is belong together".into()),
        _ => None,
    }
}

/// Whether a check holds now.
pub(super) fn holds(check: &Check, picture: &Picture, aks: &Aks) -> bool {
    let Check {
        object, count, pools, ..
    } = check;
    if let Some(count) = count {
        return picture.of(&count.kind).count() == count.is;
    }
    if let Some(pools) = pools {
        return aks.pools().len() == *pools;
    }
    let Some(object) = object else {
        return false;
    };
    let found = matching(object, picture);
    match check.absent {
        true => found.is_empty(),
        false => found.iter().any(|found| is_so(check, found)),
    }
}

/// What is there instead, in words.
pub(super) fn instead(check: &Check, picture: &Picture, aks: &Aks) -> String {
    if let Some(count) = &check.count {
        return format!("there are {} of kind {}", picture.of(&count.kind).count(), count.kind);
    }
    if check.pools.is_some() {
        let pools: Vec<String> = aks
            .pools()
            .into_iter()
            .map(|pool| format!("{} {}", pool.name, pool.state))
            .collect();
        return format!("agent pools: [{}]", pools.join(", "));
    }
    let Some(object) = &check.object else {
        return String::new();
    };
    match matching(object, picture).as_slice() {
        [] => format!("there is no {object}"),
        [found, ..] if !check.condition.is_empty() => {
            let type_ = check.condition.split('=').next().unwrap_or_default();
            let told = list(found, "/status/conditions")
                .iter()
                .find(|it| text(it, "/type") == type_);
            told.map_or_else(
                || format!("{object} has no condition {type_}"),
                |it| {
                    format!(
                        "{object} says {type_}={} {}: {}",
                        text(it, "/status"),
                        text(it, "/reason"),
                        text(it, "/message")
                    )
                },
            )
        }
        [found, ..] if !check.field.is_empty() => {
            format!(
                "{object} has {} at {}",
                found.pointer(&check.field).unwrap_or(&Value::Null),
                check.field
            )
        }
        _ => format!("{object} is there"),
    }
}

fn matching<'a>(wanted: &ObjectPath, picture: &'a Picture) -> Vec<&'a Value> {
    match wanted.name.strip_suffix('*') {
        None => picture.objects.get(wanted).into_iter().collect(),
        Some(prefix) => picture
            .objects
            .iter()
            .filter(|(path, _)| {
                path.kind == wanted.kind && path.namespace == wanted.namespace && path.name.starts_with(prefix)
            })
            .map(|(_, object)| object)
            .collect(),
    }
}

fn is_so(check: &Check, object: &Value) -> bool {
    let condition = match check.condition.split_once('=') {
        None => true,
        Some((type_, status)) => list(object, "/status/conditions").iter().any(|it| {
            text(it, "/type") == type_
                && text(it, "/status") == status
                && (check.reason.is_empty() || text(it, "/reason") == check.reason)
                && text(it, "/message").contains(&check.message)
        }),
    };
    let field = check.field.is_empty() || object.pointer(&check.field) == check.is.as_ref();
    condition && field
}
