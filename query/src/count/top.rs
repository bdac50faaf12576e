//! The largest groups, and what is beside them.

use serde::Serialize;

use super::Counts;

/// The groups that are not among the largest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Others {
    /// How many groups.
    pub groups: u64,
    /// How many events are in them; with a many-valued field an event counts in each of its groups.
    pub events: u64,
}

impl Counts {
    /// Keeps the first `limit` rows and says in [`Counts::others`] what the others are. Rows over time come in the
    /// order of time, so what is kept of them is the beginning.
    pub fn top(mut self, limit: usize) -> Counts {
        if self.rows.len() > limit {
            let others = self.rows.split_off(limit);
            let events = others.iter().map(|row| row.count).sum();
            self.others = Some(Others { groups: others.len() as u64, events });
        }
        self
    }
}
