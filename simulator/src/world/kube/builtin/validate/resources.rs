//! Resource names and amounts in requests, limits, quotas.

use serde_json::Value;

use super::super::quantity::Quantity;
use super::super::{formats, json};
use super::problems::{NEGATIVE, Path, Problems};

/// Who asks for resources.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Holder {
    /// A container.
    Container,
    /// A pod as a whole: only `cpu`, `memory` and huge pages.
    Pod,
}

/// Limits and requests of one holder.
pub(super) fn requirements(problems: &mut Problems, path: &Path<'_>, given: &Value, holder: Holder) {
    let (limits, requests) = (json::get(given, "limits"), json::get(given, "requests"));
    list(problems, &path.child("limits"), limits, holder);
    let requests_path = path.child("requests");
    for (name, value) in requests.as_object().into_iter().flatten() {
        let at = requests_path.key(name);
        resource_name(problems, &at, name, holder);
        amount(problems, &at, name, value);
        let Some(request) = Quantity::from_value(value) else {
            continue;
        };
        let shown = shown(value);
        match Quantity::from_value(json::get(limits, name)) {
            Some(limit) if request != limit && !overcommits(name) => {
                let detail = format!("must be equal to {name} limit of {limit}");
                problems.invalid_text(&requests_path, &shown, &detail);
            }
            Some(limit) if request > limit => {
                let detail = format!("must be less than or equal to {name} limit of {limit}");
                problems.invalid_text(&requests_path, &shown, &detail);
            }
            None if !overcommits(name) => {
                problems.required(
                    &path.child("limits"),
                    "Limit must be set for non overcommitable resources",
                );
            }
            _ => {}
        }
        huge_pages(problems, &at, name, value);
    }
    let names = || {
        json::entries(given, "limits")
            .chain(json::entries(given, "requests"))
            .map(|(name, _)| name.as_str())
    };
    if names().any(|name| name.starts_with("hugepages-")) && !names().any(|name| matches!(name, "cpu" | "memory")) {
        problems.forbidden(path, "HugePages require cpu or memory");
    }
}

/// One list of amounts.
pub(super) fn list(problems: &mut Problems, path: &Path<'_>, amounts: &Value, holder: Holder) {
    for (name, value) in amounts.as_object().into_iter().flatten() {
        let at = path.key(name);
        resource_name(problems, &at, name, holder);
        amount(problems, &at, name, value);
        huge_pages(problems, &at, name, value);
    }
}

/// An amount that is not negative and, for resources that are counted, whole.
pub(super) fn amount(problems: &mut Problems, path: &Path<'_>, name: &str, value: &Value) {
    let Some(quantity) = Quantity::from_value(value) else {
        return;
    };
    if quantity.is_negative() {
        problems.invalid_text(path, &shown(value), NEGATIVE);
    }
    if is_counted(name) && !quantity.is_whole() {
        problems.invalid_text(path, &shown(value), "must be an integer");
    }
}

fn huge_pages(problems: &mut Problems, path: &Path<'_>, name: &str, value: &Value) {
    let Some(size) = name.strip_prefix("hugepages-") else {
        return;
    };
    let (Some(size), Some(given)) = (Quantity::parse(size).ok(), Quantity::from_value(value)) else {
        return;
    };
    let divisible = size.nanos() > 0 && given.nanos() % size.nanos() == 0;
    if !divisible {
        let shown = shown(value);
        problems.invalid_text(
            path,
            &shown,
            &format!("{shown} is not positive integer multiple of {name}"),
        );
    }
}

fn shown(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
}

fn resource_name(problems: &mut Problems, path: &Path<'_>, name: &str, holder: Holder) {
    let before = problems.len();
    problems.format(path, name, formats::qualified_name);
    let qualified = name.contains('/');
    if problems.len() == before && !qualified && !is_standard(name) {
        problems.invalid_text(path, name, "must be a standard resource type or fully qualified");
    }
    match holder {
        Holder::Container if !qualified => {
            if !is_for_containers(name) {
                problems.invalid_text(path, name, "must be a standard resource for containers");
            }
        }
        Holder::Container => {
            if !is_native(name) && !is_extended(name) {
                problems.invalid_text(path, name, "doesn't follow extended resource name standard");
            }
        }
        Holder::Pod => {
            let fits = matches!(name, "cpu" | "memory") || name.starts_with("hugepages-");
            if problems.len() == before && !fits {
                problems.unsupported(path, &name.into(), &["cpu", "hugepages-", "memory"]);
            }
        }
    }
}

fn is_for_containers(name: &str) -> bool {
    matches!(name, "cpu" | "memory" | "ephemeral-storage") || name.starts_with("hugepages-")
}

/// Resources that stand without a domain.
pub(super) fn is_standard(name: &str) -> bool {
    is_for_containers(name)
        || is_counted(name)
        || matches!(
            name,
            "storage"
                | "requests.cpu"
                | "requests.memory"
                | "requests.storage"
                | "requests.ephemeral-storage"
                | "limits.cpu"
                | "limits.memory"
                | "limits.ephemeral-storage"
        )
}

/// Resources that come in whole numbers only.
fn is_counted(name: &str) -> bool {
    is_extended(name)
        || matches!(
            name,
            "pods"
                | "services"
                | "replicationcontrollers"
                | "resourcequotas"
                | "secrets"
                | "configmaps"
                | "persistentvolumeclaims"
                | "services.nodeports"
                | "services.loadbalancers"
        )
}

fn is_native(name: &str) -> bool {
    !name.contains('/') || name.contains("kubernetes.io/")
}

/// A device plugin's resource, e.g. `nvidia.com/gpu`.
pub(super) fn is_extended(name: &str) -> bool {
    !is_native(name)
        && !name.starts_with("requests.")
        && formats::qualified_name(&format!("requests.{name}")).is_empty()
}

fn overcommits(name: &str) -> bool {
    is_native(name) && !name.starts_with("hugepages-")
}

/// References to the pod's resource claims.
pub(super) fn claims(problems: &mut Problems, path: &Path<'_>, given: &Value, known: &[&str]) {
    for (index, claim) in json::list(given, "claims").iter().enumerate() {
        let name = json::text(claim, "name");
        if name.is_empty() {
            problems.required(&path.index(index), "");
        } else if !known.contains(&name) {
            let detail = match known {
                [] => "must be one of the names in pod.spec.resourceClaims which is empty".to_owned(),
                known => format!(
                    "must be one of the names in pod.spec.resourceClaims: {}",
                    known.join(", ")
                ),
            };
            problems.not_found(&path.index(index), name, &detail);
        }
    }
}
