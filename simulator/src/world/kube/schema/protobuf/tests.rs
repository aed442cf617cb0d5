//! Tests of the protobuf decoder. The bodies are what kubectl 1.32 sends.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::special::Special;
use super::*;
use crate::world::kube::resources::Gvk;
use crate::world::kube::schema;

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
    use Special::*;
    let time = [1 << 3, 0x80, 0xf2, 0xd6, 0xca, 0x06, 2 << 3, 0xc0, 0x84, 0x3d];
    let integer = [1 << 3, 0, 2 << 3, 80];
    let port = [&[1 << 3, 1][..], &field(3, b"http")].concat();
    let schema = field(5, b"string");
    let cases: &[(Special, &[u8], Value)] = &[
        (Time, &time, json!("2026-01-01T00:00:00Z")),
        (Time, &[], json!(null)),
        (MicroTime, &time, json!("2026-01-01T00:00:00.001000Z")),
        (Quantity, &field(1, b"2Gi"), json!("2Gi")),
        (IntOrString, &port, json!("http")),
        (IntOrString, &integer, json!(80)),
        (Raw, &field(1, b"{\"a\":1}"), json!({ "a": 1 })),
        (Raw, &field(1, b""), json!(null)),
        (Texts, &[field(1, b"get"), field(1, b"")].concat(), json!(["get", ""])),
        (SchemaOrBool, &[1 << 3, 1], json!(true)),
        (SchemaOrBool, &[1 << 3, 0], json!(false)),
        (
            SchemaOrBool,
            &[&[1 << 3, 1][..], &field(2, &schema)].concat(),
            json!({ "type": "string" }),
        ),
        (SchemaOrArray, &field(1, &schema), json!({ "type": "string" })),
        (SchemaOrArray, &field(2, &schema), json!([{ "type": "string" }])),
        (SchemaOrTexts, &field(2, b"a"), json!(["a"])),
        (SchemaOrTexts, &field(1, &schema), json!({ "type": "string" })),
    ];
    for (special, bytes, shown) in cases {
        assert_eq!(special.decode(bytes, 0).as_ref(), Ok(shown), "{special:?} {bytes:?}");
    }
    assert!(Raw.decode(&field(1, b"{"), 0).is_err());
}

fn filled(name: &str, bytes: &[u8]) -> Result<Value, String> {
    let mut object = Map::new();
    fill(tables::named(name).unwrap(), bytes, &mut object, 0).map(|()| object.into())
}

#[test]
fn structs_lists_and_maps_take_their_place() {
    let inline = [field(1, &field(1, b"settings")), field(2, b"key")].concat();
    let twice = [field(1, &field(1, b"made")), field(1, &field(3, b"default"))].concat();
    let packed = [&field(4, &[1, 2])[..], &[4 << 3, 3]].concat();
    let no_value = field(2, &field(1, b"a"));
    let cases = [
        (
            "core.v1.ConfigMapKeySelector",
            inline,
            json!({ "name": "settings", "key": "key" }),
        ),
        (
            "core.v1.ConfigMap",
            twice,
            json!({ "metadata": { "name": "made", "namespace": "default" } }),
        ),
        (
            "core.v1.PodSecurityContext",
            packed,
            json!({ "supplementalGroups": [1, 2, 3] }),
        ),
        ("core.v1.Secret", no_value, json!({ "data": { "a": "" } })),
        ("core.v1.ConfigMap", field(15, b"not a field"), json!({})),
    ];
    for (name, bytes, shown) in cases {
        assert_eq!(filled(name, &bytes), Ok(shown), "{name}");
    }
}

#[test]
fn every_field_of_the_table_is_understood() {
    for line in include_str!("messages.txt").lines() {
        let mut words = line.split(' ');
        let name = words.next().unwrap();
        let known = tables::named(name).map(Struct::len);
        assert_eq!(known, Some(words.count()), "{name}");
    }
}

#[test]
fn groups_lead_to_their_own_kinds_only() {
    let known = |api_version: &str, kind: &str| tables::of_kind(api_version, kind).is_some();
    assert!(known("v1", "Pod") && known("policy/v1", "Eviction") && known("policy/v1", "DeleteOptions"));
    assert!(known("apiextensions.k8s.io/v1", "CustomResourceDefinition"));
    assert!(!known("apps.example.com/v1", "Deployment") && !known("core/v1", "Pod") && !known("", ""));
}

#[test]
fn broken_bodies_are_told() {
    let unrecognized = |body: &[u8], why: &str| {
        let told = decode(body);
        assert_eq!(told, Err(Problem::Unrecognized(why.into())));
    };
    unrecognized(
        b"{}",
        "provided data does not appear to be a protobuf message, expected prefix [107 56 115 0]",
    );
    unrecognized(MAGIC, "empty body");
    unrecognized(&[MAGIC, &[0xff; 30]].concat(), "proto: integer overflow");
    unrecognized(
        &[MAGIC, &[0x0a, 0xff, 0xff, 0xff, 0xff, 0x7f]].concat(),
        "unexpected EOF",
    );
    assert!(matches!(
        decode(&body("v1", "Nothing", b"")),
        Err(Problem::Unregistered { .. })
    ));
    let cases: &[(&[u8], &str)] = &[
        (&[0x0a, 0x7f, 1], "unexpected EOF"),
        (&[1 << 3, 1], "proto: wrong wireType = 0 for field ObjectMeta"),
        (&[1 << 3 | 7], "proto: illegal wireType 7"),
        (&[2, 0], "proto: illegal tag 0 (wire type 2)"),
        (&field(2, &field(1, &[0xff])), "proto: field Data is not UTF-8"),
    ];
    for (raw, told) in cases {
        let Err(Problem::Broken { why, .. }) = decode(&body("v1", "ConfigMap", raw)) else {
            panic!("{raw:?} is taken");
        };
        assert_eq!(why, *told);
    }
}

/// A length-delimited field of any length.
fn long_field(number: u8, bytes: &[u8]) -> Vec<u8> {
    let mut out = vec![number << 3 | 2];
    let mut len = bytes.len();
    while len > 0x7f {
        out.push(u8::try_from(len & 0x7f).unwrap() | 0x80);
        len >>= 7;
    }
    out.push(u8::try_from(len).unwrap());
    out.extend(bytes);
    out
}

#[test]
fn nesting_is_bounded() {
    // Field 24 of a schema holds a schema in field 1; the tag of field 24 takes two bytes.
    let nest = |depth: usize| {
        (0..depth).fold(Vec::new(), |inner, _| {
            let wrapped = long_field(1, &inner);
            let mut out = long_field(0, &wrapped);
            out.splice(0..1, [0xc2, 0x01]);
            out
        })
    };
    assert!(filled("apiextensions.v1.JSONSchemaProps", &nest(50)).is_ok());
    assert!(
        filled("apiextensions.v1.JSONSchemaProps", &nest(2000))
            .unwrap_err()
            .contains("nested")
    );
}

/// `kubectl_bodies.txt` has a line for each body: what kubectl 1.32 sent, in hex, and the object's JSON.
#[test]
fn recorded_bodies_have_the_form_of_their_json() {
    for line in include_str!("kubectl_bodies.txt").lines() {
        let (sent, shown) = line.split_once(' ').unwrap();
        let bytes: Vec<u8> = (0..sent.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&sent[at..at + 2], 16).unwrap())
            .collect();
        let (mut object, mut shown) = (decode(&bytes).unwrap(), serde_json::from_str::<Value>(shown).unwrap());
        let kind = shown["kind"].as_str().unwrap();
        let api_version = shown["apiVersion"].as_str().unwrap();
        let (group, version) = api_version.rsplit_once('/').unwrap_or(("", api_version));
        if let Some(schema) = schema::builtin(&Gvk::new(group, version, kind)) {
            schema.normalize(&mut object);
            schema.normalize(&mut shown);
        }
        assert_eq!(object, shown);
        for end in 0..bytes.len() {
            let _ = decode(&bytes[..end]);
        }
    }
}

proptest! {
    #[test]
    fn no_body_panics(raw in prop::collection::vec(any::<u8>(), 0..100)) {
        for kind in ["Pod", "ConfigMap", "Secret", "Event", "DeleteOptions"] {
            let _ = decode(&body("v1", kind, &raw));
        }
        let _ = decode(&body("apiextensions.k8s.io/v1", "CustomResourceDefinition", &raw));
        let _ = decode(&[MAGIC, &raw[..]].concat());
    }
}
