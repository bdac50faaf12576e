//! Reading the rows of a page or of an export.

use std::collections::HashMap;
use std::io;

use ingest::event::Reason;
use tantivy::DocId;

use crate::abreast::abreast;
use crate::error::QueryError;
use crate::history::View;
use crate::row::{Cells, Columns, EventRow};
use crate::scan::Address;

/// Reads rows. A segment's columns stay open for as long as views have it, since rows of one page lie scattered
/// over segments, and opening 35 columns costs more than reading a row.
pub(crate) struct Rows<'a> {
    view: &'a View,
    /// By token. A client whose token was revoked tries it again and again.
    former_names: HashMap<String, Option<String>>,
}

/// The rows of one part among those that are read.
struct OfPart<'a> {
    number: u32,
    /// Which rows they are.
    at: &'a [usize],
    /// Ascending.
    documents: Vec<DocId>,
    cells: Cells,
}

impl<'a> OfPart<'a> {
    fn new(at: &'a [usize], addresses: &[Address]) -> OfPart<'a> {
        let documents = at.iter().map(|&at| addresses[at].document).collect();
        OfPart { number: addresses[at[0]].segment, at, documents, cells: Cells::default() }
    }
}

/// Tokens whose former holder is remembered.
const FORMER_NAMES_MAX: usize = 1_024;

/// So many rows are a page at most, for which a part's columns are read here and there. More of them are read on and on, and by
/// one thread: that takes time and not the disk.
pub(crate) const PAGE_MOST: usize = 1_024;

impl<'a> Rows<'a> {
    pub(crate) fn new(view: &'a View) -> Rows<'a> {
        Rows { view, former_names: HashMap::new() }
    }

    /// Reads one row.
    pub(crate) fn row(&mut self, address: Address) -> Result<EventRow, QueryError> {
        Ok(self.rows(&[address])?.pop().expect("a row for each address"))
    }

    /// Reads rows, in the order of their addresses: column by column in each part, and those of a page abreast.
    pub(crate) fn rows(&mut self, addresses: &[Address]) -> Result<Vec<EventRow>, QueryError> {
        let mut order: Vec<usize> = (0..addresses.len()).collect();
        order.sort_unstable_by_key(|&at| addresses[at]);
        let mut unique = order.clone();
        unique.dedup_by_key(|at| addresses[*at]);
        let by_part =
            unique.chunk_by(|&one, &other| addresses[one].segment == addresses[other].segment);
        let mut by_part: Vec<OfPart<'_>> = by_part.map(|at| OfPart::new(at, addresses)).collect();
        let is_page = addresses.len() <= PAGE_MOST;
        let open = |of_part: &OfPart<'_>| self.columns(of_part.number, is_page);
        let open: Vec<_> = match is_page {
            true => abreast(by_part.iter().collect(), open),
            false => by_part.iter().map(open).collect(),
        };
        let mut readings = Vec::new();
        for (of_part, columns) in by_part.iter_mut().zip(open) {
            readings.extend(columns?.readings(&of_part.documents, &mut of_part.cells));
        }
        let read: io::Result<()> = match is_page {
            true => abreast(readings, |reading| reading()).into_iter().collect(),
            false => readings.into_iter().try_for_each(|reading| reading()),
        };
        read.map_err(tantivy::TantivyError::from)?;
        let mut rows: Vec<Option<EventRow>> = Vec::new();
        rows.resize_with(addresses.len(), || None);
        for of_part in &mut by_part {
            for (within, &at) in of_part.at.iter().enumerate() {
                rows[at] = Some(of_part.cells.row(within));
            }
        }
        // Who asks for an event twice gets it twice.
        for pair in order.windows(2) {
            if rows[pair[1]].is_none() {
                rows[pair[1]] = rows[pair[0]].clone();
            }
        }
        let mut rows: Vec<EventRow> = rows.into_iter().flatten().collect();
        for row in &mut rows {
            if row.reason.as_deref() == Some(Reason::Token.as_str())
                && let Some(token) = &row.token
            {
                row.former_name = self.former_name(token)?;
            }
        }
        Ok(rows)
    }

    /// Returns the columns of a part.
    fn columns(&self, number: u32, is_page: bool) -> Result<&'a Columns, QueryError> {
        self.view.turn().check()?;
        let segment = self.view.searcher().segment_reader(number);
        let part = self.view.part(number)?;
        if !is_page {
            part.ask_for_columns(segment);
        }
        part.columns(segment)
    }

    fn former_name(&mut self, token: &str) -> Result<Option<String>, QueryError> {
        if let Some(name) = self.former_names.get(token) {
            return Ok(name.clone());
        }
        let name = self.view.former_name(token)?;
        if self.former_names.len() == FORMER_NAMES_MAX {
            self.former_names.clear();
        }
        self.former_names.insert(token.to_owned(), name.clone());
        Ok(name)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use proptest::sample::Index;

    use super::*;
    use crate::testing::{any_events, view_of};

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn rows_read_together_are_those_read_one_by_one(
            events in any_events(24),
            segment in 3_usize..24,
            // Side by side, far apart, in any order, and some of them twice.
            picked in prop::collection::vec(any::<Index>(), 0..30),
        ) {
            let view = view_of(&events, segment);
            let segments = (0..).zip(view.searcher().segment_readers());
            let all: Vec<Address> = segments
                .flat_map(|(segment, of)| {
                    of.doc_ids_alive().map(move |document| Address { segment, document })
                })
                .collect();
            let addresses: Vec<Address> = match &all[..] {
                [] => Vec::new(),
                all => picked.iter().map(|at| *at.get(all)).collect(),
            };
            let mut rows = Rows::new(&view);
            let alone: Vec<EventRow> =
                addresses.iter().map(|&address| rows.row(address).expect("a row")).collect();
            prop_assert_eq!(Rows::new(&view).rows(&addresses).expect("rows"), alone);
        }
    }
}
