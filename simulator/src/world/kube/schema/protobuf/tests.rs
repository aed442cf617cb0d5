//! Tests of the protobuf decoder. The bodies are what kubectl 1.32 sends.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// A field of wire type 2.
fn field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2, u8::try_from(bytes.len()).unwrap()];
    out.extend(bytes);
    out
}

fn body(api_version: &str, kind: &str, raw: &[u8]) -> Vec<u8> {
    let type_meta = [field(1, api_version.as_bytes()), field(2, kind.as_bytes())].concat();
    [
        MAGIC,
        &field(1, &type_meta),
        &field(2, raw),
        &field(3, b""),
        &field(4, b""),
    ]
    .concat()
}

#[test]
fn a_config_map_and_a_role() {
    let metadata = [field(1, b"made"), field(3, b"default"), field(8, b"")].concat();
    let entry = [field(1, b"a"), field(2, b"1")].concat();
    let raw = [field(1, &metadata), field(2, &entry)].concat();
    assert_eq!(
        decode(&body("v1", "ConfigMap", &raw)),
        Ok(json!({
            "apiVersion": "v1", "kind": "ConfigMap",
            "metadata": { "name": "made", "namespace": "default", "creationTimestamp": null }, "data": { "a": "1" },
        }))
    );
    let rule = [field(1, b"get"), field(1, b"list"), field(2, b""), field(3, b"pods")].concat();
    let raw = [field(1, &field(1, b"reader")), field(2, &rule)].concat();
    let role = decode(&body("rbac.authorization.k8s.io/v1", "Role", &raw)).unwrap();
    assert_eq!(
        role["rules"],
        json!([{ "verbs": ["get", "list"], "apiGroups": [""], "resources": ["pods"] }])
    );
}

#[test]
fn special_structs_take_their_json_form() {
    let time = [1 << 3, 0x80, 0xf2, 0xd6, 0xca, 0x06];
    assert_eq!(
        special::decode("Time", &time).unwrap(),
        Some(json!("2026-01-01T00:00:00Z"))
    );
    assert_eq!(
        special::decode("Quantity", &field(1, b"2Gi")).unwrap(),
        Some(json!("2Gi"))
    );
    let port = [&[1 << 3, 1][..], &field(3, b"http")].concat();
    assert_eq!(special::decode("IntOrString", &port).unwrap(), Some(json!("http")));
    assert_eq!(
        special::decode("IntOrString", &[1 << 3, 0, 2 << 3, 80]).unwrap(),
        Some(json!(80))
    );
    assert_eq!(
        special::decode("RawExtension", &field(1, b"{\"a\":1}")).unwrap(),
        Some(json!({ "a": 1 }))
    );
}

#[test]
fn inline_structs_lie_in_their_parent() {
    let reference = [field(1, &field(1, b"settings")), field(2, b"key")].concat();
    let mut object = Map::new();
    fill(
        tables::named("core.v1.ConfigMapKeySelector").unwrap(),
        &reference,
        &mut object,
        0,
    )
    .unwrap();
    assert_eq!(Value::Object(object), json!({ "name": "settings", "key": "key" }));
}

#[test]
fn every_struct_that_is_named_is_known() {
    for line in include_str!("messages.txt").lines() {
        for word in line.split(' ').skip(1) {
            if let Some((_, name)) = word.split_once('@') {
                let known = tables::named(name).is_some() || matches!(special::decode(name, &[]), Ok(Some(_)));
                let is_empty = matches!(name.rsplit('.').next(), Some("HTTPIngressRuleValue" | "EmptyStruct"));
                assert!(
                    known || is_empty || name == "core.v1.ServerAddressByClientCIDR",
                    "{name} in {line}"
                );
            }
        }
    }
}

#[test]
fn broken_bodies_are_told() {
    assert!(decode(b"{}").unwrap_err().contains("prefix"));
    assert!(decode(&body("v1", "Nothing", b"")).unwrap_err().contains("\"Nothing\""));
    assert!(
        decode(&body("v1", "ConfigMap", &[0x0a, 0x7f, 1]))
            .unwrap_err()
            .contains("middle")
    );
    assert!(
        decode(&body("v1", "ConfigMap", &[1 << 3, 1]))
            .unwrap_err()
            .contains("wire type")
    );
}

proptest! {
    #[test]
    fn no_body_panics(raw in prop::collection::vec(any::<u8>(), 0..100)) {
        for kind in ["Pod", "ConfigMap", "Secret", "Event"] {
            let _ = decode(&body("v1", kind, &raw));
        }
        let _ = decode(&[MAGIC, &raw[..]].concat());
    }
}
