//! Arbitrary JSON against small schemas: nothing panics, pruning and defaulting settle at once.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::objects::compiled;
use crate::world::kube::crd::{default_definition, validate_definition};

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-3i64..9).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-c]{0,3}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map("[a-d]|spec|status|metadata|kind", inner, 0..5)
                .prop_map(|map| Value::Object(map.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

fn schema() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!({"type": "string", "default": "a", "maxLength": 2, "pattern": "^[a-b]*$"})),
        Just(json!({"type": "integer", "minimum": 0, "maximum": 5, "multipleOf": 2})),
        Just(json!({"type": "number", "nullable": true, "enum": [1, 2.5]})),
        Just(json!({"x-kubernetes-int-or-string": true})),
        Just(json!({"x-kubernetes-preserve-unknown-fields": true})),
        Just(json!({"type": "boolean", "default": true})),
    ];
    leaf.prop_recursive(3, 20, 4, |inner| {
        let fields = prop::collection::btree_map("[a-d]", inner.clone(), 0..4);
        prop_oneof![
            fields.clone().prop_map(|fields| json!({"type": "object", "properties": fields, "required": ["a"]})),
            fields.prop_map(|fields| json!({"type": "object", "default": {}, "properties": fields})),
            inner.clone().prop_map(|values| json!({"type": "object", "additionalProperties": values})),
            inner.clone().prop_map(|items| json!({"type": "array", "items": items, "x-kubernetes-list-type": "set"})),
            inner.clone().prop_map(|one| json!({"type": "object", "oneOf": [one, {"required": ["b"]}], "not": {"required": ["c"]}})),
            inner.prop_map(|items| json!({"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["a"], "items": items})),
        ]
    })
}

proptest! {
    #[test]
    fn pruning_and_defaulting_settle(spec in schema(), mut object in json_value(), old in json_value()) {
        let version = compiled(&json!({"type": "object", "properties": {"spec": spec, "a": {"type": "string"}}}));
        version.prune(&mut object);
        let pruned = object.clone();
        prop_assert_eq!(version.prune(&mut object), Vec::<String>::new());
        prop_assert_eq!(&object, &pruned);
        version.default(&mut object);
        let filled = object.clone();
        version.default(&mut object);
        prop_assert_eq!(&object, &filled);
        let _ = version.validate(None, &object, Some(&old));
        version.prepare_update(None, &mut object, &old);
        version.prepare_create(&mut object);
    }

    #[test]
    fn any_definition_is_judged(mut spec in json_value(), openapi in prop_oneof![schema(), json_value()]) {
        let versions = json!([{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": openapi}}]);
        if let Some(map) = spec.as_object_mut() {
            map.insert("versions".into(), versions);
        }
        let mut crd = json!({"spec": spec});
        default_definition(&mut crd);
        let _ = validate_definition(&crd, None);
    }

    #[test]
    fn any_rule_ends(source in "[a-z.()\\[\\]{}'\"&|!<>=+*/%?:, 0-9-]{0,40}|(self(\\.[a-d])?(\\.(all|map|filter|exists)\\(x, |\\[| \\+ | == | && |\\(|\\)|\\]|1|'a'|x|,){0,12})", object in json_value()) {
        let schema = json!({"type": "object", "properties": {"a": {"type": "array", "items": {"type": "string"}}, "b": {"type": "integer"}},
            "x-kubernetes-validations": [{"rule": source, "messageExpression": source}]});
        let version = compiled(&schema);
        let _ = version.validate(None, &object, Some(&object));
    }
}
