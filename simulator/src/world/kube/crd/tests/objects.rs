//! Objects of one definition: accepted, or refused in the real server's words.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::world::kube::crd::{CompiledVersion, compile};
use crate::world::kube::resources::{Flavor, Subresource};

pub(super) fn compiled(schema: &Value) -> Arc<CompiledVersion> {
    let crd = json!({"spec": {
        "group": "x.example.com", "scope": "Namespaced", "names": {"plural": "gadgets", "kind": "Gadget"},
        "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema},
            "subresources": {"status": {}, "scale": {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas"}}}],
    }});
    match compile(&crd).unwrap().remove(0).flavor {
        Flavor::Custom(version) => version,
        other => panic!("{other:?}"),
    }
}

fn gadget() -> Arc<CompiledVersion> {
    compiled(&json!({"type": "object", "properties": {
        "spec": {"type": "object", "required": ["must"], "properties": {
            "must": {"type": "string"},
            "i": {"type": "integer", "minimum": 1, "maximum": 10, "format": "int32"},
            "f": {"type": "number", "multipleOf": 0.5, "exclusiveMinimum": true, "minimum": 0},
            "replicas": {"type": "integer", "default": 1},
            "e": {"type": "string", "enum": ["a", "b"]}, "ei": {"type": "integer", "enum": [1, 2]},
            "s": {"type": "string", "minLength": 2, "maxLength": 4, "pattern": "^a+$"},
            "dt": {"type": "string", "format": "date-time"}, "ip": {"type": "string", "format": "ipv4"},
            "ios": {"x-kubernetes-int-or-string": true},
            "set": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
            "map": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"],
                "items": {"type": "object", "required": ["k"], "properties": {"k": {"type": "string"}, "v": {"type": "integer", "maximum": 5}}}},
            "arr": {"type": "array", "maxItems": 2, "minItems": 1, "items": {"type": "integer"}},
            "m": {"type": "object", "maxProperties": 1, "minProperties": 1, "additionalProperties": {"type": "integer"}},
            "any": {"type": "object", "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
                "oneOf": [{"required": ["a"]}, {"required": ["b"]}]},
            "not": {"type": "string", "not": {"enum": ["bad"]}},
            "anyf": {"type": "integer", "anyOf": [{"minimum": 5}, {"maximum": 2}]},
            "allf": {"type": "integer", "allOf": [{"minimum": 5}, {"maximum": 7}]},
            "emb": {"type": "object", "x-kubernetes-embedded-resource": true, "x-kubernetes-preserve-unknown-fields": true},
            "b": {"type": "boolean"},
            "o": {"type": "object", "properties": {"z": {"type": "integer"}}},
        }},
        "status": {"type": "object", "properties": {"replicas": {"type": "integer"}, "phase": {"type": "string"}}},
    }}))
}

#[test]
fn words_are_the_servers() {
    let version = gadget();
    let cases: [(Value, &[&str]); 29] = [
        (json!({}), &["spec.must: Required value"]),
        (
            json!({"must": 1}),
            &[r#"spec.must: Invalid value: "integer": spec.must in body must be of type string: "integer""#],
        ),
        (
            json!({"must": "a", "i": 0}),
            &["spec.i: Invalid value: 0: spec.i in body should be greater than or equal to 1"],
        ),
        (
            json!({"must": "a", "i": 11}),
            &["spec.i: Invalid value: 11: spec.i in body should be less than or equal to 10"],
        ),
        (
            json!({"must": "a", "f": 0.3}),
            &["spec.f: Invalid value: 0.3: spec.f in body should be a multiple of 0.5"],
        ),
        (
            json!({"must": "a", "f": 0}),
            &[
                "spec.f: Invalid value: 0: factor MultipleOf declared for spec.f must be positive: 0",
                "spec.f: Invalid value: 0: spec.f in body should be greater than 0",
            ],
        ),
        (
            json!({"must": "a", "e": "c"}),
            &[r#"spec.e: Unsupported value: "c": supported values: "a", "b""#],
        ),
        (
            json!({"must": "a", "ei": 3}),
            &[r#"spec.ei: Unsupported value: 3: supported values: "1", "2""#],
        ),
        (
            json!({"must": "a", "s": "b"}),
            &[r#"spec.s: Invalid value: "b": spec.s in body should be at least 2 chars long"#],
        ),
        (
            json!({"must": "a", "s": "bbbbb"}),
            &["spec.s: Too long: may not be more than 4 bytes"],
        ),
        (
            json!({"must": "a", "s": "bbb"}),
            &[r#"spec.s: Invalid value: "bbb": spec.s in body should match '^a+$'"#],
        ),
        (
            json!({"must": "a", "dt": "yes"}),
            &[r#"spec.dt: Invalid value: "yes": spec.dt in body must be of type date-time: "yes""#],
        ),
        (
            json!({"must": "a", "ip": "1"}),
            &[r#"spec.ip: Invalid value: "1": spec.ip in body must be of type ipv4: "1""#],
        ),
        (
            json!({"must": "a", "ios": 1.5}),
            &[r#"spec.ios: Invalid value: "number": spec.ios in body must be of type integer,string: "number""#],
        ),
        (json!({"must": "a", "ios": "x"}), &[]),
        (
            json!({"must": "a", "set": ["a", "b", "a", "a"]}),
            &[r#"spec.set[2]: Duplicate value: "a""#],
        ),
        (
            json!({"must": "a", "map": [{"k": "a"}, {"k": "a"}, {"v": 1}]}),
            &[
                "spec.map[2].k: Required value",
                r#"spec.map[1]: Duplicate value: {"k":"a"}"#,
            ],
        ),
        (
            json!({"must": "a", "arr": [1, 2, 3]}),
            &["spec.arr: Too many: 3: must have at most 2 items"],
        ),
        (
            json!({"must": "a", "arr": []}),
            &["spec.arr: Invalid value: 0: spec.arr in body should have at least 1 items"],
        ),
        (
            json!({"must": "a", "arr": [null]}),
            &[r#"spec.arr[0]: Invalid value: "null": spec.arr[0] in body must be of type integer: "null""#],
        ),
        (
            json!({"must": "a", "m": {"a": 1, "b": "x"}}),
            &[
                "spec.m: Too many: 2: must have at most 1 item",
                r#"spec.m.b: Invalid value: "string": spec.m.b in body must be of type integer: "string""#,
            ],
        ),
        (
            json!({"must": "a", "m": {}}),
            &["spec.m: Invalid value: 0: spec.m in body should have at least 1 properties"],
        ),
        (
            json!({"must": "a", "any": {}}),
            &[
                r#"<nil>: Invalid value: "": "spec.any" must validate one and only one schema (oneOf). Found none valid"#,
                "spec.any.a: Required value",
            ],
        ),
        (
            json!({"must": "a", "any": {"a": 1, "b": 1}}),
            &[
                r#"<nil>: Invalid value: "": "spec.any" must validate one and only one schema (oneOf). Found 2 valid alternatives"#,
            ],
        ),
        (
            json!({"must": "a", "not": "bad"}),
            &[r#"<nil>: Invalid value: "": "spec.not" must not validate the schema (not)"#],
        ),
        (
            json!({"must": "a", "anyf": 3}),
            &[
                r#"<nil>: Invalid value: "": "spec.anyf" must validate at least one schema (anyOf)"#,
                "spec.anyf: Invalid value: 3: spec.anyf in body should be greater than or equal to 5",
            ],
        ),
        (
            json!({"must": "a", "allf": 3}),
            &[
                "spec.allf: Invalid value: 3: spec.allf in body should be greater than or equal to 5",
                r#"<nil>: Invalid value: "": "spec.allf" must validate all the schemas (allOf)"#,
            ],
        ),
        (
            json!({"must": "a", "emb": {"a": 1}}),
            &["spec.emb.apiVersion: Required value", "spec.emb.kind: Required value"],
        ),
        (
            json!({"must": "a", "o": {"z": 1.5}}),
            &[
                r#"spec.o.z: Invalid value: "number": spec.o.z in body must be of type integer: "number""#,
                r#"<nil>: Invalid value: "": Checked value must be of type integer (default format) in spec.o.z"#,
            ],
        ),
    ];
    for (spec, want) in cases {
        let object =
            json!({"apiVersion": "x.example.com/v1", "kind": "Gadget", "metadata": {"name": "x"}, "spec": spec});
        let mut got: Vec<String> = version
            .validate(None, &object, None)
            .iter()
            .map(ToString::to_string)
            .collect();
        got.retain(|text| !text.contains("some validation rules were not checked"));
        assert_eq!(got, want, "{}", object["spec"]);
    }
}

#[test]
fn unchanged_values_pass() {
    let version = gadget();
    let old = json!({"spec": {"i": 0, "map": [{"k": "a", "v": 9}, {"k": "b", "v": 1}]}});
    let new = json!({"spec": {"must": "x", "i": 0, "map": [{"k": "b", "v": 8}, {"k": "a", "v": 9}]}});
    let texts: Vec<String> = version
        .validate(None, &new, Some(&old))
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        texts,
        ["spec.map[0].v: Invalid value: 8: spec.map[0].v in body should be less than or equal to 5"]
    );
}

#[test]
fn status_and_spec_are_split() {
    let version = gadget();
    let old = json!({"metadata": {"name": "x", "generation": 1}, "spec": {"must": "a"}, "status": {"phase": "p"}});
    let mut created = json!({"metadata": {"name": "x"}, "spec": {"must": "a"}, "status": {"phase": "p"}});
    version.prepare_create(&mut created);
    assert_eq!(
        created,
        json!({"metadata": {"name": "x", "generation": 1}, "spec": {"must": "a"}})
    );

    let mut new =
        json!({"metadata": {"name": "x", "labels": {"l": "v"}}, "spec": {"must": "a"}, "status": {"phase": "q"}});
    version.prepare_update(None, &mut new, &old);
    assert_eq!(new["status"], json!({"phase": "p"}));
    assert_eq!(new["metadata"]["generation"], 1);
    new["spec"]["must"] = "b".into();
    version.prepare_update(None, &mut new, &old);
    assert_eq!(new["metadata"]["generation"], 2);

    version.prepare_update(Some(Subresource::Status), &mut new, &old);
    assert_eq!(new, old);
    let wrong = json!({"spec": {"must": "a"}, "status": {"phase": 1}});
    let texts: Vec<String> = version
        .validate(Some(Subresource::Status), &wrong, Some(&old))
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        texts[0],
        r#"status.phase: Invalid value: "integer": phase in body must be of type string: "integer""#
    );
}

#[test]
fn scale_reads_and_writes() {
    let version = gadget();
    let scale = version.scale_paths().unwrap();
    let mut object = json!({"metadata": {"name": "x"}, "spec": {"replicas": 3}, "status": {"replicas": 2}});
    assert_eq!(scale.scale_of(&object)["spec"]["replicas"], 3);
    assert_eq!(scale.scale_of(&object)["status"]["replicas"], 2);
    scale.set_replicas(&mut object, 5);
    assert_eq!(object["spec"]["replicas"], 5);
    let texts: Vec<String> = version
        .validate(None, &json!({"spec": {"must": "a", "replicas": -1}}), None)
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        texts,
        [".spec.replicas: Invalid value: -1: should be a non-negative integer"]
    );
}
