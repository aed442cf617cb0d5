//! From a file's text to a scenario, or to what is wrong with it and where.

use miette::{NamedSource, SourceSpan};

use super::format::{Scenario, Step};

/// Largest file that is read, in bytes.
pub const MAX_BYTES: usize = 1 << 20;

/// What is wrong with a file: code, place, remedy.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("{message}")]
#[diagnostic()]
pub struct Diagnostic {
    message: String,
    /// Stable code, e.g. `scenario::bad_unit`.
    pub code: &'static str,
    #[help]
    help: Option<String>,
    #[source_code]
    text: NamedSource<String>,
    #[label("{code}")]
    place: Option<SourceSpan>,
}

/// Reads a scenario.
///
/// # Errors
/// With the first thing that is wrong.
pub fn parse(name: &str, text: &str) -> Result<Scenario, Box<Diagnostic>> {
    let told = |code, message: String, help: Option<&str>, place: Option<SourceSpan>| {
        Box::new(Diagnostic {
            message: format!("[{code}] {message}"),
            code,
            help: help.map(str::to_owned),
            text: NamedSource::new(name, text.to_owned()),
            place,
        })
    };
    if text.len() > MAX_BYTES {
        let message = format!("the file has {} bytes; a scenario may have {MAX_BYTES}", text.len());
        return Err(told("scenario::too_large", message, None, None));
    }
    let scenario: Scenario = serde_saphyr::from_str(text).map_err(|error| {
        let place = error.location().map(|at| {
            let offset = offset(text, at.line(), at.column());
            SourceSpan::new(offset.into(), 1)
        });
        let message = first_line(&error.without_snippet().to_string());
        let (code, help) = classified(&message);
        told(code, message, help, place)
    })?;
    if let Some((index, (code, message, help))) = scenario
        .steps
        .iter()
        .enumerate()
        .find_map(|(index, step)| Some((index, fault(step)?)))
    {
        return Err(told(code, format!("steps[{index}]: {message}"), Some(help), None));
    }
    let empty = scenario
        .expect
        .never
        .iter()
        .chain(&scenario.expect.finally)
        .find_map(super::check::fault);
    if let Some(message) = empty {
        let help = "name an object with a condition, a field or absent: true; or a count; or pools";
        return Err(told(
            "scenario::empty_check",
            format!("expect: {message}"),
            Some(help),
            None,
        ));
    }
    Ok(scenario)
}

/// Code and remedy of what the reader says.
fn classified(message: &str) -> (&'static str, Option<&'static str>) {
    if message.contains("unknown field") || message.contains("unknown variant") {
        (
            "scenario::unknown_key",
            Some("the message lists the words that are known here"),
        )
    } else if message.contains("bad unit") {
        (
            "scenario::bad_unit",
            Some("durations are written as 500ms, 90s, 4m, 2h or 3m52s"),
        )
    } else if message.contains("bad object") {
        (
            "scenario::bad_object",
            Some("objects are written as Kind/name or Kind/namespace/name"),
        )
    } else if message.contains("missing field") {
        ("scenario::missing_key", None)
    } else {
        ("scenario::bad_yaml", None)
    }
}

/// What is wrong with a step that the format alone lets through.
fn fault(step: &Step) -> Option<(&'static str, String, &'static str)> {
    let Step {
        at,
        after,
        apply,
        apply_file,
        delete,
        patch,
        fault,
        heal,
        restart,
        quota,
        evict,
        request,
        wait,
        within,
    } = step;
    let actions = [
        ("apply", apply.is_some()),
        ("applyFile", apply_file.is_some()),
        ("delete", delete.is_some()),
        ("patch", patch.is_some()),
        ("fault", fault.is_some()),
        ("heal", heal.is_some()),
        ("restart", restart.is_some()),
        ("quota", quota.is_some()),
        ("evict", evict.is_some()),
        ("request", request.is_some()),
        ("wait", wait.is_some()),
    ];
    let named: Vec<&str> = actions
        .iter()
        .filter(|(_, is_there)| *is_there)
        .map(|(name, _)| *name)
        .collect();
    let has_time = at.is_some() || after.is_some();
    let known = "a step has one of apply, applyFile, delete, patch, fault, heal, restart, quota, evict, request, wait; or after: alone";
    if named.len() > 1 {
        return Some((
            "scenario::two_actions",
            format!("{} in one step", named.join(" and ")),
            known,
        ));
    }
    if named.is_empty() && !has_time {
        return Some(("scenario::no_action", "nothing is to be done".into(), known));
    }
    if at.is_some() && after.is_some() {
        let help = "use one of them";
        return Some(("scenario::two_times", "at and after in one step".into(), help));
    }
    if within.is_some() && wait.is_none() {
        let help = "within says how long a wait may take";
        return Some(("scenario::unknown_reference", "within without wait".into(), help));
    }
    let message = wait.as_ref().and_then(super::check::fault)?;
    Some((
        "scenario::empty_check",
        format!("wait: {message}"),
        "name an object with a condition, a field or absent: true; or a count; or pools",
    ))
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_owned()
}

/// Byte offset of a line and a column, both counted from 1.
fn offset(text: &str, line: u64, column: u64) -> usize {
    let lines = usize::try_from(line.saturating_sub(1)).unwrap_or(usize::MAX);
    let before: usize = text.split_inclusive('\n').take(lines).map(str::len).sum();
    let line = text.split_inclusive('\n').nth(lines).unwrap_or_default();
    let columns = usize::try_from(column.saturating_sub(1)).unwrap_or(usize::MAX);
    let inside: usize = line.chars().take(columns).map(char::len_utf8).sum();
    (before + inside).min(text.len().saturating_sub(1))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const GOOD: &str = "about: x\nsteps:\n  - apply: {kind: Secret}\n";

    #[test]
    fn each_mistake_has_a_code_and_a_place() {
        assert!(parse("a.yaml", GOOD).is_ok());
        let cases = [
            (format!("{GOOD}wrold: {{}}\n"), "scenario::unknown_key"),
            (GOOD.replace("apply:", "aply:"), "scenario::unknown_key"),
            (format!("{GOOD}  - after: 5\n"), "scenario::bad_unit"),
            (format!("{GOOD}  - delete: Workspce/a/b\n"), "scenario::bad_object"),
            (format!("{GOOD}  - delete: Workspace\n"), "scenario::bad_object"),
            ("steps: []\n".to_owned(), "scenario::missing_key"),
            ("about: [\n".to_owned(), "scenario::bad_yaml"),
            (
                format!("{GOOD}  - heal: true\n    restart: operator\n"),
                "scenario::two_actions",
            ),
            (format!("{GOOD}  - {{}}\n"), "scenario::no_action"),
            (
                format!("{GOOD}  - at: 1s\n    after: 1s\n    heal: true\n"),
                "scenario::two_times",
            ),
            (
                format!("{GOOD}  - heal: true\n    within: 1s\n"),
                "scenario::unknown_reference",
            ),
            (format!("{GOOD}  - wait: {{}}\n"), "scenario::empty_check"),
            (format!("{GOOD}expect: {{never: [{{}}]}}\n"), "scenario::empty_check"),
            ("x".repeat(MAX_BYTES + 1), "scenario::too_large"),
        ];
        for (text, code) in cases {
            let shown: String = text.chars().take(200).collect();
            let error = parse("a.yaml", &text).map(|_| ()).unwrap_err();
            assert_eq!(error.code, code, "{shown}: {error}");
        }
        let error = parse("a.yaml", &format!("{GOOD}  - after: 5\n")).unwrap_err();
        let place = error.place.unwrap().offset();
        assert!(place >= GOOD.len(), "the place is in the last line: {place}");
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "(?s).{0,200}") {
            let _ = parse("a.yaml", &text);
        }
    }
}
