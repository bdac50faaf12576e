//! What a receiver has, held against what was sent to it.

use std::collections::HashMap;
use std::io::{self, BufRead};
use std::sync::Arc;

use ingest::event::{Issued, Uid};
use query::error::QueryError;
use query::filter::Filter;
use query::history::View;
use query::row::EventRow;
use query::trail::Trail;
use query::walk::{Walk, shared_nodes};
use serde::Serialize;

use crate::choice::{Choice, choose, uid_of};
use crate::encoding::Encoding;
use crate::totals::is_control;

mod document;
mod looked;

use self::document::Hash;
pub use self::document::{Document, FIELDS_MAX};
use self::looked::Looked;

/// Rows that are read together.
const ROWS: usize = 1_024;
/// Uids that are held against the trail at once, about 60 bytes each.
pub const UIDS_MAX: usize = 50_000_000;
/// Of so many documents that are not what was sent it is told in which fields.
pub const DETAILS_MAX: usize = 1_000;
/// Versions of keytrail that are told apart.
const VERSIONS_MAX: usize = 200;

/// The uids that a receiver has, and how often; of documents a hash too.
#[derive(Debug, Default)]
pub struct Has {
    uids: HashMap<Uid, Times>,
    /// How documents are written; none: they are not looked at.
    encoding: Option<Encoding>,
    /// Versions of keytrail that documents name; the first stands for none, and for any beyond [`VERSIONS_MAX`].
    versions: Vec<String>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Times {
    times: u32,
    is_ours: bool,
    /// Not all of them say the same.
    is_mixed: bool,
    version: u8,
    hash: Hash,
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
#[derive(Clone, Debug, Default)]
pub struct Difference {
    /// Events that were to be there.
    pub expected: u64,
    /// Those of them that are not.
    pub missing: Vec<Missing>,
    /// Those that are there several times, and how often.
    pub doubled: Vec<(Uid, u32)>,
    /// Those whose document is not what was sent.
    pub altered: Vec<Altered>,
    /// Those whose document is not what this version of keytrail sends, and names another one that ran here: not compared.
    pub other_version: Vec<Altered>,
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

/// An event of which a receiver has something else than what was sent.
#[derive(Clone, Debug)]
pub struct Altered {
    /// Under which uid it was sent.
    pub uid: Uid,
    /// Its place.
    pub issued: Issued,
    /// Its time.
    pub time: Option<String>,
    /// The version of keytrail that the document names.
    pub version: Option<String>,
    /// Which fields differ: see [`Altered::look_at`]. Empty beyond the first [`DETAILS_MAX`].
    pub fields: Vec<String>,
    /// What was sent.
    sent: Option<(Arc<[u8]>, Option<i64>)>,
}

impl Altered {
    /// Tells whether it is known what was sent, so that [`Altered::look_at`] can compare.
    pub fn is_kept(&self) -> bool {
        self.sent.is_some()
    }

    /// Takes in which fields of a document are not what was sent.
    pub fn look_at(&mut self, document: &Document, encoding: &Encoding) {
        let Some((bytes, time)) = &self.sent else { return };
        let sent = Document::sent(self.uid, bytes, encoding);
        for field in document.differs(&sent, *time) {
            if self.fields.len() < FIELDS_MAX && !self.fields.contains(&field) {
                self.fields.push(field);
            }
        }
    }
}

impl Has {
    /// Returns nothing yet of a receiver whose documents are looked at.
    pub fn of_documents(encoding: Encoding) -> Has {
        Has { encoding: Some(encoding), versions: vec![String::new()], ..Has::default() }
    }

    /// Takes a uid that the receiver has; that of a control total is passed over.
    ///
    /// # Errors
    /// There are more than can be held.
    pub fn take(&mut self, uid: Uid) -> io::Result<()> {
        if is_control(uid) {
            return Ok(());
        }
        self.uids.entry(uid).or_default().times += 1;
        if self.uids.len() > UIDS_MAX {
            let why = format!("more than {UIDS_MAX} uids: compare a shorter stretch of time");
            return Err(io::Error::other(why));
        }
        Ok(())
    }

    /// Takes a document that the receiver has.
    ///
    /// # Errors
    /// There are more than can be held.
    pub fn take_document(&mut self, document: &Document) -> io::Result<()> {
        self.take(document.uid)?;
        let Some(encoding) = &self.encoding else { return Ok(()) };
        let named = document.version(encoding).unwrap_or_default();
        let version = self.version(named);
        let hash = document.hash();
        if let Some(times) = self.uids.get_mut(&document.uid) {
            times.is_mixed |= times.times > 1 && times.hash != hash;
            (times.hash, times.version) = (hash, version);
        }
        Ok(())
    }

    fn version(&mut self, named: &str) -> u8 {
        if let Some(at) = self.versions.iter().position(|known| known == named) {
            return u8::try_from(at).unwrap_or(0);
        }
        if self.versions.len() >= VERSIONS_MAX {
            return 0;
        }
        self.versions.push(named.to_owned());
        u8::try_from(self.versions.len() - 1).unwrap_or(0)
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
        let mut looked = Looked::new(trail, self.encoding)?;
        walk(&view, filter, range.after, range.upto, &mut |walked| {
            let (row, must_be) = match choose(&view, filter, &shared, walked)? {
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
            let has = self.uids.get_mut(&uid);
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
                    if within {
                        let version = &self.versions.get(usize::from(times.version));
                        let version = version.map_or("", String::as_str);
                        looked.look_at(&view, &row, walked, times, version, &mut found)?;
                    }
                }
                None if within && must_be => {
                    found.missing.push(Missing { uid, issued: row.issued, time: row.time.clone() })
                }
                None => {}
            }
            Ok(())
        })?;
        if self.uids.values().any(|times| !times.is_ours) {
            let everything = Filter::everything();
            let (first, last) =
                (Issued(ingest::source::LeafIndex(0), 0), query::issued::newest(&view));
            walk(&view, &everything, first, last, &mut |row| {
                for uid in [row.uid, row.uid.of_whole()] {
                    if let Some(times) = self.uids.get_mut(&uid).filter(|times| !times.is_ours) {
                        times.is_ours = true;
                        found.beyond += 1;
                    }
                }
                Ok(())
            })?;
        }
        let unknown = self.uids.into_iter().filter(|(_, times)| !times.is_ours);
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
        assert_eq!(has.uids[&uid].times, 2);
        let odd = Has::default().read(&mut format!("{uid}\nr-77\n").as_bytes()).unwrap_err();
        assert!(odd.to_string().starts_with("line 2 is no uid"), "{odd}");
    }
}
