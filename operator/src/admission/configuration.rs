//! How the API server is told to ask us.

use operator_api::kind::GROUP;
use serde_json::{Value, json};

/// Where the webhook is reached.
#[derive(Clone, Copy, Debug)]
pub struct WebhookService<'a> {
    /// Name of the Service.
    pub name: &'a str,
    /// Its namespace.
    pub namespace: &'a str,
    /// Its port.
    pub port: u16,
    /// Certificate authority of the serving certificate (PEM in base64), once there is one.
    pub ca_bundle: Option<&'a str>,
}

/// The ValidatingWebhookConfigurations, one a kind, named as KAITO names them so that an upgrade replaces its own.
///
/// Only the objects themselves are judged, not `status` or `scale`. An object that is being deleted is not even sent:
/// it can always be deleted, also while the webhook is down.
pub fn configurations(service: &WebhookService<'_>) -> Vec<Value> {
    [("workspace", "workspaces"), ("inferenceset", "inferencesets")]
        .map(|(singular, plural)| configuration(singular, plural, service))
        .into()
}

fn configuration(singular: &str, plural: &str, service: &WebhookService<'_>) -> Value {
    let name = format!("validation.{singular}.{GROUP}");
    let mut client_config = json!({
        "service": {
            "name": service.name, "namespace": service.namespace, "port": service.port,
            "path": format!("/validate/{singular}.{GROUP}"),
        },
    });
    if let Some(ca_bundle) = service.ca_bundle {
        client_config["caBundle"] = ca_bundle.into();
    }
    json!({
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingWebhookConfiguration",
        "metadata": { "name": name },
        "webhooks": [{
            "name": name,
            "clientConfig": client_config,
            "rules": [{
                "apiGroups": [GROUP], "apiVersions": ["v1alpha1", "v1beta1"], "operations": ["CREATE", "UPDATE"],
                "resources": [plural], "scope": "Namespaced",
            }],
            "matchConditions": [{
                "name": "not-being-deleted", "expression": "!has(object.metadata.deletionTimestamp)",
            }],
            "failurePolicy": "Fail",
            "sideEffects": "None",
            "timeoutSeconds": 10,
            "admissionReviewVersions": ["v1"],
        }],
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::admissionregistration::v1::ValidatingWebhookConfiguration;

    #[test]
    fn configurations_are_what_the_api_server_takes() {
        let service = WebhookService {
            name: "hook",
            namespace: "system",
            port: 9443,
            ca_bundle: Some("Y2E="),
        };
        for value in configurations(&service) {
            let typed: ValidatingWebhookConfiguration = serde_json::from_value(value).unwrap();
            let [webhook] = &typed.webhooks.unwrap()[..] else {
                panic!("one webhook each")
            };
            assert_eq!(Some(&webhook.name), typed.metadata.name.as_ref());
            assert_eq!(webhook.client_config.ca_bundle.as_ref().unwrap().0, b"ca");
        }
    }
}
