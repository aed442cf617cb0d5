//! What Azure refuses, in its words and in its two envelopes.

use bytes::Bytes;
use http::{Response, StatusCode, header};
use serde_json::{Value, json};

/// A refusal.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct ArmRefusal {
    status: u16,
    code: String,
    message: String,
    is_gateway: bool,
    retry_after_secs: Option<u64>,
}

/// A refusal of AKS itself: `{"code", "details", "message", "subcode"}`.
pub(super) fn aks(status: u16, code: &str, message: impl Into<String>) -> ArmRefusal {
    ArmRefusal {
        status,
        code: code.into(),
        message: message.into(),
        is_gateway: false,
        retry_after_secs: None,
    }
}

/// A refusal of the gateway before it: `{"error": {…}}`.
pub(super) fn gateway(status: u16, code: &str, message: impl Into<String>) -> ArmRefusal {
    ArmRefusal {
        is_gateway: true,
        ..aks(status, code, message)
    }
}

impl ArmRefusal {
    pub(super) fn code(&self) -> &str {
        &self.code
    }

    pub(super) fn response(&self) -> Response<Bytes> {
        let body = match self.is_gateway {
            true => json!({ "error": { "code": self.code, "message": self.message } }),
            false => json!({ "code": self.code, "details": null, "message": self.message, "subcode": "" }),
        };
        let mut response = json_response(self.status, &body);
        if self.is_gateway {
            response
                .headers_mut()
                .insert("x-ms-failure-cause", header::HeaderValue::from_static("gateway"));
        }
        if let Some(secs) = self.retry_after_secs {
            response.headers_mut().insert(header::RETRY_AFTER, secs.into());
        }
        response
    }
}

pub(super) fn json_response(status: u16, body: &Value) -> Response<Bytes> {
    let mut response = Response::new(Bytes::from(body.to_string()));
    *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let json = header::HeaderValue::from_static("application/json; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

pub(super) fn cluster_missing(cluster: &str, group: &str) -> ArmRefusal {
    let message = format!(
        "The Resource 'Microsoft.ContainerService/managedClusters/{cluster}' under resource group '{group}' was not \
         found. For more details please go to https://aka.ms/ARMResourceNotFoundFix"
    );
    gateway(404, "ResourceNotFound", message)
}

pub(super) fn pool_missing(pool: &str) -> ArmRefusal {
    aks(
        404,
        "NotFound",
        format!("Agent Pool not found. Agent pool name: {pool}"),
    )
}

pub(super) fn busy(pool: &str, state: &str) -> ArmRefusal {
    let message = format!(
        "Operation is not allowed: Another agentpool operation ({pool} - {state}) is in progress, please wait for it to \
         finish before starting a new operation. See https://aka.ms/aks-pending-operation for more details"
    );
    aks(409, "OperationNotAllowed", message)
}

pub(super) fn quota(family: &str, location: &str, limit: u64, usage: u64, required: u64) -> ArmRefusal {
    let message = format!(
        "Operation could not be completed as it results in exceeding approved {family} Cores quota. Additional details \
         - Deployment Model: Resource Manager, Location: {location}, Current Limit: {limit}, Current Usage: {usage}, \
         Additional Required: {required}, (Minimum) New Limit Required: {}. Submit a request for Quota increase at \
         https://aka.ms/ProdportalCRP/#blade/Microsoft_Azure_Capacity/UsageAndQuota.ReactView",
        usage + required
    );
    aks(400, "QuotaExceeded", message)
}

pub(super) fn size_unknown(size: &str, subscription: &str, location: &str) -> ArmRefusal {
    let message = format!(
        "Virtual Machine size: '{size}' is not supported for subscription {subscription} in location '{location}'. The \
         available VM sizes are '{}'. Please refer to aka.ms/aks/vm-size-selector for the details on VM size selection.",
        super::sizes::names().join(",")
    );
    aks(400, "VMSizeNotSupported", message)
}

pub(super) fn name_invalid() -> ArmRefusal {
    let text = "The value of parameter agentPoolProfile.name is invalid. Please see https://aka.ms/aks-naming-rules for \
                more details.";
    aks(400, "InvalidParameter", text)
}

pub(super) fn throttled(secs: u64) -> ArmRefusal {
    let message = format!(
        "The PutAgentPoolHandler.PUT request limit has been exceeded for SubID='00000000-0000-0000-0000-000000000000', \
         please retry again in {secs} seconds. For more information, please visit aka.ms/aks/throttling"
    );
    ArmRefusal {
        retry_after_secs: Some(secs),
        ..aks(429, "Throttled", message)
    }
}
