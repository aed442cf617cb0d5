//! What one pass over a DaemonSet does: where pods are missing, which are too many, which are replaced by an update.
//!
//! Must not know: how pods are written.

use std::sync::Arc;

use jiff::Timestamp;
use serde_json::Value;

use super::super::amounts::{Round, scaled};
use super::super::history::{History, REVISION_HASH};
use super::super::object::{count, created_at, is_deleting, key_of, label, name, text};
use super::super::{Kind, ObjectKey, View, Write, pods};
use super::place::{Fit, Placement};
use super::{ByNode, NAME};

/// What a pass wants.
pub(super) struct Plan<'a> {
    set: &'a Arc<Value>,
    pub(super) now: Timestamp,
    hash: &'a str,
    min_ready_secs: i64,
    surges: bool,
    desired: i64,
    /// Nodes that get a pod.
    pub(super) create: Vec<String>,
    /// Pods that go.
    pub(super) delete: Vec<ObjectKey>,
    pub(super) events: Vec<Write>,
}

/// The pod that counts where there are several: scheduled before unscheduled, then the oldest.
pub(super) fn oldest<'a>(pods: &[&'a Arc<Value>]) -> Option<&'a Arc<Value>> {
    let rank = |pod: &Value| {
        (
            text(pod, "/spec/nodeName").is_empty(),
            created_at(pod),
            name(pod).to_owned(),
        )
    };
    pods.iter().copied().min_by_key(|pod| rank(pod))
}

impl<'a> Plan<'a> {
    pub(super) fn new(set: &'a Arc<Value>, history: &'a History, now: Timestamp) -> Self {
        Self {
            set,
            now,
            hash: &history.update.hash,
            min_ready_secs: count(set, "/spec/minReadySeconds"),
            surges: rolling(set, "maxSurge", 1) > 0,
            desired: 0,
            create: Vec::new(),
            delete: Vec::new(),
            events: Vec::new(),
        }
    }

    fn is_new(&self, pod: &Value) -> bool {
        label(pod, REVISION_HASH) == Some(self.hash)
    }

    fn is_available(&self, pod: &Value) -> bool {
        pods::is_available(pod, self.min_ready_secs, self.now)
    }

    /// Looks at one node, and answers its failed pods, which are subject to back-off.
    pub(super) fn node<'p>(&mut self, node: &Value, fit: Fit, pods: Option<&[&'p Arc<Value>]>) -> Vec<&'p Arc<Value>> {
        self.desired += i64::from(fit == Fit::Runs);
        let Some(pods) = pods else {
            if fit == Fit::Runs {
                self.create.push(name(node).to_owned());
            }
            return Vec::new();
        };
        let live = pods.iter().copied().filter(|pod| !is_deleting(pod));
        if fit == Fit::Never {
            self.delete.extend(live.map(|pod| key_of(pod)));
            return Vec::new();
        }
        let (mut running, mut failed) = (Vec::new(), Vec::new());
        for pod in live {
            match text(pod, "/status/phase") {
                "Failed" => failed.push(pod),
                "Succeeded" => self.replace_succeeded(pod, node),
                _ => running.push(pod),
            }
        }
        if self.surges {
            if running.is_empty() && failed.is_empty() && fit == Fit::Runs {
                self.create.push(name(node).to_owned());
            }
            self.thin_out_surge(&running);
        } else if let Some(kept) = oldest(&running) {
            let others = running.iter().filter(|pod| name(pod) != name(kept));
            self.delete.extend(others.map(|pod| key_of(pod)));
        }
        failed
    }

    fn replace_succeeded(&mut self, pod: &Value, node: &Value) {
        let message = format!(
            "Found succeeded daemon pod {} on node {}, will try to delete it",
            key_of(pod),
            name(node)
        );
        self.events.push(Write::normal(
            NAME,
            Kind::DAEMON_SET,
            self.set,
            "SucceededDaemonPod",
            message,
        ));
        self.delete.push(key_of(pod));
    }

    /// With surge a node may have one old and one new pod; the old one goes when the new one is available.
    fn thin_out_surge(&mut self, running: &[&Arc<Value>]) {
        let (new, old): (Vec<&Arc<Value>>, Vec<&Arc<Value>>) =
            running.iter().copied().partition(|pod| self.is_new(pod));
        let (kept_new, kept_old) = (oldest(&new), oldest(&old));
        for (pods, kept) in [(&new, kept_new), (&old, kept_old)] {
            let others = pods
                .iter()
                .filter(|pod| kept.is_some_and(|kept| name(kept) != name(pod)));
            self.delete.extend(others.map(|pod| key_of(pod)));
        }
        if let (Some(new), Some(old)) = (kept_new, kept_old)
            && (!pods::is_ready(old) || self.is_available(new))
        {
            self.delete.push(key_of(old));
        }
    }

    /// Whether nothing has to come or go but for an update.
    pub(super) fn is_settled(&self) -> bool {
        self.create.is_empty() && self.delete.is_empty()
    }

    /// The next step of a rolling update.
    pub(super) fn roll(&mut self, by_node: &ByNode<'_>, placement: &Placement<'_>, view: &View) {
        let surge = rolling(self.set, "maxSurge", self.desired);
        if surge > 0 {
            self.roll_with_surge(by_node, placement, view, surge);
        } else {
            self.roll_in_place(by_node, rolling(self.set, "maxUnavailable", self.desired).max(1));
        }
    }

    fn roll_in_place(&mut self, by_node: &ByNode<'_>, most_unavailable: i64) {
        let (mut unavailable, mut candidates) = (0, Vec::new());
        for pods in by_node.values() {
            let live: Vec<&Arc<Value>> = pods.iter().copied().filter(|pod| !is_deleting(pod)).collect();
            let [pod] = live.as_slice() else {
                unavailable += 1;
                continue;
            };
            let available = self.is_available(pod);
            unavailable += i64::from(!available);
            if !self.is_new(pod) {
                if available {
                    candidates.push(key_of(pod));
                } else {
                    self.delete.push(key_of(pod));
                }
            }
        }
        let more = usize::try_from(most_unavailable - unavailable).unwrap_or(0);
        self.delete.extend(candidates.into_iter().take(more));
    }

    fn roll_with_surge(&mut self, by_node: &ByNode<'_>, placement: &Placement<'_>, view: &View, most: i64) {
        let (mut surging, mut candidates) = (0, Vec::new());
        for (node, pods) in by_node {
            let live: Vec<&Arc<Value>> = pods.iter().copied().filter(|pod| !is_deleting(pod)).collect();
            let runs = view
                .named(Kind::NODE, node)
                .is_some_and(|node| placement.fit(node) == Fit::Runs);
            match live.as_slice() {
                [pod] if !self.is_new(pod) && runs => {
                    if self.is_available(pod) {
                        candidates.push(node.clone());
                    } else {
                        self.create.push(node.clone());
                    }
                }
                [_, _] => surging += 1,
                _ => {}
            }
        }
        let more = usize::try_from(most - surging).unwrap_or(0);
        self.create.extend(candidates.into_iter().take(more));
    }
}

/// `updateStrategy.rollingUpdate.<field>` out of `total`; 0 with another strategy.
fn rolling(set: &Value, field: &str, total: i64) -> i64 {
    if text(set, "/spec/updateStrategy/type") != "RollingUpdate" {
        return 0;
    }
    let amount = set
        .pointer("/spec/updateStrategy/rollingUpdate")
        .and_then(|rolling| rolling.get(field));
    scaled(amount, total, Round::Up).unwrap_or(0)
}
