//! Failures in the words of the real server.

use serde_json::Value;

use crate::world::kube::api_error::{ApiError, Cause, Details};

/// Reasons of `metav1.Status` that a webhook may give; others are not passed on.
const REASONS: [&str; 18] = [
    "Unauthorized",
    "Forbidden",
    "NotFound",
    "AlreadyExists",
    "Conflict",
    "Gone",
    "Invalid",
    "ServerTimeout",
    "StoreReadError",
    "Timeout",
    "TooManyRequests",
    "BadRequest",
    "MethodNotAllowed",
    "NotAcceptable",
    "RequestEntityTooLarge",
    "UnsupportedMediaType",
    "InternalError",
    "ServiceUnavailable",
];

/// The webhook could not be asked, or its answer not be read.
pub(super) fn failed_call(webhook: &str, reason: &str) -> ApiError {
    let text = format!("failed calling webhook {webhook:?}: {reason}");
    let mut error = ApiError::internal(&text);
    error.details = Some(Box::new(Details {
        causes: vec![Cause {
            reason: String::new(),
            message: text,
            field: String::new(),
        }],
        ..Details::default()
    }));
    error
}

/// The webhook said no.
pub(super) fn denied(webhook: &str, status: Option<&Value>) -> ApiError {
    let empty = Value::Null;
    let status = status.unwrap_or(&empty);
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let code = status
        .get("code")
        .and_then(Value::as_u64)
        .and_then(|code| u16::try_from(code).ok())
        .unwrap_or(0);
    let (message, reason) = (text(status, "message"), text(status, "reason"));
    let said = if message.is_empty() { &reason } else { &message };
    let tail = if said.is_empty() {
        " without explanation".to_owned()
    } else {
        format!(": {said}")
    };
    let known = REASONS.into_iter().find(|known| *known == reason).unwrap_or_default();
    let message = format!("admission webhook {webhook:?} denied the request{tail}");
    let mut error = ApiError::other(code.max(400), known, message);
    if let Some(details) = status.get("details").filter(|details| details.is_object()) {
        let causes = details.get("causes").and_then(Value::as_array).into_iter().flatten();
        let seconds = details.get("retryAfterSeconds").and_then(Value::as_u64).unwrap_or(0);
        error.details = Some(Box::new(Details {
            name: text(details, "name"),
            group: text(details, "group"),
            kind: text(details, "kind"),
            uid: text(details, "uid"),
            causes: causes
                .map(|cause| Cause {
                    reason: text(cause, "reason"),
                    message: text(cause, "message"),
                    field: text(cause, "field"),
                })
                .collect(),
            retry_after_secs: u32::try_from(seconds).unwrap_or(u32::MAX),
        }));
    }
    error
}
