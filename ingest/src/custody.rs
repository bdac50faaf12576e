//! Changes of the ledger's key and name, each told by a line of our own under the new key.

use std::path::Path;

use crate::ledger::{
    Handover, Ledger, LedgerError, LedgerReader, NewBatch, Stream, key_fingerprint,
};
use crate::own::{Fact, OWN_SOURCE, OwnLine};
use crate::record::now_unix_ns;
use crate::source::{Lines, Reader};

/// Makes a new key sign from here on, and returns how the old one handed over.
///
/// # Errors
/// There is no ledger; another process writes it; a write failed.
pub fn rotate_key(data: &Path) -> Result<Handover, LedgerError> {
    let cluster = LedgerReader::open(data)?.cluster().to_owned();
    let mut ledger = Ledger::open(data, &cluster)?;
    let handover = ledger.rotate_key()?;
    let fingerprint = key_fingerprint(&handover.to);
    let note = handover.note().to_owned();
    append(&mut ledger, Fact::KeyRotated { fingerprint, handover: note })?;
    Ok(handover)
}

/// Continues the ledger under another name, with the same key if it is there and a new one if it was lost.
///
/// # Errors
/// There is no ledger; another process writes it; a write failed.
pub fn open_new_origin(data: &Path, why: &str) -> Result<Handover, LedgerError> {
    let (mut ledger, handover) = Ledger::open_new_origin(data)?;
    let origin = handover.to.name().to_owned();
    let note = handover.note().to_owned();
    append(&mut ledger, Fact::NewOrigin { origin, why: why.to_owned(), handover: note })?;
    Ok(handover)
}

/// Appends a line of our own and signs it.
///
/// # Errors
/// A write failed.
pub fn append(ledger: &mut Ledger, fact: Fact) -> Result<(), LedgerError> {
    append_line(ledger, &OwnLine::now(fact))
}

/// The same of a line that says when.
///
/// # Errors
/// A write failed.
pub fn append_line(ledger: &mut Ledger, line: &OwnLine) -> Result<(), LedgerError> {
    let own = ledger.generations().find(|info| &*info.source == OWN_SOURCE);
    let (generation, offset) = own.map_or((None, 0), |info| (Some(info.generation), info.end));
    let mut lines = Lines::default();
    lines.push(&line.to_bytes());
    ledger.append(&NewBatch {
        stream: Stream::Own,
        source: OWN_SOURCE,
        generation,
        parent: None,
        offset,
        reader: Reader::Live,
        arrived_unix_ns: now_unix_ns(),
        continued: false,
        unterminated: false,
        lines: &lines,
    })?;
    ledger.checkpoint().map(drop)
}
