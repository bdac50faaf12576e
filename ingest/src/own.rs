//! keytrail's own lines: what it did and noticed, as JSON in the ledger's `own/` stream.
//!
//! They are evidence like the server's lines: a gap that was seen cannot be un-seen. Readers pass
//! over types that they do not know, so new ones may be added.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::source::Reader;

pub use crate::ledger::OWN_SOURCE;

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
    /// Nothing was recorded for want of room on the disk, until this line's time. The audit files were the buffer.
    Paused {
        /// Since when.
        since: Timestamp,
        /// Why, with the remedy.
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
    /// Which nodes the configuration says that the cluster has. Written when it differs from the last
    /// one, so that whoever holds a copy of the ledger knows what it ought to hold.
    Declared {
        /// Their names; absent: nothing is declared.
        nodes: Option<Vec<String>>,
    },
    /// Numbered reads that were sent to a server, each answered by it, to be found again in its log.
    Heartbeats {
        /// The sources in which they have to appear: the audit devices of one node.
        sources: Vec<String>,
        /// Sixteen random hex digits: one following, from the start of the process to its end.
        run: String,
        /// In the order in which they were sent.
        beats: Vec<Beat>,
        /// After so long a beat that is not there, while later lines are, is missing.
        overdue_ns: i64,
    },
    /// The server's own count of the lines that it wrote, read between two heartbeats.
    Counters {
        /// The sources that it is compared with: the audit devices of one node.
        sources: Vec<String>,
        /// The run of both heartbeats.
        run: String,
        /// The heartbeat that was answered before the count was read.
        before: u64,
        /// The heartbeat that was sent after.
        after: u64,
        /// When the server's process began, in milliseconds since 1970: a new one counts from zero.
        server_started_ms: i64,
        /// Request lines.
        requests: u64,
        /// Response lines.
        responses: u64,
    },
    /// Somebody asked whose a value is. The value itself is nowhere.
    LookedUp {
        /// Who asked: `os:user@host` is what the operating system told, claimed and not proven.
        by: String,
        /// From where, if over the network.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        address: Option<String>,
        /// The value's hashes.
        hashes: Vec<String>,
    },
    /// Somebody signed in.
    SignedIn {
        /// Who: `user:name` by a password, `oidc:name` by the provider.
        by: String,
        /// From where.
        address: String,
        /// The provider's own name for him, which never becomes another's.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        subject: Option<String>,
        /// The role that the provider's groups gave him.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        role: Option<String>,
    },
    /// Somebody could not sign in.
    SignInFailed {
        /// The user who was named; absent if there is no such one, since what was typed may be a password. Of the provider: who it says he is.
        user: Option<String>,
        /// From where.
        address: String,
        /// `oidc`; absent: by name and password, which do not go together.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        method: Option<String>,
        /// What he was told.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        why: Option<String>,
    },
    /// Somebody signed out.
    SignedOut {
        /// Who.
        by: String,
        /// From where.
        address: String,
        /// All his sessions ended.
        everywhere: bool,
    },
    /// Somebody asked the trail a question.
    Asked {
        /// Who: `user:name`, `token:name`.
        by: String,
        /// From where.
        address: String,
        /// The page or the API's address.
        route: String,
        /// The filter as it was typed; of a page about one identity or path, its address.
        filter: String,
    },
    /// Somebody was shown lines as a server wrote them, or given proofs of them.
    LinesShown {
        /// Who.
        by: String,
        /// From where.
        address: String,
        /// The lines.
        leaves: Vec<u64>,
    },
    /// Somebody gave a question a name, or took one away.
    ViewChanged {
        /// Who.
        by: String,
        /// From where.
        address: String,
        /// The name.
        name: String,
        /// What is asked under it; empty of one that is taken away.
        filter: String,
        /// It is taken away.
        removed: bool,
    },
    /// A reviewer decided about an exception to a control, or confirmed what another one decided.
    ExceptionReviewed {
        /// Who.
        by: String,
        /// From where.
        address: String,
        /// The exception's hash.
        exception: String,
        /// Its key: control, cluster, rule and what its events have in common.
        key: String,
        /// The events that were before him: the first's time, in nanoseconds since 1970.
        from_unix_ns: i64,
        /// The last's.
        to_unix_ns: i64,
        /// How many.
        events: u64,
        /// `in_review`, `expected`, `false_positive`, `accepted_risk`, `remediated`, `incident` or `reopened`.
        state: String,
        /// Why, in his words.
        reason: String,
        /// Where it is followed up.
        ticket: Option<String>,
        /// Until when it holds.
        expires: Option<Timestamp>,
    },
    /// A review of access was opened: which identity holds which policy, to be kept or taken away.
    CampaignOpened {
        /// Who opened it.
        by: String,
        /// From where.
        address: String,
        /// Its name, which no other has.
        campaign: String,
        /// The filter whose events tell who holds what; empty: everything.
        scope: String,
        /// The beginning of their period; absent: the first event.
        from: Option<Timestamp>,
        /// Its end, which does not belong to it.
        to: Option<Timestamp>,
        /// As of this leaf.
        at: u64,
        /// When everything has to be decided.
        due: Timestamp,
        /// Who decides: `user:ann`; empty: every reviewer.
        reviewers: Vec<String>,
        /// How many pairs of identity and policy there are.
        items: u64,
        /// SHA-256 of the pairs.
        items_sha256: String,
    },
    /// A reviewer decided about pairs of identity and policy.
    CampaignDecided {
        /// Who.
        by: String,
        /// From where.
        address: String,
        /// The campaign.
        campaign: String,
        /// About which.
        items: Vec<Held>,
        /// `keep`, `revoke`, `modify` or `not_mine`.
        decision: String,
        /// Why, in his words; may be empty where one pair is kept.
        reason: String,
    },
    /// A review of access is over.
    CampaignClosed {
        /// Who closed it.
        by: String,
        /// From where.
        address: String,
        /// The campaign.
        campaign: String,
        /// How many pairs nobody has decided about.
        undecided: u64,
        /// Why it ends so.
        reason: String,
    },
    /// Somebody stands up for a report. It can be made again of what is said here, and its SHA-256 compared.
    ReportIssued {
        /// Who.
        by: String,
        /// From where, if over the network.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        address: Option<String>,
        /// Its name: twelve hexadecimal digits.
        id: String,
        /// Which report.
        report: String,
        /// Of the access report: what a row is.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        rows: Option<String>,
        /// The filter; empty: everything.
        scope: String,
        /// The period as it was asked for, and its zone.
        period: String,
        /// Its first instant; absent: the first event.
        from: Option<Timestamp>,
        /// Its end, which does not belong to it; absent: the last event.
        to: Option<Timestamp>,
        /// The zone in which dates were meant.
        zone: String,
        /// As of this leaf.
        at: u64,
        /// SHA-256 of what it says.
        sha256: String,
        /// The report in whose place it stands.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        supersedes: Option<String>,
        /// Why, in words; empty of a first one.
        because: String,
    },
    /// Somebody asked for events to be sent to a sink again.
    SinkAsked {
        /// Who.
        by: String,
        /// From where, if over the network.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        address: Option<String>,
        /// The sink.
        sink: String,
        /// Everything that was issued after this leaf; absent: events that are named one by one.
        after: Option<u64>,
        /// How many are named.
        again: u64,
    },
    /// Somebody compared what a sink's receiver has with what was sent to it.
    SinkReconciled {
        /// Who.
        by: String,
        /// The sink.
        sink: String,
        /// What it was held against: `receiver`, `documents` or `uids`. The last two are lists that somebody brought.
        against: String,
        /// Events from this time on; absent: from the first.
        from: Option<Timestamp>,
        /// Before this time; absent: to the last.
        to: Option<Timestamp>,
        /// Issued after this place, leaf and ordinal.
        after: (u64, u32),
        /// And up to this one.
        upto: (u64, u32),
        /// Events that were to be there.
        expected: u64,
        /// Those that are not, and were not refused.
        missing: u64,
        /// Those that are not, since the receiver refused them.
        refused: u64,
        /// Those that are there several times.
        doubled: u64,
        /// Those whose document is not what was sent; absent: documents were not looked at.
        altered: Option<u64>,
        /// Those that another version of keytrail wrote, and which were not compared.
        other_version: u64,
        /// Uids there that are no event of the trail.
        unknown: u64,
        /// SHA-256 of the file with the result, if one was written.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        sha256: Option<String>,
    },
    /// A report was made as the configuration asks for.
    ReportMade {
        /// The schedule's name.
        schedule: String,
        /// When it was due.
        due: Timestamp,
        /// Which report.
        report: String,
        /// The period and its zone.
        period: String,
        /// As of this leaf.
        at: u64,
        /// The files.
        files: Vec<FileMade>,
        /// Why there are none.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        problem: Option<String>,
    },
    /// Somebody took an answer away as a file.
    Exported {
        /// Who.
        by: String,
        /// From where.
        address: String,
        /// Of what: events, the access report.
        what: String,
        /// The filter as it was meant.
        filter: String,
        /// The period's beginning.
        from: Option<String>,
        /// Its end.
        to: Option<String>,
    },
    /// Somebody did more within a minute than is written down one by one.
    DeedsLeftOut {
        /// Who.
        by: String,
        /// Since when.
        since: Timestamp,
        /// How many more there were.
        deeds: u64,
    },
    /// A user or a token was added, changed or removed.
    AccountChanged {
        /// Who did it: `os:user@host` is what the operating system told, claimed and not proven.
        by: String,
        /// From where, if over the network.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        address: Option<String>,
        /// What was done: `user added`, `password changed`, `role changed`, `user removed`, `token added`, `token removed`, `sessions ended`.
        change: String,
        /// The user's or token's name.
        name: String,
        /// The role from now on.
        #[serde(default)]
        role: Option<String>,
        /// Of an auditor: the filter that he is bound to.
        #[serde(default)]
        scope: Option<String>,
        /// The period that he is bound to.
        #[serde(default)]
        from: Option<Timestamp>,
        /// Its end.
        #[serde(default)]
        to: Option<Timestamp>,
        /// When a token ends.
        #[serde(default)]
        expires: Option<Timestamp>,
    },
    /// Controls were run with other registers than the last time.
    RegistersChanged {
        /// Who ran them: `os:user@host` is what the operating system told, claimed and not proven.
        by: String,
        /// All registers as they are from now on.
        registers: Vec<RegisterSeen>,
    },
    /// An alarm was raised, or is over.
    Alarm {
        /// The name in the configuration.
        name: String,
        /// The condition: `gap`, `silence`, `lag`, `disk`, `verify`, `clock`.
        on: String,
        /// What it is about: a source, or the ledger.
        subject: String,
        /// Whether it is over.
        resolved: bool,
        /// In words.
        text: String,
    },
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
    /// A tombstone: segments lose their lines, since they are older than what is kept.
    Retained {
        /// The least leaf that is answered from.
        least_leaf: u64,
        /// When the last of the removed lines had arrived.
        until: Timestamp,
        /// How long lines are kept, in seconds: `34560000s`.
        keep: String,
        /// The segments.
        removed: Vec<RemovedSegment>,
    },
    /// Nothing may be removed from here on.
    HoldSet {
        /// Why, in the words of whoever set it.
        reason: String,
    },
    /// A hold is over.
    HoldReleased {
        /// The reason with which it was set.
        reason: String,
    },
    /// A type that this version does not know.
    #[serde(other)]
    Unknown,
}

/// A file that was written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileMade {
    /// Its name in the schedule's folder.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// SHA-256 of its bytes.
    pub sha256: String,
}

/// That an identity holds a policy.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Held {
    /// The identity's key.
    pub identity: String,
    /// The policy.
    pub policy: String,
}

/// A register as a run of controls saw it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegisterSeen {
    /// Its name.
    pub name: String,
    /// How many rows it has.
    pub rows: u64,
    /// SHA-256 of what they say, in hexadecimal digits; absent: there is no such register.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

/// A segment whose lines are removed; headers and leaf hashes stay.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemovedSegment {
    /// Its file within `ledger/`.
    pub file: String,
    /// Its first leaf.
    pub first_leaf: u64,
    /// The leaf after its last batch.
    pub end: u64,
    /// How many leaves it has, headers included.
    pub leaves: u64,
    /// Bytes of its lines.
    pub bytes: u64,
}

/// A heartbeat that the server has answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beat {
    /// Its number within its run, from 1.
    pub number: u64,
    /// When it was sent, in nanoseconds since 1970, by this machine's clock.
    pub sent_unix_ns: i64,
}

impl Fact {
    /// Every type of line, as it stands in `type`.
    pub const KINDS: &[&str] = &[
        "tick",
        "gap",
        "continuity",
        "trouble",
        "paused",
        "imported",
        "refused_raw",
        "started",
        "stopped",
        "declared",
        "heartbeats",
        "counters",
        "looked_up",
        "signed_in",
        "sign_in_failed",
        "signed_out",
        "asked",
        "lines_shown",
        "view_changed",
        "exception_reviewed",
        "campaign_opened",
        "campaign_decided",
        "campaign_closed",
        "report_issued",
        "sink_asked",
        "sink_reconciled",
        "report_made",
        "exported",
        "deeds_left_out",
        "account_changed",
        "registers_changed",
        "alarm",
        "key_rotated",
        "new_origin",
        "retained",
        "hold_set",
        "hold_released",
    ];

    /// Tells whether this is what a person did with keytrail.
    pub fn is_deed(&self) -> bool {
        matches!(
            self,
            Fact::LookedUp { .. }
                | Fact::SignedIn { .. }
                | Fact::SignInFailed { .. }
                | Fact::SignedOut { .. }
                | Fact::Asked { .. }
                | Fact::LinesShown { .. }
                | Fact::Exported { .. }
                | Fact::ViewChanged { .. }
                | Fact::ExceptionReviewed { .. }
                | Fact::CampaignOpened { .. }
                | Fact::CampaignDecided { .. }
                | Fact::CampaignClosed { .. }
                | Fact::ReportIssued { .. }
                | Fact::SinkAsked { .. }
                | Fact::SinkReconciled { .. }
                | Fact::DeedsLeftOut { .. }
                | Fact::AccountChanged { .. }
                | Fact::RegistersChanged { .. }
        )
    }
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
    fn every_type_that_is_listed_is_one() {
        for kind in Fact::KINDS {
            let read = serde_json::from_value::<Fact>(serde_json::json!({ "type": kind }));
            // Known, so its fields are missed; or it has none that are required.
            assert!(!matches!(read, Ok(Fact::Unknown)), "{kind}");
        }
    }

    #[test]
    fn every_type_is_listed() {
        // The compiler does not tell the variants of an enumeration, its text does.
        let text = include_str!("own.rs").split_once("pub enum Fact {").expect("it is here").1;
        let text = text.split_once("Unknown,\n}").expect("it ends").0;
        let names = text.lines().filter_map(|line| {
            let name = line.strip_prefix("    ")?.trim_end_matches([' ', '{', ',']);
            name.starts_with(|c: char| c.is_ascii_uppercase()).then_some(name)
        });
        let snake = |name: &str| {
            let words = name.char_indices().map(|(at, c)| match c.is_ascii_uppercase() && at > 0 {
                true => format!("_{}", c.to_ascii_lowercase()),
                false => c.to_ascii_lowercase().to_string(),
            });
            words.collect::<String>()
        };
        let mut variants: Vec<String> = names.map(snake).collect();
        let mut listed = Fact::KINDS.to_vec();
        variants.sort();
        listed.sort_unstable();
        assert_eq!(variants, listed);
    }

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
