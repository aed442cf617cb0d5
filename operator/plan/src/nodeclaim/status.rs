//! What is told of a NodeClaim.

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Node;
use operator_api::conditions::{
    ConditionType, Initialized, InstanceTerminating, Launched, Ready, Reason, ReasonInfo, Registered,
};
use operator_api::nodeclaim::NodeClaimStatus;
use serde_json::Value;

use super::observed::{Observed, PoolSeen, Refusal, RefusalClass};
use crate::conditions::Conditions;
use crate::step::Event;
use crate::workspace::nodes::{amount, is_ready};

/// Longest message, in characters: what Azure says fits, and a list stays readable.
const MAX_MESSAGE_CHARS: usize = 800;
/// A node that has not joined by then most likely never will, in minutes.
const JOINS_WITHIN: SignedDuration = SignedDuration::from_mins(30);

/// How far the machine is.
pub(super) enum Launch {
    /// Azure is at it; the state of the pool.
    Making(String),
    /// It exists.
    Up,
    /// Azure refused; when it is asked again.
    Refused(Refusal, Timestamp),
    /// It failed before; when it is asked again.
    Waiting(Timestamp),
    /// Azure does not say.
    Unknown(Refusal),
}

/// What is published.
pub(super) struct Told {
    pub(super) status: Option<Value>,
    pub(super) events: Vec<Event>,
    pub(super) initialized: bool,
}

pub(super) fn told(seen: &Observed, launch: &Launch, nodes: &[&Node]) -> Told {
    let old = seen.claim.status.clone().unwrap_or_default();
    let mut conditions = Conditions::new(&old.conditions, generation(seen), seen.now);
    launched(&mut conditions, launch, &old);
    let up = conditions.is_true(ConditionType::Launched);
    registered(&mut conditions, seen, up, nodes);
    let registered = conditions.is_true(ConditionType::Registered);
    match nodes {
        [node] if registered => initialized(&mut conditions, seen, node),
        _ => conditions.set(Initialized::NodeNotFound, "the node has not joined yet"),
    }
    let is_initialized = conditions.is_true(ConditionType::Initialized);
    ready(&mut conditions);
    let events = conditions.turned(&[
        ConditionType::Launched,
        ConditionType::Registered,
        ConditionType::Initialized,
    ]);
    let mut new = NodeClaimStatus {
        conditions: conditions.finish(),
        ..old.clone()
    };
    if let [node] = nodes {
        describe(&mut new, seen, node);
    }
    Told {
        status: (old != new).then(|| serde_json::to_value(new).unwrap_or_default()),
        events,
        initialized: is_initialized,
    }
}

/// The status of a claim that is being deleted.
pub(super) fn deleting(seen: &Observed) -> Option<Value> {
    let old = seen.claim.status.clone().unwrap_or_default();
    let mut conditions = Conditions::new(&old.conditions, generation(seen), seen.now);
    let message = match &seen.pool {
        PoolSeen::Present(pool) => format!("agent pool {} is {}", pool.name, pool.provisioning_state),
        PoolSeen::Unknown(refusal) => format!("Azure does not say whether the agent pool is gone: {}", words(refusal)),
        PoolSeen::Absent => String::new(),
    };
    conditions.set(InstanceTerminating::InstanceTerminating, &cut(&message));
    conditions.set(Ready::Deleting, &cut(&message));
    let kept = old
        .conditions
        .iter()
        .filter(|condition| !["Ready", "InstanceTerminating"].contains(&condition.type_.as_str()));
    let mut all: Vec<_> = kept.cloned().collect();
    all.extend(conditions.finish());
    let new = NodeClaimStatus {
        conditions: all,
        ..old.clone()
    };
    let same =
        old.conditions.len() == new.conditions.len() && new.conditions.iter().all(|one| old.conditions.contains(one));
    (!same).then(|| serde_json::to_value(new).unwrap_or_default())
}

fn launched(conditions: &mut Conditions<'_>, launch: &Launch, old: &NodeClaimStatus) {
    match launch {
        Launch::Up => conditions.set(Launched::Launched, ""),
        Launch::Making(state) => conditions.set(Launched::Launching, &format!("the agent pool is {state}")),
        Launch::Refused(refusal, until) => {
            let message = match *until == Timestamp::MAX {
                true => words(refusal),
                false => format!("{}; it is asked for again at {}", words(refusal), minute(*until)),
            };
            conditions.set(reason(refusal), &cut(&message));
        }
        Launch::Waiting(until) => {
            // What failed is told until the next try.
            let before = old.conditions.iter().find(|condition| condition.type_ == "Launched");
            let known =
                before.and_then(|before| Some((ConditionType::Launched.reason(&before.reason)?, &before.message)));
            match known {
                Some((info, message)) if info.status != operator_api::conditions::Status::True => {
                    conditions.set_info(ConditionType::Launched, info, message);
                }
                _ => {
                    let message = format!("the agent pool failed; it is asked for again at {}", minute(*until));
                    conditions.set(Launched::LaunchFailed, &message);
                }
            }
        }
        Launch::Unknown(refusal) => {
            let message = format!("Azure does not say how the agent pool is: {}", words(refusal));
            match conditions.was_true(ConditionType::Launched) {
                // A machine that was there is not gone because Azure does not answer.
                true => conditions.set(Launched::Launched, ""),
                false => conditions.set(reason(refusal), &cut(&message)),
            }
        }
    }
}

fn reason(refusal: &Refusal) -> Launched {
    match refusal.class {
        RefusalClass::Quota => Launched::QuotaExceeded,
        RefusalClass::Capacity => Launched::InsufficientCapacity,
        RefusalClass::Unauthorized => Launched::Unauthorized,
        RefusalClass::Busy | RefusalClass::Throttled(_) | RefusalClass::Transient | RefusalClass::Permanent => {
            Launched::LaunchFailed
        }
    }
}

fn registered(conditions: &mut Conditions<'_>, seen: &Observed, up: bool, nodes: &[&Node]) {
    match nodes {
        [_] if up => conditions.set(Registered::Registered, ""),
        [] if up => {
            let created = seen
                .claim
                .metadata
                .creation_timestamp
                .as_ref()
                .map_or(seen.now, |time| time.0);
            let late = seen.now.duration_since(created) > JOINS_WITHIN;
            let message = match late {
                false => "the machine exists, its node has not joined yet",
                true => {
                    "the machine exists, but its node has not joined for more than 30 minutes: look at its boot \
                         diagnostics and at the cluster's outbound connectivity, or delete the claim to get another"
                }
            };
            conditions.set(Registered::NodeNotFound, message);
        }
        [] | [_] => conditions.set(Registered::NodeNotFound, "the machine does not exist yet"),
        [_, _, ..] => {
            let names: Vec<&str> = nodes.iter().filter_map(|node| node.metadata.name.as_deref()).collect();
            conditions.set(
                Registered::MultipleNodesFound,
                &format!("nodes {} claim to be this machine", names.join(", ")),
            );
        }
    }
}

fn initialized(conditions: &mut Conditions<'_>, seen: &Observed, node: &Node) {
    let name = node.metadata.name.as_deref().unwrap_or_default();
    let taints: Vec<&str> = node
        .spec
        .iter()
        .flat_map(|spec| spec.taints.iter().flatten())
        .map(|taint| taint.key.as_str())
        .collect();
    let startup = seen
        .claim
        .spec
        .startup_taints
        .iter()
        .find(|taint| taints.contains(&taint.key.as_str()));
    let passing = EPHEMERAL_TAINTS.iter().find(|key| taints.contains(key));
    let lacking = lacking(seen, node);
    if !is_ready(node) {
        conditions.set(Initialized::NodeNotReady, &format!("node {name} is not ready"));
    } else if let Some(taint) = startup {
        conditions.set(
            Initialized::StartupTaintsExist,
            &format!("node {name} still has the taint {}", taint.key),
        );
    } else if let Some(key) = passing {
        conditions.set(
            Initialized::KnownEphemeralTaintsExist,
            &format!("node {name} still has the taint {key}"),
        );
    } else if !lacking.is_empty() {
        conditions.set(
            Initialized::ResourceNotRegistered,
            &format!("node {name} offers {}", lacking.join(", ")),
        );
    } else {
        conditions.set(Initialized::Initialized, "");
    }
}

/// Taints that go by themselves while a node starts.
const EPHEMERAL_TAINTS: [&str; 4] = [
    "node.kubernetes.io/not-ready",
    "node.kubernetes.io/unreachable",
    "node.cloudprovider.kubernetes.io/uninitialized",
    "karpenter.sh/unregistered",
];

/// What the node offers too little of. Disk is asked of the machine, not of the node.
fn lacking(seen: &Observed, node: &Node) -> Vec<String> {
    let wanted = seen
        .claim
        .spec
        .resources
        .requests
        .iter()
        .filter(|(key, _)| *key != "storage");
    wanted
        .filter_map(|(key, quantity)| {
            let wanted: u64 = quantity.0.parse().ok()?;
            let offered = amount(node, key);
            (offered < wanted).then(|| format!("{offered} of {wanted} {key}"))
        })
        .collect()
}

/// The claim is as ready as its last step.
fn ready(conditions: &mut Conditions<'_>) {
    let steps = [
        ConditionType::Launched,
        ConditionType::Registered,
        ConditionType::Initialized,
    ];
    let open = steps.into_iter().find(|step| !conditions.is_true(*step));
    let Some(step) = open else {
        conditions.set(Ready::Ready, "");
        return;
    };
    let (word, message) = conditions
        .get(step)
        .map_or_else(Default::default, |it| (it.reason.clone(), it.message.clone()));
    let info: ReasonInfo = match word.as_str() {
        "QuotaExceeded" | "Unauthorized" => Ready::Failed.info(),
        _ => Ready::Progressing.info(),
    };
    conditions.set_info(ConditionType::Ready, info, &message);
}

fn describe(status: &mut NodeClaimStatus, seen: &Observed, node: &Node) {
    status.node_name = node.metadata.name.clone().unwrap_or_default();
    status.provider_id = node
        .spec
        .as_ref()
        .and_then(|spec| spec.provider_id.clone())
        .unwrap_or_default();
    if let PoolSeen::Present(pool) = &seen.pool {
        status.image_id = pool.node_image.clone();
    }
    if let Some(node) = &node.status {
        status.capacity = node.capacity.clone().unwrap_or_default();
        status.allocatable = node.allocatable.clone().unwrap_or_default();
    }
}

fn words(refusal: &Refusal) -> String {
    match refusal.code.as_str() {
        "" | "LaunchFailed" => refusal.message.clone(),
        code => format!("{code}: {}", refusal.message),
    }
}

fn cut(message: &str) -> String {
    match message.char_indices().nth(MAX_MESSAGE_CHARS) {
        None => message.to_owned(),
        Some(_) => message.chars().take(MAX_MESSAGE_CHARS - 1).chain(['…']).collect(),
    }
}

fn minute(at: Timestamp) -> String {
    at.strftime("%H:%M:%SZ").to_string()
}

fn generation(seen: &Observed) -> i64 {
    seen.claim.metadata.generation.unwrap_or(0)
}
