//! Where bytes come from: the names of sources and the places in their files.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;
use thiserror::Error;

/// One audit device of one node of one cluster; written `cluster/node/device`.
///
/// A source outlives its files: rotation gives it a new [`Generation`], never a new name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SourceId {
    /// The cluster whose ledger this is.
    pub cluster: String,
    /// The server's node, as its operator calls it.
    pub node: String,
    /// The audit device, as `bao audit list` names it, without the slash.
    pub device: String,
}

/// Why a text names no source.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum SourceIdError {
    /// Not three parts.
    #[error("{0:?} is not of the form cluster/node/device")]
    Form(String),
    /// A part is empty, has a slash or a control character, or is longer than 200 bytes.
    #[error("{part} {value:?} must have 1 to 200 bytes, and neither slash nor control character")]
    Part {
        /// Which part: `cluster`, `node` or `device`.
        part: &'static str,
        /// What was given.
        value: String,
    },
    /// `keytrail` is the name of our own stream.
    #[error("{part} may not be called \"keytrail\": that is the name of keytrail's own lines")]
    Reserved {
        /// Which part.
        part: &'static str,
    },
}

impl SourceId {
    /// Returns the source of these three names.
    ///
    /// # Errors
    /// A name that is empty, holds `/` or a control character, is longer than 200 bytes or is `keytrail`.
    pub fn new(cluster: &str, node: &str, device: &str) -> Result<SourceId, SourceIdError> {
        for (part, value) in [("cluster", cluster), ("node", node), ("device", device)] {
            if value.is_empty()
                || value.len() > 200
                || value.chars().any(|c| c == '/' || c.is_control())
            {
                return Err(SourceIdError::Part { part, value: value.to_owned() });
            }
            if value == "keytrail" {
                return Err(SourceIdError::Reserved { part });
            }
        }
        Ok(SourceId {
            cluster: cluster.to_owned(),
            node: node.to_owned(),
            device: device.to_owned(),
        })
    }
}

impl fmt::Display for SourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}/{}", self.cluster, self.node, self.device)
    }
}

impl FromStr for SourceId {
    type Err = SourceIdError;

    fn from_str(text: &str) -> Result<SourceId, SourceIdError> {
        match text.split('/').collect::<Vec<_>>()[..] {
            [cluster, node, device] => SourceId::new(cluster, node, device),
            _ => Err(SourceIdError::Form(text.to_owned())),
        }
    }
}

impl Serialize for SourceId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// One content of a source's file, from its first byte on; the number is the [`LeafIndex`] of the
/// batch header under which its first line stands in the ledger, so it needs no counter of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Generation(pub u64);

/// How far a generation has been read: the offset of the first byte that is not in the ledger.
/// Counted in bytes of the uncompressed file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Position {
    /// Which content.
    pub generation: Generation,
    /// Bytes from its start.
    pub offset: u64,
}

/// The number of a leaf in the ledger, from 0, without holes. Batch headers and keytrail's own lines
/// are leaves too, so the lines of one source are not numbered consecutively.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct LeafIndex(pub u64);

impl fmt::Display for LeafIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Who brought the lines. Each reader of a source has its own clock for pairing, so that an old file
/// imported beside a live tail makes nothing of the tail look old, nor the other way round.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Reader {
    /// The tail of a file that is being written.
    Live,
    /// `keytrail import` of a whole file.
    Import,
}

/// Whole lines, back to back as they stood in the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lines {
    /// The bytes; every line but perhaps the last of a finished file ends in `\n`.
    pub bytes: Vec<u8>,
    /// Length of each line in bytes, its `\n` included.
    pub lengths: Vec<u32>,
}

impl Lines {
    /// Appends one line.
    pub fn push(&mut self, line: &[u8]) {
        self.bytes.extend_from_slice(line);
        self.lengths.push(u32::try_from(line.len()).expect("a line is cut at 64 MiB"));
    }

    /// Returns the lines in order.
    pub fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = &self.bytes[..];
        self.lengths.iter().map(move |&length| {
            let (line, after) = rest.split_at(length as usize);
            rest = after;
            line
        })
    }

    /// Returns how many lines there are.
    pub fn len(&self) -> usize {
        self.lengths.len()
    }

    /// Tells whether there is no line.
    pub fn is_empty(&self) -> bool {
        self.lengths.is_empty()
    }

    /// Forgets the lines and keeps the memory.
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.lengths.clear();
    }
}

/// The longest leaf: a longer line is cut into consecutive leaves of this many bytes and a rest.
pub const LEAF_BYTES_MAX: usize = 64 << 20;

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_three_names() {
        assert_eq!("prod/bao-0/file".parse::<SourceId>().unwrap().to_string(), "prod/bao-0/file");
        for (text, message) in [
            ("prod/bao-0", "\"prod/bao-0\" is not of the form cluster/node/device"),
            (
                "prod//file",
                "node \"\" must have 1 to 200 bytes, and neither slash nor control character",
            ),
            (
                "keytrail/a/b",
                "cluster may not be called \"keytrail\": that is the name of keytrail's own lines",
            ),
        ] {
            assert_eq!(text.parse::<SourceId>().unwrap_err().to_string(), message);
        }
    }
}
