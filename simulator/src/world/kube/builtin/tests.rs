//! Objects as clients send them and as a 1.36.3 API server stores them, and properties over any input.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::admit::{PodContext, admit_node, admit_pod, protect_storage};
use super::kind::Kind;
use super::*;
use crate::world::kube::api_error::ApiError;
use crate::world::kube::resources::{Gvk, Subresource};
use crate::world::kube::schema;

const DEFAULTED: &str = include_str!("testdata/defaults.json");
const UPDATED: &str = include_str!("testdata/updated.json");
const WARNED: &str = include_str!("testdata/warned.json");
const REFUSED: &str = include_str!("testdata/refused.json");

fn cases(text: &str) -> Vec<Value> {
    serde_json::from_str(text).expect("test data is JSON")
}

fn gvk(case: &Value) -> Gvk {
    let text = |key: &str| case[key].as_str().unwrap_or_default();
    Gvk::new(text("group"), text("version"), text("kind"))
}

/// The random suffix that the real server chose for the token volume.
fn suffix(out: &Value) -> String {
    let names = out["spec"]["volumes"].as_array().into_iter().flatten();
    let mut names = names.filter_map(|volume| volume["name"].as_str());
    let name = names.find_map(|name| name.strip_prefix("kube-api-access-"));
    name.unwrap_or("bcdfg").to_owned()
}

/// What the server allocates from its stores: addresses and ports.
fn allocate(object: &mut Value, out: &Value) {
    for key in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"] {
        if let Some(value) = out["spec"].get(key) {
            object["spec"][key] = value.clone();
        }
    }
    let ports = object.pointer_mut("/spec/ports").and_then(Value::as_array_mut);
    let ports = ports.into_iter().flatten();
    for (index, port) in ports.enumerate() {
        if let Some(number) = out["spec"]["ports"][index].get("nodePort") {
            port["nodePort"] = number.clone();
        }
    }
}

/// Decodes and defaults an object, as the server does first of all.
fn decoded(gvk: &Gvk, object: &mut Value) {
    schema::builtin(gvk).expect("a built-in kind").normalize(object);
    default(gvk, object);
}

#[test]
fn new_objects_become_what_the_server_stores() {
    for case in cases(DEFAULTED) {
        let (gvk, out) = (gvk(&case), &case["out"]);
        let mut object = case["in"].clone();
        for key in ["namespace"] {
            if let Some(value) = out["metadata"].get(key) {
                object["metadata"][key] = value.clone();
            }
        }
        decoded(&gvk, &mut object);
        match gvk.kind.as_str() {
            "Pod" => {
                let context = PodContext {
                    suffix: &suffix(out),
                    service_account: Some(&json!({})),
                    priority_class: None,
                };
                admit_pod(&mut object, &context).expect("admitted");
            }
            "Node" => admit_node(&mut object),
            "PersistentVolumeClaim" => protect_storage(&mut object, true),
            "PersistentVolume" => protect_storage(&mut object, false),
            "Service" => allocate(&mut object, out),
            _ => {}
        }
        object["metadata"]["uid"] = out["metadata"]["labels"]["controller-uid"].clone();
        let times = [
            out.pointer("/status/lastPhaseTransitionTime"),
            out.pointer("/status/conditions/0/lastTransitionTime"),
        ];
        if let Some(time) = times.into_iter().flatten().next() {
            object["metadata"]["creationTimestamp"] = time.clone();
        }
        prepare_create(&gvk, &mut object);
        let metadata = object["metadata"].as_object_mut().expect("an object");
        metadata.remove("uid");
        metadata.remove("creationTimestamp");
        assert_eq!(object, *out, "{}", case["in"]);
        let once = object.clone();
        decoded(&gvk, &mut object);
        assert_eq!(object, once, "decoding and defaulting twice: {}", case["in"]);
    }
}

/// Takes a new object through defaulting, admission and preparation, as the server does before it validates.
fn created(gvk: &Gvk, sent: &Value) -> Value {
    let mut object = sent.clone();
    if Kind::of(gvk).is_some_and(Kind::is_namespaced) {
        object["metadata"]["namespace"] = "hb".into();
    }
    object["metadata"]["uid"] = "64bc78b9-963d-4472-b0d9-910d5b1c3216".into();
    decoded(gvk, &mut object);
    if gvk.kind == "Pod" {
        let context = PodContext {
            suffix: "bcdfg",
            service_account: Some(&json!({})),
            priority_class: None,
        };
        admit_pod(&mut object, &context).expect("admitted");
    }
    prepare_create(gvk, &mut object);
    object
}

#[test]
fn bad_objects_are_refused_in_the_servers_words() {
    let mut wrong = Vec::new();
    for case in cases(REFUSED) {
        let gvk = gvk(&case);
        let object = created(&gvk, &case["in"]);
        let errors = validate_create(&gvk, &object);
        let name = case["in"]["metadata"]["name"].as_str().unwrap_or_default();
        let said = (!errors.is_empty()).then(|| ApiError::invalid(&gvk.group, &gvk.kind, name, &errors).message);
        // Every run makes another uid.
        let expected = case["message"].as_str();
        if said.as_deref() != expected {
            wrong.push(format!("{}\n  expected {expected:?}\n  said     {said:?}", case["in"]));
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// What a client reads of a message: the real server appends a dump of Go's types to some.
fn without_dump(message: &str) -> &str {
    let message = message.split('\n').next().unwrap_or_default();
    let cut = message.find("spec.template.spec: Invalid value: {");
    cut.map_or(message, |cut| {
        &message[..cut + "spec.template.spec: Invalid value: ".len()]
    })
    .trim_end()
}

#[test]
fn updates_are_taken_or_refused_as_the_server_does() {
    let mut wrong = Vec::new();
    for case in cases(UPDATED) {
        let gvk = gvk(&case);
        let sub = (case["sub"] == "status").then_some(Subresource::Status);
        let (mut new, old) = (case["in"].clone(), &case["old"]);
        decoded(&gvk, &mut new);
        prepare_update(&gvk, sub, &mut new, old);
        // The store answers a missing resourceVersion before validation.
        let version = old["metadata"]["resourceVersion"].clone();
        if new["metadata"]["resourceVersion"].is_null() {
            new["metadata"]["resourceVersion"] = version;
        }
        let errors = validate_update(&gvk, sub, &new, old);
        let name = old["metadata"]["name"].as_str().unwrap_or_default();
        let said = (!errors.is_empty()).then(|| ApiError::invalid(&gvk.group, &gvk.kind, name, &errors).message);
        let expected = case["message"].as_str().map(without_dump);
        let about = format!("{} {} {}", gvk.kind, case["sub"], case["change"]);
        if said.as_deref().map(without_dump) != expected {
            wrong.push(format!("{about}\n  expected {expected:?}\n  said     {said:?}"));
        } else if said.is_none() && new != case["out"] && case["kind"] != "Service" {
            wrong.push(format!("{about}\n  expected {}\n  stored   {new}", case["out"]));
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn warnings_are_the_servers() {
    for case in cases(WARNED) {
        let gvk = gvk(&case);
        let object = created(&gvk, &case["in"]);
        assert_eq!(Value::from(warnings(&gvk, &object)), case["warnings"], "{}", case["in"]);
    }
}

/// JSON of any shape, made of the words that built-in kinds use.
fn any_json() -> impl Strategy<Value = Value> {
    let word = prop_oneof![
        Just(String::new()),
        Just("a".to_owned()),
        Just("RollingUpdate".to_owned()),
        Just("Indexed".to_owned()),
        Just("é".to_owned()),
        Just("10Gi".to_owned()),
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        word.prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 48, 6, |inner| {
        let keys = prop::sample::select(KEYS.to_vec());
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((keys, inner), 0..6).prop_map(|fields| {
                let fields = fields.into_iter().map(|(key, value)| (key.to_owned(), value));
                Value::Object(fields.collect::<Map<_, _>>())
            }),
        ]
    })
}

const KEYS: [&str; 48] = [
    "metadata",
    "spec",
    "status",
    "template",
    "containers",
    "initContainers",
    "volumes",
    "name",
    "image",
    "env",
    "ports",
    "resources",
    "limits",
    "requests",
    "cpu",
    "selector",
    "matchLabels",
    "matchExpressions",
    "labels",
    "replicas",
    "strategy",
    "updateStrategy",
    "rollingUpdate",
    "type",
    "volumeClaimTemplates",
    "accessModes",
    "tolerations",
    "affinity",
    "nodeAffinity",
    "rules",
    "webhooks",
    "subjects",
    "roleRef",
    "data",
    "schedule",
    "jobTemplate",
    "taints",
    "finalizers",
    "ownerReferences",
    "annotations",
    "volumeMounts",
    "livenessProbe",
    "httpGet",
    "port",
    "clusterIP",
    "podFailurePolicy",
    "completionMode",
    "hostPort",
];

const KINDS: [(&str, &str); 20] = [
    ("", "Pod"),
    ("apps", "Deployment"),
    ("apps", "StatefulSet"),
    ("apps", "DaemonSet"),
    ("batch", "Job"),
    ("batch", "CronJob"),
    ("", "Service"),
    ("", "PersistentVolumeClaim"),
    ("", "PersistentVolume"),
    ("", "Secret"),
    ("", "ConfigMap"),
    ("", "Node"),
    ("", "Namespace"),
    ("networking.k8s.io", "Ingress"),
    ("networking.k8s.io", "NetworkPolicy"),
    ("rbac.authorization.k8s.io", "RoleBinding"),
    ("autoscaling", "HorizontalPodAutoscaler"),
    ("policy", "PodDisruptionBudget"),
    ("admissionregistration.k8s.io", "MutatingWebhookConfiguration"),
    ("discovery.k8s.io", "EndpointSlice"),
];

proptest! {
    #[test]
    fn any_object_is_answered(object in any_json(), old in any_json()) {
        for (group, kind) in KINDS {
            let gvk = Gvk::new(group, "v1", kind);
            let mut new = object.clone();
            default(&gvk, &mut new);
            let once = new.clone();
            default(&gvk, &mut new);
            prop_assert_eq!(&new, &once, "{}", kind);
            prepare_create(&gvk, &mut new);
            let _ = (validate_create(&gvk, &new), warnings(&gvk, &new));
            for sub in [None, Some(Subresource::Status), Some(Subresource::EphemeralContainers), Some(Subresource::Resize)] {
                let mut updated = new.clone();
                prepare_update(&gvk, sub, &mut updated, &old);
                let _ = validate_update(&gvk, sub, &updated, &old);
            }
        }
    }
}
