//! Acceptance of a definition's CEL rules: they compile, they can be correlated, and they cannot cost too much.

use serde_json::{Map, Value};

use super::super::cel::rules::{Rule, Verdict};
use super::super::structural::{Additional, Kind, Node, text};
use crate::world::kube::api_error::{FieldError, FieldErrorKind};

/// Most that one expression may be estimated to cost (`StaticEstimatedCostLimit`).
const EXPRESSION_LIMIT: u64 = 10_000_000;
/// Most for all expressions of a schema together (`StaticEstimatedCRDCostLimit`).
const SCHEMA_LIMIT: u64 = 100_000_000;

/// Checks all rules of a schema. `unchanged`: it was accepted before, so the limit of each expression is not applied anew.
pub(super) fn check(schema: &Value, unchanged: bool, path: &str, errors: &mut Vec<FieldError>) {
    let mut root = Node::parse(schema);
    root.compile_rules(true);
    let mut walk = Walk {
        unchanged,
        total: 0,
        dearest: Vec::new(),
        errors: Vec::new(),
    };
    walk.node(&root, path, Some(1), None);
    if walk.total > SCHEMA_LIMIT {
        walk.dearest.sort_by_key(|(_, cost)| std::cmp::Reverse(*cost));
        for (path, _) in walk.dearest.iter().take(4) {
            let detail = "contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema";
            walk.errors.push(FieldError::forbidden(path.as_str(), detail));
        }
        let what = "x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema";
        walk.errors
            .push(FieldError::forbidden(path, too_dear(what, walk.total, SCHEMA_LIMIT)));
    }
    errors.extend(walk.errors);
}

struct Walk {
    unchanged: bool,
    total: u64,
    dearest: Vec<(String, u64)>,
    errors: Vec<FieldError>,
}

impl Walk {
    /// `cardinality`: how many values of this schema one object can have, if bounded; `lost`: the list in which entries
    /// cannot be told apart between two versions of an object.
    fn node(&mut self, node: &Node, path: &str, cardinality: Option<u64>, lost: Option<&str>) {
        if !node.has.rules {
            return;
        }
        let limits = &node.limits;
        let most = |value: Option<i64>| value.map(|value| u64::try_from(value).unwrap_or(0));
        let elements = match (node.kind, &node.additional) {
            (Kind::Object, Additional::Absent) => Some(1),
            (Kind::Object, _) => most(limits.max_properties),
            (Kind::Array, _) => most(limits.max_items),
            _ => Some(1),
        };
        let below = cardinality
            .zip(elements)
            .map(|(outer, inner)| outer.saturating_mul(inner));
        if let Additional::Schema(values) = &node.additional {
            self.node(values, &format!("{path}.additionalProperties"), below, lost);
        }
        for (key, child) in &node.properties {
            self.node(child, &format!("{path}.properties[{key}]"), below, lost);
        }
        if let Some(items) = &node.items {
            let keyed = matches!(node.list, super::super::structural::ListKind::Map(_));
            let lost = if keyed { lost } else { lost.or(Some(path)) };
            self.node(items, &format!("{path}.items"), below, lost);
        }
        for (at, (rule, raw)) in node.programs.iter().zip(&node.rules).enumerate() {
            self.rule(
                rule,
                raw,
                &format!("{path}.x-kubernetes-validations[{at}]"),
                cardinality,
                lost,
            );
        }
    }

    fn rule(&mut self, rule: &Rule, raw: &Value, path: &str, cardinality: Option<u64>, lost: Option<&str>) {
        let Verdict {
            cost,
            message_cost,
            error,
            message_error,
        } = rule.verdict(cardinality);
        let at = format!("{path}.rule");
        self.observe(&at, "estimated rule cost", cost);
        let mut invalid = |path: String, shown: String, detail: String| {
            self.errors
                .push(FieldError::new(FieldErrorKind::Invalid, path, Some(shown), detail));
        };
        if let Some(error) = error {
            invalid(at.clone(), internal(raw), error.to_owned());
        }
        if let Some(error) = message_error {
            invalid(format!("{path}.messageExpression"), internal(raw), error.to_owned());
        }
        let shown = raw.get("rule").unwrap_or(&Value::Null).to_string();
        if let (true, Some(lost)) = (rule.uses_old_self, lost) {
            let detail = format!("oldSelf cannot be used on the uncorrelatable portion of the schema within {lost}");
            invalid(at, shown, detail);
        } else if let (false, None, Some(optional)) = (rule.uses_old_self, error, raw.get("optionalOldSelf")) {
            let detail = "may not be set if oldSelf is not used in rule".to_owned();
            invalid(format!("{path}.optionalOldSelf"), optional.to_string(), detail);
        }
        if let Some(cost) = message_cost {
            self.observe(
                &format!("{path}.messageExpression"),
                "estimated messageExpression cost",
                cost,
            );
        }
    }

    fn observe(&mut self, path: &str, what: &str, cost: u64) {
        if cost > EXPRESSION_LIMIT && !self.unchanged {
            self.errors
                .push(FieldError::forbidden(path, too_dear(what, cost, EXPRESSION_LIMIT)));
        }
        self.total = self.total.saturating_add(cost);
        if cost >= SCHEMA_LIMIT / 100 {
            self.dearest.push((path.to_owned(), cost));
        }
    }
}

fn too_dear(what: &str, cost: u64, limit: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "only shown")]
    let factor = cost as f64 / limit as f64;
    let factor = if factor > 100.0 {
        "more than 100x".to_owned()
    } else if factor < 1.5 {
        format!("{factor:.6}x")
    } else {
        format!("{factor:.1}x")
    };
    format!(
        "{what} exceeds budget by factor of {factor} (try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)"
    )
}

/// A rule as the server's internal type prints it, with Go's escapes.
fn internal(raw: &Value) -> String {
    let empty = Map::new();
    let raw = raw.as_object().unwrap_or(&empty);
    let string = |key: &str| Value::from(text(raw, key)).to_string();
    let other = |key: &str| raw.get(key).unwrap_or(&Value::Null).to_string();
    let out = format!(
        "{{\"Rule\":{},\"Message\":{},\"MessageExpression\":{},\"Reason\":{},\"FieldPath\":{},\"OptionalOldSelf\":{}}}",
        string("rule"),
        string("message"),
        string("messageExpression"),
        other("reason"),
        string("fieldPath"),
        other("optionalOldSelf"),
    );
    out.replace('<', "\\u003c")
        .replace('>', "\\u003e")
        .replace('&', "\\u0026")
}
