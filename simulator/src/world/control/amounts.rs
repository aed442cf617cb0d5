//! Amounts that may be a number or a percentage (`IntOrString`).
//!
//! Must not know: whose they are.

use serde_json::Value;

/// Which way a percentage of a whole number is rounded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Round {
    /// To the next whole number.
    Up,
    /// To the whole number before.
    Down,
}

/// An `IntOrString` as a count out of `total`; None if it is absent or broken.
#[must_use]
pub fn scaled(amount: Option<&Value>, total: i64, round: Round) -> Option<i64> {
    match amount? {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => {
            let percent: i64 = text.strip_suffix('%')?.parse().ok()?;
            let hundredths = percent.checked_mul(total)?;
            Some(match round {
                Round::Up => hundredths.div_euclid(100) + i64::from(hundredths.rem_euclid(100) > 0),
                Round::Down => hundredths.div_euclid(100),
            })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rounds_percentages() {
        let cases = [
            (json!(3), 10, Some(3), Some(3)),
            (json!("25%"), 10, Some(3), Some(2)),
            (json!("100%"), 7, Some(7), Some(7)),
            (json!("0%"), 7, Some(0), Some(0)),
            (json!("x"), 7, None, None),
            (json!("999999999999%"), i64::MAX, None, None),
        ];
        for (amount, total, up, down) in cases {
            assert_eq!(scaled(Some(&amount), total, Round::Up), up, "{amount}");
            assert_eq!(scaled(Some(&amount), total, Round::Down), down, "{amount}");
        }
    }
}
