//! Writes one stream: frames to the end of its newest segment, and a new segment when that one is over.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::Stream;
use super::disk::{Disk, DiskFile};
use super::error::{At, LedgerError};
use super::folder::Folder;
use super::recover::End;
use super::segment::{SegmentFile, ending, list_segments, segment_path, stream_folder};

/// A segment is over after an hour if it has this many bytes, and after a day whatever it has: only then can
/// it be sealed, and only what is sealed makes an audit file safe to remove.
const SEGMENT_HOUR_BYTES: u64 = 1 << 20;
const HOUR_NS: i64 = 3_600_000_000_000;
const DAY_NS: i64 = 24 * HOUR_NS;

/// The segment to which a stream is being written.
pub(super) struct StreamWriter {
    stream: Stream,
    disk: Disk,
    open: Option<OpenSegment>,
    /// First leaf and bytes of the open segment when it was last made durable.
    durable: Option<(u64, u64)>,
    unsynced: bool,
    /// The segment's name is not durable yet.
    new: bool,
}

struct OpenSegment {
    first_leaf: u64,
    file: DiskFile,
    bytes: u64,
    /// When its first batch arrived, in nanoseconds since 1970.
    began_unix_ns: i64,
}

impl StreamWriter {
    pub(super) fn new(disk: &Disk, stream: Stream) -> StreamWriter {
        let disk = disk.clone();
        StreamWriter { stream, disk, open: None, durable: None, unsynced: false, new: false }
    }

    /// Goes on with a segment that is on disk. What is in it beyond the checkpoint may stand in the page cache
    /// alone, and clean: if an earlier process's fsync failed, the kernel will not write it again. So it is
    /// written once more.
    pub(super) fn go_on(&mut self, folder: &Folder, end: &End) -> Result<(), LedgerError> {
        let path = segment_path(&folder.ledger, self.stream, end.first_leaf);
        if ending(&path)?.is_sealed() {
            return Ok(());
        }
        let mut file = SegmentFile::open(path.clone(), 0).at("open", &path)?;
        let first = file.frame().map_err(|fault| file.fault(0, fault))?;
        let Some(first) = first else { return Ok(()) };
        let mut unsigned = vec![0; (end.bytes - end.unsigned_from) as usize];
        let read = fs::File::open(&path)
            .and_then(|file| file.read_exact_at(&mut unsigned, end.unsigned_from));
        read.at("read", &path)?;
        let mut file = self.disk.open(&path, end.unsigned_from)?;
        file.write_all(&unsigned)?;
        self.open = Some(OpenSegment {
            first_leaf: end.first_leaf,
            file,
            bytes: end.bytes,
            began_unix_ns: first.table.headers[0].arrived_unix_ns,
        });
        self.durable = Some((end.first_leaf, end.bytes));
        (self.unsynced, self.new) = (true, true);
        Ok(())
    }

    /// Tells whether the next batch, which arrived at this time, belongs into a new segment.
    pub(super) fn is_over(&self, bytes_max: u64, now_unix_ns: i64) -> bool {
        self.open.as_ref().is_some_and(|open| {
            let age = now_unix_ns.saturating_sub(open.began_unix_ns);
            let hour = age >= HOUR_NS && open.bytes >= SEGMENT_HOUR_BYTES;
            open.bytes >= bytes_max || hour || age >= DAY_NS
        })
    }

    /// Writes no more to the segment at hand, which must be durable.
    pub(super) fn finish(&mut self) {
        debug_assert!(!self.unsynced && !self.new, "a segment is flushed before it is finished");
        (self.open, self.durable) = (None, None);
    }

    /// Returns the first leaf of the segment at hand; `u64::MAX` if there is none.
    pub(super) fn open_segment(&self) -> u64 {
        self.open.as_ref().map_or(u64::MAX, |open| open.first_leaf)
    }

    pub(super) fn write(
        &mut self,
        ledger: &Path,
        first_leaf: u64,
        arrived_unix_ns: i64,
        frame: &[u8],
    ) -> Result<(), LedgerError> {
        let open = match &mut self.open {
            Some(open) => open,
            none => {
                let file = self.disk.create_new(&segment_path(ledger, self.stream, first_leaf))?;
                self.new = true;
                let began_unix_ns = arrived_unix_ns;
                none.insert(OpenSegment { first_leaf, file, bytes: 0, began_unix_ns })
            }
        };
        self.unsynced = true;
        open.file.write_all(frame)?;
        open.bytes += frame.len() as u64;
        Ok(())
    }

    pub(super) fn sync(&mut self, ledger: &Path) -> Result<(), LedgerError> {
        if let Some(open) = self.open.as_ref().filter(|_| self.unsynced) {
            open.file.sync()?;
        }
        if self.new {
            self.disk.sync_folder(&stream_folder(ledger, self.stream))?;
        }
        (self.unsynced, self.new) = (false, false);
        self.durable = self.open.as_ref().map(|open| (open.first_leaf, open.bytes));
        Ok(())
    }

    /// Takes away everything that was written since the last [`StreamWriter::sync`], when the ledger had
    /// `durable` leaves. After a write or fsync that failed nobody knows what of it is on disk, and the kernel
    /// may show what it failed to write.
    pub(super) fn back_to_durable(
        &mut self,
        ledger: &Path,
        durable: u64,
    ) -> Result<(), LedgerError> {
        self.open = None;
        for first in list_segments(ledger, self.stream)? {
            if first >= durable {
                self.disk.remove(&segment_path(ledger, self.stream, first))?;
            }
        }
        if let Some((first, bytes)) = self.durable {
            self.disk.open(&segment_path(ledger, self.stream, first), bytes)?.cut(bytes)?;
        }
        self.disk.sync_folder(&stream_folder(ledger, self.stream))
    }
}
