//! Why a pod fits nowhere, counted and worded as the real scheduler words it (`FitError`).

use std::borrow::Cow;
use std::collections::BTreeMap;

/// One reason why one node was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Reason {
    pub(super) text: Cow<'static, str>,
    /// Whether other pods' going could help, as pre-emption would ask.
    pub(super) may_pass: bool,
}

impl Reason {
    /// A reason that no pod's going would change.
    pub(super) fn fixed(text: &'static str) -> Self {
        Self {
            text: Cow::Borrowed(text),
            may_pass: false,
        }
    }

    /// A reason that lies in other pods.
    pub(super) fn passing(text: impl Into<Cow<'static, str>>) -> Self {
        Self {
            text: text.into(),
            may_pass: true,
        }
    }
}

/// The histogram of reasons over all nodes.
#[derive(Debug)]
pub(super) struct Reasons {
    nodes: usize,
    counts: BTreeMap<Cow<'static, str>, usize>,
    before_filters: Option<String>,
    fixed_nodes: usize,
    never_preempts: bool,
}

impl Reasons {
    pub(super) fn new(nodes: usize, never_preempts: bool) -> Self {
        Self {
            nodes,
            never_preempts,
            counts: BTreeMap::new(),
            before_filters: None,
            fixed_nodes: 0,
        }
    }

    /// A reason that has nothing to do with any node.
    pub(super) fn before_filters(&mut self, text: String) {
        self.before_filters = Some(text);
    }

    /// The reasons of one node.
    pub(super) fn add(&mut self, reasons: Vec<Reason>) {
        self.fixed_nodes += usize::from(reasons.iter().any(|reason| !reason.may_pass));
        for reason in reasons {
            *self.counts.entry(reason.text).or_default() += 1;
        }
    }

    /// The text of the condition and of the FailedScheduling event.
    pub(super) fn message(&self) -> String {
        if self.nodes == 0 {
            return "no nodes available to schedule pods".into();
        }
        let head = format!("0/{} nodes are available:", self.nodes);
        if let Some(text) = &self.before_filters {
            // The end is what the plugin for device claims says when a plugin before it has given up.
            return format!("{head} {text}. not found");
        }
        let mut texts: Vec<String> = self
            .counts
            .iter()
            .map(|(text, count)| format!("{count} {text}"))
            .collect();
        texts.sort();
        let preemption = if self.never_preempts {
            "not eligible due to preemptionPolicy=Never.".to_owned()
        } else {
            format!("{head} {}", self.preemption())
        };
        let texts = texts.join(", ");
        format!("{head} {texts}. no new claims to deallocate, preemption: {preemption}")
    }

    fn preemption(&self) -> String {
        let victims = self.nodes.saturating_sub(self.fixed_nodes);
        let mut texts = Vec::new();
        if victims > 0 {
            texts.push(format!("{victims} No preemption victims found for incoming pod"));
        }
        if self.fixed_nodes > 0 {
            texts.push(format!("{} Preemption is not helpful for scheduling", self.fixed_nodes));
        }
        texts.sort();
        format!("{}.", texts.join(", "))
    }
}
