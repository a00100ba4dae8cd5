//! Two records side by side: what became faster, what slower.

use super::record::{Record, Row};
use super::stats::Verdict;

/// A row and what became of it.
#[derive(Clone, Debug)]
pub struct Change<'a> {
    /// As it is now.
    pub new: &'a Row,
    /// As it was.
    pub base: &'a Row,
    /// What became of it.
    pub verdict: Verdict,
}

impl Change<'_> {
    /// Time now over time then.
    pub fn ratio(&self) -> f64 {
        self.new.time.summary.median / self.base.time.summary.median
    }
}

/// The rows that both have: same case, same device, same program, both right. Then how many `new` and `base` have alone.
pub fn compare<'a>(new: &'a Record, base: &'a Record) -> (Vec<Change<'a>>, [usize; 2]) {
    let mut changes = Vec::new();
    for row in &new.rows {
        let other = base.rows.iter().find(|b| b.key() == row.key() && b.work == row.work);
        if let Some(base) = other.filter(|b| b.verified && row.verified) {
            let verdict = Verdict::of(&row.time.summary, &base.time.summary);
            changes.push(Change { new: row, base, verdict });
        }
    }
    let alone = [new.rows.len() - changes.len(), base.rows.len() - changes.len()];
    (changes, alone)
}
