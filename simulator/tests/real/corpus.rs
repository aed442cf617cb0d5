//! The request corpus: `simulator/tests/conformance/*.yaml`.
//!
//! Each file has cases, each case has requests that follow one another in a namespace of the case's own. In a request,
//! `$ns` is that namespace and `$NAME` what an earlier request kept.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::Value;

/// Everything that is asked.
pub(crate) struct Corpus {
    pub(crate) files: Vec<File>,
    /// Whether only the files that `DRYDOCK_CORPUS` names were read.
    pub(crate) is_part: bool,
    /// Known differences: id, then what and why.
    pub(crate) differences: BTreeMap<String, Difference>,
}

/// One area.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct File {
    /// Its name, without `.yaml`.
    #[serde(skip)]
    pub(crate) name: String,
    /// What is asked, for the table.
    pub(crate) about: String,
    pub(crate) cases: Vec<Case>,
}

/// Requests that follow one another.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    pub(crate) case: String,
    pub(crate) steps: Vec<Step>,
}

/// One request, and what of its answer is compared.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(crate) struct Step {
    /// `VERB /path?query`
    pub(crate) request: String,
    /// Who asks; the administrator, if nobody is named.
    #[serde(rename = "as", default)]
    pub(crate) user: Option<String>,
    #[serde(default)]
    pub(crate) headers: BTreeMap<String, String>,
    /// `merge`, `strategic`, `apply`, `json-patch`, or a media type; JSON, if there is a body.
    #[serde(default)]
    pub(crate) content: Option<String>,
    #[serde(default)]
    pub(crate) body: Option<Value>,
    /// A body that is sent as it stands.
    #[serde(default)]
    pub(crate) text: Option<String>,
    /// What later requests use: a name, and a JSON pointer into the answer.
    #[serde(default)]
    pub(crate) keep: BTreeMap<String, String>,
    /// Text at which a watch has said all that is wanted; it is read to its end, if there is none.
    #[serde(default)]
    pub(crate) until: Option<String>,
    /// JSON pointers that alone are compared; all of the answer, if empty.
    #[serde(default)]
    pub(crate) only: Vec<String>,
    /// JSON pointers that are not compared.
    #[serde(default)]
    pub(crate) ignore: Vec<String>,
    /// The known difference that this request shows.
    #[serde(default)]
    pub(crate) differs: Option<String>,
}

/// A difference that stays.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Difference {
    pub(crate) here: String,
    pub(crate) there: String,
    pub(crate) because: String,
}

/// Reads all files, in the order of their names.
pub(crate) fn read() -> Result<Corpus> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/conformance");
    let mut paths: Vec<_> = fs::read_dir(&folder)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|ending| ending == "yaml"))
        .collect();
    paths.sort();
    let wanted = std::env::vars_os().find_map(|(name, value)| (name == "DRYDOCK_CORPUS").then_some(value));
    let wanted = wanted.unwrap_or_default().to_string_lossy().into_owned();
    let wanted: Vec<&str> = wanted.split_whitespace().collect();
    let mut corpus = Corpus {
        files: Vec::new(),
        is_part: !wanted.is_empty(),
        differences: BTreeMap::new(),
    };
    for path in paths {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let text = fs::read_to_string(&path)?;
        if name == "differences" {
            corpus.differences = serde_saphyr::from_str(&text).with_context(|| name.clone())?;
            continue;
        }
        if corpus.is_part && !wanted.contains(&name.as_str()) {
            continue;
        }
        let file: File = serde_saphyr::from_str(&text).with_context(|| format!("{name}.yaml"))?;
        corpus.files.push(File { name, ..file });
    }
    for (_, case, _, step) in corpus.steps() {
        if let Some(id) = &step.differs
            && !corpus.differences.contains_key(id)
        {
            bail!("{}: differences.yaml has no `{id}`", case.case);
        }
    }
    Ok(corpus)
}

impl Corpus {
    /// Every case with its file.
    pub(crate) fn cases(&self) -> impl Iterator<Item = (&File, &Case)> {
        let files = self.files.iter();
        files.flat_map(|file| file.cases.iter().map(move |case| (file, case)))
    }

    /// Every request with where it stands.
    pub(crate) fn steps(&self) -> impl Iterator<Item = (&File, &Case, usize, &Step)> {
        self.cases().flat_map(|(file, case)| {
            let numbered = (1..).zip(&case.steps);
            numbered.map(move |(number, step)| (file, case, number, step))
        })
    }
}
