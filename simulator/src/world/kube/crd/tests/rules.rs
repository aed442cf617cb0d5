//! CEL rules on objects: messages, reasons, transitions, ratcheting, limits.

use serde_json::{Value, json};

use super::objects::compiled;

fn problems(schema: &Value, new: &Value, old: Option<&Value>) -> Vec<String> {
    let version = compiled(&json!({"type": "object", "properties": {"spec": schema}}));
    let old = old.map(|old| json!({"spec": old}));
    let errors = version.validate(None, &json!({"spec": new}), old.as_ref());
    errors.iter().map(ToString::to_string).collect()
}

#[test]
fn messages_are_the_servers() {
    let schema = |rules: Value| {
        json!({"type": "object", "properties": {"i": {"type": "integer"}, "a-b": {"type": "string"}, "d": {"type": "string", "format": "duration"}},
               "x-kubernetes-validations": rules})
    };
    let cases = [
        (
            json!([{"rule": "self.i != 3", "message": "no three"}]),
            json!({"i": 3}),
            "spec: Invalid value: no three",
        ),
        (
            json!([{"rule": "self.i != 3"}]),
            json!({"i": 3}),
            "spec: Invalid value: failed rule: self.i != 3",
        ),
        (
            json!([{"rule": "self.i != 3", "messageExpression": "'got ' + string(self.i)"}]),
            json!({"i": 3}),
            "spec: Invalid value: got 3",
        ),
        (
            json!([{"rule": "false", "message": "m", "fieldPath": ".i", "reason": "FieldValueForbidden"}]),
            json!({}),
            "spec.i: Forbidden: m",
        ),
        (
            json!([{"rule": "false", "message": "m", "reason": "FieldValueRequired"}]),
            json!({}),
            "spec: Required value: m",
        ),
        (
            json!([{"rule": "self.i != 3", "message": "no three"}]),
            json!({"i": 1.0}),
            "spec: Invalid value: \"object\": invalid data, expected int, got float64 evaluating rule: no three",
        ),
        (
            json!([{"rule": "self.i != 3"}]),
            json!({}),
            "spec: Invalid value: \"object\": no such key: i evaluating rule: self.i != 3",
        ),
        (
            json!([{"rule": "self.a__dash__b == 'x'", "message": "m"}]),
            json!({"a-b": "y"}),
            "spec: Invalid value: m",
        ),
        (
            json!([{"rule": "self.d < duration('1h')", "message": "m"}]),
            json!({"d": "2h"}),
            "spec: Invalid value: m",
        ),
    ];
    for (rules, object, want) in cases {
        assert_eq!(problems(&schema(rules.clone()), &object, None), [want], "{rules}");
    }
    let scalar = json!({"type": "object", "properties": {"s": {"type": "string", "x-kubernetes-validations": [{"rule": "self != 'x'", "message": "m"}]}}});
    assert_eq!(
        problems(&scalar, &json!({"s": "x"}), None),
        ["spec.s: Invalid value: \"x\": m"]
    );
}

#[test]
fn transitions_need_an_old_value() {
    let schema = json!({"type": "object", "properties": {
        "fixed": {"type": "string", "x-kubernetes-validations": [{"rule": "self == oldSelf", "message": "is immutable"}]},
        "map": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"], "items": {"type": "object",
            "properties": {"k": {"type": "string"}, "v": {"type": "integer"}}, "x-kubernetes-validations": [{"rule": "self.v >= oldSelf.v", "message": "shrank"}]}},
        "opt": {"type": "integer", "x-kubernetes-validations": [{"rule": "oldSelf.hasValue() || self == 1", "optionalOldSelf": true, "message": "starts at 1"}]},
        "soft": {"type": "integer", "x-kubernetes-validations": [{"rule": "self < 5", "message": "too much"}]},
    }});
    let check = |new: Value, old: Option<Value>| problems(&schema, &new, old.as_ref());
    let none: [&str; 0] = [];
    assert_eq!(check(json!({"fixed": "a"}), None), none);
    assert_eq!(
        check(json!({"fixed": "b"}), Some(json!({"fixed": "a"}))),
        ["spec.fixed: Invalid value: \"b\": is immutable"]
    );
    assert_eq!(check(json!({"fixed": "b"}), Some(json!({}))), none);
    let old = json!({"map": [{"k": "a", "v": 2}, {"k": "b", "v": 2}]});
    assert_eq!(
        check(
            json!({"map": [{"k": "b", "v": 1}, {"k": "a", "v": 2}, {"k": "c", "v": 0}]}),
            Some(old)
        ),
        ["spec.map[0]: Invalid value: shrank"]
    );
    assert_eq!(
        check(json!({"opt": 2}), None),
        ["spec.opt: Invalid value: 2: starts at 1"]
    );
    assert_eq!(check(json!({"opt": 2}), Some(json!({"opt": 1}))), none);
    assert_eq!(check(json!({"soft": 9, "fixed": "a"}), Some(json!({"soft": 9}))), none);
    assert_eq!(
        check(json!({"soft": 8}), Some(json!({"soft": 9}))),
        ["spec.soft: Invalid value: 8: too much"]
    );
}

#[test]
fn bombs_are_stopped() {
    let rule = "self.l.all(x, self.l.all(y, self.l.all(z, x + y + z >= 0)))";
    let schema = json!({"type": "object", "properties": {"l": {"type": "array", "items": {"type": "integer"}}},
        "x-kubernetes-validations": [{"rule": rule, "message": "m"}, {"rule": "false", "message": "never reached"}]});
    let list: Vec<i64> = (0..500).collect();
    assert_eq!(
        problems(&schema, &json!({"l": list}), None),
        [
            "spec: Invalid value: \"object\": 'operation cancelled: actual cost limit exceeded': no further validation rules will be run due to call cost exceeds limit for rule: m",
        ]
    );
}

#[test]
fn rules_wait_for_types() {
    let schema = json!({"type": "object", "properties": {"i": {"type": "integer"}}, "x-kubernetes-validations": [{"rule": "self.i > 1"}]});
    assert_eq!(
        problems(&schema, &json!({"i": "x"}), None),
        [
            "spec.i: Invalid value: \"string\": spec.i in body must be of type integer: \"string\"",
            "<nil>: Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing errors to complete validation",
        ]
    );
}
