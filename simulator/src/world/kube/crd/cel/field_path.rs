//! `fieldPath` of a rule: a path of declared fields below the schema that carries the rule, e.g. `.spec['a-b'].c`.

use serde_json::{Map, Value};

/// Whether the path is well formed and leads through declared fields.
pub(crate) fn is_valid(schema: &Map<String, Value>, path: &str) -> bool {
    let Some(names) = parse(path) else { return false };
    let mut at = schema;
    for name in &names {
        let fields = at.get("properties").and_then(Value::as_object);
        let additional = at.get("additionalProperties").and_then(Value::as_object);
        let next = fields
            .and_then(|fields| fields.get(name))
            .and_then(Value::as_object)
            .or(additional);
        match next {
            Some(next) => at = next,
            None => return false,
        }
    }
    true
}

/// The names of a path.
pub(crate) fn parse(path: &str) -> Option<Vec<String>> {
    let mut names = Vec::new();
    let mut rest = path.trim();
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix("['") {
            let mut name = String::new();
            let mut chars = after.char_indices();
            loop {
                match chars.next()? {
                    (_, '\\') => name.push(chars.next()?.1),
                    (at, '\'') => {
                        rest = after.get(at..)?.strip_prefix("']")?;
                        break;
                    }
                    (_, c) => name.push(c),
                }
            }
            names.push(name);
        } else {
            let after = rest.strip_prefix('.')?;
            let end = after.find(['.', '[']).unwrap_or(after.len());
            let (name, left) = after.split_at_checked(end)?;
            let first = |c: char| c.is_ascii_alphabetic() || c == '_';
            if !name.starts_with(first) || !name.chars().all(|c| first(c) || c.is_ascii_digit()) {
                return None;
            }
            names.push(name.to_owned());
            rest = left;
        }
    }
    Some(names)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_paths() {
        let cases = [
            (".spec.a", Some(vec!["spec", "a"])),
            (".spec['a-b'].c", Some(vec!["spec", "a-b", "c"])),
            ("['x\\'y']", Some(vec!["x'y"])),
            ("spec", None),
            (".spec[0]", None),
            ("", None),
            (".a..b", None),
        ];
        for (path, want) in cases {
            let want = want.map(|names: Vec<&str>| names.into_iter().map(str::to_owned).collect::<Vec<_>>());
            assert_eq!(parse(path), want, "{path}");
        }
    }
}
