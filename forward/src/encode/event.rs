//! `event`: AuditEvent as the API gives it, the hashes of its lines, and the event it completes.

use ingest::event::{AuditEvent, Uid};
use serde::Serialize;

use super::lines;
use crate::outgoing::Outgoing;

/// An AuditEvent, and what a sink adds.
#[derive(Serialize)]
struct Event<'a> {
    #[serde(flatten)]
    event: &'a AuditEvent,
    /// SHA-256 of each of `leaves`, in hexadecimal digits.
    line_sha256: Vec<String>,
    /// Of a late response: the event of its request, which was closed as unanswered.
    supersedes: Option<Uid>,
    /// The version of keytrail that wrote it.
    keytrail_version: &'static str,
}

pub(super) fn encode(item: &Outgoing) -> Vec<u8> {
    let event = Event {
        event: &item.event,
        line_sha256: lines::of(item).map(lines::sha256).collect(),
        supersedes: lines::supersedes(&item.event),
        keytrail_version: super::VERSION,
    };
    serde_json::to_vec(&event).expect("texts, numbers and lists of them")
}
