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

impl Fault {
    pub(super) fn missing(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            kind: FaultKind::Missing,
            message: message.into(),
        }
    }

    pub(super) fn invalid(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            kind: FaultKind::Invalid,
            message: message.into(),
        }
    }

    pub(super) fn generic(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            kind: FaultKind::Generic,
            message: message.into(),
        }
    }

    pub(super) fn forbidden(path: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            kind: FaultKind::Forbidden,
            message: String::new(),
        }
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

/// What the rules say about an object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verdict {
    /// Why it is refused. Empty: it is accepted.
    pub faults: Vec<Fault>,
    /// What its user should know although it is accepted.
    pub warnings: Vec<String>,
}

impl Verdict {
    /// True when nothing stands in the way.
    pub fn accepted(&self) -> bool {
        self.faults.is_empty()
    }

    /// All faults as one text, one a line.
    pub fn denial(&self) -> String {
        self.faults
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>()
            .join("\n")
    }

    pub(super) fn fault(&mut self, fault: Fault) {
        if !self.faults.contains(&fault) {
            self.faults.push(fault);
        }
    }

    pub(super) fn warn(&mut self, warning: impl Into<String>) {
        self.warnings.push(warning.into());
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
