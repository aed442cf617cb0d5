//! RFC 3339 times as Go reads them: what is wrong with a text, in Go's words.
//!
//! Knows the layout; must not know clocks.

const LAYOUT: &str = "2006-01-02T15:04:05Z07:00";
const MICRO_LAYOUT: &str = "2006-01-02T15:04:05.000000Z07:00";

/// One part of the layout: how the layout writes it, and its bounds when it is a number.
struct Part {
    layout: &'static str,
    digits: usize,
    range: Option<(u32, u32, &'static str)>,
}

const fn number(layout: &'static str, digits: usize, low: u32, high: u32, name: &'static str) -> Part {
    Part {
        layout,
        digits,
        range: Some((low, high, name)),
    }
}

const fn mark(layout: &'static str) -> Part {
    Part {
        layout,
        digits: 0,
        range: None,
    }
}

const PARTS: &[Part] = &[
    number("2006", 4, 0, 9999, "year"),
    mark("-"),
    number("01", 2, 1, 12, "month"),
    mark("-"),
    number("02", 2, 1, 31, "day"),
    mark("T"),
    number("15", 2, 0, 23, "hour"),
    mark(":"),
    number("04", 2, 0, 59, "minute"),
    mark(":"),
    number("05", 2, 0, 59, "second"),
];

/// Go's message for a text that is no RFC 3339 time; None for a good one.
pub(super) fn problem(text: &str, micro: bool) -> Option<String> {
    let of_layout = if micro { MICRO_LAYOUT } else { LAYOUT };
    let cannot = |rest: &str, layout: &str| {
        Some(format!(
            "parsing time {text:?} as {of_layout:?}: cannot parse {rest:?} as {layout:?}"
        ))
    };
    let mut rest = text;
    for part in PARTS {
        let Some((low, high, name)) = part.range else {
            match rest.strip_prefix(part.layout) {
                Some(after) => rest = after,
                None => return cannot(rest, part.layout),
            }
            continue;
        };
        let Some((head, after)) = rest.split_at_checked(part.digits) else {
            return cannot(rest, part.layout);
        };
        if !head.bytes().all(|b| b.is_ascii_digit()) {
            return cannot(rest, part.layout);
        }
        let value: u32 = head.parse().unwrap_or(0);
        if value < low || value > high {
            return Some(format!("parsing time {text:?}: {name} out of range"));
        }
        rest = after;
    }
    if micro {
        let digits = rest.strip_prefix('.').and_then(|fraction| fraction.split_at_checked(6));
        match digits {
            Some((digits, after)) if digits.bytes().all(|b| b.is_ascii_digit()) => rest = after,
            _ => return cannot(rest, ".000000"),
        }
    } else if let Some(fraction) = rest.strip_prefix('.') {
        rest = fraction.trim_start_matches(|c: char| c.is_ascii_digit());
    }
    if rest == "Z" || is_offset(rest) {
        None
    } else {
        cannot(rest, "Z07:00")
    }
}

fn is_offset(text: &str) -> bool {
    let bytes = text.as_bytes();
    matches!(bytes, [b'+' | b'-', a, b, b':', c, d] if [a, b, c, d].iter().all(|x| x.is_ascii_digit()))
}
