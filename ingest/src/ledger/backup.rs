//! A copy of the ledger as of a checkpoint, made while the writer goes on.
//!
//! ```text
//!   keys, checkpoint read → segments → tiles → keys, checkpoint, format written
//!   ▲                          │ one was sealed or emptied meanwhile, so that it says more than
//!   └──────────────────────────┘ the checkpoint; or the key changed: once more, with what is new
//! ```
//!
//! A copy is a data folder of its own. Made again into the same place, only what changed is written: a sealed
//! segment with the same footer is the same, and so is a tile with the same hashes.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::Stream;
use super::disk::Disk;
use super::error::{At, LedgerError};
use super::folder::{Folder, Lock, read_at_most};
use super::footer::Ending;
use super::keys::KeyChain;
use super::note::Checkpoint;
use super::reader::{LedgerReader, Seen};
use super::segment::{SegmentFile, ending, list_segments, segment_path, stream_folder};
use super::tiles::{TileFiles, edges_of};
use super::tree::{FullTile, TILE_HEIGHT, Tree};

/// Files below the data folder that are small and not made from others.
const KEYS: [&str; 2] = ["keys/verifier.key", "keys/handovers"];
const SIGNING_KEY: &str = "keys/signing.key";
const COSIGNED: &str = "ledger/cosigned";
/// None of them is longer.
const SMALL_BYTES: u64 = 16 << 20;
/// How often to begin again. A segment is sealed each few seconds at most, and takes less to copy.
const ROUNDS_MAX: usize = 100;
const CHUNK_BYTES: u64 = 1 << 20;

/// What a backup did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backup {
    /// What the copy holds: the leaves under this checkpoint.
    pub checkpoint: Checkpoint,
    /// Segments and tiles written.
    pub written: u64,
    /// Their bytes.
    pub written_bytes: u64,
    /// Segments and tiles that were there already.
    pub kept: u64,
    /// The copy holds the signing key.
    pub with_keys: bool,
}

/// Copies the ledger of a data folder into a folder, without its index: the leaves under the last checkpoint, and
/// with `with_keys` the signing key, which a copy that has it once goes on to get. Needs no lock on the data folder.
/// `progress` is told the bytes of segments looked at and in all.
///
/// # Errors
/// The folder holds something else, or a ledger of which this one is no extension; the ledger is damaged where it
/// was looked at; the disk refuses. What was copied then stays, and the next backup goes on with it.
pub fn backup(
    data: &Path,
    to: &Path,
    with_keys: bool,
    progress: &dyn Fn(u64, u64),
) -> Result<Backup, LedgerError> {
    backup_on(Disk::default(), data, to, with_keys, progress)
}

/// Like [`backup`], onto this file system.
pub(super) fn backup_on(
    disk: Disk,
    data: &Path,
    to: &Path,
    with_keys: bool,
    progress: &dyn Fn(u64, u64),
) -> Result<Backup, LedgerError> {
    let reader = LedgerReader::open(data)?;
    let [from, into] = [data, to].map(std::path::absolute);
    let (from, into) = (from.at("find", data)?, into.at("find", to)?);
    if into.starts_with(&from) || from.starts_with(&into) {
        return Err(unfit(to, "it is the data folder itself, or one is within the other"));
    }
    disk.make_folder(to)?;
    let _lock = Lock::take(to)?;
    let before = earlier(&reader, to)?;
    let mut copy = Copy {
        disk,
        data,
        to,
        round: Round::default(),
        done: Backup {
            checkpoint: reader.checkpoint()?,
            written: 0,
            written_bytes: 0,
            kept: 0,
            with_keys: with_keys || to.join(SIGNING_KEY).exists(),
        },
    };
    for _ in 0..ROUNDS_MAX {
        let small = copy.small()?;
        reader.refresh()?;
        let seen = reader.seen();
        copy.segments(&seen.checkpoint, progress)?;
        if copy.round.again || copy.small()?[..KEYS.len() + 1] != small[..KEYS.len() + 1] {
            continue;
        }
        copy.tiles(&seen, before.as_ref())?;
        copy.finish(&seen.checkpoint, &small)?;
        copy.done.checkpoint = seen.checkpoint.clone();
        copy.done.kept = copy.round.kept;
        return Ok(copy.done);
    }
    Err(unfit(to, "the ledger changes faster than it can be copied"))
}

fn unfit(to: &Path, problem: &str) -> LedgerError {
    LedgerError::Backup { to: to.to_owned(), problem: problem.to_owned() }
}

/// Returns the checkpoint of the copy that is there, if this ledger extends it.
fn earlier(reader: &LedgerReader, to: &Path) -> Result<Option<Checkpoint>, LedgerError> {
    let folder = match Folder::open(to) {
        Ok(folder) => folder,
        Err(LedgerError::Missing { .. }) => {
            // A first backup that was cut short has no format file yet.
            let ours = ["ledger", "keys", "lock"];
            for entry in fs::read_dir(to).at("list", to)? {
                let name = entry.at("list", to)?.file_name();
                if !ours.iter().any(|of| name == *of) {
                    return Err(unfit(to, "it holds other files and no backup"));
                }
            }
            return Ok(None);
        }
        Err(error) => return Err(error),
    };
    if folder.cluster != reader.cluster() {
        return Err(unfit(to, &format!("it holds the ledger of cluster {:?}", folder.cluster)));
    }
    let Some(before) = folder.checkpoint()?.filter(|before| before.size > 0) else {
        return Ok(None);
    };
    let size = reader.checkpoint()?.size;
    // The same leaves under another key are another ledger.
    let extends = before.size <= size
        && KeyChain::of_folder(reader.data())?.ever_signed(&before)
        && reader.prove_consistency(before.size)?.proves(&before);
    match extends {
        true => Ok(Some(before)),
        false => Err(unfit(
            to,
            &format!(
                "it holds {} leaves of which this ledger, with {size}, is no extension",
                before.size
            ),
        )),
    }
}

/// A backup under way.
struct Copy<'a> {
    disk: Disk,
    data: &'a Path,
    to: &'a Path,
    round: Round,
    done: Backup,
}

/// What one look at all segments came to.
#[derive(Default)]
struct Round {
    /// A segment says more than the checkpoint of this round.
    again: bool,
    kept: u64,
}

impl Copy<'_> {
    /// Reads the small files, of which some may be missing: the keys, and what a witness cosigned last.
    fn small(&self) -> Result<Vec<Option<String>>, LedgerError> {
        let read = |name: &str| read_at_most(&self.data.join(name), SMALL_BYTES);
        let signing = if self.done.with_keys { read(SIGNING_KEY)? } else { None };
        if self.done.with_keys && signing.is_none() {
            return Err(LedgerError::Key {
                path: self.data.join(SIGNING_KEY),
                problem: "the signing key is missing".to_owned(),
            });
        }
        let [verifier, handovers] = KEYS.map(read);
        Ok(vec![verifier?, handovers?, signing, read(COSIGNED)?])
    }

    fn segments(
        &mut self,
        checkpoint: &Checkpoint,
        progress: &dyn Fn(u64, u64),
    ) -> Result<(), LedgerError> {
        self.round = Round::default();
        let ledger = self.data.join("ledger");
        let mut segments = Vec::new();
        for stream in Stream::ALL {
            self.disk.make_folder(&stream_folder(&self.to.join("ledger"), stream))?;
            let all = list_segments(&ledger, stream)?.into_iter();
            segments.extend(all.filter(|&first| first < checkpoint.size).map(|of| (stream, of)));
        }
        let length = |&(stream, first): &(Stream, u64)| {
            fs::metadata(segment_path(&ledger, stream, first)).map_or(0, |of| of.len())
        };
        let (mut looked_at, all) = (0, segments.iter().map(length).sum());
        for of in segments {
            looked_at += length(&of);
            self.segment(of.0, of.1, checkpoint.size)?;
            progress(looked_at.min(all), all);
        }
        for stream in Stream::ALL {
            self.disk.sync_folder(&stream_folder(&self.to.join("ledger"), stream))?;
        }
        Ok(())
    }

    /// Copies a segment as far as it lies below `size`.
    fn segment(&mut self, stream: Stream, first: u64, size: u64) -> Result<(), LedgerError> {
        let from = segment_path(&self.data.join("ledger"), stream, first);
        let to = segment_path(&self.to.join("ledger"), stream, first);
        let mut file = SegmentFile::open(from.clone(), 0).at("open", &from)?;
        let ends = file.ending().at("read", &from)?;
        let emptied = match file.frame().map_err(|fault| file.fault(0, fault))? {
            Some(frame) => frame.table.emptied,
            None => return Ok(()),
        };
        file.seek(0).at("read", &from)?;
        let bytes = match &ends {
            Ending::Sealed(footer) if footer.end > size => {
                self.round.again = true;
                return Ok(());
            }
            Ending::Sealed(_) if to.exists() && ending(&to)? == ends => {
                self.round.kept += 1;
                return Ok(());
            }
            Ending::Sealed(_) => file.length(),
            Ending::SealedBare | Ending::SealedWrong if file.footer_below(u64::MAX)?.end > size => {
                self.round.again = true;
                return Ok(());
            }
            Ending::SealedBare | Ending::SealedWrong => file.length(),
            Ending::Open => file.footer_below(size)?.frames_bytes,
        };
        // Its tombstone may be above this checkpoint; it is below the next.
        self.round.again |= emptied;
        self.copy(&file, bytes, &to)
    }

    fn copy(&mut self, from: &SegmentFile, bytes: u64, to: &Path) -> Result<(), LedgerError> {
        let unfinished = to.with_added_extension("tmp");
        let mut file = self.disk.create_anew(&unfinished)?;
        let mut at = 0;
        while at < bytes {
            let mut chunk = vec![0; (bytes - at).min(CHUNK_BYTES) as usize];
            from.file().read_exact_at(&mut chunk, at).at("read", &from.path)?;
            file.write_all(&chunk)?;
            at += chunk.len() as u64;
        }
        file.sync()?;
        self.disk.rename(&unfinished, to)?;
        self.done.written += 1;
        self.done.written_bytes += bytes;
        Ok(())
    }

    /// Copies the tiles that are right; what is missing is made from the lines when the copy is opened.
    fn tiles(&mut self, seen: &Seen, before: Option<&Checkpoint>) -> Result<(), LedgerError> {
        let Some(tiles) = &seen.tiles else { return Ok(()) };
        let size = seen.checkpoint.size;
        let files = TileFiles::on(&self.disk, &self.to.join("ledger"));
        for level in 0..(u64::BITS / TILE_HEIGHT) as u8 {
            let full = size.checked_shr(TILE_HEIGHT * (u32::from(level) + 1)).unwrap_or(0);
            for index in 0..full {
                let Some(hashes) = tiles.full(level, index) else { continue };
                if fs::read(files.path(level, index)).is_ok_and(|of| of == hashes.as_flattened()) {
                    self.round.kept += 1;
                    continue;
                }
                self.done.written += 1;
                self.done.written_bytes += hashes.as_flattened().len() as u64;
                files.write_full(&FullTile { level, index, hashes: hashes.to_vec() })?;
            }
        }
        let tree = Tree::from_edges(size, tiles.edges().to_vec()).expect("they made the root");
        files.write_edges(&tree, &mut Vec::new())?;
        files.remove_replaced(&edges_of(before.map_or(0, |of| of.size)), &edges_of(size))
    }

    /// Writes what makes the copy one.
    fn finish(&self, checkpoint: &Checkpoint, small: &[Option<String>]) -> Result<(), LedgerError> {
        // Tiles of level 0 are too many to be fsynced one by one.
        let whole = File::open(self.to).at("open", self.to)?;
        rustix::fs::syncfs(&whole).map_err(std::io::Error::from).at("fsync", self.to)?;
        self.disk.make_folder(&self.to.join("keys"))?;
        for (name, content) in KEYS.into_iter().chain([SIGNING_KEY, COSIGNED]).zip(small) {
            if let Some(content) = content {
                self.disk.replace_synced(&self.to.join(name), content.as_bytes())?;
            }
        }
        let note = checkpoint.note.as_bytes();
        self.disk.replace_synced(&self.to.join("ledger/checkpoint"), note)?;
        let format = read_at_most(&self.data.join("format"), SMALL_BYTES)?.unwrap_or_default();
        self.disk.replace_synced(&self.to.join("format"), format.as_bytes())
    }
}
