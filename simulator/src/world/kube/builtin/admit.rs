//! What the server's admission plug-ins write into a new Pod: service account and token volume, priority,
//! tolerations. (`ServiceAccount`, `Priority`, `DefaultTolerationSeconds` and `TaintNodesByCondition` of 1.36.)
//!
//! Knows no store: the caller looks the service account and the priority class up, and gives the random suffix.

pub mod limit_range;
pub mod quota;
pub mod runtime_class;

use serde_json::{Value, json};

use super::json::{self, Object, each, ensure, fill, fill_absent};
use crate::world::kube::api_error::ApiError;

/// Where the token volume is mounted.
const TOKEN_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// Seconds that a pod stays on a node that is not ready or unreachable.
const TOLERATION_SECS: i64 = 300;
/// An hour and seven seconds: the server's mark of a token that it mounted itself.
const TOKEN_SECS: i64 = 3607;
/// Length of the random suffix of the token volume's name.
pub const SUFFIX_LEN: usize = 5;

/// What admission needs to know of the world.
#[derive(Clone, Copy, Debug)]
pub struct PodContext<'a> {
    /// Random suffix of the token volume, [`SUFFIX_LEN`] letters of `bcdfghjklmnpqrstvwxz2456789`.
    pub suffix: &'a str,
    /// The ServiceAccount that the pod runs as, from [`service_account_name`]; None when it does not exist.
    pub service_account: Option<&'a Value>,
    /// The PriorityClass that `priorityClassName` names, or the global default; None when there is none.
    pub priority_class: Option<&'a Value>,
}

/// The service account that a new pod will run as.
#[must_use]
pub fn service_account_name(pod: &Value) -> &str {
    let spec = json::get(pod, "spec");
    let names = [
        json::text(spec, "serviceAccountName"),
        json::text(spec, "serviceAccount"),
    ];
    names.into_iter().find(|name| !name.is_empty()).unwrap_or("default")
}

/// Whether the kubelet made this pod from a file; such pods keep their spec.
fn is_mirror(pod: &Object) -> bool {
    pod.get("metadata")
        .is_some_and(|metadata| !json::at(metadata, &["annotations", "kubernetes.io/config.mirror"]).is_null())
}

/// Writes what admission adds to a new pod, or says why it is refused (403, worded as the server words it).
pub fn admit_pod(pod: &mut Value, context: &PodContext<'_>) -> Result<(), ApiError> {
    let namespace = json::at(pod, &["metadata", "namespace"])
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let name = json::at(pod, &["metadata", "name"])
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let account = service_account_name(pod).to_owned();
    let refuse = |why: &str| ApiError::forbidden("", "pods", &name, why);
    let Some(root) = pod.as_object_mut() else { return Ok(()) };
    let mirror = is_mirror(root);
    let Some(spec) = ensure(root, "spec") else {
        return Ok(());
    };
    tolerate(spec);
    if !mirror {
        let Some(found) = context.service_account else {
            let why = format!(
                "error looking up service account {namespace}/{account}: serviceaccount \"{account}\" not found"
            );
            return Err(refuse(&why));
        };
        spec.insert("serviceAccountName".to_owned(), account.as_str().into());
        spec.insert("serviceAccount".to_owned(), account.into());
        if automounts(found, spec) {
            mount_token(spec, context.suffix);
        }
        let secrets = json::list(found, "imagePullSecrets");
        if !secrets.is_empty() {
            fill_absent(spec, "imagePullSecrets", secrets.to_vec());
        }
    }
    prioritise(spec, context.priority_class, &refuse)
}

fn automounts(account: &Value, spec: &Object) -> bool {
    let choices = [
        spec.get("automountServiceAccountToken"),
        account.get("automountServiceAccountToken"),
    ];
    choices.into_iter().flatten().find_map(Value::as_bool).unwrap_or(true)
}

fn mount_token(spec: &mut Object, suffix: &str) {
    const PREFIX: &str = "kube-api-access-";
    let existing = each(spec, "volumes")
        .filter_map(|volume| volume.get("name").and_then(Value::as_str))
        .find(|name| name.starts_with(PREFIX))
        .map(ToOwned::to_owned);
    let name = existing.clone().unwrap_or_else(|| format!("{PREFIX}{suffix}"));
    let mut mounted = false;
    for list in ["initContainers", "containers"] {
        for container in each(spec, list) {
            fill_absent(container, "volumeMounts", json!([]));
            let Some(mounts) = container.get_mut("volumeMounts").and_then(Value::as_array_mut) else {
                continue;
            };
            if mounts.iter().all(|mount| json::text(mount, "mountPath") != TOKEN_PATH) {
                mounts.push(json!({"name": name, "readOnly": true, "mountPath": TOKEN_PATH}));
                mounted = true;
            }
        }
    }
    if mounted && existing.is_none() {
        fill_absent(spec, "volumes", json!([]));
        if let Some(volumes) = spec.get_mut("volumes").and_then(Value::as_array_mut) {
            volumes.push(token_volume(&name));
        }
    }
}

fn token_volume(name: &str) -> Value {
    let namespace = json!({"apiVersion": "v1", "fieldPath": "metadata.namespace"});
    json!({"name": name, "projected": {"defaultMode": 0o644, "sources": [
        {"serviceAccountToken": {"expirationSeconds": TOKEN_SECS, "path": "token"}},
        {"configMap": {"name": "kube-root-ca.crt", "items": [{"key": "ca.crt", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": namespace}]}},
    ]}})
}

/// Every pod leaves a broken node after five minutes unless it says otherwise; on update too.
pub(super) fn tolerate(spec: &mut Object) {
    for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
        fill_absent(spec, "tolerations", json!([]));
        let Some(tolerations) = spec.get_mut("tolerations").and_then(Value::as_array_mut) else {
            return;
        };
        let covers = |toleration: &Value| {
            let (own, effect) = (json::text(toleration, "key"), json::text(toleration, "effect"));
            (own.is_empty() || own == key) && (effect.is_empty() || effect == "NoExecute")
        };
        if !tolerations.iter().any(covers) {
            tolerations.push(json!({
                "key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": TOLERATION_SECS,
            }));
        }
    }
}

/// The priority of a class that the server always has.
fn system_priority(name: &str) -> Option<i64> {
    match name {
        "system-cluster-critical" => Some(2_000_000_000),
        "system-node-critical" => Some(2_000_001_000),
        _ => None,
    }
}

fn prioritise(spec: &mut Object, class: Option<&Value>, refuse: &dyn Fn(&str) -> ApiError) -> Result<(), ApiError> {
    let named = spec
        .get("priorityClassName")
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned();
    let (priority, policy) = match class {
        Some(class) => {
            fill(
                spec,
                "priorityClassName",
                json::at(class, &["metadata", "name"]).clone(),
            );
            let policy = json::get(class, "preemptionPolicy")
                .as_str()
                .unwrap_or("PreemptLowerPriority");
            (json::int(class, "value").unwrap_or(0), policy)
        }
        None if named.is_empty() => (0, "PreemptLowerPriority"),
        None => match system_priority(&named) {
            Some(priority) => (priority, "PreemptLowerPriority"),
            None => return Err(refuse(&format!("no PriorityClass with name {named} was found"))),
        },
    };
    if let Some(given) = spec
        .get("priority")
        .and_then(Value::as_i64)
        .filter(|given| *given != priority)
    {
        return Err(refuse(&format!(
            "the integer value of priority ({given}) must not be provided in pod spec; priority admission controller \
             computed {priority} from the given PriorityClass name"
        )));
    }
    if let Some(given) = spec
        .get("preemptionPolicy")
        .and_then(Value::as_str)
        .filter(|given| *given != policy)
    {
        return Err(refuse(&format!(
            "the string value of PreemptionPolicy ({given}) must not be provided in pod spec; priority admission \
             controller computed {policy} from the given PriorityClass name"
        )));
    }
    spec.insert("priority".to_owned(), priority.into());
    spec.insert("preemptionPolicy".to_owned(), policy.into());
    Ok(())
}

/// A new node is tainted until the node controller finds it ready.
pub fn admit_node(node: &mut Value) {
    const KEY: &str = "node.kubernetes.io/not-ready";
    let Some(spec) = node.as_object_mut().and_then(|root| ensure(root, "spec")) else {
        return;
    };
    fill_absent(spec, "taints", json!([]));
    let Some(taints) = spec.get_mut("taints").and_then(Value::as_array_mut) else {
        return;
    };
    let same = |taint: &Value| json::text(taint, "key") == KEY && json::text(taint, "effect") == "NoSchedule";
    if !taints.iter().any(same) {
        taints.push(json!({"key": KEY, "effect": "NoSchedule"}));
    }
}

/// The finalizer that protects a claim or a volume in use (`StorageObjectInUseProtection`).
pub fn protect_storage(object: &mut Value, claim: bool) {
    let name = if claim {
        "kubernetes.io/pvc-protection"
    } else {
        "kubernetes.io/pv-protection"
    };
    let Some(metadata) = object.as_object_mut().and_then(|root| ensure(root, "metadata")) else {
        return;
    };
    fill_absent(metadata, "finalizers", json!([]));
    if let Some(finalizers) = metadata.get_mut("finalizers").and_then(Value::as_array_mut)
        && !finalizers.iter().any(|finalizer| finalizer == name)
    {
        finalizers.push(name.into());
    }
}
