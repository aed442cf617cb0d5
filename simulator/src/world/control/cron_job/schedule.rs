//! Cron schedules: five fields, names, steps, the `@` forms. Times are UTC.
//!
//! Must not know: jobs.

use jiff::civil::{Date, DateTime};
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};

/// Days looked ahead before a schedule is taken for one that never comes: leap days are at most eight years apart.
const HORIZON_DAYS: i64 = 366 * 8;

/// When something is due, again and again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Schedule {
    /// By the calendar.
    Calendar(Calendar),
    /// At a fixed distance (`@every`).
    Every(SignedDuration),
}

/// Sets of minutes, hours, days, months and weekdays, as bits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Calendar {
    minutes: u64,
    hours: u64,
    days: u64,
    months: u64,
    weekdays: u64,
    /// Whether days of the month, or of the week, are unrestricted: then only the other restricts; else either does.
    any_day: bool,
    any_weekday: bool,
}

const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

impl Schedule {
    /// Reads a schedule; the error says what is wrong.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let spelt = match text {
            "@yearly" | "@annually" => "0 0 1 1 *",
            "@monthly" => "0 0 1 * *",
            "@weekly" => "0 0 * * 0",
            "@daily" | "@midnight" => "0 0 * * *",
            "@hourly" => "0 * * * *",
            text => text,
        };
        if let Some(every) = spelt.strip_prefix("@every ") {
            let every: SignedDuration = every
                .trim()
                .parse()
                .map_err(|_| format!("failed to parse duration {text}"))?;
            // Shorter ones are rounded up to a second, as the real parser does.
            return Ok(Self::Every(every.max(SignedDuration::from_secs(1))));
        }
        if spelt.starts_with('@') {
            return Err(format!("unrecognized descriptor: {text}"));
        }
        let fields: Vec<&str> = spelt.split_whitespace().collect();
        let [minutes, hours, days, months, weekdays] = fields.as_slice() else {
            return Err(format!(
                "expected exactly 5 fields, found {}: [{}]",
                fields.len(),
                fields.join(" ")
            ));
        };
        Ok(Self::Calendar(Calendar {
            minutes: bits(minutes, 0, 59, &[])?,
            hours: bits(hours, 0, 23, &[])?,
            days: bits(days, 1, 31, &[])?,
            months: bits(months, 1, 12, &MONTHS)?,
            weekdays: bits(weekdays, 0, 6, &WEEKDAYS)?,
            any_day: is_star(days),
            any_weekday: is_star(weekdays),
        }))
    }

    /// The first time after `after`; None: never.
    pub(super) fn next(&self, after: Timestamp) -> Option<Timestamp> {
        match self {
            Self::Every(every) => {
                let whole = Timestamp::from_second(after.as_second()).ok()?;
                whole.checked_add(*every).ok()
            }
            Self::Calendar(calendar) => calendar.next(after),
        }
    }
}

impl Calendar {
    fn next(&self, after: Timestamp) -> Option<Timestamp> {
        let start = Timestamp::from_second(after.as_second().div_euclid(60).checked_add(1)?.checked_mul(60)?).ok()?;
        let start = TimeZone::UTC.to_datetime(start);
        let mut date = start.date();
        let (mut hour, mut minute) = (start.hour(), start.minute());
        for _ in 0..HORIZON_DAYS {
            if self.has_date(date)
                && let Some((hour, minute)) = self.time_from(hour, minute)
            {
                let at = DateTime::from_parts(date, jiff::civil::Time::new(hour, minute, 0, 0).ok()?);
                return TimeZone::UTC.to_timestamp(at).ok();
            }
            date = date.checked_add(1.day()).ok()?;
            (hour, minute) = (0, 0);
        }
        None
    }

    fn has_date(&self, date: Date) -> bool {
        let has = |bits: u64, value: i8| u32::try_from(value).is_ok_and(|value| bits & (1 << value) != 0);
        let weekday = date.weekday().to_sunday_zero_offset();
        let (day, weekday) = (has(self.days, date.day()), has(self.weekdays, weekday));
        let fits = if self.any_day || self.any_weekday {
            day && weekday
        } else {
            day || weekday
        };
        fits && has(self.months, date.month())
    }

    /// The first time of day at or after this one.
    fn time_from(&self, hour: i8, minute: i8) -> Option<(i8, i8)> {
        let has = |bits: u64, value: i8| u32::try_from(value).is_ok_and(|value| bits & (1 << value) != 0);
        let mut hours = (hour..24).filter(|hour| has(self.hours, *hour));
        hours.find_map(|found| {
            let from = if found == hour { minute } else { 0 };
            let mut minutes = from..60;
            minutes
                .find(|minute| has(self.minutes, *minute))
                .map(|minute| (found, minute))
        })
    }
}

fn is_star(field: &str) -> bool {
    // A star with steps (`*/2`) restricts like any other list.
    let stars = ["*", "?", "*/1", "?/1"];
    field.split(',').any(|part| stars.contains(&part))
}

fn bits(field: &str, least: u32, most: u32, names: &[&str]) -> Result<u64, String> {
    let mut bits = 0;
    for part in field.split(',') {
        let (range, step) = part
            .split_once('/')
            .map_or((part, None), |(range, step)| (range, Some(step)));
        let number = |text: &str| {
            let named = names
                .iter()
                .position(|name| name.eq_ignore_ascii_case(text))
                .and_then(|place| u32::try_from(place).ok());
            let number = named.map(|place| place + least).or_else(|| text.parse().ok());
            number.ok_or_else(|| format!("failed to parse int from {text}"))
        };
        let (first, last) = match range.split_once('-') {
            _ if matches!(range, "*" | "?") => (least, most),
            Some((first, last)) => (number(first)?, number(last)?),
            // `5/10` means from 5 to the end.
            None if step.is_some() => (number(range)?, most),
            None => (number(range)?, number(range)?),
        };
        let step = step.map_or(Ok(1), number)?;
        if first < least {
            return Err(format!("beginning of range ({first}) below minimum ({least}): {part}"));
        }
        if last > most {
            return Err(format!("end of range ({last}) above maximum ({most}): {part}"));
        }
        if first > last {
            return Err(format!(
                "beginning of range ({first}) beyond end of range ({last}): {part}"
            ));
        }
        let step = usize::try_from(step).ok().filter(|step| *step > 0);
        let step = step.ok_or_else(|| format!("step of range should be a positive number: {part}"))?;
        bits |= (first..=last).step_by(step).fold(0, |bits, value| bits | (1 << value));
    }
    Ok(bits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_next_time() {
        let cases = [
            ("* * * * *", "2026-01-01T00:00:30Z", Some("2026-01-01T00:01:00Z")),
            ("*/15 * * * *", "2026-01-01T00:15:00Z", Some("2026-01-01T00:30:00Z")),
            (
                "30 6-16/4 * * 1-5",
                "2026-01-02T14:30:00Z",
                Some("2026-01-05T06:30:00Z"),
            ),
            ("0 0 29 2 *", "2026-01-01T00:00:00Z", Some("2028-02-29T00:00:00Z")),
            ("59 23 31 2 *", "2026-01-01T00:00:00Z", None),
            ("0 12 13 * FRI", "2026-01-01T00:00:00Z", Some("2026-01-02T12:00:00Z")),
            ("0 0 */2 * MON", "2026-01-03T00:00:00Z", Some("2026-01-05T00:00:00Z")),
            ("0 0 2 * */3", "2026-01-01T00:00:00Z", Some("2026-01-02T00:00:00Z")),
            ("0 0 1 JAN,jul ?", "2026-01-01T00:00:00Z", Some("2026-07-01T00:00:00Z")),
            ("@hourly", "2026-01-01T23:59:59Z", Some("2026-01-02T00:00:00Z")),
            ("@every 90s", "2026-01-01T00:00:00Z", Some("2026-01-01T00:01:30Z")),
        ];
        for (text, after, wanted) in cases {
            let next = Schedule::parse(text).unwrap().next(after.parse().unwrap());
            assert_eq!(next.map(|next| next.to_string()), wanted.map(str::to_owned), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_broken() {
        for text in [
            "",
            "* * * *",
            "60 * * * *",
            "* * 0 * *",
            "5-1 * * * *",
            "*/0 * * * *",
            "x * * * *",
            "@never",
            "@every x",
        ] {
            assert!(Schedule::parse(text).is_err(), "{text}");
        }
    }
}
