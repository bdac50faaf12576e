//! `GET /integrity`: was anything removed or changed, and how does one check that without us?

use askama::Template;
use axum::extract::State;
use jiff::Timestamp;
use query::error::QueryError;
use query::status::status;

use crate::app::{App, Seen};
use crate::door::{Look, May};
use crate::error::PageError;
use crate::host::Verified;
use crate::page::Rendered;
use crate::pages::overview::coverage::shell;
use crate::shell::Shell;
use crate::text::{Text, counted, grouped};

/// What the ledger says of itself.
#[derive(Template)]
#[template(path = "integrity.html")]
pub(crate) struct IntegrityPage {
    shell: Shell,
    verified: Verdict,
    facts: Vec<Fact>,
    /// Line by line.
    checkpoint: Vec<Text>,
    removed: Option<Text>,
    holds: Vec<Text>,
}

struct Verdict {
    class: &'static str,
    word: &'static str,
    says: Text,
}

struct Fact {
    name: &'static str,
    value: Text,
    code: bool,
    note: &'static str,
}

/// The page.
pub(crate) async fn integrity(
    reader: May<Look>,
    State(app): State<App>,
) -> Result<Rendered<IntegrityPage>, PageError> {
    let (data, verified) = (app.host().data(), app.host().verified());
    app.ask(&reader, move |trail| page(trail, &data, verified)).await
}

fn page(
    trail: &Seen,
    data: &std::path::Path,
    verified: Option<Verified>,
) -> Result<Rendered<IntegrityPage>, PageError> {
    let status = status(data, trail)?;
    let checkpoint = trail.ledger().checkpoint().map_err(QueryError::from)?;
    let root: String = checkpoint.root.iter().map(|byte| format!("{byte:02x}")).collect();
    let fact = |name, value: &str, code, note| Fact { name, value: Text::whole(value), code, note };
    let facts = vec![
        fact("Origin", &status.origin, false, ""),
        fact("Key", &status.key_fingerprint, true, "an auditor has it from elsewhere, beforehand"),
        fact(
            "Signed",
            &counted(status.signed_leaves, "leaf", "leaves"),
            false,
            "lines, batch headers and keytrail's own lines",
        ),
        fact("Root", &root, true, "of the Merkle tree over these leaves"),
        fact(
            "Indexed",
            &counted(status.indexed_leaves, "leaf", "leaves"),
            false,
            "answers hold up to there",
        ),
        fact("Gaps", &grouped(status.gaps), false, "stretches known to be missing"),
        fact(
            "Undecodable",
            &counted(status.undecodable, "line", "lines"),
            false,
            "kept, and in no count",
        ),
        fact("Rules", &status.rules, true, "made events of the lines"),
    ];
    let removed = status.retained_until.as_ref().map(|until| {
        Text::whole(&format!(
            "Lines that arrived up to {until} were removed by retention: answers begin at leaf {}. Their hashes stay, and so do all proofs.",
            grouped(status.least_leaf)
        ))
    });
    let holds = status.holds.iter();
    Ok(Rendered::ok(IntegrityPage {
        shell: shell(trail, "Integrity"),
        verified: verdict(verified),
        facts,
        checkpoint: checkpoint.note.lines().map(Text::whole).collect(),
        removed,
        holds: holds
            .map(|hold| Text::whole(&format!("since {}: {}", hold.since, hold.reason)))
            .collect(),
    }))
}

fn verdict(verified: Option<Verified>) -> Verdict {
    let at = |verified: &Verified| {
        Timestamp::from_second(verified.at_unix).map_or_else(|_| String::new(), |at| at.to_string())
    };
    match verified {
        None => Verdict {
            class: "unknown",
            word: "not verified",
            says: Text::whole(
                "Nothing was verified since this process started. [verify] in the configuration does so on a schedule, keytrail verify at once.",
            ),
        },
        Some(Verified { problem: Some(problem), .. }) => {
            Verdict { class: "denied", word: "not intact", says: Text::whole(&problem) }
        }
        Some(verified) => Verdict {
            class: "allowed",
            word: "intact",
            says: Text::whole(&format!("every leaf was hashed again at {}", at(&verified))),
        },
    }
}
