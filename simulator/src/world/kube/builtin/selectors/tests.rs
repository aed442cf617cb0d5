//! Selectors against texts and errors of the real server.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::world::kube::resources::Gvk;

#[test]
fn label_selectors_match() {
    let labels = json!({"app": "web", "tier": "front", "n": "5"});
    for (text, expected) in [
        ("", true),
        ("app=web", true),
        ("app==web,tier!=back", true),
        ("app in (api, web)", true),
        ("app notin (web)", false),
        ("missing notin (x)", true),
        ("app", true),
        ("!app", false),
        ("!missing", true),
        ("n>4,n<6", true),
        ("n>5", false),
        ("app=", false),
        ("in in (in)", false),
        ("app in (web,)", true),
    ] {
        let selector = parse_label_selector(text).expect(text);
        assert_eq!(selector.matches(&labels), expected, "{text}");
    }
}

#[test]
fn label_selector_errors_are_the_servers() {
    for (text, message) in [
        (
            "a in (",
            "unable to parse requirement: found '', expected: ',', ')' or identifier",
        ),
        (
            "a b",
            "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt",
        ),
        ("=x", "found '=', expected: !, identifier, or 'end of string'"),
        ("a=b=c", "found '=', expected: ',' or 'end of string'"),
        ("a,", "found '', expected: identifier after ','"),
        ("a in b", "unable to parse requirement: found 'b' expected: '('"),
        (
            "a in (b c)",
            "unable to parse requirement: found 'c', expected: ',' or ')'",
        ),
        ("!a=b", "found '=', expected: ',' or 'end of string'"),
        ("x in (a),,y", "found ',', expected: identifier after ','"),
        (
            "a!!b",
            "unable to parse requirement: found '!', expected: in, notin, =, ==, !=, gt, lt",
        ),
        ("!", "unable to parse requirement: found '', expected: identifier"),
        (
            "a>x",
            "unable to parse requirement: values[0]: Invalid value: \"x\": for 'Gt', 'Lt' operators, the value must be an integer",
        ),
        (
            "a=?c",
            "unable to parse requirement: values[0][a]: Invalid value: \"?c\": a valid label must be an empty string or \
             consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character \
             (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is \
             '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')",
        ),
        (
            "é=x",
            "unable to parse requirement: <nil>: Invalid value: \"é\": name part must consist of alphanumeric characters, \
             '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or \
             '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')",
        ),
    ] {
        let error = parse_label_selector(text).expect_err(text);
        assert_eq!((error.code, error.message.as_str()), (400, message), "{text}");
    }
}

#[test]
fn object_selectors_match() {
    let labels = json!({"app": "web"});
    for (selector, expected) in [
        (json!(null), false),
        (json!({}), true),
        (json!({"matchLabels": {"app": "web"}}), true),
        (
            json!({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["web"]}]}),
            false,
        ),
        (
            json!({"matchExpressions": [{"key": "x", "operator": "DoesNotExist"}]}),
            true,
        ),
    ] {
        let parsed = LabelSelector::from_object(&selector).expect("a good selector");
        assert_eq!(parsed.matches(&labels), expected, "{selector}");
    }
    let bad = json!({"matchExpressions": [{"key": "x", "operator": "Gt", "values": ["1"]}]});
    let error = LabelSelector::from_object(&bad).expect_err("Gt is for node selectors only");
    assert_eq!(error.message, "\"Gt\" is not a valid label selector operator");
    assert!(LabelSelector::from_map(&json!({"app": "web"})).matches(&labels));
}

#[test]
fn field_selectors_match() {
    let pod = json!({"metadata": {"name": "a,b", "namespace": "d"}, "spec": {"nodeName": "n1"}, "status": {"phase": "Running"}});
    for (text, expected) in [
        ("", true),
        ("metadata.name=a\\,b", true),
        ("spec.nodeName==n1,status.phase!=Pending", true),
        ("spec.nodeName=", false),
        ("spec.hostNetwork=false", true),
        ("status.nominatedNodeName=", true),
    ] {
        let selector = parse_field_selector(text).expect(text);
        assert_eq!(selector.matches(&pod), expected, "{text}");
    }
}

#[test]
fn field_selector_errors_are_the_servers() {
    for (text, message) in [
        (
            "metadata.name",
            "invalid selector: 'metadata.name'; can't understand 'metadata.name'",
        ),
        (
            "metadata.name=a=b",
            "invalid field selector: unescaped character in value: 61",
        ),
        (
            "metadata.name=a\\x",
            "invalid field selector: invalid escape sequence: \\x",
        ),
        (
            "metadata.name=a\\",
            "invalid field selector: invalid escape sequence: \\",
        ),
    ] {
        assert_eq!(parse_field_selector(text).expect_err(text).message, message);
    }
    for (group, kind, message) in [
        ("", "Pod", "field label not supported: spec.foo"),
        ("batch", "Job", "field label \"spec.foo\" not supported for Job"),
        (
            "apps",
            "Deployment",
            "\"spec.foo\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\"",
        ),
    ] {
        let selector = parse_field_selector("spec.foo=1").expect("parses");
        let error = selector.check(&Gvk::new(group, "v1", kind), &[]);
        assert_eq!(error.expect_err(kind).message, message);
    }
}

proptest! {
    #[test]
    fn any_text_is_answered(text in "[a-c=!(),<> in\\\\\\.\u{0}é]{0,24}") {
        let _ = parse_label_selector(&text);
        let _ = parse_field_selector(&text);
    }
}
