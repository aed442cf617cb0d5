//! What a new object takes of the ResourceQuotas of its namespace, and whether they allow it. (`ResourceQuota` of 1.36.)
//!
//! Knows ResourceQuota objects as stored and what objects count for; knows no store and no clock: the caller looks the
//! quotas up, puts `… is forbidden: ` before the text of a refusal, and writes the new `status.used`.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::super::json::{self, Object};
use super::super::quantity::{Format, Quantity};
use super::super::totals::{self, Amounts, amounts};

/// Comes before the name of what is requested, as quotas name it.
const REQUESTS: &str = "requests.";
/// Comes between a storage class and the resource that is limited for it.
const STORAGE_CLASS: &str = ".storageclass.storage.k8s.io/";
/// What every container must say when a quota limits it.
const MUST_BE_SAID: [&str; 6] = [
    "cpu",
    "memory",
    "requests.cpu",
    "requests.memory",
    "limits.cpu",
    "limits.memory",
];

/// A new object and where it goes.
#[derive(Clone, Copy, Debug)]
pub struct Newcomer<'a> {
    /// API group; empty for the core.
    pub group: &'a str,
    /// Plural resource.
    pub plural: &'a str,
    /// The object, defaulted and valid.
    pub object: &'a Value,
}

/// How objects of a resource are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Counting {
    Pods,
    Claims,
    Services,
    /// By number alone.
    Objects,
}

impl Newcomer<'_> {
    fn counting(&self) -> Counting {
        match (self.group, self.plural) {
            ("", "pods") => Counting::Pods,
            ("", "persistentvolumeclaims") => Counting::Claims,
            ("", "services") => Counting::Services,
            _ => Counting::Objects,
        }
    }

    /// `count/widgets.example.com`
    fn count_name(&self) -> String {
        let dot = if self.group.is_empty() { "" } else { "." };
        format!("count/{}{dot}{}", self.plural, self.group)
    }

    /// The older name for the number of objects.
    fn alias(&self) -> Option<&str> {
        let known = ["configmaps", "resourcequotas", "replicationcontrollers", "secrets"];
        (self.group.is_empty() && known.contains(&self.plural)).then_some(self.plural)
    }

    /// Whether a quota that limits `name` is about such objects.
    fn concerns(&self, name: &str) -> bool {
        if name == self.count_name() {
            return true;
        }
        match self.counting() {
            Counting::Pods => {
                let bare = name
                    .strip_prefix(REQUESTS)
                    .or(name.strip_prefix("limits."))
                    .unwrap_or(name);
                name == "pods"
                    || matches!(bare, "cpu" | "memory" | "ephemeral-storage")
                    || name.starts_with("hugepages-")
                    || name.starts_with("requests.hugepages-")
                    || (name.starts_with(REQUESTS) && !is_native(name))
            }
            Counting::Claims => {
                let bare = name.split_once(STORAGE_CLASS).map_or(name, |(_, bare)| bare);
                matches!(bare, "persistentvolumeclaims" | "requests.storage")
            }
            Counting::Services => matches!(name, "services" | "services.nodeports" | "services.loadbalancers"),
            Counting::Objects => self.alias() == Some(name),
        }
    }

    /// What the object takes, by the names of quotas.
    #[must_use]
    pub fn usage(&self) -> Amounts {
        let mut usage = Amounts::from([(self.count_name(), count(1))]);
        match self.counting() {
            Counting::Pods => usage.extend(pod_usage(self.object)),
            Counting::Claims => usage.extend(claim_usage(self.object)),
            Counting::Services => usage.extend(service_usage(self.object)),
            Counting::Objects => usage.extend(self.alias().map(|alias| (alias.to_owned(), count(1)))),
        }
        usage
    }

    /// Whether a quota is about the object: it limits something that the object may take, and is not for others only.
    fn is_of(&self, quota: &Value) -> bool {
        let spec = json::get(quota, "spec");
        let mut named = json::list(spec, "scopes").iter().filter_map(Value::as_str);
        let expressions = json::list(json::get(spec, "scopeSelector"), "matchExpressions");
        json::entries(json::get(quota, "status"), "hard").any(|(name, _)| self.concerns(name))
            && named.all(|scope| self.is_in(scope, "Exists", &[]))
            && expressions.iter().all(|one| {
                let (scope, operator) = (json::text(one, "scopeName"), json::text(one, "operator"));
                self.is_in(scope, operator, json::list(one, "values"))
            })
    }

    fn is_in(&self, scope: &str, operator: &str, values: &[Value]) -> bool {
        let spec = json::get(self.object, "spec");
        let ends = || json::int(spec, "activeDeadlineSeconds").is_some_and(|secs| secs >= 0);
        let best_effort = || totals::qos_class(spec) == "BestEffort";
        match (self.counting(), scope) {
            (Counting::Pods, "Terminating") => ends(),
            (Counting::Pods, "NotTerminating") => !ends(),
            (Counting::Pods, "BestEffort") => best_effort(),
            (Counting::Pods, "NotBestEffort") => !best_effort(),
            (Counting::Pods, "PriorityClass") => selects(json::text(spec, "priorityClassName"), operator, values),
            (Counting::Pods, "CrossNamespacePodAffinity") => looks_abroad(spec),
            (Counting::Claims, "VolumeAttributesClass") => {
                selects(json::text(spec, "volumeAttributesClassName"), operator, values)
            }
            // Objects that are only counted are in no scope.
            _ => false,
        }
    }
}

/// Charges a new object: each quota that changes by it, with its new `status.used`; or why it is refused.
///
/// Nothing is limited by a quota whose `status.hard` is not filled in yet.
pub fn charge<'a>(newcomer: &Newcomer<'_>, quotas: &'a [Value]) -> Result<Vec<(&'a Value, Value)>, String> {
    if newcomer.plural == "events" && matches!(newcomer.group, "" | "events.k8s.io") {
        return Ok(Vec::new());
    }
    let concerned: Vec<&Value> = quotas.iter().filter(|quota| newcomer.is_of(quota)).collect();
    for quota in &concerned {
        check_said(newcomer, quota)?;
    }
    let mut usage = newcomer.usage();
    usage.retain(|_, amount| !amount.is_zero());
    let mut changed = Vec::new();
    for quota in concerned {
        if let Some(used) = charge_one(&usage, quota)? {
            changed.push((quota, used));
        }
    }
    Ok(changed)
}

/// The object must say what the quota limits, and the quota must know what is used of it.
fn check_said(newcomer: &Newcomer<'_>, quota: &Value) -> Result<(), String> {
    let name = json::text(json::get(quota, "metadata"), "name");
    let status = json::get(quota, "status");
    let limited: Vec<&str> = json::entries(status, "hard")
        .map(|(name, _)| name.as_str())
        .filter(|name| newcomer.concerns(name))
        .collect();
    if newcomer.counting() == Counting::Pods
        && let Some(why) = unsaid(json::get(newcomer.object, "spec"), &limited)
    {
        return Err(format!("failed quota: {name}: must specify {why}"));
    }
    let used = json::get(status, "used");
    if limited.iter().any(|resource| !json::has(used, resource)) {
        let mut limited = limited;
        limited.sort_unstable();
        return Err(format!(
            "status unknown for quota: {name}, resources: {}",
            limited.join(",")
        ));
    }
    Ok(())
}

/// Which containers leave out what is limited: `limits.cpu for: a,b; memory for: a`.
fn unsaid(spec: &Value, limited: &[&str]) -> Option<String> {
    let whole = json::get(spec, "resources");
    let said = |key| json::entries(whole, key).next().is_some();
    // Containers need not say what the pod says for all of them.
    if said("requests") || said("limits") {
        return None;
    }
    let mut missing: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let lists = ["containers", "initContainers"];
    for container in lists.iter().flat_map(|list| json::list(spec, list)) {
        let of = |key: &str| amounts(json::at(container, &["resources", key]));
        let says = compute_usage(&of("requests"), &of("limits"));
        let must = limited.iter().filter(|name| MUST_BE_SAID.contains(name));
        for name in must.filter(|name| !says.contains_key(**name)) {
            missing.entry(name).or_default().insert(json::text(container, "name"));
        }
    }
    let texts = missing.into_iter().map(|(resource, containers)| {
        let containers: Vec<&str> = containers.into_iter().collect();
        format!("{resource} for: {}", containers.join(","))
    });
    let texts: Vec<String> = texts.collect();
    (!texts.is_empty()).then(|| texts.join("; "))
}

/// The new `status.used` of a quota, None when it stays; or that it is too much.
fn charge_one(usage: &Amounts, quota: &Value) -> Result<Option<Value>, String> {
    let status = json::get(quota, "status");
    let (hard, used) = (amounts(json::get(status, "hard")), amounts(json::get(status, "used")));
    let requested = usage.iter().filter(|(name, _)| hard.contains_key(*name));
    let (mut wanted, mut before, mut limits) = (Vec::new(), Vec::new(), Vec::new());
    let mut after: Object = json::get(status, "used").as_object().cloned().unwrap_or_default();
    let mut changed = false;
    for (name, amount) in requested {
        let sum = used.get(name).map_or(*amount, |used| used.plus(*amount));
        if let Some(limit) = hard.get(name).filter(|limit| sum > **limit) {
            wanted.push(format!("{name}={amount}"));
            before.extend(used.get(name).map(|used| format!("{name}={used}")));
            limits.push(format!("{name}={limit}"));
        }
        after.insert(name.clone(), sum.to_string().into());
        changed = true;
    }
    if !wanted.is_empty() {
        return Err(format!(
            "exceeded quota: {}, requested: {}, used: {}, limited: {}",
            json::text(json::get(quota, "metadata"), "name"),
            wanted.join(","),
            before.join(","),
            limits.join(",")
        ));
    }
    Ok(changed.then(|| after.into()))
}

fn count(number: usize) -> Quantity {
    Quantity::from_units(i64::try_from(number).unwrap_or(i64::MAX), Format::DecimalSi)
}

fn is_native(name: &str) -> bool {
    !name.contains('/') || name.contains("kubernetes.io/")
}

/// Pods that have ended take nothing but their place in the store.
fn pod_usage(pod: &Value) -> Amounts {
    let phase = json::at(pod, &["status", "phase"]).as_str().unwrap_or_default();
    if matches!(phase, "Succeeded" | "Failed") {
        return Amounts::new();
    }
    let spec = json::get(pod, "spec");
    let mut usage = compute_usage(&totals::pod_requests(spec), &pod_limits(spec));
    usage.insert("pods".to_owned(), count(1));
    usage
}

/// The overhead of a pod is added to what is limited, but limits nothing by itself.
fn pod_limits(spec: &Value) -> Amounts {
    let mut limits = spec
        .as_object()
        .map_or_else(Amounts::new, |spec| totals::containers(spec, "limits"));
    limits.extend(amounts(json::at(spec, &["resources", "limits"])));
    for (name, more) in amounts(json::get(spec, "overhead")) {
        if let Some(limit) = limits.get_mut(&name).filter(|limit| !limit.is_zero()) {
            *limit = limit.plus(more);
        }
    }
    limits
}

/// Requests and limits under the names that quotas have for them.
fn compute_usage(requests: &Amounts, limits: &Amounts) -> Amounts {
    let mut usage = Amounts::new();
    for (name, amount) in requests {
        let is_compute = matches!(name.as_str(), "cpu" | "memory" | "ephemeral-storage");
        if is_compute || name.starts_with("hugepages-") {
            usage.insert(name.clone(), *amount);
        }
        if is_compute || name.starts_with("hugepages-") || !is_native(name) {
            usage.insert(format!("{REQUESTS}{name}"), *amount);
        }
    }
    for (name, amount) in limits {
        if matches!(name.as_str(), "cpu" | "memory" | "ephemeral-storage") {
            usage.insert(format!("limits.{name}"), *amount);
        }
    }
    usage
}

fn claim_usage(claim: &Value) -> Amounts {
    let spec = json::get(claim, "spec");
    let annotated = json::at(
        claim,
        &["metadata", "annotations", "volume.beta.kubernetes.io/storage-class"],
    );
    let class = annotated.as_str().unwrap_or(json::text(spec, "storageClassName"));
    let mut usage = Amounts::from([("persistentvolumeclaims".to_owned(), count(1))]);
    let requests = amounts(json::at(spec, &["resources", "requests"]));
    if let Some(storage) = requests.get("storage") {
        usage.insert("requests.storage".to_owned(), *storage);
    }
    if !class.is_empty() {
        let of_class = usage
            .iter()
            .map(|(name, amount)| (format!("{class}{STORAGE_CLASS}{name}"), *amount));
        let of_class: Amounts = of_class.collect();
        usage.extend(of_class);
    }
    usage
}

fn service_usage(service: &Value) -> Amounts {
    let spec = json::get(service, "spec");
    let ports = json::list(spec, "ports");
    let on_nodes = match json::text(spec, "type") {
        "NodePort" => ports.len(),
        "LoadBalancer" if json::get(spec, "allocateLoadBalancerNodePorts") == false => {
            let chosen = |port: &&Value| json::int(port, "nodePort").is_some_and(|port| port != 0);
            ports.iter().filter(chosen).count()
        }
        "LoadBalancer" => ports.len(),
        _ => 0,
    };
    let balancers = usize::from(json::text(spec, "type") == "LoadBalancer");
    Amounts::from([
        ("services".to_owned(), count(1)),
        ("services.nodeports".to_owned(), count(on_nodes)),
        ("services.loadbalancers".to_owned(), count(balancers)),
    ])
}

/// Whether a class is one that a scope selects; an empty name is none.
fn selects(class: &str, operator: &str, values: &[Value]) -> bool {
    let listed = values.iter().any(|value| value == class);
    match operator {
        "Exists" => !class.is_empty(),
        "DoesNotExist" => class.is_empty(),
        "In" => !class.is_empty() && listed,
        "NotIn" => class.is_empty() || !listed,
        _ => false,
    }
}

/// Whether a pod's affinity is about pods of other namespaces.
fn looks_abroad(spec: &Value) -> bool {
    const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
    const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";
    let affinity = json::get(spec, "affinity");
    let kinds = ["podAffinity", "podAntiAffinity"];
    let mut terms = kinds.iter().flat_map(|kind| {
        let affinity = json::get(affinity, kind);
        let preferred = json::list(affinity, PREFERRED).iter();
        let preferred = preferred.map(|term| json::get(term, "podAffinityTerm"));
        json::list(affinity, REQUIRED).iter().chain(preferred)
    });
    terms.any(|term| !json::list(term, "namespaces").is_empty() || json::has(term, "namespaceSelector"))
}

#[cfg(test)]
mod tests;
