//! Durations as Go writes and reads them.

/// Parses Go's `time.ParseDuration` syntax; nanoseconds. None where Go fails or overflows.
pub(crate) fn parse(text: &str) -> Option<i64> {
    let (negative, rest) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    if rest == "0" {
        return Some(0);
    }
    let mut total: i128 = 0;
    let mut rest = rest;
    if rest.is_empty() {
        return None;
    }
    while !rest.is_empty() {
        let number = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .unwrap_or(rest.len());
        let (digits, after) = rest.split_at_checked(number)?;
        let unit_end = after
            .find(|c: char| c.is_ascii_digit() || c == '.')
            .unwrap_or(after.len());
        let (unit, next) = after.split_at_checked(unit_end)?;
        let scale: i128 = match unit {
            "ns" => 1,
            "us" | "µs" | "μs" => 1_000,
            "ms" => 1_000_000,
            "s" => 1_000_000_000,
            "m" => 60_000_000_000,
            "h" => 3_600_000_000_000,
            _ => return None,
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') || whole.len() > 19 {
            return None;
        }
        let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
        total += whole * scale;
        // More digits than nanoseconds can show are cut.
        let mut unit_left = scale;
        for digit in fraction.chars().take(15).filter_map(|c| c.to_digit(10)) {
            unit_left /= 10;
            total += i128::from(digit) * unit_left;
        }
        rest = next;
    }
    i64::try_from(if negative { -total } else { total }).ok()
}

/// Writes a duration as Go's `Duration.String`, from nanoseconds.
pub(crate) fn show(nanos: i64) -> String {
    let sign = if nanos < 0 { "-" } else { "" };
    let left = nanos.unsigned_abs();
    let decimal = |value: u64, unit: u64| {
        let mut text = format!(
            "{}.{:0width$}",
            value / unit,
            value % unit,
            width = unit.to_string().len() - 1
        );
        while text.ends_with('0') {
            text.pop();
        }
        text.trim_end_matches('.').to_owned()
    };
    match left {
        0 => "0s".into(),
        1..1_000 => format!("{sign}{left}ns"),
        1_000..1_000_000 => format!("{sign}{}µs", decimal(left, 1_000)),
        1_000_000..1_000_000_000 => format!("{sign}{}ms", decimal(left, 1_000_000)),
        _ => {
            let (minutes, seconds) = (left / 60_000_000_000, decimal(left % 60_000_000_000, 1_000_000_000));
            match (minutes / 60, minutes % 60) {
                (0, 0) => format!("{sign}{seconds}s"),
                (0, minutes) => format!("{sign}{minutes}m{seconds}s"),
                (hours, minutes) => format!("{sign}{hours}h{minutes}m{seconds}s"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_durations() {
        let cases = [
            ("1h30m", Some(5_400_000_000_000), "1h30m0s"),
            ("1.5s", Some(1_500_000_000), "1.5s"),
            ("-2ms", Some(-2_000_000), "-2ms"),
            ("0", Some(0), "0s"),
            ("1", None, ""),
            ("", None, ""),
            ("9999999999999h", None, ""),
        ];
        for (text, nanos, shown) in cases {
            assert_eq!(parse(text), nanos, "{text}");
            if let Some(nanos) = nanos {
                assert_eq!(show(nanos), shown);
            }
        }
    }
}
