//! What the NodeClaims of a Workspace say, in one reason and one sentence.

use operator_api::NodeClaim;
use operator_api::conditions::ReasonInfo;

use super::super::intent::Intent;
use super::super::observed::Observed;
use super::claim_reason;

/// The steps of a claim's life, in order.
const LIFE: [&str; 3] = ["Launched", "Registered", "Initialized"];

/// Longest message of a claim that is passed on, in characters: what Azure says fits.
const MAX_MESSAGE_CHARS: usize = 800;

/// Whether as many claims as wanted are ready.
pub(in super::super) fn are_ready(seen: &Observed, intent: &Intent) -> bool {
    let ready = seen.claims.iter().filter(|claim| problem(claim).is_none()).count();
    ready >= intent.nodes.count as usize
}

/// The condition NodeClaimReady.
pub(super) fn judge(seen: &Observed, intent: &Intent, missing: &[String]) -> (ReasonInfo, String) {
    let count = intent.nodes.count as usize;
    if are_ready(seen, intent) {
        return (
            claim_reason("NodeClaimsReady"),
            format!("{count} of {count} node claims are ready"),
        );
    }
    if seen.claims.len() < count && !missing.is_empty() {
        let message = format!(
            "no machine is asked for while something is missing: {}",
            missing.join("; ")
        );
        return (claim_reason("NodeClaimNotReady"), message);
    }
    // A refusal says more than a claim that nobody has looked at yet.
    let problems = seen.claims.iter().filter_map(|claim| problem(claim));
    let worst = problems.min_by_key(|(word, _)| word == "AwaitingReconciliation");
    match worst {
        Some((word, message)) => (claim_reason(&word), message.chars().take(MAX_MESSAGE_CHARS).collect()),
        None => {
            let message = format!("{} of {count} node claims exist", seen.claims.len());
            (claim_reason("NodeClaimNotReady"), message)
        }
    }
}

/// What keeps a claim from being ready: reason and message.
fn problem(claim: &NodeClaim) -> Option<(String, String)> {
    let name = claim.metadata.name.as_deref().unwrap_or_default();
    if claim.metadata.deletion_timestamp.is_some() {
        return Some(("NodeClaimNotReady".into(), format!("NodeClaim {name} is being deleted")));
    }
    let conditions = claim.status.as_ref().map_or(&[][..], |status| &status.conditions);
    for step in LIFE {
        match conditions.iter().find(|condition| condition.type_ == step) {
            Some(condition) if condition.status == "True" => {}
            Some(condition) => {
                let message = match condition.message.as_str() {
                    "" => format!("NodeClaim {name}: {step} is {}", condition.status),
                    message => format!("NodeClaim {name}: {message}"),
                };
                return Some((condition.reason.clone(), message));
            }
            None => {
                let message = format!("NodeClaim {name} has not been looked at yet");
                return Some(("AwaitingReconciliation".into(), message));
            }
        }
    }
    None
}
