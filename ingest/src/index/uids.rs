//! Which event a document is.

use std::io;

use tantivy::columnar::{Column, StrColumn};
use tantivy::{DocId, SegmentReader};

use super::document::state_word;
use crate::event::{Flag, Uid};
use crate::pairing::State;

/// The columns of a segment that make a [`Uid`]: of most events it is made of the request's id.
pub struct Uids {
    own_high: Option<Column<u64>>,
    own_low: Option<Column<u64>>,
    request: Option<StrColumn>,
    cluster: Words,
    node: Words,
    device: Words,
    state: Words,
    is: Words,
}

impl Uids {
    /// Opens them.
    ///
    /// # Errors
    /// The segment cannot be read.
    pub fn open(segment: &SegmentReader) -> tantivy::Result<Uids> {
        let columns = segment.fast_fields();
        let words = |name| Words::open(columns.str(name)?);
        Ok(Uids {
            own_high: columns.column_opt("own_uid_high")?,
            own_low: columns.column_opt("own_uid_low")?,
            request: columns.str("request")?,
            cluster: words("cluster")?,
            node: words("node")?,
            device: words("device")?,
            state: words("state")?,
            is: words("is")?,
        })
    }

    /// Returns the uid of an event's document; of another document, zero.
    ///
    /// # Errors
    /// The segment cannot be read.
    pub fn of(&self, document: DocId) -> io::Result<Uid> {
        let mut request = String::new();
        if let Some(column) = &self.request
            && let Some(ordinal) = column.term_ords(document).next()
        {
            column.ord_to_str(ordinal, &mut request)?;
        }
        Ok(self.of_request(document, Some(request.as_str()).filter(|id| !id.is_empty())))
    }

    /// Returns the same for one who has read the request's id.
    pub fn of_request(&self, document: DocId, request_id: Option<&str>) -> Uid {
        let own = |half: &Option<Column<u64>>| half.as_ref()?.first(document);
        if let (Some(high), Some(low)) = (own(&self.own_high), own(&self.own_low)) {
            return Uid::of_halves(high, low);
        }
        let Some(id) = request_id else { return Uid::of_halves(0, 0) };
        let late = self.state.has(document, state_word(State::Late));
        let uid = Uid::of_request(self.cluster.of(document), self.node.of(document), id, late);
        if self.is.has(document, Flag::Copy.as_str()) {
            uid.of_copy(self.device.of(document))
        } else {
            uid
        }
    }
}

/// A column of few different words, all of them read.
struct Words {
    column: Option<StrColumn>,
    by_ordinal: Vec<String>,
}

impl Words {
    fn open(column: Option<StrColumn>) -> tantivy::Result<Words> {
        let mut by_ordinal = Vec::new();
        if let Some(column) = &column {
            let mut words = column.dictionary().stream()?;
            while words.advance() {
                by_ordinal.push(String::from_utf8_lossy(words.key()).into_owned());
            }
        }
        Ok(Words { column, by_ordinal })
    }

    fn all(&self, document: DocId) -> impl Iterator<Item = &str> {
        let ordinals = self.column.iter().flat_map(move |column| column.term_ords(document));
        ordinals.filter_map(|ordinal| Some(self.by_ordinal.get(ordinal as usize)?.as_str()))
    }

    fn of(&self, document: DocId) -> &str {
        self.all(document).next().unwrap_or("")
    }

    fn has(&self, document: DocId, word: &str) -> bool {
        self.all(document).any(|other| other == word)
    }
}
