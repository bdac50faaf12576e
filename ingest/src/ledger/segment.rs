//! Segments: the files of a stream, each named by its first leaf, and their frames one after the other.

use std::fs::{self, File};
use std::io::{self, BufReader, Read, Seek, SeekFrom};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use super::Stream;
use super::batch::Sources;
use super::error::{At, LedgerError};
use super::footer::{Ending, Footer};
use super::frame::{Content, FrameDecoder, FrameFault, FrameTable, read_table};

/// Small, since reading tables alone should not read the lines between them too.
const BUFFER_BYTES: usize = 16 << 10;

/// Returns a stream's folder within the ledger's.
pub(super) fn stream_folder(ledger: &Path, stream: Stream) -> PathBuf {
    ledger.join(stream.folder())
}

/// Returns the file of the segment that begins with this leaf.
pub(super) fn segment_path(ledger: &Path, stream: Stream, first_leaf: u64) -> PathBuf {
    stream_folder(ledger, stream).join(format!("{first_leaf:020}.zst"))
}

/// Returns the first leaves of a stream's segments, ascending. Files with other names are not ours.
pub(super) fn list_segments(ledger: &Path, stream: Stream) -> Result<Vec<u64>, LedgerError> {
    let folder = stream_folder(ledger, stream);
    let mut segments = Vec::new();
    for entry in fs::read_dir(&folder).at("list", &folder)? {
        let name = entry.at("list", &folder)?.file_name();
        let first = name
            .to_str()
            .and_then(|name| name.strip_suffix(".zst"))
            .filter(|digits| digits.len() == 20);
        segments.extend(first.and_then(|digits| digits.parse::<u64>().ok()));
    }
    segments.sort_unstable();
    Ok(segments)
}

/// Reads how a segment ends: whether it is sealed, and with what footer.
pub(super) fn ending(path: &Path) -> Result<Ending, LedgerError> {
    let file = File::open(path).at("open", path)?;
    let length = file.metadata().at("read", path)?.len();
    Ending::read(&file, length).at("read", path)
}

/// One segment, read from frame to frame.
pub(super) struct SegmentFile {
    pub(super) path: PathBuf,
    file: BufReader<File>,
    /// Where the next frame begins.
    offset: u64,
    length: u64,
    sources: Sources,
    decoder: FrameDecoder,
}

/// A frame's table, and where the frame begins. Its lines are read by [`SegmentFile::content`] or passed
/// over by [`SegmentFile::skip_content`], one of the two.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) offset: u64,
    pub(super) table: FrameTable,
}

impl SegmentFile {
    /// Opens a segment at a frame. The file is read as far as it goes now.
    pub(super) fn open(path: PathBuf, offset: u64) -> io::Result<SegmentFile> {
        let file = File::open(&path)?;
        let length = file.metadata()?.len();
        let mut file = BufReader::with_capacity(BUFFER_BYTES, file);
        file.seek(SeekFrom::Start(offset))?;
        Ok(SegmentFile {
            path,
            file,
            offset,
            length,
            sources: Sources::default(),
            decoder: FrameDecoder::default(),
        })
    }

    /// Returns what tells this file from one that has taken its name.
    pub(super) fn inode(&self) -> io::Result<u64> {
        Ok(self.file.get_ref().metadata()?.ino())
    }

    /// Tells whether the file still has this name.
    pub(super) fn is_at(&self, path: &Path) -> bool {
        let named = fs::metadata(path).map(|metadata| metadata.ino());
        named.is_ok_and(|named| self.inode().is_ok_and(|inode| inode == named))
    }

    /// Returns the file, to be read at any place.
    pub(super) fn file(&self) -> &File {
        self.file.get_ref()
    }

    /// Returns how long the file was when it was opened.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Reads how the file ended when it was opened.
    pub(super) fn ending(&self) -> io::Result<Ending> {
        Ending::read(self.file.get_ref(), self.length)
    }

    /// Goes to a frame.
    pub(super) fn seek(&mut self, offset: u64) -> io::Result<()> {
        self.offset = self.file.seek(SeekFrom::Start(offset))?;
        Ok(())
    }

    /// Returns where the next frame begins, or the fault at which reading ended.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// Reads the next frame's table; `None` at the end of the file. After a fault the place is not moved.
    pub(super) fn frame(&mut self) -> Result<Option<Frame>, FrameFault> {
        let mut passed = 0;
        let remaining = self.length.saturating_sub(self.offset);
        let table = read_table(&mut self.file, remaining, &mut passed, &mut self.sources)?;
        self.offset += passed;
        let offset = self.offset;
        Ok(table.map(|table| Frame { offset, table }))
    }

    /// Reads the lines of the frame whose table was read last.
    pub(super) fn content(&mut self, frame: &Frame) -> Result<Content, FrameFault> {
        let content = self.decoder.content(&mut self.file, &frame.table)?;
        self.offset = frame.end();
        Ok(content)
    }

    /// Reads the zstd frame whose table was read last, as it stands, for another thread to unpack.
    pub(super) fn data(&mut self, frame: &Frame) -> io::Result<Vec<u8>> {
        let mut data = vec![0; frame.table.data_bytes as usize];
        self.file.read_exact(&mut data)?;
        self.offset = frame.end();
        Ok(data)
    }

    /// Reads the frame whose table was read last as it stands, table and all.
    pub(super) fn whole(&mut self, frame: &Frame) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; (frame.end() - frame.offset) as usize];
        self.file.get_ref().read_exact_at(&mut bytes, frame.offset)?;
        self.skip_content(frame)?;
        Ok(bytes)
    }

    /// Passes over the lines of the frame whose table was read last.
    pub(super) fn skip_content(&mut self, frame: &Frame) -> io::Result<()> {
        self.file.seek_relative(i64::from(frame.table.data_bytes))?;
        self.offset = frame.end();
        Ok(())
    }

    /// Reads the tables of the frames that begin below a leaf, from where the file stands, and returns the footer that
    /// they make.
    ///
    /// # Errors
    /// A frame is damaged, or the operating system refuses.
    pub(super) fn footer_below(&mut self, leaf: u64) -> Result<Footer, LedgerError> {
        let mut footer = Footer::default();
        while let Some(frame) = self.frame().map_err(|fault| self.fault(self.offset, fault))? {
            if frame.table.headers[0].first_leaf.0 >= leaf {
                break;
            }
            self.skip_content(&frame).at("read", &self.path)?;
            footer.add(&frame.table.headers, frame.offset, frame.end());
        }
        Ok(footer)
    }

    /// Turns a fault in a place that must be whole into an error.
    pub(super) fn fault(&self, offset: u64, fault: FrameFault) -> LedgerError {
        fault.at(self.path.clone(), offset)
    }
}

impl Frame {
    pub(super) fn end(&self) -> u64 {
        self.offset + self.table.table_bytes + u64::from(self.table.data_bytes)
    }
}
