//! Agent pools and operations, as Azure tells of them.

use serde_json::Value;

use super::error::ArmError;
use operator_plan::nodeclaim::{OperationView, PoolView};

/// An agent pool.
#[derive(Clone, Debug, PartialEq)]
pub struct Pool {
    /// What a plan needs of it.
    pub view: PoolView,
}

impl Pool {
    /// Reads a pool. Words that are not known are kept as they are.
    pub(super) fn read(body: &Value) -> Result<Self, ArmError> {
        let text = |pointer: &str| {
            body.pointer(pointer)
                .and_then(Value::as_str)
                .unwrap_or_default()
                .to_owned()
        };
        let name = text("/name");
        if name.is_empty() {
            return Err(ArmError::unreadable("an agent pool without a name"));
        }
        Ok(Self {
            view: PoolView {
                name,
                provisioning_state: text("/properties/provisioningState"),
                node_image: text("/properties/nodeImageVersion"),
            },
        })
    }
}

/// Where an operation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperationStatus {
    /// Under way.
    InProgress,
    /// Done.
    Succeeded,
    /// Ended without success.
    Failed,
}

/// A long-running operation.
#[derive(Clone, Debug, PartialEq)]
pub struct Operation {
    /// Where it is.
    pub status: OperationStatus,
    /// What went wrong.
    pub error: Option<ArmError>,
}

/// Words for an operation that goes on.
const GOES_ON: [&str; 9] = [
    "inprogress",
    "accepted",
    "creating",
    "running",
    "updating",
    "deleting",
    "scaling",
    "provisioning",
    "pending",
];

impl Operation {
    /// Reads an operation. AKS also writes the code of an error where the status belongs.
    pub(super) fn read(body: &Value) -> Self {
        let word = body.pointer("/status").and_then(Value::as_str).unwrap_or_default();
        let lower = word.to_lowercase();
        let has_error = body.get("error").is_some_and(|error| !error.is_null());
        let status = match lower.as_str() {
            "succeeded" | "completed" => OperationStatus::Succeeded,
            word if GOES_ON.contains(&word) && !has_error => OperationStatus::InProgress,
            _ => OperationStatus::Failed,
        };
        let error = (status == OperationStatus::Failed).then(|| ArmError::of_operation(word, body));
        Self { status, error }
    }

    /// What a plan needs of it.
    pub fn view(&self) -> OperationView {
        match (self.status, &self.error) {
            (OperationStatus::InProgress, _) => OperationView::InProgress,
            (OperationStatus::Succeeded, _) => OperationView::Succeeded,
            (OperationStatus::Failed, Some(error)) => OperationView::Failed(error.refusal()),
            (OperationStatus::Failed, None) => {
                OperationView::Failed(ArmError::unreadable("a failed operation without an error").refusal())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn operations_in_every_dress() {
        let cases = [
            (
                json!({ "name": "g", "status": "InProgress" }),
                OperationStatus::InProgress,
                "",
            ),
            (
                json!({ "name": "g", "status": "Succeeded" }),
                OperationStatus::Succeeded,
                "",
            ),
            (
                json!({ "status": "Failed", "error": { "code": "NodesNotReady", "message": "Expected: 2, Actual: 0" } }),
                OperationStatus::Failed,
                "NodesNotReady",
            ),
            (
                json!({ "status": "Canceled", "error": { "code": "Canceled", "message": "overriden" } }),
                OperationStatus::Failed,
                "Canceled",
            ),
            (
                json!({ "status": "SetVNetOwnershipFailed", "error": { "code": "", "message": "no" } }),
                OperationStatus::Failed,
                "SetVNetOwnershipFailed",
            ),
            (json!({}), OperationStatus::Failed, "UnknownStatus"),
        ];
        for (body, status, code) in cases {
            let operation = Operation::read(&body);
            assert_eq!(operation.status, status, "{body}");
            assert_eq!(
                operation.error.map_or_else(String::new, |error| error.reason()),
                code,
                "{body}"
            );
        }
    }
}
