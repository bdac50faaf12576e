//! What stands beside a hash, or a text, in the terms of what lines taught: the text, or the hashes, of one segment.
//!
//! Names of a page are looked up in every segment, a block of a dictionary decompressed for each. Few stand beside one
//! hash, and a segment never says anything else: what it said is remembered.

use std::num::NonZeroUsize;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};

use ingest::index::document::HALF;
use lru::LruCache;
use tantivy::index::SegmentId;
use tantivy::postings::TermInfo;
use tantivy::schema::Field;
use tantivy::{InvertedIndexReader, SegmentReader, TantivyError};

use crate::error::QueryError;
use crate::turn::Turn;

/// What segments said: some 200 bytes each, of which most say nothing.
const KNOWN_MAX: NonZeroUsize = NonZeroUsize::new(65_536).unwrap();

/// More than so many, or longer ones, are not remembered.
const HALVES_MAX: usize = 4;
const BYTES_MAX: usize = 256;

/// The other halves, each with where the documents stand that have the term.
pub(super) type Halves = Arc<[(Box<str>, TermInfo)]>;

type Known = LruCache<(SegmentId, Field, Box<str>), Halves>;

/// Ids of segments are random, so one memory serves every index that a process has open.
static KNOWN: LazyLock<Mutex<Known>> = LazyLock::new(|| Mutex::new(LruCache::new(KNOWN_MAX)));

/// Returns what follows `half` and its separator in the terms of a segment, those of deleted documents among them.
pub(super) fn beside(
    segment: &SegmentReader,
    field: Field,
    half: &str,
    turn: &Turn,
) -> Result<Halves, QueryError> {
    let known = || KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let key = (segment.segment_id(), field, Box::from(half));
    if let Some(halves) = known().get(&key) {
        return Ok(halves.clone());
    }
    let halves = read(&*segment.inverted_index(field)?, half, turn)?;
    let bytes = half.len() + halves.iter().map(|(half, _)| half.len()).sum::<usize>();
    if halves.len() <= HALVES_MAX && bytes <= BYTES_MAX {
        known().put(key, halves.clone());
    }
    Ok(halves)
}

fn read(index: &InvertedIndexReader, half: &str, turn: &Turn) -> Result<Halves, QueryError> {
    let prefix = format!("{half}{HALF}");
    let end = format!("{half}{}", char::from_u32(HALF as u32 + 1).expect("a space"));
    let range = index.terms().range().ge(prefix.as_bytes()).lt(end.as_bytes());
    let mut terms = range.into_stream().map_err(TantivyError::from)?;
    let mut halves = Vec::new();
    while terms.advance() {
        turn.check()?;
        let other = String::from_utf8_lossy(&terms.key()[prefix.len()..]);
        halves.push((Box::from(other), terms.value().clone()));
    }
    Ok(halves.into())
}
