//! `labelSelector`: only what can be turned into plain labels is taken, since nodes are labelled with it.

use super::{fault::Fault, text};
use crate::labels::{RESERVED_SELECTOR_KEYS, without_reserved};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use std::collections::BTreeMap;

/// The selector as labels, or why it can't be.
pub(super) fn as_labels(selector: Option<&LabelSelector>) -> Result<BTreeMap<String, String>, String> {
    let Some(selector) = selector else {
        return Ok(BTreeMap::new());
    };
    let mut labels = selector.match_labels.clone().unwrap_or_default();
    for expression in selector.match_expressions.iter().flatten() {
        match (
            expression.operator.as_str(),
            expression.values.as_deref().unwrap_or_default(),
        ) {
            ("In", [value]) => {
                labels.insert(expression.key.clone(), value.clone());
            }
            ("In", _) => {
                return Err(
                    "operator \"In\" without a single value cannot be converted into the old label selector format"
                        .to_owned(),
                );
            }
            (operator @ ("NotIn" | "Exists" | "DoesNotExist"), _) => {
                return Err(format!(
                    "operator {operator:?} cannot be converted into the old label selector format"
                ));
            }
            (operator, _) => return Err(format!("{operator:?} is not a valid selector operator")),
        }
    }
    Ok(labels)
}

/// The labels that nodes are matched with: `matchLabels` without the reserved keys.
pub(super) fn node_labels(selector: Option<&LabelSelector>) -> BTreeMap<String, String> {
    selector
        .and_then(|selector| selector.match_labels.as_ref())
        .map(without_reserved)
        .unwrap_or_default()
}

/// Faults of a selector. `path` is where it stands.
pub(super) fn faults(selector: Option<&LabelSelector>, path: &str) -> Vec<Fault> {
    let mut faults = Vec::new();
    if let Err(reason) = as_labels(selector) {
        faults.push(Fault::invalid(path, reason));
    }
    let labels = selector.and_then(|selector| selector.match_labels.as_ref());
    if labels.is_some_and(|labels| !labels.is_empty()) && node_labels(selector).is_empty() {
        faults.push(Fault::invalid(
            format!("{path}.matchLabels"),
            crate::text::ONLY_RESERVED,
        ));
    }
    faults.extend(malformed(labels, path));
    faults
}

/// Labels that can't be put on a node. They would also bend the query that nodes are looked up with.
fn malformed(labels: Option<&BTreeMap<String, String>>, path: &str) -> Vec<Fault> {
    let mut faults = Vec::new();
    for (key, value) in labels.into_iter().flatten() {
        for reason in [text::label_key(key), text::label_value(value)].into_iter().flatten() {
            faults.push(Fault::invalid(format!("{path}.matchLabels[{key}]"), reason));
        }
    }
    faults
}

/// Reserved keys in a selector, which are ignored.
pub(super) fn reserved(selector: Option<&LabelSelector>) -> Vec<&'static str> {
    let labels = selector.and_then(|selector| selector.match_labels.as_ref());
    RESERVED_SELECTOR_KEYS
        .into_iter()
        .filter(|key| labels.is_some_and(|labels| labels.contains_key(*key)))
        .collect()
}
