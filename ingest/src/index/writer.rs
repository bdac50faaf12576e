//! The one writer of the index.
//!
//! An index that other rules or another version of keytrail made is not thrown away at once: the new one
//! grows beside it in `<dir>.new`, and [`IndexWriter::swap`] puts it in place once it has caught up. Until
//! then readers go on with the old answers. An index of another ledger, and one that cannot be opened,
//! answers nothing right; it goes at once.

use std::fs;
use std::mem;
use std::ops::RangeBounds;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tantivy::directory::MmapDirectory;
use tantivy::indexer::{IndexWriterOptions, LogMergePolicy, UserOperation};
use tantivy::query::{BooleanQuery, RangeQuery, TermQuery};
use tantivy::schema::{Field, IndexRecordOption};
use tantivy::{Index, TantivyError, Term};
use tracing::{info, warn};

use super::directory::ReadDirectory;
use super::document::{COVERAGE, EVENT, GAP, HALF, UNDECODABLE, document, remark, value};
use super::documents::Documents;
use super::keys::{KeyQuery, Keys};
use super::plugins;
use super::reader::{self, is_ours};
use super::schema::Fields;
use super::summary::Summary;
use super::values::Values;
use super::{CommitPayload, IndexError};
use crate::coverage::Record;
use crate::event::{AuditEvent, Uid};
use crate::pairing::State;
use crate::source::{LeafIndex, SourceId};

/// Memory of the documents that are not in a segment yet: some 15,000. Tailing has to stay below 256 MB in all;
/// `cargo xtask bench tail` holds it to that.
const MEMORY_BYTES: usize = 24 << 20;

/// The same for a run that ends. A segment then has some 150,000 documents, so that an import of a million lines merges
/// none, and a dictionary is written once where it was written four times: a third less CPU.
const BULK_MEMORY_BYTES: usize = 128 << 20;

/// So many documents and deletions are told the engine together.
const TOGETHER: usize = 64;

/// Segments of one size before they are merged. Levels are a factor of eight apart and begin at 1,000
/// documents, so with a commit each second a document is rewritten about seven times on its way to ten
/// million, and there are never more than a few dozen segments.
const SEGMENTS_OF_A_LEVEL: usize = 8;

/// So long a writer waits for the lock. The lock of a writer that was just dropped is let go when the kernel closes its
/// file, which is later if anything else (a child that is being started, a reader of `/proc`) holds the file for a moment.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);
/// How often it tries.
const LOCK_POLL: Duration = Duration::from_millis(5);

/// Writes documents and commits them together with what they cover.
pub struct IndexWriter {
    /// Where the index belongs; it may still be growing beside.
    dir: PathBuf,
    beside: bool,
    writer: tantivy::IndexWriter<Values>,
    documents: Arc<Documents>,
    /// What the engine is told together: to wake it for each document takes longer than many a document.
    waiting: Vec<Values>,
    /// Keys of uids of which the engine is told first: their documents go before those that wait come.
    removed: Vec<u64>,
    fields: Fields,
    /// The time of the event that was added last.
    time: Option<i64>,
    payload: CommitPayload,
}

impl IndexWriter {
    /// Opens the index in `dir`, or begins one. Unless the index there is of these rules, this schema and
    /// this origin, the writer begins anew: [`IndexWriter::payload`] then says that nothing is covered.
    ///
    /// # Errors
    /// Another process writes it, or the file system refuses.
    pub fn open(dir: &Path, rules: &str, origin: &str) -> Result<IndexWriter, IndexError> {
        match look(dir, rules, origin)? {
            Found::Ours(index, payload) => {
                remove(&beside(dir))?;
                return start(dir, false, index, payload, MEMORY_BYTES);
            }
            Found::OtherRules(_) => {}
            Found::Nothing => return create_in_place(dir, rules, origin),
            Found::OtherOrigin(other) => {
                warn!(dir = %dir.display(), "the index belongs to {other}, not to {origin}: building it anew");
                return create_in_place(dir, rules, origin);
            }
            Found::Damaged(problem) => {
                warn!(dir = %dir.display(), "the index cannot be opened: {problem}: building it anew");
                return create_in_place(dir, rules, origin);
            }
        }
        match look(&beside(dir), rules, origin)? {
            Found::Ours(index, payload) => start(dir, true, index, payload, MEMORY_BYTES),
            Found::Nothing | Found::OtherRules(_) | Found::OtherOrigin(_) | Found::Damaged(_) => {
                info!(dir = %dir.display(), "the index was made by other rules: building rules {rules} beside it");
                create_beside(dir, rules, origin)
            }
        }
    }

    /// Takes more memory, for an import or a rebuild. What was added since the last commit is lost.
    ///
    /// # Errors
    /// As [`IndexWriter::open`].
    pub fn in_bulk(self) -> Result<IndexWriter, IndexError> {
        let IndexWriter { dir, beside, writer, payload, .. } = self;
        let index = writer.index().clone();
        // It holds the lock.
        drop(writer);
        start(&dir, beside, index, payload, BULK_MEMORY_BYTES)
    }

    /// Begins an index anew in the place of this one, which answers nothing right.
    ///
    /// # Errors
    /// The file system refuses.
    pub fn replace(self) -> Result<IndexWriter, IndexError> {
        let IndexWriter { dir, writer, payload, .. } = self;
        // It holds the lock of the folder that goes.
        drop(writer);
        create_in_place(&dir, &payload.rules, &payload.origin)
    }

    /// Begins an index anew whatever there is: beside an index that readers can go on with, which
    /// [`IndexWriter::swap`] then replaces; else in its place.
    ///
    /// # Errors
    /// As [`IndexWriter::open`].
    pub fn begin_anew(dir: &Path, rules: &str, origin: &str) -> Result<IndexWriter, IndexError> {
        match look(dir, rules, origin)? {
            Found::Ours(index, _) | Found::OtherRules(index) => {
                // Another process that writes it must not lose its files under its feet. That this one cannot write it, since
                // another version made it, is no matter.
                if let Err(locked @ IndexError::Locked(_)) =
                    engine_writer(dir, &index, MEMORY_BYTES)
                {
                    return Err(locked);
                }
                create_beside(dir, rules, origin)
            }
            Found::Nothing | Found::OtherOrigin(_) | Found::Damaged(_) => {
                create_in_place(dir, rules, origin)
            }
        }
    }

    /// Returns what the last commit covers.
    pub fn payload(&self) -> &CommitPayload {
        &self.payload
    }

    /// Tells whether this index still grows beside the one that readers see; see [`IndexWriter::swap`].
    pub fn is_beside(&self) -> bool {
        self.beside
    }

    /// Returns how many segments readers of the last commit open.
    ///
    /// # Errors
    /// The commit cannot be read.
    pub fn segments(&self) -> Result<usize, IndexError> {
        let ids = self.writer.index().searchable_segment_ids();
        Ok(ids.map_err(|source| self.engine(source))?.len())
    }

    /// Adds an event. `learned` are hashes with their texts.
    /// With `replaces`, a document of the same uid goes first.
    ///
    /// # Errors
    /// An indexing thread died, mostly of a full disk; the writer is then of no more use.
    pub fn add(
        &mut self,
        event: &AuditEvent,
        state: State,
        learned: &[(String, String)],
        replaces: bool,
    ) -> Result<(), IndexError> {
        if replaces {
            self.remove(event.uid)?;
        }
        let mut document = document(&self.fields, &self.documents, event, state);
        self.time = document.gist().time.or(self.time);
        let mut buffer = [0; 4];
        let half: &str = HALF.encode_utf8(&mut buffer);
        for (hash, text) in learned {
            let text = value(text);
            document.parts(self.fields.learned, &[hash, half, &text]);
            document.parts(self.fields.learned_text, &[&text, half, hash]);
        }
        self.tell(document)
    }

    /// Adds a leaf, or a torn piece of one, that holds no entry, and why it does not.
    ///
    /// # Errors
    /// As [`IndexWriter::add`].
    pub fn add_undecodable(
        &mut self,
        source: &SourceId,
        leaf: LeafIndex,
        why: &str,
    ) -> Result<(), IndexError> {
        self.add_remark(UNDECODABLE, Some(source), leaf, why)
    }

    /// Adds one of our own lines that tells of missing bytes, and why they are missing.
    ///
    /// # Errors
    /// As [`IndexWriter::add`].
    pub fn add_gap(
        &mut self,
        source: &SourceId,
        leaf: LeafIndex,
        why: &str,
    ) -> Result<(), IndexError> {
        self.add_remark(GAP, Some(source), leaf, why)
    }

    /// Adds a record of coverage, of one source or of the whole cluster.
    ///
    /// # Errors
    /// As [`IndexWriter::add`].
    pub fn add_coverage(
        &mut self,
        source: Option<&SourceId>,
        leaf: LeafIndex,
        record: &Record,
    ) -> Result<(), IndexError> {
        let text = serde_json::to_string(record).expect("records are plain data");
        self.add_remark(COVERAGE, source, leaf, &text)
    }

    /// Removes every document that names a leaf below this one.
    ///
    /// # Errors
    /// As [`IndexWriter::add`].
    pub fn remove_below(&mut self, least: LeafIndex) -> Result<(), IndexError> {
        self.tell_now()?;
        for field in [self.fields.leaf_request, self.fields.leaf_response] {
            let removed = self.writer.delete_query(Box::new(leaves(field, ..least.0)));
            removed.map_err(|source| self.engine(source))?;
        }
        Ok(())
    }

    /// Removes the event whose only line is this response.
    ///
    /// # Errors
    /// As [`IndexWriter::add`].
    pub fn remove_response(&mut self, leaf: LeafIndex) -> Result<(), IndexError> {
        self.tell_now()?;
        let query = leaves(self.fields.leaf_response, leaf.0..leaf.0 + 1);
        let event = Term::from_field_text(self.fields.doc, EVENT);
        let event = TermQuery::new(event, IndexRecordOption::Basic);
        let both = BooleanQuery::intersection(vec![Box::new(query), Box::new(event)]);
        self.writer.delete_query(Box::new(both)).map_err(|source| self.engine(source))?;
        Ok(())
    }

    /// Removes the event of this uid, which is known by its first eight bytes.
    ///
    /// # Errors
    /// As [`IndexWriter::add`].
    pub fn remove(&mut self, uid: Uid) -> Result<(), IndexError> {
        let (key, _) = uid.halves();
        // What the engine was not told of yet goes here. So what it was told of may go before all that waits, at once.
        self.waiting.retain(|document| document.keys().uid != Some(key));
        self.removed.push(key);
        if self.removed.len() >= TOGETHER { self.tell_now() } else { Ok(()) }
    }

    /// Returns the folder in which the index grows.
    pub fn place(&self) -> PathBuf {
        place(&self.dir, self.beside)
    }

    /// Opens what was committed last, wherever it grows.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn snapshot(&self) -> Result<std::sync::Arc<super::Snapshot>, IndexError> {
        Ok(super::EventIndex::open(&self.place())?.snapshot())
    }

    fn add_remark(
        &mut self,
        doc: &'static str,
        source: Option<&SourceId>,
        leaf: LeafIndex,
        why: &str,
    ) -> Result<(), IndexError> {
        let document = remark(&self.fields, &self.documents, doc, source, leaf, why, self.time);
        self.tell(document)
    }

    /// Tells the engine of a document, together with what comes next.
    fn tell(&mut self, document: Values) -> Result<(), IndexError> {
        self.waiting.push(document);
        if self.waiting.len() >= TOGETHER { self.tell_now() } else { Ok(()) }
    }

    fn tell_now(&mut self) -> Result<(), IndexError> {
        if !self.removed.is_empty() {
            let gone = KeyQuery::of_uid_keys(mem::take(&mut self.removed));
            let told = self.writer.delete_query(Box::new(gone));
            told.map_err(|source| self.engine(source))?;
        }
        if !self.waiting.is_empty() {
            let told = self.writer.run(self.waiting.drain(..).map(UserOperation::Add));
            told.map_err(|source| self.engine(source))?;
        }
        Ok(())
    }

    /// Makes everything added so far visible, together with what it covers.
    ///
    /// # Errors
    /// As [`IndexWriter::add`]; the last commit then still holds.
    pub fn commit(&mut self, payload: CommitPayload) -> Result<(), IndexError> {
        self.tell_now()?;
        let dir = place(&self.dir, self.beside);
        commit(&mut self.writer, &payload).map_err(|source| reader::engine(&dir, source))?;
        self.payload = payload;
        Ok(())
    }

    /// Puts an index that grew beside into its place; does nothing to one that is there. What was added
    /// since the last commit is lost: commit first.
    ///
    /// # Errors
    /// The file system refuses. The old index may then be gone, and the next start builds it again.
    pub fn swap(self) -> Result<IndexWriter, IndexError> {
        if !self.beside {
            return Ok(self);
        }
        let (dir, rules, origin) =
            (self.dir.clone(), self.payload.rules.clone(), self.payload.origin.clone());
        self.finish()?;
        remove(&dir)?;
        let source = beside(&dir);
        fs::rename(&source, &dir).map_err(|error| io_error("rename", &source, error))?;
        IndexWriter::open(&dir, &rules, &origin)
    }

    /// Waits for merges to end. What was added since the last commit is lost.
    ///
    /// # Errors
    /// A merge failed.
    pub fn finish(self) -> Result<(), IndexError> {
        let dir = place(&self.dir, self.beside);
        self.writer.wait_merging_threads().map_err(|source| IndexError::Engine { dir, source })
    }

    fn engine(&self, source: TantivyError) -> IndexError {
        reader::engine(&place(&self.dir, self.beside), source)
    }
}

/// The documents whose leaf in this field is in a range.
fn leaves(field: Field, range: impl RangeBounds<u64>) -> RangeQuery {
    let term = |leaf: &u64| Term::from_field_u64(field, *leaf);
    RangeQuery::new(range.start_bound().map(term), range.end_bound().map(term))
}

enum Found {
    Nothing,
    Ours(Index, CommitPayload),
    /// Of other rules, another schema or another format, or without our files beside the segments.
    OtherRules(Index),
    OtherOrigin(String),
    Damaged(String),
}

fn look(dir: &Path, rules: &str, origin: &str) -> Result<Found, IndexError> {
    if !dir.join("meta.json").exists() {
        return Ok(Found::Nothing);
    }
    let opened = MmapDirectory::open(dir)
        .map_err(TantivyError::from)
        .and_then(Index::open)
        .and_then(|index| index.load_metas().map(|metas| (index, metas)));
    let (mut index, metas) = match opened {
        Ok(opened) => opened,
        Err(problem) => return Ok(Found::Damaged(problem.to_string())),
    };
    let payload = metas.payload.as_deref().and_then(CommitPayload::from_text);
    Ok(match payload {
        Some(payload) if payload.origin != origin => Found::OtherOrigin(payload.origin),
        Some(payload) if payload.rules == rules && is_ours(&metas) => match read_through(dir) {
            Ok(()) => {
                plugins::all().into_iter().for_each(|of| index.register_plugin(of));
                Found::Ours(index, payload)
            }
            Err(problem) => Found::Damaged(problem.to_string()),
        },
        _ => Found::OtherRules(index),
    })
}

/// Opens each segment, so that a file that is missing or damaged is found here and not in the middle of a merge.
fn read_through(dir: &Path) -> tantivy::Result<()> {
    // As readers do it: another process that writes the index may remove files meanwhile.
    let searcher = ReadDirectory::open(dir).and_then(Index::open)?.reader()?.searcher();
    searcher.segment_readers().iter().try_for_each(|segment| {
        Summary::read(segment)?;
        Keys::open(segment)?;
        Ok(())
    })
}

fn create_in_place(dir: &Path, rules: &str, origin: &str) -> Result<IndexWriter, IndexError> {
    remove(&beside(dir))?;
    remove(dir)?;
    create(dir, dir, CommitPayload::nothing(rules, origin))
}

fn create_beside(dir: &Path, rules: &str, origin: &str) -> Result<IndexWriter, IndexError> {
    let beside = beside(dir);
    remove(&beside)?;
    create(dir, &beside, CommitPayload::nothing(rules, origin))
}

/// Begins an index that belongs in `dir` in the folder `place`. Its first commit comes at once, so that
/// a reader never sees an index that does not say what it is.
fn create(dir: &Path, place: &Path, payload: CommitPayload) -> Result<IndexWriter, IndexError> {
    fs::create_dir_all(place).map_err(|error| io_error("create", place, error))?;
    let builder = Index::builder().schema(Fields::schema().0);
    let index = plugins::all()
        .into_iter()
        .fold(builder, |builder, of| builder.register_plugin(of))
        .create_in_dir(place)
        .map_err(|source| IndexError::Engine { dir: place.to_owned(), source })?;
    let mut begun = start(dir, place != dir, index, payload.clone(), MEMORY_BYTES)?;
    begun.commit(payload)?;
    Ok(begun)
}

fn start(
    dir: &Path,
    beside: bool,
    index: Index,
    payload: CommitPayload,
    memory_bytes: usize,
) -> Result<IndexWriter, IndexError> {
    let writer = engine_writer(&place(dir, beside), &index, memory_bytes)?;
    let mut policy = LogMergePolicy::default();
    policy.set_min_num_segments(SEGMENTS_OF_A_LEVEL);
    policy.set_min_layer_size(1_000);
    policy.set_level_log_size((SEGMENTS_OF_A_LEVEL as f64).log2());
    policy.set_del_docs_ratio_before_merge(0.5);
    writer.set_merge_policy(Box::new(policy));
    let (_, fields) = Fields::schema();
    Ok(IndexWriter {
        dir: dir.to_owned(),
        beside,
        writer,
        documents: Arc::default(),
        waiting: Vec::with_capacity(TOGETHER),
        removed: Vec::new(),
        fields,
        time: None,
        payload,
    })
}

fn engine_writer(
    dir: &Path,
    index: &Index,
    memory_bytes: usize,
) -> Result<tantivy::IndexWriter<Values>, IndexError> {
    let begun = Instant::now();
    loop {
        let options = IndexWriterOptions::builder()
            .num_worker_threads(1)
            .memory_budget_per_thread(memory_bytes)
            .num_merge_threads(1)
            .build();
        match index.writer_with_options(options) {
            Ok(writer) => return Ok(writer),
            Err(TantivyError::LockFailure(..)) if begun.elapsed() < LOCK_PATIENCE => {
                std::thread::sleep(LOCK_POLL);
            }
            Err(TantivyError::LockFailure(..)) => return Err(IndexError::Locked(dir.to_owned())),
            Err(source) => return Err(IndexError::Engine { dir: dir.to_owned(), source }),
        }
    }
}

fn commit(
    writer: &mut tantivy::IndexWriter<Values>,
    payload: &CommitPayload,
) -> tantivy::Result<()> {
    let mut prepared = writer.prepare_commit()?;
    prepared.set_payload(&payload.to_text());
    prepared.commit()?;
    Ok(())
}

fn beside(dir: &Path) -> PathBuf {
    let mut name = dir.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    dir.with_file_name(name)
}

fn place(dir: &Path, is_beside: bool) -> PathBuf {
    if is_beside { beside(dir) } else { dir.to_owned() }
}

fn remove(dir: &Path) -> Result<(), IndexError> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(io_error("remove", dir, error))
        }
        _ => Ok(()),
    }
}

fn io_error(action: &'static str, path: &Path, source: std::io::Error) -> IndexError {
    IndexError::Io { action, path: path.to_owned(), source }
}
