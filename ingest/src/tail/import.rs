//! Imports whole files: plain, gzip or zstd, or standard input; rotated siblings oldest first.
//!
//! A file is compared with what is known while it is read, once and in order, so that standard input
//! and compressed files need no second pass; what is known gives no lines.

use std::cell::Cell;
use std::fmt;
use std::fs::{self, File};
use std::io::{self, Read};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::TailError;
use super::compressed::Uncompressed;
use super::follow::{Flow, Out, emit};
use super::identity::{End, KnownContent, Relation, compare};
use super::item::{FileId, Start, TailItem};
use super::lines::{Batch, LeafStream};
use super::siblings::order_siblings;
use super::unreadable::explain;
use crate::source::{Position, SourceId};

/// What to import.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Input {
    /// A file.
    File(PathBuf),
    /// Standard input; shown as `-`.
    Stdin,
}

impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Input::File(path) => path.display().fmt(f),
            Input::Stdin => f.write_str("-"),
        }
    }
}

/// What an import came to.
#[derive(Debug, Default)]
pub struct ImportSummary {
    /// Inputs read to their end.
    pub files: u64,
    /// Those of them that had nothing new.
    pub known_files: u64,
    /// New leaves.
    pub lines: u64,
    /// Their bytes, uncompressed.
    pub bytes: u64,
    /// Uncompressed bytes that were known before.
    pub known_bytes: u64,
    /// Why inputs could be read only in part; what came before is sent.
    pub failures: Vec<TailError>,
    /// The receiver wanted nothing more before the end.
    pub stopped: bool,
}

/// About how many bytes of lines one item holds. A batch is compressed by itself, and larger ones are smaller together.
const BATCH_BYTES: usize = 4 << 20;

/// Reads whole files of one source and sends what is not known.
///
/// `progress` hears how many bytes of all inputs have been read, before decompression. When `out`
/// returns from [`TailItem::Finished`], `known` must know that file's lines: the next input may be a
/// copy of it.
///
/// # Errors
/// An input is missing, a folder or may not be read: then nothing is. One that proves damaged while it is read is
/// told in the summary, and those after it are read nevertheless.
pub fn import(
    source: SourceId,
    inputs: &[Input],
    known: &dyn KnownContent,
    progress: &dyn Fn(u64),
    out: Out<'_>,
) -> Result<ImportSummary, TailError> {
    let inputs = ordered(inputs);
    // Better to refuse before anything has been read.
    for input in &inputs {
        if let Input::File(path) = input {
            check(path)?;
        }
    }
    let mut import =
        Import { source: Arc::new(source), known, out, summary: ImportSummary::default() };
    let read = Cell::new(0);
    for input in inputs {
        let (path, input): (_, Box<dyn Read>) = match input {
            Input::File(path) => {
                let file = File::open(&path).map_err(|error| refused(&path, &error))?;
                (path, Box::new(file))
            }
            Input::Stdin => (PathBuf::from("-"), Box::new(io::stdin().lock())),
        };
        match import.read(&path, Counting { input, read: &read, progress }) {
            ControlFlow::Continue(Ok(())) => {}
            ControlFlow::Continue(Err(failure)) => import.summary.failures.push(failure),
            ControlFlow::Break(()) => {
                import.summary.stopped = true;
                break;
            }
        }
    }
    Ok(import.summary)
}

/// Returns the inputs with siblings oldest first; standard input stays where it stands.
fn ordered(inputs: &[Input]) -> Vec<Input> {
    let paths: Vec<PathBuf> = inputs
        .iter()
        .map(|input| match input {
            Input::File(path) => path.clone(),
            // No file has an empty path.
            Input::Stdin => PathBuf::new(),
        })
        .collect();
    let input =
        |path: PathBuf| if path == Path::new("") { Input::Stdin } else { Input::File(path) };
    order_siblings(&paths).into_iter().map(input).collect()
}

fn check(path: &Path) -> Result<(), TailError> {
    let metadata = fs::metadata(path).map_err(|error| refused(path, &error))?;
    if metadata.is_dir() {
        return Err(TailError::Folder { path: path.to_owned() });
    }
    // Opening a pipe would wait for its writer.
    if metadata.is_file() {
        File::open(path).map_err(|error| refused(path, &error))?;
    }
    Ok(())
}

fn refused(path: &Path, error: &io::Error) -> TailError {
    let path = path.to_owned();
    match error.kind() {
        io::ErrorKind::NotFound => TailError::Missing { path },
        _ => TailError::Unreadable { reason: explain(&path, error), path },
    }
}

struct Import<'a> {
    source: Arc<SourceId>,
    known: &'a dyn KnownContent,
    out: Out<'a>,
    summary: ImportSummary,
}

impl Import<'_> {
    fn read(&mut self, path: &Path, input: impl Read) -> Flow<Result<(), TailError>> {
        let input = match Uncompressed::new(input) {
            Ok(input) => input,
            Err(cause) => {
                return ControlFlow::Continue(Err(TailError::Read {
                    path: path.to_owned(),
                    offset: 0,
                    cause,
                }));
            }
        };
        let compressed = input.is_compressed();
        let mut stream = LeafStream::new(input, BATCH_BYTES);
        if let Some(likeness) =
            compare(&mut stream, End::Closed, &self.source.to_string(), self.known)
        {
            let position = |generation| Position { generation, offset: likeness.known_to };
            let start = match likeness.relation {
                Relation::New => Start::New { parent: None },
                Relation::Parts(generation) => {
                    Start::New { parent: Some((generation, likeness.known_to)) }
                }
                Relation::Continues(generation) | Relation::Within(generation) => {
                    Start::Known(position(generation))
                }
            };
            self.summary.known_bytes += likeness.known_to;
            self.send(path, start, &mut stream)?;
        }
        let offset = stream.read_to();
        ControlFlow::Continue(match stream.failure() {
            None => {
                self.summary.files += 1;
                Ok(())
            }
            Some(cause) if compressed => {
                Err(TailError::Damaged { path: path.to_owned(), offset, cause })
            }
            Some(cause) => Err(TailError::Read { path: path.to_owned(), offset, cause }),
        })
    }

    fn send(&mut self, path: &Path, start: Start, stream: &mut LeafStream<impl Read>) -> Flow<()> {
        let file = FileId::next();
        let source = Arc::clone(&self.source);
        emit(self.out, TailItem::Opened { file, source, path: path.to_owned(), start })?;
        let lines_before = self.summary.lines;
        while let Some(batch) = stream.next().or_else(|| stream.finish()) {
            let Batch { offset, lines, continued, unterminated } = batch;
            self.summary.lines += lines.len() as u64;
            self.summary.bytes += lines.bytes.len() as u64;
            emit(self.out, TailItem::Lines { file, offset, lines, continued, unterminated })?;
        }
        if self.summary.lines == lines_before {
            self.summary.known_files += 1;
        }
        emit(self.out, TailItem::Finished { file })
    }
}

/// Counts what is read of all inputs.
struct Counting<'a, R> {
    input: R,
    read: &'a Cell<u64>,
    progress: &'a dyn Fn(u64),
}

impl<R: Read> Read for Counting<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.input.read(buffer)?;
        self.read.set(self.read.get() + length as u64);
        (self.progress)(self.read.get());
        Ok(length)
    }
}
