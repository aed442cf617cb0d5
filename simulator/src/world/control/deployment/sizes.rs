//! How large each ReplicaSet may be: surge, unavailability, proportions. Plain numbers in, plain numbers out.
//!
//! Must not know: objects other than the Deployment's strategy.

use serde_json::Value;

use super::super::amounts::{Round, scaled};
use super::super::object::{int, text};

/// The numbers that bound a rollout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limits {
    /// `spec.replicas`
    pub(super) replicas: i64,
    /// How many pods there may be beyond `replicas`.
    pub(super) surge: i64,
    /// How many of `replicas` may be unavailable.
    pub(super) unavailable: i64,
}

impl Limits {
    pub(super) fn of(deployment: &Value) -> Self {
        let replicas = int(deployment, "/spec/replicas").unwrap_or(1).max(0);
        if text(deployment, "/spec/strategy/type") == "Recreate" {
            return Self {
                replicas,
                surge: 0,
                unavailable: 0,
            };
        }
        let amount = |field: &str, round| {
            let amount = deployment
                .pointer("/spec/strategy/rollingUpdate")
                .and_then(|rolling| rolling.get(field));
            scaled(amount, replicas, round)
                .unwrap_or(0)
                .clamp(0, i64::from(i32::MAX))
        };
        let (surge, mut unavailable) = (amount("maxSurge", Round::Up), amount("maxUnavailable", Round::Down));
        if surge == 0 && unavailable == 0 {
            // Both may round to nothing; then a rollout must still be able to move.
            unavailable = 1;
        }
        Self {
            replicas,
            surge,
            unavailable: unavailable.min(replicas),
        }
    }

    /// `replicas` plus surge.
    pub(super) fn max(self) -> i64 {
        self.replicas + self.surge
    }

    /// `replicas` less what may be unavailable.
    pub(super) fn min_available(self) -> i64 {
        self.replicas - self.unavailable
    }

    /// The size of the new set when all sets together have `total`.
    pub(super) fn grown(self, new: i64, total: i64) -> i64 {
        let room = (self.max() - total).max(0);
        new + room.min(self.replicas - new)
    }

    /// By how much a set changes when all together change by `to_add`, of which `added` are spent already. `max_before`
    /// is what `replicas` plus surge was when the set was last sized.
    pub(super) fn share(self, size: i64, max_before: i64, to_add: i64, added: i64) -> i64 {
        if size == 0 || to_add == added {
            return 0;
        }
        let allowed = to_add - added;
        let fraction = if self.replicas == 0 {
            -size
        } else if max_before == 0 {
            0
        } else {
            rounded(size.saturating_mul(self.max()), max_before) - size
        };
        if to_add > 0 {
            fraction.min(allowed)
        } else {
            fraction.max(allowed)
        }
    }
}

/// `a / b`, rounded to the nearest, halves away from zero; both are not negative.
fn rounded(a: i64, b: i64) -> i64 {
    a.saturating_mul(2).saturating_add(b) / b.saturating_mul(2).max(1)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn limits_round_as_the_real_ones() {
        let cases = [
            (json!("25%"), json!("25%"), 10, (3, 2)),
            (json!("25%"), json!("25%"), 1, (1, 0)),
            (json!(0), json!("25%"), 3, (0, 1)),
            (json!(1), json!(0), 3, (1, 0)),
            (json!(0), json!(9), 3, (0, 3)),
        ];
        for (surge, unavailable, replicas, wanted) in cases {
            let rolling = json!({"maxSurge": surge, "maxUnavailable": unavailable});
            let deployment = json!({"spec": {"replicas": replicas, "strategy": {"rollingUpdate": rolling}}});
            let limits = Limits::of(&deployment);
            assert_eq!((limits.surge, limits.unavailable), wanted, "{deployment}");
        }
    }

    #[test]
    fn shares_are_in_proportion() {
        // 10 replicas with surge 3 (8 old, 5 new) scaled to 15 with surge 4: the example of the Kubernetes documentation.
        let limits = Limits {
            replicas: 15,
            surge: 3,
            unavailable: 2,
        };
        assert_eq!(limits.share(8, 13, 5, 0), 3);
        assert_eq!(limits.share(5, 13, 5, 3), 2);
        assert_eq!(limits.share(0, 13, 5, 0), 0);
    }
}
