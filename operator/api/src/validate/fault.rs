//! One fault in what the user wrote, in the words and forms that KAITO's webhook uses.

use std::fmt;

/// A fault with the path of the field that it lies in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// Path of the field; empty when it is about the object as a whole.
    pub path: String,
    /// What kind of fault, which decides how it reads.
    pub kind: FaultKind,
    /// What is wrong.
    pub message: String,
}

/// How a fault reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FaultKind {
    /// `missing field(s): …`
    Missing,
    /// `invalid value: …`
    Invalid,
    /// The message alone.
    Generic,
    /// `must not set the field(s): …`
    Forbidden,
}

/// Longest path and message that are told: both may hold what the user wrote, however long.
const PATH_CHARS: usize = 512;
const MESSAGE_CHARS: usize = 2048;
/// The API server cuts warnings itself, but later.
const WARNING_CHARS: usize = 1024;

/// The beginning of a text that is too long.
pub(crate) fn clip(text: String, chars: usize) -> String {
    match text.char_indices().nth(chars) {
        None => text,
        Some(_) => text.chars().take(chars).chain(['…']).collect(),
    }
}

impl Fault {
    fn new(kind: FaultKind, path: String, message: String) -> Self {
        Self {
            path: clip(path, PATH_CHARS),
            kind,
            message: clip(message, MESSAGE_CHARS),
        }
    }

    pub(super) fn missing(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(FaultKind::Missing, path.into(), message.into())
    }

    pub(super) fn invalid(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(FaultKind::Invalid, path.into(), message.into())
    }

    pub(super) fn generic(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self::new(FaultKind::Generic, path.into(), message.into())
    }

    pub(super) fn forbidden(path: impl Into<String>) -> Self {
        Self::new(FaultKind::Forbidden, path.into(), String::new())
    }

    /// The same fault, seen from further up.
    pub(super) fn under(mut self, parent: &str) -> Self {
        self.path = match (parent, self.path.as_str()) {
            ("", _) => self.path,
            (parent, "") => parent.to_owned(),
            (parent, path) => format!("{parent}.{path}"),
        };
        self
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, kind, message } = self;
        f.write_str(match kind {
            FaultKind::Missing => "missing field(s): ",
            FaultKind::Invalid => "invalid value: ",
            FaultKind::Generic => "",
            FaultKind::Forbidden => "must not set the field(s): ",
        })?;
        match (message.is_empty(), path.is_empty()) {
            (true, _) => f.write_str(path),
            (false, true) => f.write_str(message),
            (false, false) => write!(f, "{message}: {path}"),
        }
    }
}

/// Most faults, and most warnings, that are told one by one: whoever writes a hundred thousand bad addresses gets a
/// short answer, in time proportional to what was written.
const MOST: usize = 64;

/// What the rules say about an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Why it is refused. Empty: it is accepted.
    pub faults: Vec<Fault>,
    /// What its user should know although it is accepted.
    pub warnings: Vec<String>,
    /// Number of further faults that are not told.
    pub omitted: usize,
}

impl Verdict {
    /// True when nothing stands in the way.
    pub fn accepted(&self) -> bool {
        self.faults.is_empty()
    }

    /// All faults as one text, one a line.
    pub fn denial(&self) -> String {
        let mut lines: Vec<String> = self.faults.iter().map(ToString::to_string).collect();
        if self.omitted > 0 {
            lines.push(format!("and {} more", self.omitted));
        }
        lines.join("\n")
    }

    pub(super) fn fault(&mut self, fault: Fault) {
        if self.faults.contains(&fault) {
            return;
        }
        if self.faults.len() < MOST {
            self.faults.push(fault);
        } else {
            self.omitted += 1;
        }
    }

    pub(super) fn warn(&mut self, warning: impl Into<String>) {
        if self.warnings.len() < MOST {
            self.warnings.push(clip(warning.into(), WARNING_CHARS));
        }
    }

    /// A fault, or with the bypass annotation a warning.
    pub(super) fn fault_unless(&mut self, bypassed: bool, fault: Fault) {
        if bypassed {
            self.warn(fault.to_string());
        } else {
            self.fault(fault);
        }
    }
}
