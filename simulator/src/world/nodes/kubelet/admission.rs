//! Whether a node takes a pod that was given to it: the kubelet counts for itself.

use serde_json::Value;

use super::pods::Refused;
use crate::world::control::View;
use crate::world::control::object::{self, text, uid};
use crate::world::kube::builtin::quantity::Quantity;
use crate::world::kube::builtin::totals;

/// Why a node cannot hold a pod that was forced onto it, in the kubelet's words.
pub(super) fn overcommitted(pod: &Value, node: &Value, view: &View) -> Option<Refused> {
    let allocatable = totals::amounts(&node["status"]["allocatable"]);
    let own = totals::pod_requests(&pod["spec"]);
    let mut used = totals::Amounts::new();
    let mut pods = 0;
    for (_, other) in view.pods_on(object::name(node)) {
        let is_over = matches!(text(other, "/status/phase"), "Succeeded" | "Failed");
        if uid(other) == uid(pod) || is_over || object::created_at(other) > object::created_at(pod) {
            continue;
        }
        pods += 1;
        for (name, amount) in totals::pod_requests(&other["spec"]) {
            let sum = used.get(&name).map_or(amount, |have| have.plus(amount));
            used.insert(name, sum);
        }
    }
    let most = allocatable.get("pods").map_or(i64::MAX, |amount| amount.units());
    if pods >= most {
        return Some(out_of("pods", [1, pods, most]));
    }
    own.iter().find_map(|(name, amount)| {
        let of = |amounts: &totals::Amounts| amounts.get(name).copied().unwrap_or(Quantity::ZERO);
        let (before, total) = (of(&used), of(&allocatable));
        if amount.is_zero() || before.plus(*amount) <= total {
            return None;
        }
        let number = |amount: Quantity| if name == "cpu" { amount.milli() } else { amount.units() };
        let numbers = [*amount, before, total].map(number);
        if name.contains('/') {
            let [requested, in_use, total] = numbers;
            let available = total.saturating_sub(in_use).max(0);
            return Some(Refused {
                reason: "UnexpectedAdmissionError",
                message: format!(
                    "Pod was rejected: Allocate failed due to requested number of devices unavailable for {name}. Requested: {requested}, Available: {available}, which is unexpected"
                ),
            });
        }
        Some(out_of(name, numbers))
    })
}

fn out_of(name: &str, [requested, used, capacity]: [i64; 3]) -> Refused {
    let reason = match name {
        "cpu" => "OutOfcpu",
        "memory" => "OutOfmemory",
        "pods" => "OutOfpods",
        _ => "OutOfephemeral-storage",
    };
    Refused {
        reason,
        message: format!(
            "Pod was rejected: Node didn't have enough resource: {name}, requested: {requested}, used: {used}, capacity: {capacity}"
        ),
    }
}
