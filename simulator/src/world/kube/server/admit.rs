//! Webhooks on the way of a write: which configurations there are, and the call-out outside the state's lock.

use serde_json::Value;

use super::ApiServer;
use super::call::Call;
use crate::world::kube::api_error::ApiError;

impl ApiServer {
    /// Mutating webhooks.
    pub(super) async fn admit_mutating(
        &self,
        _call: &Call,
        _operation: &str,
        _object: &mut Value,
        _old: Option<&Value>,
        _warnings: &mut Vec<String>,
    ) -> Result<(), ApiError> {
        std::future::ready(Ok(())).await
    }

    /// Validating webhooks.
    pub(super) async fn admit_validating(
        &self,
        _call: &Call,
        _operation: &str,
        _object: Option<&Value>,
        _old: Option<&Value>,
        _warnings: &mut Vec<String>,
    ) -> Result<(), ApiError> {
        std::future::ready(Ok(())).await
    }
}
