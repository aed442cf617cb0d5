//! The JSONPath of printer columns: fields, indices, slices, wildcards, recursive descent, unions and filters, with
//! the reading that client-go gives them. Never fails on hostile input: paths and results are bounded.

mod parse;

use std::cmp::Ordering;

use serde_json::Value;

/// How many values one path may find before it gives up.
const MAX_RESULTS: usize = 10_000;

/// A parsed path.
#[derive(Clone, Debug, PartialEq)]
pub struct JsonPath {
    steps: Vec<Step>,
}

#[derive(Clone, Debug, PartialEq)]
enum Step {
    Field(String),
    /// `[start:end:step]`; a plain index has no end and `index` set.
    Slice {
        start: i64,
        end: Option<i64>,
        step: usize,
        index: bool,
    },
    Wildcard,
    Recursive,
    Union(Vec<Vec<Step>>),
    Filter(Box<Filter>),
}

#[derive(Clone, Debug, PartialEq)]
struct Filter {
    left: Operand,
    /// None: the left side only has to exist.
    comparison: Option<(Operator, Operand)>,
}

#[derive(Clone, Debug, PartialEq)]
enum Operand {
    Path(Vec<Step>),
    Literal(Value),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl JsonPath {
    /// Reads a path such as `.status.conditions[?(@.type=="Ready")].status`; None where it is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        parse::path(text).map(|steps| Self { steps })
    }

    /// All values that the path leads to; none where it leads nowhere or does not fit the value.
    #[must_use]
    pub fn find<'a>(&'a self, value: &'a Value) -> Vec<&'a Value> {
        walk(vec![value], &self.steps).unwrap_or_default()
    }

    /// The first of them.
    #[must_use]
    pub fn first<'a>(&'a self, value: &'a Value) -> Option<&'a Value> {
        // Nearly all paths are plain fields: follow them without collecting.
        let mut at = value;
        for step in &self.steps {
            match step {
                Step::Field(name) => at = at.as_object()?.get(name)?,
                _ => return self.find(value).first().copied(),
            }
        }
        Some(at)
    }
}

fn walk<'a>(mut at: Vec<&'a Value>, steps: &'a [Step]) -> Option<Vec<&'a Value>> {
    for step in steps {
        let mut next = Vec::new();
        for value in at.into_iter().filter(|value| !value.is_null()) {
            take(value, step, &mut next)?;
            if next.len() > MAX_RESULTS {
                return None;
            }
        }
        at = next;
    }
    Some(at)
}

/// None: the step does not fit the value, which fails the whole path.
fn take<'a>(value: &'a Value, step: &'a Step, into: &mut Vec<&'a Value>) -> Option<()> {
    match step {
        Step::Field(name) => into.extend(value.as_object().and_then(|map| map.get(name))),
        Step::Wildcard => into.extend(children(value)),
        Step::Recursive => descend(value, into),
        Step::Slice { .. } => into.extend(slice(value.as_array()?, step)?),
        Step::Union(paths) => {
            for path in paths {
                into.extend(walk(vec![value], path)?);
            }
        }
        Step::Filter(filter) => {
            for entry in value.as_array()? {
                if filter.passes(entry)? {
                    into.push(entry);
                }
            }
        }
    }
    Some(())
}

fn children(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(list) => list.iter().collect(),
        Value::Object(map) => map.values().collect(),
        _ => Vec::new(),
    }
}

/// A value and everything below it that has something below it, parents first.
fn descend<'a>(value: &'a Value, into: &mut Vec<&'a Value>) {
    let mut open = vec![value];
    while let Some(value) = open.pop() {
        let below = children(value);
        if !below.is_empty() && into.len() <= MAX_RESULTS {
            into.push(value);
            open.extend(below.into_iter().rev());
        }
    }
}

fn slice<'a>(list: &'a [Value], step: &Step) -> Option<Vec<&'a Value>> {
    let Step::Slice {
        start,
        end,
        step,
        index,
    } = step
    else {
        return None;
    };
    let length = i64::try_from(list.len()).ok()?;
    let from_end = |at: i64| if at < 0 { at.saturating_add(length) } else { at };
    let start = from_end(*start);
    let end = match end {
        Some(end) => from_end(*end),
        None if *index => start.saturating_add(1),
        None => length,
    };
    if start == end {
        return Some(Vec::new());
    }
    if start < 0 || start >= length || end > length || start > end {
        return None;
    }
    let part = list.get(usize::try_from(start).ok()?..usize::try_from(end).ok()?)?;
    Some(part.iter().step_by(*step).collect())
}

impl Filter {
    fn passes(&self, entry: &Value) -> Option<bool> {
        let left = self.left.values(entry);
        let Some((operator, right)) = &self.comparison else {
            return Some(left.is_some_and(|found| !found.is_empty()));
        };
        match (left?.as_slice(), right.values(entry)?.as_slice()) {
            ([], _) | (_, []) => Some(false),
            ([left], [right]) => operator.holds(left, right),
            _ => None,
        }
    }
}

impl Operand {
    fn values<'a>(&'a self, entry: &'a Value) -> Option<Vec<&'a Value>> {
        match self {
            Self::Path(steps) => walk(vec![entry], steps),
            Self::Literal(value) => Some(vec![value]),
        }
    }
}

impl Operator {
    /// None for values of two kinds, which cannot be compared.
    fn holds(self, left: &Value, right: &Value) -> Option<bool> {
        let order = match (left, right) {
            (Value::String(left), Value::String(right)) => left.cmp(right),
            // An integer and a fraction cannot be compared, as in Go's templates.
            (Value::Number(left), Value::Number(right)) if left.is_f64() == right.is_f64() => {
                left.as_f64()?.partial_cmp(&right.as_f64()?)?
            }
            (Value::Bool(left), Value::Bool(right)) => match self {
                Self::Equal | Self::NotEqual => left.cmp(right),
                _ => return None,
            },
            _ => return None,
        };
        Some(match self {
            Self::Equal => order == Ordering::Equal,
            Self::NotEqual => order != Ordering::Equal,
            Self::Less => order == Ordering::Less,
            Self::LessOrEqual => order != Ordering::Greater,
            Self::Greater => order == Ordering::Greater,
            Self::GreaterOrEqual => order != Ordering::Less,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn finds_what_client_go_finds() {
        let object = json!({
            "spec": {"n": 3, "tags": ["x", "y", "z"], "a.b": 1, "nothing": null},
            "status": {"conditions": [
                {"type": "A", "status": "False", "n": 1},
                {"type": "Ready", "status": "True", "n": 2},
            ]},
        });
        for (path, expected) in [
            (".spec.n", json!([3])),
            ("{.spec.n}", json!([3])),
            ("$.spec.n", json!([3])),
            (".spec.missing.deep", json!([])),
            (".spec.nothing", json!([null])),
            (".spec.nothing.x", json!([])),
            (r".spec.a\.b", json!([1])),
            (r".spec['a\.b']", json!([1])),
            (".spec['n']", json!([3])),
            (".spec.tags[0]", json!(["x"])),
            (".spec.tags[-1]", json!(["z"])),
            (".spec.tags[7]", json!([])),
            (".spec.tags[1:]", json!(["y", "z"])),
            (".spec.tags[0:2]", json!(["x", "y"])),
            (".spec.tags[::2]", json!(["x", "z"])),
            (".spec.tags[*]", json!(["x", "y", "z"])),
            (".spec.tags[0,2]", json!(["x", "z"])),
            (r#".status.conditions[?(@.type=="Ready")].status"#, json!(["True"])),
            (r".status.conditions[?(@.type == 'Ready')].status", json!(["True"])),
            (r#".status.conditions[?(@.type!="Ready")].status"#, json!(["False"])),
            (".status.conditions[?(@.n>1)].type", json!(["Ready"])),
            (".status.conditions[?(@.n<=1)].type", json!(["A"])),
            (".status.conditions[?(@.missing)].type", json!([])),
            (".status.conditions[?(@.n)].type", json!(["A", "Ready"])),
            (".status.conditions[?(@.n==\"x\")].type", json!([])),
            ("..n", json!([3, 1, 2])),
            (".spec[?(@.x)]", json!([])),
        ] {
            let parsed = JsonPath::parse(path).unwrap_or_else(|| panic!("{path} does not parse"));
            assert_eq!(json!(parsed.find(&object)), expected, "{path}");
        }
    }

    #[test]
    fn refuses_what_is_no_path() {
        for path in [".spec[", ".spec[x]", ".a[?(@.b", ".a[?(@.b==)]", "....", ".a)", "{.a"] {
            assert_eq!(JsonPath::parse(path), None, "{path}");
        }
    }

    proptest! {
        #[test]
        fn bounded_on_any_text(path in r#"[.\[\]*?@()='"{}$:,0-9ab \\<>!-]{0,40}"#) {
            let object = json!({"a": [{"b": 1}, {"b": "x"}], "b": {"a": [1, 2, 3]}});
            if let Some(parsed) = JsonPath::parse(&path) {
                prop_assert!(parsed.find(&object).len() <= MAX_RESULTS);
            }
        }
    }
}
