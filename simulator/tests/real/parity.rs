//! What was alike, and the table that says so in `simulator/README.md`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::Result;
use serde_json::Value;

use crate::corpus::{Case, Corpus, Step};
use crate::normal::normal;
use crate::replay::Answer;

/// Requests that the corpus must have.
const LEAST: usize = 400;
/// Most of them that may differ, in percent.
const MOST_NAMED_PERCENT: usize = 2;
/// Differences of one answer that are printed.
const SHOWN: usize = 12;
const BEGIN: &str = "<!-- parity: written by `cargo xtask bless` -->\n";
const END: &str = "<!-- end of parity -->\n";

/// Alike, named, or neither.
#[derive(Default)]
pub(crate) struct Parity {
    /// By file: what it is about, requests, those alike.
    files: Vec<(String, String, usize, usize)>,
    /// Requests of each named difference.
    named: BTreeMap<String, usize>,
    faults: Vec<String>,
    /// None where a part of the corpus was asked.
    table: Option<String>,
}

impl Parity {
    pub(crate) fn of(corpus: &Corpus, here: &[Result<Answer>], there: &[Result<Answer>]) -> Self {
        let mut parity = Self::default();
        for file in &corpus.files {
            parity.files.push((file.name.clone(), file.about.clone(), 0, 0));
        }
        for ((file, case, number, step), (here, there)) in corpus.steps().zip(here.iter().zip(there)) {
            let differences = compared(here, there, step);
            let place = format!("{}.yaml: {} ({number}): {}", file.name, case.case, step.request);
            if let Some(row) = parity.files.iter_mut().find(|row| row.0 == file.name) {
                row.2 += 1;
                row.3 += usize::from(differences.is_empty());
            }
            match (&step.differs, differences.is_empty()) {
                (None, true) => {}
                (None, false) => parity.faults.push(format!("{place}\n{}", differences.join("\n"))),
                (Some(id), false) => *parity.named.entry(id.clone()).or_default() += 1,
                (Some(id), true) => parity
                    .faults
                    .push(format!("{place}\n    no longer differs: take `{id}` away")),
            }
        }
        for id in corpus.differences.keys() {
            if !corpus.is_part && !parity.named.contains_key(id) {
                parity.faults.push(format!("differences.yaml: no request shows `{id}`"));
            }
        }
        parity.table = (!corpus.is_part).then(|| parity.written(corpus));
        parity
    }

    /// Fails with every difference that has no name, and when the table in the README is another.
    pub(crate) fn check(&self) {
        let (requests, named) = (
            self.files.iter().map(|row| row.2).sum::<usize>(),
            self.named.values().sum::<usize>(),
        );
        assert!(
            self.faults.is_empty(),
            "{} of {requests} requests:\n\n{}",
            self.faults.len(),
            self.faults.join("\n\n")
        );
        let Some(wanted) = &self.table else {
            return;
        };
        assert!(
            requests >= LEAST,
            "the corpus has {requests} requests, and {LEAST} are wanted"
        );
        assert!(
            named * 100 <= requests * MOST_NAMED_PERCENT,
            "{named} of {requests} requests differ: more than {MOST_NAMED_PERCENT} %"
        );
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
        let text = fs::read_to_string(&path).expect("the README");
        let (before, rest) = text.split_once(BEGIN).expect("the README has a place for the table");
        let (table, after) = rest.split_once(END).expect("the place ends");
        if table == wanted {
            return;
        }
        if is_blessing() {
            fs::write(&path, format!("{before}{BEGIN}{wanted}{END}{after}")).expect("the README can be written");
            return;
        }
        assert_eq!(
            table, wanted,
            "the parity table is stale: `cargo xtask bless` writes it"
        );
    }

    fn written(&self, corpus: &Corpus) -> String {
        let mut out = String::from("| requests | file | alike | of |\n|---|---|---|---|\n");
        for (name, about, requests, alike) in &self.files {
            let _ = writeln!(
                out,
                "| {about} | [{name}](tests/conformance/{name}.yaml) | {alike} | {requests} |"
            );
        }
        let (alike, requests) = self
            .files
            .iter()
            .fold((0, 0), |sum, row| (sum.0 + row.3, sum.1 + row.2));
        let _ = writeln!(out, "| all | | {alike} | {requests} |");
        if !self.named.is_empty() {
            out.push_str("\n| differs | requests | here | there | because |\n|---|---|---|---|---|\n");
        }
        for (id, count) in &self.named {
            if let Some(difference) = corpus.differences.get(id) {
                let (here, there, because) = (&difference.here, &difference.there, &difference.because);
                let _ = writeln!(out, "| {id} | {count} | {here} | {there} | {because} |");
            }
        }
        out
    }
}

#[allow(clippy::disallowed_methods, reason = "how `cargo xtask bless` speaks to a test")]
fn is_blessing() -> bool {
    std::env::var_os("DRYDOCK_BLESS").is_some()
}

/// Whether a case is answered alike, but for what is named.
pub(crate) fn is_as_told(case: &Case, here: &[Result<Answer>], there: &[Result<Answer>]) -> bool {
    let mut answers = case.steps.iter().zip(here.iter().zip(there));
    answers.all(|(step, (here, there))| compared(here, there, step).is_empty() == step.differs.is_none())
}

/// How two answers differ, as lines to print.
pub(crate) fn compared(here: &Result<Answer>, there: &Result<Answer>, step: &Step) -> Vec<String> {
    match (here, there) {
        (Ok(here), Ok(there)) => {
            let mut differences = Vec::new();
            differ(
                "",
                Some(&normal(here, step)),
                Some(&normal(there, step)),
                &mut differences,
            );
            differences.truncate(SHOWN);
            differences
        }
        (here, there) => [("here", here), ("there", there)]
            .into_iter()
            .filter_map(|(side, answer)| Some(format!("    {side}: no answer: {:#}", answer.as_ref().err()?)))
            .collect(),
    }
}

/// Where two values differ: the JSON pointer, what is here and what is there.
fn differ(at: &str, here: Option<&Value>, there: Option<&Value>, out: &mut Vec<String>) {
    match (here, there) {
        (Some(here), Some(there)) if here == there => {}
        (Some(Value::Object(here)), Some(Value::Object(there))) => {
            let names: std::collections::BTreeSet<_> = here.keys().chain(there.keys()).collect();
            for name in names {
                differ(&format!("{at}/{name}"), here.get(name), there.get(name), out);
            }
        }
        (Some(Value::Array(here)), Some(Value::Array(there))) if here.len() == there.len() => {
            for (index, (here, there)) in here.iter().zip(there).enumerate() {
                differ(&format!("{at}/{index}"), Some(here), Some(there), out);
            }
        }
        _ => {
            let shown = |value: Option<&Value>| value.map_or_else(|| "nothing".to_owned(), Value::to_string);
            out.push(format!(
                "    {at}\n      here:  {}\n      there: {}",
                shown(here),
                shown(there)
            ));
        }
    }
}
