//! Events about an object, as `kubectl describe` shows them.

use std::hash::{DefaultHasher, Hash, Hasher};

use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Event as ApiEvent, EventSource, ObjectReference};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use kube::Client;
use kube::api::{Api, PostParams};
use operator_plan::{Event, Severity, Target};

/// Namespace of events about objects that have none.
const CLUSTER_NAMESPACE: &str = "default";

/// Records events. One that cannot be recorded is logged and no more: nothing depends on it.
pub(super) async fn record(
    client: &Client,
    about: &Target,
    uid: Option<String>,
    component: &str,
    events: &[Event],
    now: Timestamp,
) {
    for event in events {
        let event = api_event(about, uid.clone(), component, event, now);
        let namespace = event.metadata.namespace.clone().unwrap_or_default();
        let api: Api<ApiEvent> = Api::namespaced(client.clone(), &namespace);
        if let Err(error) = api.create(&PostParams::default(), &event).await {
            tracing::warn!(%about, %error, "an event could not be recorded");
        }
    }
}

/// Tells events of one instant apart.
fn mark(event: &Event) -> u32 {
    let mut hasher = DefaultHasher::new();
    (&event.reason, &event.message).hash(&mut hasher);
    // The lower half is mark enough.
    hasher.finish() as u32
}

fn api_event(about: &Target, uid: Option<String>, component: &str, event: &Event, now: Timestamp) -> ApiEvent {
    let namespace = match about.namespace.as_str() {
        "" => CLUSTER_NAMESPACE,
        namespace => namespace,
    };
    let kind = match event.severity {
        Severity::Normal => "Normal",
        Severity::Warning => "Warning",
    };
    let time = Some(Time(now));
    ApiEvent {
        metadata: ObjectMeta {
            // The time, as client-go names events, and what is said: two passes may fall on one instant.
            name: Some(format!("{}.{:x}{:08x}", about.name, now.as_nanosecond(), mark(event))),
            namespace: Some(namespace.to_owned()),
            ..ObjectMeta::default()
        },
        involved_object: ObjectReference {
            api_version: Some(about.kind.api_version().to_owned()),
            kind: Some(about.kind.name().to_owned()),
            name: Some(about.name.clone()),
            uid,
            namespace: (!about.namespace.is_empty()).then(|| about.namespace.clone()),
            ..ObjectReference::default()
        },
        type_: Some(kind.to_owned()),
        reason: Some(event.reason.clone()),
        message: Some(event.message.clone()),
        count: Some(1),
        first_timestamp: time.clone(),
        last_timestamp: time,
        source: Some(EventSource {
            component: Some(component.to_owned()),
            host: None,
        }),
        reporting_component: Some(component.to_owned()),
        ..ApiEvent::default()
    }
}
