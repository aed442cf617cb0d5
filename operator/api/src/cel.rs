//! The rules that the API server itself checks (CEL in the CRD schema), written once and shared by the versions.
//!
//! Everything that can be said about one object and its predecessor without asking the cluster is said here, so that
//! the webhook is a second net and not the only one. Two things keep old objects alive: rules that a stored object of
//! an earlier release might break are guarded by `oldSelf` (`optionalOldSelf`), and messages are KAITO's own texts.

use serde_json::{Value, json};

/// KAITO's text for a field that can't change.
pub(crate) const IMMUTABLE: &str = "field is immutable";

/// One rule with a fixed message.
pub(crate) fn rule(rule: &str, message: &str) -> Value {
    json!({ "rule": rule, "message": message })
}

/// A rule that only runs when the value is new (on create, or when its parent is added later): a stored object that
/// breaks it stays editable and deletable.
pub(crate) fn on_create(rule: &str, message: &str) -> Value {
    json!({ "rule": format!("oldSelf.hasValue() || ({rule})"), "message": message, "optionalOldSelf": true })
}

/// Names of pods and services are built from it.
fn name() -> Value {
    on_create(
        "size(self.metadata.name) <= 63 && self.metadata.name.matches('^[a-z0-9]([-a-z0-9]*[a-z0-9])?$')",
        "metadata.name must be a DNS label",
    )
}

pub(crate) fn inference_set() -> Value {
    json!([name()])
}

pub(crate) fn workspace() -> Value {
    json!([
        name(),
        on_create(
            "has(self.inference) || has(self.tuning)",
            "Either Inference or Tuning must be specified, not neither"
        ),
        on_create(
            "!(has(self.inference) && has(self.tuning))",
            "Either Inference or Tuning must be specified, but not both"
        ),
        rule(
            "has(self.inference) == has(oldSelf.inference)",
            "Inference field cannot be toggled once set"
        ),
        rule(
            "has(self.tuning) == has(oldSelf.tuning)",
            "Tuning field cannot be toggled once set"
        ),
        on_create(
            "!has(self.tuning) || !has(self.resource) || !has(self.resource.count) || self.resource.count <= 1",
            crate::text::TUNING_MULTINODE
        ),
    ])
}

pub(crate) fn workspace_partition() -> Value {
    on_create(
        "!has(self.tuning) || !has(self.resource) || !has(self.resource.partition)",
        crate::text::TUNING_PARTITION,
    )
}

/// Rules of `resource`. `partitioned` is false for v1alpha1, whose schema lacks the field.
pub(crate) fn resource(partitioned: bool) -> Value {
    let mut rules = vec![json!({
        "rule": "!has(oldSelf.instanceType) || oldSelf.instanceType == '' || !has(self.instanceType) || \
                 self.instanceType == '' || self.instanceType.lowerAscii() == oldSelf.instanceType.lowerAscii()",
        "message": IMMUTABLE,
        "fieldPath": ".instanceType",
    })];
    if partitioned {
        rules.push(json!({
            "rule": "has(self.partition) == has(oldSelf.partition)", "message": IMMUTABLE, "fieldPath": ".partition",
        }));
    }
    Value::Array(rules)
}

/// Rules of an InferenceSet's `spec.template.resource`.
pub(crate) fn set_resource() -> Value {
    json!([{
        "rule": "has(self.partition) == has(oldSelf.partition)", "message": IMMUTABLE, "fieldPath": ".partition",
    }])
}

/// A preset that may not change. Field by field, because a program that writes empty values (`presetOptions: {}`) and
/// one that leaves them out mean the same. `with_secret` is false for v1alpha1, whose schema lacks the field.
pub(crate) fn fixed_preset(message: &str, with_secret: bool) -> Value {
    let value = |object: &str, field: &str, absent: &str| {
        format!(
            "(has({object}.presetOptions) && has({object}.presetOptions.{field}) ? {object}.presetOptions.{field} : {absent})"
        )
    };
    let same = |field: &str, absent: &str| {
        format!(
            "{} == {}",
            value("self", field, absent),
            value("oldSelf", field, absent)
        )
    };
    let mode = |object: &str| format!("(has({object}.accessMode) ? {object}.accessMode : 'public')");
    let mut parts = vec![
        "self.name == oldSelf.name".to_owned(),
        format!("{} == {}", mode("self"), mode("oldSelf")),
        same("image", "''"),
        same("imagePullSecrets", "[]"),
    ];
    if with_secret {
        parts.push(same("modelAccessSecret", "''"));
    }
    json!([rule(&parts.join(" && "), message)])
}

/// A number of nodes: not negative, and fixed.
pub(crate) fn count() -> Value {
    json!([
        on_create("self >= 0", crate::text::NEGATIVE_COUNT),
        rule("self == oldSelf", IMMUTABLE)
    ])
}

/// A field that may not change once the object exists.
pub(crate) fn fixed(message: &str) -> Value {
    json!([rule("self == oldSelf", message)])
}

pub(crate) fn label_selector() -> Value {
    let mut rules = selector_form();
    rules.push(rule("self == oldSelf", IMMUTABLE));
    Value::Array(rules)
}

/// What both kinds ask of a selector, without the immutability that only Workspace has.
pub(crate) fn free_label_selector() -> Value {
    Value::Array(selector_form())
}

fn selector_form() -> Vec<Value> {
    let reserved: Vec<String> = crate::labels::RESERVED_SELECTOR_KEYS
        .iter()
        .map(|key| format!("'{key}'"))
        .collect();
    vec![
        on_create(
            "!has(self.matchExpressions) || self.matchExpressions.all(e, e.operator == 'In' && has(e.values) && \
             size(e.values) == 1)",
            crate::text::ONLY_IN,
        ),
        on_create(
            &format!(
                "!has(self.matchLabels) || size(self.matchLabels) == 0 || \
                 self.matchLabels.exists(key, !(key in [{}]))",
                reserved.join(", ")
            ),
            crate::text::ONLY_RESERVED,
        ),
    ]
}

pub(crate) fn partition() -> Value {
    json!([
        rule("self == oldSelf", IMMUTABLE),
        {
            "rule": "self.mode != 'mig' || !has(self.count)",
            "message": crate::text::COUNT_NEEDS_ACCELERATOR, "fieldPath": ".count",
        },
        {
            "rule": "self.mode != 'mig' || (has(self.profile) && \
                     self.profile.matches('^[0-9]+g[.][0-9]+([.][0-9]+)?gb$'))",
            "message": crate::text::BAD_PROFILE, "fieldPath": ".profile",
        },
        {
            "rule": "self.mode != 'accelerator' || !has(self.profile) || self.profile == ''",
            "message": crate::text::PROFILE_NEEDS_MIG, "fieldPath": ".profile",
        },
        {
            "rule": "self.mode != 'accelerator' || has(self.count)",
            "message": crate::text::ACCELERATOR_NEEDS_COUNT,
        },
    ])
}

pub(crate) fn inference() -> Value {
    json!([
        on_create("has(self.preset) || has(self.template)", "Preset or Template must be specified"),
        on_create("!(has(self.preset) && has(self.template))", "Preset and Template cannot be set at the same time"),
        { "rule": "has(self.preset) == has(oldSelf.preset)", "message": IMMUTABLE, "fieldPath": ".preset" },
        {
            "rule": "has(self.template) == has(oldSelf.template)",
            "message": "field cannot be unset/set if it was set/unset",
        },
    ])
}

pub(crate) fn adapters() -> Value {
    json!([
        on_create("size(self) <= 10", crate::text::TOO_MANY_ADAPTERS),
        // An object that already has more may keep them, but not add any.
        rule(
            "size(self) <= 10 || size(self) <= size(oldSelf)",
            crate::text::TOO_MANY_ADAPTERS
        ),
        on_create(
            "self.all(a, !has(a.source) || !has(a.source.name) || \
             self.exists_one(b, has(b.source) && has(b.source.name) && b.source.name == a.source.name))",
            "Duplicate adapter source name found",
        ),
    ])
}

pub(crate) fn strength() -> Value {
    json!([rule(
        "self == '' || (self.matches('^[+]?([0-9]+([.][0-9]*)?|[.][0-9]+)([eE][-+]?[0-9]+)?$') && \
         double(self) >= 0.0 && double(self) <= 1.0)",
        "Strength value for Adapter must be between 0 and 1",
    )])
}

pub(crate) fn tuning() -> Value {
    json!([
        on_create("has(self.preset)", "preset must be specified"),
        { "rule": "has(self.preset) == has(oldSelf.preset)", "message": "Preset cannot be changed", "fieldPath": ".preset" },
        on_create(
            "has(self.method) && self.method.lowerAscii() in ['lora', 'qlora']",
            "method must be lora or qlora",
        ),
        {
            "rule": "(has(self.method) ? self.method : '').lowerAscii() == \
                     (has(oldSelf.method) ? oldSelf.method : '').lowerAscii()",
            "message": "Method cannot be changed",
        },
        {
            "rule": "!has(self.input) || !has(oldSelf.input) || \
                     (has(self.input.name) ? self.input.name : '') == \
                     (has(oldSelf.input.name) ? oldSelf.input.name : '')",
            "message": "During tuning Name field cannot be changed once set", "fieldPath": ".input.name",
        },
    ])
}

pub(crate) fn input() -> Value {
    json!([rule(
        "(has(self.urls) && size(self.urls) > 0 ? 1 : 0) + (has(self.image) && self.image != '' ? 1 : 0) + \
         (has(self.volumeSource) ? 1 : 0) == 1",
        crate::text::ONE_SOURCE,
    )])
}

pub(crate) fn output() -> Value {
    json!([
        rule(
            "(has(self.image) && self.image != '' ? 1 : 0) + (has(self.volumeSource) ? 1 : 0) == 1",
            crate::text::ONE_DESTINATION,
        ),
        rule(
            "!has(self.image) || self.image == '' || (has(self.imagePushSecret) && self.imagePushSecret != '')",
            crate::text::PUSH_SECRET,
        ),
    ])
}

pub(crate) fn non_empty(field: &str) -> Value {
    json!([rule("self != ''", &format!("{field} may not be empty"))])
}

pub(crate) fn requirements() -> Value {
    json!([
        rule(
            "self.all(x, x.operator == 'In' ? (has(x.values) && x.values.size() != 0) : true)",
            "requirements with operator 'In' must have a value defined",
        ),
        rule(
            "self.all(x, (x.operator == 'Gt' || x.operator == 'Lt') ? (has(x.values) && x.values.size() == 1 && \
             x.values[0].matches('^[0-9]+$')) : true)",
            "requirements operator 'Gt' or 'Lt' must have a single positive integer value",
        ),
        rule(
            "self.all(x, (x.operator == 'In' && has(x.minValues)) ? (has(x.values) && \
             x.values.size() >= x.minValues) : true)",
            "requirements with 'minValues' must have at least that many values specified in the 'values' field",
        ),
    ])
}

/// Label domains that belong to Kubernetes or Karpenter can't be asked for, apart from a few keys.
pub(crate) fn requirement_key() -> Value {
    let kubernetes_io = [
        "beta.kubernetes.io/instance-type",
        "failure-domain.beta.kubernetes.io/region",
        "failure-domain.beta.kubernetes.io/zone",
        "beta.kubernetes.io/os",
        "beta.kubernetes.io/arch",
        "topology.kubernetes.io/region",
        "topology.kubernetes.io/zone",
        "kubernetes.io/arch",
        "kubernetes.io/os",
        "node.kubernetes.io/instance-type",
        "node.kubernetes.io/windows-build",
    ]
    .map(|key| format!("'{key}'"))
    .join(", ");
    json!([
        rule(
            &format!(
                "self in [{kubernetes_io}] || self.find('^([^/]+)').endsWith('node.kubernetes.io') || \
                 self.find('^([^/]+)').endsWith('node-restriction.kubernetes.io') || \
                 !self.find('^([^/]+)').endsWith('kubernetes.io')"
            ),
            "label domain \"kubernetes.io\" is restricted",
        ),
        rule(
            "self.find('^([^/]+)').endsWith('kops.k8s.io') || !self.find('^([^/]+)').endsWith('k8s.io')",
            "label domain \"k8s.io\" is restricted",
        ),
        rule(
            "self in ['karpenter.sh/capacity-type', 'karpenter.sh/nodepool'] || \
             !self.find('^([^/]+)').endsWith('karpenter.sh')",
            "label domain \"karpenter.sh\" is restricted",
        ),
        rule(
            "self != 'kubernetes.io/hostname'",
            "label \"kubernetes.io/hostname\" is restricted"
        ),
    ])
}
