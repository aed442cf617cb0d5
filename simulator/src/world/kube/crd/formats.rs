//! `format` of a schema: which names are known, and what each demands of a string.
//!
//! Names that the server does not know are ignored, as there; the list is that of Kubernetes 1.36.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::OnceLock;

use regex::Regex;

use super::pattern;
use super::structural::Kind;

/// A format, with its spelling in the schema where messages show it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) enum Format {
    /// None, or one that is not known for the type.
    #[default]
    None,
    /// `int32` of an integer.
    Int32,
    /// `int64` of an integer.
    Int64,
    /// `float` of a number.
    Float,
    /// `double` of a number.
    Double,
    /// A format of strings: spelling, and the name without dashes.
    Text(String, String),
}

/// Formats of strings that the server checks.
const TEXT_FORMATS: [&str; 26] = [
    "bsonobjectid",
    "uri",
    "email",
    "hostname",
    "ipv4",
    "ipv6",
    "cidr",
    "mac",
    "uuid",
    "uuid3",
    "uuid4",
    "uuid5",
    "isbn",
    "isbn10",
    "isbn13",
    "creditcard",
    "ssn",
    "hexcolor",
    "rgbcolor",
    "byte",
    "password",
    "date",
    "duration",
    "datetime",
    "k8sshortname",
    "k8slongname",
];

/// Whether the server knows a format, of texts or of numbers.
pub(super) fn is_known(name: &str) -> bool {
    name.is_empty()
        || TEXT_FORMATS.contains(&name)
        || matches!(name, "int32" | "int64" | "float" | "double" | "date-time")
}

impl Format {
    pub(super) fn parse(name: &str, kind: Kind) -> Self {
        match (kind, name) {
            (_, "") => Self::None,
            (Kind::Integer, "int32") => Self::Int32,
            (Kind::Integer, "int64") => Self::Int64,
            (Kind::Number, "float") => Self::Float,
            (Kind::Number, "double") => Self::Double,
            (Kind::Any | Kind::String | Kind::IntOrString, _) => {
                let plain = name.replace('-', "");
                if TEXT_FORMATS.contains(&plain.as_str()) {
                    Self::Text(name.to_owned(), plain)
                } else {
                    Self::None
                }
            }
            _ => Self::None,
        }
    }

    /// As written in the schema; empty for none.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::None => "",
            Self::Int32 => "int32",
            Self::Int64 => "int64",
            Self::Float => "float",
            Self::Double => "double",
            Self::Text(name, _) => name,
        }
    }

    /// Whether `text` has this format; formats of numbers accept every text.
    pub(super) fn accepts(&self, text: &str) -> bool {
        let Self::Text(_, plain) = self else { return true };
        match plain.as_str() {
            "ipv4" => text.parse::<Ipv4Addr>().is_ok() || sloppy_ipv4(text),
            "ipv6" => text.parse::<Ipv6Addr>().is_ok(),
            "cidr" => is_cidr(text),
            "mac" => is_mac(text),
            "date" => is_date(text),
            "datetime" => is_date_time(text),
            "duration" => is_duration(text),
            "email" => is_email(text),
            "uri" => is_request_uri(text),
            "hostname" => is_hostname(text),
            "isbn" => is_isbn10(text) || is_isbn13(text),
            "isbn10" => is_isbn10(text),
            "isbn13" => is_isbn13(text),
            "creditcard" => is_credit_card(text),
            "k8sshortname" => text.len() <= 63 && matches("k8sshortname", text),
            "k8slongname" => text.len() <= 253 && matches("k8slongname", text),
            "password" => true,
            other => matches(other, text),
        }
    }
}

/// Formats that a regular expression decides, by name.
fn expressions() -> &'static [(&'static str, Option<Regex>)] {
    static TABLE: OnceLock<Vec<(&'static str, Option<Regex>)>> = OnceLock::new();
    let sources = [
        ("bsonobjectid", "^[0-9a-fA-F]{24}$"),
        (
            "uuid",
            "(?i)^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$",
        ),
        (
            "uuid3",
            "(?i)^[0-9a-f]{8}-?[0-9a-f]{4}-?3[0-9a-f]{3}-?[0-9a-f]{4}-?[0-9a-f]{12}$",
        ),
        (
            "uuid4",
            "(?i)^[0-9a-f]{8}-?[0-9a-f]{4}-?4[0-9a-f]{3}-?[89ab][0-9a-f]{3}-?[0-9a-f]{12}$",
        ),
        (
            "uuid5",
            "(?i)^[0-9a-f]{8}-?[0-9a-f]{4}-?5[0-9a-f]{3}-?[89ab][0-9a-f]{3}-?[0-9a-f]{12}$",
        ),
        ("ssn", r"^\d{3}[- ]?\d{2}[- ]?\d{4}$"),
        ("hexcolor", "^#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})$"),
        (
            "rgbcolor",
            r"^rgb\(\s*(\d|\d\d|1\d\d|2[0-4]\d|25[0-5])\s*(,\s*(\d|\d\d|1\d\d|2[0-4]\d|25[0-5])\s*){2}\)$",
        ),
        (
            "byte",
            "^([A-Za-z0-9+/]{4})*([A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=|[A-Za-z0-9+/]{4})$",
        ),
        ("k8sshortname", "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"),
        (
            "k8slongname",
            r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$",
        ),
        (
            "creditcard",
            r"^(4\d{12}(\d{3})?|5[1-5]\d{14}|6(011|5\d\d)\d{12}|3[47]\d{13}|3(0[0-5]|[68]\d)\d{11}|(2131|1800|35\d{3})\d{11})$",
        ),
        (
            "clock",
            r"^([0-9]{2}):([0-9]{2}):([0-9]{2})(\.[0-9]+)?(z|([+-][0-9]{2}:[0-9]{2}))$",
        ),
    ];
    TABLE.get_or_init(|| {
        sources
            .iter()
            .map(|(name, source)| (*name, pattern::compile(source).ok()))
            .collect()
    })
}

fn matches(name: &str, text: &str) -> bool {
    let found = expressions().iter().find(|(key, _)| *key == name);
    found
        .and_then(|(_, regex)| regex.as_ref())
        .is_some_and(|regex| regex.is_match(text))
}

/// The server accepts leading zeros in IPv4, for old objects.
fn sloppy_ipv4(text: &str) -> bool {
    let parts: Vec<&str> = text.split('.').collect();
    parts.len() == 4
        && parts
            .iter()
            .all(|part| (1..=4).contains(&part.len()) && part.parse::<u8>().is_ok() && !part.starts_with('+'))
}

fn is_cidr(text: &str) -> bool {
    let Some((address, bits)) = text.split_once('/') else {
        return false;
    };
    let digits = !bits.is_empty() && bits.len() <= 3 && bits.bytes().all(|b| b.is_ascii_digit());
    let bits: u8 = bits.parse().unwrap_or(u8::MAX);
    let most = match address.parse::<IpAddr>() {
        Ok(IpAddr::V6(_)) => 128,
        Ok(IpAddr::V4(_)) => 32,
        Err(_) if sloppy_ipv4(address) => 32,
        Err(_) => return false,
    };
    digits && bits <= most
}

fn is_mac(text: &str) -> bool {
    let groups = |separator: char, width: usize| {
        let parts: Vec<&str> = text.split(separator).collect();
        let bytes = parts.len() * width / 2;
        parts.len() > 1
            && [6, 8, 20].contains(&bytes)
            && parts
                .iter()
                .all(|part| part.len() == width && part.bytes().all(|b| b.is_ascii_hexdigit()))
    };
    groups(':', 2) || groups('-', 2) || groups('.', 4)
}

fn is_date(text: &str) -> bool {
    text.len() == 10 && text.is_ascii() && text.parse::<jiff::civil::Date>().is_ok()
}

fn is_date_time(text: &str) -> bool {
    let lower = text.to_lowercase();
    let Some((date, clock)) = lower.split_once('t') else {
        return false;
    };
    if !is_date(date) || !matches("clock", clock) {
        return false;
    }
    let part = |from: usize| {
        clock
            .get(from..from + 2)
            .and_then(|part| part.parse::<u8>().ok())
            .unwrap_or(u8::MAX)
    };
    part(0) <= 23 && part(3) <= 59 && part(6) <= 59
}

/// Go's `time.ParseDuration`, or number and unit in words as Scala writes them.
fn is_duration(text: &str) -> bool {
    super::cel::duration::parse(text).is_some() || is_worded_duration(text)
}

fn is_worded_duration(text: &str) -> bool {
    const UNITS: [&str; 31] = [
        "ns",
        "nano",
        "nanos",
        "nanosecond",
        "nanoseconds",
        "us",
        "µs",
        "micro",
        "micros",
        "microsecond",
        "microseconds",
        "ms",
        "milli",
        "millis",
        "millisecond",
        "milliseconds",
        "s",
        "sec",
        "secs",
        "second",
        "seconds",
        "m",
        "min",
        "mins",
        "minute",
        "minutes",
        "h",
        "hr",
        "hour",
        "hours",
        "d",
    ];
    const LONG: [&str; 6] = ["day", "days", "w", "wk", "week", "weeks"];
    let digits = text.chars().take_while(char::is_ascii_digit).count();
    let unit: String = text.chars().skip(digits).collect();
    let unit = unit.trim().to_lowercase();
    digits > 0 && digits < 19 && (UNITS.contains(&unit.as_str()) || LONG.contains(&unit.as_str()))
}

fn is_email(text: &str) -> bool {
    let inner = match (text.rfind('<'), text.strip_suffix('>')) {
        (Some(at), Some(stripped)) => stripped.get(at + 1..).unwrap_or_default(),
        _ => text,
    };
    let Some((local, domain)) = inner.rsplit_once('@') else {
        return false;
    };
    let plain = |text: &str| !text.is_empty() && !text.chars().any(|c| c.is_whitespace() || "()<>[]:;@\\,".contains(c));
    let quoted = local.len() > 2 && local.starts_with('"') && local.ends_with('"');
    let dots = |text: &str| !text.starts_with('.') && !text.ends_with('.') && !text.contains("..");
    (quoted || (plain(local) && dots(local))) && plain(domain) && dots(domain)
}

/// What Go's `url.ParseRequestURI` accepts: an absolute URI or an absolute path.
pub(crate) fn is_request_uri(text: &str) -> bool {
    if text.is_empty() || text.chars().any(|c| c.is_control() || c == ' ') {
        return false;
    }
    if text.starts_with('/') {
        return true;
    }
    let Some((scheme, _)) = text.split_once(':') else {
        return false;
    };
    scheme.starts_with(|c: char| c.is_ascii_alphabetic())
        && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
}

/// One label with at most one dash, at its second place; or labels with dots and a final one of letters only.
fn is_hostname(text: &str) -> bool {
    let word = |c: char| c.is_alphanumeric();
    let single = |label: &str| {
        let mut chars = label.chars();
        let rest = chars.next().filter(|c| word(*c)).map(|_| chars.as_str());
        rest.is_some_and(|rest| rest.strip_prefix('-').unwrap_or(rest).chars().all(word))
    };
    let label = |label: &&str| {
        let ends = label.starts_with(word) && label.ends_with(word);
        ends && label.chars().all(|c| word(c) || c == '-')
    };
    let fits = text.len() <= 255 && text.split('.').all(|part| !part.is_empty() && part.len() <= 63);
    let top = |top: &str| top.chars().count() >= 2 && top.chars().all(char::is_alphabetic);
    fits && match text.rsplit_once('.') {
        None => single(text),
        Some((labels, last)) => top(last) && labels.split('.').all(|part| label(&part)),
    }
}

fn is_isbn10(text: &str) -> bool {
    let plain: Vec<char> = text.chars().filter(|c| !" -".contains(*c)).collect();
    let value = |(at, c): (usize, &char)| match (c, at) {
        ('X', 9) => Some(10),
        _ => c.to_digit(10),
    };
    let digits: Option<Vec<u32>> = plain.iter().enumerate().map(value).collect();
    digits.is_some_and(|digits| {
        digits.len() == 10 && (1u32..).zip(&digits).map(|(weight, digit)| weight * digit).sum::<u32>() % 11 == 0
    })
}

fn is_isbn13(text: &str) -> bool {
    let plain = text.chars().filter(|c| !" -".contains(*c));
    let digits: Option<Vec<u32>> = plain.map(|c| c.to_digit(10)).collect();
    digits.is_some_and(|digits| {
        let sum: u32 = [1, 3]
            .iter()
            .cycle()
            .zip(&digits)
            .map(|(weight, digit)| weight * digit)
            .sum();
        digits.len() == 13 && sum.is_multiple_of(10)
    })
}

fn is_credit_card(text: &str) -> bool {
    let digits: String = text.chars().filter(char::is_ascii_digit).collect();
    let doubled = |(at, digit): (usize, u32)| match (at % 2, digit * 2) {
        (0, _) => digit,
        (_, twice) if twice > 9 => twice - 9,
        (_, twice) => twice,
    };
    let sum: u32 = digits
        .chars()
        .rev()
        .filter_map(|c| c.to_digit(10))
        .enumerate()
        .map(doubled)
        .sum();
    matches("creditcard", &digits) && sum.is_multiple_of(10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_accept_and_reject() {
        let cases = [
            ("date-time", "2014-12-15T19:30:20.000Z", "2014-12-15"),
            ("date", "2024-02-29", "2023-02-29"),
            ("ipv4", "10.0.0.1", "10.0.0.256"),
            ("ipv6", "::1", "10.0.0.1"),
            ("cidr", "10.0.0.0/8", "10.0.0.0/33"),
            ("mac", "aa:bb:cc:dd:ee:ff", "aa:bb"),
            ("uuid", "0ca2d2e7-3a64-4b19-8e2d-1d2a4d6a8f40", "0ca2"),
            ("byte", "YQ==", "YQ="),
            ("duration", "1h30m", "1x"),
            ("duration", "22 ns", "ns"),
            ("email", "a@b.c", "a@"),
            ("uri", "https://x/y", "x"),
            ("hostname", "a.example", "-a"),
            ("hexcolor", "#fff", "#ffff"),
            ("isbn", "978-0321751041", "978-0321751042"),
            ("creditcard", "4111111111111111", "4111111111111112"),
            ("k8s-short-name", "a-b", "A"),
            ("rgbcolor", "rgb(1, 20,255)", "rgb(1,2)"),
        ];
        for (name, good, bad) in cases {
            let format = Format::parse(name, Kind::String);
            assert_eq!(format.name(), name);
            assert!(format.accepts(good), "{name} {good}");
            assert!(!format.accepts(bad), "{name} {bad}");
        }
        assert_eq!(Format::parse("color", Kind::String), Format::None);
        assert_eq!(Format::parse("int32", Kind::String), Format::None);
    }
}
