//! The conditions of one pass: built from what was published before, so that a transition time moves only with its
//! status, and an event is told only when something turned.

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use operator_api::conditions::{ConditionType, Reason, ReasonInfo, Status, condition};

use crate::step::{Event, Severity};

/// Collects conditions.
#[derive(Debug)]
pub struct Conditions<'a> {
    previous: &'a [Condition],
    generation: i64,
    now: Time,
    list: Vec<(ConditionType, Condition)>,
}

impl<'a> Conditions<'a> {
    /// Starts from what is published.
    pub fn new(previous: &'a [Condition], generation: i64, now: Timestamp) -> Self {
        Self {
            previous,
            generation,
            // Conditions are kept with whole seconds.
            now: Time(Timestamp::from_second(now.as_second()).unwrap_or(now)),
            list: Vec::new(),
        }
    }

    /// Sets a condition by its reason.
    pub fn set<R: Reason>(&mut self, reason: R, message: &str) {
        self.set_info(R::CONDITION, reason.info(), message);
    }

    /// Sets a condition by what is known of its reason.
    pub fn set_info(&mut self, type_: ConditionType, info: ReasonInfo, message: &str) {
        let previous = self.previous.iter().find(|old| old.type_ == type_.as_str());
        let entry = condition(type_, info, message, self.generation, previous, &self.now);
        self.list.retain(|(other, _)| *other != type_);
        self.list.push((type_, entry));
    }

    /// Whether a condition of this pass is True.
    pub fn is_true(&self, type_: ConditionType) -> bool {
        self.get(type_)
            .is_some_and(|condition| condition.status == Status::True.as_str())
    }

    /// A condition of this pass.
    pub fn get(&self, type_: ConditionType) -> Option<&Condition> {
        self.list
            .iter()
            .find(|(other, _)| *other == type_)
            .map(|(_, condition)| condition)
    }

    /// Whether a condition was True when the status was last published.
    pub fn was_true(&self, type_: ConditionType) -> bool {
        let old = self.previous.iter().find(|old| old.type_ == type_.as_str());
        old.is_some_and(|old| old.status == Status::True.as_str())
    }

    /// An event for each of these conditions whose status or reason has turned.
    pub fn turned(&self, told: &[ConditionType]) -> Vec<Event> {
        let told = self.list.iter().filter(|(type_, _)| told.contains(type_));
        told.filter_map(|(_, new)| {
            let old = self.previous.iter().find(|old| old.type_ == new.type_);
            let same = old.is_some_and(|old| old.status == new.status && old.reason == new.reason);
            // That something is not there yet is no news when nothing was known before.
            let first_pending = old.is_none() && new.status != Status::True.as_str();
            (!same && !first_pending).then(|| Event {
                severity: severity(old, new),
                reason: new.reason.clone(),
                message: match new.message.as_str() {
                    "" => format!("{} is {}", new.type_, new.status),
                    message => message.to_owned(),
                },
            })
        })
        .collect()
    }

    /// The entries, in the order of the documentation.
    pub fn finish(mut self) -> Vec<Condition> {
        self.list.sort_by_key(|(type_, _)| *type_);
        self.list.into_iter().map(|(_, condition)| condition).collect()
    }
}

/// Endings of reasons that only say that something is on its way.
const WAITS: [&str; 6] = [
    "Pending",
    "NotReady",
    "Launching",
    "AwaitingReconciliation",
    "NodeNotFound",
    "ResourceNotRegistered",
];

/// What was true and is not any more is worth a warning; so is a new reason that is not mere waiting.
fn severity(old: Option<&Condition>, new: &Condition) -> Severity {
    let fell = old.is_some_and(|old| old.status == Status::True.as_str());
    let waits = WAITS.iter().any(|word| new.reason.ends_with(word));
    match new.status.as_str() {
        "True" => Severity::Normal,
        _ if !fell && waits => Severity::Normal,
        _ => Severity::Warning,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use operator_api::conditions::InferenceReady;

    #[test]
    fn an_event_is_told_once_and_when_it_turns() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let told = [ConditionType::InferenceReady];
        let mut first = Conditions::new(&[], 1, at(1));
        first.set(InferenceReady::Pending, "");
        assert_eq!(first.turned(&told), []);
        let first = first.finish();
        let mut oom = Conditions::new(&first, 1, at(2));
        oom.set(InferenceReady::ContainerOomKilled, "container a, exit code 137");
        let events = oom.turned(&told);
        assert_eq!((events.len(), events[0].severity), (1, Severity::Warning));
        let oom = oom.finish();
        let mut again = Conditions::new(&oom, 1, at(3));
        again.set(
            InferenceReady::ContainerOomKilled,
            "container a, exit code 137, 2 restarts",
        );
        assert_eq!(again.turned(&told), []);
        assert_eq!(again.finish()[0].last_transition_time, Time(at(1)));
    }
}
