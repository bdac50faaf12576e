//! Reading the ledger: by number, in order, or by generation. Needs no lock and writes nothing.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use super::batches::{Batches, OwnBatches};
use super::cache::{FrameCache, ReadFrame, ReadLeaf};
use super::error::LedgerError;
use super::folder::Folder;
use super::generations::{GenerationInfo, Generations};
use super::hashes::CheckedTiles;
use super::line_hashes::LineHashes;
use super::note::Checkpoint;
use super::places::Places;
use super::sealed_part::SealedPart;
use super::segment::{ending, list_segments, segment_path};
use super::tiles::TileFiles;
use super::tree::{Hash, TILE_HEIGHT, leaf_hash};
use super::walk::{Cursor, Walk};
use super::{OWN_SOURCE, StoredLine, Stream};
use crate::source::{Generation, LeafIndex, Reader};

/// Decompressed frames that a reader keeps.
const CACHE_BYTES: usize = 64 << 20;

/// Reads a ledger, also while it is being written. Clones share what they have read.
#[derive(Clone)]
pub struct LedgerReader {
    inner: Arc<Inner>,
}

struct Inner {
    folder: Folder,
    origin: String,
    /// How many leaves the writer in this process has made durable; absent if it is another process's.
    durable: Option<Arc<AtomicU64>>,
    /// It stays what it is, however the ledger grows.
    is_fixed: bool,
    seen: RwLock<Arc<Seen>>,
    places: [Places; 2],
    cache: Mutex<FrameCache>,
    generations: Mutex<KnownGenerations>,
}

/// The checkpoint read last, and the tiles under it, if they are whole.
pub(super) struct Seen {
    pub(super) checkpoint: Checkpoint,
    pub(super) tiles: Option<CheckedTiles>,
}

/// Generations of the leaves below `to`.
#[derive(Default)]
struct KnownGenerations {
    to: u64,
    generations: Generations,
}

impl LedgerReader {
    /// Opens the ledger of a data folder as far as its checkpoint.
    ///
    /// # Errors
    /// [`LedgerError::Missing`] if there is none; unreadable or unknown files.
    pub fn open(data: &Path) -> Result<LedgerReader, LedgerError> {
        LedgerReader::of_folder(Folder::open(data)?, None)
    }

    /// Opens the ledger of a data folder as it was when it had so many leaves: nothing that came later is read, now or
    /// after a refresh.
    ///
    /// # Errors
    /// As [`LedgerReader::open`]; there are not so many leaves; [`LedgerError::WithinBatch`]: the ledger never had exactly
    /// so many.
    pub fn open_as_of(data: &Path, size: u64) -> Result<LedgerReader, LedgerError> {
        let now = LedgerReader::open(data)?;
        let checkpoint = now.tree(size)?;
        if let Some(last) = size.checked_sub(1) {
            let frame = now.frame(LeafIndex(last))?;
            let (header, _) = frame.find(last).expect("the frame was chosen for this leaf");
            let (begin, end) = (header.first_leaf.0, header.end());
            if end != size {
                return Err(LedgerError::WithinBatch { size, begin, end });
            }
        }
        let mut inner = Arc::into_inner(now.inner).expect("nobody else has what was just opened");
        let seen = inner.seen.into_inner().unwrap_or_else(PoisonError::into_inner);
        let tiles = Arc::into_inner(seen).and_then(|seen| seen.tiles);
        inner.seen = RwLock::new(Arc::new(Seen { checkpoint, tiles }));
        inner.is_fixed = true;
        Ok(LedgerReader { inner: Arc::new(inner) })
    }

    pub(super) fn of_folder(
        folder: Folder,
        durable: Option<Arc<AtomicU64>>,
    ) -> Result<LedgerReader, LedgerError> {
        let seen = Seen::read(&folder)?;
        let places = Stream::ALL.map(|stream| Places::new(&folder.ledger, stream));
        let inner = Inner {
            origin: folder.origin().to_owned(),
            folder,
            durable,
            is_fixed: false,
            seen: RwLock::new(Arc::new(seen)),
            places,
            cache: Mutex::new(FrameCache::new(CACHE_BYTES)),
            generations: Mutex::default(),
        };
        Ok(LedgerReader { inner: Arc::new(inner) })
    }

    /// Takes notice of what was written since, and returns how many leaves can be read.
    ///
    /// # Errors
    /// The checkpoint cannot be read.
    pub fn refresh(&self) -> Result<u64, LedgerError> {
        if !self.inner.is_fixed && self.checkpoint()? != self.seen().checkpoint {
            let seen = Seen::read(&self.inner.folder)?;
            *self.inner.seen.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(seen);
        }
        Ok(self.size())
    }

    /// Returns how many leaves can be read.
    pub fn size(&self) -> u64 {
        let durable =
            self.inner.durable.as_ref().map_or(0, |durable| durable.load(Ordering::Acquire));
        self.seen().checkpoint.size.max(durable)
    }

    /// Returns the cluster whose ledger this is.
    pub fn cluster(&self) -> &str {
        &self.inner.folder.cluster
    }

    /// Returns the ledger's name, `keytrail/<cluster>`.
    pub fn origin(&self) -> &str {
        &self.inner.origin
    }

    /// Returns the checkpoint as it stands on disk now.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn checkpoint(&self) -> Result<Checkpoint, LedgerError> {
        self.inner
            .folder
            .checkpoint()?
            .ok_or_else(|| LedgerError::Missing { data: self.inner.folder.data.clone() })
    }

    /// Returns a line by its leaf.
    ///
    /// # Errors
    /// The leaf is beyond the end or a header; the ledger is damaged or unreadable.
    pub fn line(&self, leaf: LeafIndex) -> Result<StoredLine, LedgerError> {
        let frame = self.frame(leaf)?;
        let (header, found) = frame.find(leaf.0).expect("the frame was chosen for this leaf");
        let (bytes, within) = match found {
            ReadLeaf::Line { bytes, within } => (bytes.to_vec(), within),
            ReadLeaf::Header => return Err(LedgerError::NotALine { leaf }),
            ReadLeaf::Removed(_) => return Err(LedgerError::Removed { leaf }),
        };
        Ok(StoredLine {
            leaf,
            source: header.source.clone(),
            generation: header.generation,
            offset: header.offset + within as u64,
            reader: header.reader,
            arrived_unix_ns: header.arrived_unix_ns,
            bytes,
        })
    }

    /// Returns who brought the batch of a leaf, also if its lines were removed.
    ///
    /// # Errors
    /// The leaf is beyond the end; the ledger is damaged or unreadable.
    pub fn reader_of(&self, leaf: LeafIndex) -> Result<Reader, LedgerError> {
        let frame = self.frame(leaf)?;
        let (header, _) = frame.find(leaf.0).expect("the frame was chosen for this leaf");
        Ok(header.reader)
    }

    /// Returns when the batch of a leaf arrived, in nanoseconds since 1970.
    ///
    /// # Errors
    /// The leaf is beyond the end; the ledger is damaged or unreadable.
    pub fn arrived(&self, leaf: LeafIndex) -> Result<i64, LedgerError> {
        let frame = self.frame(leaf)?;
        let (header, _) = frame.find(leaf.0).expect("the frame was chosen for this leaf");
        Ok(header.arrived_unix_ns)
    }

    /// Returns the root of a full tile of leaf hashes, as the tile above has it; `None` if that is missing or wrong.
    pub(super) fn signed_tile_root(&self, tile: u64) -> Option<Hash> {
        self.seen().tiles.as_ref()?.node(TILE_HEIGHT, tile)
    }

    /// Returns the leaf below which every line of the servers is in a sealed segment.
    ///
    /// # Errors
    /// The segments cannot be read.
    pub fn sealed(&self) -> Result<u64, LedgerError> {
        let ledger = &self.inner.folder.ledger;
        for first in list_segments(ledger, Stream::Lines)? {
            if !ending(&segment_path(ledger, Stream::Lines, first))?.is_sealed() {
                return Ok(first);
            }
        }
        Ok(self.size())
    }

    /// Returns when lines began to arrive at the rate of the last `span_ns` before `now_ns`, and about how many of
    /// their bytes since; nothing if none arrived. Found by halving, since arrival times ascend but for a clock
    /// that is set back.
    ///
    /// # Errors
    /// The ledger is damaged or unreadable.
    pub fn arrived_within(
        &self,
        now_ns: i64,
        span_ns: i64,
    ) -> Result<Option<(i64, u64)>, LedgerError> {
        let size = self.size();
        let arrived = |leaf| {
            let mut walk = self.walk(leaf, size)?;
            let Some(cursor) = walk.turn()? else { return Err(walk.stuck()) };
            Ok::<_, LedgerError>(cursor.peek()?.map(|header| header.arrived_unix_ns))
        };
        let (mut low, mut high) = (0, size);
        while low < high {
            let middle = low + (high - low) / 2;
            match arrived(middle)? {
                Some(at) if at < now_ns.saturating_sub(span_ns) => low = middle + 1,
                _ => high = middle,
            }
        }
        let Some(first) = (if low < size { arrived(low)? } else { None }) else { return Ok(None) };
        let bytes: u64 = self.generations()?.iter().map(|info| info.end - info.start).sum();
        let share = u128::from(bytes) * u128::from(size - low) / u128::from(size);
        Ok(Some((first, share as u64)))
    }

    /// Returns a leaf's hash from its tile, and nothing else; `None` if that is missing, wrong, or not signed yet.
    pub(super) fn signed_leaf_hash(&self, leaf: LeafIndex) -> Option<Hash> {
        self.seen().tiles.as_ref()?.leaf(leaf.0)
    }

    /// Returns a leaf's hash: from its tile, or from the leaf itself if the tile is missing or wrong.
    ///
    /// # Errors
    /// The leaf is beyond the end; the ledger is damaged or unreadable.
    pub fn leaf_hash(&self, leaf: LeafIndex) -> Result<Hash, LedgerError> {
        if let Some(hash) = self.tile_hash(leaf.0) {
            return Ok(hash);
        }
        let frame = self.frame(leaf)?;
        let (header, found) = frame.find(leaf.0).expect("the frame was chosen for this leaf");
        Ok(match found {
            ReadLeaf::Header => header.leaf_hash(),
            ReadLeaf::Line { bytes, .. } => leaf_hash(bytes),
            ReadLeaf::Removed(hash) => hash,
        })
    }

    /// Returns a leaf's hash from its tile, if the tile is there and right.
    pub(super) fn tile_hash(&self, leaf: u64) -> Option<Hash> {
        self.seen().tiles.as_ref().and_then(|tiles| tiles.leaf(leaf))
    }

    /// Returns a leaf's data: a line's bytes, or an encoded batch header.
    pub(super) fn leaf_data(&self, leaf: LeafIndex) -> Result<Vec<u8>, LedgerError> {
        let frame = self.frame(leaf)?;
        let (header, found) = frame.find(leaf.0).expect("the frame was chosen for this leaf");
        match found {
            ReadLeaf::Line { bytes, .. } => Ok(bytes.to_vec()),
            ReadLeaf::Removed(_) => Err(LedgerError::Removed { leaf }),
            ReadLeaf::Header => {
                let mut encoded = Vec::new();
                header.encode(&mut encoded);
                Ok(encoded)
            }
        }
    }

    /// Returns the batches from the one that holds this leaf on, in the order of their leaves, up to what can
    /// be read now. The first batch is whole, also if `from` is in its middle.
    pub fn batches(&self, from: LeafIndex) -> Batches {
        let size = self.size();
        Batches::new(self.walk(from.0, size), size)
    }

    /// Returns the batches of keytrail's own lines from the one that holds this leaf, or the next, on.
    ///
    /// # Errors
    /// The ledger is unreadable; so may each item tell.
    pub fn own_batches(&self, from: LeafIndex) -> Result<OwnBatches, LedgerError> {
        let size = self.size();
        Ok(OwnBatches::new(self.cursor(Stream::Own, from.0, size)?, from.0, size))
    }

    /// Returns how many of the first `leaf` leaves are lines of a stream, by the headers of their batches. Lines that retention
    /// removed are counted too, since their headers stay.
    ///
    /// # Errors
    /// There are fewer leaves; the ledger is damaged or unreadable.
    pub fn lines_below(&self, stream: Stream, leaf: LeafIndex) -> Result<u64, LedgerError> {
        let size = self.size();
        if leaf.0 > size {
            return Err(LedgerError::OutOfRange { leaf, size });
        }
        // What is added up already is asked, less what came after: mostly next to nothing.
        if leaf.0 <= size / 2 {
            return self.lines_within(stream, 0, leaf.0, size);
        }
        let known = self.known_generations()?;
        let is_own = stream == Stream::Own;
        let its = known.generations.iter().filter(|info| (&*info.source == OWN_SOURCE) == is_own);
        let (all, to) = (its.map(|info| info.lines).sum::<u64>(), known.to);
        drop(known);
        Ok(all - self.lines_within(stream, leaf.0, to, to)?)
    }

    fn lines_within(
        &self,
        stream: Stream,
        from: u64,
        to: u64,
        size: u64,
    ) -> Result<u64, LedgerError> {
        let mut lines = 0;
        if from >= to {
            return Ok(lines);
        }
        let mut walk = self.walk(from, size)?;
        while walk.next < to {
            let Some(cursor) = walk.turn()? else { return Err(walk.stuck()) };
            let header = cursor.pass();
            walk.next = header.end();
            if header.stream == stream {
                let first = (header.first_leaf.0 + 1).max(from);
                lines += header.end().min(to).saturating_sub(first);
            }
        }
        Ok(lines)
    }

    /// Returns what is known of each generation, in the order of their first leaves.
    ///
    /// # Errors
    /// The ledger is damaged or unreadable.
    pub fn generations(&self) -> Result<Vec<GenerationInfo>, LedgerError> {
        Ok(self.known_generations()?.generations.iter().cloned().collect())
    }

    /// Returns one generation; none for an unknown one.
    ///
    /// # Errors
    /// As [`LedgerReader::generations`].
    pub fn generation(
        &self,
        generation: Generation,
    ) -> Result<Option<GenerationInfo>, LedgerError> {
        Ok(self.known_generations()?.generations.get(generation).cloned())
    }

    /// Returns the generations whose number is this or a larger one, in their order.
    ///
    /// # Errors
    /// As [`LedgerReader::generations`].
    pub fn generations_from(&self, number: u64) -> Result<Vec<GenerationInfo>, LedgerError> {
        Ok(self.known_generations()?.generations.from(number).cloned().collect())
    }

    /// Returns the end offset and hash of each line of a generation, from its file's first line on: the
    /// lines that it shares with its parent come from there. Nothing for an unknown generation.
    ///
    /// A file is compared with what is known of it by this; lines are not read.
    ///
    /// # Errors
    /// The ledger is damaged or unreadable; so may each item tell.
    pub fn line_hashes(&self, generation: Generation) -> Result<LineHashes, LedgerError> {
        let known = self.known_generations()?;
        let mut parts = Vec::new();
        let mut limit = u64::MAX;
        let mut next = known.generations.get(generation);
        while let Some(info) = next {
            parts.push((info.clone(), limit));
            limit = limit.min(info.start);
            next = info.parent.and_then(|parent| known.generations.get(parent));
        }
        drop(known);
        Ok(LineHashes::new(self.clone(), parts))
    }

    fn known_generations(&self) -> Result<MutexGuard<'_, KnownGenerations>, LedgerError> {
        let size = self.size();
        let mut known = self.inner.generations.lock().unwrap_or_else(PoisonError::into_inner);
        if known.to == 0 && size > 0 {
            let ledger = &self.inner.folder.ledger;
            let [lines, own] = Stream::ALL.map(|stream| list_segments(ledger, stream));
            let SealedPart { end, generations } = SealedPart::read(ledger, &[lines?, own?], size)?;
            *known = KnownGenerations { to: end, generations };
        }
        if known.to < size {
            let mut walk = self.walk(known.to, size)?;
            while known.to < size {
                let Some(cursor) = walk.turn()? else { return Err(walk.stuck()) };
                let (path, offset) = (cursor.path(), cursor.offset());
                let header = cursor.pass();
                let added = known.generations.add(&header);
                added.map_err(|problem| LedgerError::Corrupt { path, offset, problem })?;
                known.to = header.end();
                walk.next = header.end();
            }
        }
        Ok(known)
    }

    fn frame(&self, leaf: LeafIndex) -> Result<Arc<ReadFrame>, LedgerError> {
        let size = self.size();
        if leaf.0 >= size {
            return Err(LedgerError::OutOfRange { leaf, size });
        }
        let lock = || self.inner.cache.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(frame) = lock().get(leaf.0) {
            return Ok(frame);
        }
        for stream in Stream::ALL {
            let mut cursor = self.cursor(stream, leaf.0, size)?;
            if let Some(frame) = cursor.frame_with(leaf.0)? {
                let frame = Arc::new(frame);
                lock().put(frame.clone());
                return Ok(frame);
            }
        }
        Err(self.walk(leaf.0, size)?.stuck())
    }

    /// Starts at the batch that holds a leaf.
    pub(super) fn walk(&self, leaf: u64, size: u64) -> Result<Walk, LedgerError> {
        let [lines, own] = Stream::ALL.map(|stream| self.cursor(stream, leaf, size));
        Walk::from_leaf([lines?, own?], leaf)
    }

    /// Starts in one stream at the last frame that begins at or before a leaf.
    pub(super) fn cursor(
        &self,
        stream: Stream,
        leaf: u64,
        size: u64,
    ) -> Result<Cursor, LedgerError> {
        self.inner.places[stream as usize].cursor(leaf, size)
    }

    pub(super) fn data(&self) -> &Path {
        &self.inner.folder.data
    }

    pub(super) fn seen(&self) -> Arc<Seen> {
        self.inner.seen.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Seen {
    fn read(folder: &Folder) -> Result<Seen, LedgerError> {
        let checkpoint = folder
            .checkpoint()?
            .ok_or_else(|| LedgerError::Missing { data: folder.data.clone() })?;
        let tiles =
            CheckedTiles::open(TileFiles::new(&folder.ledger), checkpoint.size, &checkpoint.root);
        if tiles.is_none() {
            tracing::warn!(
                "the tiles of {} do not make the checkpoint's root: reading hashes from the lines instead",
                folder.ledger.display()
            );
        }
        Ok(Seen { checkpoint, tiles })
    }
}
