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

/// One schema with many kinds of rules; objects and texts as tried on a real server.
#[test]
fn odd_objects_get_the_servers_words() {
    let schema = json!({"type": "object", "properties": {
        "i": {"type": "integer"},
        "s": {"type": "string", "maxLength": 20, "x-kubernetes-validations": [{"rule": "self.startsWith('a')"}]},
        "lim": {"type": "array", "maxItems": 20, "items": {"type": "string", "maxLength": 20}, "x-kubernetes-validations": [{"rule": "self.all(x, x.size() > 1)", "message": "short"}]},
        "m": {"type": "object", "maxProperties": 10, "additionalProperties": {"type": "integer", "x-kubernetes-validations": [{"rule": "self > 0", "message": "pos"}]}},
        "any": {"x-kubernetes-int-or-string": true, "x-kubernetes-validations": [{"rule": "type(self) == int ? self > 1 : self == 'x'", "message": "odd"}]},
        "q": {"type": "string", "maxLength": 20, "x-kubernetes-validations": [{"rule": "quantity(self).isGreaterThan(quantity('1'))", "message": "big"}]},
        "nn": {"type": "string", "nullable": true, "maxLength": 10, "x-kubernetes-validations": [{"rule": "self == 'x'"}]},
        "d": {"type": "string", "format": "duration"},
        "t": {"type": "string", "format": "date-time"},
    }, "x-kubernetes-validations": [
        {"rule": "!has(self.d) || self.d > duration('1h')", "message": "too short"},
        {"rule": "!has(self.i) || 10 / self.i > 1", "message": "div"},
        {"rule": "!has(self.t) || self.t.getFullYear() > 2020", "messageExpression": "self.t.getFullYear() < 2020 ? 'old' : 'older'", "fieldPath": ".t", "reason": "FieldValueDuplicate"},
    ]});
    let waiting = "<nil>: Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing errors to complete validation";
    let cases: [(Value, &[&str]); 17] = [
        (
            json!({"i": 0}),
            &["spec: Invalid value: \"object\": division by zero evaluating rule: div"],
        ),
        (json!({"i": 9}), &["spec: Invalid value: div"]),
        (
            json!({"s": "b"}),
            &["spec.s: Invalid value: \"b\": failed rule: self.startsWith('a')"],
        ),
        (json!({"lim": ["a"]}), &["spec.lim: Invalid value: short"]),
        (json!({"m": {"a": 0}}), &["spec.m[a]: Invalid value: 0: pos"]),
        (json!({"any": 1}), &["spec.any: Invalid value: 1: odd"]),
        (json!({"any": "y"}), &["spec.any: Invalid value: \"y\": odd"]),
        (
            json!({"q": "zz"}),
            &[
                "spec.q: Invalid value: \"string\": quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$' evaluating rule: big",
            ],
        ),
        (json!({"q": "1"}), &["spec.q: Invalid value: \"1\": big"]),
        (json!({"nn": null}), &[]),
        (
            json!({"nn": "y"}),
            &["spec.nn: Invalid value: \"y\": failed rule: self == 'x'"],
        ),
        (json!({"d": "1m"}), &["spec: Invalid value: too short"]),
        (
            json!({"d": "zz"}),
            &[
                "spec.d: Invalid value: \"zz\": spec.d in body must be of type duration: \"zz\"",
                waiting,
            ],
        ),
        (json!({"t": "2019-01-01T00:00:00Z"}), &["spec.t: Duplicate value"]),
        (
            json!({"t": "x"}),
            &[
                "spec.t: Invalid value: \"x\": spec.t in body must be of type date-time: \"x\"",
                waiting,
            ],
        ),
        (
            json!({"i": 9_223_372_036_854_775_808_u64}),
            &[
                "spec.i: Invalid value: \"number\": spec.i in body must be of type integer: \"number\"",
                "<nil>: Invalid value: \"\": Checked value must be of type integer (default format) in spec.i",
                waiting,
            ],
        ),
        (
            json!({"i": "x", "s": 5}),
            &[
                "spec.i: Invalid value: \"string\": spec.i in body must be of type integer: \"string\"",
                "spec.s: Invalid value: \"integer\": spec.s in body must be of type string: \"integer\"",
                waiting,
            ],
        ),
    ];
    for (object, want) in cases {
        assert_eq!(problems(&schema, &object, None), want, "{object}");
    }
}
