//! What is known of a segment once it is written, so that who opens it reads one small file and neither columns nor
//! dictionaries. A segment never changes but for documents that are deleted in it: those are in its summary as they were.
//!
//! The file stands beside the engine's own and ends, as they do, with the engine's footer. Numbers are little endian; a
//! *varint* has seven bits a byte, least first, and the top bit says that more follow:
//!
//! ```text
//! 4 bytes   "KTS" and the version, 1
//! u32       documents
//! u64       the greatest leaf that issued one of them
//! of each block of 1,024 documents:
//!   i64     the least time, in nanoseconds since 1970
//!   i64     the last; if none has a time, the least of all numbers, and the greatest before it
//! u32       documents that do not simply count, and of each, in their order:
//!   varint  eight times how many documents lie between it and the one before it, and its class
//! u32       events without a time, and of each, in their order:
//!   varint  how many documents lie between it and the one before it
//! ```

use tantivy::directory::OwnedBytes;
use tantivy::error::DataCorruption;
use tantivy::index::SegmentComponent;
use tantivy::{DocId, SegmentReader};

use super::class::{COUNTS, NONE};

mod plugin;

pub(super) use plugin::SummaryPlugin;

/// The extension of the file.
pub(super) const EXTENSION: &str = "summary";

/// Raise the payload's format with the version, so that an index of before is of another version and not damaged.
const BEGINNING: [u8; 4] = *b"KTS\x01";

/// Documents whose times are summed up together.
pub const BLOCK: u32 = 1_024;

/// The least and the last time of a block without any.
const NO_TIMES: (i64, i64) = (i64::MAX, i64::MIN);

/// A class and how far a document lies from the one before share a number.
const CLASSES: u64 = 8;
const _: () = assert!((NONE as u64) < CLASSES, "each class has its number");

/// What is known of a segment, deleted documents included.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// How many documents it has.
    pub documents: u32,
    /// All of them were issued by leaves up to this one.
    pub last_leaf: u64,
    /// When the documents of each [`BLOCK`] were.
    pub times: Vec<Times>,
    /// The documents that do not simply count, ascending, each with its class.
    pub classes: Vec<(DocId, u8)>,
    /// The events that have no time, ascending.
    pub timeless: Vec<DocId>,
}

/// When some documents were.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Times {
    /// The least and the last time, in nanoseconds since 1970; absent if none has a time.
    pub ends: Option<(i64, i64)>,
    /// Whether one of them is an event without a time. What is no event has none either, mostly, and is no matter.
    pub is_timeless: bool,
}

/// What a summary takes from one document.
#[derive(Clone, Copy, Debug)]
pub(super) struct Gist {
    /// Nanoseconds since 1970.
    pub(super) time: Option<i64>,
    pub(super) issued_leaf: u64,
    pub(super) class: u8,
}

impl Summary {
    /// Reads the summary of a segment.
    ///
    /// # Errors
    /// The file cannot be read, or is damaged.
    pub fn read(segment: &SegmentReader) -> tantivy::Result<Summary> {
        let bytes: OwnedBytes =
            segment.open_read(SegmentComponent::Custom(EXTENSION.to_owned()))?.read_bytes()?;
        let summary = Summary::decode(&bytes).and_then(|summary| match summary.documents {
            documents if documents == segment.max_doc() => Ok(summary),
            _ => Err("the summary of another segment"),
        });
        summary.map_err(|problem| {
            let file = format!("{}.{EXTENSION}", segment.segment_id().uuid_string());
            DataCorruption::new(file.into(), problem.to_owned()).into()
        })
    }

    /// Adds the next document.
    fn add(&mut self, gist: Gist) {
        let Gist { time, issued_leaf, class } = gist;
        let document = self.documents;
        self.documents += 1;
        if document.is_multiple_of(BLOCK) {
            self.times.push(Times::default());
        }
        let times = self.times.last_mut().expect("one was there or pushed");
        match time {
            Some(time) => {
                let (least, last) = times.ends.unwrap_or((time, time));
                times.ends = Some((least.min(time), last.max(time)));
            }
            None if class != NONE => {
                times.is_timeless = true;
                self.timeless.push(document);
            }
            None => {}
        }
        if class != COUNTS {
            self.classes.push((document, class));
        }
        self.last_leaf = self.last_leaf.max(issued_leaf);
    }

    fn encode(&self) -> Vec<u8> {
        let mut out = BEGINNING.to_vec();
        out.extend(self.documents.to_le_bytes());
        out.extend(self.last_leaf.to_le_bytes());
        // Which of them have events without a time, the list of these tells.
        for Times { ends, is_timeless: _ } in &self.times {
            let (least, last) = ends.unwrap_or(NO_TIMES);
            out.extend(least.to_le_bytes());
            out.extend(last.to_le_bytes());
        }
        let count = |of: usize| u32::try_from(of).expect("no more than there are documents");
        out.extend(count(self.classes.len()).to_le_bytes());
        let mut next = 0;
        for &(document, class) in &self.classes {
            encode_varint(u64::from(document - next) * CLASSES + u64::from(class), &mut out);
            next = document + 1;
        }
        out.extend(count(self.timeless.len()).to_le_bytes());
        let mut next = 0;
        for &document in &self.timeless {
            encode_varint(u64::from(document - next), &mut out);
            next = document + 1;
        }
        out
    }

    /// Reads what [`Summary::encode`] wrote, or says what is wrong with it.
    fn decode(mut rest: &[u8]) -> Result<Summary, &'static str> {
        let rest = &mut rest;
        if take(rest)? != BEGINNING {
            return Err("no summary of this version of keytrail");
        }
        let documents = u32::from_le_bytes(take(rest)?);
        let last_leaf = u64::from_le_bytes(take(rest)?);
        let times = (0..documents.div_ceil(BLOCK)).map(|_| decode_times(rest));
        // Memory is taken for what is read, never for a number that may be wrong.
        let mut times = times.collect::<Result<Vec<_>, _>>()?;
        let mut classes = Vec::new();
        let mut next = 0;
        for _ in 0..u32::from_le_bytes(take(rest)?) {
            let number = decode_varint(rest)?;
            let class = (number % CLASSES) as u8;
            if class == COUNTS || class > NONE {
                return Err("a document of no class in a summary");
            }
            let document = document_at(next, number / CLASSES, documents)?;
            classes.push((document, class));
            next = document + 1;
        }
        let mut timeless = Vec::new();
        let mut next = 0;
        for _ in 0..u32::from_le_bytes(take(rest)?) {
            let document = document_at(next, decode_varint(rest)?, documents)?;
            times[(document / BLOCK) as usize].is_timeless = true;
            timeless.push(document);
            next = document + 1;
        }
        match rest.is_empty() {
            true => Ok(Summary { documents, last_leaf, times, classes, timeless }),
            false => Err("a summary with bytes left over"),
        }
    }
}

fn decode_times(rest: &mut &[u8]) -> Result<Times, &'static str> {
    let ends = (i64::from_le_bytes(take(rest)?), i64::from_le_bytes(take(rest)?));
    let ends = match ends {
        NO_TIMES => None,
        (least, last) if least <= last => Some(ends),
        _ => return Err("times that cannot be in a summary"),
    };
    Ok(Times { ends, is_timeless: false })
}

/// Returns the document that lies so many behind `next`.
fn document_at(next: DocId, behind: u64, documents: u32) -> Result<DocId, &'static str> {
    let document = u64::from(next).checked_add(behind).filter(|at| *at < u64::from(documents));
    document.map(|document| document as DocId).ok_or("a document beyond the last in a summary")
}

fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], &'static str> {
    let (taken, after) = rest.split_first_chunk::<N>().ok_or("a summary that ends early")?;
    *rest = after;
    Ok(*taken)
}

fn encode_varint(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

fn decode_varint(rest: &mut &[u8]) -> Result<u64, &'static str> {
    let mut number = 0;
    // Five bytes hold a document and its class.
    for shift in [0, 7, 14, 21, 28] {
        let [byte] = take(rest)?;
        number |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(number);
        }
    }
    Err("a number of impossible length in a summary")
}

#[cfg(test)]
mod tests;
