//! Sets of completion indexes, spelt as Job statuses spell them: `1,3-5,7`.
//!
//! Must not know: pods.

use std::fmt;

/// Ordered intervals that neither touch nor overlap.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Indexes(Vec<(i64, i64)>);

impl Indexes {
    /// Reads a text; what is broken or not below `completions` is left out.
    pub(super) fn parse(text: &str, completions: i64) -> Self {
        let mut indexes = Self::default();
        for part in text.split(',') {
            let (first, last) = part.split_once('-').unwrap_or((part, part));
            if let (Ok(first), Ok(last)) = (first.parse::<i64>(), last.parse::<i64>())
                && first >= 0
                && first < completions
            {
                indexes.0.push((first, last.min(completions - 1).max(first)));
            }
        }
        indexes.normalize();
        indexes
    }

    fn normalize(&mut self) {
        self.0.sort_unstable();
        let mut merged: Vec<(i64, i64)> = Vec::new();
        for (first, last) in self.0.drain(..) {
            match merged.last_mut() {
                Some(before) if first <= before.1.saturating_add(1) => before.1 = before.1.max(last),
                _ => merged.push((first, last)),
            }
        }
        self.0 = merged;
    }

    pub(super) fn extend(&mut self, indexes: impl IntoIterator<Item = i64>) {
        self.0.extend(indexes.into_iter().map(|index| (index, index)));
        self.normalize();
    }

    pub(super) fn join(&mut self, other: &Self) {
        self.0.extend(other.0.iter().copied());
        self.normalize();
    }

    pub(super) fn has(&self, index: i64) -> bool {
        self.0.iter().any(|(first, last)| (*first..=*last).contains(&index))
    }

    pub(super) fn total(&self) -> i64 {
        self.0.iter().map(|(first, last)| last - first + 1).sum()
    }

    /// How many indexes both have.
    pub(super) fn common(&self, other: &Self) -> i64 {
        let overlap = |a: &(i64, i64), b: &(i64, i64)| (a.1.min(b.1) - a.0.max(b.0) + 1).max(0);
        let pairs = self.0.iter().flat_map(|a| other.0.iter().map(move |b| overlap(a, b)));
        pairs.sum()
    }

    /// The first `count` indexes below `completions` that are not in it.
    pub(super) fn gaps(&self, count: usize, completions: i64) -> Vec<i64> {
        let mut gaps = Vec::new();
        let mut next = 0;
        for (first, last) in self.0.iter().chain(&[(completions, completions)]) {
            while next < *first && next < completions && gaps.len() < count {
                gaps.push(next);
                next += 1;
            }
            next = next.max(last.saturating_add(1));
        }
        gaps
    }
}

impl fmt::Display for Indexes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (first, last)) in self.0.iter().enumerate() {
            let comma = if place > 0 { "," } else { "" };
            match last - first {
                0 => write!(f, "{comma}{first}")?,
                1 => write!(f, "{comma}{first},{last}")?,
                _ => write!(f, "{comma}{first}-{last}")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_writes_and_finds_gaps() {
        let cases = [
            ("", 5, "", vec![0, 1, 2, 3, 4]),
            ("1,3-4", 6, "1,3,4", vec![0, 2, 5]),
            ("0-2,3,7", 8, "0-3,7", vec![4, 5, 6]),
            ("x,2-z,1", 3, "1", vec![0, 2]),
            ("0-99", 3, "0-2", vec![]),
        ];
        for (text, completions, spelt, gaps) in cases {
            let indexes = Indexes::parse(text, completions);
            assert_eq!(indexes.to_string(), spelt, "{text}");
            assert_eq!(indexes.gaps(10, completions), gaps, "{text}");
        }
        let mut indexes = Indexes::parse("0,2", 5);
        indexes.extend([1, 4]);
        assert_eq!(
            (
                indexes.to_string().as_str(),
                indexes.total(),
                indexes.has(4),
                indexes.has(3)
            ),
            ("0-2,4", 4, true, false)
        );
        assert_eq!(indexes.common(&Indexes::parse("2-4", 5)), 2);
    }
}
