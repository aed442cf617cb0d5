//! Images on nodes: what is there, and how long the rest takes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;

use super::after;

/// Bytes a second that a node pulls (an AKS node near its registry).
const PULL_BYTES_PER_SEC: u64 = 100_000_000;
/// Time of asking the registry, whatever the size.
const ASK_MILLIS: u64 = 300;

/// Images by node. A node pulls one image at a time (`serializeImagePulls`).
#[derive(Debug, Default)]
pub(super) struct Images {
    present: BTreeMap<String, BTreeSet<String>>,
    busy_until: BTreeMap<String, Timestamp>,
}

/// When a pull is done: it may wait for another first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pull {
    pub(super) done_at: Timestamp,
    pub(super) took: Duration,
    pub(super) with_waiting: Duration,
}

impl Images {
    pub(super) fn has(&self, node: &str, image: &str) -> bool {
        self.present.get(node).is_some_and(|images| images.contains(image))
    }

    /// Starts a pull; layers that are there already are not pulled again.
    pub(super) fn pull(&mut self, node: &str, image: &str, bytes: u64, now: Timestamp) -> Pull {
        let bytes = if self.has(node, image) { 0 } else { bytes };
        let took = Duration::from_millis(ASK_MILLIS + bytes.saturating_mul(1000) / PULL_BYTES_PER_SEC);
        let starts = self
            .busy_until
            .get(node)
            .copied()
            .filter(|until| *until > now)
            .unwrap_or(now);
        let done_at = after(starts, took);
        self.busy_until.insert(node.to_owned(), done_at);
        let with_waiting = Duration::try_from(done_at.duration_since(now)).unwrap_or(took);
        Pull {
            done_at,
            took,
            with_waiting,
        }
    }

    /// The pull is done.
    pub(super) fn keep(&mut self, node: &str, image: &str) {
        self.present
            .entry(node.to_owned())
            .or_default()
            .insert(image.to_owned());
    }

    /// The node is gone, and its images with it.
    pub(super) fn forget(&mut self, node: &str) {
        self.present.remove(node);
        self.busy_until.remove(node);
    }
}
