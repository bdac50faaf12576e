//! What a receiver has, held against what was sent to it.

use std::collections::HashMap;
use std::io::{self, BufRead};

use ingest::event::{Issued, Uid};
use query::error::QueryError;
use query::filter::Filter;
use query::history::View;
use query::row::EventRow;
use query::trail::Trail;
use query::walk::{Walk, shared_nodes};
use serde::Serialize;

use crate::choice::{Choice, choose, uid_of};

/// Rows that are read together.
const ROWS: usize = 1_024;
/// Uids that are held against the trail at once, about 40 bytes each.
pub const UIDS_MAX: usize = 50_000_000;

/// The uids that a receiver has, and how often.
#[derive(Debug, Default)]
pub struct Has(HashMap<Uid, Times>);

#[derive(Clone, Copy, Debug, Default)]
struct Times {
    times: u32,
    is_ours: bool,
}

/// Which events are meant.
#[derive(Clone, Copy, Debug)]
pub struct Range {
    /// Issued after this place: from where on the present filter holds.
    pub after: Issued,
    /// Up to this place: what is done with.
    pub upto: Issued,
    /// Not before this, in nanoseconds since 1970.
    pub from: Option<i64>,
    /// Before this.
    pub to: Option<i64>,
}

/// How the two differ.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Difference {
    /// Events that were to be there.
    pub expected: u64,
    /// Those of them that are not.
    pub missing: Vec<Missing>,
    /// Those that are there several times, and how often.
    pub doubled: Vec<(Uid, u32)>,
    /// Uids that are no event of this trail.
    pub unknown: Vec<Uid>,
    /// Uids of events that were not to be there: of another stretch, or which the filter does not keep.
    pub beyond: u64,
}

/// An event that a receiver lacks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Missing {
    /// Under which uid it was sent.
    pub uid: Uid,
    /// Its place.
    pub issued: Issued,
    /// Its time.
    pub time: Option<String>,
}

impl Has {
    /// Takes a uid that the receiver has.
    ///
    /// # Errors
    /// There are more than can be held.
    pub fn take(&mut self, uid: Uid) -> io::Result<()> {
        self.0.entry(uid).or_default().times += 1;
        if self.0.len() > UIDS_MAX {
            let why = format!("more than {UIDS_MAX} uids: compare a shorter stretch of time");
            return Err(io::Error::other(why));
        }
        Ok(())
    }

    /// Reads an export of uids, one a line, in quotes or not; a heading is passed over.
    ///
    /// # Errors
    /// It cannot be read, or a line holds something else.
    pub fn read(&mut self, export: &mut dyn BufRead) -> io::Result<()> {
        for (number, line) in (1..).zip(export.lines()) {
            let line = line?;
            let text = line.trim().trim_matches(['"', '\'', ',', '\u{feff}']);
            match text.parse() {
                Ok(uid) => self.take(uid)?,
                Err(()) if number == 1 || text.is_empty() => {}
                Err(()) => {
                    return Err(io::Error::other(format!(
                        "line {number} is no uid of 32 hexadecimal digits: export that column alone, one a line"
                    )));
                }
            }
        }
        Ok(())
    }

    /// Compares with what a sink of this filter sent of the trail.
    ///
    /// # Errors
    /// The index or the ledger cannot be read.
    pub fn compare(
        mut self,
        trail: &Trail,
        filter: &Filter,
        range: &Range,
    ) -> Result<Difference, QueryError> {
        let view = trail.view();
        let shared = shared_nodes(trail)?;
        let mut found = Difference::default();
        walk(&view, filter, range.after, range.upto, &mut |row| {
            let (row, must_be) = match choose(&view, filter, &shared, row)? {
                Choice::Skip => return Ok(()),
                Choice::Send(row) => (row, true),
                // With a twin it may have been sent before that was there.
                Choice::Forwarded(row) => {
                    let alone = view.without_twin()?.contains(&row.uid);
                    (row, alone)
                }
            };
            let uid = uid_of(&row);
            let within = match row.time_unix_ns {
                Some(time) => {
                    range.from.is_none_or(|from| from <= time)
                        && range.to.is_none_or(|to| time < to)
                }
                None => range.from.is_none() && range.to.is_none(),
            };
            let has = self.0.get_mut(&uid);
            if within && (must_be || has.is_some()) {
                found.expected += 1;
            }
            match has {
                Some(times) => {
                    times.is_ours = true;
                    if times.times > 1 {
                        found.doubled.push((uid, times.times));
                    }
                    found.beyond += u64::from(!within);
                }
                None if within && must_be => {
                    found.missing.push(Missing { uid, issued: row.issued, time: row.time.clone() })
                }
                None => {}
            }
            Ok(())
        })?;
        if self.0.values().any(|times| !times.is_ours) {
            let everything = Filter::everything();
            let (first, last) =
                (Issued(ingest::source::LeafIndex(0), 0), query::issued::newest(&view));
            walk(&view, &everything, first, last, &mut |row| {
                for uid in [row.uid, row.uid.of_whole()] {
                    if let Some(times) = self.0.get_mut(&uid).filter(|times| !times.is_ours) {
                        times.is_ours = true;
                        found.beyond += 1;
                    }
                }
                Ok(())
            })?;
        }
        let unknown = self.0.into_iter().filter(|(_, times)| !times.is_ours);
        found.unknown = unknown.map(|(uid, _)| uid).collect();
        found.unknown.sort_unstable();
        Ok(found)
    }
}

/// Gives the events of a filter between two places.
pub(crate) fn walk(
    view: &View,
    filter: &Filter,
    after: Issued,
    upto: Issued,
    each: &mut dyn FnMut(&EventRow) -> Result<(), QueryError>,
) -> Result<(), QueryError> {
    let mut after = after;
    loop {
        let mut walk = Walk::after(view, filter, after)?;
        loop {
            let rows = walk.next(ROWS)?;
            if rows.is_empty() {
                break;
            }
            for row in &rows {
                if row.issued > upto {
                    return Ok(());
                }
                each(row)?;
            }
        }
        after = walk.end();
        if walk.is_last() {
            return Ok(());
        }
    }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn an_export_is_a_column_with_or_without_heading_and_quotes() {
        let uid = Uid([0xab; 16]);
        let mut has = Has::default();
        let text = format!("\u{feff}\"uid\"\r\n\"{uid}\"\r\n{uid}\n\n");
        has.read(&mut text.as_bytes()).unwrap();
        assert_eq!(has.0[&uid].times, 2);
        let odd = Has::default().read(&mut format!("{uid}\nr-77\n").as_bytes()).unwrap_err();
        assert!(odd.to_string().starts_with("line 2 is no uid"), "{odd}");
    }
}
