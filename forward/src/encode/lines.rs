//! What encoders say of an event's raw lines.

use ingest::event::{AuditEvent, Flag, Uid};
use ingest::ledger::StoredLine;

use crate::outgoing::Outgoing;

/// Returns the lines there are: request, then response.
pub(super) fn of(item: &Outgoing) -> impl Iterator<Item = &StoredLine> {
    item.request.iter().chain(&item.response)
}

/// Returns the SHA-256 of a line as the server wrote it, its newline included, in hexadecimal digits.
pub(super) fn sha256(line: &StoredLine) -> String {
    query::evidence::sha256(&line.bytes)
}

/// Returns the event that a late response completes: that of its request, which was closed as unanswered.
pub(super) fn supersedes(event: &AuditEvent) -> Option<Uid> {
    let id = event.request_id.as_deref().filter(|_| event.flags.contains(&Flag::Late))?;
    Some(Uid::of_request(&event.cluster, &event.node, id, false))
}
