//! What encoders say of an event's raw lines.

use std::borrow::Cow;

use ingest::event::{AuditEvent, Flag, Uid};
use ingest::ledger::StoredLine;
use ingest::normalise::redact_line;
use sha2::{Digest, Sha256};

use super::Options;
use crate::outgoing::Outgoing;

/// The most bytes of one line that an encoder repeats.
pub(super) const LINE_MAX: usize = 64 << 10;

/// The lines as a sink may show them.
pub(super) struct Original {
    /// Request, then response, a newline between.
    pub(super) text: String,
    /// Both as the server wrote them, newlines included.
    pub(super) bytes: u64,
    /// A line was longer than [`LINE_MAX`].
    pub(super) is_cut: bool,
}

/// Returns the lines there are: request, then response.
pub(super) fn of(item: &Outgoing) -> impl Iterator<Item = &StoredLine> {
    item.request.iter().chain(&item.response)
}

/// Returns the SHA-256 of a line as the server wrote it, its newline included, in hexadecimal digits.
pub(super) fn sha256(line: &StoredLine) -> String {
    query::evidence::sha256(&line.bytes)
}

/// Returns the same over both lines, one after the other: what `grep REQUEST_ID audit.log | sha256sum` says.
pub(super) fn sha256_of_all(item: &Outgoing) -> String {
    let mut hash = Sha256::new();
    of(item).for_each(|line| hash.update(&line.bytes));
    query::evidence::hex(&hash.finalize())
}

/// Returns the line as a sink may show it, without its newline.
pub(super) fn shown<'a>(line: &'a StoredLine, options: &Options) -> Cow<'a, str> {
    let text = match options.include_clear_values {
        true => String::from_utf8_lossy(&line.bytes),
        false => Cow::Owned(redact_line(&line.bytes, options.rules)),
    };
    match text {
        Cow::Borrowed(text) => Cow::Borrowed(text.trim_end_matches(['\r', '\n'])),
        Cow::Owned(text) => Cow::Owned(text.trim_end_matches(['\r', '\n']).to_owned()),
    }
}

/// Returns the lines as the server wrote them, without the last newline.
pub(super) fn raw(item: &Outgoing) -> Vec<u8> {
    let lines: Vec<&[u8]> =
        of(item).map(|line| line.bytes.strip_suffix(b"\n").unwrap_or(&line.bytes)).collect();
    lines.join(&b'\n')
}

/// Returns the lines as a sink may show them.
pub(super) fn original(item: &Outgoing, options: &Options) -> Original {
    let mut original = Original { text: String::new(), bytes: 0, is_cut: false };
    for line in of(item) {
        original.bytes += line.bytes.len() as u64;
        if !original.text.is_empty() {
            original.text.push('\n');
        }
        let shown = shown(line, options);
        let cut = cut(&shown, LINE_MAX);
        original.is_cut |= cut.len() < shown.len();
        original.text.push_str(cut);
    }
    original
}

/// Returns the beginning of a text, at most so many bytes.
pub(super) fn cut(text: &str, bytes_max: usize) -> &str {
    &text[..text.floor_char_boundary(bytes_max)]
}

/// Returns the event that this one completes: of a late response that of its request, which was closed as unanswered; of
/// a request whose line came after its response that of the response, which had been an event alone.
pub(super) fn supersedes(event: &AuditEvent) -> Option<Uid> {
    let came_later = matches!(event.leaves[..], [request, response] if request > response);
    let completes = came_later || event.flags.contains(&Flag::Late);
    let id = event.request_id.as_deref().filter(|_| completes)?;
    Some(Uid::of_request(&event.cluster, &event.node, id, false))
}
