//! The work queue: which controller looks at which key next, and when.
//!
//! Must not know: what controllers do. Time is an argument.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use jiff::Timestamp;

use super::super::ObjectKey;

/// First delay after a failed write (client-go's default rate limiter).
const FIRST_BACKOFF: Duration = Duration::from_millis(5);
/// Longest delay after failed writes in a row.
const LONGEST_BACKOFF: Duration = Duration::from_secs(1000);

/// A controller's place in the driver's list, and a key of its.
pub(super) type Item = (usize, ObjectKey);

/// Keys in order of arrival, each once, and timers.
#[derive(Debug, Default)]
pub(super) struct Queue {
    order: VecDeque<Item>,
    queued: BTreeSet<Item>,
    timers: BTreeSet<(Timestamp, Item)>,
    due: BTreeMap<Item, Timestamp>,
    /// Keys that rest until then.
    resting: BTreeMap<Item, Timestamp>,
    failures: BTreeMap<Item, u32>,
}

impl Queue {
    /// A change concerns this key.
    pub(super) fn add(&mut self, item: Item, now: Timestamp) {
        match self.resting.get(&item) {
            Some(until) if *until > now => {
                let until = *until;
                self.wake_at(item, until);
            }
            Some(_) => {
                self.resting.remove(&item);
                self.push(item);
            }
            None => self.push(item),
        }
    }

    fn push(&mut self, item: Item) {
        if self.queued.insert(item.clone()) {
            self.order.push_back(item);
        }
    }

    /// The next key to look at. Its timer no longer counts: the pass sets a new one if it wants.
    pub(super) fn pop(&mut self, now: Timestamp) -> Option<Item> {
        while let Some((at, item)) = self.timers.first()
            && *at <= now
        {
            let item = item.clone();
            self.clear_timer(&item);
            self.resting.remove(&item);
            self.push(item);
        }
        let item = self.order.pop_front()?;
        self.queued.remove(&item);
        self.clear_timer(&item);
        Some(item)
    }

    /// A pass went well: back-off starts anew.
    pub(super) fn done(&mut self, item: Item, wake_after: Option<Duration>, rest: Duration, now: Timestamp) {
        self.failures.remove(&item);
        if !rest.is_zero() {
            self.resting.insert(item.clone(), later(now, rest));
        }
        if let Some(wait) = wake_after {
            self.wake_at(item, later(now, wait));
        }
    }

    /// A write of a pass failed.
    pub(super) fn failed(&mut self, item: Item, now: Timestamp) {
        let failures = self.failures.entry(item.clone()).or_default();
        let wait = FIRST_BACKOFF
            .saturating_mul(1 << (*failures).min(20))
            .min(LONGEST_BACKOFF);
        *failures = failures.saturating_add(1);
        self.wake_at(item, later(now, wait));
    }

    /// Sets the timer of a key, unless an earlier one is set.
    fn wake_at(&mut self, item: Item, at: Timestamp) {
        if self.due.get(&item).is_some_and(|before| *before <= at) {
            return;
        }
        self.clear_timer(&item);
        self.timers.insert((at, item.clone()));
        self.due.insert(item, at);
    }

    fn clear_timer(&mut self, item: &Item) {
        if let Some(at) = self.due.remove(item) {
            self.timers.remove(&(at, item.clone()));
        }
    }

    /// Whether no key waits to be looked at now.
    pub(super) fn is_empty(&self) -> bool {
        self.order.is_empty()
    }

    /// When the next timer is due.
    pub(super) fn next_due(&self) -> Option<Timestamp> {
        self.timers.first().map(|(at, _)| *at)
    }
}

/// `now` plus `wait`, rounded up to the millisecond, the grain of tokio's timers.
fn later(now: Timestamp, wait: Duration) -> Timestamp {
    let millis = wait.as_micros().div_ceil(1000);
    let wait = jiff::SignedDuration::from_millis(i64::try_from(millis).unwrap_or(i64::MAX));
    now.checked_add(wait).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::clock::DEFAULT_EPOCH;

    fn item(name: &str) -> Item {
        (0, ObjectKey::new("", name))
    }

    fn at(millis: u64) -> Timestamp {
        later(DEFAULT_EPOCH, Duration::from_millis(millis))
    }

    #[test]
    fn keys_come_once_and_in_order() {
        let mut queue = Queue::default();
        for name in ["b", "a", "b"] {
            queue.add(item(name), at(0));
        }
        assert_eq!(
            [queue.pop(at(0)), queue.pop(at(0)), queue.pop(at(0))],
            [Some(item("b")), Some(item("a")), None]
        );
    }

    #[test]
    fn a_resting_key_folds_changes_into_one_pass() {
        let mut queue = Queue::default();
        queue.done(item("a"), None, Duration::from_millis(10), at(0));
        queue.add(item("a"), at(1));
        queue.add(item("a"), at(2));
        assert_eq!((queue.pop(at(9)), queue.next_due()), (None, Some(at(10))));
        assert_eq!(
            (queue.pop(at(10)), queue.pop(at(10)), queue.next_due()),
            (Some(item("a")), None, None)
        );
    }

    #[test]
    fn failures_back_off_and_success_forgives() {
        let mut queue = Queue::default();
        for wait in [5, 10, 20] {
            queue.failed(item("a"), at(0));
            assert_eq!(
                (queue.pop(at(wait - 1)), queue.pop(at(wait))),
                (None, Some(item("a"))),
                "{wait}"
            );
        }
        queue.done(item("a"), None, Duration::ZERO, at(0));
        queue.failed(item("a"), at(0));
        assert_eq!(queue.next_due(), Some(at(5)));
    }

    #[test]
    fn a_pass_replaces_the_timer() {
        let mut queue = Queue::default();
        queue.done(item("a"), Some(Duration::from_secs(1)), Duration::ZERO, at(0));
        queue.add(item("a"), at(1));
        assert_eq!(queue.pop(at(1)), Some(item("a")));
        queue.done(item("a"), None, Duration::ZERO, at(1));
        assert_eq!(queue.next_due(), None);
    }
}
