//! What the driver needs of an API server: doors to write through and an ordered feed of what was committed.
//!
//! Must not know: controllers. In-process it is the simulator's own server; the same driver can run against a real one.

use std::sync::Arc;

use futures::future::BoxFuture;
use serde_json::Value;

use super::super::garbage::{ObjectRef, Resource};
use super::super::{Kind, ObjectKey};
use crate::world::kube::api_error::ApiError;

/// One request of the driver.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// POST.
    Create {
        /// Of what.
        kind: Kind,
        /// The whole object.
        object: Value,
    },
    /// PUT.
    Update {
        /// Of what.
        kind: Kind,
        /// The whole object.
        object: Value,
        /// On the status subresource.
        status: bool,
    },
    /// Merge patch.
    Patch {
        /// Which.
        target: Target,
        /// The patch.
        patch: Value,
        /// On the status subresource.
        status: bool,
    },
    /// DELETE.
    Delete {
        /// Which.
        target: Target,
        /// `preconditions.uid`
        uid: Option<String>,
        /// `gracePeriodSeconds`
        grace_secs: Option<i64>,
        /// `propagationPolicy`
        propagation: Option<&'static str>,
    },
    /// POST to a pod's binding subresource.
    Bind {
        /// Which pod.
        pod: ObjectKey,
        /// Its uid.
        pod_uid: String,
        /// To which node.
        node: String,
    },
    /// PUT on a namespace's finalize subresource.
    Finalize {
        /// The namespace.
        namespace: Value,
    },
}

/// An existing object of a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// Of a kind that controllers know.
    Known(Kind, ObjectKey),
    /// Of any kind.
    Any(Box<ObjectRef>),
}

/// One committed change of any object.
#[derive(Clone, Debug)]
pub struct Committed {
    /// Where the object is served.
    pub resource: Arc<Resource>,
    /// The object that is gone; may be None when `new` is there.
    pub old: Option<Arc<Value>>,
    /// The object as it is now (None: gone).
    pub new: Option<Arc<Value>>,
}

/// What the feed tells.
#[derive(Clone, Debug)]
pub enum News {
    /// All objects that there are: at the start, and whenever changes were missed.
    Listed(Vec<Committed>),
    /// One change.
    Committed(Committed),
}

/// Doors to write through.
pub trait Api: Send + Sync {
    /// Does one request as `user`.
    fn send<'a>(&'a self, user: &'a str, request: Request) -> BoxFuture<'a, Result<(), ApiError>>;
}

/// Committed changes in order, each once; a list of what there is comes first.
pub trait Feed: Send {
    /// The next news, if any is waiting.
    fn take(&mut self) -> Option<News>;

    /// Waits until a change is waiting; false: no change will ever come again.
    fn ready(&mut self) -> BoxFuture<'_, bool>;
}
