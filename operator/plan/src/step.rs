//! What a plan is made of: steps in the order in which they are taken, the status to publish, and the next wake-up.

use jiff::Timestamp;
use serde_json::Value;

use crate::target::Target;

/// One thing to do. The executor matches these without a decision of its own.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// Server-side apply of exactly these fields.
    Apply {
        /// The object.
        target: Target,
        /// Its fields, without `apiVersion`, `kind`, name and namespace, which `target` gives.
        fields: Value,
        /// Whether fields of other managers are taken over: for objects that are ours alone, never for shared ones.
        force: bool,
    },
    /// Delete, if it still is the object that was seen.
    Delete {
        /// The object.
        target: Target,
        /// The uid that was seen.
        uid: String,
        /// What becomes of the objects that it owns.
        propagation: Propagation,
    },
    /// Add our finalizer to an object.
    AddFinalizer {
        /// The object.
        target: Target,
        /// The finalizer.
        finalizer: &'static str,
    },
    /// Take our finalizer away, if the object is the one that was seen.
    DropFinalizer {
        /// The object.
        target: Target,
        /// The uid that was seen.
        uid: String,
        /// The finalizer.
        finalizer: &'static str,
    },
    /// Ask AKS for an agent pool (create or update; the same request again is harmless).
    PutPool {
        /// Name of the pool, which is its claim's.
        name: String,
        /// The body of the request, `{"properties": …}`.
        body: Value,
    },
    /// Ask AKS to remove an agent pool.
    DeletePool {
        /// Name of the pool.
        name: String,
    },
}

/// What becomes of owned objects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Propagation {
    /// They are collected afterwards.
    Background,
    /// The object stays until they are gone.
    Foreground,
}

/// A step, and why it is taken.
#[derive(Clone, Debug, PartialEq)]
pub struct Planned {
    /// What is done.
    pub step: Step,
    /// Why, in words for the log and for `drydock why`.
    pub why: String,
}

/// When the object is looked at again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Wake {
    /// At that time, or when something changes.
    At(Timestamp),
    /// When something changes.
    #[default]
    OnChange,
}

impl Wake {
    /// The earlier of two.
    #[must_use]
    pub fn earlier(self, other: Self) -> Self {
        // `At` sorts before `OnChange`, and times sort by themselves.
        self.min(other)
    }
}

/// How an event is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Severity {
    /// Something went as it should.
    Normal,
    /// Somebody may have to act.
    Warning,
}

/// An Event about the object that is planned for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// Normal or warning.
    pub severity: Severity,
    /// CamelCase word for programs.
    pub reason: String,
    /// For people.
    pub message: String,
}

/// What is to be done about one object. The default is: nothing, until something changes.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Plan {
    /// Steps, in order; the first that fails ends the pass.
    pub steps: Vec<Planned>,
    /// The whole status to publish; None when it is what it should be.
    pub status: Option<Value>,
    /// Events to record. A planner emits one when the status changes, so that a settled object has none.
    pub events: Vec<Event>,
    /// The next look.
    pub wake: Wake,
}

impl Plan {
    /// Adds a step.
    pub fn step(&mut self, step: Step, why: impl Into<String>) {
        self.steps.push(Planned { step, why: why.into() });
    }

    /// Whether carrying it out writes nothing.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty() && self.status.is_none() && self.events.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_earlier_wake_wins() {
        let at = |second| Wake::At(Timestamp::from_second(second).unwrap());
        assert_eq!(at(5).earlier(at(3)), at(3));
        assert_eq!(Wake::OnChange.earlier(at(9)), at(9));
        assert_eq!(Wake::OnChange.earlier(Wake::OnChange), Wake::OnChange);
    }
}
