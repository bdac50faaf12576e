//! The two lines as the server wrote them, side by side, secrets withheld.

use ingest::ledger::StoredLine;
use ingest::normalise::redact_line;
use ingest::source::Reader;
use query::error::QueryError;
use query::full::FullEvent;

use crate::app::Seen;
use crate::error::PageError;
use crate::link::Link;
use crate::text::{Text, grouped};

/// The request's line or the response's.
pub(super) struct Line {
    pub(super) title: &'static str,
    pub(super) leaf: Option<String>,
    pub(super) missing: &'static str,
    pub(super) parts: Vec<Part>,
    pub(super) place: Option<Place>,
}

/// A stretch of a line.
pub(super) struct Part {
    pub(super) withheld: bool,
    pub(super) text: Text,
}

/// Where a line stands.
pub(super) struct Place {
    pub(super) source: Link,
    pub(super) place: String,
    pub(super) arrived: String,
    pub(super) hash: String,
    /// Where its proof is.
    pub(super) proof: String,
    pub(super) command: String,
}

/// The longest line that a page shows, in bytes; a longer one is withheld as a whole.
const LINE_BYTES_MAX: usize = 256 << 10;

pub(super) fn lines(trail: &Seen, full: &FullEvent) -> Result<[Line; 2], PageError> {
    let id = full.event.request_id.as_deref();
    Ok([
        line(
            trail,
            full.request.as_ref(),
            id,
            "Request line",
            "The request line is not in the ledger.",
        )?,
        line(
            trail,
            full.response.as_ref(),
            id,
            "Response line",
            "There is no response line in the ledger.",
        )?,
    ])
}

fn line(
    trail: &Seen,
    stored: Option<&StoredLine>,
    request_id: Option<&str>,
    title: &'static str,
    missing: &'static str,
) -> Result<Line, PageError> {
    let Some(stored) = stored else {
        return Ok(Line { title, leaf: None, missing, parts: Vec::new(), place: None });
    };
    let hash = trail.ledger().leaf_hash(stored.leaf).map_err(QueryError::from)?;
    let reader = match stored.reader {
        Reader::Live => "followed",
        Reader::Import => "imported",
    };
    let bytes = grouped(stored.bytes.len() as u64);
    let shown = match stored.bytes.len() {
        length if length > LINE_BYTES_MAX => {
            format!("‹line of {bytes} bytes, too long for a page›")
        }
        _ => redact_line(&stored.bytes, trail.rules()),
    };
    let place = Place {
        source: Link::of("source", &stored.source),
        place: format!(
            "{bytes} bytes from offset {} of generation {}",
            grouped(stored.offset),
            stored.generation.0
        ),
        arrived: format!(
            "{}, {}, {reader}",
            trail.zone().to_the_second(stored.arrived_unix_ns),
            trail.zone().name()
        ),
        proof: format!("/api/v1/proofs/leaf/{}", stored.leaf.0),
        hash: hash.iter().map(|byte| format!("{byte:02x}")).collect(),
        command: command(&stored.source, request_id),
    };
    let leaf = Some(grouped(stored.leaf.0));
    Ok(Line {
        title,
        leaf,
        missing,
        parts: parts(shown.trim_end_matches(['\n', '\r'])),
        place: Some(place),
    })
}

/// Parts a redacted line at what was withheld, which stands in `‹ ›`.
fn parts(line: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut rest = line;
    while let Some((before, from_mark)) = rest.find('‹').map(|at| rest.split_at(at)) {
        let Some(end) = from_mark.find('›').map(|at| at + '›'.len_utf8()) else { break };
        parts.push(Part { withheld: false, text: Text::whole(before) });
        parts.push(Part { withheld: true, text: Text::whole(&from_mark[..end]) });
        rest = &from_mark[end..];
    }
    parts.push(Part { withheld: false, text: Text::whole(rest) });
    parts.retain(|part| !part.text.is_empty());
    parts
}

/// Returns the command that gives the exact bytes. Only what a shell takes literally is put into it.
fn command(source: &str, request_id: Option<&str>) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./".contains(c);
    let source = match source.chars().all(plain) {
        true => source.to_owned(),
        false => format!("'{}'", source.replace('\'', r"'\''")),
    };
    match request_id {
        Some(id) if id.chars().all(plain) && !id.starts_with('-') => {
            format!("keytrail cat -d DATA -s {source} | grep -F {id}")
        }
        _ => format!("keytrail cat -d DATA -s {source}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_withheld_stands_apart() {
        let shown = |line: &str| {
            let each = parts(line).into_iter().map(|part| match part.withheld {
                true => format!("[{}]", part.text),
                false => part.text.to_string(),
            });
            each.collect::<Vec<_>>().join("|")
        };
        for (line, expected) in [
            (r#"{"pin":"‹redacted›","a":1}"#, r#"{"pin":"|[‹redacted›]|","a":1}"#),
            ("‹undecodable line, 6 bytes, not shown›", "[‹undecodable line, 6 bytes, not shown›]"),
            ("a‹b", "a‹b"),
            ("", ""),
            ("x\u{202e}y", "x\\u{202e}y"),
        ] {
            assert_eq!(shown(line), expected);
        }
    }

    #[test]
    fn a_command_holds_nothing_that_a_shell_would_run() {
        for (source, id, expected) in [
            (
                "prod/bao-0/file",
                Some("b5-f1"),
                "keytrail cat -d DATA -s prod/bao-0/file | grep -F b5-f1",
            ),
            ("prod/bao-0/file", Some("$(reboot)"), "keytrail cat -d DATA -s prod/bao-0/file"),
            ("prod/bao-0/file", Some("-f/etc/passwd"), "keytrail cat -d DATA -s prod/bao-0/file"),
            ("p'; reboot #/a/b", None, r"keytrail cat -d DATA -s 'p'\''; reboot #/a/b'"),
        ] {
            assert_eq!(command(source, id), expected);
        }
    }
}
