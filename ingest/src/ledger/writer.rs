//! The one writer of a ledger.
//!
//! ```text
//!   append      compress, write, hash           nothing is promised yet
//!   flush       fsync the segments              everything appended survives a power failure
//!   checkpoint  flush, tiles, sign, replace     everything appended is provable
//! ```
//!
//! When to call which is the caller's to decide. After a write or fsync that failed, nobody knows what is on
//! disk (the kernel may have dropped the pages and will say "fine" the next time): the writer stops.
//! [`Ledger::reopen`] takes away what was not flushed and goes on from there.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::batch::{BATCH_BYTES_MAX, BATCH_LINES_MAX, BatchHeader};
use super::disk::{Disk, Syncs};
use super::error::{At, LedgerError};
use super::folder::{Folder, Lock, key_error};
use super::frame::{FrameEncoder, NOT_DURABLE_MAX};
use super::generations::{GenerationInfo, Generations};
use super::keys::{Handover, KeyChain, handovers_of_folder};
use super::mend::mend;
use super::note::{Checkpoint, NoteSigner, VerifierKey, origin_after};
use super::reader::LedgerReader;
use super::recover::recover;
use super::seal::{OpenSegments, Sealer};
use super::stream_writer::StreamWriter;
use super::tiles::{Edge, TileFiles, edges_of};
use super::tree::{Tree, leaf_hash};
use super::{Appended, NewBatch, OWN_SOURCE, Stream};
use crate::source::{Generation, LEAF_BYTES_MAX, LeafIndex};

/// A new segment is begun once one has this many bytes.
pub const SEGMENT_BYTES: u64 = 64 << 20;
/// So much is written without an fsync at most, should the caller never ask for one.
const UNFLUSHED_BYTES_MAX: u64 = 64 << 20;

/// The one writer of a ledger.
pub struct Ledger {
    folder: Folder,
    signer: NoteSigner,
    _lock: Lock,
    segment_bytes: u64,
    tree: Tree,
    tiles: TileFiles,
    /// The unfinished tiles on disk.
    edges_on_disk: Vec<Edge>,
    generations: Generations,
    streams: [StreamWriter; 2],
    encoder: FrameEncoder,
    frame: Vec<u8>,
    checkpoint: Option<Checkpoint>,
    durable: Arc<AtomicU64>,
    /// What the sealer keeps its hands off.
    open_segments: OpenSegments,
    unflushed_bytes: u64,
    written_bytes: u64,
    stopped: bool,
}

impl Ledger {
    /// Opens the ledger of a data folder for writing, and makes it where there is none.
    ///
    /// # Errors
    /// Another process writes here; the folder is another cluster's; the ledger is damaged; no room, no right.
    pub fn open(data: &Path, cluster: &str) -> Result<Ledger, LedgerError> {
        Ledger::open_with(data, cluster, SEGMENT_BYTES)
    }

    /// Like [`Ledger::open`], with segments of about this many bytes.
    ///
    /// # Errors
    /// See [`Ledger::open`].
    pub fn open_with(
        data: &Path,
        cluster: &str,
        segment_bytes: u64,
    ) -> Result<Ledger, LedgerError> {
        Ledger::open_on(&Disk::default(), data, cluster, segment_bytes)
    }

    /// Like [`Ledger::open_with`], on this file system.
    pub(crate) fn open_on(
        disk: &Disk,
        data: &Path,
        cluster: &str,
        segment_bytes: u64,
    ) -> Result<Ledger, LedgerError> {
        let (folder, signer, lock) = Folder::open_or_create(disk, data, cluster)?;
        let mut ledger = Ledger {
            _lock: lock,
            segment_bytes,
            tree: Tree::default(),
            tiles: TileFiles::on(disk, &folder.ledger),
            edges_on_disk: Vec::new(),
            generations: Generations::default(),
            streams: Stream::ALL.map(|stream| StreamWriter::new(disk, stream)),
            encoder: FrameEncoder::new().at("start to compress for", data)?,
            frame: Vec::new(),
            checkpoint: None,
            durable: Arc::new(AtomicU64::new(0)),
            open_segments: Arc::new(Stream::ALL.map(|_| AtomicU64::new(u64::MAX))),
            unflushed_bytes: 0,
            written_bytes: 0,
            stopped: true,
            signer,
            folder,
        };
        ledger.load()?;
        Ok(ledger)
    }

    /// Goes on after a write or fsync that failed: takes away what was not flushed, and reads the rest from
    /// disk again. What was appended since the last [`Ledger::flush`] must be appended again; how far that one
    /// reached, [`Ledger::durable`] tells. The lock is kept, so nobody else can have written meanwhile.
    ///
    /// # Errors
    /// The disk still refuses (this may be called again), or the ledger is damaged.
    pub fn reopen(&mut self) -> Result<(), LedgerError> {
        self.stopped = true;
        let durable = self.durable();
        for writer in &mut self.streams {
            writer.back_to_durable(&self.folder.ledger, durable)?;
        }
        self.load()
    }

    /// Reads what is on disk, recovers from a crash, and signs what was not signed.
    fn load(&mut self) -> Result<(), LedgerError> {
        let checkpoint = self.folder.checkpoint()?;
        let handovers = handovers_of_folder(&self.folder.data)?;
        let keys = KeyChain::new(self.signer.verifier(), handovers);
        if checkpoint.as_ref().is_some_and(|checkpoint| keys.signer_of(checkpoint).is_none()) {
            let problem = "it is not signed by this folder's key".to_owned();
            let path = self.folder.checkpoint_path();
            return Err(LedgerError::Corrupt { path, offset: 0, problem });
        }
        let recovered = recover(&self.folder, checkpoint.as_ref())?;
        self.streams = Stream::ALL.map(|stream| StreamWriter::new(&self.folder.disk, stream));
        for (writer, end) in self.streams.iter_mut().zip(&recovered.ends) {
            if let Some(end) = end {
                writer.go_on(&self.folder, end)?;
            }
        }
        self.tell_sealer();
        // The checkpoint's own may be lost: they are not all fsynced.
        self.tiles.write_edges(&recovered.tree, &mut Vec::new())?;
        self.tree = recovered.tree;
        self.generations = recovered.generations;
        self.edges_on_disk = edges_of(checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.size));
        self.checkpoint = checkpoint;
        self.unflushed_bytes = 0;
        self.stopped = false;
        self.checkpoint()?;
        mend(&self.folder.ledger, &self.tiles, self.size())
    }

    /// Appends a batch. It counts once [`Ledger::flush`] has returned.
    ///
    /// # Errors
    /// [`LedgerError::Refused`] if the batch contradicts itself or its generation, with nothing written; else
    /// the write failed, and the writer has stopped.
    pub fn append(&mut self, batch: &NewBatch<'_>) -> Result<Appended, LedgerError> {
        self.running()?;
        check(batch)?;
        let over =
            |writer: &StreamWriter| writer.is_over(self.segment_bytes, batch.arrived_unix_ns);
        if self.streams.iter().any(over) {
            self.finish_segments()?;
        }
        if self.tree.size() - self.durable() > NOT_DURABLE_MAX {
            self.flush()?;
        }
        let first_leaf = LeafIndex(self.tree.size());
        let known = batch.generation.and_then(|generation| self.generations.get(generation));
        let header = BatchHeader {
            stream: batch.stream,
            first_leaf,
            source: known.map_or_else(|| batch.source.into(), |known| known.source.clone()),
            generation: batch.generation.unwrap_or(Generation(first_leaf.0)),
            parent: batch.parent.or(known.and_then(|known| known.parent)),
            offset: batch.offset,
            reader: batch.reader,
            arrived_unix_ns: batch.arrived_unix_ns,
            continued: batch.continued,
            unterminated: batch.unterminated,
            root_before: self.tree.root(),
            lengths: batch.lines.lengths.clone(),
        };
        if batch.generation.is_some() && known.is_none_or(|known| &*known.source != batch.source) {
            return Err(LedgerError::Refused(format!(
                "generation {} is none of {}",
                header.generation.0, batch.source
            )));
        }
        self.generations.add(&header).map_err(LedgerError::Refused)?;
        self.stopped = true;
        self.write(&header, &batch.lines.bytes)?;
        self.stopped = false;
        self.tree.push(header.leaf_hash());
        batch.lines.iter().for_each(|line| self.tree.push(leaf_hash(line)));
        if self.unflushed_bytes > UNFLUSHED_BYTES_MAX {
            self.flush()?;
        }
        let first_line = LeafIndex(first_leaf.0 + 1);
        Ok(Appended {
            header: first_leaf,
            first_line,
            generation: header.generation,
            end: self.tree.size(),
        })
    }

    fn write(&mut self, header: &BatchHeader, lines: &[u8]) -> Result<(), LedgerError> {
        let writer = &mut self.streams[header.stream as usize];
        let headers = std::slice::from_ref(header);
        let not_durable = header.first_leaf.0 - self.durable.load(Ordering::Acquire);
        let not_durable = u16::try_from(not_durable).expect("a flush comes before that");
        let encoded = self.encoder.encode(headers, lines, not_durable, &mut self.frame);
        encoded.at("compress for", &self.folder.ledger)?;
        let (first_leaf, arrived) = (header.first_leaf.0, header.arrived_unix_ns);
        writer.write(&self.folder.ledger, first_leaf, arrived, &self.frame)?;
        // Before any of it can be signed.
        self.tell_sealer();
        self.unflushed_bytes += self.frame.len() as u64;
        self.written_bytes += self.frame.len() as u64;
        Ok(())
    }

    /// Writes no more to the segments at hand, in both streams: what follows goes into new ones. Segments that
    /// are over are left at the same leaf, so that a later opening need not look into one for the other's sake.
    fn finish_segments(&mut self) -> Result<(), LedgerError> {
        self.flush()?;
        self.streams.iter_mut().for_each(StreamWriter::finish);
        self.tell_sealer();
        Ok(())
    }

    /// Returns who seals segments of this ledger, on a thread of its own if that is wanted.
    ///
    /// # Errors
    /// The checkpoint cannot be read.
    pub fn sealer(&self) -> Result<Sealer, LedgerError> {
        let (disk, ledger) = (self.folder.disk.clone(), &self.folder.ledger);
        Ok(Sealer::new(disk, ledger, self.reader()?, Arc::clone(&self.open_segments)))
    }

    fn tell_sealer(&self) {
        for (open, writer) in self.open_segments.iter().zip(&self.streams) {
            open.store(writer.open_segment(), Ordering::Release);
        }
    }

    /// Leaves segments that are over by this time, should nothing be appended that would do so.
    ///
    /// # Errors
    /// An fsync failed; the writer has stopped.
    pub fn finish_old_segments(&mut self, now_unix_ns: i64) -> Result<(), LedgerError> {
        self.running()?;
        let over = |writer: &StreamWriter| writer.is_over(self.segment_bytes, now_unix_ns);
        if self.streams.iter().any(over) { self.finish_segments() } else { Ok(()) }
    }

    /// Makes everything appended durable, and returns how many leaves that is.
    ///
    /// # Errors
    /// An fsync failed; the writer has stopped.
    pub fn flush(&mut self) -> Result<u64, LedgerError> {
        self.running()?;
        self.stopped = true;
        for writer in &mut self.streams {
            writer.sync(&self.folder.ledger)?;
        }
        // Tiles are no part of what is promised; they are written here so that they do not pile up.
        let full = self.tree.take_full();
        for tile in &full {
            self.tiles.write_full(tile)?;
        }
        self.stopped = false;
        self.unflushed_bytes = 0;
        self.durable.store(self.tree.size(), Ordering::Release);
        Ok(self.tree.size())
    }

    /// Makes everything appended durable and signs it. Without anything new, the last checkpoint stands.
    ///
    /// # Errors
    /// A write or fsync failed; the writer has stopped.
    pub fn checkpoint(&mut self) -> Result<Checkpoint, LedgerError> {
        let size = self.flush()?;
        // One that the key's predecessor signed is signed again.
        let stands = |checkpoint: &&Checkpoint| {
            checkpoint.size == size && self.signer.verifier().verifies(&checkpoint.note)
        };
        if let Some(checkpoint) = self.checkpoint.as_ref().filter(stands) {
            return Ok(checkpoint.clone());
        }
        self.stopped = true;
        let before = self.edges_on_disk.clone();
        self.tiles.write_edges(&self.tree, &mut self.edges_on_disk)?;
        let checkpoint = self.signer.checkpoint(size, &self.tree.root());
        let path = self.folder.checkpoint_path();
        self.folder.disk.replace_synced(&path, checkpoint.note.as_bytes())?;
        self.tiles.remove_replaced(&before, &self.edges_on_disk)?;
        self.stopped = false;
        self.checkpoint = Some(checkpoint.clone());
        Ok(checkpoint)
    }

    /// Returns how many leaves are durable: those of the last flush.
    pub fn durable(&self) -> u64 {
        self.durable.load(Ordering::Acquire)
    }

    /// Signs with a new key from here on. The old one's secret is overwritten.
    ///
    /// # Errors
    /// A write or fsync failed; the writer has stopped.
    pub fn rotate_key(&mut self) -> Result<Handover, LedgerError> {
        let checkpoint = self.checkpoint()?;
        let path = self.folder.signing_key_path();
        let new = NoteSigner::generate(self.folder.origin()).at("make a key for", &path)?;
        self.stopped = true;
        let keys = KeyChain::of_folder(&self.folder.data)?;
        let handover = self.folder.hand_over(&keys, Some(&self.signer), &new, &checkpoint)?;
        self.stopped = false;
        self.signer = new;
        self.checkpoint()?;
        Ok(handover)
    }

    /// Opens a ledger whose history goes on under another name, since under the present one another may have been
    /// signed, or its key is lost: then with a new key, else with the same. Checkpoints of the old name stay
    /// what they are; none of the new name can be taken for one of the old.
    ///
    /// # Errors
    /// See [`Ledger::open`].
    pub fn open_new_origin(data: &Path) -> Result<(Ledger, Handover), LedgerError> {
        let handover = {
            let mut folder = Folder::open(data)?;
            let _lock = Lock::take(data)?;
            let keys = KeyChain::of_folder(data)?;
            let checkpoint = folder
                .checkpoint()?
                .ok_or_else(|| LedgerError::Missing { data: data.to_owned() })?;
            let path = folder.signing_key_path();
            let name = origin_after(&folder.cluster, folder.origin());
            let old = folder.signer()?;
            let new = match &old {
                Some(old) if old.verifier() == *keys.current() => old.renamed(&name),
                Some(_) => {
                    return Err(key_error(&path, "this is not the secret part of verifier.key"));
                }
                None => NoteSigner::generate(&name).at("make a key for", &path)?,
            };
            folder.hand_over(&keys, old.as_ref(), &new, &checkpoint)?
        };
        let cluster = Folder::open(data)?.cluster;
        Ok((Ledger::open(data, &cluster)?, handover))
    }

    /// Returns the number of leaves, appended ones included.
    pub fn size(&self) -> u64 {
        self.tree.size()
    }

    /// Returns what is known of each generation, appended batches included, in the order of their first leaves.
    pub fn generations(&self) -> impl Iterator<Item = &GenerationInfo> {
        self.generations.iter()
    }

    /// Returns a reader that sees what this writer has flushed, before it is signed.
    ///
    /// # Errors
    /// The checkpoint cannot be read.
    pub fn reader(&self) -> Result<LedgerReader, LedgerError> {
        LedgerReader::of_folder(Folder::open(&self.folder.data)?, Some(self.durable.clone()))
    }

    /// Returns the last checkpoint.
    pub fn last_checkpoint(&self) -> &Checkpoint {
        self.checkpoint.as_ref().expect("opening makes one")
    }

    /// Returns the public key of the checkpoints.
    pub fn verifier_key(&self) -> VerifierKey {
        self.signer.verifier()
    }

    /// Returns how many bytes are on disk that are not durable yet.
    pub fn unflushed_bytes(&self) -> u64 {
        self.unflushed_bytes
    }

    /// Returns how many bytes this writer has written to segments.
    pub fn written_bytes(&self) -> u64 {
        self.written_bytes
    }

    /// Returns how often this writer, and the sealer beside it, made something durable.
    pub fn syncs(&self) -> Syncs {
        self.folder.disk.syncs()
    }

    /// Tells whether a write has failed, so that nothing goes before [`Ledger::reopen`].
    pub fn is_stopped(&self) -> bool {
        self.stopped
    }

    fn running(&self) -> Result<(), LedgerError> {
        if self.stopped { Err(LedgerError::Stopped) } else { Ok(()) }
    }
}

/// Refuses a batch that contradicts itself.
fn check(batch: &NewBatch<'_>) -> Result<(), LedgerError> {
    let NewBatch { stream, source, lines, .. } = batch;
    let total: u64 = lines.lengths.iter().map(|&length| u64::from(length)).sum();
    let problem = if lines.is_empty() || lines.lengths.contains(&0) {
        "it has no line, or an empty one"
    } else if total != lines.bytes.len() as u64 {
        "the lengths of its lines are not those of its bytes"
    } else if lines.bytes.len() > BATCH_BYTES_MAX || lines.len() > BATCH_LINES_MAX {
        "it is too large"
    } else if lines.lengths.iter().any(|&length| length as usize > LEAF_BYTES_MAX) {
        "a line is longer than 64 MiB"
    } else if source.is_empty() || u16::try_from(source.len()).is_err() {
        "its source has no name, or one that is too long"
    } else if (*source == OWN_SOURCE) != (*stream == Stream::Own) {
        "keytrail's own lines, and they alone, are of the source \"keytrail\""
    } else {
        return Ok(());
    };
    Err(LedgerError::Refused(problem.to_owned()))
}
