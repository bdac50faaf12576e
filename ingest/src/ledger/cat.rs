//! The exact bytes of one source. Segments whose footer says that they have none of it are not looked into.

use std::io::Write;
use std::path::Path;

use super::error::{At, LedgerError};
use super::frame::Content;
use super::reader::LedgerReader;
use super::segment::{ending, list_segments, segment_path, stream_folder};
use super::walk::Cursor;
use super::{OWN_SOURCE, Stream};

/// How many bytes of a source there are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SourceBytes {
    /// Written.
    pub written: u64,
    /// Not written, since retention removed them.
    pub removed: u64,
}

/// Writes the bytes of one source that are there, in the order of the ledger, and returns how many there were.
///
/// # Errors
/// The ledger is damaged or unreadable; `out` cannot be written.
pub fn cat(
    reader: &LedgerReader,
    source: &str,
    out: &mut dyn Write,
) -> Result<SourceBytes, LedgerError> {
    let size = reader.size();
    let generations = reader.generations()?;
    let of_source = generations.iter().filter(|info| &*info.source == source);
    let known: u64 = of_source.map(|info| info.end - info.start).sum();
    let ledger = reader.data().join("ledger");
    let stream = if source == OWN_SOURCE { Stream::Own } else { Stream::Lines };
    let mut segments = list_segments(&ledger, stream)?;
    let mut problem = None;
    segments.retain(|&first| match ending(&segment_path(&ledger, stream, first)) {
        Ok(ending) => ending.footer().is_none_or(|footer| footer.has(source)),
        Err(error) => {
            problem.get_or_insert(error);
            true
        }
    });
    if let Some(problem) = problem {
        return Err(problem);
    }
    let mut cursor = Cursor::in_file(&ledger, stream, segments, None);
    let mut bytes = SourceBytes::default();
    while let Some(header) = cursor.peek()?.filter(|header| header.end() <= size) {
        if &*header.source != source {
            cursor.pass();
            continue;
        }
        let (path, offset) = (cursor.path(), cursor.offset());
        let (header, content) = cursor.take().map_err(|fault| fault.at(path, offset))?;
        match content {
            Content::Lines(lines) => {
                out.write_all(&lines).at("write lines of", Path::new(source))?;
                bytes.written += lines.len() as u64;
            }
            Content::Hashes(_) => bytes.removed += header.bytes(),
        }
    }
    let found = bytes.written + bytes.removed;
    match cursor.fault.take() {
        // What a fault beyond hides may be nothing but a write under way.
        _ if found >= known => Ok(bytes),
        Some(fault) => Err(fault.at(cursor.path(), cursor.offset())),
        None => Err(LedgerError::Corrupt {
            path: stream_folder(&ledger, stream),
            offset: 0,
            problem: format!("{found} bytes of {source} are here, and {known} were recorded"),
        }),
    }
}
