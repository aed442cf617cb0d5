//! Expressions: values, errors and prices.

use serde_json::json;

use super::check::compile;
use super::types::{Declaration, Type};
use super::value::{EvalError, Val};
use super::{cost, eval};
use crate::world::kube::crd::structural::Node;

fn evaluate(source: &str) -> Result<String, String> {
    let object = json!({"i": 5, "s": "hello", "l": [3, 1, 2], "m": {"a": "x", "b": "y"}, "o": {"p": true}, "n": null});
    let checked = compile(source, &[("self", Type::Dyn)])?;
    let value = Val::json(&object, None, false).map_err(|error| format!("{error:?}"))?;
    let (result, _) = eval::run(&checked, vec![("self", value)], 1_000_000);
    match result {
        Ok(Val::Bool(value)) => Ok(value.to_string()),
        Ok(Val::Int(value)) => Ok(value.to_string()),
        Ok(Val::String(text)) => Ok(text.to_string()),
        Ok(other) => Ok(format!("{other:?}")),
        Err(EvalError::Failed(text)) => Err(text),
        Err(EvalError::Limit) => Err("limit".into()),
    }
}

#[test]
fn expressions_have_values() {
    for truth in [
        "self.i == 5 && self.s.startsWith('he') && self.s.matches('^h.*o$')",
        "self.l.all(x, x > 0) && self.l.exists(x, x == 3) && self.l.exists_one(x, x == 1)",
        "self.l.map(x, x * 2) == [6, 2, 4] && self.l.filter(x, x > 1) == [3, 2] && self.l.map(x, x > 1, x) == [3, 2]",
        "self.m.all(k, self.m[k] != '') && 'a' in self.m && !('c' in self.m) && size(self.m) == 2",
        "self.m.all(k, v, k < v) && self.m.transformList(k, v, k + v) == ['ax', 'by']",
        "self.m.transformMap(k, v, v + '!')['a'] == 'x!'",
        "has(self.o.p) && !has(self.o.q) && self.n == null",
        "self.?o.?q.orValue(7) == 7 && self.?o.?p.hasValue() && self.o[?'p'].value()",
        "true || 1 / 0 == 1",
        "!(false && self.zz)",
        "(1 > 2 ? 'a' : 'b') == 'b' && -3 % 2 == -1 && 7 / 2 == 3 && 1.5 + 0.5 == 2.0",
        "1 < 2.5 && 2u < 3 && dyn(1) == 1.0 && 3 in [1, 2, 3]",
        "int('42') == 42 && string(42) == '42' && double('1.5') == 1.5 && bool('true') && uint(3) == 3u",
        "duration('1h') > duration('59m') && duration('90s').getMinutes() == 1 && string(duration('90s')) == '90s'",
        "timestamp('2024-01-02T03:04:05Z').getFullYear() == 2024 && timestamp('2024-01-02T03:04:05Z').getDayOfWeek() == 2",
        "timestamp('2024-01-02T00:00:00Z') - timestamp('2024-01-01T00:00:00Z') == duration('24h')",
        "[1, 2, 3].isSorted() && [1, 2].sum() == 3 && [3, 1].min() == 1 && [3, 1].max() == 3 && ['a', 'b'].indexOf('b') == 1",
        "sets.contains([1, 2], [1]) && sets.equivalent([1, 2], [2, 1]) && !sets.intersects([1], [2])",
        "' Ab '.trim().lowerAscii() == 'ab' && 'a,b'.split(',') == ['a', 'b'] && ['a', 'b'].join('-') == 'a-b'",
        "'hello'.substring(1, 3) == 'el' && 'hello'.replace('l', 'L') == 'heLLo' && 'hello'.charAt(1) == 'e' && 'abc'.indexOf('c') == 2",
        "'abc 123'.find('[0-9]+') == '123' && 'a1b2'.findAll('[0-9]') == ['1', '2'] && '%s-%d'.format(['x', 1]) == 'x-1'",
        "quantity('1Gi').isGreaterThan(quantity('500Mi')) && quantity('50k').asInteger() == 50000 && isQuantity('1') && !isQuantity('x')",
        "ip('10.0.0.1').family() == 4 && isIP('::1') && cidr('10.0.0.0/8').containsIP('10.1.1.1') && string(ip('10.0.0.1')) == '10.0.0.1'",
        "url('https://a.b:80/c?d=e').getHost() == 'a.b:80' && isURL('https://x') && url('https://a/').getScheme() == 'https'",
        "semver('1.2.3').isLessThan(semver('1.10.0')) && semver('1.2.3').major() == 1",
        "format.dns1123Label().validate('ok').hasValue() == false && format.dns1123Label().validate('-').hasValue()",
        "type(1) == int && type('a') == string && [[1], [2, 3]].flatten() == [1, 2, 3] && lists.range(3) == [0, 1, 2]",
        "[3, 1, 2].sort() == [1, 2, 3] && [1, 1].distinct() == [1] && [1, 2].reverse() == [2, 1] && [1, 2, 3].slice(0, 2) == [1, 2]",
        "[{'n': 2}, {'n': 1}].sortBy(e, e.n)[0].n == 1 && optional.of(1).optMap(v, v + 1).value() == 2",
        "b'abc' == bytes('abc') && size('é') == 1 && 'é' == \"\\u00e9\" && r'\\d' == '\\\\d'",
    ] {
        assert_eq!(evaluate(truth), Ok("true".into()), "{truth}");
    }
}

#[test]
fn failures_say_why() {
    for (source, text) in [
        ("self.zz == 1", "no such key: zz"),
        ("self.l[9] == 1", "index out of bounds: 9"),
        ("1 / 0 == 1", "division by zero"),
        ("9223372036854775807 + 1 > 0", "integer overflow"),
        ("int('x') == 1", "strconv.ParseInt: parsing \"x\": invalid syntax"),
        ("self.i + 'x' == 'y'", "no such overload"),
        ("lists.range(1000).all(x, lists.range(1000).all(y, y >= 0))", "limit"),
    ] {
        assert_eq!(evaluate(source), Err(text.into()), "{source}");
    }
}

fn schema() -> Node {
    Node::parse(&json!({"type": "object", "properties": {
        "i": {"type": "integer"}, "s": {"type": "string", "maxLength": 10}, "open": {"type": "string"},
        "l": {"type": "array", "maxItems": 10, "items": {"type": "string", "maxLength": 5}},
        "free": {"type": "array", "items": {"type": "array", "items": {"type": "string"}}},
        "any": {"x-kubernetes-int-or-string": true},
    }}))
}

#[test]
fn types_are_checked() {
    let node = schema();
    let decl = Declaration::new(&node, true).unwrap();
    let variables = [("self", Declaration::of(&decl))];
    for (source, at, text) in [
        ("self.foo", 5, "undefined field 'foo'"),
        (
            "self.metadata.name == 1",
            20,
            "found no matching overload for '_==_' applied to '(string, int)'",
        ),
        ("foo(self)", 4, "undeclared reference to 'foo' (in container '')"),
        (
            "self.i.all(x, true)",
            5,
            "expression of type 'int' cannot be range of a comprehension (must be list, map, or dynamic)",
        ),
        ("x == 1", 1, "undeclared reference to 'x' (in container '')"),
        (
            "self.s.size('a') == 1",
            12,
            "found no matching overload for 'size' applied to 'string.(string)'",
        ),
        ("self.s.matches('(')", 16, "invalid matches argument"),
        ("[1, 'a'] == []", 5, "expected type 'int' but found 'string'"),
    ] {
        let error = compile(source, &variables).unwrap_err();
        assert!(
            error.starts_with(&format!("ERROR: <input>:1:{at}: {text}\n | {source}\n | ")),
            "{error}"
        );
    }
    for good in [
        "self.any == 1 || self.any == 'x'",
        "self.any + 1 > 2",
        "[] == self.l",
        "self.kind == 'K'",
        "self.l == null || true",
    ] {
        let compiled = compile(good, &variables);
        assert!(compiled.is_ok() != good.contains("null"), "{good}: {compiled:?}");
    }
}

#[test]
fn prices_are_the_servers() {
    let node = schema();
    let decl = Declaration::new(&node, true).unwrap();
    let price = |source: &str| {
        let checked = compile(source, &[("self", Declaration::of(&decl))]).unwrap();
        cost::estimate(&checked, Some(&decl))
    };
    assert_eq!(price("self.i > 1"), 3);
    assert_eq!(price("has(self.i)"), 1);
    assert!(price("self.free.all(x, x.all(y, y.startsWith('a')))") > 10_000_000);
    assert!(price("self.l.all(x, x.startsWith('a'))") < 200);
    assert!(price("self.open.contains(self.open)") > 10_000_000);
}
