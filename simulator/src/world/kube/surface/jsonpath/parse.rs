//! From text to steps.

use serde_json::Value;

use super::{Filter, Operand, Operator, Step};

/// How deep filters and unions may nest.
const MAX_DEPTH: usize = 8;
/// Longest path read, in characters.
const MAX_LENGTH: usize = 4096;

pub(super) fn path(text: &str) -> Option<Vec<Step>> {
    let text = text.trim();
    let text = match text.strip_prefix('{') {
        Some(rest) => rest.strip_suffix('}')?,
        None => text,
    };
    if text.len() > MAX_LENGTH {
        return None;
    }
    match operand(text, 0)? {
        Operand::Path(steps) => Some(steps),
        Operand::Literal(_) => None,
    }
}

fn operand(text: &str, depth: usize) -> Option<Operand> {
    let text = text.trim();
    let first = text.chars().next()?;
    match first {
        '"' | '\'' => {
            let inner = text.strip_prefix(first)?.strip_suffix(first)?;
            Some(Operand::Literal(unescape(inner).into()))
        }
        '0'..='9' | '-' | '+' => {
            let plain = text.strip_prefix('+').unwrap_or(text);
            plain
                .parse::<i64>()
                .map(Value::from)
                .or_else(|_| plain.parse::<f64>().map(Value::from))
                .ok()
                .map(Operand::Literal)
        }
        _ if text == "true" || text == "false" => Some(Operand::Literal((text == "true").into())),
        _ => steps(text, depth).map(Operand::Path),
    }
}

fn steps(text: &str, depth: usize) -> Option<Vec<Step>> {
    if depth > MAX_DEPTH {
        return None;
    }
    let mut steps = Vec::new();
    let mut rest = text.trim_start_matches(['@', '$', ' ']);
    while !rest.is_empty() {
        rest = if let Some(after) = rest.strip_prefix("[?(") {
            let (inner, after) = split_filter(after)?;
            steps.push(filter(inner, depth + 1)?);
            after
        } else if let Some(after) = rest.strip_prefix("..") {
            if matches!(steps.last(), Some(Step::Recursive)) {
                return None;
            }
            steps.push(Step::Recursive);
            if after.starts_with(|c: char| c.is_alphanumeric() || c == '_') {
                field(after, &mut steps)?
            } else {
                after
            }
        } else if let Some(after) = rest.strip_prefix('[') {
            let (inner, after) = after.split_once(']')?;
            steps.push(bracket(inner)?);
            after
        } else if let Some(after) = rest.strip_prefix('.') {
            field(after, &mut steps)?
        } else {
            rest.strip_prefix(' ')?
        };
    }
    Some(steps)
}

/// Reads a field name up to the next terminator; a backslash keeps the character behind it.
fn field<'a>(text: &'a str, steps: &mut Vec<Step>) -> Option<&'a str> {
    let mut name = String::new();
    let mut characters = text.chars();
    loop {
        let rest = characters.as_str();
        match characters.next() {
            Some('\\') => name.push(characters.next()?),
            Some('(' | ')') => return None,
            None | Some(' ' | '.' | ',' | '[' | ']' | '$' | '@' | '{' | '}') => {
                match name.as_str() {
                    "" => {}
                    "*" => steps.push(Step::Wildcard),
                    _ => steps.push(Step::Field(name)),
                }
                return Some(rest);
            }
            Some(other) => name.push(other),
        }
    }
}

fn bracket(inner: &str) -> Option<Step> {
    let inner = inner.trim();
    if inner == "*" {
        return Some(Step::Slice {
            start: 0,
            end: None,
            step: 1,
            index: false,
        });
    }
    if inner.contains(',') {
        let paths = inner.split(',').map(|part| bracket(part).map(|step| vec![step]));
        return paths.collect::<Option<Vec<_>>>().map(Step::Union);
    }
    if let Some(key) = inner.strip_prefix('\'').and_then(|key| key.strip_suffix('\'')) {
        let mut steps = Vec::new();
        let mut rest = field(key, &mut steps)?;
        while let Some(after) = rest.strip_prefix('.') {
            rest = field(after, &mut steps)?;
        }
        return rest.is_empty().then_some(Step::Union(vec![steps]));
    }
    let mut parts = inner.split(':');
    let number = |part: Option<&str>| match part {
        None | Some("") => Some(None),
        Some(part) => part.parse::<i64>().ok().map(Some),
    };
    let index = !inner.contains(':');
    let start = number(parts.next())?;
    if index && start.is_none() {
        return None;
    }
    let (end, step) = (number(parts.next())?, number(parts.next())?);
    let step = usize::try_from(step.unwrap_or(1)).ok().filter(|step| *step > 0)?;
    parts.next().is_none().then_some(Step::Slice {
        start: start.unwrap_or(0),
        end,
        step,
        index,
    })
}

/// Splits at the `)]` that closes a filter, past quotes and nested filters.
fn split_filter(text: &str) -> Option<(&str, &str)> {
    let (mut quote, mut open) = (None, 0_usize);
    for (at, character) in text.char_indices() {
        match (quote, character) {
            (Some(mark), _) if mark == character => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(character),
            (None, '(') => open += 1,
            (None, ')') if open > 0 => open -= 1,
            (None, ')') => {
                let after = text.get(at..)?.strip_prefix(")]")?;
                return Some((text.get(..at)?, after));
            }
            (None, _) => {}
        }
    }
    None
}

fn filter(inner: &str, depth: usize) -> Option<Step> {
    let operators = [
        ("==", Operator::Equal),
        ("!=", Operator::NotEqual),
        ("<=", Operator::LessOrEqual),
        (">=", Operator::GreaterOrEqual),
        ("<", Operator::Less),
        (">", Operator::Greater),
    ];
    let (mut quote, mut nested) = (None, 0_usize);
    for (at, character) in inner.char_indices() {
        match (quote, character) {
            (Some(mark), _) if mark == character => quote = None,
            (Some(_), _) => {}
            (None, '"' | '\'') => quote = Some(character),
            (None, '(') => nested += 1,
            (None, ')') => nested = nested.saturating_sub(1),
            (None, _) if nested == 0 => {
                let (left, rest) = inner.split_at_checked(at)?;
                let found = operators
                    .iter()
                    .find_map(|(sign, operator)| Some((*operator, rest.strip_prefix(sign)?)));
                if let Some((operator, right)) = found {
                    let left = operand(left, depth)?;
                    return Some(Step::Filter(Box::new(Filter {
                        left,
                        comparison: Some((operator, operand(right, depth)?)),
                    })));
                }
            }
            (None, _) => {}
        }
    }
    Some(Step::Filter(Box::new(Filter {
        left: operand(inner, depth)?,
        comparison: None,
    })))
}

fn unescape(text: &str) -> String {
    let mut out = String::new();
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => out.extend(characters.next()),
            other => out.push(other),
        }
    }
    out
}
