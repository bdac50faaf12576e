//! Hashing a stream on all cores: one thread reads frames in their order, others unpack and hash them.
//!
//! ```text
//!   read frames ──▶ groups of ~256 KiB ──▶ workers: checksum, unpack, hash each leaf
//!        ▲                                      │
//!        └── at most 16 MiB ahead ◀── batches in the order of their leaves
//! ```

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{Scope, available_parallelism};

use super::Stream;
use super::batch::BatchHeader;
use super::error::{At, LedgerError};
use super::footer::{Ending, Footer};
use super::frame::{Batched, FrameDecoder, FrameFault, FrameTable};
use super::segment::{SegmentFile, segment_path, stream_folder};
use super::tree::Hash;

/// A group of frames goes to one worker; smaller ones would cost more to hand over than to hash.
const GROUP_BYTES: u64 = 256 << 10;
/// How far the reading of a stream is ahead, in bytes of lines and in leaves.
const AHEAD_BYTES: u64 = 16 << 20;
const AHEAD_LEAVES: u64 = 256 << 10;

/// Threads that hash, as long as a sender of jobs is there.
pub(super) struct Hashers {
    jobs: Sender<Job>,
}

struct Job {
    frames: Vec<(FrameTable, Vec<u8>)>,
    done: SyncSender<Vec<HashedFrame>>,
}

/// A frame's headers, and the leaves of each batch, if its lines could be had.
struct HashedFrame {
    headers: VecDeque<BatchHeader>,
    emptied: bool,
    leaves: Option<VecDeque<Vec<Hash>>>,
    fault: Option<FrameFault>,
}

/// A batch, hashed.
pub(super) struct HashedBatch {
    /// Where its frame stands.
    pub(super) path: Arc<Path>,
    pub(super) offset: u64,
    pub(super) header: BatchHeader,
    /// The lines were removed: their hashes are those that were kept.
    pub(super) emptied: bool,
    /// The hashes of header and lines; `None` if the lines could not be had.
    pub(super) leaves: Option<Vec<Hash>>,
    /// What is wrong with the frame, if anything: its lines may be there all the same.
    pub(super) fault: Option<FrameFault>,
}

impl Hashers {
    /// Starts one thread a core.
    /// Starts so many threads; if not said, as many as there are cores.
    pub(super) fn start<'scope>(
        scope: &'scope Scope<'scope, '_>,
        threads: Option<NonZeroUsize>,
    ) -> Hashers {
        let (jobs, todo) = channel::<Job>();
        let todo = Arc::new(Mutex::new(todo));
        let threads = threads.or_else(|| available_parallelism().ok());
        for _ in 0..threads.map_or(1, usize::from) {
            let todo = todo.clone();
            scope.spawn(move || {
                let mut decoder = FrameDecoder::default();
                loop {
                    let job = todo.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    let Ok(Job { frames, done }) = job else { return };
                    let hashed = frames
                        .into_iter()
                        .map(|(table, data)| hash(&mut decoder, table, data))
                        .collect();
                    // Whoever asked may have found a fault and gone.
                    let _ = done.send(hashed);
                }
            });
        }
        Hashers { jobs }
    }
}

fn hash(decoder: &mut FrameDecoder, table: FrameTable, data: Vec<u8>) -> HashedFrame {
    let (content, fault) = match decoder.content_of(data, &table) {
        Ok(content) => (Some(content), None),
        Err(fault) => (decoder.salvage(&table), Some(fault)),
    };
    let hashed = content.map(|content| {
        let mut batched = Batched::new(content);
        let batch = |header: &BatchHeader| batched.next(header).leaves(header);
        table.headers.iter().map(batch).collect()
    });
    let emptied = table.emptied;
    HashedFrame { headers: table.headers.into(), emptied, leaves: hashed, fault }
}

/// The batches of one stream in the order of their leaves, hashed.
pub(super) struct HashedStream {
    ledger: PathBuf,
    stream: Stream,
    jobs: Sender<Job>,
    /// Frames that begin at this leaf or after it are not read.
    end: u64,
    segments: VecDeque<u64>,
    file: Option<(Arc<Path>, SegmentFile)>,
    /// What the frames of that file make, as far as they were read.
    footer: Footer,
    /// Sealed segments that end with something else than their frames make.
    wrong_footers: Vec<PathBuf>,
    /// Where the reading ended before the end: path, offset, why.
    fault: Option<(Arc<Path>, u64, FrameFault)>,
    ahead: VecDeque<Group>,
    ahead_bytes: u64,
    ahead_leaves: u64,
    ready: VecDeque<(Place, HashedFrame)>,
}

struct Place {
    path: Arc<Path>,
    offset: u64,
}

struct Group {
    first_leaf: u64,
    places: Vec<Place>,
    bytes: u64,
    leaves: u64,
    done: Receiver<Vec<HashedFrame>>,
}

impl HashedStream {
    /// Starts at the beginning of these segments; reads nothing yet.
    pub(super) fn new(
        hashers: &Hashers,
        ledger: &Path,
        stream: Stream,
        segments: Vec<u64>,
        end: u64,
    ) -> HashedStream {
        HashedStream {
            ledger: ledger.to_owned(),
            stream,
            jobs: hashers.jobs.clone(),
            end,
            segments: segments.into(),
            file: None,
            footer: Footer::default(),
            wrong_footers: Vec::new(),
            fault: None,
            ahead: VecDeque::new(),
            ahead_bytes: 0,
            ahead_leaves: 0,
            ready: VecDeque::new(),
        }
    }

    /// Returns the first leaf of the next batch; `None` at the end or at a fault.
    ///
    /// # Errors
    /// Only the operating system's.
    pub(super) fn peek(&mut self) -> Result<Option<u64>, LedgerError> {
        while self.fault.is_none()
            && (self.ahead_bytes < AHEAD_BYTES && self.ahead_leaves < AHEAD_LEAVES)
            && self.read_group()?
        {}
        let ready = self.ready.front().map(|(_, frame)| frame.headers[0].first_leaf.0);
        Ok(ready.or_else(|| self.ahead.front().map(|group| group.first_leaf)))
    }

    /// Returns the batch of which [`HashedStream::peek`] told the first leaf.
    pub(super) fn take(&mut self) -> HashedBatch {
        if self.ready.is_empty() {
            let group = self.ahead.pop_front().expect("peek told of a batch");
            self.ahead_bytes -= group.bytes;
            self.ahead_leaves -= group.leaves;
            let frames = group.done.recv().expect("a worker answers every job");
            self.ready.extend(group.places.into_iter().zip(frames));
        }
        let (place, frame) = self.ready.front_mut().expect("it was just filled");
        let (path, offset) = (place.path.clone(), place.offset);
        let emptied = frame.emptied;
        let header = frame.headers.pop_front().expect("a frame that is done was taken away");
        let leaves = frame.leaves.as_mut().and_then(VecDeque::pop_front);
        // Told with the frame's last batch, so that each leaf of it is looked at before.
        let last = frame.headers.is_empty() || leaves.is_none();
        let fault = if last { frame.fault.take() } else { None };
        if frame.headers.is_empty() {
            self.ready.pop_front();
        }
        HashedBatch { path, offset, header, emptied, leaves, fault }
    }

    /// Reads some frames and hands them to the workers; false at the end or at a fault.
    fn read_group(&mut self) -> Result<bool, LedgerError> {
        let (mut frames, mut places) = (Vec::new(), Vec::new());
        let (mut bytes, mut leaves) = (0, 0);
        while bytes < GROUP_BYTES {
            let Some((path, file)) = &mut self.file else {
                let Some(first) = self.segments.pop_front() else { break };
                let path = segment_path(&self.ledger, self.stream, first);
                let file = SegmentFile::open(path.clone(), 0).at("open", &path)?;
                self.file = Some((path.into(), file));
                continue;
            };
            let frame = match file.frame() {
                Ok(Some(frame)) if frame.table.headers[0].first_leaf.0 >= self.end => {
                    self.segments.clear();
                    break;
                }
                Ok(Some(frame)) => frame,
                Ok(None) => {
                    let footer = std::mem::take(&mut self.footer);
                    if footer.leaves > 0 {
                        let wrong = match file.ending().at("read", path)? {
                            Ending::Open | Ending::SealedBare => false,
                            Ending::SealedWrong => true,
                            Ending::Sealed(found) => found != footer,
                        };
                        self.wrong_footers.extend(wrong.then(|| path.to_path_buf()));
                    }
                    // The last file stays: it tells where the stream ends.
                    if self.segments.is_empty() {
                        break;
                    }
                    self.file = None;
                    continue;
                }
                Err(FrameFault::Io(error)) => return Err(error).at("read", path),
                Err(fault) => {
                    self.fault = Some((path.clone(), file.offset(), fault));
                    break;
                }
            };
            let data = file.data(&frame).at("read", path)?;
            self.footer.add(&frame.table.headers, frame.offset, frame.end());
            places.push(Place { path: path.clone(), offset: frame.offset });
            bytes += u64::from(frame.table.content_bytes);
            leaves += frame
                .table
                .headers
                .iter()
                .map(|header| header.lengths.len() as u64 + 1)
                .sum::<u64>();
            frames.push((frame.table, data));
        }
        let Some((first, _)) = frames.first() else { return Ok(false) };
        let first_leaf = first.headers[0].first_leaf.0;
        let (done, answer) = sync_channel(1);
        self.jobs.send(Job { frames, done }).expect("workers live as long as streams");
        self.ahead.push_back(Group { first_leaf, places, bytes, leaves, done: answer });
        (self.ahead_bytes, self.ahead_leaves) =
            (self.ahead_bytes + bytes, self.ahead_leaves + leaves);
        Ok(true)
    }

    /// Returns the sealed segments read to their end whose footer is not what their frames make.
    pub(super) fn wrong_footers(&mut self) -> Vec<PathBuf> {
        std::mem::take(&mut self.wrong_footers)
    }

    /// Tells whether the stream ended at a fault.
    pub(super) fn is_faulty(&self) -> bool {
        self.fault.is_some()
    }

    /// Returns why the stream does not go on with leaf `next`, for when it ought to.
    pub(super) fn stuck(&self, next: u64) -> LedgerError {
        let (path, offset, problem) = match (&self.fault, &self.file) {
            (Some((path, offset, fault)), _) => {
                (path.to_path_buf(), *offset, format!("{fault}; the next leaf is {next}"))
            }
            (None, file) => {
                let folder = || (stream_folder(&self.ledger, self.stream), 0);
                let (path, offset) = file
                    .as_ref()
                    .map_or_else(folder, |(path, file)| (path.to_path_buf(), file.offset()));
                (
                    path,
                    offset,
                    format!("leaf {next} should be here or in the other stream, and is not"),
                )
            }
        };
        LedgerError::Corrupt { path, offset, problem }
    }
}
