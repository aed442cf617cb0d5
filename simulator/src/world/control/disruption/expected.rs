//! How many pods a budget expects, and how many of them must be healthy.
//!
//! Must not know: which pods are healthy.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use super::super::amounts::{Round, scaled};
use super::super::object::{controller_ref, int, name, owner_key, text};
use super::super::{Kind, View};

/// What a budget asks for.
#[derive(Debug)]
pub(super) struct Wanted {
    /// Pods that there should be.
    pub(super) pods: i64,
    /// How many of them must be healthy.
    pub(super) healthy: i64,
    /// Whether some pods have no controller whose size could be counted.
    pub(super) has_unmanaged: bool,
}

/// What the budget asks for; the error is for users.
pub(super) fn wanted(budget: &Value, pods: &[&Arc<Value>], view: &View) -> Result<Wanted, String> {
    let amount = |field: &str| {
        let spec = budget.get("spec")?;
        spec.get(field).filter(|value| !value.is_null())
    };
    let broken = || "invalid value for IntOrString: invalid type: string is not a percentage".to_owned();
    if let Some(most) = amount("maxUnavailable") {
        let (expected, has_unmanaged) = sizes(pods, view)?;
        let most = scaled(Some(most), expected, Round::Up).ok_or_else(broken)?;
        return Ok(Wanted {
            pods: expected,
            healthy: expected.saturating_sub(most).max(0),
            has_unmanaged,
        });
    }
    match amount("minAvailable") {
        Some(least) if !least.is_number() => {
            let (expected, has_unmanaged) = sizes(pods, view)?;
            Ok(Wanted {
                pods: expected,
                healthy: scaled(Some(least), expected, Round::Up).ok_or_else(broken)?,
                has_unmanaged,
            })
        }
        least => {
            let expected = i64::try_from(pods.len()).unwrap_or(i64::MAX);
            Ok(Wanted {
                pods: least.map_or(0, |_| expected),
                healthy: least.and_then(Value::as_i64).unwrap_or(0),
                has_unmanaged: false,
            })
        }
    }
}

/// The sum of the sizes of the pods' controllers, and whether a pod has none.
fn sizes(pods: &[&Arc<Value>], view: &View) -> Result<(i64, bool), String> {
    let mut sizes: BTreeMap<&str, i64> = BTreeMap::new();
    let mut has_unmanaged = false;
    for pod in pods {
        let Some(owner) = controller_ref(pod) else {
            has_unmanaged = true;
            continue;
        };
        let (id, size) = match size_of_owner(pod, view) {
            Some(found) => found,
            None => return Err(no_size(pod, owner)),
        };
        sizes.insert(id, size);
    }
    Ok((
        sizes.values().fold(0, |sum: i64, size| sum.saturating_add(*size)),
        has_unmanaged,
    ))
}

/// The uid and the size of what scales a pod. A rollout's old and new sets count as their Deployment, once.
fn size_of_owner<'a>(pod: &Value, view: &'a View) -> Option<(&'a str, i64)> {
    let size = |object: &'a Value| {
        (
            text(object, "/metadata/uid"),
            int(object, "/spec/replicas").unwrap_or(1),
        )
    };
    if let Some(set) = owner_key(pod, Kind::STATEFUL_SET) {
        return Some(size(view.get(Kind::STATEFUL_SET, &set)?));
    }
    let set = view.get(Kind::REPLICA_SET, &owner_key(pod, Kind::REPLICA_SET)?)?;
    match owner_key(set, Kind::DEPLOYMENT) {
        Some(deployment) => Some(size(view.get(Kind::DEPLOYMENT, &deployment)?)),
        None => Some(size(set)),
    }
}

/// Why a pod's controller has no size. Custom controllers with a scale subresource are not asked here.
fn no_size(pod: &Value, owner: &Value) -> String {
    let (kind, api_version) = (text(owner, "/kind"), text(owner, "/apiVersion"));
    let known = Kind::ALL
        .iter()
        .find(|known| known.kind == kind && known.api_version() == api_version);
    match known {
        Some(scaled) if [Kind::REPLICA_SET, Kind::STATEFUL_SET, Kind::DEPLOYMENT].contains(scaled) => {
            format!("found no controllers for pod {:?}", name(pod))
        }
        Some(known) if known.group.is_empty() => format!("{} does not implement the scale subresource", known.plural),
        Some(known) => format!(
            "{}.{} does not implement the scale subresource",
            known.plural, known.group
        ),
        None => format!("no matches for kind {kind:?} in version {api_version:?}"),
    }
}
