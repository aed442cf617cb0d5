//! Where in an object a check stands: a chain of borrowed segments, turned into text only when something is wrong.

use std::fmt::Write as _;

/// One step below the parent.
#[derive(Clone, Copy, Debug)]
pub(super) enum Segment<'a> {
    /// A declared property.
    Field(&'a str),
    /// A key of a map (`additionalProperties`).
    Key(&'a str),
    /// A list index.
    Index(usize),
}

/// A path; the root has no parent and no segment.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Path<'a> {
    parent: Option<&'a Path<'a>>,
    segment: Option<Segment<'a>>,
}

impl<'a> Path<'a> {
    pub(super) fn root() -> Self {
        Self::default()
    }

    pub(super) fn child(&'a self, segment: Segment<'a>) -> Path<'a> {
        Path {
            parent: Some(self),
            segment: Some(segment),
        }
    }

    /// As the schema validator writes it: map keys are joined with dots.
    pub(super) fn dotted(&self) -> String {
        let mut out = String::new();
        self.write(&mut out, false);
        out
    }

    /// As a field path: map keys stand in brackets; the empty path is `<nil>`.
    pub(super) fn field(&self) -> String {
        let mut out = String::new();
        self.write(&mut out, true);
        if out.is_empty() { "<nil>".into() } else { out }
    }

    fn write(&self, out: &mut String, bracket_keys: bool) {
        // Depth is bounded by the nesting limit of the JSON parser, but a loop needs no such promise.
        let mut chain = Vec::new();
        let mut at = Some(self);
        while let Some(path) = at {
            chain.extend(path.segment);
            at = path.parent;
        }
        for segment in chain.into_iter().rev() {
            match segment {
                Segment::Key(key) if bracket_keys => {
                    let _ = write!(out, "[{key}]");
                }
                Segment::Field(key) | Segment::Key(key) => {
                    if !out.is_empty() {
                        out.push('.');
                    }
                    out.push_str(key);
                }
                Segment::Index(index) => {
                    let _ = write!(out, "[{index}]");
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_writings() {
        let root = Path::root();
        let spec = root.child(Segment::Field("spec"));
        let labels = spec.child(Segment::Field("labels"));
        let key = labels.child(Segment::Key("a"));
        let item = key.child(Segment::Index(2));
        assert_eq!(root.dotted(), "");
        assert_eq!(root.field(), "<nil>");
        assert_eq!(item.dotted(), "spec.labels.a[2]");
        assert_eq!(item.field(), "spec.labels[a][2]");
    }
}
