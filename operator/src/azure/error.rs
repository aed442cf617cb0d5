//! What Azure refuses, and how: sorted once, here.

use std::fmt::Display;
use std::time::Duration;

use http::{HeaderMap, StatusCode};
use operator_plan::nodeclaim::{Refusal, RefusalClass};
use serde_json::Value;

use crate::execute::Class;

/// Wait after a throttled request that does not say how long.
const THROTTLED_SECS: u64 = 60;

/// A refusal, or a request that came to nothing.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{code}: {message}")]
pub struct ArmError {
    /// HTTP status; None when there was no answer, or when an operation failed later.
    pub status: Option<u16>,
    /// Azure's code.
    pub code: String,
    /// The code inside, where Azure wraps one error in another.
    pub inner_code: String,
    /// Azure's words.
    pub message: String,
    /// How long Azure asks to wait.
    pub retry_after: Option<Duration>,
}

impl ArmError {
    fn new(status: Option<u16>, code: impl Into<String>, message: impl Into<String>) -> Self {
        let message = message.into();
        Self {
            status,
            code: code.into(),
            inner_code: String::new(),
            message,
            retry_after: None,
        }
    }

    /// An answer that is no success. AKS writes `{"code", "message", "subcode"}`, the gateway `{"error": {…}}`.
    pub(super) fn refused(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Self {
        let body: Value = serde_json::from_slice(body).unwrap_or_default();
        let error = body.get("error").filter(|error| error.is_object()).unwrap_or(&body);
        let mut found = Self::read(error);
        found.status = Some(status.as_u16());
        if found.code.is_empty() {
            found.code = format!("Http{}", status.as_u16());
        }
        found.retry_after = retry_after(headers);
        found
    }

    /// An operation that failed: the error inside it, or its status where a code stands in its place.
    pub(super) fn of_operation(status: &str, body: &Value) -> Self {
        let mut found = Self::read(body.get("error").unwrap_or(&Value::Null));
        if found.code.is_empty() {
            found.code = match status {
                "" => "UnknownStatus".into(),
                status => status.to_owned(),
            };
        }
        found
    }

    fn read(error: &Value) -> Self {
        let text = |pointer: &str| error.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let mut found = Self::new(None, text("/code"), text("/message"));
        let candidates = [text("/subcode"), text("/innererror/code"), text("/details/0/code")];
        let named = candidates.into_iter().find(|code| !code.is_empty());
        found.inner_code = named.map_or_else(|| quoted_code(&found.message), str::to_owned);
        found
    }

    pub(super) fn transport(error: impl Display) -> Self {
        Self::new(None, "AzureUnreachable", error.to_string())
    }

    pub(super) fn unreadable(error: impl Display) -> Self {
        Self::new(None, "UnreadableAnswer", error.to_string())
    }

    pub(super) fn credential(message: String) -> Self {
        Self::new(Some(401), "InvalidCredential", message)
    }

    pub(super) fn foreign(url: &str) -> Self {
        let host: String = url.chars().take(80).collect();
        Self::new(
            None,
            "ForeignOperation",
            format!("{host} is not an address of Azure Resource Manager that this operator talks to"),
        )
    }

    /// Whether it says that the pool is not there (and the cluster is).
    pub(super) fn is_missing_pool(&self) -> bool {
        let is_pool = ["NotFound", "AgentPoolNotFound"].contains(&self.code.as_str());
        self.status == Some(404) && (is_pool || self.message.to_lowercase().contains("agent pool not found"))
    }

    /// The word for conditions: the code inside, where it says more.
    pub fn reason(&self) -> String {
        match self.inner_code.as_str() {
            "" => self.code.clone(),
            inner => inner.to_owned(),
        }
    }

    fn is(&self, codes: &[&str]) -> bool {
        codes.iter().any(|code| self.code == *code || self.inner_code == *code)
    }

    /// How to go on.
    pub fn class(&self) -> Class {
        match self.refusal_class() {
            RefusalClass::Busy => Class::Conflict,
            RefusalClass::Throttled(secs) => Class::Throttled(Duration::from_secs(secs)),
            RefusalClass::Transient => Class::Transient,
            RefusalClass::Capacity => Class::Capacity,
            RefusalClass::Quota => Class::Quota,
            RefusalClass::Unauthorized | RefusalClass::Permanent => Class::Permanent,
        }
    }

    /// The refusal as a plan sees it.
    pub fn refusal(&self) -> Refusal {
        Refusal {
            class: self.refusal_class(),
            code: self.reason(),
            message: self.message.clone(),
        }
    }

    fn refusal_class(&self) -> RefusalClass {
        let lower = self.message.to_lowercase();
        let quota = lower.contains("quota") && (lower.contains("exceed") || lower.contains("limit"));
        if self.status == Some(429) || self.is(&["Throttled", "TooManyRequests", "SubscriptionRequestsThrottled"]) {
            return RefusalClass::Throttled(self.retry_after.map_or(THROTTLED_SECS, |wait| wait.as_secs().max(1)));
        }
        if quota || self.is(&["QuotaExceeded"]) {
            return RefusalClass::Quota;
        }
        if self.is(&[
            "SkuNotAvailable",
            "AllocationFailed",
            "ZonalAllocationFailed",
            "OverconstrainedAllocationRequest",
            "OverconstrainedZonalAllocationRequest",
            "AksCapacityHeavyUsage",
            "AKSCapacityError",
        ]) {
            return RefusalClass::Capacity;
        }
        let in_progress = lower.contains("in progress");
        if self.status == Some(409) && in_progress {
            return RefusalClass::Busy;
        }
        if self.is(&["Canceled", "AKSOperationPreempted", "OriginalEtagNotExpect"]) {
            return RefusalClass::Transient;
        }
        match self.status {
            Some(401 | 403) => RefusalClass::Unauthorized,
            Some(408 | 500..) | None => RefusalClass::Transient,
            Some(_) => RefusalClass::Permanent,
        }
    }
}

/// `Code="X"` or `SubCode: X` inside a long text.
fn quoted_code(message: &str) -> String {
    let after = |mark: &str| message.split_once(mark).map(|(_, rest)| rest);
    let rest = after("Code=\"")
        .or_else(|| after("Code='"))
        .or_else(|| after("SubCode: "));
    let word = rest.map(|rest| rest.chars().take_while(char::is_ascii_alphanumeric).collect::<String>());
    word.unwrap_or_default()
}

/// How long to wait, in whichever header it stands; dates are not read.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<u64>().ok();
    let millis = number("retry-after-ms").or_else(|| number("x-ms-retry-after-ms"));
    millis
        .map(Duration::from_millis)
        .or_else(|| number("retry-after").map(Duration::from_secs))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn both_envelopes_are_read_and_classed() {
        let quota =
            "Operation could not be completed as it results in exceeding approved standardNCSv3Family Cores quota.";
        let wrapped = r#"VMSSAgentPoolReconciler retry failed: Category: InternalError; SubCode: X; OrginalError: Code="AllocationFailed" Message="no""#;
        let cases = [
            (
                400,
                json!({ "code": "QuotaExceeded", "message": quota, "details": null, "subcode": "" }),
                "QuotaExceeded",
                Class::Quota,
            ),
            (
                409,
                json!({ "code": "OperationNotAllowed", "message": quota, "subcode": "" }),
                "OperationNotAllowed",
                Class::Quota,
            ),
            (
                409,
                json!({ "code": "OperationNotAllowed", "message": "Another agentpool operation (a - Creating) is in progress" }),
                "OperationNotAllowed",
                Class::Conflict,
            ),
            (
                400,
                json!({ "code": "ReconcileVMSSAgentPoolFailed", "message": wrapped }),
                "AllocationFailed",
                Class::Capacity,
            ),
            (
                403,
                json!({ "error": { "code": "AuthorizationFailed", "message": "no" } }),
                "AuthorizationFailed",
                Class::Permanent,
            ),
            (
                429,
                json!({ "code": "Throttled", "message": "wait" }),
                "Throttled",
                Class::Throttled(Duration::from_secs(7)),
            ),
            (
                400,
                json!({ "code": "InvalidParameter", "message": "no" }),
                "InvalidParameter",
                Class::Permanent,
            ),
            (503, json!("x"), "Http503", Class::Transient),
        ];
        let mut headers = HeaderMap::new();
        headers.insert("retry-after", http::HeaderValue::from_static("7"));
        for (status, body, reason, class) in cases {
            let status = StatusCode::from_u16(status).unwrap();
            let error = ArmError::refused(status, &headers, body.to_string().as_bytes());
            assert_eq!((error.reason().as_str(), error.class()), (reason, class), "{body}");
        }
    }

    #[test]
    fn an_absent_pool_is_not_an_absent_cluster() {
        let read =
            |body: Value| ArmError::refused(StatusCode::NOT_FOUND, &HeaderMap::new(), body.to_string().as_bytes());
        assert!(read(json!({ "code": "NotFound", "message": "Agent Pool not found" })).is_missing_pool());
        let cluster = json!({ "error": { "code": "ResourceNotFound", "message": "The Resource 'managedClusters/x' was not found." } });
        assert!(!read(cluster).is_missing_pool());
    }
}
