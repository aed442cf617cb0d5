//! Faults at the API's seam: what a real API server does on a bad day, planted by rules and counted.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::call::Call;
use super::request::Verb;
use crate::world::kube::api_error::ApiError;

/// What goes wrong.
#[derive(Clone, Debug, PartialEq)]
pub enum Fault {
    /// 409, nothing done.
    Conflict,
    /// 429 with `Retry-After` in seconds, nothing done.
    TooManyRequests(u32),
    /// 500, nothing done.
    ErrorBeforeCommit,
    /// 500, although the write is done.
    ErrorAfterCommit,
    /// The write is done, the reply never comes: the connection breaks.
    LostReply,
    /// The watch ends.
    WatchDrop,
    /// Events come this much later.
    WatchDelay(Duration),
    /// A watch or list is told that its resourceVersion is too old.
    Gone,
    /// A list or get shows the state of this many writes ago.
    Stale(u64),
    /// The webhook does not answer in time.
    WebhookTimeout,
}

/// Which requests a fault hits. Empty texts and None match everything.
#[derive(Clone, Debug, Default)]
pub struct Rule {
    /// The verb.
    pub verb: Option<Verb>,
    /// The plural.
    pub plural: String,
    /// The object's name.
    pub name: String,
    /// Start of the user's name.
    pub user: String,
    /// Requests that pass before the first is hit.
    pub skip: u32,
    /// Requests that are hit, after which the rule is spent.
    pub times: u32,
}

#[derive(Debug)]
struct Planted {
    fault: Fault,
    rule: Rule,
}

/// The planted faults of one server.
#[derive(Default)]
pub struct Faults {
    planted: Mutex<Vec<Planted>>,
}

impl fmt::Debug for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Faults").finish_non_exhaustive()
    }
}

impl Faults {
    /// Plants a fault.
    pub fn plant(&self, fault: Fault, rule: Rule) {
        self.with(|planted| planted.push(Planted { fault, rule }));
    }

    /// Takes every fault away.
    pub fn heal(&self) {
        self.with(Vec::clear);
    }

    fn with<T>(&self, work: impl FnOnce(&mut Vec<Planted>) -> T) -> T {
        work(&mut self.planted.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The first planted fault of a wanted sort that this call is hit by, spent once.
    fn hit(&self, call: &Call, verb: Verb, wanted: fn(&Fault) -> bool) -> Option<Fault> {
        self.with(|planted| {
            let matching = planted
                .iter_mut()
                .filter(|one| wanted(&one.fault) && matches(&one.rule, call, verb));
            for one in matching {
                if one.rule.skip > 0 {
                    one.rule.skip -= 1;
                } else if one.rule.times > 0 {
                    one.rule.times -= 1;
                    return Some(one.fault.clone());
                }
            }
            None
        })
    }

    /// An error instead of the work.
    pub(super) fn before(&self, call: &Call, verb: Verb) -> Result<(), ApiError> {
        let wanted = |fault: &Fault| {
            matches!(
                fault,
                Fault::Conflict | Fault::TooManyRequests(_) | Fault::ErrorBeforeCommit | Fault::Gone
            )
        };
        match self.hit(call, verb, wanted) {
            None => Ok(()),
            Some(Fault::Conflict) => Err(call.modified()),
            Some(Fault::TooManyRequests(secs)) => Err(ApiError::too_many_requests(
                "the server has received too many requests and has asked us to try again later",
                secs,
            )),
            Some(Fault::Gone) => Err(ApiError::expired("too old resource version: 1 (2)")),
            Some(_) => Err(ApiError::internal("etcdserver: request timed out")),
        }
    }

    /// An error although the work is done; `LostReply` has no answer at all.
    pub(super) fn after(&self, call: &Call, verb: Verb) -> Option<Fault> {
        self.hit(call, verb, |fault| {
            matches!(fault, Fault::ErrorAfterCommit | Fault::LostReply)
        })
    }

    /// How many writes ago a read is.
    pub(super) fn staleness(&self, call: &Call, verb: Verb) -> Option<u64> {
        match self.hit(call, verb, |fault| matches!(fault, Fault::Stale(_))) {
            Some(Fault::Stale(writes)) => Some(writes),
            _ => None,
        }
    }

    pub(super) fn drops_watch(&self, call: &Call) -> bool {
        self.hit(call, Verb::Watch, |fault| *fault == Fault::WatchDrop)
            .is_some()
    }

    pub(super) fn watch_delay(&self, call: &Call) -> Option<Duration> {
        match self.hit(call, Verb::Watch, |fault| matches!(fault, Fault::WatchDelay(_))) {
            Some(Fault::WatchDelay(delay)) => Some(delay),
            _ => None,
        }
    }

    pub(super) fn webhook_times_out(&self, call: &Call, verb: Verb) -> bool {
        self.hit(call, verb, |fault| *fault == Fault::WebhookTimeout).is_some()
    }
}

fn matches(rule: &Rule, call: &Call, verb: Verb) -> bool {
    rule.verb.is_none_or(|wanted| wanted == verb)
        && (rule.plural.is_empty() || rule.plural == call.resource.plural)
        && (rule.name.is_empty() || rule.name == call.name)
        && call.user.username.starts_with(&rule.user)
}
