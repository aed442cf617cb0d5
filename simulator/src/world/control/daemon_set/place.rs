//! On which nodes a DaemonSet's pod may run, and how a pod is tied to its node.
//!
//! Must not know: which pods there are.

use serde_json::{Value, json};

use super::super::history::REVISION_HASH;
use super::super::node_lifecycle::tolerates;
use super::super::object::{annotation, flag, list, list_mut, name, put, text};
use super::super::selector::{Selector, node_matches};

/// How a node takes a set's pod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fit {
    /// A pod should run there.
    Runs,
    /// One that is there may stay.
    Stays,
    /// None may be there.
    Never,
}

/// Reads a pod template once for many nodes.
pub(super) struct Placement<'a> {
    pub(super) template: &'a Value,
    node_name: &'a str,
    labels: Selector,
    terms: Option<&'a [Value]>,
    tolerations: &'a [Value],
}

impl<'a> Placement<'a> {
    pub(super) fn new(template: &'a Value) -> Self {
        let spec = |pointer: &str| template.pointer(pointer);
        let required = "/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms";
        Self {
            template,
            node_name: text(template, "/spec/nodeName"),
            labels: spec("/spec/nodeSelector").map_or_else(Selector::default, Selector::from_labels),
            terms: spec(required).and_then(Value::as_array).map(Vec::as_slice),
            tolerations: list(template, "/spec/tolerations"),
        }
    }

    pub(super) fn fit(&self, node: &Value) -> Fit {
        let here = self.node_name.is_empty() || self.node_name == name(node);
        let wanted = self.labels.matches_object(node) && self.terms.is_none_or(|terms| node_matches(terms, node));
        if !here || !wanted {
            return Fit::Never;
        }
        let repels = |effects: &[&str]| {
            let mut taints = list(node, "/spec/taints").iter();
            taints.any(|taint| {
                effects.contains(&text(taint, "/effect"))
                    && !self.tolerations.iter().any(|toleration| tolerates(toleration, taint))
            })
        };
        match (repels(&["NoSchedule", "NoExecute"]), repels(&["NoExecute"])) {
            (false, _) => Fit::Runs,
            (true, false) => Fit::Stays,
            (true, true) => Fit::Never,
        }
    }
}

/// The set's pod template with the hash and the tolerations that all daemons get.
pub(super) fn template(set: &Value, hash: &str) -> Value {
    let mut template = set.pointer("/spec/template").cloned().unwrap_or_default();
    put(&mut template, &["metadata", "labels", REVISION_HASH], hash.into());
    if let Some(generation) = annotation(set, "deprecated.daemonset.template.generation") {
        put(
            &mut template,
            &["metadata", "labels", "pod-template-generation"],
            generation.into(),
        );
    }
    let host_network = flag(&template, "/spec/hostNetwork");
    let given = [
        ("not-ready", "NoExecute", true),
        ("unreachable", "NoExecute", true),
        ("disk-pressure", "NoSchedule", true),
        ("memory-pressure", "NoSchedule", true),
        ("pid-pressure", "NoSchedule", true),
        ("unschedulable", "NoSchedule", true),
        ("network-unavailable", "NoSchedule", host_network),
    ];
    if let Some(tolerations) = list_mut(&mut template, &["spec", "tolerations"]) {
        for (key, effect, _) in given.into_iter().filter(|(_, _, given)| *given) {
            let toleration =
                json!({"key": format!("node.kubernetes.io/{key}"), "operator": "Exists", "effect": effect});
            if !tolerations.contains(&toleration) {
                tolerations.push(toleration);
            }
        }
    }
    template
}

const REQUIRED: [&str; 4] = [
    "spec",
    "affinity",
    "nodeAffinity",
    "requiredDuringSchedulingIgnoredDuringExecution",
];

/// Ties a pod to a node by name, in place of whatever node affinity its template requires: the controller has judged that.
pub(super) fn pin(pod: &mut Value, node: &str) {
    let rule = json!({"key": "metadata.name", "operator": "In", "values": [node]});
    put(pod, &REQUIRED, json!({"nodeSelectorTerms": [{"matchFields": [rule]}]}));
}

/// The node that a pod runs on or is tied to; empty if there is none.
pub(super) fn node_of(pod: &Value) -> &str {
    let bound = text(pod, "/spec/nodeName");
    if !bound.is_empty() {
        return bound;
    }
    let terms = "/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms";
    let fields = list(pod, terms).iter().flat_map(|term| list(term, "/matchFields"));
    let mut names = fields
        .filter(|rule| text(rule, "/key") == "metadata.name")
        .map(|rule| text(rule, "/values/0"));
    names.next().unwrap_or_default()
}
