//! keytrail's own lines: what it did and noticed, as JSON in the ledger's `own/` stream.
//!
//! They are evidence like the server's lines: a gap that was seen cannot be un-seen. Readers pass
//! over types that they do not know, so new ones may be added.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::source::Reader;

/// The name of our own stream's source in the ledger.
pub const OWN_SOURCE: &str = "keytrail";

/// One line of our own: when, and what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnLine {
    /// When it was written, by this machine's clock.
    pub time: Timestamp,
    /// What happened.
    #[serde(flatten)]
    pub fact: Fact,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Fact {
    /// A followed source has been silent for so long while requests pend. Without this line a rebuild
    /// could not know that time went by.
    Tick {
        /// Which source.
        source: String,
        /// Nanoseconds since its last line arrived.
        idle_ns: i64,
    },
    /// Bytes are known to be missing.
    Gap {
        /// Which source.
        source: String,
        /// The file.
        path: String,
        /// Read up to this offset before the loss.
        read_to: u64,
        /// How many bytes are missing at least; none if that is not known.
        #[serde(default)]
        at_least: Option<u64>,
        /// What happened to the file, in words.
        why: String,
    },
    /// Reading went on from one file to the next, after a rotation or a stop. Without proof nothing is
    /// known to be missing, and nothing shows that all is there.
    Continuity {
        /// Which source.
        source: String,
        /// The file whose end is meant.
        path: String,
        /// That file was read to its end, and what came after it was there to be read.
        proven: bool,
        /// What was seen, in words.
        why: String,
    },
    /// A file could not be read; or could again.
    Trouble {
        /// Which source.
        source: String,
        /// What is wrong, with the remedy.
        why: String,
    },
    /// An import ended.
    Imported {
        /// Which source.
        source: String,
        /// The files, as named on the command line.
        files: Vec<String>,
        /// Lines that were new.
        lines: u64,
        /// Bytes that were new.
        bytes: u64,
    },
    /// A source was refused or stopped since it logs tokens in clear.
    RefusedRaw {
        /// Which source.
        source: String,
        /// The file.
        path: String,
    },
    /// A process began to follow files.
    Started {
        /// keytrail's version.
        version: String,
        /// The sources followed.
        sources: Vec<String>,
    },
    /// The process ended as asked.
    Stopped,
    /// Another key signs from here on.
    KeyRotated {
        /// Fingerprint of the new key.
        fingerprint: String,
        /// The handover: a note that both keys have signed.
        handover: String,
    },
    /// The ledger goes on under another name.
    NewOrigin {
        /// The name.
        origin: String,
        /// Why, in words.
        why: String,
        /// The handover: a note that the new key has signed, and the old one if it was there.
        handover: String,
    },
    /// A type that this version does not know.
    #[serde(other)]
    Unknown,
}

impl OwnLine {
    /// Returns the fact, stamped with the present time.
    pub fn now(fact: Fact) -> OwnLine {
        OwnLine { time: Timestamp::now(), fact }
    }

    /// Returns the line's bytes, `\n` included.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec(self).expect("own lines have string keys only");
        bytes.push(b'\n');
        bytes
    }

    /// Reads a line back; none if it is not one of ours, which only a foreign writer can cause.
    pub fn parse(line: &[u8]) -> Option<OwnLine> {
        serde_json::from_slice(line).ok()
    }
}

/// Ticks are about the followed file only: an import has no idle time.
pub const TICKED: Reader = Reader::Live;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_reads_back_and_unknown_types_are_passed_over() {
        let line = OwnLine {
            time: "2026-11-24T09:00:00Z".parse().expect("a time"),
            fact: Fact::Tick { source: "prod/bao-0/file".into(), idle_ns: 5 },
        };
        let text = String::from_utf8(line.to_bytes()).expect("JSON is UTF-8");
        assert_eq!(
            text,
            "{\"time\":\"2026-11-24T09:00:00Z\",\"type\":\"tick\",\"source\":\"prod/bao-0/file\",\"idle_ns\":5}\n"
        );
        assert_eq!(OwnLine::parse(text.as_bytes()), Some(line));
        let later =
            OwnLine::parse(br#"{"time":"2026-11-24T09:00:00Z","type":"sealed","segment":3}"#)
                .expect("a line");
        assert_eq!(later.fact, Fact::Unknown);
        assert_eq!(OwnLine::parse(b"no json\n"), None);
        let older = br#"{"time":"2026-11-24T09:00:00Z","type":"gap","source":"a/b/c","path":"/x","read_to":7,"why":"shrank"}"#;
        let gap = OwnLine::parse(older).expect("a line").fact;
        assert!(matches!(gap, Fact::Gap { at_least: None, read_to: 7, .. }), "{gap:?}");
    }
}
