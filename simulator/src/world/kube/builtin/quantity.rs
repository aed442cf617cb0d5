//! Resource quantities (`500m`, `1Gi`, `2e3`): parsing, canonical text, arithmetic.
//!
//! Knows only the notation. Values are counted in nano-units in an `i128`, which holds 1.7e29 units; larger texts
//! saturate, smaller than one nano-unit round away from zero, as the real server does.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;

use serde_json::Value;

/// Text of the real server for a quantity that does not scan.
pub const FORMAT_WRONG: &str =
    "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
/// Text for a suffix that is none of the known ones.
pub const SUFFIX_WRONG: &str = "unable to parse quantity's suffix";

const NANO: i128 = 1_000_000_000;
/// The largest value of a quantity with a binary suffix: 2^63 - 1 units.
const BINARY_MAX: i128 = (i64::MAX as i128) * NANO;

/// How a quantity was written, which is how it is written back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// `1500m`, `12k`
    DecimalSi,
    /// `1Gi`
    BinarySi,
    /// `12e6`
    DecimalExponent,
}

/// An amount of a resource.
#[derive(Clone, Copy, Debug)]
pub struct Quantity {
    nanos: i128,
    format: Format,
}

impl Quantity {
    /// Nothing.
    pub const ZERO: Self = Self {
        nanos: 0,
        format: Format::DecimalSi,
    };

    /// From whole units.
    #[must_use]
    pub fn from_units(units: i64, format: Format) -> Self {
        let nanos = i128::from(units) * NANO;
        Self { nanos, format }
    }

    /// From thousandths.
    #[must_use]
    pub fn from_milli(milli: i64) -> Self {
        let nanos = i128::from(milli) * (NANO / 1000);
        Self {
            nanos,
            format: Format::DecimalSi,
        }
    }

    /// Reads a quantity; the error is the real server's text.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        read(text).map(|parts| parts.quantity)
    }

    /// Reads a JSON string or number; None when it is neither or does not parse.
    #[must_use]
    pub fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::String(text) => Self::parse(text).ok(),
            Value::Number(number) => Self::parse(&number.to_string()).ok(),
            _ => None,
        }
    }

    /// The amount in nano-units.
    #[must_use]
    pub fn nanos(self) -> i128 {
        self.nanos
    }

    /// The amount in thousandths, rounded up (as `MilliValue` does).
    #[must_use]
    pub fn milli(self) -> i64 {
        saturate(div_up(self.nanos, NANO / 1000))
    }

    /// The amount in whole units, rounded up (as `Value` does).
    #[must_use]
    pub fn units(self) -> i64 {
        saturate(div_up(self.nanos, NANO))
    }

    /// Rounded up to whole thousandths, as resource lists are stored.
    #[must_use]
    pub fn rounded_to_milli(self) -> Self {
        let step = NANO / 1000;
        let nanos = div_up(self.nanos, step).saturating_mul(step);
        Self { nanos, ..self }
    }

    /// Whether it is a whole number of units.
    #[must_use]
    pub fn is_whole(self) -> bool {
        self.nanos % NANO == 0
    }

    /// Whether it is a whole number of thousandths.
    #[must_use]
    pub fn is_whole_milli(self) -> bool {
        self.nanos % (NANO / 1000) == 0
    }

    /// Whether it is 0.
    #[must_use]
    pub fn is_zero(self) -> bool {
        self.nanos == 0
    }

    /// Whether it is below 0.
    #[must_use]
    pub fn is_negative(self) -> bool {
        self.nanos < 0
    }

    /// How it was written.
    #[must_use]
    pub fn format(self) -> Format {
        self.format
    }

    /// Sum; keeps this one's format unless this one is 0.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        let format = if self.nanos == 0 { other.format } else { self.format };
        Self {
            nanos: self.nanos.saturating_add(other.nanos),
            format,
        }
    }

    /// Difference, in this one's format.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        Self {
            nanos: self.nanos.saturating_sub(other.nanos),
            format: self.format,
        }
    }
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.nanos == other.nanos
    }
}

impl Eq for Quantity {}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> Ordering {
        self.nanos.cmp(&other.nanos)
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let small = self.nanos.unsigned_abs() < 1024 * NANO.unsigned_abs();
        match self.format {
            _ if self.nanos == 0 => f.write_str("0"),
            Format::BinarySi if !small && self.is_whole() => write_binary(f, self.nanos / NANO),
            Format::BinarySi | Format::DecimalSi => write_decimal(f, self.nanos, false),
            Format::DecimalExponent => write_decimal(f, self.nanos, true),
        }
    }
}

/// The canonical text of a quantity: what the server stores and answers. Borrowed when `text` is already canonical.
pub fn canonical(text: &str) -> Result<Cow<'_, str>, &'static str> {
    let parts = read(text)?;
    if parts.verbatim {
        Ok(Cow::Borrowed(text))
    } else {
        Ok(Cow::Owned(parts.quantity.to_string()))
    }
}

struct Parts {
    quantity: Quantity,
    /// The text is already what the server would write.
    verbatim: bool,
}

fn read(text: &str) -> Result<Parts, &'static str> {
    if text.is_empty() {
        return Err(FORMAT_WRONG);
    }
    if text == "0" {
        return Ok(Parts {
            quantity: Quantity::ZERO,
            verbatim: true,
        });
    }
    let (negative, rest) = match text.as_bytes().split_first() {
        Some((b'-', rest)) => (true, rest),
        Some((b'+', rest)) => (false, rest),
        _ => (false, text.as_bytes()),
    };
    let (_, rest) = take(rest, |byte| *byte == b'0');
    let (whole, rest) = take(rest, u8::is_ascii_digit);
    let (fraction, rest) = match rest.split_first() {
        Some((b'.', after)) => take(after, u8::is_ascii_digit),
        _ => (&[][..], rest),
    };
    let (_, tail) = take(rest, |byte| b"eEinumkKMGTP".contains(byte));
    let tail = tail.strip_prefix(b"-").or(tail.strip_prefix(b"+")).unwrap_or(tail);
    if !tail.iter().all(u8::is_ascii_digit) {
        return Err(FORMAT_WRONG);
    }
    let (scale, format) = suffix(rest).ok_or(SUFFIX_WRONG)?;
    assemble(negative, whole, fraction, scale, format)
}

/// What a suffix multiplies by.
#[derive(Clone, Copy)]
enum Scale {
    /// 10^n
    Ten(i64),
    /// 2^n
    Two(u32),
}

fn suffix(bytes: &[u8]) -> Option<(Scale, Format)> {
    let decimal = |exponent| Some((Scale::Ten(exponent), Format::DecimalSi));
    let binary = |exponent| Some((Scale::Two(exponent), Format::BinarySi));
    match bytes {
        b"" => decimal(0),
        b"n" => decimal(-9),
        b"u" => decimal(-6),
        b"m" => decimal(-3),
        b"k" => decimal(3),
        b"M" => decimal(6),
        b"G" => decimal(9),
        b"T" => decimal(12),
        b"P" => decimal(15),
        b"E" => decimal(18),
        b"Ki" => binary(10),
        b"Mi" => binary(20),
        b"Gi" => binary(30),
        b"Ti" => binary(40),
        b"Pi" => binary(50),
        b"Ei" => binary(60),
        [b'e' | b'E', digits @ ..] => {
            let exponent: i64 = std::str::from_utf8(digits).ok()?.parse().ok()?;
            Some((Scale::Ten(exponent), Format::DecimalExponent))
        }
        _ => None,
    }
}

fn assemble(
    negative: bool,
    whole: &[u8],
    fraction: &[u8],
    scale: Scale,
    format: Format,
) -> Result<Parts, &'static str> {
    // Beyond 38 digits the value saturates anyway, and digits past the eleventh decimal only matter for rounding up.
    let digits = || whole.iter().chain(fraction);
    let mantissa = digits().fold(0_i128, |sum, digit| {
        sum.saturating_mul(10).saturating_add(i128::from(digit - b'0'))
    });
    let places = i64::try_from(fraction.len()).unwrap_or(i64::MAX);
    let (mut nanos, verbatim) = match scale {
        Scale::Ten(exponent) => {
            let exponent = exponent.saturating_sub(places);
            let round = whole.is_empty() || ends_in_three_zeros(whole, fraction);
            let nanos = shift(mantissa, exponent.saturating_add(9));
            (nanos, exponent % 3 == 0 && !round && exponent >= -9)
        }
        Scale::Two(exponent) => {
            let scaled = mantissa.saturating_mul(NANO).saturating_mul(1_i128 << exponent);
            let nanos = shift(scaled, places.saturating_neg()).min(BINARY_MAX);
            (nanos, fraction.is_empty() && mantissa & 7 != 0 && nanos < BINARY_MAX)
        }
    };
    let format = if format == Format::BinarySi && nanos > 0 && nanos < NANO {
        Format::DecimalSi
    } else {
        format
    };
    if negative {
        nanos = nanos.saturating_neg();
    }
    let quantity = Quantity { nanos, format };
    Ok(Parts { quantity, verbatim })
}

fn ends_in_three_zeros(whole: &[u8], fraction: &[u8]) -> bool {
    let mut last = whole.iter().chain(fraction).rev();
    (0..3).all(|_| last.next() == Some(&b'0'))
}

fn take(bytes: &[u8], is: impl Fn(&u8) -> bool) -> (&[u8], &[u8]) {
    let end = bytes.iter().position(|byte| !is(byte)).unwrap_or(bytes.len());
    bytes.split_at(end)
}

/// `value * 10^power`, saturating; rounded away from zero.
fn shift(value: i128, power: i64) -> i128 {
    if value == 0 {
        return 0;
    }
    let factor = |power: i64| u32::try_from(power).ok().and_then(|power| 10_i128.checked_pow(power));
    if power >= 0 {
        factor(power).map_or(i128::MAX, |factor| value.saturating_mul(factor))
    } else {
        factor(power.saturating_neg()).map_or(1, |factor| div_up(value, factor))
    }
}

/// Division rounded away from zero.
fn div_up(value: i128, by: i128) -> i128 {
    let quotient = value / by;
    match value % by {
        0 => quotient,
        _ if value < 0 => quotient - 1,
        _ => quotient + 1,
    }
}

fn saturate(value: i128) -> i64 {
    i64::try_from(value).unwrap_or(if value < 0 { i64::MIN } else { i64::MAX })
}

fn write_decimal(f: &mut fmt::Formatter<'_>, nanos: i128, exponent_form: bool) -> fmt::Result {
    const SUFFIXES: [&str; 10] = ["n", "u", "m", "", "k", "M", "G", "T", "P", "E"];
    let (mut number, mut step) = (nanos, 0_usize);
    while number % 1000 == 0 && step + 1 < SUFFIXES.len() {
        number /= 1000;
        step += 1;
    }
    let suffix = SUFFIXES.get(step).copied().unwrap_or_default();
    match i64::try_from(step).unwrap_or(0) * 3 - 9 {
        power if exponent_form && power != 0 => write!(f, "{number}e{power}"),
        _ => write!(f, "{number}{suffix}"),
    }
}

fn write_binary(f: &mut fmt::Formatter<'_>, units: i128) -> fmt::Result {
    const SUFFIXES: [&str; 7] = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"];
    let (mut number, mut step) = (units, 0_usize);
    while number % 1024 == 0 && step + 1 < SUFFIXES.len() {
        number /= 1024;
        step += 1;
    }
    write!(f, "{number}{}", SUFFIXES.get(step).copied().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn canonical_texts_are_the_servers() {
        for (text, expected) in [
            ("0", "0"),
            ("1", "1"),
            ("1.5", "1500m"),
            ("0.5", "500m"),
            ("1000m", "1"),
            ("100m", "100m"),
            ("2000", "2k"),
            ("1024Mi", "1Gi"),
            ("1025Mi", "1025Mi"),
            ("1000Mi", "1000Mi"),
            ("1.5Gi", "1536Mi"),
            ("0.5Gi", "512Mi"),
            ("1Ki", "1Ki"),
            ("512", "512"),
            ("1e3", "1e3"),
            ("1e2", "100"),
            ("12e6", "12e6"),
            ("0Gi", "0"),
            ("-1", "-1"),
            ("1n", "1n"),
            ("0.1n", "1n"),
            ("16Ei", "9223372036854775807"),
            ("5M", "5M"),
            ("080", "080"),
            ("+5", "+5"),
            (".1Mi", "104857600m"),
            ("m", "0"),
            ("1e30", "1e30"),
            ("1.500", "1.500"),
        ] {
            assert_eq!(canonical(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn bad_texts_have_the_servers_words() {
        for (text, why) in [
            ("", FORMAT_WRONG),
            ("abc", FORMAT_WRONG),
            ("1 Gi", FORMAT_WRONG),
            ("1GiB", FORMAT_WRONG),
            ("1g", FORMAT_WRONG),
            ("1K", SUFFIX_WRONG),
            ("1mi", SUFFIX_WRONG),
        ] {
            assert_eq!(canonical(text), Err(why), "{text}");
        }
    }

    #[test]
    fn values_round_up() {
        let quantity = |text| Quantity::parse(text).expect(text);
        assert_eq!(quantity("1500m").units(), 2);
        assert_eq!(quantity("100u").milli(), 1);
        assert_eq!(quantity("2").milli(), 2000);
        assert!(quantity("1Gi") > quantity("1G"));
        assert_eq!(quantity("1Gi").plus(quantity("1Gi")).to_string(), "2Gi");
        assert!(!quantity("0.5").is_whole());
    }

    proptest! {
        #[test]
        fn canonical_form_is_stable(text in "[-+]?[0-9]{0,6}(\\.[0-9]{0,4})?(n|u|m|k|M|G|Ki|Mi|Gi|Ei|e[0-9]|E-?[0-9]{1,12})?") {
            if let Ok(once) = canonical(&text) {
                let value = Quantity::parse(&text).expect("canonical accepted it");
                prop_assert_eq!(Quantity::parse(&once), Ok(value));
                prop_assert_eq!(canonical(&once), Ok(once.clone()));
            }
        }

        #[test]
        fn any_text_is_answered(text in any::<String>()) {
            let _ = canonical(&text);
        }
    }
}
