//! Which event a document is.

use std::io;

use tantivy::columnar::{Column, StrColumn};
use tantivy::{DocId, SegmentReader};

use super::columns::ColumnList;
use super::document::state_word;
use crate::event::{Flag, Uid};
use crate::pairing::State;

/// The columns of a segment that hold a [`Uid`] which is not that of its request.
pub struct OwnUids {
    high: Option<Column<u64>>,
    low: Option<Column<u64>>,
}

impl OwnUids {
    /// Opens them.
    ///
    /// # Errors
    /// The segment cannot be read.
    pub fn open(columns: &ColumnList) -> tantivy::Result<OwnUids> {
        let (high, low) = (columns.numbers("own_uid_high")?, columns.numbers("own_uid_low")?);
        Ok(OwnUids { high, low })
    }

    /// Returns a document's own uid; `None` if it is that of its request.
    pub fn of(&self, document: DocId) -> Option<Uid> {
        let high = self.high.as_ref()?.first(document)?;
        Some(Uid::of_halves(high, self.low.as_ref()?.first(document)?))
    }
}

/// Returns the uid of a document that has none of its own, by what its columns hold; of a document that is no event's, zero.
pub fn uid_of_request<'a>(
    (cluster, node, device): (&str, &str, &str),
    request_id: Option<&str>,
    state: Option<&str>,
    flags: impl IntoIterator<Item = &'a str>,
) -> Uid {
    let Some(id) = request_id else { return Uid::of_halves(0, 0) };
    let uid = Uid::of_request(cluster, node, id, state == Some(state_word(State::Late)));
    match flags.into_iter().any(|flag| flag == Flag::Copy.as_str()) {
        true => uid.of_copy(device),
        false => uid,
    }
}

/// The columns of a segment that make a [`Uid`]: of most events it is made of the request's id.
pub struct Uids {
    own: OwnUids,
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
        let columns = ColumnList::read(segment)?;
        let words = |name| Words::open(columns.words(name)?);
        Ok(Uids {
            own: OwnUids::open(&columns)?,
            request: columns.words("request")?,
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
        if let Some(uid) = self.own.of(document) {
            return Ok(uid);
        }
        let mut request = String::new();
        if let Some(column) = &self.request
            && let Some(ordinal) = column.term_ords(document).next()
        {
            column.ord_to_str(ordinal, &mut request)?;
        }
        let [cluster, node, device] = [&self.cluster, &self.node, &self.device]
            .map(|words| words.first(document).unwrap_or(""));
        Ok(uid_of_request(
            (cluster, node, device),
            Some(request.as_str()).filter(|id| !id.is_empty()),
            self.state.first(document),
            self.is.all(document),
        ))
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

    fn first(&self, document: DocId) -> Option<&str> {
        self.all(document).next()
    }
}
