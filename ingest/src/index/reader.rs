//! Reading the index while another process writes it.
//!
//! A reader works on a [`Snapshot`]: the segments of one commit and the payload that belongs to them.
//! The engine loads the two by separate reads of `meta.json`, between which a commit may fall; so the
//! payload is read again until its segments are those that were opened.

use std::collections::BTreeMap;
use std::fs;
use std::ops::Bound;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use tantivy::columnar::StrColumn;
use tantivy::query::{EnableScoring, Query, RangeQuery, TermQuery};
use tantivy::schema::IndexRecordOption;
use tantivy::{Index, IndexReader, ReloadPolicy, Searcher, SegmentReader, TantivyError, Term};

use super::directory::ReadDirectory;
use super::document::state_word;
use super::find::Columns;
use super::plugins::EXTENSIONS;
use super::schema::Fields;
use super::{CommitPayload, IndexError};
use crate::pairing::State;
use crate::source::LeafIndex;

/// An opened index. Cheap to ask for its newest [`Snapshot`]; safe to share.
pub struct EventIndex {
    dir: PathBuf,
    fields: Fields,
    loaded: RwLock<Loaded>,
}

struct Loaded {
    /// The folder itself, since a rebuilt index is another folder under the same name.
    inode: u64,
    index: Index,
    reader: IndexReader,
    snapshot: Arc<Snapshot>,
}

/// One commit of the index: its segments and what they cover.
pub struct Snapshot {
    /// Where the index is, for messages.
    pub(super) dir: PathBuf,
    /// The segments.
    pub searcher: Searcher,
    /// Their fields.
    pub fields: Fields,
    /// What the commit says of itself.
    pub payload: CommitPayload,
    /// What looking up an event reads of each segment, once one was looked up.
    pub(super) columns: OnceLock<Vec<Columns>>,
}

/// A line that a restarted pairing has to know again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenLine {
    /// cluster/node/device.
    pub source: String,
    /// The server's id of the request.
    pub request_id: String,
    /// The line.
    pub leaf: LeafIndex,
    /// Its time, in nanoseconds.
    pub time_unix_ns: Option<i64>,
}

impl EventIndex {
    /// Opens the index in `dir`.
    ///
    /// # Errors
    /// There is none, another version of keytrail made it, or it is damaged.
    pub fn open(dir: &Path) -> Result<EventIndex, IndexError> {
        let (_, fields) = Fields::schema();
        let loaded = RwLock::new(load(dir, fields)?);
        Ok(EventIndex { dir: dir.to_owned(), fields, loaded })
    }

    /// Takes up what was committed since. Costs one `stat` and one small read if nothing was.
    ///
    /// # Errors
    /// As [`EventIndex::open`]; the earlier snapshot stays.
    pub fn refresh(&self) -> Result<(), IndexError> {
        let mut loaded = self.loaded.write().unwrap_or_else(PoisonError::into_inner);
        if inode(&self.dir)? != loaded.inode {
            *loaded = load(&self.dir, self.fields)?;
            return Ok(());
        }
        let metas = loaded.index.load_metas().map_err(|source| engine(&self.dir, source))?;
        if belongs(&metas, &loaded.snapshot.searcher)
            && payload(&self.dir, &metas)? == loaded.snapshot.payload
        {
            return Ok(());
        }
        let snapshot = settle(&self.dir, self.fields, &loaded.index, &loaded.reader)?;
        loaded.snapshot = Arc::new(snapshot);
        Ok(())
    }

    /// Returns the newest commit that [`EventIndex::refresh`] took up.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.loaded.read().unwrap_or_else(PoisonError::into_inner).snapshot.clone()
    }

    /// Returns the searcher of the newest snapshot.
    pub fn searcher(&self) -> Searcher {
        self.snapshot().searcher.clone()
    }

    /// Returns the fields.
    pub fn fields(&self) -> &Fields {
        &self.fields
    }

    /// Returns what the newest snapshot covers.
    pub fn payload(&self) -> CommitPayload {
        self.snapshot().payload.clone()
    }
}

impl Snapshot {
    /// Returns the requests that wait for their response, in the order of their lines.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn pending(&self) -> Result<Vec<OpenLine>, IndexError> {
        self.open_lines(State::Pending, "leaf_request", usize::MAX)
    }

    /// Returns the requests that were closed as unanswered, whose response would be late, in the order of
    /// their lines; of each source the newest `keep`.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn unanswered(&self, keep: usize) -> Result<Vec<OpenLine>, IndexError> {
        self.open_lines(State::Unanswered, "leaf_request", keep)
    }

    /// Returns the responses whose request was not seen, in the order of their lines; of each source the
    /// newest `keep`.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn response_only(&self, keep: usize) -> Result<Vec<OpenLine>, IndexError> {
        self.open_lines(State::ResponseOnly, "leaf_response", keep)
    }

    /// Returns the responses that came after their request had been given up, in the order of their
    /// lines; of each source the newest `keep`.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn late(&self, keep: usize) -> Result<Vec<OpenLine>, IndexError> {
        self.open_lines(State::Late, "leaf_response", keep)
    }

    /// Returns the responses at or after a leaf whose request stands before it.
    ///
    /// # Errors
    /// The index cannot be read.
    pub fn answered_across(&self, least: LeafIndex) -> Result<Vec<OpenLine>, IndexError> {
        let across = |segment: &SegmentReader, document: u32| -> tantivy::Result<bool> {
            let columns = segment.fast_fields();
            let leaf = |name| {
                tantivy::Result::Ok(
                    columns.column_opt::<u64>(name)?.and_then(|of| of.first(document)),
                )
            };
            let (request, response): (Option<u64>, Option<u64>) =
                (leaf("leaf_request")?, leaf("leaf_response")?);
            Ok(request.is_some_and(|leaf| leaf < least.0)
                && response.is_some_and(|leaf| leaf >= least.0))
        };
        let below = Term::from_field_u64(self.fields.leaf_request, least.0);
        let query = RangeQuery::new(Bound::Unbounded, Bound::Excluded(below));
        let mut all = Vec::new();
        let mut read = || -> tantivy::Result<()> {
            let weight = query.weight(EnableScoring::disabled_from_searcher(&self.searcher))?;
            for segment in self.searcher.segment_readers() {
                let mut documents = Vec::new();
                weight
                    .for_each_no_score(segment, &mut |found| documents.extend_from_slice(found))?;
                let mut found = Vec::new();
                for document in documents {
                    if !segment.is_deleted(document) && across(segment, document)? {
                        found.push(document);
                    }
                }
                all.extend(lines(segment, &found, "leaf_response")?);
            }
            Ok(())
        };
        read().map_err(|source| engine(&self.dir, source))?;
        all.sort_by_key(|line: &OpenLine| line.leaf);
        Ok(all)
    }

    fn open_lines(
        &self,
        state: State,
        leaf_column: &'static str,
        keep: usize,
    ) -> Result<Vec<OpenLine>, IndexError> {
        let term = Term::from_field_text(self.fields.state, state_word(state));
        let query = TermQuery::new(term, IndexRecordOption::Basic);
        let mut by_source: BTreeMap<String, BTreeMap<LeafIndex, OpenLine>> = BTreeMap::new();
        let mut read = || -> tantivy::Result<()> {
            let weight = query.weight(EnableScoring::disabled_from_searcher(&self.searcher))?;
            for segment in self.searcher.segment_readers() {
                let mut documents = Vec::new();
                weight
                    .for_each_no_score(segment, &mut |found| documents.extend_from_slice(found))?;
                documents.retain(|&document| !segment.is_deleted(document));
                for line in lines(segment, &documents, leaf_column)? {
                    let of_source = by_source.entry(line.source.clone()).or_default();
                    of_source.insert(line.leaf, line);
                    if of_source.len() > keep {
                        of_source.pop_first();
                    }
                }
            }
            Ok(())
        };
        read().map_err(|source| engine(&self.dir, source))?;
        let mut all: Vec<OpenLine> =
            by_source.into_values().flat_map(BTreeMap::into_values).collect();
        all.sort_by_key(|line| line.leaf);
        Ok(all)
    }
}

/// Reads open lines; a document without a request id is none that pairing could ever close.
fn lines(
    segment: &SegmentReader,
    documents: &[u32],
    leaf_column: &str,
) -> tantivy::Result<Vec<OpenLine>> {
    let columns = segment.fast_fields();
    let (source, request) = (columns.str("source")?, columns.str("request")?);
    let (leaf, time) =
        (columns.column_opt::<u64>(leaf_column)?, columns.column_opt::<i64>("time")?);
    let mut all = Vec::new();
    for &document in documents {
        let leaf = leaf.as_ref().and_then(|column| column.first(document));
        let (source, request) = (text(&source, document)?, text(&request, document)?);
        if let (Some(source), Some(request_id), Some(leaf)) = (source, request, leaf) {
            let time_unix_ns = time.as_ref().and_then(|column| column.first(document));
            all.push(OpenLine { source, request_id, leaf: LeafIndex(leaf), time_unix_ns });
        }
    }
    Ok(all)
}

pub(super) fn text(column: &Option<StrColumn>, document: u32) -> tantivy::Result<Option<String>> {
    let Some(column) = column else { return Ok(None) };
    let Some(ordinal) = column.term_ords(document).next() else { return Ok(None) };
    let mut text = String::new();
    column.ord_to_str(ordinal, &mut text)?;
    Ok(Some(text))
}

fn load(dir: &Path, fields: Fields) -> Result<Loaded, IndexError> {
    if !dir.join("meta.json").exists() {
        return Err(IndexError::Missing(dir.to_owned()));
    }
    let inode = inode(dir)?;
    let index =
        ReadDirectory::open(dir).and_then(Index::open).map_err(|source| engine(dir, source))?;
    if !is_ours(&index.load_metas().map_err(|source| engine(dir, source))?) {
        return Err(IndexError::OtherSchema(dir.to_owned()));
    }
    let reader = index
        .reader_builder()
        .reload_policy(ReloadPolicy::Manual)
        .try_into()
        .map_err(|source| engine(dir, source))?;
    let snapshot = Arc::new(settle(dir, fields, &index, &reader)?);
    Ok(Loaded { inode, index, reader, snapshot })
}

/// Tells whether an index has the files and fields that this version gives it.
pub(super) fn is_ours(metas: &tantivy::IndexMeta) -> bool {
    metas.schema == Fields::schema().0 && metas.persisted_custom_extensions == EXTENSIONS
}

/// Loads segments and payload of one and the same commit. Segments that the reader has opened already are not opened again.
fn settle(
    dir: &Path,
    fields: Fields,
    index: &Index,
    reader: &IndexReader,
) -> Result<Snapshot, IndexError> {
    // A commit takes tens of milliseconds at least; a hundred turns mean something else is wrong.
    for _ in 0..100 {
        let searcher = reader.searcher();
        let metas = index.load_metas().map_err(|source| engine(dir, source))?;
        // A later commit with the same segments covers more leaves and adds no document: as good.
        if belongs(&metas, &searcher) {
            let payload = payload(dir, &metas)?;
            let (dir, columns) = (dir.to_owned(), OnceLock::new());
            return Ok(Snapshot { dir, searcher, fields, payload, columns });
        }
        reader.reload().map_err(|source| engine(dir, source))?;
    }
    Err(IndexError::Unsettled(dir.to_owned()))
}

fn belongs(metas: &tantivy::IndexMeta, searcher: &Searcher) -> bool {
    let of_metas: BTreeMap<_, _> =
        metas.segments.iter().map(|segment| (segment.id(), segment.delete_opstamp())).collect();
    &of_metas == searcher.generation().segments()
}

fn payload(dir: &Path, metas: &tantivy::IndexMeta) -> Result<CommitPayload, IndexError> {
    match &metas.payload {
        // Created by the writer an instant ago, before its first commit.
        None => Ok(CommitPayload::default()),
        Some(text) => {
            CommitPayload::from_text(text).ok_or_else(|| IndexError::OtherSchema(dir.to_owned()))
        }
    }
}

fn inode(dir: &Path) -> Result<u64, IndexError> {
    match fs::metadata(dir) {
        Ok(metadata) => Ok(metadata.ino()),
        Err(_) => Err(IndexError::Missing(dir.to_owned())),
    }
}

pub(super) fn engine(dir: &Path, source: TantivyError) -> IndexError {
    match source {
        TantivyError::DataCorruption(problem) => {
            IndexError::Damaged { dir: dir.to_owned(), problem: format!("{problem:?}") }
        }
        source => IndexError::Engine { dir: dir.to_owned(), source },
    }
}
