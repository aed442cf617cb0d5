//! `resource.Quantity` texts: which are good, and the one form in which the server writes them back.
//!
//! Knows the notation; must not know what is measured.

use std::borrow::Cow;

/// Longer numbers are taken as they come; no real quantity is near.
const MAX_DIGITS: usize = 24;
/// The smallest step that a quantity can hold is 10^-9; finer ones are rounded up.
const NANO: i32 = -9;

const BINARY: &[(&str, u32)] = &[("Ki", 1), ("Mi", 2), ("Gi", 3), ("Ti", 4), ("Pi", 5), ("Ei", 6)];
const DECIMAL: &[(&str, i32)] = &[
    ("n", -9),
    ("u", -6),
    ("m", -3),
    ("", 0),
    ("k", 3),
    ("M", 6),
    ("G", 9),
    ("T", 12),
    ("P", 15),
    ("E", 18),
];

#[derive(Clone, Copy, PartialEq)]
enum Notation {
    Binary,
    Decimal,
    Exponent,
}

/// The canonical form: `0.5` is `500m`, `1.5Gi` is `1536Mi`, `1000m` is `1`. None for a text that is no quantity.
pub(super) fn canonical(text: &str) -> Option<Cow<'_, str>> {
    if is_plain(text) {
        return Some(Cow::Borrowed(text));
    }
    canonical_text(text).map(Cow::Owned)
}

/// Whether the text plainly is canonical: up to three digits and a suffix that a larger number would need.
fn is_plain(text: &str) -> bool {
    let suffix = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let digits = text.len() - suffix.len();
    let known = |list: &str| list == suffix;
    (1..=3).contains(&digits)
        && !text.starts_with('0')
        && (DECIMAL.iter().any(|(name, _)| known(name)) || BINARY.iter().any(|(name, _)| known(name)))
}

fn canonical_text(text: &str) -> Option<String> {
    let unsigned = text.trim_start_matches(['+', '-']);
    if text.len() > unsigned.len() + 1 {
        return None;
    }
    let negative = text.starts_with('-');
    let end = unsigned
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(unsigned.len());
    let (number, suffix) = unsigned.split_at_checked(end)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.len() + fraction.len() == 0 || fraction.contains('.') {
        return None;
    }
    let (notation, binary, decimal) = read_suffix(suffix)?;
    if whole.len() + fraction.len() > MAX_DIGITS {
        return Some(text.to_owned());
    }
    let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
    let mantissa = digits.checked_mul(1024_i128.checked_pow(binary)?)?;
    let exponent = decimal - i32::try_from(fraction.len()).ok()?;
    let written = write(mantissa, exponent, notation).unwrap_or_else(|| text.trim_start_matches(['+', '-']).to_owned());
    Some(if negative && mantissa != 0 {
        format!("-{written}")
    } else {
        written
    })
}

/// Notation, power of 1024, power of 10.
fn read_suffix(suffix: &str) -> Option<(Notation, u32, i32)> {
    if let Some((_, power)) = BINARY.iter().find(|(name, _)| *name == suffix) {
        return Some((Notation::Binary, *power, 0));
    }
    if let Some((_, power)) = DECIMAL.iter().find(|(name, _)| *name == suffix) {
        return Some((Notation::Decimal, 0, *power));
    }
    let exponent = suffix.strip_prefix(['e', 'E'])?;
    let power: i32 = exponent.parse().ok()?;
    (-60..=60).contains(&power).then_some((Notation::Exponent, 0, power))
}

fn write(mut mantissa: i128, mut exponent: i32, notation: Notation) -> Option<String> {
    if mantissa == 0 {
        return Some("0".to_owned());
    }
    while exponent < NANO {
        mantissa = mantissa / 10 + i128::from(mantissa % 10 != 0);
        exponent += 1;
    }
    if notation == Notation::Binary {
        let mut value = mantissa;
        let mut left = exponent;
        while left < 0 && value % 10 == 0 {
            value /= 10;
            left += 1;
        }
        if left == 0 && value >= 1024 {
            return write_binary(value);
        }
        if left < 0 && value / 10_i128.checked_pow(left.unsigned_abs())? >= 1024 {
            let divisor = 10_i128.checked_pow(left.unsigned_abs())?;
            return write_binary(value / divisor + i128::from(value % divisor != 0));
        }
    }
    while mantissa % 10 == 0 {
        mantissa /= 10;
        exponent += 1;
    }
    while exponent.rem_euclid(3) != 0 || exponent > 18 && notation != Notation::Exponent {
        mantissa = mantissa.checked_mul(10)?;
        exponent -= 1;
    }
    if notation == Notation::Exponent {
        let tail = if exponent == 0 {
            String::new()
        } else {
            format!("e{exponent}")
        };
        return Some(format!("{mantissa}{tail}"));
    }
    let (suffix, _) = DECIMAL.iter().find(|(_, power)| *power == exponent)?;
    Some(format!("{mantissa}{suffix}"))
}

fn write_binary(mut value: i128) -> Option<String> {
    let mut power = 0_u32;
    while value % 1024 == 0 && power < 6 {
        value /= 1024;
        power += 1;
    }
    let suffix = BINARY.iter().find(|(_, p)| *p == power).map_or("", |(name, _)| name);
    Some(format!("{value}{suffix}"))
}
