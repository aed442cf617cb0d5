//! Formats of names, labels and ports: each check answers the real server's texts, or nothing when the text is fine.
//!
//! Knows only texts. Hand-written scans, no regular expressions: these run several times for every write.

/// What a name that fails a check is told, in the server's order.
pub type Problems = Vec<String>;

/// Longest DNS-1123 subdomain, bytes (RFC 1123).
pub const SUBDOMAIN_MAX: usize = 253;
/// Longest DNS label, bytes (RFC 1123 and 1035).
pub const LABEL_MAX: usize = 63;

const LABEL_RE: &str = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
const SUBDOMAIN_RE: &str = "[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*";
const LABEL_1035_RE: &str = "[a-z]([-a-z0-9]*[a-z0-9])?";
const QUALIFIED_RE: &str = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";

/// Length limit as names are told it; labels say bytes.
fn longer_than(max: usize) -> String {
    format!("must be no more than {max} characters")
}

fn longer_than_bytes(max: usize) -> String {
    format!("must be no more than {max} bytes")
}

fn with_regex(what: &str, examples: &[&str], regex: &str) -> String {
    let quoted: Vec<String> = examples.iter().map(|example| format!("'{example}', ")).collect();
    format!(
        "{what} (e.g. {}regex used for validation is '{regex}')",
        quoted.join(" or ")
    )
}

fn lower_or_digit(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit()
}

fn label_shape(bytes: &[u8]) -> bool {
    match bytes {
        [] => false,
        [only] => lower_or_digit(*only),
        [first, middle @ .., last] => {
            lower_or_digit(*first)
                && lower_or_digit(*last)
                && middle.iter().all(|byte| lower_or_digit(*byte) || *byte == b'-')
        }
    }
}

fn subdomain_shape(text: &str) -> bool {
    text.as_bytes().split(|byte| *byte == b'.').all(label_shape)
}

fn qualified_shape(bytes: &[u8]) -> bool {
    let inner = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    match bytes {
        [] => false,
        [only] => only.is_ascii_alphanumeric(),
        [first, middle @ .., last] => {
            first.is_ascii_alphanumeric() && last.is_ascii_alphanumeric() && middle.iter().all(inner)
        }
    }
}

/// A DNS-1123 label: names of namespaces, containers, volumes.
#[must_use]
pub fn dns1123_label(text: &str) -> Problems {
    let mut problems = Vec::new();
    if text.len() > LABEL_MAX {
        problems.push(longer_than(LABEL_MAX));
    }
    if !label_shape(text.as_bytes()) {
        problems.push(if subdomain_shape(text) {
            "must not contain dots".to_owned()
        } else {
            let what = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', \
                        and must start and end with an alphanumeric character";
            with_regex(what, &["my-name", "123-abc"], LABEL_RE)
        });
    }
    problems
}

/// A DNS-1123 subdomain: names of most objects.
#[must_use]
pub fn dns1123_subdomain(text: &str) -> Problems {
    let mut problems = Vec::new();
    if text.len() > SUBDOMAIN_MAX {
        problems.push(longer_than(SUBDOMAIN_MAX));
    }
    if !subdomain_shape(text) {
        problems.push(subdomain_problem());
    }
    problems
}

fn subdomain_problem() -> String {
    let what = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', \
                and must start and end with an alphanumeric character";
    with_regex(what, &["example.com"], SUBDOMAIN_RE)
}

/// A wildcard host `*.` followed by a DNS-1123 subdomain (RFC 1034 section 4.3.3).
#[must_use]
pub fn wildcard_subdomain(text: &str) -> Problems {
    let mut problems = Vec::new();
    if text.len() > SUBDOMAIN_MAX {
        problems.push(longer_than(SUBDOMAIN_MAX));
    }
    if !text.strip_prefix("*.").is_some_and(subdomain_shape) {
        let what = "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must \
                    consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character";
        problems.push(with_regex(what, &["*.example.com"], &format!("\\*\\.{SUBDOMAIN_RE}")));
    }
    problems
}

/// A DNS-1035 label: names of Services.
#[must_use]
pub fn dns1035_label(text: &str) -> Problems {
    let mut problems = Vec::new();
    if text.len() > LABEL_MAX {
        problems.push(longer_than(LABEL_MAX));
    }
    let starts_with_letter = text.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
    if !starts_with_letter || !label_shape(text.as_bytes()) {
        let what = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an \
                    alphabetic character, and end with an alphanumeric character";
        problems.push(with_regex(what, &["my-name", "abc-123"], LABEL_1035_RE));
    }
    problems
}

/// A label key, annotation key, resource name or finalizer: `[prefix/]name`.
#[must_use]
pub fn qualified_name(text: &str) -> Problems {
    const WHAT: &str = "must consist of alphanumeric characters, '-', '_' or '.', \
                        and must start and end with an alphanumeric character";
    const EXAMPLES: [&str; 3] = ["MyName", "my.name", "123-abc"];
    let mut problems = Vec::new();
    let name = match text.split_once('/') {
        None => text,
        Some((_, name)) if name.contains('/') => {
            let key = with_regex(WHAT, &EXAMPLES, QUALIFIED_RE);
            return vec![format!(
                "a valid label key {key} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
            )];
        }
        Some(("", name)) => {
            problems.push("prefix part must be non-empty".to_owned());
            name
        }
        Some((prefix, name)) => {
            if prefix.len() > SUBDOMAIN_MAX {
                problems.push(format!("prefix part {}", longer_than_bytes(SUBDOMAIN_MAX)));
            }
            if !subdomain_shape(prefix) {
                problems.push(format!("prefix part {}", subdomain_problem()));
            }
            name
        }
    };
    if name.is_empty() {
        problems.push("name part must be non-empty".to_owned());
    } else if name.len() > LABEL_MAX {
        problems.push(format!("name part {}", longer_than_bytes(LABEL_MAX)));
    }
    if !qualified_shape(name.as_bytes()) {
        let shape = with_regex(WHAT, &EXAMPLES, QUALIFIED_RE);
        problems.push(format!("name part {shape}"));
    }
    problems
}

/// A label value.
#[must_use]
pub fn label_value(text: &str) -> Problems {
    let mut problems = Vec::new();
    if text.len() > LABEL_MAX {
        problems.push(longer_than_bytes(LABEL_MAX));
    }
    if !text.is_empty() && !qualified_shape(text.as_bytes()) {
        let what = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', \
                    and must start and end with an alphanumeric character";
        problems.push(with_regex(
            what,
            &["MyValue", "my_value", "12345"],
            &format!("({QUALIFIED_RE})?"),
        ));
    }
    problems
}

/// A name that becomes one segment of a path: RBAC objects.
#[must_use]
pub fn path_segment(text: &str) -> Problems {
    if text == "." || text == ".." {
        return vec![format!("may not be '{text}'")];
    }
    let contained = ["/", "%"].iter().filter(|part| text.contains(**part));
    contained.map(|part| format!("may not contain '{part}'")).collect()
}

/// A named port (RFC 6335, lower case only).
#[must_use]
pub fn port_name(text: &str) -> Problems {
    let mut problems = Vec::new();
    if text.len() > 15 {
        problems.push(longer_than(15));
    }
    if text.is_empty() || !text.bytes().all(|byte| lower_or_digit(byte) || byte == b'-') {
        problems.push("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)".to_owned());
    }
    if !text.bytes().any(|byte| byte.is_ascii_lowercase()) {
        problems.push("must contain at least one letter (a-z)".to_owned());
    }
    if text.contains("--") {
        problems.push("must not contain consecutive hyphens".to_owned());
    }
    if text.starts_with('-') || text.ends_with('-') {
        problems.push("must not begin or end with a hyphen".to_owned());
    }
    problems
}

/// A port number, 1 to 65535.
#[must_use]
pub fn port_number(port: i64) -> Option<&'static str> {
    (!(1..=65535).contains(&port)).then_some("must be between 1 and 65535, inclusive")
}

/// A key of a ConfigMap or Secret.
#[must_use]
pub fn config_key(text: &str) -> Problems {
    let mut problems = Vec::new();
    if text.len() > SUBDOMAIN_MAX {
        problems.push(longer_than(SUBDOMAIN_MAX));
    }
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    if text.is_empty() || !text.bytes().all(fits) {
        let what = "a valid config key must consist of alphanumeric characters, '-', '_' or '.'";
        problems.push(with_regex(
            what,
            &["key.name", "KEY_NAME", "key-name"],
            "[-._a-zA-Z0-9]+",
        ));
    }
    match text {
        "." => problems.push("must not be '.'".to_owned()),
        ".." => problems.push("must not be '..'".to_owned()),
        _ if text.starts_with("..") => problems.push("must not start with '..'".to_owned()),
        _ => {}
    }
    problems
}

/// The name of an environment variable, as 1.34 and later take it: printable ASCII without `=`.
#[must_use]
pub fn env_name(text: &str) -> Problems {
    let mut problems = Vec::new();
    if text.is_empty() {
        problems.push("environment variable name must be non-empty".to_owned());
    }
    if !text.bytes().all(|byte| (b' '..=b'~').contains(&byte) && byte != b'=') {
        problems.push(
            "a valid environment variable name must consist only of printable ASCII characters other than '='"
                .to_owned(),
        );
    }
    problems
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A check, a text it takes, a text it refuses, and how the refusal starts.
    type Case = (fn(&str) -> Problems, &'static str, &'static str, &'static str);

    #[test]
    fn each_check_takes_and_refuses() {
        let cases: [Case; 11] = [
            (dns1123_label, "a-1", "A", "a lowercase RFC 1123 label"),
            (dns1123_label, "a", "a.b", "must not contain dots"),
            (dns1123_subdomain, "a.b-c", "a..b", "a lowercase RFC 1123 subdomain"),
            (dns1035_label, "a1", "1a", "a DNS-1035 label"),
            (wildcard_subdomain, "*.a.b", "*", "a wildcard DNS-1123"),
            (qualified_name, "x.y/Z_z", "x/", "name part must be non-empty"),
            (qualified_name, "a", "a/b/c", "a valid label key must"),
            (label_value, "", "-a", "a valid label must be an empty string"),
            (path_segment, "system:x", "a/b", "may not contain '/'"),
            (port_name, "http", "1", "must contain at least one letter"),
            (config_key, "a.B_c", "..x", "must not start with"),
        ];
        for (check, good, bad, start) in cases {
            assert_eq!(check(good), Vec::<String>::new(), "{good}");
            let problems = check(bad);
            assert!(
                problems.first().is_some_and(|first| first.starts_with(start)),
                "{bad}: {problems:?}"
            );
        }
    }

    #[test]
    fn a_text_ends_with_the_examples_and_the_regex() {
        let expected = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', \
                        and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', \
                        regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
        assert_eq!(dns1123_label("X"), [expected]);
    }
}
