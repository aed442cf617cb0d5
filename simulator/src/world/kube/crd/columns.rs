//! Printer columns: the JSONPath of each, and the cell it gives.

use serde_json::{Map, Value};

/// One column of `kubectl get` for a custom resource.
#[derive(Clone, Debug)]
pub struct Column {
    /// Header.
    pub name: String,
    /// `integer`, `number`, `string`, `boolean` or `date`.
    pub kind: String,
    /// Format, e.g. `int32`; may be empty.
    pub format: String,
    /// Help text; may be empty.
    pub description: String,
    /// 0 for always, above for `-o wide` only.
    pub priority: i64,
    /// The path as written.
    pub json_path: String,
    steps: Vec<Step>,
}

/// Help text of the server's own Age column (`metav1.ObjectMeta.SwaggerDoc()["creationTimestamp"]`).
const AGE_HELP: &str = "CreationTimestamp is a timestamp representing the server time when this object was created. It is not guaranteed to be set in happens-before order across separate operations. Clients may not set this value. It is represented in RFC3339 form and is in UTC.\n\nPopulated by the system. Read-only. Null for lists. More info: https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata";

/// Most values that one column looks at, so that `..` on a large object stays cheap.
const MAX_MATCHES: usize = 1000;

impl Column {
    /// The columns of a version; Age where it names none.
    pub(super) fn parse_all(version: &Value) -> Vec<Self> {
        let list = version.get("additionalPrinterColumns").and_then(Value::as_array);
        match list {
            Some(list) if !list.is_empty() => list.iter().filter_map(Value::as_object).map(Self::parse).collect(),
            _ => vec![Self {
                name: "Age".into(),
                kind: "date".into(),
                format: String::new(),
                description: AGE_HELP.into(),
                priority: 0,
                json_path: ".metadata.creationTimestamp".into(),
                steps: parse(".metadata.creationTimestamp"),
            }],
        }
    }

    fn parse(column: &Map<String, Value>) -> Self {
        let text = |key: &str| super::structural::text(column, key).to_owned();
        Self {
            name: text("name"),
            kind: text("type"),
            format: text("format"),
            description: text("description"),
            priority: column.get("priority").and_then(Value::as_i64).unwrap_or(0),
            json_path: text("jsonPath"),
            steps: parse(&text("jsonPath")),
        }
    }

    /// The first value at the path.
    #[must_use]
    pub fn find<'v>(&self, object: &'v Value) -> Option<&'v Value> {
        let mut at = vec![object];
        for step in &self.steps {
            let mut next = Vec::new();
            for value in at {
                step.apply(value, &mut next);
            }
            next.truncate(MAX_MATCHES);
            at = next;
        }
        at.first().copied()
    }

    /// The cell of an object: null where there is nothing or something of another type. A `date` stays a timestamp; who
    /// makes the table turns it into an age.
    #[must_use]
    pub fn cell(&self, object: &Value) -> Value {
        let Some(value) = self.find(object) else {
            return Value::Null;
        };
        match (self.kind.as_str(), value) {
            ("string", Value::Null) => Value::from("<nil>"),
            ("string", Value::String(_)) => value.clone(),
            ("string", other) => Value::from(other.to_string()),
            ("integer", Value::Number(number)) => {
                #[expect(clippy::cast_possible_truncation, reason = "what Go does with a float here")]
                let cut = number.as_i64().or_else(|| number.as_f64().map(|float| float as i64));
                cut.map_or(Value::Null, Value::from)
            }
            ("number", Value::Number(_)) | ("boolean", Value::Bool(_)) | ("date", Value::String(_)) => value.clone(),
            _ => Value::Null,
        }
    }
}

/// One step of a JSONPath.
#[derive(Clone, Debug, PartialEq)]
enum Step {
    Key(String),
    Index(i64),
    All,
    Recursive,
    Filter(Filter),
}

/// `?(@.path op literal)`; without an operator the path must exist.
#[derive(Clone, Debug, PartialEq)]
struct Filter {
    path: Vec<Step>,
    test: Option<(String, Value)>,
}

impl Step {
    fn apply<'v>(&self, value: &'v Value, out: &mut Vec<&'v Value>) {
        match self {
            Self::Key(key) => out.extend(value.get(key)),
            Self::Index(index) => {
                let Some(list) = value.as_array() else { return };
                let length = i64::try_from(list.len()).unwrap_or(i64::MAX);
                let at = if *index < 0 { length + index } else { *index };
                out.extend(usize::try_from(at).ok().and_then(|at| list.get(at)));
            }
            Self::All => match value {
                Value::Array(list) => out.extend(list),
                Value::Object(map) => out.extend(map.values()),
                _ => {}
            },
            Self::Recursive => everything(value, out),
            Self::Filter(filter) => {
                let list = value.as_array().into_iter().flatten();
                out.extend(list.filter(|item| filter.accepts(item)));
            }
        }
    }
}

fn everything<'v>(value: &'v Value, out: &mut Vec<&'v Value>) {
    let mut waiting = vec![value];
    while let Some(next) = waiting.pop() {
        if out.len() >= MAX_MATCHES {
            return;
        }
        out.push(next);
        match next {
            Value::Array(list) => waiting.extend(list.iter().rev()),
            Value::Object(map) => waiting.extend(map.values().rev()),
            _ => {}
        }
    }
}

impl Filter {
    fn accepts(&self, item: &Value) -> bool {
        let mut at = vec![item];
        for step in &self.path {
            let mut next = Vec::new();
            for value in at {
                step.apply(value, &mut next);
            }
            at = next;
        }
        let Some(found) = at.first() else { return false };
        let Some((operator, wanted)) = &self.test else {
            return true;
        };
        let order = match (found, wanted) {
            (Value::String(a), Value::String(b)) => Some(a.cmp(b)),
            (Value::Bool(a), Value::Bool(b)) => Some(a.cmp(b)),
            (Value::Number(a), Value::Number(b)) => a.as_f64().zip(b.as_f64()).and_then(|(a, b)| a.partial_cmp(&b)),
            _ => None,
        };
        order.is_some_and(|order| match operator.as_str() {
            "==" => order.is_eq(),
            "!=" => order.is_ne(),
            "<" => order.is_lt(),
            "<=" => order.is_le(),
            ">" => order.is_gt(),
            _ => order.is_ge(),
        })
    }
}

/// Parses what follows the root; a path that is not understood finds nothing.
fn parse(path: &str) -> Vec<Step> {
    steps(path).unwrap_or_else(|| vec![Step::Index(i64::MAX)])
}

fn steps(path: &str) -> Option<Vec<Step>> {
    let mut out = Vec::new();
    let mut rest = path.trim().trim_start_matches('$').trim_start_matches('@');
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix("..") {
            out.push(Step::Recursive);
            // The name after `..` has no dot of its own.
            let (name, left) = name(after);
            out.extend(key(&name));
            rest = left;
        } else if let Some(after) = rest.strip_prefix('.') {
            let (name, left) = name(after);
            out.extend(key(&name));
            rest = left;
        } else if let Some(after) = rest.strip_prefix('[') {
            let (inside, left) = bracket(after)?;
            out.push(selector(inside)?);
            rest = left;
        } else {
            let (name, left) = name(rest);
            out.extend(key(&name));
            rest = left;
        }
    }
    Some(out)
}

fn key(name: &str) -> Option<Step> {
    match name {
        "" => None,
        "*" => Some(Step::All),
        _ => Some(Step::Key(name.to_owned())),
    }
}

/// A name up to the next dot or bracket; a backslash takes the next character as it is.
fn name(text: &str) -> (String, &str) {
    let mut out = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => out.extend(chars.next().map(|(_, c)| c)),
            '.' | '[' => return (out, text.get(at..).unwrap_or_default()),
            _ => out.push(c),
        }
    }
    (out, "")
}

/// What stands between the brackets, and what follows; quotes and inner brackets are skipped over.
fn bracket(text: &str) -> Option<(&str, &str)> {
    let (mut depth, mut quote) = (0, None);
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (Some(_), _) => {}
            (None, '\'' | '"') => quote = Some(c),
            (None, '[') => depth += 1,
            (None, ']') if depth == 0 => return Some((text.get(..at)?, text.get(at + 1..)?)),
            (None, ']') => depth -= 1,
            _ => {}
        }
    }
    None
}

fn selector(inside: &str) -> Option<Step> {
    let inside = inside.trim();
    if inside == "*" {
        return Some(Step::All);
    }
    if let Some(test) = inside.strip_prefix("?(").and_then(|test| test.strip_suffix(')')) {
        return filter(test).map(Step::Filter);
    }
    if let Some(name) = unquote(inside) {
        return Some(Step::Key(name));
    }
    inside.parse().ok().map(Step::Index)
}

fn filter(test: &str) -> Option<Filter> {
    for operator in ["==", "!=", "<=", ">=", "<", ">"] {
        let Some((left, right)) = test.split_once(operator) else {
            continue;
        };
        let right = right.trim();
        let wanted = unquote(right)
            .map(Value::from)
            .or_else(|| serde_json::from_str(right).ok())?;
        let path = steps(left)?;
        return Some(Filter {
            path,
            test: Some((operator.to_owned(), wanted)),
        });
    }
    // A filter inside a filter is not part of the syntax, which also bounds the recursion.
    let path = if test.contains("?(") { return None } else { steps(test)? };
    Some(Filter { path, test: None })
}

fn unquote(text: &str) -> Option<String> {
    let inner = |quote: char| text.strip_prefix(quote)?.strip_suffix(quote);
    inner('\'').or_else(|| inner('"')).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn paths_find() {
        let object = json!({
            "metadata": {"labels": {"a.b/c": "x"}, "creationTimestamp": "2026-01-01T00:00:00Z"},
            "spec": {"n": 3, "list": [{"k": "a"}, {"k": "b"}]},
            "status": {"conditions": [{"type": "Ready", "status": "True"}, {"type": "Other", "status": "False"}]},
        });
        let cases = [
            (
                "string",
                ".status.conditions[?(@.type==\"Ready\")].status",
                json!("True"),
            ),
            (
                "string",
                ".status.conditions[?(@.type=='Other')].status",
                json!("False"),
            ),
            ("string", ".metadata.labels['a.b/c']", json!("x")),
            ("string", ".metadata.labels.a\\.b/c", json!("x")),
            ("string", ".spec.list[1].k", json!("b")),
            ("string", ".spec.list[-1].k", json!("b")),
            ("string", ".spec.list[*].k", json!("a")),
            ("string", ".spec.list[0]", json!("{\"k\":\"a\"}")),
            ("string", "..n", json!("3")),
            ("integer", ".spec.n", json!(3)),
            ("boolean", ".spec.n", json!(null)),
            ("string", ".spec.none", json!(null)),
            ("string", ".spec.list[", json!(null)),
            ("date", ".metadata.creationTimestamp", json!("2026-01-01T00:00:00Z")),
        ];
        for (kind, path, want) in cases {
            let version = json!({"additionalPrinterColumns": [{"name": "C", "type": kind, "jsonPath": path}]});
            let columns = Column::parse_all(&version);
            assert_eq!(columns[0].cell(&object), want, "{path}");
        }
        assert_eq!(Column::parse_all(&json!({}))[0].name, "Age");
    }
}
