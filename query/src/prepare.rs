//! What a server reads before anybody asks.

use std::cmp::Reverse;

use ingest::index::ColumnList;
use jiff::Timestamp;

use crate::abreast::abreast;
use crate::error::QueryError;
use crate::history::View;
use crate::question::Question;
use crate::search::search_in;

/// The newest so many documents are prepared: some 1.5 bytes of memory each, and 6 of the disk.
const PREPARED_MOST: u64 = 32_000_000;

/// The newest so many events are read: who opens the event list sees them.
const PAGE: usize = 50;

/// Opens what terms are looked up and rows are read with, in the newest parts of the index, several at a time, so that nobody's
/// first page waits for it: some 35 columns a part, of each the place of every 512 values. Columns of few bits a value, which
/// rows from all over a part need most pages of, are brought whole. Then the newest rows are read, and how complete the trail
/// is, which every answer says.
///
/// # Errors
/// The index cannot be read.
pub fn prepare(view: &View) -> Result<(), QueryError> {
    view.read_parts()?;
    let segments = view.searcher().segment_readers();
    let mut newest = Vec::with_capacity(segments.len());
    for (number, segment) in (0..).zip(segments) {
        newest.push((Reverse(view.part(number)?.times), number, u64::from(segment.max_doc())));
    }
    newest.sort_unstable();
    let mut documents = 0;
    let is_left = |(.., of_part): &(_, u32, u64)| {
        documents += of_part;
        documents <= PREPARED_MOST
    };
    let parts: Vec<u32> = newest.into_iter().take_while(is_left).map(|(_, part, _)| part).collect();
    let open = |number: u32| {
        view.turn().check()?;
        let segment = view.searcher().segment_reader(number);
        ColumnList::ask_for_narrow(segment)?;
        for (field, entry) in segment.schema().fields() {
            if entry.is_indexed() {
                segment.inverted_index(field)?;
            }
        }
        view.part(number)?.columns(segment).map(|_| ())
    };
    abreast(parts, open).into_iter().collect::<Result<(), QueryError>>()?;
    search_in(view, &Question::everything(), PAGE, None)?;
    view.coverage(None, None, Timestamp::now()).map(|_| ())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{on, view_of};
    use crate::turn::Turn;

    #[test]
    fn a_prepared_view_has_every_part_open() {
        let events: Vec<_> = (1..=6).map(|number| on(number, "a", number.into())).collect();
        let view = view_of(&events, 2);
        let parts = view.searcher().segment_readers().len();
        let open = |view: &View| {
            let is_open = |number: u32| {
                let part = view.part(number).expect("a part");
                part.has_columns() && part.has_records()
            };
            (0..).take(parts).filter(|&number| is_open(number)).count()
        };
        let late = view.within(Turn::default());
        late.turn().cancel();
        assert!(matches!(prepare(&late), Err(QueryError::Cancelled)));
        assert_eq!((open(&view), parts > 1), (0, true));
        prepare(&view).expect("prepared");
        assert_eq!(open(&view), parts);
        // What the next commit leaves as it is, is prepared for it too.
        assert_eq!(open(&view.next(view.snapshot().clone())), parts);
    }
}
