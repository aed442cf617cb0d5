//! Pages that are printed from the tables in the code.

use crate::conditions::ConditionType;
use std::fmt::Write;

/// `operator/docs/errors.md`: every condition with its reasons. `note` says how the page came to be.
pub fn errors(note: &str) -> String {
    let mut page =
        format!("<!-- {note} -->\n# Conditions and their reasons\n\nWhat `kubectl describe` shows under Conditions.\n");
    for condition in ConditionType::ALL {
        let kinds = condition.kinds().join(", ");
        // Writing to a String can't fail.
        let _ = write!(
            page,
            "\n## {}\nOn: {kinds}. {}\n\n| status | reason | meaning |\n|---|---|---|\n",
            condition.as_str(),
            condition.meaning()
        );
        for info in condition.reasons() {
            let _ = writeln!(
                page,
                "| {} | `{}` | {} |",
                info.status.as_str(),
                info.reason,
                info.meaning
            );
        }
    }
    page
}
