//! Durations as kubectl shows them: two or three significant figures, `5m30s`, `3h`, `2y45d`.

use jiff::Timestamp;
use serde_json::Value;

/// A duration of whole seconds for people.
#[must_use]
pub fn human_duration(seconds: i64) -> String {
    // Clocks of two machines may differ a little: up to a second in the future counts as now.
    if seconds < -1 {
        return "<invalid>".into();
    }
    let seconds = seconds.max(0);
    let (minutes, hours) = (seconds / 60, seconds / 3600);
    let (days, years) = (hours / 24, hours / 24 / 365);
    if seconds < 120 {
        format!("{seconds}s")
    } else if minutes < 10 {
        two(minutes, "m", seconds % 60, "s")
    } else if minutes < 180 {
        format!("{minutes}m")
    } else if hours < 8 {
        two(hours, "h", minutes % 60, "m")
    } else if hours < 48 {
        format!("{hours}h")
    } else if hours < 24 * 8 {
        two(days, "d", hours % 24, "h")
    } else if days < 365 * 2 {
        format!("{days}d")
    } else if days < 365 * 8 {
        two(years, "y", days % 365, "d")
    } else {
        format!("{years}y")
    }
}

fn two(big: i64, big_unit: &str, small: i64, small_unit: &str) -> String {
    if small == 0 {
        format!("{big}{big_unit}")
    } else {
        format!("{big}{big_unit}{small}{small_unit}")
    }
}

/// How long ago a timestamp field was; `<unknown>` where it is missing.
#[must_use]
pub fn since(timestamp: &Value, now: Timestamp) -> String {
    parse(timestamp).map_or_else(|| "<unknown>".into(), |at| human_duration(seconds_between(at, now)))
}

/// The time in a timestamp field.
#[must_use]
pub fn parse(timestamp: &Value) -> Option<Timestamp> {
    timestamp.as_str().and_then(|text| text.parse().ok())
}

/// Whole seconds from one time to another, cut towards zero.
#[must_use]
pub fn seconds_between(from: Timestamp, to: Timestamp) -> i64 {
    to.duration_since(from).as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_two_or_three_figures() {
        const MINUTE: i64 = 60;
        const HOUR: i64 = 3600;
        const DAY: i64 = 86400;
        for (seconds, expected) in [
            (-2, "<invalid>"),
            (-1, "0s"),
            (119, "119s"),
            (120, "2m"),
            (330, "5m30s"),
            (10 * MINUTE + 59, "10m"),
            (3 * HOUR, "3h"),
            (7 * HOUR + 59 * MINUTE, "7h59m"),
            (47 * HOUR, "47h"),
            (50 * HOUR, "2d2h"),
            (8 * DAY, "8d"),
            (800 * DAY, "2y70d"),
            (9 * 365 * DAY, "9y"),
        ] {
            assert_eq!(human_duration(seconds), expected, "{seconds}");
        }
    }
}
