//! Label selectors as API objects carry them.
//!
//! Must not know: who selects what.

use serde_json::{Value, json};

/// A `metav1.LabelSelector`, read once. A selector that is absent or broken matches nothing; an empty one everything.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Selector {
    exact: Vec<(String, String)>,
    rules: Vec<Rule>,
    nothing: bool,
}

#[derive(Clone, Debug, PartialEq)]
struct Rule {
    key: String,
    test: Test,
    values: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Test {
    In,
    NotIn,
    Exists,
    DoesNotExist,
    Gt,
    Lt,
}

impl Selector {
    /// Matches nothing.
    #[must_use]
    pub fn nothing() -> Self {
        Self {
            nothing: true,
            ..Self::default()
        }
    }

    /// From `{matchLabels, matchExpressions}`.
    #[must_use]
    pub fn new(selector: Option<&Value>) -> Self {
        let Some(Value::Object(selector)) = selector else {
            return Self::nothing();
        };
        let mut read = selector
            .get("matchLabels")
            .map_or_else(Self::default, Self::from_labels);
        let rules = selector.get("matchExpressions").and_then(Value::as_array);
        for rule in rules.into_iter().flatten() {
            match Rule::new(rule) {
                Some(rule) => read.rules.push(rule),
                None => read.nothing = true,
            }
        }
        read
    }

    /// From a plain map of labels (Service selectors, `nodeSelector`).
    #[must_use]
    pub fn from_labels(labels: &Value) -> Self {
        let pairs = labels.as_object().into_iter().flatten();
        let exact = pairs.filter_map(|(key, value)| Some((key.clone(), value.as_str()?.to_owned())));
        Self {
            exact: exact.collect(),
            ..Self::default()
        }
    }

    /// From a list of `{key, operator, values}`, as in node affinity's `matchExpressions`.
    #[must_use]
    pub fn from_expressions(expressions: &Value) -> Self {
        let rules: Option<Vec<Rule>> = expressions.as_array().into_iter().flatten().map(Rule::new).collect();
        rules.map_or_else(Self::nothing, |rules| Self {
            rules,
            ..Self::default()
        })
    }

    /// Whether it asks for nothing, and so matches everything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.nothing && self.exact.is_empty() && self.rules.is_empty()
    }

    /// Labels that every match must carry with exactly this value.
    pub fn exact_labels(&self) -> impl Iterator<Item = (&str, &str)> {
        let one_valued = self.rules.iter().filter_map(|rule| match rule.values.as_slice() {
            [value] if rule.test == Test::In => Some((rule.key.as_str(), value.as_str())),
            _ => None,
        });
        let exact = self.exact.iter().map(|(key, value)| (key.as_str(), value.as_str()));
        exact.chain(one_valued)
    }

    /// Whether these labels (an object, or absent) match.
    #[must_use]
    pub fn matches(&self, labels: Option<&Value>) -> bool {
        let label = |key: &str| labels.and_then(|labels| labels.get(key)).and_then(Value::as_str);
        !self.nothing
            && self.exact.iter().all(|(key, value)| label(key) == Some(value))
            && self.rules.iter().all(|rule| rule.matches(label(&rule.key)))
    }

    /// Whether an object's `metadata.labels` match.
    #[must_use]
    pub fn matches_object(&self, object: &Value) -> bool {
        self.matches(object.pointer("/metadata/labels"))
    }
}

/// Whether one of these node selector terms matches a node. A term that asks for nothing matches nothing.
#[must_use]
pub fn node_matches(terms: &[Value], node: &Value) -> bool {
    let listed = |term: &Value, field: &str| {
        term.get(field)
            .filter(|rules| rules.as_array().is_some_and(|r| !r.is_empty()))
            .cloned()
    };
    let named = json!({"metadata.name": node.pointer("/metadata/name")});
    terms.iter().any(|term| {
        let (labels, fields) = (listed(term, "matchExpressions"), listed(term, "matchFields"));
        let asks = labels.is_some() || fields.is_some();
        asks && labels.is_none_or(|rules| Selector::from_expressions(&rules).matches_object(node))
            && fields.is_none_or(|rules| Selector::from_expressions(&rules).matches(Some(&named)))
    })
}

impl Rule {
    fn new(rule: &Value) -> Option<Self> {
        let test = match rule.get("operator")?.as_str()? {
            "In" => Test::In,
            "NotIn" => Test::NotIn,
            "Exists" => Test::Exists,
            "DoesNotExist" => Test::DoesNotExist,
            "Gt" => Test::Gt,
            "Lt" => Test::Lt,
            _ => return None,
        };
        let values = rule.get("values").and_then(Value::as_array).into_iter().flatten();
        Some(Self {
            key: rule.get("key")?.as_str()?.to_owned(),
            test,
            values: values.filter_map(|value| value.as_str().map(str::to_owned)).collect(),
        })
    }

    fn matches(&self, label: Option<&str>) -> bool {
        let listed = |label: &str| self.values.iter().any(|value| value == label);
        let number = |text: &str| text.parse::<i64>().ok();
        let bound = self.values.first().and_then(|value| number(value));
        match self.test {
            Test::In => label.is_some_and(listed),
            Test::NotIn => !label.is_some_and(listed),
            Test::Exists => label.is_some(),
            Test::DoesNotExist => label.is_none(),
            Test::Gt => matches!((label.and_then(number), bound), (Some(label), Some(bound)) if label > bound),
            Test::Lt => matches!((label.and_then(number), bound), (Some(label), Some(bound)) if label < bound),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn node_terms_ask_for_labels_or_names() {
        let node = json!({"metadata": {"name": "n1", "labels": {"zone": "z1"}}});
        let rule = |key: &str, value: &str| json!([{"key": key, "operator": "In", "values": [value]}]);
        let cases = [
            (json!([]), false),
            (json!([{}]), false),
            (json!([{"matchExpressions": rule("zone", "z1")}]), true),
            (
                json!([{"matchExpressions": rule("zone", "z2")}, {"matchFields": rule("metadata.name", "n1")}]),
                true,
            ),
            (
                json!([{"matchExpressions": rule("zone", "z1"), "matchFields": rule("metadata.name", "n2")}]),
                false,
            ),
        ];
        for (terms, wanted) in cases {
            assert_eq!(node_matches(terms.as_array().unwrap(), &node), wanted, "{terms}");
        }
    }

    #[test]
    fn matches_as_the_api_does() {
        let labels = json!({"app": "web", "tier": "front", "rank": "7"});
        let expression = |key: &str, operator: &str, values: &[&str]| json!({"matchExpressions": [{"key": key, "operator": operator, "values": values}]});
        let cases = [
            (json!({}), true),
            (json!(null), false),
            (json!({"matchLabels": {"app": "web"}}), true),
            (json!({"matchLabels": {"app": "db"}}), false),
            (expression("app", "In", &["web", "db"]), true),
            (expression("app", "In", &["db"]), false),
            (expression("none", "In", &["db"]), false),
            (expression("app", "NotIn", &["web"]), false),
            (expression("none", "NotIn", &["web"]), true),
            (expression("app", "Exists", &[]), true),
            (expression("none", "DoesNotExist", &[]), true),
            (expression("rank", "Gt", &["6"]), true),
            (expression("rank", "Lt", &["7"]), false),
            (expression("app", "Gt", &["6"]), false),
            (expression("app", "Like", &["w"]), false),
        ];
        for (selector, wanted) in cases {
            assert_eq!(
                Selector::new(Some(&selector)).matches(Some(&labels)),
                wanted,
                "{selector}"
            );
        }
        assert!(!Selector::new(None).matches(Some(&labels)));
    }
}
