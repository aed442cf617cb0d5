//! Taints and tolerations.
//!
//! Must not know: why a node is tainted.

use serde_json::Value;

use super::super::object::{int, text};

/// Whether a toleration covers a taint.
#[must_use]
pub fn tolerates(toleration: &Value, taint: &Value) -> bool {
    let (key, effect) = (text(toleration, "/key"), text(toleration, "/effect"));
    if !effect.is_empty() && effect != text(taint, "/effect") {
        return false;
    }
    if !key.is_empty() && key != text(taint, "/key") {
        return false;
    }
    match text(toleration, "/operator") {
        "" | "Equal" => !key.is_empty() && text(toleration, "/value") == text(taint, "/value"),
        "Exists" => true,
        _ => false,
    }
}

/// How long a pod may stay despite these taints.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stay {
    /// As long as it likes.
    Forever,
    /// So many seconds from when the taints were noticed.
    Secs(i64),
}

/// How long tolerations let a pod stay; 0 seconds when a taint is not tolerated at all.
pub(super) fn stay(tolerations: &[Value], taints: &[&Value]) -> Stay {
    let mut shortest = Stay::Forever;
    for taint in taints {
        let used: Vec<&Value> = tolerations
            .iter()
            .filter(|toleration| tolerates(toleration, taint))
            .collect();
        if used.is_empty() {
            return Stay::Secs(0);
        }
        // Each taint is matched by the first toleration that covers it, as the real controller does.
        let Some(secs) = used
            .first()
            .and_then(|toleration| int(toleration, "/tolerationSeconds"))
        else {
            continue;
        };
        let secs = secs.max(0);
        shortest = match shortest {
            Stay::Secs(before) if before <= secs => shortest,
            _ => Stay::Secs(secs),
        };
    }
    shortest
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn tolerations_cover_taints_and_bound_the_stay() {
        let taint = |key: &str| json!({"key": key, "value": "v", "effect": "NoExecute"});
        let (a, b) = (taint("a"), taint("b"));
        let cases = [
            (json!([]), Stay::Secs(0)),
            (json!([{"operator": "Exists"}]), Stay::Forever),
            (json!([{"key": "a", "operator": "Exists"}]), Stay::Secs(0)),
            (
                json!([{"key": "a", "value": "v"}, {"key": "b", "operator": "Exists", "tolerationSeconds": 300}]),
                Stay::Secs(300),
            ),
            (
                json!([{"key": "a", "value": "w"}, {"key": "b", "operator": "Exists"}]),
                Stay::Secs(0),
            ),
            (json!([{"operator": "Exists", "effect": "NoSchedule"}]), Stay::Secs(0)),
            (json!([{"operator": "Exists", "tolerationSeconds": -5}]), Stay::Secs(0)),
        ];
        for (tolerations, wanted) in cases {
            let tolerations = tolerations.as_array().unwrap();
            assert_eq!(stay(tolerations, &[&a, &b]), wanted, "{tolerations:?}");
        }
    }
}
