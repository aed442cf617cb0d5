//! Five-field cron schedules and the `@…` descriptors, as the library that KAITO uses reads them.

/// Why a text is no schedule.
pub(super) fn schedule(text: &str) -> Result<(), String> {
    let text = match text.split_once(' ') {
        Some((zone, rest)) if zone.starts_with("TZ=") || zone.starts_with("CRON_TZ=") => rest.trim_start(),
        Some(_) | None => text,
    };
    if let Some(descriptor) = text.strip_prefix('@') {
        return known_descriptor(descriptor);
    }
    let fields: Vec<&str> = text.split_whitespace().collect();
    let [minute, hour, day, month, weekday] = fields[..] else {
        return Err(format!("expected exactly 5 fields, found {}", fields.len()));
    };
    field(minute, 0, 59, &[])?;
    field(hour, 0, 23, &[])?;
    field(day, 1, 31, &[])?;
    field(month, 1, 12, &MONTHS)?;
    field(weekday, 0, 6, &WEEKDAYS)
}

const MONTHS: [&str; 12] = [
    "jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec",
];
const WEEKDAYS: [&str; 7] = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"];

fn known_descriptor(descriptor: &str) -> Result<(), String> {
    match descriptor {
        "yearly" | "annually" | "monthly" | "weekly" | "daily" | "midnight" | "hourly" => Ok(()),
        other => match other.strip_prefix("every ").map(super::text::go_duration) {
            Some(Some(nanoseconds)) if nanoseconds > 0.0 => Ok(()),
            Some(_) => Err(format!("failed to parse duration @{descriptor}")),
            None => Err(format!("unrecognized descriptor: @{descriptor}")),
        },
    }
}

fn field(text: &str, least: u32, most: u32, names: &[&str]) -> Result<(), String> {
    text.split(',').try_for_each(|range| {
        let (range, step) = match range.split_once('/') {
            Some((range, step)) => (range, Some(step)),
            None => (range, None),
        };
        if let Some(step) = step
            && !step.parse::<u32>().is_ok_and(|step| step > 0)
        {
            return Err(format!("step of range should be a positive number: {text}"));
        }
        if range == "*" || range == "?" {
            return Ok(());
        }
        let (from, to) = range.split_once('-').unwrap_or((range, range));
        let (from, to) = (value(from, least, names)?, value(to, least, names)?);
        if from < least || to > most {
            return Err(format!("{range} is out of the range {least} to {most}"));
        }
        if from > to {
            return Err(format!(
                "beginning of range ({from}) beyond end of range ({to}): {range}"
            ));
        }
        Ok(())
    })
}

fn value(text: &str, least: u32, names: &[&str]) -> Result<u32, String> {
    let lower = text.to_ascii_lowercase();
    let named = names
        .iter()
        .zip(least..)
        .find(|(name, _)| **name == lower)
        .map(|(_, number)| number);
    named.map_or_else(
        || text.parse().map_err(|_| format!("failed to parse number: {text:?}")),
        Ok,
    )
}

#[cfg(test)]
mod tests {
    use super::schedule;

    #[test]
    fn schedules() {
        for text in [
            "0 2 * * *",
            "*/15 0-6/2 1,15 JAN-mar sun",
            "? * * * ?",
            "@daily",
            "@every 1h30m",
            "TZ=UTC 0 2 * * 6",
        ] {
            assert_eq!(schedule(text), Ok(()), "{text}");
        }
        for text in [
            "",
            "* * * *",
            "* * * * * *",
            "60 * * * *",
            "* 24 * * *",
            "* * 0 * *",
            "* * * 13 *",
            "* * * * 7",
            "5-1 * * * *",
            "*/0 * * * *",
            "a * * * *",
            "@never",
            "@every x",
            "@every -1h",
            "é é é é é",
        ] {
            assert!(schedule(text).is_err(), "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_answered(text in ".{0,40}", dense in "[0-9a-z*/,@? -]{0,40}") {
            let _ = (schedule(&text), schedule(&dense));
        }
    }
}
