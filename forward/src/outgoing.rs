//! An event as encoders get it.

use ingest::event::AuditEvent;
use ingest::ledger::StoredLine;

/// An event and its lines, before it is put into a sink's words.
///
/// The lines may hold what no sink is told (numbers below a secret's data): an encoder shows them redacted
/// (`ingest::normalise::redact_line`) unless a sink was told to include clear values.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// What happened; salt and former name are filled in.
    pub event: AuditEvent,
    /// The request line as the server wrote it.
    pub request: Option<StoredLine>,
    /// The response line.
    pub response: Option<StoredLine>,
}
