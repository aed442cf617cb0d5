//! The documents as clients read them: references, operations, forms.

use std::sync::Arc;

use super::super::super::resources::Gvk;
use super::*;

/// All names that a document refers to, and all that it defines.
fn names(document: &Value, prefix: &str, definitions: &Value) -> (BTreeSet<String>, BTreeSet<String>) {
    fn walk(value: &Value, prefix: &str, into: &mut BTreeSet<String>) {
        match value {
            Value::Object(map) => {
                into.extend(
                    map.get("$ref")
                        .and_then(Value::as_str)
                        .map(|r| r.strip_prefix(prefix).unwrap().to_owned()),
                );
                map.values().for_each(|value| walk(value, prefix, into));
            }
            Value::Array(list) => list.iter().for_each(|value| walk(value, prefix, into)),
            _ => {}
        }
    }
    let mut wanted = BTreeSet::new();
    walk(document, prefix, &mut wanted);
    (wanted, definitions.as_object().unwrap().keys().cloned().collect())
}

fn parsed(document: &Document) -> Value {
    serde_json::from_slice(&document.body).unwrap()
}

#[test]
fn every_reference_leads_somewhere() {
    let api = OpenApi::new(&builtin_registry());
    let index = parsed(&api.index());
    assert_eq!(index["paths"].as_object().unwrap().len(), 22);
    for (path, entry) in index["paths"].as_object().unwrap() {
        let document = api.group_version(path).unwrap();
        assert!(
            entry["serverRelativeURL"].as_str().unwrap().ends_with(&document.hash),
            "{path}"
        );
        let document = parsed(&document);
        let (wanted, defined) = names(&document, schemas::REF_PREFIX, &document["components"]["schemas"]);
        assert_eq!(
            wanted.difference(&defined).collect::<Vec<_>>(),
            Vec::<&String>::new(),
            "{path}"
        );
    }
    let v2 = parsed(&api.v2_json());
    let (wanted, defined) = names(&v2, "#/definitions/", &v2["definitions"]);
    assert_eq!(
        wanted.difference(&defined).collect::<Vec<_>>(),
        Vec::<&String>::new(),
        "version 2"
    );
    assert!(api.group_version("apis/nope/v1").is_none());
}

#[test]
fn operations_say_what_kubectl_looks_for() {
    let document = parsed(&OpenApi::new(&builtin_registry()).group_version("apis/apps/v1").unwrap());
    let item = &document["paths"]["/apis/apps/v1/namespaces/{namespace}/deployments/{name}"];
    let gvk = json!({"group": "apps", "version": "v1", "kind": "Deployment"});
    let schema = &document["components"]["schemas"]["io.k8s.api.apps.v1.Deployment"];
    assert_eq!(item["patch"]["x-kubernetes-group-version-kind"], gvk);
    assert_eq!(schema["x-kubernetes-group-version-kind"], json!([gvk]));
    let required = |name: &str| document["components"]["schemas"][name]["required"].clone();
    assert_eq!(
        required("io.k8s.api.apps.v1.Deployment"),
        Value::Null,
        "metadata may be left out"
    );
    assert_eq!(required("io.k8s.api.core.v1.LocalObjectReference"), Value::Null);
    assert_eq!(required("io.k8s.api.core.v1.Container"), json!(["name"]));
    let parameters = item["patch"]["parameters"].as_array().unwrap();
    for name in ["dryRun", "fieldManager", "fieldValidation", "force"] {
        assert!(parameters.iter().any(|parameter| parameter["name"] == name), "{name}");
    }
    assert_eq!(
        document["paths"]["/apis/apps/v1/deployments"]["get"]["x-kubernetes-action"],
        "list"
    );
}

#[test]
fn version_two_says_less() {
    let schema = json!({
        "type": "object", "properties": {
            "meta": {"description": "d", "allOf": [{"$ref": "#/components/schemas/x.Y"}], "default": {}},
            "port": {"anyOf": [{"type": "integer"}, {"type": "string"}], "x-kubernetes-int-or-string": true},
            "raw": {"type": "object", "properties": {"a": {}}, "x-kubernetes-preserve-unknown-fields": true},
            "maybe": {"type": "object", "nullable": true, "additionalProperties": {"type": "string"}},
            "count": {"type": "integer", "default": 1, "minimum": 0},
        },
    });
    let registry = Registry::default();
    assert_eq!(v2::document(&registry)["paths"], json!({}));
    let lowered = v2::lowered(&schema, 0);
    assert_eq!(
        lowered["properties"],
        json!({
            "meta": {"description": "d", "$ref": "#/definitions/x.Y"},
            "port": {"x-kubernetes-int-or-string": true},
            "raw": {"x-kubernetes-preserve-unknown-fields": true},
            "maybe": {"additionalProperties": {"type": "string"}},
            "count": {"type": "integer", "minimum": 0},
        })
    );
}

#[test]
fn custom_definitions_are_named_backwards() {
    for (group, version, kind, name) in [
        ("surface.example.com", "v1", "Widget", "com.example.surface.v1.Widget"),
        ("kaito.sh", "v1beta1", "Workspace", "sh.kaito.v1beta1.Workspace"),
        ("apps", "v1", "Deployment", "io.k8s.api.apps.v1.Deployment"),
        (
            "",
            "v1",
            "DeleteOptions",
            "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions",
        ),
    ] {
        assert_eq!(schemas::definition_name(&Gvk::new(group, version, kind)), name);
    }
}

#[test]
fn documents_of_built_in_groups_are_made_once() {
    let body = |api: &OpenApi| api.group_version("api/v1").unwrap().body;
    let (one, other) = (OpenApi::new(&builtin_registry()), OpenApi::new(&builtin_registry()));
    assert!(!Arc::ptr_eq(&one.inner, &other.inner));
    assert_eq!(body(&one).as_ptr(), body(&other).as_ptr());
}

#[test]
fn accept_headers_choose_the_form() {
    for (accept, expected) in [
        ("", Some(V2Form::Json)),
        ("application/json, */*", Some(V2Form::Json)),
        (
            "application/com.github.proto-openapi.spec.v2@v1.0+protobuf",
            Some(V2Form::Protobuf),
        ),
        ("text/html", None),
    ] {
        assert_eq!(v2_form(accept), expected, "{accept}");
    }
}

#[test]
fn protobuf_holds_the_document() {
    let document = json!({
        "swagger": "2.0", "info": {"title": "T", "version": "1"}, "paths": {},
        "definitions": {"a.B": {"maximum": 1.0, "minLength": 300, "nullable": true, "type": "object"}},
    });
    let expected: [&[u8]; 7] = [
        b"\x0a\x032.0",                          // 1 swagger
        b"\x12\x06\x0a\x01T\x12\x011",           // 2 info
        b"\x42\x00",                             // 8 paths
        b"\x4a\x20\x0a\x1e\x0a\x03a.B\x12\x17",  // 9 definitions, 1 entry, 1 name, 2 schema
        b"\x39\x00\x00\x00\x00\x00\x00\xf0\x3f", // 7 maximum
        b"\x60\xac\x02",                         // 12 minLength
        b"\xb2\x01\x08\x0a\x06object",           // 22 type
    ];
    assert_eq!(protobuf::document(&document), expected.concat());
}
