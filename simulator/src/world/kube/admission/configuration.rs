//! Webhook configurations: their defaults, and the compiled form with its index.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use super::caller::ClientConfig;
use super::conditions::Condition;
use crate::world::kube::api_error::ApiError;
use crate::world::kube::builtin::selectors::LabelSelector;

/// All webhooks of one server, in the order in which they are called: by name of their configuration, then as listed.
#[derive(Debug, Default)]
pub struct Webhooks {
    pub(super) mutating: Phase,
    pub(super) validating: Phase,
}

/// The webhooks of one phase, with the index that finds those a resource may concern.
#[derive(Debug, Default)]
pub(super) struct Phase {
    pub(super) hooks: Vec<Arc<Webhook>>,
    /// Group, then plural, to places in `hooks`; `*` stands for any.
    index: BTreeMap<String, BTreeMap<String, Vec<usize>>>,
}

/// One webhook, ready to match and call.
#[derive(Debug)]
pub(super) struct Webhook {
    pub(super) name: String,
    pub(super) client: Option<ClientConfig>,
    pub(super) rules: Vec<Rule>,
    pub(super) exact: bool,
    pub(super) ignore_failures: bool,
    pub(super) timeout: Duration,
    pub(super) side_effects: bool,
    pub(super) reinvoke: bool,
    pub(super) speaks_v1: bool,
    pub(super) namespaces: Result<LabelSelector, ApiError>,
    pub(super) objects: Result<LabelSelector, ApiError>,
    pub(super) conditions: Vec<Condition>,
}

/// `RuleWithOperations`
#[derive(Debug)]
pub(super) struct Rule {
    pub(super) groups: Vec<String>,
    pub(super) versions: Vec<String>,
    pub(super) operations: Vec<String>,
    pub(super) resources: Vec<String>,
    pub(super) scope: String,
}

/// Time-out where a webhook has none, in seconds.
const DEFAULT_TIMEOUT_SECS: u64 = 10;

impl Webhooks {
    /// Compiles configurations, each as stored. What the server's validation would have refused matches nothing.
    #[must_use]
    pub fn compile<'v>(
        mutating: impl IntoIterator<Item = &'v Value>,
        validating: impl IntoIterator<Item = &'v Value>,
    ) -> Self {
        Self {
            mutating: Phase::compile(mutating),
            validating: Phase::compile(validating),
        }
    }

    /// Whether any webhook could concern the resource: requests for others need not be described at all.
    #[must_use]
    pub fn concern(&self, group: &str, plural: &str) -> bool {
        self.mutating.candidates(group, plural).next().is_some()
            || self.validating.candidates(group, plural).next().is_some()
    }
}

impl Phase {
    fn compile<'v>(configurations: impl IntoIterator<Item = &'v Value>) -> Self {
        let mut sorted: Vec<&Value> = configurations.into_iter().collect();
        let name = |value: &Value| {
            value
                .pointer("/metadata/name")
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        sorted.sort_by_cached_key(|value| name(value));
        let hooks = sorted
            .into_iter()
            .flat_map(|one| one.get("webhooks").and_then(Value::as_array).into_iter().flatten());
        let hooks: Vec<Arc<Webhook>> = hooks.map(|hook| Arc::new(Webhook::parse(hook))).collect();
        let mut index: BTreeMap<String, BTreeMap<String, Vec<usize>>> = BTreeMap::new();
        for (place, hook) in hooks.iter().enumerate() {
            for rule in &hook.rules {
                for group in &rule.groups {
                    for resource in &rule.resources {
                        let plural = resource.split_once('/').map_or(resource.as_str(), |(plural, _)| plural);
                        let places = index
                            .entry(group.clone())
                            .or_default()
                            .entry(plural.to_owned())
                            .or_default();
                        if places.last() != Some(&place) {
                            places.push(place);
                        }
                    }
                }
            }
        }
        Self { hooks, index }
    }

    /// Places of webhooks with a rule that names the resource; may repeat and is not in order.
    pub(super) fn candidates<'s>(&'s self, group: &'s str, plural: &'s str) -> impl Iterator<Item = usize> + 's {
        let groups = [group, "*"].into_iter().filter_map(|group| self.index.get(group));
        let lists = groups.flat_map(move |plurals| [plural, "*"].into_iter().filter_map(|plural| plurals.get(plural)));
        lists.flatten().copied()
    }
}

impl Webhook {
    fn parse(hook: &Value) -> Self {
        let text = |key: &str| hook.get(key).and_then(Value::as_str).unwrap_or_default();
        let list = |key: &str| hook.get(key).and_then(Value::as_array).into_iter().flatten();
        let selector = |key: &str| match hook.get(key) {
            None | Some(Value::Null) => Ok(LabelSelector::everything()),
            Some(selector) => LabelSelector::from_object(selector),
        };
        Self {
            name: text("name").into(),
            client: hook.get("clientConfig").and_then(ClientConfig::parse),
            rules: list("rules").map(Rule::parse).collect(),
            exact: text("matchPolicy") == "Exact",
            ignore_failures: text("failurePolicy") == "Ignore",
            timeout: Duration::from_secs(
                hook.get("timeoutSeconds")
                    .and_then(Value::as_u64)
                    .unwrap_or(DEFAULT_TIMEOUT_SECS)
                    .clamp(1, 30),
            ),
            side_effects: !matches!(text("sideEffects"), "None" | "NoneOnDryRun"),
            reinvoke: text("reinvocationPolicy") == "IfNeeded",
            speaks_v1: list("admissionReviewVersions").any(|version| version == "v1"),
            namespaces: selector("namespaceSelector"),
            objects: selector("objectSelector"),
            conditions: list("matchConditions").map(Condition::parse).collect(),
        }
    }
}

impl Rule {
    fn parse(rule: &Value) -> Self {
        let strings = |key: &str| {
            let list = rule.get(key).and_then(Value::as_array).into_iter().flatten();
            list.filter_map(Value::as_str).map(str::to_owned).collect()
        };
        Self {
            groups: strings("apiGroups"),
            versions: strings("apiVersions"),
            operations: strings("operations"),
            resources: strings("resources"),
            scope: rule.get("scope").and_then(Value::as_str).unwrap_or("*").into(),
        }
    }
}

/// Fills in the defaults of a Mutating- or ValidatingWebhookConfiguration.
pub fn default_configuration(configuration: &mut Value) {
    let mutating = configuration.get("kind").and_then(Value::as_str) == Some("MutatingWebhookConfiguration");
    let hooks = configuration.get_mut("webhooks").and_then(Value::as_array_mut);
    for hook in hooks.into_iter().flatten().filter_map(Value::as_object_mut) {
        let defaults = [
            ("failurePolicy", json!("Fail")),
            ("matchPolicy", json!("Equivalent")),
            ("namespaceSelector", json!({})),
            ("objectSelector", json!({})),
            ("timeoutSeconds", json!(DEFAULT_TIMEOUT_SECS)),
        ];
        let reinvocation = mutating.then(|| ("reinvocationPolicy", json!("Never")));
        for (key, value) in defaults.into_iter().chain(reinvocation) {
            if hook.get(key).is_none_or(Value::is_null) {
                hook.insert(key.into(), value);
            }
        }
        let service = hook
            .get_mut("clientConfig")
            .and_then(|config| config.get_mut("service"));
        if let Some(service) = service.and_then(Value::as_object_mut) {
            service.entry("port").or_insert_with(|| json!(443));
        }
        let rules = hook.get_mut("rules").and_then(Value::as_array_mut);
        for rule in rules.into_iter().flatten().filter_map(Value::as_object_mut) {
            rule.entry("scope").or_insert_with(|| json!("*"));
        }
    }
}
