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

/// Returns the event that this one completes: of a late response that of its request, which was closed as unanswered; of
/// a request whose line came after its response that of the response, which had been an event alone.
pub(super) fn supersedes(event: &AuditEvent) -> Option<Uid> {
    let came_later = matches!(event.leaves[..], [request, response] if request > response);
    let completes = came_later || event.flags.contains(&Flag::Late);
    let id = event.request_id.as_deref().filter(|_| completes)?;
    Some(Uid::of_request(&event.cluster, &event.node, id, false))
}
