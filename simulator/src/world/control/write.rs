//! What controllers want done, as data.
//!
//! Must not know: how writes reach the API server.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use super::garbage::ObjectRef;
use super::kind::{Kind, ObjectKey};

/// One write that a controller wants. The driver executes them in order and stops at the first that fails.
#[derive(Clone, Debug, PartialEq)]
pub enum Write {
    /// POST.
    Create {
        /// Of what.
        kind: Kind,
        /// The whole object.
        object: Value,
    },
    /// PUT of the whole object; its resourceVersion guards it.
    Update {
        /// Of what.
        kind: Kind,
        /// The whole object.
        object: Value,
    },
    /// PUT on the status subresource; its resourceVersion guards it.
    UpdateStatus {
        /// Of what.
        kind: Kind,
        /// The whole object.
        object: Value,
    },
    /// Merge patch (RFC 7386), on the status subresource if `status`.
    MergePatch {
        /// Of what.
        kind: Kind,
        /// Which.
        key: ObjectKey,
        /// On the status subresource.
        status: bool,
        /// The patch.
        patch: Value,
    },
    /// DELETE, only if the uid still is `uid` (when given).
    Delete {
        /// Of what.
        kind: Kind,
        /// Which.
        key: ObjectKey,
        /// Precondition.
        uid: Option<String>,
        /// `gracePeriodSeconds`.
        grace_secs: Option<i64>,
        /// `propagationPolicy`: Background, Foreground or Orphan.
        propagation: Option<&'static str>,
    },
    /// POST to a pod's binding subresource.
    Bind {
        /// Which pod.
        pod: ObjectKey,
        /// Precondition.
        pod_uid: String,
        /// To which node.
        node: String,
    },
    /// PUT on a namespace's finalize subresource.
    Finalize {
        /// The whole Namespace, with the finalizer gone from `spec.finalizers`.
        namespace: Value,
    },
    /// DELETE of an object of any kind, custom ones included.
    DeleteAny {
        /// Which; its uid is a precondition.
        object: Box<ObjectRef>,
        /// `propagationPolicy`
        propagation: Option<&'static str>,
    },
    /// Merge patch of an object of any kind.
    PatchAny {
        /// Which.
        object: Box<ObjectRef>,
        /// The patch.
        patch: Value,
    },
    /// An event about an object.
    Event(Box<Event>),
}

/// An event about an object; the driver's recorder fills name, times and counts and folds repeats as client-go's does.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// Kind of the object.
    pub regarding: Kind,
    /// The object.
    pub object: Arc<Value>,
    /// Part of the object, e.g. `spec.containers{main}`.
    pub field_path: Option<String>,
    /// `type`.
    pub kind: EventKind,
    /// `reason`.
    pub reason: &'static str,
    /// `message`.
    pub message: String,
    /// `source.component` and `reportingComponent`.
    pub component: &'static str,
    /// `source.host`: the node, for kubelets.
    pub host: Option<String>,
}

impl Write {
    /// A Normal event.
    #[must_use]
    pub fn normal(
        component: &'static str,
        regarding: Kind,
        object: &Arc<Value>,
        reason: &'static str,
        message: impl Into<String>,
    ) -> Self {
        Self::event(component, regarding, object, EventKind::Normal, reason, message.into())
    }

    /// A Warning event.
    #[must_use]
    pub fn warning(
        component: &'static str,
        regarding: Kind,
        object: &Arc<Value>,
        reason: &'static str,
        message: impl Into<String>,
    ) -> Self {
        Self::event(component, regarding, object, EventKind::Warning, reason, message.into())
    }

    fn event(
        component: &'static str,
        regarding: Kind,
        object: &Arc<Value>,
        kind: EventKind,
        reason: &'static str,
        message: String,
    ) -> Self {
        Self::Event(Box::new(Event {
            regarding,
            object: Arc::clone(object),
            field_path: None,
            kind,
            reason,
            message,
            component,
            host: None,
        }))
    }
}

/// `type` of an Event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum EventKind {
    /// Normal
    Normal,
    /// Warning
    Warning,
}

impl EventKind {
    /// As the API writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Normal => "Normal",
            Self::Warning => "Warning",
        }
    }
}

/// What one pass of a controller wants.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// Writes, in order.
    pub writes: Vec<Write>,
    /// Look at this key again after this long, whatever happens.
    pub wake_after: Option<Duration>,
    /// Do not look at this key again sooner than this; changes in between fold into one pass. Stands for the time that
    /// a real pass takes, and keeps owners of thousands of pods from working once per pod change.
    pub rest: Duration,
}

impl Outcome {
    /// Nothing to do.
    #[must_use]
    pub fn nothing() -> Self {
        Self::default()
    }

    /// These writes.
    #[must_use]
    pub fn writes(writes: Vec<Write>) -> Self {
        Self {
            writes,
            ..Self::default()
        }
    }

    /// Wakes after `wait` too, or sooner if already so asked.
    pub fn wake(&mut self, wait: Duration) {
        self.wake_after = Some(self.wake_after.map_or(wait, |before| before.min(wait)));
    }
}

/// How long an owner of `pods` pods rests after a pass: about what a real pass takes (20 microseconds a pod), at most a
/// second; small owners never rest.
#[must_use]
pub(super) fn rest_for(pods: usize) -> Duration {
    let micros = u64::try_from(pods).unwrap_or(u64::MAX).saturating_mul(20);
    if pods < 100 {
        Duration::ZERO
    } else {
        Duration::from_micros(micros.min(1_000_000))
    }
}
