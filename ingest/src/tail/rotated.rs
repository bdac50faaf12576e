//! Rotated files, compared whole with what is known.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::TailError;
use super::compressed::Uncompressed;
use super::content::open_regular;
use super::discover::Pattern;
use super::follow::FollowedSource;
use super::identity::{End, KnownContent, Relation, compare};
use super::lines::LeafStream;
use super::siblings::{rotated_from, rotated_siblings};
use super::unreadable::explain;

/// About how many bytes are read at once.
const BATCH_BYTES: usize = 1 << 20;

/// A rotated file of a followed source.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RotatedFile {
    /// Where it is.
    pub path: PathBuf,
    /// Whose lines it holds: `cluster/node/device`.
    pub source: String,
    /// Its size on disk, in bytes.
    pub bytes: u64,
    /// Every byte of it is known to the memory that it was compared with.
    pub safe_to_remove: bool,
    /// Why it must stay.
    pub why: Option<String>,
}

/// Returns the rotated files of these sources, each compared whole with what is known. The file that a server writes to is none of them.
///
/// # Errors
/// A pattern is not one.
pub fn rotated_files(
    sources: &[FollowedSource],
    known: &dyn KnownContent,
) -> Result<Vec<RotatedFile>, TailError> {
    let (mut seen, mut files) = (BTreeSet::new(), Vec::new());
    for followed in sources {
        let source = followed.source.to_string();
        for (path, _) in Pattern::new(followed)?.expand() {
            let rotated = match rotated_from(&path) {
                Some(_) => vec![path],
                None => rotated_siblings(&path).unwrap_or_default(),
            };
            for path in rotated.into_iter().filter(|path| path.is_file()) {
                if seen.insert(path.clone()) {
                    let bytes = std::fs::metadata(&path).map_or(0, |metadata| metadata.len());
                    let why = unknown(&path, &source, known);
                    files.push(RotatedFile {
                        path,
                        source: source.clone(),
                        bytes,
                        safe_to_remove: why.is_none(),
                        why,
                    });
                }
            }
        }
    }
    Ok(files)
}

/// Returns why not all of a file is known; `None` if it is.
fn unknown(path: &Path, source: &str, known: &dyn KnownContent) -> Option<String> {
    let opened = open_regular(path).and_then(|(file, _)| Uncompressed::new(file));
    let mut stream = match opened {
        Ok(input) => LeafStream::new(input, BATCH_BYTES),
        Err(error) => return Some(explain(path, &error)),
    };
    let likeness = compare(&mut stream, End::Closed, source, known);
    let rest = stream.next().is_some() || stream.finish().is_some();
    if let Some(error) = stream.failure() {
        return Some(explain(path, &error));
    }
    match likeness {
        // No line at all.
        None => None,
        Some(likeness) => match likeness.relation {
            Relation::Within(_) | Relation::Continues(_) if !rest => None,
            _ => Some(format!(
                "from byte {} on it is not in a sealed segment yet, or was never read",
                likeness.known_to
            )),
        },
    }
}
