//! `pattern` of a schema: Go's RE2 syntax on Rust's regex engine, both linear in time; size is limited.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::{LazyLock, Mutex, PoisonError};

use regex::{Regex, RegexBuilder};

/// Most memory that one compiled pattern may take, in bytes. Enough for any pattern of a real CRD.
const SIZE_LIMIT_BYTES: usize = 1 << 20;

/// Most patterns that are remembered. Those of our CRDs and of a scenario are a few dozen.
const REMEMBERED: usize = 512;

/// A pattern as written, and compiled if it could be.
#[derive(Debug)]
pub(super) struct Pattern {
    pub(super) text: String,
    pub(super) regex: Result<Regex, String>,
}

impl Pattern {
    pub(super) fn new(text: &str) -> Self {
        Self {
            text: text.to_owned(),
            regex: compile(text),
        }
    }
}

/// Compiles an RE2 pattern, or takes it from an earlier world of this process: compiling the patterns of our CRDs costs
/// more than a whole scenario.
pub(crate) fn compile(text: &str) -> Result<Regex, String> {
    static COMPILED: LazyLock<Mutex<BTreeMap<String, Result<Regex, String>>>> = LazyLock::new(Mutex::default);
    let mut compiled = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(known) = compiled.get(text) {
        return known.clone();
    }
    if compiled.len() >= REMEMBERED {
        compiled.clear();
    }
    let regex = build(text);
    compiled.insert(text.to_owned(), regex.clone());
    regex
}

fn build(text: &str) -> Result<Regex, String> {
    RegexBuilder::new(&translate(text))
        .size_limit(SIZE_LIMIT_BYTES)
        .dfa_size_limit(SIZE_LIMIT_BYTES)
        .nest_limit(100)
        .build()
        .map_err(|error| reason(text, &error))
}

/// RE2's Perl classes are ASCII, and its character classes know no nesting and no set operations.
fn translate(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 8);
    let mut in_class = false;
    let mut class_start = false;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        let at_start = std::mem::replace(&mut class_start, false);
        match c {
            '\\' => {
                if let Some(next) = chars.next() {
                    push_escape(&mut out, next, in_class);
                } else {
                    out.push('\\');
                }
            }
            '[' if in_class && chars.peek() == Some(&':') => out.push('['),
            '[' if in_class => out.push_str("\\["),
            '[' => {
                in_class = true;
                class_start = true;
                out.push('[');
                if chars.peek() == Some(&'^') {
                    chars.next();
                    out.push('^');
                }
            }
            ']' if in_class && at_start => out.push_str("\\]"),
            ']' if in_class => {
                // `[:alpha:]` keeps the class open.
                in_class = out.ends_with(':') && out.contains("[:");
                out.push(']');
            }
            '&' | '~' if in_class => {
                let _ = write!(out, "\\{c}");
            }
            _ => out.push(c),
        }
    }
    out
}

fn push_escape(out: &mut String, next: char, in_class: bool) {
    let plain = match (next, in_class) {
        ('d', true) => "0-9",
        ('w', true) => "0-9A-Za-z_",
        ('s', true) => "\\t\\n\\x0C\\r ",
        ('d', false) => "[0-9]",
        ('D', false) => "[^0-9]",
        ('w', false) => "[0-9A-Za-z_]",
        ('W', false) => "[^0-9A-Za-z_]",
        ('s', false) => "[\\t\\n\\x0C\\r ]",
        ('S', false) => "[^\\t\\n\\x0C\\r ]",
        ('b', false) => "(?-u:\\b)",
        ('B', false) => "(?-u:\\B)",
        // RE2 lets any punctuation be escaped; Rust refuses some of them.
        ('"' | '\'' | '`' | '@' | '%' | '=' | '!' | '<' | '>' | ':' | ';' | ',' | '/' | '_', _) => {
            out.push(next);
            return;
        }
        _ => {
            out.push('\\');
            out.push(next);
            return;
        }
    };
    out.push_str(plain);
}

/// Go's words for the common mistakes; Rust's own for the rest.
fn reason(text: &str, error: &regex::Error) -> String {
    if matches!(error, regex::Error::CompiledTooBig(_)) {
        return format!("error parsing regexp: expression too large: `{text}`");
    }
    let last = error.to_string();
    let last = last.lines().last().unwrap_or_default().trim().to_owned();
    let words = if last.contains("unclosed character class") {
        "missing closing ]"
    } else if last.contains("unclosed group") {
        "missing closing )"
    } else if last.contains("unopened group") {
        "unexpected )"
    } else if last.contains("repetition operator missing expression") {
        "missing argument to repetition operator"
    } else if last.contains("look-around") {
        "invalid or unsupported Perl syntax"
    } else if last.contains("invalid repetition count") {
        "invalid repeat count"
    } else if last.contains("unrecognized escape") || last.contains("backreferences") {
        "invalid escape sequence"
    } else {
        return format!("error parsing regexp: {}", last.trim_start_matches("error: "));
    };
    format!("error parsing regexp: {words}: `{text}`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn speaks_re2() {
        let cases = [
            (r"^\d+$", "12", true),
            (r"^\d+$", "١٢", false),
            (r"^[\w.-]+$", "a-b.c", true),
            (r"^[[a]+$", "[a", true),
            (r"^[]a]+$", "]a", true),
            (r"^[a&&b]+$", "&", true),
            (r"^[[:alpha:]0]+$", "a0", true),
            (r"^a\/b$", "a/b", true),
            (r"\bx\b", "a x", true),
        ];
        for (pattern, text, matches) in cases {
            let regex = compile(pattern).unwrap();
            assert_eq!(regex.is_match(text), matches, "{pattern} on {text}");
        }
        for (pattern, words) in [
            ("(", "missing closing )"),
            ("a{1000}{1000}", "too large"),
            ("(?=a)", "Perl"),
        ] {
            assert!(compile(pattern).unwrap_err().contains(words), "{pattern}");
        }
    }
}
