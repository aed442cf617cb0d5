//! The run's trace: one line an event (time, actor, verb, object, result), the thing that goldens compare.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// Collects lines; clones share them. Lines are kept in the order in which they were recorded.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    lines: Option<Arc<Mutex<Vec<String>>>>,
}

impl Trace {
    /// A trace that keeps its lines.
    #[must_use]
    pub fn recording() -> Self {
        Self {
            lines: Some(Arc::default()),
        }
    }

    /// Records `at actor verb object -> result`; free when the trace is off.
    pub fn record(&self, at: Duration, actor: &str, verb: &str, object: &str, result: &str) {
        if let Some(lines) = &self.lines {
            let line = format!("{:>12.3}s {actor} {verb} {object} -> {result}", at.as_secs_f64());
            lines.lock().unwrap_or_else(PoisonError::into_inner).push(line);
        }
    }

    /// Whether lines are kept, so that callers can skip building their text.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.lines.is_some()
    }

    /// All lines so far.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        self.lines.as_ref().map_or_else(Vec::new, |lines| {
            lines.lock().unwrap_or_else(PoisonError::into_inner).clone()
        })
    }
}
