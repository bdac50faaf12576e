//! Going through the ledger batch by batch, in the order of the leaves, over both streams.
//!
//! ```text
//!   lines   │ 0: header, 1 2 3 │            │ 6: header, 7 │
//!   own                        │ 4: header, 5 │              each next batch is where its leaf is
//! ```

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use super::Stream;
use super::batch::BatchHeader;
use super::cache::ReadFrame;
use super::error::{At, LedgerError};
use super::frame::{Batched, Content, FrameFault};
use super::segment::{Frame, SegmentFile, segment_path};

/// Both streams, and the leaf with which the next batch begins.
pub(super) struct Walk {
    pub(super) cursors: [Cursor; 2],
    pub(super) next: u64,
}

impl Walk {
    /// Starts at the beginning of these segments.
    pub(super) fn from_start(ledger: &Path, segments: [Vec<u64>; 2]) -> Walk {
        let [lines, own] = segments;
        let cursors = [
            Cursor::in_file(ledger, Stream::Lines, lines, None),
            Cursor::in_file(ledger, Stream::Own, own, None),
        ];
        Walk { cursors, next: 0 }
    }

    /// Leaves out the segments that begin below a leaf, where none has been opened yet, and goes on with that leaf.
    pub(super) fn pass_segments_below(&mut self, leaf: u64) {
        for cursor in &mut self.cursors {
            cursor.segments.retain(|&first| first >= leaf);
        }
        self.next = leaf;
    }

    /// Starts with the batch that holds a leaf; the cursors stand at it or before it.
    pub(super) fn from_leaf(mut cursors: [Cursor; 2], leaf: u64) -> Result<Walk, LedgerError> {
        let mut next = u64::MAX;
        for cursor in &mut cursors {
            while let Some(header) = cursor.peek()? {
                if header.end() > leaf {
                    next = next.min(header.first_leaf.0);
                    break;
                }
                cursor.pass();
            }
        }
        Ok(Walk { cursors, next })
    }

    /// Returns the cursor that stands at the next batch; `None` if neither does.
    pub(super) fn turn(&mut self) -> Result<Option<&mut Cursor>, LedgerError> {
        for cursor in &mut self.cursors {
            if cursor.peek()?.is_some_and(|header| header.first_leaf.0 == self.next) {
                return Ok(Some(cursor));
            }
        }
        Ok(None)
    }

    /// Returns why the walk cannot go on, for when it ought to.
    pub(super) fn stuck(&mut self) -> LedgerError {
        let next = self.next;
        let fault = self.cursors.iter_mut().position(|cursor| cursor.fault.is_some());
        let cursor = &mut self.cursors[fault.unwrap_or(0)];
        let offset = cursor.offset();
        let problem = match &cursor.fault {
            Some(fault) => format!("{fault}; the next leaf is {next}"),
            None => format!("leaf {next} should be here or in the other stream, and is not"),
        };
        LedgerError::Corrupt { path: cursor.path(), offset, problem }
    }
}

/// One stream, read from batch to batch.
pub(super) struct Cursor {
    ledger: PathBuf,
    pub(super) stream: Stream,
    /// Segments not opened yet.
    pub(super) segments: VecDeque<u64>,
    pub(super) file: Option<SegmentFile>,
    frame: Option<OpenFrame>,
    /// What ended the reading, if not the end of the stream.
    pub(super) fault: Option<FrameFault>,
}

struct OpenFrame {
    frame: Frame,
    /// Which of its headers is next.
    next: usize,
    /// What the frame has for the next header and those after it, once it was read.
    content: Option<Batched>,
}

impl Cursor {
    /// Begins in a file that stands at a frame, and goes on with these segments.
    pub(super) fn in_file(
        ledger: &Path,
        stream: Stream,
        segments: impl Into<VecDeque<u64>>,
        file: Option<SegmentFile>,
    ) -> Cursor {
        Cursor {
            ledger: ledger.to_owned(),
            stream,
            segments: segments.into(),
            file,
            frame: None,
            fault: None,
        }
    }

    /// Returns the next header; `None` at the end of the stream or at a fault.
    ///
    /// # Errors
    /// Only the operating system's: what a fault means depends on where the ledger should end.
    pub(super) fn peek(&mut self) -> Result<Option<&BatchHeader>, LedgerError> {
        while self.fault.is_none() && self.frame.is_none() {
            let Some(file) = &mut self.file else {
                let Some(first) = self.segments.pop_front() else { break };
                let path = segment_path(&self.ledger, self.stream, first);
                let opened = SegmentFile::open(path.clone(), 0);
                self.file = Some(opened.at("open", &path)?);
                continue;
            };
            match file.frame() {
                Ok(Some(frame)) => {
                    self.frame = Some(OpenFrame { frame, next: 0, content: None });
                }
                // The last file stays open: it tells where the stream ends.
                Ok(None) if self.segments.is_empty() => break,
                Ok(None) => self.file = None,
                Err(FrameFault::Io(error)) => return Err(error).at("read", &file.path),
                Err(fault) => self.fault = Some(fault),
            }
        }
        Ok(self.frame.as_ref().map(|open| &open.frame.table.headers[open.next]))
    }

    /// Leaves the batch that [`Cursor::peek`] returned behind and returns its header.
    pub(super) fn pass(&mut self) -> BatchHeader {
        let open = self.frame.as_mut().expect("peek returned a header");
        let headers = &mut open.frame.table.headers;
        if let Some(content) = &mut open.content {
            content.pass(&headers[open.next]);
        }
        open.next += 1;
        if open.next < headers.len() {
            return headers[open.next - 1].clone();
        }
        let header = headers.pop().expect("a table has a header");
        let file = self.file.as_mut().expect("a frame stands in a file");
        if open.content.is_none()
            && let Err(error) = file.skip_content(&open.frame)
        {
            self.fault = Some(FrameFault::Io(error));
        }
        self.frame = None;
        header
    }

    /// Like [`Cursor::pass`], with the batch's content. After an error the cursor stays there.
    pub(super) fn take(&mut self) -> Result<(BatchHeader, Content), FrameFault> {
        let open = self.frame.as_mut().expect("peek returned a header");
        let file = self.file.as_mut().expect("a frame stands in a file");
        let mut content = match open.content.take() {
            Some(content) => content,
            None => {
                let mut content = Batched::new(file.content(&open.frame)?);
                for passed in &open.frame.table.headers[..open.next] {
                    content.pass(passed);
                }
                content
            }
        };
        let headers = &mut open.frame.table.headers;
        open.next += 1;
        if open.next < headers.len() {
            let header = headers[open.next - 1].clone();
            let of_batch = content.next(&header);
            open.content = Some(content);
            return Ok((header, of_batch));
        }
        let header = headers.pop().expect("a table has a header");
        self.frame = None;
        let content = content.next(&header);
        Ok((header, content))
    }

    /// Returns the frame that holds a leaf, from the frame at hand on; `None` if no frame here does.
    pub(super) fn frame_with(&mut self, leaf: u64) -> Result<Option<ReadFrame>, LedgerError> {
        if self.peek()?.is_none() {
            return Ok(None);
        }
        let (open, file) =
            self.frame.take().zip(self.file.as_mut()).expect("peek returned a header");
        let headers = &open.frame.table.headers;
        if !headers.iter().any(|header| (header.first_leaf.0..header.end()).contains(&leaf)) {
            return Ok(None);
        }
        let offset = open.frame.offset;
        let content = file.content(&open.frame).map_err(|fault| file.fault(offset, fault))?;
        Ok(Some(ReadFrame { headers: open.frame.table.headers, content }))
    }

    /// Tells whether batches of the frame at hand were passed already.
    pub(super) fn within_frame(&self) -> bool {
        self.frame.as_ref().is_some_and(|open| open.next > 0)
    }

    /// Returns where the next frame, or the fault, begins in the file at hand.
    pub(super) fn offset(&self) -> u64 {
        match (&self.frame, &self.file) {
            (Some(open), _) => open.frame.offset,
            (None, Some(file)) => file.offset(),
            (None, None) => 0,
        }
    }

    /// Returns the file at hand, or the stream's folder if there is none.
    pub(super) fn path(&self) -> PathBuf {
        let folder = || super::segment::stream_folder(&self.ledger, self.stream);
        self.file.as_ref().map_or_else(folder, |file| file.path.clone())
    }
}
